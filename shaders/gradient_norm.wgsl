// Squares of the gradient, summed over runs of elements: those of the pieces that are trained.
//
//   output[r] = Σ_{i in run r} sums[i]²

#import element
#import update
#import workgroup_sum

alias Sum = f32;

override RUN: u32 = 4096u;

struct GradientNormParams {
    elements: u32,
}

@group(0) @binding(0) var<uniform> params: GradientNormParams;
@group(0) @binding(1) var<storage, read> sums: array<Vec4>;
@group(0) @binding(2) var<storage, read> pieces: array<u32>;
@group(0) @binding(3) var<storage, read> settings: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let end = min((workgroup.x + 1u) * RUN, params.elements);
    var sum = 0.0;
    for (var at = workgroup.x * RUN + thread; at < end; at += THREADS) {
        if (settings_of(at).w != 0.0) {
            let value = settings[0].x * sums[at];
            sum += dot(value, value);
        }
    }
    add_up(sum, thread);
    if (thread == 0u) {
        output[workgroup.x] = partial[0];
    }
}
