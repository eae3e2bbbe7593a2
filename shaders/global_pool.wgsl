// Sums over runs of pixels; applied until one pixel is left, it is a sum over the picture.
//
//   output[c, r] = scale · Σ_{p in run r} term(input[c, p])        run r = pixels [r · RUN, (r + 1) · RUN),
//                                                                  of all, or PART: of a rectangle's
//   term(x) = x,  x²  or  (x − mean[c])²                           ROOT: the square root of that
//
//   mean: scale = 1 / N in the last dispatch      norm: x² in the first, ROOT in the last
//   deviation: (x − mean)² in the first, ROOT and scale = 1 / N in the last; the mean has been made before
//
// A workgroup makes one sum. Each of its threads adds every 64th pixel of the run, then the threads'
// sums are added pairwise: no number is the sum of more than RUN / 64 others in a row, and the order
// never changes, so the result is the same each time and stays exact to a few units in the last place.

#import element
#import workgroup_sum

alias Sum = Vec4;

const VALUE: u32 = 0u;
const SQUARE: u32 = 1u;
const SQUARED_DISTANCE: u32 = 2u;

override RUN: u32 = 4096u;
override TERM: u32 = VALUE;
override ROOT: bool = false;
override PART: bool = false;

struct GlobalPoolParams {
    pixels: u32,
    runs: u32,
    columns: u32,
    width: u32,
    corner: u32,
    stored: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: GlobalPoolParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> mean: array<Vec4>; // one pixel, or any buffer
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

fn term(x: Vec4, centre: Vec4) -> Vec4 {
    if (TERM == SQUARE) {
        return x * x;
    }
    if (TERM == SQUARED_DISTANCE) {
        return (x - centre) * (x - centre);
    }
    return x;
}

fn place(p: u32) -> u32 {
    if (PART) {
        return params.corner + p / params.columns * params.width + p % params.columns;
    }
    return p;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let run = workgroup.x;
    let plane = workgroup.z;
    let end = min((run + 1u) * RUN, params.pixels);
    var centre: Vec4;
    if (TERM == SQUARED_DISTANCE) {
        centre = mean[plane];
    }
    var sum = Vec4(0.0);
    for (var p = run * RUN + thread; p < end; p += THREADS) {
        sum += term(Vec4(input[plane * params.stored + place(p)]), centre);
    }
    add_up(sum, thread);
    if (thread == 0u) {
        let total = partial[0] * params.scale;
        output[plane * params.runs + run] = select(total, sqrt(total), ROOT);
    }
}
