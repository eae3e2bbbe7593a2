// Convolution, register-tiled, for subgroups of eight: each lane loads an eighth of the weights, and
// they are handed round by broadcast.
//
// Software Vulkan turns every storage load inside a loop into one scalar load a lane, even where the
// address is the same in all of them, while a broadcast costs it nothing. CHANNEL_GROUPS is 4: the 16
// weights of a kernel tap are two loads of a subgroup.

#import conv2d

const LANES: u32 = 8u;

// What each lane of the subgroup holds, by lane.
fn from_every_lane(own: Vec4) -> array<Vec4, LANES> {
    return array<Vec4, LANES>(
        subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u),
        subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u), subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u),
    );
}

fn accumulate(sum: ptr<function, Accumulator>, at: Strip, step: u32, subgroup_lane: u32) {
    for (var ky = 0u; ky < KERNEL; ky++) {
        var span = load_span(at, input_group(step), ky);
        let row = weight_row(at, step, ky);
        for (var kx = 0u; kx < KERNEL; kx++) {
            for (var half = 0u; half < 2u; half++) { // of the four input lanes
                var w = from_every_lane(weight[row + (kx * 2u + half) * LANES + subgroup_lane]);
                for (var p = 0u; p < PIXELS; p++) {
                    for (var q = 0u; q < CHANNEL_GROUPS; q++) {
                        for (var lane = 0u; lane < 2u; lane++) {
                            let x = Vec4(span[p + kx][half * 2u + lane]);
                            (*sum)[p][q] = fma(x, w[lane * CHANNEL_GROUPS + q], (*sum)[p][q]);
                        }
                    }
                }
            }
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
