// Neighbourhoods as channels: one pixel × four of them a thread, zeros past the edge.
//
//   output[(c·k + i)·k + j, y, x] = input[c, y + i − ⌊k / 2⌋, x + j − ⌊k / 2⌋]

#import element
#import layout

struct UnfoldParams {
    width: u32,
    height: u32,
    input_channels: u32,
    kernel: u32,
}

@group(0) @binding(0) var<uniform> params: UnfoldParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let k = params.kernel;
    let channels = params.input_channels * k * k;
    let groups = channel_groups(channels);
    let n = id.z / groups;
    let group = id.z % groups;

    var value: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = 4u * group + lane;
        let c = channel / (k * k);
        let y = id.y + channel / k % k - k / 2u; // wraps below zero to a large number, so one comparison tells
        let x = id.x + channel % k - k / 2u;
        if (channel < channels && y < params.height && x < params.width) {
            let plane = n * channel_groups(params.input_channels) + c / 4u;
            value[lane] = f32(input[element(plane, y, x, params.height, params.width)][c % 4u]);
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(value);
}
