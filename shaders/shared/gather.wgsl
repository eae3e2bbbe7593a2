// What convolutions pixel by pixel are given, whatever multiplies: parameters, up to four inputs, and which pixels, as
// `conv2d_gather` says. The kernel declares `weight`, binding 7.

override LISTED: bool = false;
override MASKED: bool = false;
override INPUTS: u32 = 1u;

const RADIUS: u32 = KERNEL / 2u;

struct Conv2dGatherParams {
    width: u32,
    height: u32,
    pixels: u32,
    input_groups: u32,
    groups_0: u32,
    groups_1: u32,
    groups_2: u32,
    groups_3: u32,
    steps: u32, // of all inputs: of four channels, or chunks as they are staged
    bias: u32,
    first_group: u32,
    output_groups: u32,
    stored_groups: u32,
    output_channels: u32,
    preserved_groups: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Conv2dGatherParams;
@group(0) @binding(1) var<storage, read> input_0: array<Input0Stored>;
@group(0) @binding(2) var<storage, read> input_1: array<Input1Stored>; // or any buffer, as the two after it
@group(0) @binding(3) var<storage, read> input_2: array<Input2Stored>;
@group(0) @binding(4) var<storage, read> input_3: array<Input3Stored>;
@group(0) @binding(5) var<storage, read> work: array<u32>; // list, mask, or any buffer
@group(0) @binding(6) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(8) var<storage, read_write> output: array<OutputStored>;

fn input_at(which: u32, place: u32) -> Vec4 {
    if (which == 0u) {
        return Vec4(input_0[place]);
    } else if (which == 1u) {
        return Vec4(input_1[place]);
    } else if (which == 2u) {
        return Vec4(input_2[place]);
    }
    return Vec4(input_3[place]);
}
