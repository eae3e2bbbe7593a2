// Sums over runs of pixels; applied until one pixel is left, it is the mean over the picture.
//
//   output[c, r] = scale · Σ_{p in run r} input[c, p]        run r = pixels [r · RUN, (r + 1) · RUN)
//
// A workgroup makes one sum. Each of its threads adds every 64th pixel of the run, then the threads'
// sums are added pairwise: no number is the sum of more than RUN / 64 others in a row, and the order
// never changes, so the result is the same each time and stays exact to a few units in the last place.

#import element

const THREADS: u32 = 64u;

override RUN: u32 = 4096u;

struct GlobalAveragePoolParams {
    pixels: u32,
    runs: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: GlobalAveragePoolParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> output: array<Vec4>;

var<workgroup> partial: array<Vec4, THREADS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let run = workgroup.x;
    let plane = workgroup.z;
    let end = min((run + 1u) * RUN, params.pixels);
    var sum = Vec4(0.0);
    for (var p = run * RUN + thread; p < end; p += THREADS) {
        sum += input[plane * params.pixels + p];
    }
    partial[thread] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier(); // the sums of the step before are in place
        if (thread < half) {
            partial[thread] += partial[thread + half];
        }
    }
    if (thread == 0u) {
        output[plane * params.runs + run] = partial[0] * params.scale;
    }
}
