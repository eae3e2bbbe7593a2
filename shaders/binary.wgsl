// Sum, difference, product or quotient of two values, and a residual added to it.
//
//   output[c, p] = a[c, p] ∘ b[c, p] + residual[c, p]        b[c] if B is one pixel        b[p] if B is one channel

#import element
#import layout

const ADD: u32 = 0u;
const SUBTRACT: u32 = 1u;
const MULTIPLY: u32 = 2u;
const DIVIDE: u32 = 3u;

override KIND: u32 = ADD;

const SAME: u32 = 0u;
const ONE_PIXEL: u32 = 1u;
const ONE_CHANNEL: u32 = 2u;

override BROADCAST: u32 = SAME;

override RESIDUAL: bool = false;

struct BinaryParams {
    width: u32,
    height: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: BinaryParams;
@group(0) @binding(1) var<storage, read> a: array<AStored>;
@group(0) @binding(2) var<storage, read> b: array<BStored>;
@group(0) @binding(3) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

fn second(plane: u32, groups: u32, y: u32, x: u32) -> Vec4 {
    if (BROADCAST == ONE_PIXEL) {
        return Vec4(b[plane]);
    }
    if (BROADCAST == ONE_CHANNEL) {
        return Vec4(f32(b[element(plane / groups, y, x, params.height, params.width)].x));
    }
    return Vec4(b[element(plane, y, x, params.height, params.width)]);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let at = element(id.z, id.y, id.x, params.height, params.width);
    let left = Vec4(a[at]);
    let right = second(id.z, groups, id.y, id.x);
    var value = left + right;
    if (KIND == SUBTRACT) {
        value = left - right;
    } else if (KIND == MULTIPLY) {
        value = left * right;
    } else if (KIND == DIVIDE) {
        value = left / right;
    }
    if (RESIDUAL) {
        value += Vec4(residual[at]);
    }
    output[at] = OutputStored(live_lanes(value, id.z % groups, params.channels));
}
