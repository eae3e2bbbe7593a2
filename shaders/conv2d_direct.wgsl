// Convolution, any kernel, stride, padding and groups: one pixel × four output channels a thread.
//
//   output[o, p] = epilogue(bias[o] + Σ_{i, k} weight[o, i, k] · input[i, stride · p + k − padding])
//
// The sum over i stays in o's group. Plain rather than fast: the tiled kernels take what they can.

#import element
#import layout
#import epilogue
#import bias

// Whether a thread's four output channels may be of different groups, and so read different input channels.
override GROUPED: bool = false;
// Where they may not: whether the inputs of a group are whole groups of four, and so are loaded four at a time.
override FOURS: bool = false;

struct Conv2dDirectParams {
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
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dDirectParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>;
@group(0) @binding(3) var<storage, read> weight: array<WeightStored>; // [out / 4][inputs per group][ky][kx]
@group(0) @binding(4) var<storage, read> bias: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> output: array<OutputStored>;

// Input channel i of each lane's group, at one pixel.
fn inputs(planes: u32, i: u32, first: vec4<u32>, y: u32, x: u32) -> Vec4 {
    if (!GROUPED) {
        let c = first.x + i;
        return Vec4(f32(input[element(planes + c / 4u, y, x, params.input_height, params.input_width)][c % 4u]));
    }
    var values: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let c = min(first[lane] + i, params.input_channels - 1u); // lanes past the last have no group
        values[lane] = f32(input[element(planes + c / 4u, y, x, params.input_height, params.input_width)][c % 4u]);
    }
    return values;
}

// The sum and what one or four inputs add to it, at one pixel and under the tap whose weights begin at `tap`.
fn multiply(sum: Vec4, planes: u32, i: u32, first: vec4<u32>, y: u32, x: u32, tap: u32) -> Vec4 {
    if (!FOURS) {
        return fma(inputs(planes, i, first, y, x), Vec4(weight[tap]), sum);
    }
    let value = Vec4(input[element(planes + (first.x + i) / 4u, y, x, params.input_height, params.input_width)]);
    let next = params.kernel * params.kernel;
    var more = fma(Vec4(value.x), Vec4(weight[tap]), sum);
    more = fma(Vec4(value.y), Vec4(weight[tap + next]), more);
    more = fma(Vec4(value.z), Vec4(weight[tap + 2u * next]), more);
    return fma(Vec4(value.w), Vec4(weight[tap + 3u * next]), more);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.output_channels);
    let planes = id.z / groups * channel_groups(params.input_channels);
    let group = id.z % groups;
    let channel = vec4<u32>(4u * group) + vec4<u32>(0u, 1u, 2u, 3u);
    let first = channel / params.outputs_per_group * params.inputs_per_group;

    var sum = bias[group];
    for (var i = 0u; i < params.inputs_per_group; i += select(1u, 4u, FOURS)) {
        for (var ky = 0u; ky < params.kernel; ky++) {
            let y = id.y * params.stride + ky - params.padding; // wraps below zero to a large number
            if (y < params.input_height) {
                for (var kx = 0u; kx < params.kernel; kx++) {
                    let x = id.x * params.stride + kx - params.padding;
                    if (x < params.input_width) {
                        let tap = ((group * params.inputs_per_group + i) * params.kernel + ky) * params.kernel + kx;
                        sum = multiply(sum, planes, i, first, y, x, tap);
                    }
                }
            }
        }
    }
    let to = element(id.z, id.y, id.x, params.height, params.width);
    let slope = slope_of(group, channel_groups(params.output_channels), params.slope);
    output[to] = OutputStored(live_lanes(epilogue(sum, to, slope), group, params.output_channels));
}
