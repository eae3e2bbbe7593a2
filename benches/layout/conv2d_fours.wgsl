// 3×3 convolution, size kept: 4 neighbouring pixels × 8 channels a thread, in registers.
//
// For layouts whose loads are four channels of one pixel; `element` says where those lie.

struct LayoutConv2dParams {
    width: u32, // a multiple of 4
    height: u32,
    input_groups: u32,
    output_groups: u32, // a multiple of 2
}

@group(0) @binding(0) var<uniform> params: LayoutConv2dParams;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>; // [out / 8][in][ky][kx][2]
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;

// Zero outside the picture.
fn load(group: u32, y: u32, x: u32) -> vec4<f32> {
    let pixel = min(y, params.height - 1u) * params.width + min(x, params.width - 1u);
    let value = input[element(group, pixel, params.input_groups, params.width * params.height)];
    return select(vec4<f32>(0.0), value, y < params.height && x < params.width);
}

// A workgroup is 8 rows of 8 strips of 4 pixels.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (workgroup.x * 8u + thread % 8u) * 4u;
    let y = workgroup.y * 8u + thread / 8u;
    if (first >= params.width || y >= params.height) {
        return;
    }
    var sum: array<array<vec4<f32>, 2>, 4>;
    for (var g = 0u; g < params.input_groups; g++) {
        for (var ky = 0u; ky < 3u; ky++) {
            var span: array<vec4<f32>, 6>;
            for (var s = 0u; s < 6u; s++) {
                span[s] = load(g, y + ky - 1u, first + s - 1u); // wraps below zero to a large number
            }
            for (var lane = 0u; lane < 4u; lane++) {
                let row = (((workgroup.z * params.input_groups + g) * 4u + lane) * 3u + ky) * 6u;
                for (var kx = 0u; kx < 3u; kx++) {
                    for (var q = 0u; q < 2u; q++) {
                        let w = weight[row + kx * 2u + q];
                        for (var p = 0u; p < 4u; p++) {
                            sum[p][q] = fma(vec4<f32>(span[p + kx][lane]), w, sum[p][q]);
                        }
                    }
                }
            }
        }
    }
    for (var p = 0u; p < 4u; p++) {
        for (var q = 0u; q < 2u; q++) {
            let pixel = y * params.width + first + p;
            let to = element(workgroup.z * 2u + q, pixel, params.output_groups, params.width * params.height);
            output[to] = sum[p][q];
        }
    }
}
