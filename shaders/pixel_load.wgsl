// 8- or 16-bit RGB pixels → activations.
//
//   output[c, p] = sample[c, p] · scale
//
// A pixel is one word, r | g << 8 | b << 16, or with WIDE two, r | g << 16 and b.

#import element
#import layout

override WIDE: bool = false;

struct PixelLoadParams {
    width: u32,
    height: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: PixelLoadParams;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<Vec4>;

fn samples(at: u32) -> vec3<u32> {
    if (WIDE) {
        let first = input[2u * at];
        return vec3<u32>(first & 0xffffu, first >> 16u, input[2u * at + 1u] & 0xffffu);
    }
    return (vec3<u32>(input[at]) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(0xffu);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    output[at] = Vec4(vec3<f32>(samples(at)) * params.scale, 0.0);
}
