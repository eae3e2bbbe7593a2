// The input's texels in a texture.

@group(0) @binding(1) var input: texture_2d<f32>;

fn texel(at: vec2<u32>) -> vec4<f32> {
    return textureLoad(input, at, 0);
}
