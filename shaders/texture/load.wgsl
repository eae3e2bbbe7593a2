// Texels → pixels as `pixel_load.wgsl` reads them, extended past the right and the bottom edge.
//
//   sample[c, p] = round(clamp(texel[c, p], 0, 1) · largest)
//
// A view of a texture that decodes sRGB gives linear light; networks want it encoded, so ENCODED undoes that. Pixels whose
// numbers are not finite are counted.

override WIDE: bool = false;
override ENCODED: bool = false;
override MIRRORED: bool = false;

@group(0) @binding(2) var<storage, read_write> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> proof: Proof;

// Which of `length` pixels stands at a place past the last one.
fn place(at: u32, length: u32) -> u32 {
    if (MIRRORED) {
        let period = max(2u * (length - 1u), 1u);
        let within = at % period;
        return min(min(within, period - within), length - 1u);
    }
    return min(at, length - 1u);
}

fn is_finite(value: vec3<f32>) -> bool {
    return all((bitcast<vec3<u32>>(value) & vec3<u32>(0x7f800000u)) != vec3<u32>(0x7f800000u));
}

fn encoded(linear: vec3<f32>) -> vec3<f32> {
    let low = linear * 12.92;
    let high = 1.055 * pow(max(linear, vec3<f32>(0.0031308)), vec3<f32>(1.0 / 2.4)) - 0.055;
    return select(high, low, linear <= vec3<f32>(0.0031308));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.extended_width || id.y >= params.extended_height) {
        return;
    }
    let seen = vec2<u32>(place(id.x, params.width), place(id.y, params.height));
    var value = texel(seen).rgb;
    if (!is_finite(value)) {
        atomicAdd(&proof.wrong, 1u);
    }
    if (ENCODED) {
        value = encoded(value);
    }
    let largest = select(255.0, 65535.0, WIDE);
    let sample = vec3<u32>(round(clamp(value, vec3<f32>(0.0), vec3<f32>(1.0)) * largest));
    let at = id.y * params.extended_width + id.x;
    if (WIDE) {
        words[2u * at] = sample.r | (sample.g << 16u);
        words[2u * at + 1u] = sample.b;
    } else {
        words[at] = sample.r | (sample.g << 8u) | (sample.b << 16u);
    }
}
