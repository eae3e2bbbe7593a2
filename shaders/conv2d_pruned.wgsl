// Convolution by a weight that is mostly zero: stride 1, size kept, one group, kernel KERNEL×KERNEL.
//
//   y = epilogue(bias + Σ_{e of the group's lists} weight[e] · x[channel of e, p + tap of e − radius])
//
// Every group of four output channels has a list of what any of the four has a weight for, channel and tap, and for each
// entry the four weights. A list is cut by STAGED input channels; all cuts are equally long, filled up with zeros, so that
// every workgroup has as much to do.
//
//   for every STAGED input channels:  stage them with their halo
//       for every entry of the cut:   sum[o][p] += staged[place of e + p] · weight[e][o]
//
// A workgroup of 64 threads makes 8 rows of 32 pixels × CHANNEL_GROUPS groups, a thread four pixels of a row, eight apart.
// Those four are one element of what is staged: an entry costs a load of it, for sixteen multiply-adds, and its place and
// weights, which are the same for the whole workgroup. Which pixels: all; `conv2d_store` has MASKED.
//
// The order of a sum is `conv2d_tiled`'s, without its zeros: the numbers are the same, if all are finite.
//
// The host puts in front: const KERNEL, const STAGED, const CHANNEL_GROUPS, at most 8.

#import element
#import conv2d_store

const SIDE: u32 = 8u; // threads in a row of a workgroup, and rows
const RADIUS: u32 = KERNEL / 2u;
const WIDE: u32 = SIDE + KERNEL - 1u;
const PLANE: u32 = WIDE * WIDE; // elements of a channel

