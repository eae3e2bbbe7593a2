// Winograd, second part: at every point of interpolation the sum over input channels, a matrix product.
//
//   output[point][o][tile] = Σ_i weight[point][i, o] · input[point][i][tile]
//
// Tiles past the last are computed from whatever lies there, or not at all, and nobody reads them.

#import product
#import winograd

struct WinogradMultiplyParams {
    input_groups: u32,
    output_groups: u32,
    tiles: u32,
    first: u32,
    capacity: u32,
}

@group(0) @binding(0) var<uniform> params: WinogradMultiplyParams;
@group(0) @binding(1) var<storage, read> input: array<Vec4>;
@group(0) @binding(2) var<storage, read> list: array<u32>; // or any buffer
@group(0) @binding(3) var<storage, read> weight: array<Vec4>; // [point][block][input group] of a step each
@group(0) @binding(4) var<storage, read_write> output: array<Vec4>;

fn run(workgroup: vec3<u32>, thread: u32, lane: u32) {
    let first = first_item(workgroup.x, thread);
    let block = workgroup.y;
    let point = workgroup.z;
    let blocks = params.output_groups / CHANNEL_GROUPS;
    let tiles = select(params.tiles, list[0], LISTED);
    // Eight threads whose tiles are all past the last have nothing to do.
    let steps = select(0u, params.input_groups, params.first + first - thread % 8u < tiles);
    var sum: Sums;
    var place = point * params.input_groups * params.capacity + first;
    var row = (point * blocks + block) * params.input_groups * STEP;
    for (var step = 0u; step < steps; step++) {
        var x: Items;
        for (var i = 0u; i < ITEMS; i++) {
            x[i] = input[place + 8u * i];
        }
        multiply(&sum, &x, row, lane);
        place += params.capacity;
        row += STEP;
    }
    for (var pair = 0u; pair < PAIRS; pair++) {
        let to = (point * params.output_groups + block * CHANNEL_GROUPS + 2u * pair) * params.capacity + first;
        for (var i = 0u; i < ITEMS; i++) {
            output[to + 8u * i] = sum[pair][i][0];
            output[to + params.capacity + 8u * i] = sum[pair][i][1];
        }
    }
}
