// Convolution pixel by pixel by cooperative matrices, stride 1, size kept, one group, kernel KERNEL×KERNEL; of one
// input or, where KERNEL is 1, summed over up to four. What `shared/conv2d_gather.wgsl` computes, with weights and
// activations rounded to f16; parameters, LISTED, MASKED and INPUTS are the same.
//
// A workgroup makes PIXELS pixels, neighbours on the list or in the picture, × CHANNELS output channels. For every
// STAGED input channels and every tap, what that tap sees of these pixels is staged. The bias lies behind the weights,
// each number as two f16s: rounded, and what that leaves.
//
// The host puts in front what `cooperative` asks for, and const JOBS.

#import layout
#import epilogue
#import gather
#import cooperative

const PIXELS: u32 = JOBS * ROWS * SIDE;

@group(0) @binding(7) var<storage, read> weight: array<f16>;

var<workgroup> staged: array<f16, PIXELS * STRIDE>;
// Picture, row and column of every pixel, and whether it is wanted.
var<workgroup> places: array<vec4<u32>, PIXELS>;

fn place(first: u32, t: u32) {
    let count = select(params.pixels, work[0], LISTED);
    for (var pixel = t; pixel < PIXELS; pixel += THREADS) {
        let item = first + pixel;
        let wanted = item < count;
        var number = select(0u, item, wanted);
        if (LISTED) {
            number = work[2u + number];
        }
        let row = number / params.width;
        let here = vec3<u32>(row / params.height, row % params.height, number % params.width);
        places[pixel] = select(vec4<u32>(0u), vec4<u32>(here, 1u), wanted);
    }
}

// What a tap sees of every pixel, `STAGED` channels of it from `first_group` on.
fn stage(which: u32, groups: u32, first_group: u32, tap: u32, t: u32) {
    for (var item = t; item < PIXELS * (STAGED / 4u); item += THREADS) {
        let pixel = item % PIXELS;
        let group = first_group + item / PIXELS;
        let at = places[pixel];
        let y = at.y + tap / KERNEL - RADIUS; // wraps below zero to a large number, so one comparison tells
        let x = at.z + tap % KERNEL - RADIUS;
        let inside = y < params.height && x < params.width && group < groups && at.w != 0u;
        let plane = at.x * params.input_groups + min(group, groups - 1u);
        let source =
            element(plane, min(y, params.height - 1u), min(x, params.width - 1u), params.height, params.width);
        let value = select(Vec4(0.0), input_at(which, source), inside);
        let to = pixel * STRIDE + item / PIXELS * 4u;
        staged[to] = f16(value.x);
        staged[to + 1u] = f16(value.y);
        staged[to + 2u] = f16(value.z);
        staged[to + 3u] = f16(value.w);
    }
}

// Adds the products of what is staged. The matrices of its first chunk begin at `matrix`.
fn multiply(sums: ptr<function, Sums>, matrix: u32, pixel: u32) {
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        var a: array<MatrixA, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            a[r] = coopLoadT<MatrixA>(&staged[(pixel + r * SIDE) * STRIDE + chunk * SIDE], STRIDE);
        }
        for (var c = 0u; c < COLUMNS; c++) {
            let b = coopLoadT<MatrixB>(&weight[(matrix + chunk * TAPS * COLUMNS + c) * MATRIX], SIDE);
            for (var r = 0u; r < ROWS; r++) {
                (*sums)[r][c] = coopMultiplyAdd(a[r], b, (*sums)[r][c]);
            }
        }
    }
}

fn chunks_of(groups: u32) -> u32 {
    return (groups * 4u + STAGED - 1u) / STAGED * CHUNKS;
}

// One input; its chunks begin at `first`.
fn accumulate(sums: ptr<function, Sums>, which: u32, groups: u32, first: u32, t: Thread) {
    let chunks = chunks_of(groups);
    for (var chunk = 0u; chunk < chunks; chunk += CHUNKS) {
        for (var tap = 0u; tap < TAPS; tap++) {
            workgroupBarrier();
            stage(which, groups, chunk * (SIDE / 4u), tap, t.index);
            workgroupBarrier();
            multiply(sums, ((first + chunk) * TAPS + tap) * COLUMNS, t.job * ROWS * SIDE);
        }
    }
}

fn bias(own_group: u32) -> Vec4 {
    let at = params.bias + 8u * own_group;
    let most = Vec4(f32(weight[at]), f32(weight[at + 1u]), f32(weight[at + 2u]), f32(weight[at + 3u]));
    return most + Vec4(f32(weight[at + 4u]), f32(weight[at + 5u]), f32(weight[at + 6u]), f32(weight[at + 7u]));
}

fn store(sum: Vec4, at: vec4<u32>, own_group: u32) {
    let group = params.first_group + own_group;
    if (at.w == 0u || own_group >= params.stored_groups) {
        return;
    }
    var m = 1.0;
    if (MASKED) {
        m = bitcast<f32>(work[4u * element(at.x, at.y, at.z, params.height, params.width)]);
    }
    if (m != 0.0 || group >= params.preserved_groups) {
        let value = select(Vec4(0.0), sum + bias(own_group), m != 0.0); // whatever was read there
        let to = element(at.x * params.output_groups + group, at.y, at.z, params.height, params.width);
        let made = epilogue(value, to, Vec4(params.slope));
        output[to] = OutputStored(live_lanes(made, group, params.output_channels));
    }
}

fn finish_row(sums: ptr<function, Sums>, row: u32, block: u32, t: Thread) {
    drain(sums, row, t);
    if (t.live) {
        for (var item = t.lane; item < SIDE * CHANNELS / 4u; item += t.lanes) {
            let pixel = item % SIDE;
            let group = item / SIDE;
            let at = places[(t.job * ROWS + row) * SIDE + pixel];
            store(drained_sum(t, pixel, group), at, block * (CHANNELS / 4u) + group);
        }
    }
}

fn make(block: u32, t: Thread) {
    var sums: Sums;
    var first = block * params.steps;
    accumulate(&sums, 0u, params.groups_0, first, t);
    if (INPUTS > 1u) {
        first += chunks_of(params.groups_0);
        accumulate(&sums, 1u, params.groups_1, first, t);
    }
    if (INPUTS > 2u) {
        first += chunks_of(params.groups_1);
        accumulate(&sums, 2u, params.groups_2, first, t);
    }
    if (INPUTS > 3u) {
        first += chunks_of(params.groups_2);
        accumulate(&sums, 3u, params.groups_3, first, t);
    }
    // Row by row and not in a loop: it would be too long for compilers to unroll, and sums are indexed by it.
    finish_row(&sums, 0u, block, t);
    if (ROWS > 1u) {
        finish_row(&sums, 1u, block, t);
    }
    if (ROWS > 2u) {
        finish_row(&sums, 2u, block, t);
    }
    if (ROWS > 3u) {
        finish_row(&sums, 3u, block, t);
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    place(workgroup.x * PIXELS, index);
    for (var first = 0u; first < JOBS; first += subgroups) {
        let job = first + subgroup;
        make(workgroup.z, Thread(index, subgroup, lane, lanes, min(job, JOBS - 1u), job < JOBS));
    }
}
