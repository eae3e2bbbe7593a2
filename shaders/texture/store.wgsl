// Pixels as `pixel_store.wgsl` writes them → a texture that is rendered to, whatever its format.
//
// A view that encodes sRGB takes linear light, so DECODED makes it of what networks give. Alpha is the input texture's,
// enlarged bilinearly, or 1. A texture of HALF floats gets numbers that are halves already: devices round as they like.

override WIDE: bool = false;
override DECODED: bool = false;
override OPAQUE: bool = false;
override HALF: bool = false;
override SCALE: u32 = 2u;

struct TextureStoreParams {
    extended_width: u32,
}

@group(0) @binding(0) var<uniform> params: TextureStoreParams;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var small: texture_2d<f32>;

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
        let first = input[2u * at];
        let sample = vec3<u32>(first & 0xffffu, first >> 16u, input[2u * at + 1u] & 0xffffu);
        return vec3<f32>(sample) / 65535.0;
    }
    return vec3<f32>((vec3<u32>(input[at]) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(0xffu)) / 255.0;
}

fn alpha(x: u32, y: u32) -> f32 {
    let size = vec2<f32>(textureDimensions(small));
    let place = clamp((vec2<f32>(f32(x), f32(y)) + 0.5) / f32(SCALE) - 0.5, vec2<f32>(0.0), size - 1.0);
    let first = vec2<u32>(place);
    let second = min(first + 1u, textureDimensions(small) - 1u);
    let t = place - floor(place);
    let above = mix(
        textureLoad(small, first, 0).a,
        textureLoad(small, vec2<u32>(second.x, first.y), 0).a,
        t.x,
    );
    let below = mix(
        textureLoad(small, vec2<u32>(first.x, second.y), 0).a,
        textureLoad(small, second, 0).a,
        t.x,
    );
    return mix(above, below, t.y);
}

// One triangle over the whole texture.
@vertex
fn corner(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let x = u32(position.x);
    let y = u32(position.y);
    var rgb = colour(y * params.extended_width + x);
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
