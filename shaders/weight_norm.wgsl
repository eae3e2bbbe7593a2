// Weight normalisation (Salimans and Kingma, NIPS 2016, equation 2), one output a workgroup.
//
//   output[o] = magnitude[o] · direction[o] / max(‖direction[o]‖, 10⁻¹²)

#import element
#import workgroup_sum

alias Sum = f32;

struct WeightNormParams {
    elements: u32, // of an output
    stride: u32, // of the magnitudes: 4 if they are a number an output, 1 a number a channel
}

@group(0) @binding(0) var<uniform> params: WeightNormParams;
@group(0) @binding(1) var<storage, read> direction: array<Vec4>;
@group(0) @binding(2) var<storage, read> magnitude: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = workgroup.x * params.elements;
    var sum = 0.0;
    for (var at = thread; at < params.elements; at += THREADS) {
        sum += dot(direction[first + at], direction[first + at]);
    }
    add_up(sum, thread);
    workgroupBarrier();
    let factor = magnitude[workgroup.x * params.stride] / max(sqrt(partial[0]), 1e-12);
    for (var at = thread; at < params.elements; at += THREADS) {
        output[first + at] = factor * direction[first + at];
    }
}
