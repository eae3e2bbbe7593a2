// One part of a concatenation: its channels go to `offset` and after.
//
//   output[offset + c, p] = input[c, p]
//
// The parts run in order. A group of four that two parts share is written twice: the first time with
// zeros behind the part's end, the second time keeping what lies before `offset`.

#import element
#import layout

struct ConcatParams {
    width: u32,
    height: u32,
    input_channels: u32,
    output_channels: u32,
    offset: u32,
    groups: u32, // output groups that the part touches
}

@group(0) @binding(0) var<uniform> params: ConcatParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let n = id.z / params.groups;
    let group = params.offset / 4u + id.z % params.groups;
    let to = element(n * channel_groups(params.output_channels) + group, id.y, id.x, params.height, params.width);

    var value: Vec4;
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = 4u * group + lane;
        if (channel < params.offset) {
            value[lane] = f32(output[to][lane]);
        } else if (channel - params.offset < params.input_channels) {
            let c = channel - params.offset;
            let plane = n * channel_groups(params.input_channels) + c / 4u;
            value[lane] = f32(input[element(plane, id.y, id.x, params.height, params.width)][c % 4u]);
        }
    }
    output[to] = OutputStored(value);
}
