// Channels into pixels: one output pixel × four channels a thread.
//
//   output[c, s·y + i, s·x + j] = input[c·s² + i·s + j, y, x]

#import element
#import layout

struct PixelShuffleParams {
    input_width: u32,
    input_height: u32,
    channels: u32, // of the output
    scale: u32,
}

@group(0) @binding(0) var<uniform> params: PixelShuffleParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = params.scale;
    let width = params.input_width * s;
    let height = params.input_height * s;
    if (id.x >= width || id.y >= height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let n = id.z / groups;
    let group = id.z % groups;
    let phase = (id.y % s) * s + id.x % s;

    var value: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = 4u * group + lane;
        if (channel < params.channels) {
            let source = channel * s * s + phase;
            let plane = n * channel_groups(params.channels * s * s) + source / 4u;
            let at = element(plane, id.y / s, id.x / s, params.input_height, params.input_width);
            value[lane] = f32(input[at][source % 4u]);
        }
    }
    output[element(id.z, id.y, id.x, height, width)] = OutputStored(value);
}
