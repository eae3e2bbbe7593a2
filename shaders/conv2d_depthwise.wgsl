// Convolution of every channel by itself, any odd kernel, stride and padding: one pixel × four channels a thread.
//
//   output[c, p] = epilogue(bias[c] + Σ_k weight[c, k] · input[c, stride · p + k − padding])
//
// The host puts in front: const KERNEL.

#import element
#import layout
#import epilogue
#import bias

struct Conv2dDepthwiseParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
    channels: u32,
    stride: u32,
    padding: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dDepthwiseParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(3) var<storage, read> weight: array<WeightStored>; // [group][ky][kx] of four channels each
@group(0) @binding(4) var<storage, read> bias: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let group = id.z % channel_groups(params.channels);
    var sum = bias[group];
    for (var ky = 0u; ky < KERNEL; ky++) {
        let y = id.y * params.stride + ky - params.padding; // wraps below zero to a large number
        let row = element(id.z, min(y, params.input_height - 1u), 0u, params.input_height, params.input_width);
        for (var kx = 0u; kx < KERNEL; kx++) {
            let x = id.x * params.stride + kx - params.padding;
            let value = Vec4(input[row + min(x, params.input_width - 1u)]);
            let inside = y < params.input_height && x < params.input_width;
            let w = Vec4(weight[(group * KERNEL + ky) * KERNEL + kx]);
            sum = fma(select(Vec4(0.0), value, inside), w, sum);
        }
    }
    let to = element(id.z, id.y, id.x, params.height, params.width);
    let slope = slope_of(group, channel_groups(params.channels), params.slope);
    output[to] = OutputStored(live_lanes(epilogue(sum, to, slope), group, params.channels));
}
