// Enlargement by repetition.
//
//   output[c, y, x] = input[c, ⌊y / scale⌋, ⌊x / scale⌋]

#import element
#import layout

struct ResizeNearestParams {
    input_width: u32,
    input_height: u32,
    scale: u32,
}

@group(0) @binding(0) var<uniform> params: ResizeNearestParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = params.input_width * params.scale;
    let height = params.input_height * params.scale;
    if (id.x >= width || id.y >= height) {
        return;
    }
    let source = element(id.z, id.y / params.scale, id.x / params.scale, params.input_height, params.input_width);
    output[element(id.z, id.y, id.x, height, width)] = OutputStored(input[source]);
}
