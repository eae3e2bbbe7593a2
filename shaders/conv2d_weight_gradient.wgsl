// The gradient of a convolution's weight, stride 1 and one group: a product over pixels.
//
//   output[s, o, i, ky, kx] = Σ_{n, p in slice s} g[n, o, p] · x[n, i, p + k − padding]
//
// A thread makes four outputs × four inputs × a row of the kernel and slides along the rows of its slice, so that a pixel of
// x is loaded once for all taps of the row. Slices are so many rows of all pictures; their sums are added afterwards in
// order, so the result is the same each time.

#import element
#import layout

// The kernel's side, a constant in front: TAPS.

struct Conv2dWeightGradientParams {
    input_width: u32,
    input_height: u32,
    input_groups: u32,
    width: u32,
    height: u32,
    output_channels: u32,
    padding: u32,
    rows: u32, // of all pictures
    rows_per_slice: u32,
    blocks: u32, // of outputs, inputs and rows of the kernel
}

@group(0) @binding(0) var<uniform> params: Conv2dWeightGradientParams;
@group(0) @binding(1) var<storage, read> x: array<XStored>;
@group(0) @binding(2) var<storage, read> g: array<GStored>;
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

// A number of x's row, zero beside the picture. `column` wraps below zero to a large number.
fn pixel(row: u32, column: u32) -> Vec4 {
    if (column >= params.input_width) {
        return Vec4(0.0);
    }
    return Vec4(x[row + column]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.blocks) {
        return;
    }
    let ky = id.x % TAPS;
    let input_group = id.x / TAPS % params.input_groups;
    let group = id.x / TAPS / params.input_groups;
    let groups = channel_groups(params.output_channels);

    var sums: array<mat4x4<f32>, TAPS>; // a column an output
    for (var row = id.y * params.rows_per_slice; row < min((id.y + 1u) * params.rows_per_slice, params.rows); row++) {
        let n = row / params.height;
        let y = row % params.height;
        let input_row = y + ky - params.padding; // wraps below zero to a large number
        if (input_row < params.input_height) {
            let x_row = element(n * params.input_groups + input_group, input_row, 0u, params.input_height, params.input_width);
            let g_row = element(n * groups + group, y, 0u, params.height, params.width);
            var window: array<Vec4, TAPS>;
            for (var kx = 1u; kx < TAPS; kx++) {
                window[kx] = pixel(x_row, kx - 1u - params.padding);
            }
            for (var column = 0u; column < params.width; column++) {
                for (var kx = 1u; kx < TAPS; kx++) {
                    window[kx - 1u] = window[kx];
                }
                window[TAPS - 1u] = pixel(x_row, column + TAPS - 1u - params.padding);
                let gradient = Vec4(g[g_row + column]);
                for (var kx = 0u; kx < TAPS; kx++) {
                    sums[kx][0] = fma(Vec4(gradient.x), window[kx], sums[kx][0]);
                    sums[kx][1] = fma(Vec4(gradient.y), window[kx], sums[kx][1]);
                    sums[kx][2] = fma(Vec4(gradient.z), window[kx], sums[kx][2]);
                    sums[kx][3] = fma(Vec4(gradient.w), window[kx], sums[kx][3]);
                }
            }
        }
    }
    for (var lane = 0u; lane < min(4u, params.output_channels - 4u * group); lane++) {
        let plane = (id.y * params.output_channels + 4u * group + lane) * params.input_groups + input_group;
        for (var kx = 0u; kx < TAPS; kx++) {
            output[element(plane, ky, kx, TAPS, TAPS)] = sums[kx][lane];
        }
    }
}
