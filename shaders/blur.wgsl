// The binomial filter of Laplacian pyramids, or its adjoint: one pixel × four channels a thread.
//
//   output[c, p] = Σ_k w[k] · input[c, mirrored(p + k)]        w = [1 4 6 4 1] / 16 along either axis
//
// A pixel at either end of an axis is its own mirror image. The adjoint is therefore the same sum of s · input, over s[p],
// where s is 2 at the ends of an axis and 1 elsewhere.

#import element
#import layout

struct BlurParams {
    width: u32,
    height: u32,
    is_adjoint: u32,
}

@group(0) @binding(0) var<uniform> params: BlurParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

fn tap(step: i32) -> f32 {
    switch abs(step) {
        case 0: { return 0.375; }
        case 1: { return 0.25; }
        default: { return 0.0625; }
    }
}

fn mirrored(place: i32, length: u32) -> u32 {
    let at = u32(abs(place));
    return min(at, 2u * (length - 1u) - at);
}

// s, or 1 where the filter itself is made.
fn own(place: u32, length: u32) -> f32 {
    return select(1.0, 2.0, params.is_adjoint == 1u && (place == 0u || place + 1u == length));
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    var sum = Vec4(0.0);
    for (var i = -2; i <= 2; i++) {
        let y = mirrored(i32(id.y) + i, params.height);
        var line = Vec4(0.0);
        for (var j = -2; j <= 2; j++) {
            let x = mirrored(i32(id.x) + j, params.width);
            let weight = tap(j) * own(x, params.width);
            line += weight * Vec4(input[element(id.z, y, x, params.height, params.width)]);
        }
        sum += tap(i) * own(y, params.height) * line;
    }
    sum /= own(id.x, params.width) * own(id.y, params.height);
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(sum);
}
