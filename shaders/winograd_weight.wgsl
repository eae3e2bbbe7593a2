// A 3×3 weight at Winograd's points, in the order in which winograd_multiply reads it: for weights that learn.
//
//   output[point · numbers + i] = (G w Gᵀ)[point]        w: the kernel that begins at place table[i] − 1, or zeros for 0
//
// G and the source: src/kernel/winograd.rs. Every point has the same order.

#import element

struct WinogradWeightParams {
    fours: u32, // of a point
}

const TAP: u32 = 4u; // numbers from a tap to the next one

@group(0) @binding(0) var<uniform> params: WinogradWeightParams;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

fn number(entry: u32, tap: u32) -> f32 {
    if (entry == 0u) {
        return 0.0;
    }
    return weight[entry - 1u + TAP * tap];
}

// G w
fn to_points(w: array<Vec4, 3>) -> array<Vec4, 6> {
    let even = w[0] * (1.0 / 24.0) + w[2] * (1.0 / 6.0);
    let odd = w[1] * (1.0 / 12.0);
    let ends = (w[0] + w[2]) * (-1.0 / 6.0);
    let middle = w[1] * (1.0 / 6.0);
    return array<Vec4, 6>(0.25 * w[0], ends - middle, ends + middle, even + odd, even - odd, w[2]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.fours) {
        return;
    }
    let entries = table[id.x];
    var columns: array<array<Vec4, 6>, 3>; // of the kernel, each at the points along y
    for (var x = 0u; x < 3u; x++) {
        var column: array<Vec4, 3>;
        for (var y = 0u; y < 3u; y++) {
            let tap = 3u * y + x;
            column[y] = Vec4(
                number(entries.x, tap), number(entries.y, tap), number(entries.z, tap), number(entries.w, tap)
            );
        }
        columns[x] = to_points(column);
    }
    for (var y = 0u; y < 6u; y++) {
        let row = to_points(array<Vec4, 3>(columns[0][y], columns[1][y], columns[2][y]));
        for (var x = 0u; x < 6u; x++) {
            output[(6u * y + x) * params.fours + id.x] = row[x];
        }
    }
}
