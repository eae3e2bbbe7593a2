// The largest of a block: one output pixel × four channels a thread.
//
//   output[c, p] = max_{q in block p} input[c, q]
//
// Along a side of n pixels block p is p · stride … p · stride + size or, ADAPTIVE, one of m parts that may share
// a pixel: ⌊p · n / m⌋ … ⌈(p + 1) · n / m⌉.

#import element
#import larger
#import layout

override ADAPTIVE: bool = false;

struct MaxPoolParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
    size: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: MaxPoolParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

// The first pixel of a block, and the first behind it.
fn block(p: u32, side: u32, parts: u32) -> vec2<u32> {
    if (ADAPTIVE) {
        return vec2<u32>(p * side / parts, ((p + 1u) * side + parts - 1u) / parts);
    }
    return vec2<u32>(p * params.stride, p * params.stride + params.size);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let rows = block(id.y, params.input_height, params.height);
    let columns = block(id.x, params.input_width, params.width);
    var largest = Vec4(input[element(id.z, rows.x, columns.x, params.input_height, params.input_width)]);
    for (var y = rows.x; y < rows.y; y++) {
        for (var x = columns.x; x < columns.y; x++) {
            let value = Vec4(input[element(id.z, y, x, params.input_height, params.input_width)]);
            largest = select(largest, value, is_larger(value, largest));
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(largest);
}
