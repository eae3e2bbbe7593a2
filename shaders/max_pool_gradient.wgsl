// Where the largest of every block stood: one input pixel × four channels a thread.
//
//   output[c, q] = Σ_p gradient[c, p]        over the blocks p whose first largest number, in raster order, is input[c, q]
//
// Along a side block p is p · stride … p · stride + size. A thread goes through the blocks that its pixel is in.

#import element
#import larger
#import layout

struct MaxPoolGradientParams {
    width: u32,
    height: u32,
    blocks_a_row: u32,
    blocks_a_column: u32,
    size: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: MaxPoolGradientParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> gradient: array<GradientStored>; // a number a block
@group(0) @binding(3) var<storage, read_write> output: array<OutputStored>;

// The first block that a pixel is in, and the first behind it.
fn blocks(q: u32, count: u32) -> vec2<u32> {
    let before = max(q + 1u, params.size) - params.size;
    return vec2<u32>((before + params.stride - 1u) / params.stride, min(q / params.stride + 1u, count));
}

// Of a block's pixels, counted in raster order, the first that holds the largest number.
fn first_largest(plane: u32, top: u32, left: u32) -> vec4<u32> {
    var largest = Vec4(input[element(plane, top, left, params.height, params.width)]);
    var first = vec4<u32>(0u);
    for (var tap = 1u; tap < params.size * params.size; tap++) {
        let at = element(plane, top + tap / params.size, left + tap % params.size, params.height, params.width);
        let value = Vec4(input[at]);
        let larger = is_larger(value, largest);
        largest = select(largest, value, larger);
        first = select(first, vec4<u32>(tap), larger);
    }
    return first;
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let rows = blocks(id.y, params.blocks_a_column);
    let columns = blocks(id.x, params.blocks_a_row);
    var sum = Vec4(0.0);
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            let top = row * params.stride;
            let left = column * params.stride;
            let tap = (id.y - top) * params.size + id.x - left;
            let g = Vec4(gradient[element(id.z, row, column, params.blocks_a_column, params.blocks_a_row)]);
            sum += select(Vec4(0.0), g, first_largest(id.z, top, left) == vec4<u32>(tap));
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(sum);
}
