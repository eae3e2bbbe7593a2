// Pixels as `pixel_store.wgsl` writes them → texels.
//
// A view of a texture that encodes sRGB takes linear light, so DECODED makes it of what networks give. Alpha is the input's,
// enlarged bilinearly, or 1. Where texels are HALF floats, the numbers are halves already: devices round as they like.

override WIDE: bool = false;
override DECODED: bool = false;
override OPAQUE: bool = false;
override HALF: bool = false;

@group(0) @binding(2) var<storage, read> words: array<u32>;

fn decoded(encoded: vec3<f32>) -> vec3<f32> {
    let low = encoded / 12.92;
    let high = pow((encoded + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, encoded <= vec3<f32>(0.04045));
}

// The nearest half, the even one of two, of numbers in 0 … 1.
fn halved(value: vec3<f32>) -> vec3<f32> {
    let bits = bitcast<vec3<u32>>(value);
    let even = (bits >> vec3<u32>(13u)) & vec3<u32>(1u);
    let normal = bitcast<vec3<f32>>((bits + 0xfffu + even) & vec3<u32>(0xffffe000u));
    let subnormal = round(value * 16777216.0) / 16777216.0;
    return select(normal, subnormal, value < vec3<f32>(6.103515625e-5));
}

fn colour(at: u32) -> vec3<f32> {
    if (WIDE) {
        let first = words[2u * at];
        let sample = vec3<u32>(first & 0xffffu, first >> 16u, words[2u * at + 1u] & 0xffffu);
        return vec3<f32>(sample) / 65535.0;
    }
    return vec3<f32>((vec3<u32>(words[at]) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(0xffu)) / 255.0;
}

fn alpha(x: u32, y: u32) -> f32 {
    let last = vec2<u32>(params.width, params.height) - 1u;
    let place = clamp((vec2<f32>(f32(x), f32(y)) + 0.5) / f32(params.scale) - 0.5, vec2<f32>(0.0), vec2<f32>(last));
    let first = vec2<u32>(place);
    let second = min(first + 1u, last);
    let t = place - floor(place);
    let above = mix(texel(first).a, texel(vec2<u32>(second.x, first.y)).a, t.x);
    let below = mix(texel(vec2<u32>(first.x, second.y)).a, texel(second).a, t.x);
    return mix(above, below, t.y);
}

// The texel of the output at a place.
fn enlarged(x: u32, y: u32) -> vec4<f32> {
    var rgb = colour(y * params.scale * params.extended_width + x);
    if (DECODED) {
        rgb = decoded(rgb);
    }
    if (HALF) {
        rgb = halved(rgb);
    }
    if (OPAQUE) {
        return vec4<f32>(rgb, 1.0);
    }
    return vec4<f32>(rgb, alpha(x, y));
}
