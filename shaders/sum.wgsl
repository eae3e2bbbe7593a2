// Sums over pictures, or over the channels of each pixel.
//
//   output[o · inner + i] = Σ_{s < count} input[(o · count + s) · inner + i]        LANES: then over the four lanes
//                                                                                   ADDED: to what is there
//
// One number after the other, so the order never changes. For sums over many pixels there is global_pool.

#import element

override LANES: bool = false;
override ADDED: bool = false;

struct SumParams {
    count: u32,
    inner: u32,
    outputs: u32,
}

@group(0) @binding(0) var<uniform> params: SumParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let at = id.y * workgroups.x * 64u + id.x;
    if (at >= params.outputs) {
        return;
    }
    let first = at / params.inner * params.count * params.inner + at % params.inner;
    var sum = Vec4(0.0);
    for (var s = 0u; s < params.count; s++) {
        sum += Vec4(input[first + s * params.inner]);
    }
    if (LANES) {
        sum = Vec4(sum.x + sum.y + (sum.z + sum.w), 0.0, 0.0, 0.0);
    }
    if (ADDED) {
        sum += Vec4(output[at]);
    }
    output[at] = OutputStored(sum);
}