struct Conv2dPrunedParams {
    width: u32,
    height: u32,
    input_groups: u32,
    groups: u32,
    first_group: u32,
    output_groups: u32,
    stored_groups: u32,
    output_channels: u32,
    preserved_groups: u32,
    pairs: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dPrunedParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(3) var<storage, read> mask: array<Vec4>; // or any buffer
@group(0) @binding(4) var<storage, read> places: array<u32>; // [group][cut][pair of entries], the second one above
@group(0) @binding(5) var<storage, read> weight: array<WeightStored>; // [group][cut][entry]
@group(0) @binding(6) var<storage, read> bias: array<Vec4>;
@group(0) @binding(7) var<storage, read_write> output: array<OutputStored>;

// [channel][row][column] of four pixels each, eight apart.
var<workgroup> staged: array<Vec4, PLANE * STAGED>;

// Of each of four channels four pixels.
alias Sums = array<Vec4, 4>;

// The first pixel of a workgroup.
struct Corner {
    n: u32,
    y: u32,
    x: u32,
}

// Four channels of a pixel; zero outside the picture.
fn load(row: u32, x: u32, in_row: bool) -> Vec4 {
    return select(Vec4(0.0), Vec4(input[row + min(x, params.width - 1u)]), in_row && x < params.width);
}

fn stage(at: Corner, first_group: u32, thread: u32) {
    for (var item = thread; item < PLANE * (STAGED / 4u); item += 64u) {
        let place = item % PLANE;
        let group = first_group + item / PLANE;
        let y = at.y + place / WIDE - RADIUS; // wraps below zero to a large number, so one comparison tells
        let x = at.x + place % WIDE - RADIUS;
        let in_row = y < params.height && group < params.groups;
        let plane = at.n * params.input_groups + min(group, params.groups - 1u);
        let row = element(plane, min(y, params.height - 1u), 0u, params.height, params.width);
        let a = load(row, x, in_row);
        let b = load(row, x + SIDE, in_row);
        let c = load(row, x + 2u * SIDE, in_row);
        let d = load(row, x + 3u * SIDE, in_row);
        let to = item / PLANE * 4u * PLANE + place;
        staged[to] = Vec4(a.x, b.x, c.x, d.x);
        staged[to + PLANE] = Vec4(a.y, b.y, c.y, d.y);
        staged[to + 2u * PLANE] = Vec4(a.z, b.z, c.z, d.z);
        staged[to + 3u * PLANE] = Vec4(a.w, b.w, c.w, d.w);
    }
}

fn multiply(sums: ptr<function, Sums>, x: Vec4, w: Vec4) {
    (*sums)[0] = fma(x, Vec4(w.x), (*sums)[0]);
    (*sums)[1] = fma(x, Vec4(w.y), (*sums)[1]);
    (*sums)[2] = fma(x, Vec4(w.z), (*sums)[2]);
    (*sums)[3] = fma(x, Vec4(w.w), (*sums)[3]);
}

// Adds what a cut of a group's list asks for; `own` is the thread's place in a plane.
fn accumulate(sums: ptr<function, Sums>, own: u32, own_group: u32, cuts: u32, cut: u32) {
    if (own_group >= params.stored_groups) {
        return;
    }
    var pair = (own_group * cuts + cut) * params.pairs;
    let end = pair + params.pairs;
    loop {
        let both = places[pair];
        let first = staged[own + (both & 0xffffu)];
        let second = staged[own + (both >> 16u)];
        multiply(sums, first, Vec4(weight[2u * pair]));
        multiply(sums, second, Vec4(weight[2u * pair + 1u]));
        continuing {
            pair++;
            break if pair >= end;
        }
    }
}

fn store_pixel(sums: ptr<function, Sums>, own_group: u32, at: Corner, y: u32, x: u32, p: u32) {
    if (y < params.height && x < params.width) {
        let sum = Vec4((*sums)[0][p], (*sums)[1][p], (*sums)[2][p], (*sums)[3][p]);
        store(sum, mask_at(at.n, y, x), own_group, at.n, y, x);
    }
}

fn store_pixels(sums: ptr<function, Sums>, own_group: u32, at: Corner, thread: u32) {
    let y = at.y + thread / SIDE;
    let x = at.x + thread % SIDE;
    store_pixel(sums, own_group, at, y, x, 0u);
    store_pixel(sums, own_group, at, y, x + SIDE, 1u);
    store_pixel(sums, own_group, at, y, x + 2u * SIDE, 2u);
    store_pixel(sums, own_group, at, y, x + 3u * SIDE, 3u);
}

// Groups are written out and not in a loop: see docs/decisions/loops.md.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let blocks = (params.stored_groups + CHANNEL_GROUPS - 1u) / CHANNEL_GROUPS;
    let group = workgroup.z % blocks * CHANNEL_GROUPS;
    let at = Corner(workgroup.z / blocks, workgroup.y * SIDE, workgroup.x * 4u * SIDE);
    let own = thread / SIDE * WIDE + thread % SIDE;
    let cuts = (4u * params.groups + STAGED - 1u) / STAGED;
    var sums_0: Sums;
    var sums_1: Sums;
    var sums_2: Sums;
    var sums_3: Sums;
    var sums_4: Sums;
    var sums_5: Sums;
    var sums_6: Sums;
    var sums_7: Sums;
    for (var cut = 0u; cut < cuts; cut++) {
        workgroupBarrier(); // until all have read what was staged before
        stage(at, cut * (STAGED / 4u), thread);
        workgroupBarrier(); // until all is staged
        accumulate(&sums_0, own, group, cuts, cut);
        if (CHANNEL_GROUPS > 1u) {
            accumulate(&sums_1, own, group + 1u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 2u) {
            accumulate(&sums_2, own, group + 2u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 3u) {
            accumulate(&sums_3, own, group + 3u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 4u) {
            accumulate(&sums_4, own, group + 4u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 5u) {
            accumulate(&sums_5, own, group + 5u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 6u) {
            accumulate(&sums_6, own, group + 6u, cuts, cut);
        }
        if (CHANNEL_GROUPS > 7u) {
            accumulate(&sums_7, own, group + 7u, cuts, cut);
        }
    }
    store_pixels(&sums_0, group, at, thread);
    if (CHANNEL_GROUPS > 1u) {
        store_pixels(&sums_1, group + 1u, at, thread);
    }
    if (CHANNEL_GROUPS > 2u) {
        store_pixels(&sums_2, group + 2u, at, thread);
    }
    if (CHANNEL_GROUPS > 3u) {
        store_pixels(&sums_3, group + 3u, at, thread);
    }
    if (CHANNEL_GROUPS > 4u) {
        store_pixels(&sums_4, group + 4u, at, thread);
    }
    if (CHANNEL_GROUPS > 5u) {
        store_pixels(&sums_5, group + 5u, at, thread);
    }
    if (CHANNEL_GROUPS > 6u) {
        store_pixels(&sums_6, group + 6u, at, thread);
    }
    if (CHANNEL_GROUPS > 7u) {
        store_pixels(&sums_7, group + 7u, at, thread);
    }
}
