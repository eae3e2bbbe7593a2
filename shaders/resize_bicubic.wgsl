// Interpolation by Keys' cubic convolution, the edge repeated: one output pixel a thread.
//
//   output[p] = Σ_{i, j = −1 … 2} w(i − t_y) · w(j − t_x) · input[⌊q⌋ + (i, j)]
//   q = (p + ½) · below / scale − ½,  t = q − ⌊q⌋

#import cubic
#import element
#import layout

struct ResizeBicubicParams {
    input_width: u32,
    input_height: u32,
    scale: u32,
    below: u32,
}

@group(0) @binding(0) var<uniform> params: ResizeBicubicParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = params.input_width * params.scale / params.below;
    let height = params.input_height * params.scale / params.below;
    if (id.x >= width || id.y >= height) {
        return;
    }
    // By the place within what is alike over and over, so that t is as exact far from the origin as near it.
    let place = (vec2<f32>(id.xy % params.scale) + 0.5) * f32(params.below) / f32(params.scale) - 0.5;
    let corner = vec2<i32>(id.xy / params.scale * params.below) + vec2<i32>(floor(place));
    let across = cubic(place.x - floor(place.x));
    let down = cubic(place.y - floor(place.y));
    let last = vec2<i32>(i32(params.input_width), i32(params.input_height)) - 1;

    var sum = Vec4(0.0);
    for (var i = 0; i < 4; i++) {
        let y = u32(clamp(corner.y + i - 1, 0, last.y));
        var row = Vec4(0.0);
        for (var j = 0; j < 4; j++) {
            let x = u32(clamp(corner.x + j - 1, 0, last.x));
            row += across[j] * Vec4(input[element(id.z, y, x, params.input_height, params.input_width)]);
        }
        sum += down[i] * row;
    }
    output[element(id.z, id.y, id.x, height, width)] = OutputStored(sum);
}
