// The input's texels in a buffer, row by row.

override INPUT_FORMAT: u32 = 0u;

@group(0) @binding(1) var<storage, read> input: array<u32>;

fn texel(at: vec2<u32>) -> vec4<f32> {
    let row = at.y * params.input_stride;
    if (INPUT_FORMAT == 3u) {
        let first = row + 4u * at.x;
        return bitcast<vec4<f32>>(vec4<u32>(input[first], input[first + 1u], input[first + 2u], input[first + 3u]));
    }
    if (INPUT_FORMAT == 2u) {
        let first = row + 2u * at.x;
        return vec4<f32>(unpack2x16float(input[first]), unpack2x16float(input[first + 1u]));
    }
    let value = unpack4x8unorm(input[row + at.x]);
    return select(value, value.bgra, INPUT_FORMAT == 1u);
}
