// The mean of every size × size block.
//
//   output[c, p] = Σ_{i, j < size} input[c, size · p + (i, j)] / size²

#import element
#import layout

struct AveragePoolParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
    size: u32,
}

@group(0) @binding(0) var<uniform> params: AveragePoolParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    var sum = Vec4(0.0);
    for (var i = 0u; i < params.size; i++) {
        for (var j = 0u; j < params.size; j++) {
            let y = id.y * params.size + i;
            let x = id.x * params.size + j;
            sum += Vec4(input[element(id.z, y, x, params.input_height, params.input_width)]);
        }
    }
    let mean = sum / f32(params.size * params.size);
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(mean);
}
