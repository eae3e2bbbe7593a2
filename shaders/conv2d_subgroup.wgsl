// Convolution, register-tiled, for subgroups of eight: each lane loads an eighth of the weights, and
// they are handed round by broadcast.
//
// Software Vulkan turns every storage load inside a loop into one scalar load a lane, even where the
// address is the same in all of them, while a broadcast costs it nothing. CHANNEL_GROUPS is 4: the 16
// weights of a kernel tap are two loads of a subgroup.

#import conv2d

const LANES: u32 = 8u;

// Adds one input lane of one kernel column, times its four groups of weights, to the whole strip.
fn tap(sum: ptr<function, Accumulator>, span: ptr<function, array<Vec4, SPAN>>, kx: u32, lane: u32, w0: Vec4, w1: Vec4, w2: Vec4, w3: Vec4) {
    for (var p = 0u; p < PIXELS; p++) {
        let x = Vec4((*span)[p + kx][lane]);
        (*sum)[p][0] = fma(x, w0, (*sum)[p][0]);
        (*sum)[p][1] = fma(x, w1, (*sum)[p][1]);
        (*sum)[p][2] = fma(x, w2, (*sum)[p][2]);
        (*sum)[p][3] = fma(x, w3, (*sum)[p][3]);
    }
}

fn accumulate(sum: ptr<function, Accumulator>, at: Strip, step: u32, subgroup_lane: u32) {
    for (var ky = 0u; ky < KERNEL; ky++) {
        var span = load_span(at, input_group(step), ky);
        let row = weight_row(at, step, ky);
        for (var kx = 0u; kx < KERNEL; kx++) {
            let early = weight[row + kx * 2u * LANES + subgroup_lane]; // of input lanes 0 and 1
            let late = weight[row + (kx * 2u + 1u) * LANES + subgroup_lane]; // of 2 and 3
            tap(sum, &span, kx, 0u, subgroupBroadcast(early, 0u), subgroupBroadcast(early, 1u), subgroupBroadcast(early, 2u), subgroupBroadcast(early, 3u));
            tap(sum, &span, kx, 1u, subgroupBroadcast(early, 4u), subgroupBroadcast(early, 5u), subgroupBroadcast(early, 6u), subgroupBroadcast(early, 7u));
            tap(sum, &span, kx, 2u, subgroupBroadcast(late, 0u), subgroupBroadcast(late, 1u), subgroupBroadcast(late, 2u), subgroupBroadcast(late, 3u));
            tap(sum, &span, kx, 3u, subgroupBroadcast(late, 4u), subgroupBroadcast(late, 5u), subgroupBroadcast(late, 6u), subgroupBroadcast(late, 7u));
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let at = strip(workgroup, thread);
    var sum: Accumulator;
    for (var step = 0u; step < steps(); step++) {
        accumulate(&sum, at, step, subgroup_lane);
        finish_sparse(&sum, at, step);
    }
    store(&sum, at);
}
