// The gradient of a convolution's weight for any stride and groups: four inputs × one output × one tap a thread.
//
//   output[s, o, i, ky, kx] = Σ_{n, p in slice s} g[n, o, p] · x[n, first(o) + i, stride · p + k − padding]
//
// first(o) is the first channel of o's group; i counts within it. Slices as in conv2d_weight_gradient.

#import element
#import layout

struct Conv2dWeightGradientDirectParams {
    input_width: u32,
    input_height: u32,
    input_channels: u32,
    width: u32,
    height: u32,
    output_channels: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    inputs_per_group: u32,
    outputs_per_group: u32,
    rows: u32, // of all pictures
    rows_per_slice: u32,
}

@group(0) @binding(0) var<uniform> params: Conv2dWeightGradientDirectParams;
@group(0) @binding(1) var<storage, read> x: array<XStored>;
@group(0) @binding(2) var<storage, read> g: array<GStored>;
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

// Four channels from `first` on, at one pixel of the picture whose planes begin at `planes`.
fn inputs(planes: u32, first: u32, at: vec2<u32>) -> Vec4 {
    var values: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let c = min(first + lane, params.input_channels - 1u);
        values[lane] = f32(x[element(planes + c / 4u, at.y, at.x, params.input_height, params.input_width)][c % 4u]);
    }
    return values;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let input_groups = channel_groups(params.inputs_per_group);
    let taps = params.kernel * params.kernel;
    if (id.x >= params.output_channels * input_groups * taps) {
        return;
    }
    let kx = id.x % params.kernel;
    let ky = id.x / params.kernel % params.kernel;
    let input_group = id.x / taps % input_groups;
    let o = id.x / taps / input_groups;
    let first = o / params.outputs_per_group * params.inputs_per_group + 4u * input_group;

    var sum = Vec4(0.0);
    for (var row = id.y * params.rows_per_slice; row < min((id.y + 1u) * params.rows_per_slice, params.rows); row++) {
        let n = row / params.height;
        let y = row % params.height;
        let input_row = y * params.stride + ky - params.padding; // wraps below zero to a large number
        if (input_row < params.input_height) {
            let planes = n * channel_groups(params.input_channels);
            let g_plane = n * channel_groups(params.output_channels) + o / 4u;
            for (var column = 0u; column < params.width; column++) {
                let at = column * params.stride + kx - params.padding;
                if (at < params.input_width) {
                    let gradient = f32(g[element(g_plane, y, column, params.height, params.width)][o % 4u]);
                    sum = fma(Vec4(gradient), inputs(planes, first, vec2<u32>(at, input_row)), sum);
                }
            }
        }
    }
    let plane = (id.y * params.output_channels + o) * input_groups + input_group;
    output[element(plane, ky, kx, params.kernel, params.kernel)] = live_lanes(sum, input_group, params.inputs_per_group);
}
