// Two logits a pixel → 1 where the second is larger, otherwise 0.
//
//   output[p] = input[1, p] > input[0, p]        strictly: a tie, or NaN, is 0

#import element
#import layout

struct SpatialMaskParams {
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> params: SpatialMaskParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> output: array<Vec4>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    output[at] = Vec4(select(0.0, 1.0, input[at].y > input[at].x), 0.0, 0.0, 0.0);
}
