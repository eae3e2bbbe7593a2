// Transposed convolution, seen from the output: one pixel × four output channels a thread.
//
//   output[o, q] = bias[o] + Σ_{i, k} weight[i, o, k] · input[i, (q + padding − k) / stride]
//
// over the kernel taps k for which the division leaves no remainder.

#import element
#import layout

struct ConvTranspose2dParams {
    input_width: u32,
    input_height: u32,
    input_channels: u32,
    width: u32,
    height: u32,
    output_channels: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
}

@group(0) @binding(0) var<uniform> params: ConvTranspose2dParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> weight: array<WeightStored>; // [out][in / 4][ky][kx] of four inputs each
@group(0) @binding(3) var<storage, read> bias: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.output_channels);
    let n = id.z / groups;
    let group = id.z % groups;
    let planes = n * channel_groups(params.input_channels);
    let lanes = min(4u, params.output_channels - 4u * group);
    let input_groups = channel_groups(params.input_channels);

    var sum = bias[group];
    // Only the taps without remainder.
    for (var ky = (id.y + params.padding) % params.stride; ky < params.kernel; ky += params.stride) {
        let y = (id.y + params.padding - ky) / params.stride; // wraps below zero to a large number
        for (var kx = (id.x + params.padding) % params.stride; kx < params.kernel; kx += params.stride) {
            let x = (id.x + params.padding - kx) / params.stride;
            if (y < params.input_height && x < params.input_width) {
                for (var i = 0u; i < input_groups; i++) {
                    let value = Vec4(input[element(planes + i, y, x, params.input_height, params.input_width)]);
                    for (var lane = 0u; lane < lanes; lane++) {
                        let o = 4u * group + lane;
                        let tap = ((o * input_groups + i) * params.kernel + ky) * params.kernel + kx;
                        let term = dot(value, Vec4(weight[tap]));
                        sum += select(Vec4(0.0), Vec4(term), vec4<u32>(lane) == vec4<u32>(0u, 1u, 2u, 3u));
                    }
                }
            }
        }
    }
    let to = element(id.z, id.y, id.x, params.height, params.width);
    output[to] = OutputStored(live_lanes(sum, group, params.output_channels));
}
