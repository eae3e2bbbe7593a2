// Pixels into channels: one output pixel × four channels a thread.
//
//   output[c·s² + i·s + j, y, x] = input[c, s·y + i, s·x + j]

#import element
#import layout

struct PixelUnshuffleParams {
    width: u32, // of the output
    height: u32,
    input_channels: u32,
    scale: u32,
}

@group(0) @binding(0) var<uniform> params: PixelUnshuffleParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let s = params.scale;
    let channels = params.input_channels * s * s;
    let groups = channel_groups(channels);
    let n = id.z / groups;
    let group = id.z % groups;

    var value: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = 4u * group + lane;
        if (channel < channels) {
            let c = channel / (s * s);
            let plane = n * channel_groups(params.input_channels) + c / 4u;
            let y = s * id.y + channel / s % s;
            let x = s * id.x + channel % s;
            value[lane] = f32(input[element(plane, y, x, params.height * s, params.width * s)][c % 4u]);
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(value);
}
