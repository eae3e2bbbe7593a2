// Interpolation between the two nearest pixels of each axis, the edge repeated: one output pixel a thread.
//
//   output[p] = Σ_{i, j = 0, 1} w(i, t_y) · w(j, t_x) · input[⌊q⌋ + (i, j)]      w(0, t) = 1 − t,  w(1, t) = t
//   q = max(0, (p + ½) · old / new − ½)      CORNERS:  q = p · (old − 1) / (new − 1)      t = q − ⌊q⌋
//
// Places are fractions of whole numbers, so that rounding moves none. The host brings them into lowest terms, so
// that the whole numbers stay small.

#import element
#import layout

override CORNERS: bool = false;

struct ResizeBilinearParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
    old_width: u32, // to new_width as the old side is to the new one; CORNERS: each less one
    new_width: u32,
    old_height: u32,
    new_height: u32,
}

@group(0) @binding(0) var<uniform> params: ResizeBilinearParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

// The two old pixels that a new one lies between, along one axis, and how far it is from the first.
struct Line {
    first: u32,
    second: u32,
    t: f32,
}

fn line(p: u32, old_side: u32, new_side: u32, length: u32) -> Line {
    var over = p * old_side;
    var below = new_side;
    if (!CORNERS) {
        over = max((2u * p + 1u) * old_side, new_side) - new_side;
        below = 2u * new_side;
    }
    let place = over / below;
    return Line(place, min(place + 1u, length - 1u), f32(over % below) / f32(below));
}

fn between(a: Vec4, b: Vec4, t: f32) -> Vec4 {
    return (1.0 - t) * a + t * b;
}

fn along(plane: u32, y: u32, column: Line) -> Vec4 {
    let row = element(plane, y, 0u, params.input_height, params.input_width);
    return between(Vec4(input[row + column.first]), Vec4(input[row + column.second]), column.t);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let row = line(id.y, params.old_height, params.new_height, params.input_height);
    let column = line(id.x, params.old_width, params.new_width, params.input_width);
    let value = between(along(id.z, row.first, column), along(id.z, row.second, column), row.t);
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(value);
}
