// Interpolation backwards: one old pixel × four channels a thread.
//
//   output[i, j] = Σ_{p, q} share(i, p) · share(j, q) · gradient[p, q]
//
// share(i, p) is the weight of old pixel i in new pixel p, along one axis. Where the new one looks at the old place
//
//   (p + ½) · old / new − ½      CORNERS:  p · (old − 1) / (new − 1)
//
// it is made of two pixels or four around, those past the edge being the edge's; NEAREST: of ⌊p · (old / new)⌋ alone.
//
// Places are fractions of whole numbers, so that rounding moves none. The host brings them into lowest terms, so
// that the whole numbers stay small.

#import cubic
#import element
#import layout

const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const CORNERS: u32 = 2u;
const BICUBIC: u32 = 3u;

override KIND: u32 = NEAREST;

struct ResizeGradientParams {
    width: u32,
    height: u32,
    new_width: u32,
    new_height: u32,
    old_across: u32, // to new_across as the old width is to the new one; CORNERS: each less one
    new_across: u32,
    old_down: u32,
    new_down: u32,
    across: f32, // old width / new width
    down: f32,
}

@group(0) @binding(0) var<uniform> params: ResizeGradientParams;
@group(0) @binding(1) var<storage, read> gradient: array<GradientStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

// Old pixels and new ones along one side.
struct Side {
    length: u32,
    new_length: u32,
    old_part: u32, // to new_part as the old side is to the new one; CORNERS: each less one
    new_part: u32,
    quotient: f32,
}

// The first new pixel that looks at place k or behind it.
fn first_from(side: Side, k: i32) -> u32 {
    var over = k * i32(side.new_part);
    var below = side.old_part;
    if (KIND == BILINEAR || KIND == BICUBIC) {
        over = (2 * k + 1) * i32(side.new_part) - i32(side.old_part);
        below = 2u * side.old_part;
    }
    if (over <= 0) {
        return 0u;
    }
    if (below == 0u) { // all of them look at the only pixel
        return side.new_length;
    }
    return min((u32(over) + below - 1u) / below, side.new_length);
}

// The first new pixel that may have a share of old pixel i, and the first behind them.
fn span(side: Side, i: u32) -> vec2<u32> {
    if (KIND == NEAREST) { // one more on either side, since the quotient is rounded
        let first = max(first_from(side, i32(i)), 1u) - 1u;
        return vec2<u32>(first, min(first_from(side, i32(i) + 1) + 1u, side.new_length));
    }
    let reach = select(1, 2, KIND == BICUBIC);
    return vec2<u32>(first_from(side, i32(i) - reach), first_from(side, i32(i) + reach));
}

fn share(side: Side, i: u32, p: u32) -> f32 {
    let last = side.length - 1u;
    if (KIND == NEAREST) {
        return f32(min(u32(f32(p) * side.quotient), last) == i);
    }
    var over = p * side.old_part + side.new_part; // one pixel on, as there is none below zero
    var below = side.new_part;
    if (KIND != CORNERS) {
        over = (2u * p + 1u) * side.old_part + side.new_part;
        below = 2u * side.new_part;
    }
    let t = f32(over % below) / f32(below);
    var weights = vec4<f32>(0.0, 1.0 - t, t, 0.0);
    if (KIND == BICUBIC) {
        weights = cubic(t);
    }
    let places = vec4<i32>(i32(over / below) - 1) + vec4<i32>(-1, 0, 1, 2);
    let pixels = clamp(places, vec4<i32>(0), vec4<i32>(i32(last)));
    return dot(weights, select(vec4<f32>(0.0), vec4<f32>(1.0), pixels == vec4<i32>(i32(i))));
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let across = Side(params.width, params.new_width, params.old_across, params.new_across, params.across);
    let down = Side(params.height, params.new_height, params.old_down, params.new_down, params.down);
    let columns = span(across, id.x);
    let rows = span(down, id.y);
    var sum = Vec4(0.0);
    for (var q = columns.x; q < columns.y; q++) {
        var column = Vec4(0.0);
        for (var p = rows.x; p < rows.y; p++) {
            let weight = share(down, id.y, p);
            if (weight != 0.0) {
                column += weight * Vec4(gradient[element(id.z, p, q, params.new_height, params.new_width)]);
            }
        }
        let weight = share(across, id.x, q);
        if (weight != 0.0) {
            sum += weight * column;
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(sum);
}
