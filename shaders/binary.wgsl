// Sum, difference, product or quotient of two values, and a residual added to it; or the second value alone.
//
//   output[n, c, p] = a[n, c, p] ∘ b[n, c, p] + residual[n, c, p]        b is repeated along each axis of which it has one

#import element
#import layout

const ADD: u32 = 0u;
const SUBTRACT: u32 = 1u;
const MULTIPLY: u32 = 2u;
const DIVIDE: u32 = 3u;
const SECOND: u32 = 4u;

override KIND: u32 = ADD;

// Whether b has one channel.
override ONE_CHANNEL: bool = false;

override RESIDUAL: bool = false;

struct BinaryParams {
    width: u32,
    height: u32,
    channels: u32,
    // Elements of b to the next picture, group of channels, row and pixel: 0 where it is repeated.
    b_picture: u32,
    b_group: u32,
    b_row: u32,
    b_pixel: u32,
}

@group(0) @binding(0) var<uniform> params: BinaryParams;
@group(0) @binding(1) var<storage, read> a: array<AStored>;
@group(0) @binding(2) var<storage, read> b: array<BStored>;
@group(0) @binding(3) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let at = element(id.z, id.y, id.x, params.height, params.width);
    let group = id.z % groups;
    let picture = id.z / groups;
    var right = Vec4(b[picture * params.b_picture + group * params.b_group + id.y * params.b_row + id.x * params.b_pixel]);
    if (ONE_CHANNEL) {
        right = Vec4(right.x);
    }
    var value = right;
    if (KIND == ADD) {
        value = Vec4(a[at]) + right;
    } else if (KIND == SUBTRACT) {
        value = Vec4(a[at]) - right;
    } else if (KIND == MULTIPLY) {
        value = Vec4(a[at]) * right;
    } else if (KIND == DIVIDE) {
        value = Vec4(a[at]) / right;
    }
    if (RESIDUAL) {
        value += Vec4(residual[at]);
    }
    output[at] = OutputStored(live_lanes(value, group, params.channels));
}
