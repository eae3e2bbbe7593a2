// 3×3 convolution, size kept: 4 neighbouring pixels × 8 channels a thread, in registers.
//
// For plain planes, N·C·H·W: loads are four pixels of one channel, and so are the sums. Needs rows of whole
// fours; an engine in this layout would pad them.

struct LayoutConv2dParams {
    width: u32, // a multiple of 4
    height: u32,
    input_groups: u32, // channels / 4
    output_groups: u32,
}

@group(0) @binding(0) var<uniform> params: LayoutConv2dParams;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>; // [out / 8][in][ky][kx][2]
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;

// Four pixels of a row; zero outside the picture.
fn load(c: u32, y: u32, strip: u32) -> vec4<f32> {
    let strips = params.width / 4u;
    let value = input[(c * params.height + min(y, params.height - 1u)) * strips + min(strip, strips - 1u)];
    return select(vec4<f32>(0.0), value, y < params.height && strip < strips);
}

// A workgroup is 8 rows of 8 strips of 4 pixels.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let strips = params.width / 4u;
    let strip = workgroup.x * 8u + thread % 8u;
    let y = workgroup.y * 8u + thread / 8u;
    if (strip >= strips || y >= params.height) {
        return;
    }
    var sum: array<vec4<f32>, 8>; // a vector of pixels for every output channel
    for (var c = 0u; c < params.input_groups * 4u; c++) {
        for (var ky = 0u; ky < 3u; ky++) {
            let source = y + ky - 1u; // wraps below zero to a large number
            let before = load(c, source, strip - 1u);
            let here = load(c, source, strip);
            let after = load(c, source, strip + 1u);
            var shifted: array<vec4<f32>, 3>; // the inputs under each column of the kernel
            shifted[0] = vec4<f32>(before.w, here.xyz);
            shifted[1] = here;
            shifted[2] = vec4<f32>(here.yzw, after.x);
            let row = ((workgroup.z * params.input_groups * 4u + c) * 3u + ky) * 6u;
            for (var kx = 0u; kx < 3u; kx++) {
                for (var q = 0u; q < 2u; q++) {
                    let w = weight[row + kx * 2u + q];
                    for (var lane = 0u; lane < 4u; lane++) {
                        sum[q * 4u + lane] = fma(shifted[kx], vec4<f32>(w[lane]), sum[q * 4u + lane]);
                    }
                }
            }
        }
    }
    for (var o = 0u; o < 8u; o++) {
        output[((workgroup.z * 8u + o) * params.height + y) * strips + strip] = sum[o];
    }
}
