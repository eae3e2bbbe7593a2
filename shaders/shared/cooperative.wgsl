// Products of small matrices that a subgroup's threads hold together: f16 factors, f32 sums.
//
//   sums[row][column] += A[row] · B[column]        A: SIDE pixels × SIDE input channels
//                                                  B: SIDE input channels × SIDE output channels
//
// A job is ROWS × COLUMNS sums. A workgroup has JOBS of them, which its subgroups take in rounds: one round where
// the host knows how wide subgroups are, and more where they are wider. Inputs are staged in workgroup memory as
// f16, STAGED channels of a pixel side by side. An activation beyond f16's range becomes infinite there, as it is
// refused later on. Weights lie as [block][chunk][tap][column] matrices: SIDE input channels are a chunk.
//
// The host puts in front: const KERNEL, SIDE (8 or 16), THREADS, ROWS (at most 4), COLUMNS, STAGED, and how jobs lie;
// and with SIDE the matrices' types, MatrixA, MatrixB and MatrixC.

#import element

const TAPS: u32 = KERNEL * KERNEL;
const CHUNKS: u32 = STAGED / SIDE; // staged at a time
const CHANNELS: u32 = SIDE * COLUMNS; // that a workgroup makes
const MATRIX: u32 = SIDE * SIDE;
const STRIDE: u32 = STAGED + 8u; // from pixel to pixel: 16 bytes more, so that neighbours lie in different banks
const DRAINED: u32 = CHANNELS + 4u;

alias Sums = array<array<MatrixC, COLUMNS>, ROWS>;

// A row of sums of every job, as numbers: matrices do not show theirs.
var<workgroup> drained: array<f32, JOBS * SIDE * DRAINED>;

// What a thread is.
struct Thread {
    index: u32, // in the workgroup
    subgroup: u32,
    lane: u32,
    lanes: u32,
    job: u32,
    live: bool, // whether its subgroup has this job to itself
}

fn drain(sums: ptr<function, Sums>, row: u32, t: Thread) {
    workgroupBarrier();
    if (t.live) {
        for (var c = 0u; c < COLUMNS; c++) {
            coopStoreT((*sums)[row][c], &drained[t.subgroup * SIDE * DRAINED + c * SIDE], DRAINED);
        }
    }
    workgroupBarrier();
}

// Four channels of a pixel of the drained row.
fn drained_sum(t: Thread, pixel: u32, group: u32) -> Vec4 {
    let at = (t.subgroup * SIDE + pixel) * DRAINED + 4u * group;
    return Vec4(drained[at], drained[at + 1u], drained[at + 2u], drained[at + 3u]);
}
