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
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<Vec4>; // [out / 4][in][ky][kx]
@group(0) @binding(3) var<storage, read> bias: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> output: array<Vec4>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.output_channels);
    let n = id.z / groups;
    let group = id.z % groups;
    let planes = n * channel_groups(params.input_channels);

    var sum = bias[group];
    for (var ky = 0u; ky < params.kernel; ky++) {
        let far_y = id.y + params.padding - ky; // wraps below zero to a large number
        let y = far_y / params.stride;
        if (far_y % params.stride == 0u && y < params.input_height) {
            for (var kx = 0u; kx < params.kernel; kx++) {
                let far_x = id.x + params.padding - kx;
                let x = far_x / params.stride;
                if (far_x % params.stride == 0u && x < params.input_width) {
                    for (var i = 0u; i < params.input_channels; i++) {
                        let value = input[element(planes + i / 4u, y, x, params.input_height, params.input_width)][i % 4u];
                        let tap = ((group * params.input_channels + i) * params.kernel + ky) * params.kernel + kx;
                        sum = fma(Vec4(value), weight[tap], sum);
                    }
                }
            }
        }
    }
    let to = element(id.z, id.y, id.x, params.height, params.width);
    output[to] = live_lanes(sum, group, params.output_channels);
}
