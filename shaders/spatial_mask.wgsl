// Two logits a pixel → 1 where the second is larger, otherwise 0.
//
//   output[p] = input[1, p] > input[0, p]        strictly: a tie is 0
//
// NaN where one of them is not finite: the host reads all masks, and refuses what is no number.

#import element
#import layout

struct SpatialMaskParams {
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<uniform> params: SpatialMaskParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> output: array<Vec4>;

const NOT_FINITE: u32 = 0x7f800000u;
const NAN: u32 = 0x7fc00000u;

// The mask's bits; all by the bits, since compilers may take NaN for impossible.
fn mask_of(off: f32, on: f32) -> u32 {
    let bits = vec2<u32>(bitcast<u32>(off), bitcast<u32>(on));
    let broken = any((bits & vec2<u32>(NOT_FINITE)) == vec2<u32>(NOT_FINITE));
    let mask = select(0u, bitcast<u32>(1.0), on > off);
    return select(mask, bits.x | NAN, broken);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    output[at] = Vec4(bitcast<f32>(mask_of(input[at].x, input[at].y)), 0.0, 0.0, 0.0);
}
