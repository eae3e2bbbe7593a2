// Some neighbouring channels: one pixel × four of them a thread.
//
//   output[c, p] = input[start + c, p]
//
// Four neighbours lie in one group of the input or, unless `start` is a multiple of four, in two.

#import element
#import layout

struct SliceParams {
    width: u32,
    height: u32,
    input_channels: u32,
    channels: u32, // of the output
    start: u32,
}

@group(0) @binding(0) var<uniform> params: SliceParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

// Lanes shift … shift + 3 of eight.
fn shifted(a: Vec4, b: Vec4, shift: u32) -> Vec4 {
    if (shift == 1u) {
        return Vec4(a.yzw, b.x);
    } else if (shift == 2u) {
        return Vec4(a.zw, b.xy);
    } else if (shift == 3u) {
        return Vec4(a.w, b.xyz);
    }
    return a;
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let group = id.z % groups;
    let input_groups = channel_groups(params.input_channels);
    let plane = id.z / groups * input_groups;
    let first = params.start / 4u + group;
    let next = min(first + 1u, input_groups - 1u); // past the last there is nothing that lives
    let a = Vec4(input[element(plane + first, id.y, id.x, params.height, params.width)]);
    let b = Vec4(input[element(plane + next, id.y, id.x, params.height, params.width)]);
    let value = live_lanes(shifted(a, b, params.start % 4u), group, params.channels);
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(value);
}
