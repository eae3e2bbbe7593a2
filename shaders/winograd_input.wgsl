// Winograd, first part: the window of every tile at its points of interpolation, Bᵀ x B.
//
// A thread makes one tile of one group of four channels.

#import winograd
#import layout

struct WinogradInputParams {
    width: u32,
    height: u32,
    input_groups: u32,
    tiles: u32,
    first: u32,
    capacity: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradInputParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> list: array<u32>; // or any buffer
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

// Zero outside the picture.
fn load(at: Tile, group: u32, dy: u32, dx: u32) -> Vec4 {
    let y = at.y + dy - 1u; // wraps below zero to a large number, so one comparison tells
    let x = at.x + dx - 1u;
    let plane = at.n * params.input_groups + group;
    let place = element(plane, min(y, params.height - 1u), min(x, params.width - 1u), params.height, params.width);
    return select(Vec4(0.0), Vec4(input[place]), y < params.height && x < params.width);
}

fn column(at: Tile, group: u32, dx: u32) -> array<Vec4, WINDOW> {
    return to_points(array<Vec4, WINDOW>(
        load(at, group, 0u, dx), load(at, group, 1u, dx), load(at, group, 2u, dx),
        load(at, group, 3u, dx), load(at, group, 4u, dx), load(at, group, 5u, dx),
    ));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let t = params.first + id.x;
    if (id.x >= params.capacity || t >= params.tiles || (LISTED && t >= list[0])) {
        return;
    }
    let at = tile(t, params.width, params.height);
    let group = id.y;
    var columns = array<array<Vec4, WINDOW>, WINDOW>(
        column(at, group, 0u), column(at, group, 1u), column(at, group, 2u),
        column(at, group, 3u), column(at, group, 4u), column(at, group, 5u),
    );
    let groups = params.input_groups;
    for (var i = 0u; i < WINDOW; i++) {
        var row = to_points(array<Vec4, WINDOW>(
            columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i],
        ));
        for (var j = 0u; j < WINDOW; j++) {
            output[((i * WINDOW + j) * groups + group) * params.capacity + id.x] = row[j];
        }
    }
}
