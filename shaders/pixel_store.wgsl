// Activations → 8- or 16-bit RGB pixels: scaled, clamped, rounded half to even, packed.
//
//   sample[c, p] = round(clamp(input[c, p] · scale, 0, largest))
//
// A pixel is one word, r | g << 8 | b << 16 | proof << 24, or with WIDE two, r | g << 16 and
// b | proof << 16. The proof is all ones if the pixel's three numbers were finite, otherwise 1. The host
// refuses any other than all ones, zeros that were never written among them.

#import element
#import layout
#import finite

override WIDE: bool = false;

struct PixelStoreParams {
    width: u32,
    height: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: PixelStoreParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    let value = input[at].xyz;
    let largest = select(255.0, 65535.0, WIDE);
    let sample = vec3<u32>(round(clamp(value * params.scale, vec3<f32>(0.0), vec3<f32>(largest))));
    if (WIDE) {
        output[2u * at] = sample.r | (sample.g << 16u);
        output[2u * at + 1u] = sample.b | (select(1u, 0xffffu, finite(value)) << 16u);
    } else {
        output[at] = sample.r | (sample.g << 8u) | (sample.b << 16u) | (select(1u, 0xffu, finite(value)) << 24u);
    }
}
