// The gradient of a convolution's weight, stride 1 and one group: a product over pixels.
//
//   output[s, o, i, ky, kx] = Σ_{n, p in slice s} g[n, o, p] · x[n, i, p + k − padding]
//
// A thread makes four outputs × four inputs × a row of the kernel and goes along the rows of its slice, a few pixels at once,
// each of x loaded once for all taps. Slices are so many rows of all pictures; their sums are added afterwards in
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

const PIXELS: u32 = 4u; // of a row that a thread goes through at once
const SPAN: u32 = PIXELS + TAPS - 1u;

alias Sums = array<Vec4, 4u * TAPS>; // an output's inputs, under a tap

// What pixels of one row add to the sums: those of g from `column` on, and those of x under the taps.
fn accumulate(sums: ptr<function, Sums>, x_row: u32, g_row: u32, column: u32) {
    var span: array<Vec4, SPAN>;
    for (var s = 0u; s < SPAN; s++) {
        let at = column + s - params.padding; // wraps below zero to a large number
        span[s] = select(Vec4(0.0), Vec4(x[x_row + min(at, params.input_width - 1u)]), at < params.input_width);
    }
    for (var p = 0u; p < PIXELS; p++) {
        let at = min(column + p, params.width - 1u);
        let gradient = select(Vec4(0.0), Vec4(g[g_row + at]), column + p < params.width);
        for (var kx = 0u; kx < TAPS; kx++) {
            (*sums)[4u * kx] = fma(Vec4(gradient.x), span[p + kx], (*sums)[4u * kx]);
            (*sums)[4u * kx + 1u] = fma(Vec4(gradient.y), span[p + kx], (*sums)[4u * kx + 1u]);
            (*sums)[4u * kx + 2u] = fma(Vec4(gradient.z), span[p + kx], (*sums)[4u * kx + 2u]);
            (*sums)[4u * kx + 3u] = fma(Vec4(gradient.w), span[p + kx], (*sums)[4u * kx + 3u]);
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = min(id.x, params.blocks - 1u);
    let ky = block % TAPS;
    let input_group = block / TAPS % params.input_groups;
    let group = block / TAPS / params.input_groups;
    let groups = channel_groups(params.output_channels);

    var sums: Sums;
    for (var row = id.y * params.rows_per_slice; row < min((id.y + 1u) * params.rows_per_slice, params.rows); row++) {
        let n = row / params.height;
        let y = row % params.height;
        let input_row = y + ky - params.padding; // wraps below zero to a large number
        if (input_row < params.input_height) {
            let plane = n * params.input_groups + input_group;
            let x_row = element(plane, input_row, 0u, params.input_height, params.input_width);
            let g_row = element(n * groups + group, y, 0u, params.height, params.width);
            for (var column = 0u; column < params.width; column += PIXELS) {
                accumulate(&sums, x_row, g_row, column);
            }
        }
    }
    if (id.x >= params.blocks) {
        return;
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let o = 4u * group + lane;
        if (o < params.output_channels) {
            let plane = (id.y * params.output_channels + o) * params.input_groups + input_group;
            for (var kx = 0u; kx < TAPS; kx++) {
                output[element(plane, ky, kx, TAPS, TAPS)] = sums[4u * kx + lane];
            }
        }
    }
}
