// Convolution pixel by pixel, stride 1, size kept, one group, kernel KERNEL×KERNEL; of one input or, where
// KERNEL is 1, summed over up to four.
//
//   y = epilogue(bias + Σ_inputs Σ_{i, k} weight[input][i, k] · x[input][i, p + k − radius])
//
// Which pixels p:
//
//   LISTED   those of a list of `mask_compact`;
//   MASKED   all, their sums times M; but where M is 0 the first `preserved_groups` groups are left as they are.
//            `work` is then the mask itself, four words a pixel, each 0 or 1 as a float;
//   neither  all.
//
// A thread makes four pixels × CHANNEL_GROUPS groups of four channels. The bias lies behind the weights.

#import product
#import layout
#import epilogue
#import gather

@group(0) @binding(7) var<storage, read> weight: array<Vec4>; // [block][step]: inputs, their groups, ky, kx

// Where the four pixels of a thread lie, lane by lane.
struct Pixels {
    number: vec4<u32>, // in all pictures, row by row
    n: vec4<u32>,
    y: vec4<u32>,
    x: vec4<u32>,
    wanted: vec4<bool>,
    mask: vec4<f32>,
    some: bool, // whether eight threads together have any
}

fn pixels(first: u32, thread: u32) -> Pixels {
    let item = vec4<u32>(first) + vec4<u32>(0u, 8u, 16u, 24u);
    let count = select(params.pixels, work[0], LISTED);
    var at: Pixels;
    at.some = first - thread % 8u < count;
    at.wanted = item < vec4<u32>(count);
    if (LISTED) {
        let entry = select(vec4<u32>(0u), item, at.wanted);
        at.number = vec4<u32>(work[2u + entry.x], work[2u + entry.y], work[2u + entry.z], work[2u + entry.w]);
    } else {
        at.number = select(vec4<u32>(0u), item, at.wanted);
        if (MASKED) {
            let word = 4u * at.number;
            at.mask = bitcast<vec4<f32>>(vec4<u32>(work[word.x], work[word.y], work[word.z], work[word.w]));
        }
    }
    let row = at.number / params.width;
    at.x = at.number % params.width;
    at.n = row / params.height;
    at.y = row % params.height;
    return at;
}

// Four pixels of one group under one tap of the kernel; zero outside the picture.
fn load(which: u32, at: Pixels, group: u32, ky: u32, kx: u32) -> Items {
    let y = at.y + ky - RADIUS; // wraps below zero to a large number, so one comparison tells
    let x = at.x + kx - RADIUS;
    let inside = (y < vec4<u32>(params.height)) & (x < vec4<u32>(params.width));
    let plane = at.n * params.input_groups + group;
    let clamped = vec2<u32>(params.height - 1u, params.width - 1u);
    let place = (plane * params.height + min(y, vec4<u32>(clamped.x))) * params.width + min(x, vec4<u32>(clamped.y));
    return Items(
        select(Vec4(0.0), input_at(which, place.x), inside.x), select(Vec4(0.0), input_at(which, place.y), inside.y),
        select(Vec4(0.0), input_at(which, place.z), inside.z), select(Vec4(0.0), input_at(which, place.w), inside.w),
    );
}

fn accumulate(sum: ptr<function, Sums>, which: u32, all_groups: u32, first_row: u32, at: Pixels, lane: u32) {
    let groups = select(0u, all_groups, at.some);
    var row = first_row;
    for (var group = 0u; group < groups; group++) {
        if (KERNEL == 1u) { // a loop of one tap is not seen through by every compiler
            var x = load(which, at, group, 0u, 0u);
            multiply(sum, &x, row, lane);
            row += STEP;
        } else {
            var tap = 0u;
            loop {
                var x = load(which, at, group, tap / KERNEL, tap % KERNEL);
                multiply(sum, &x, row, lane);
                row += STEP;
                continuing {
                    tap++;
                    break if tap >= KERNEL * KERNEL;
                }
            }
        }
    }
}

fn store(sum: Vec4, at: Pixels, item: u32, own_group: u32) {
    let m = at.mask[item];
    let group = params.first_group + own_group;
    if (!at.wanted[item] || (MASKED && m == 0.0 && group < params.preserved_groups)) {
        return;
    }
    var value = sum + weight[params.bias + own_group];
    if (MASKED) {
        value = select(Vec4(0.0), value, m != 0.0);
    }
    let area = params.width * params.height;
    let to = (at.n[item] * params.output_groups + group) * area + at.number[item] - at.n[item] * area;
    var slope = Vec4(params.slope);
    if (ACTIVATION == PRELU) {
        slope = weight[params.bias + params.stored_groups + own_group];
    }
    output[to] = OutputStored(live_lanes(epilogue(value, to, slope), group, params.output_channels));
}

fn store_pair(sum: ptr<function, Sums>, at: Pixels, block: u32, pair: u32) {
    for (var q = 0u; q < 2u; q++) {
        let group = block * CHANNEL_GROUPS + 2u * pair + q;
        if (group < params.stored_groups) {
            store((*sum)[pair][0][q], at, 0u, group);
            store((*sum)[pair][1][q], at, 1u, group);
            store((*sum)[pair][2][q], at, 2u, group);
            store((*sum)[pair][3][q], at, 3u, group);
        }
    }
}

fn store_pairs(sum: ptr<function, Sums>, at: Pixels, block: u32) {
    store_pair(sum, at, block, 0u);
    if (PAIRS > 1u) {
        store_pair(sum, at, block, 1u);
    }
    if (PAIRS > 2u) {
        store_pair(sum, at, block, 2u);
    }
    if (PAIRS > 3u) {
        store_pair(sum, at, block, 3u);
    }
    if (PAIRS > 4u) {
        store_pair(sum, at, block, 4u);
    }
    if (PAIRS > 5u) {
        store_pair(sum, at, block, 5u);
    }
    if (PAIRS > 6u) {
        store_pair(sum, at, block, 6u);
    }
    if (PAIRS > 7u) {
        store_pair(sum, at, block, 7u);
    }
}

fn run(workgroup: vec3<u32>, thread: u32, lane: u32) {
    let at = pixels(first_item(workgroup.x, thread), thread);
    let block = workgroup.z;
    let taps = KERNEL * KERNEL;
    var sum: Sums;
    var row = block * params.steps * STEP;
    accumulate(&sum, 0u, params.groups_0, row, at, lane);
    if (INPUTS > 1u) {
        row += params.groups_0 * taps * STEP;
        accumulate(&sum, 1u, params.groups_1, row, at, lane);
    }
    if (INPUTS > 2u) {
        row += params.groups_1 * taps * STEP;
        accumulate(&sum, 2u, params.groups_2, row, at, lane);
    }
    if (INPUTS > 3u) {
        row += params.groups_2 * taps * STEP;
        accumulate(&sum, 3u, params.groups_3, row, at, lane);
    }
    store_pairs(&sum, at, block);
}
