// Convolution under a mask, compacted workgroup by workgroup: 64 threads take 16×16 pixels, gather the active ones
// among them into a list of their own, and multiply only those. No list in memory, and inputs are loaded once, in
// whole rows, into workgroup memory; but a tile with one active pixel is loaded like a full one.
//
// What it computes, its parameters and bindings are those of `conv2d_gather` with one input; `work` is the mask.

#import conv2d_gather
#import weights_storage

const SIDE: u32 = 16u;
const HALO_SIDE: u32 = SIDE + KERNEL - 1u;
const HALO: u32 = HALO_SIDE * HALO_SIDE;

var<workgroup> halo: array<Vec4, HALO>; // one group of four input channels
var<workgroup> own: array<u32, 256>; // the active pixels, 16 · row + column
var<workgroup> found: atomic<u32>;
var<workgroup> count: u32;

// The tile's active pixels, in any order.
fn compact(n: u32, top: u32, left: u32, thread: u32) {
    if (thread == 0u) {
        atomicStore(&found, 0u);
    }
    workgroupBarrier();
    for (var p = thread; p < SIDE * SIDE; p += 64u) {
        let y = top + p / SIDE;
        let x = left + p % SIDE;
        if (y < params.height && x < params.width && work[4u * ((n * params.height + y) * params.width + x)] != 0u) {
            own[atomicAdd(&found, 1u)] = p;
        }
    }
    workgroupBarrier();
    if (thread == 0u) {
        count = atomicLoad(&found);
    }
}

// Zero outside the picture.
fn load_halo(n: u32, top: u32, left: u32, group: u32, thread: u32) {
    for (var p = thread; p < HALO; p += 64u) {
        let y = top + p / HALO_SIDE - RADIUS; // wraps below zero to a large number, so one comparison tells
        let x = left + p % HALO_SIDE - RADIUS;
        let row = (n * params.input_groups + group) * params.height + min(y, params.height - 1u);
        let value = Vec4(input_0[row * params.width + min(x, params.width - 1u)]);
        halo[p] = select(Vec4(0.0), value, y < params.height && x < params.width);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let rows = (params.height + SIDE - 1u) / SIDE;
    let n = workgroup.y / rows;
    let top = workgroup.y % rows * SIDE;
    let left = workgroup.x * SIDE;
    let block = workgroup.z;
    compact(n, top, left, thread);
    let pixels = workgroupUniformLoad(&count);

    // Four neighbours of the list a thread, so that whole subgroups past its end have nothing to do.
    let item = vec4<u32>(4u * thread) + vec4<u32>(0u, 1u, 2u, 3u);
    let entry = min(item, vec4<u32>(255u));
    let p = select(vec4<u32>(0u), vec4<u32>(own[entry.x], own[entry.y], own[entry.z], own[entry.w]), item < vec4<u32>(pixels));
    var at: Pixels;
    at.wanted = item < vec4<u32>(pixels);
    at.mask = vec4<f32>(1.0);
    at.n = vec4<u32>(n);
    at.y = vec4<u32>(top) + p / SIDE;
    at.x = vec4<u32>(left) + p % SIDE;
    at.number = (at.n * params.height + at.y) * params.width + at.x;

    var sum: Sums;
    var row = block * params.steps * STEP;
    let groups = select(params.groups_0, 0u, pixels == 0u);
    for (var group = 0u; group < groups; group++) {
        workgroupBarrier();
        load_halo(n, top, left, group, thread);
        workgroupBarrier();
        for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
            let place = p / SIDE * HALO_SIDE + p % SIDE + tap / KERNEL * HALO_SIDE + tap % KERNEL;
            var x = Items(halo[place.x], halo[place.y], halo[place.z], halo[place.w]);
            if (4u * thread < pixels) {
                multiply(&sum, &x, row, 0u);
            }
            row += STEP;
        }
    }
    store_pairs(&sum, at, block);
}
