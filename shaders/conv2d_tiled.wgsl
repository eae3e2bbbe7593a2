// Convolution, register-tiled, on any device: stride 1, size kept, one group, kernel KERNEL×KERNEL.
//
//   y = epilogue(bias + Σ_{i, k} weight[i, k] · x[i, p + k − radius])
//
//   for every input group, kernel row, input lane, kernel column:  sum[p][q] += x[p + kx] · weight[q]
//
// A thread makes a strip of PIXELS neighbours of a row × CHANNEL_GROUPS groups of four channels, all in registers.
// Weights come from storage, the same for a whole workgroup. Which pixels:
//
//   LISTED   the live ones of the tiles of `mask_compact`: a thread a tile's row;
//   else     all: a workgroup of 64 threads is 8 rows of 8 strips. `conv2d_store` has MASKED.
//
// The host puts in front: const KERNEL, const PIXELS, at most 8 and of listed tiles 4, const CHANNEL_GROUPS.

#import element
#import conv2d_store

override LISTED: bool = false;

const STRIPS: u32 = 8u;
const ROWS: u32 = 8u;
const RADIUS: u32 = KERNEL / 2u;
const SPAN: u32 = PIXELS + KERNEL - 1u;

struct Conv2dTiledParams {
    width: u32,
    height: u32,
    input_groups: u32,
    groups: u32,
    first_group: u32,
    output_groups: u32,
    stored_groups: u32,
    output_channels: u32,
    preserved_groups: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dTiledParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(3) var<storage, read> mask: array<Vec4>; // or any buffer
@group(0) @binding(4) var<storage, read> list: array<u32>; // or any buffer
@group(0) @binding(5) var<storage, read> weight: array<WeightStored>; // [block][input group][ky][kx][input lane][group]
@group(0) @binding(6) var<storage, read> bias: array<Vec4>;
@group(0) @binding(7) var<storage, read_write> output: array<OutputStored>;

alias Accumulator = array<array<Vec4, CHANNEL_GROUPS>, PIXELS>;

// Pixels (x .. x + PIXELS, y) of one picture, a bit each for those to be stored.
struct Strip {
    n: u32,
    y: u32,
    x: u32,
    live: u32,
}

fn strip(workgroup: vec3<u32>, thread: u32, n: u32) -> Strip {
    if (!LISTED) {
        return Strip(n, workgroup.y * ROWS + thread / STRIPS, (workgroup.x * STRIPS + thread % STRIPS) * PIXELS, 255u);
    }
    let tile = workgroup.x * 16u + thread / 4u;
    let entry = 2u + 2u * min(tile, max(list[0], 1u) - 1u);
    let row = list[entry] / params.width + thread % 4u;
    let live = select(0u, (list[entry + 1u] >> (4u * (thread % 4u))) & 15u, tile < list[0]);
    return Strip(row / params.height, row % params.height, list[entry] % params.width, live);
}

// The inputs under one row of the kernel; zero outside the picture.
fn load_span(at: Strip, group: u32, ky: u32) -> array<Vec4, SPAN> {
    let y = at.y + ky - RADIUS; // wraps below zero to a large number, so one comparison tells
    let row = element(at.n * params.input_groups + group, min(y, params.height - 1u), 0u, params.height, params.width);
    var span: array<Vec4, SPAN>;
    for (var s = 0u; s < SPAN; s++) {
        let x = at.x + s - RADIUS;
        let value = Vec4(input[row + min(x, params.width - 1u)]);
        span[s] = select(Vec4(0.0), value, y < params.height && x < params.width);
    }
    return span;
}

fn accumulate(sum: ptr<function, Accumulator>, at: Strip, block: u32, group: u32) {
    for (var ky = 0u; ky < KERNEL; ky++) {
        var span = load_span(at, group, ky); // a variable: loops index no other thing
        let row = ((block * params.groups + group) * KERNEL + ky) * KERNEL * 4u * CHANNEL_GROUPS;
        for (var lane = 0u; lane < 4u; lane++) {
            for (var kx = 0u; kx < KERNEL; kx++) { // inside: llvmpipe then needs two thirds of the time
                for (var q = 0u; q < CHANNEL_GROUPS; q++) {
                    let w = Vec4(weight[row + (kx * 4u + lane) * CHANNEL_GROUPS + q]);
                    for (var p = 0u; p < PIXELS; p++) {
                        (*sum)[p][q] = fma(Vec4(span[p + kx][lane]), w, (*sum)[p][q]);
                    }
                }
            }
        }
    }
}

fn store_pixel(sum: ptr<function, Accumulator>, at: Strip, block: u32, p: u32) {
    let x = at.x + p;
    if (at.y >= params.height || x >= params.width || ((at.live >> p) & 1u) == 0u) {
        return;
    }
    let m = mask_at(at.n, at.y, x);
    for (var q = 0u; q < CHANNEL_GROUPS; q++) {
        store((*sum)[p][q], m, block * CHANNEL_GROUPS + q, at.n, at.y, x);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let blocks = (params.stored_groups + CHANNEL_GROUPS - 1u) / CHANNEL_GROUPS;
    let block = workgroup.z % blocks;
    let at = strip(workgroup, thread, workgroup.z / blocks);
    var sum: Accumulator;
    for (var group = 0u; group < params.groups; group++) {
        accumulate(&sum, at, block, group);
    }
    // Pixel by pixel and not in a loop: with an epilogue in it, such a loop is too long for compilers to unroll,
    // and the sums would move from registers to memory (7 times slower on llvmpipe).
    store_pixel(&sum, at, block, 0u);
    if (PIXELS > 1u) {
        store_pixel(&sum, at, block, 1u);
    }
    if (PIXELS > 2u) {
        store_pixel(&sum, at, block, 2u);
        store_pixel(&sum, at, block, 3u);
    }
    if (PIXELS > 4u) {
        store_pixel(&sum, at, block, 4u);
        store_pixel(&sum, at, block, 5u);
        store_pixel(&sum, at, block, 6u);
        store_pixel(&sum, at, block, 7u);
    }
}
