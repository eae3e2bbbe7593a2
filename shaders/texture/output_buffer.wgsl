// The output's texels in a buffer, row by row.

override OUTPUT_FORMAT: u32 = 0u;

@group(0) @binding(3) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.scale * params.width || id.y >= params.scale * params.height) {
        return;
    }
    let value = enlarged(id.x, id.y);
    let row = id.y * params.output_stride;
    if (OUTPUT_FORMAT == 3u) {
        let bits = bitcast<vec4<u32>>(value);
        let first = row + 4u * id.x;
        output[first] = bits.r;
        output[first + 1u] = bits.g;
        output[first + 2u] = bits.b;
        output[first + 3u] = bits.a;
    } else if (OUTPUT_FORMAT == 2u) {
        let first = row + 2u * id.x;
        output[first] = pack2x16float(value.rg);
        output[first + 1u] = pack2x16float(value.ba);
    } else {
        output[row + id.x] = pack4x8unorm(select(value, value.bgra, OUTPUT_FORMAT == 1u));
    }
}
