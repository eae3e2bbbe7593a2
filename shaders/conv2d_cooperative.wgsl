// Convolution by cooperative matrices: stride 1, size kept, one group, kernel KERNEL×KERNEL.
//
//   y = epilogue(bias + Σ_{i, k} weight[i, k] · x[i, p + k − radius])        weight and x rounded to f16
//
// A workgroup makes a rectangle of ACROSS · SIDE × DOWN · ROWS pixels × CHANNELS output channels. Its inputs, with
// what the kernel sees around them, are staged once for each STAGED channels; a matrix A is SIDE neighbours of a row
// of them, begun at a tap's column. A job is ROWS such rows, one below the other: for one column of the kernel
// ROWS + KERNEL − 1 of them serve all its taps. KERNEL is 1, 3 or 5.
//
// `conv2d_store` has MASKED. The host puts in front what `cooperative` asks for, and const ACROSS, const DOWN.

#import conv2d_store
#import cooperative

const JOBS: u32 = ACROSS * DOWN;
const RADIUS: u32 = KERNEL / 2u;
const SPAN: u32 = ROWS + KERNEL - 1u;
const WIDE: u32 = ACROSS * SIDE + KERNEL - 1u; // of what is staged
const HIGH: u32 = DOWN * ROWS + KERNEL - 1u;

struct Conv2dCooperativeParams {
    width: u32,
    height: u32,
    input_groups: u32,
    groups: u32,
    blocks: u32,
    first_group: u32,
    output_groups: u32,
    stored_groups: u32,
    output_channels: u32,
    preserved_groups: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dCooperativeParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(3) var<storage, read> mask: array<Vec4>; // or any buffer
@group(0) @binding(4) var<storage, read> weight: array<f16>;
@group(0) @binding(5) var<storage, read> bias: array<Vec4>;
@group(0) @binding(6) var<storage, read_write> output: array<OutputStored>;

var<workgroup> staged: array<f16, HIGH * WIDE * STRIDE>;

// The first pixel of a workgroup, of a job.
struct Corner {
    n: u32,
    y: u32,
    x: u32,
    block: u32,
}

fn stage(at: Corner, first_group: u32, thread: u32) {
    for (var item = thread; item < HIGH * WIDE * (STAGED / 4u); item += THREADS) {
        let place = item % (HIGH * WIDE);
        let group = first_group + item / (HIGH * WIDE);
        let y = at.y + place / WIDE - RADIUS; // wraps below zero to a large number, so one comparison tells
        let x = at.x + place % WIDE - RADIUS;
        let inside = y < params.height && x < params.width && group < params.groups;
        let plane = at.n * params.input_groups + min(group, params.groups - 1u);
        let source =
            element(plane, min(y, params.height - 1u), min(x, params.width - 1u), params.height, params.width);
        let value = select(Vec4(0.0), Vec4(input[source]), inside);
        let to = place * STRIDE + item / (HIGH * WIDE) * 4u;
        staged[to] = f16(value.x);
        staged[to + 1u] = f16(value.y);
        staged[to + 2u] = f16(value.z);
        staged[to + 3u] = f16(value.w);
    }
}

// Rows of pixels under one column of the kernel.
alias Span = array<MatrixA, SPAN>;

fn multiply_tap(sums: ptr<function, Sums>, a: ptr<function, Span>, column_of_taps: u32, ky: u32) {
    let first = column_of_taps + ky * KERNEL * COLUMNS;
    for (var c = 0u; c < COLUMNS; c++) {
        let b = coopLoadT<MatrixB>(&weight[(first + c) * MATRIX], SIDE);
        for (var r = 0u; r < ROWS; r++) {
            (*sums)[r][c] = coopMultiplyAdd((*a)[r + ky], b, (*sums)[r][c]);
        }
    }
}

// Adds the products of what is staged. The matrices of its first chunk begin at `matrix`, the job's pixels at `pixel`.
// Taps are written out and not in a loop, since they index matrices: see docs/decisions/loops.md.
fn multiply(sums: ptr<function, Sums>, matrix: u32, pixel: u32) {
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        for (var kx = 0u; kx < KERNEL; kx++) {
            var a: Span;
            for (var s = 0u; s < SPAN; s++) {
                a[s] = coopLoadT<MatrixA>(&staged[(pixel + s * WIDE + kx) * STRIDE + chunk * SIDE], STRIDE);
            }
            let first = matrix + (chunk * TAPS + kx) * COLUMNS;
            multiply_tap(sums, &a, first, 0u);
            if (KERNEL > 1u) {
                multiply_tap(sums, &a, first, 1u);
                multiply_tap(sums, &a, first, 2u);
            }
            if (KERNEL > 3u) {
                multiply_tap(sums, &a, first, 3u);
                multiply_tap(sums, &a, first, 4u);
            }
        }
    }
}

fn finish_row(sums: ptr<function, Sums>, row: u32, job: Corner, t: Thread) {
    drain(sums, row, t);
    if (t.live) {
        for (var item = t.lane; item < SIDE * CHANNELS / 4u; item += t.lanes) {
            let pixel = item % SIDE;
            let group = item / SIDE;
            let y = job.y + row;
            let x = job.x + pixel;
            if (y < params.height && x < params.width) {
                let own_group = job.block * (CHANNELS / 4u) + group;
                store(drained_sum(t, pixel, group), mask_at(job.n, y, x), own_group, job.n, y, x);
            }
        }
    }
}

fn make(at: Corner, t: Thread) {
    var sums: Sums;
    let left = t.job % ACROSS * SIDE;
    let top = t.job / ACROSS * ROWS;
    let chunks = (params.groups * 4u + STAGED - 1u) / STAGED * CHUNKS;
    for (var chunk = 0u; chunk < chunks; chunk += CHUNKS) {
        workgroupBarrier();
        stage(at, chunk * (SIDE / 4u), t.index);
        workgroupBarrier();
        multiply(&sums, (at.block * chunks + chunk) * TAPS * COLUMNS, top * WIDE + left);
    }
    // Row by row and not in a loop: it would be too long for compilers to unroll, and sums are indexed by it.
    let job = Corner(at.n, at.y + top, at.x + left, at.block);
    finish_row(&sums, 0u, job, t);
    if (ROWS > 1u) {
        finish_row(&sums, 1u, job, t);
    }
    if (ROWS > 2u) {
        finish_row(&sums, 2u, job, t);
    }
    if (ROWS > 3u) {
        finish_row(&sums, 3u, job, t);
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
    let at = Corner(
        workgroup.z / params.blocks,
        workgroup.y * DOWN * ROWS,
        workgroup.x * ACROSS * SIDE,
        workgroup.z % params.blocks,
    );
    for (var first = 0u; first < JOBS; first += subgroups) {
        let job = first + subgroup;
        make(at, Thread(index, subgroup, lane, lanes, min(job, JOBS - 1u), job < JOBS));
    }
}
