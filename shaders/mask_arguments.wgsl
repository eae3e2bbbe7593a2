// From the lengths of a mask's lists to the workgroups of every dispatch that depends on them: sparse ones over
// lists, dense ones over everything, of which one kind gets none at all.
//
//   sparse  ⇔  tiles + stray_cost · strays < sparse_below        in tiles
//
// A thread answers one request of eight words: which list, or that the dispatch goes over everything and is of the
// sparse or the dense kind; first item, items at most, items a workgroup; workgroups by axis without a list; 0.

struct MaskArgumentsParams {
    requests: u32,
    stray_cost: f32,
    sparse_below: f32,
}

const TILES: u32 = 0u;
const STRAYS: u32 = 1u;
const ACTIVES: u32 = 2u;
const WHOLE_SPARSE: u32 = 3u;
const WHOLE_DENSE: u32 = 4u;

@group(0) @binding(0) var<uniform> params: MaskArgumentsParams;
@group(0) @binding(1) var<storage, read> tiles: array<u32>;
@group(0) @binding(2) var<storage, read> strays: array<u32>;
@group(0) @binding(3) var<storage, read> actives: array<u32>;
@group(0) @binding(4) var<storage, read> requests: array<u32>;
@group(0) @binding(5) var<storage, read_write> arguments: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.requests) {
        return;
    }
    let sparse = f32(tiles[0]) + params.stray_cost * f32(strays[0]) < params.sparse_below;
    let request = 8u * id.x;
    let kind = requests[request];
    var x = requests[request + 4u];
    if (kind == WHOLE_DENSE) {
        x = select(x, 0u, sparse);
    } else if (kind == WHOLE_SPARSE) {
        x = select(0u, x, sparse);
    } else {
        let lengths = vec3<u32>(tiles[0], strays[0], actives[0]);
        let first = requests[request + 1u];
        let count = min(max(lengths[kind], first) - first, requests[request + 2u]);
        let per_workgroup = requests[request + 3u];
        x = select(0u, (count + per_workgroup - 1u) / per_workgroup, sparse);
    }
    let argument = 3u * id.x;
    arguments[argument] = x;
    arguments[argument + 1u] = requests[request + 5u];
    arguments[argument + 2u] = requests[request + 6u];
}
