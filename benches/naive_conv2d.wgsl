// Convolution as a textbook has it: one output number a thread, nothing kept from one thread to the next.
//
//   output[o, y, x] = bias[o] + Σ_{i, ky, kx} weight[o, i, ky, kx] · input[i, y + ky − r, x + kx − r]
//
// Activations lie in channels of four, as for the kernels that are measured against this one.

struct NaiveConv2dParams {
    width: u32,
    height: u32,
    inputs: u32,
    outputs: u32,
    kernel: u32,
}

@group(0) @binding(0) var<uniform> params: NaiveConv2dParams;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [o][i][ky][kx]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn element(c: u32, y: u32, x: u32) -> u32 {
    return (((c / 4u) * params.height + y) * params.width + x) * 4u + c % 4u;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let o = id.z;
    let radius = params.kernel / 2u;
    var sum = bias[o];
    for (var i = 0u; i < params.inputs; i++) {
        for (var ky = 0u; ky < params.kernel; ky++) {
            for (var kx = 0u; kx < params.kernel; kx++) {
                let y = id.y + ky - radius; // wraps below zero to a large number
                let x = id.x + kx - radius;
                if (y < params.height && x < params.width) {
                    let tap = ((o * params.inputs + i) * params.kernel + ky) * params.kernel + kx;
                    sum += weight[tap] * input[element(i, y, x)];
                }
            }
        }
    }
    output[element(o, id.y, id.x)] = sum;
}
