// Winograd, third part: from points of interpolation to pixels, Aᵀ m A, with bias and epilogue.
//
// A thread makes one tile of one group of four channels. What it stores:
//
//   LISTED   the tile's live pixels;
//   MASKED   every pixel, its sum times M; but where M is 0 the first `preserved_groups` groups are left as they are;
//   neither  every pixel.

#import winograd
#import layout
#import epilogue
#import bias

override MASKED: bool = false;

struct WinogradOutputParams {
    width: u32,
    height: u32,
    input_groups: u32,
    input_first: u32,
    first_group: u32,
    output_groups: u32,
    output_channels: u32,
    preserved_groups: u32,
    tiles: u32,
    first: u32,
    capacity: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: WinogradOutputParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read> residual: array<ResidualStored>; // or any buffer
@group(0) @binding(3) var<storage, read> mask: array<Vec4>; // or any buffer
@group(0) @binding(4) var<storage, read> list: array<u32>; // or any buffer
@group(0) @binding(5) var<storage, read> bias: array<Vec4>;
@group(0) @binding(6) var<storage, read_write> output: array<OutputStored>;

fn load(slot: u32, group: u32, i: u32, j: u32) -> Vec4 {
    return input[((i * WINDOW + j) * params.input_groups + params.input_first + group) * params.capacity + slot];
}

fn column(slot: u32, group: u32, j: u32) -> array<Vec4, TILE> {
    return from_points(array<Vec4, WINDOW>(
        load(slot, group, 0u, j), load(slot, group, 1u, j), load(slot, group, 2u, j),
        load(slot, group, 3u, j), load(slot, group, 4u, j), load(slot, group, 5u, j),
    ));
}

fn store(sum: Vec4, at: Tile, group: u32, dy: u32, dx: u32) {
    let y = at.y + dy;
    let x = at.x + dx;
    if (y >= params.height || x >= params.width || ((at.live >> (TILE * dy + dx)) & 1u) == 0u) {
        return;
    }
    var value = sum;
    if (MASKED) {
        let m = mask[element(at.n, y, x, params.height, params.width)].x;
        if (m == 0.0 && group < params.preserved_groups) {
            return;
        }
        value = select(Vec4(0.0), value, m != 0.0);
    }
    let to = element(at.n * params.output_groups + group, y, x, params.height, params.width);
    let made = epilogue(value, to, slope_of(group, params.output_groups, params.slope));
    output[to] = OutputStored(live_lanes(made, group, params.output_channels));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let t = params.first + id.x;
    if (id.x >= params.capacity || t >= params.tiles || (LISTED && t >= list[0])) {
        return;
    }
    let at = tile(t, params.width, params.height);
    let group = params.first_group + id.y;
    var columns = array<array<Vec4, TILE>, WINDOW>(
        column(id.x, id.y, 0u), column(id.x, id.y, 1u), column(id.x, id.y, 2u),
        column(id.x, id.y, 3u), column(id.x, id.y, 4u), column(id.x, id.y, 5u),
    );
    let own_bias = bias[group];
    for (var i = 0u; i < TILE; i++) {
        var row = from_points(array<Vec4, WINDOW>(
            columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i],
        ));
        for (var j = 0u; j < TILE; j++) {
            store(row[j] + own_bias, at, group, i, j);
        }
    }
}
