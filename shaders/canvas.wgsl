// A picture on a canvas of another size, their top left corners together: cut, or with zeros beside it.
//
//   output[c, y, x] = input[c, y, x], or 0 where the input has no such pixel

#import element
#import layout

struct CanvasParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> params: CanvasParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    var value: Vec4;
    if (id.x < params.input_width && id.y < params.input_height) {
        value = Vec4(input[element(id.z, id.y, id.x, params.input_height, params.input_width)]);
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(value);
}
