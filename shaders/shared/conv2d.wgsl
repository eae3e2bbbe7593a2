// What the register-tiled convolutions share: stride 1, size kept, one group, kernel KERNEL×KERNEL.
//
//   y = epilogue(bias + Σ_dense weight · x)                                        a plain convolution
//   y = epilogue(S · (bias + Σ_dense weight · x + M · Σ_sparse weight · x))        a masked one
//
// M is the mask at the output pixel, S is M in sparse output channels and 1 in dense ones. The sparse
// sum comes first, so that one accumulator serves: it is multiplied by M, then the dense sum is added.
//
// A thread makes PIXELS neighbours of a row × CHANNEL_GROUPS groups of four channels, all in registers.
// A workgroup of 64 threads is 8 rows of 8 strips.
//
// The host puts in front: const KERNEL, const CHANNEL_GROUPS.

#import element
#import layout
#import epilogue

override MASKED: bool = false;

const PIXELS: u32 = 4u;
const STRIPS: u32 = 8u;
const ROWS: u32 = 8u;
const RADIUS: u32 = KERNEL / 2u;
const SPAN: u32 = PIXELS + KERNEL - 1u;

struct Conv2dParams {
    width: u32,
    height: u32,
    input_groups: u32,
    output_groups: u32,
    stored_groups: u32,
    output_channels: u32,
    dense_outputs: u32,
    dense_groups: u32,
    sparse_begin: u32,
    sparse_groups: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read> residual: array<Vec4>;
@group(0) @binding(3) var<storage, read> mask: array<Vec4>;
@group(0) @binding(4) var<storage, read> weight: array<Vec4>;
@group(0) @binding(5) var<storage, read> bias: array<Vec4>;
@group(0) @binding(6) var<storage, read_write> output: array<Vec4>;

alias Accumulator = array<array<Vec4, CHANNEL_GROUPS>, PIXELS>;

// A thread's part of the output: pixels (x .. x + PIXELS, y) of one picture, groups from `group` on.
struct Strip {
    n: u32,
    x: u32,
    y: u32,
    block: u32,
    group: u32,
}

fn strip(workgroup: vec3<u32>, thread: u32) -> Strip {
    let blocks = (params.stored_groups + CHANNEL_GROUPS - 1u) / CHANNEL_GROUPS;
    let block = workgroup.z % blocks;
    let x = (workgroup.x * STRIPS + thread % STRIPS) * PIXELS;
    let y = workgroup.y * ROWS + thread / STRIPS;
    return Strip(workgroup.z / blocks, x, y, block, block * CHANNEL_GROUPS);
}

// The inputs under one row of the kernel; zero outside the picture. No thread leaves early, since
// subgroup operations need them all, so strips past the picture read clamped addresses.
fn load_span(at: Strip, group: u32, ky: u32) -> array<Vec4, SPAN> {
    let y = at.y + ky - RADIUS; // wraps below zero to a large number, so one comparison tells
    let row = element(at.n * params.input_groups + group, min(y, params.height - 1u), 0u, params.height, params.width);
    var span: array<Vec4, SPAN>;
    for (var s = 0u; s < SPAN; s++) {
        let x = at.x + s - RADIUS;
        let value = input[row + min(x, params.width - 1u)];
        span[s] = select(Vec4(0.0), value, y < params.height && x < params.width);
    }
    return span;
}

// Groups of input channels to sum: those with sparse channels, then those with dense ones. One loop over
// both keeps one copy of the sum's code; with two, llvmpipe's compiler leaves the registers in memory.
fn steps() -> u32 {
    return params.sparse_groups + params.dense_groups;
}

fn input_group(step: u32) -> u32 {
    return select(step - params.sparse_groups, params.sparse_begin + step, step < params.sparse_groups);
}

// First weight of a step's kernel row: weight[block][step][ky][kx][input lane][CHANNEL_GROUPS].
fn weight_row(at: Strip, step: u32, ky: u32) -> u32 {
    return ((at.block * steps() + step) * KERNEL + ky) * KERNEL * 4u * CHANNEL_GROUPS;
}

fn mask_at(at: Strip, p: u32) -> f32 {
    let y = min(at.y, params.height - 1u);
    let x = min(at.x + p, params.width - 1u);
    return mask[element(at.n, y, x, params.height, params.width)].x;
}

// After the last sparse group: M · sum.
fn finish_sparse(sum: ptr<function, Accumulator>, at: Strip, step: u32) {
    if (MASKED && step + 1u == params.sparse_groups) {
        for (var p = 0u; p < PIXELS; p++) {
            let m = mask_at(at, p);
            for (var q = 0u; q < CHANNEL_GROUPS; q++) {
                (*sum)[p][q] *= m;
            }
        }
    }
}

fn store_pixel(sum: array<Vec4, CHANNEL_GROUPS>, at: Strip, p: u32) {
    if (at.y >= params.height || at.x + p >= params.width) {
        return;
    }
    var groups = sum;
    for (var q = 0u; q < CHANNEL_GROUPS; q++) {
        let group = at.group + q;
        if (group < params.stored_groups) {
            var value = groups[q] + bias[group];
            if (MASKED) {
                let dense = live_lanes(Vec4(1.0), group, params.dense_outputs);
                value *= max(dense, Vec4(mask_at(at, p)));
            }
            let plane = at.n * params.output_groups + group;
            let to = element(plane, at.y, at.x + p, params.height, params.width);
            output[to] = live_lanes(epilogue(value, to, params.slope), group, params.output_channels);
        }
    }
}

// Pixel by pixel and not in a loop: with an epilogue in it, such a loop is too long for compilers to unroll,
// and the sums would move from registers to memory (7 times slower on llvmpipe).
fn store(sum: ptr<function, Accumulator>, at: Strip) {
    store_pixel((*sum)[0], at, 0u);
    store_pixel((*sum)[1], at, 1u);
    store_pixel((*sum)[2], at, 2u);
    store_pixel((*sum)[3], at, 3u);
}
