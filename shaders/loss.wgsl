// How far a value is from its target: sums over runs of pixels, for every group of channels. global_pool adds them up.
//
//   output[r] = Σ_{p in run r} Σ_lanes distance(made[p] − target[p])        run r = elements [r · RUN, (r + 1) · RUN)

#import element
#import layout
#import loss
#import workgroup_sum

alias Sum = f32;

override RUN: u32 = 4096u;

struct LossParams {
    elements: u32,
    pixels: u32,
    channels: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: LossParams;
@group(0) @binding(1) var<storage, read> made: array<MadeStored>;
@group(0) @binding(2) var<storage, read> wanted: array<WantedStored>;
@group(0) @binding(3) var<storage, read_write> output: array<Vec4>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let end = min((workgroup.x + 1u) * RUN, params.elements);
    let groups = channel_groups(params.channels);
    var sum = Vec4(0.0);
    for (var at = workgroup.x * RUN + thread; at < end; at += THREADS) {
        let distance = distance_of(Vec4(made[at]) - Vec4(wanted[at]), params.epsilon);
        sum += live_lanes(distance, at / params.pixels % groups, params.channels);
    }
    add_up(sum.x + sum.y + (sum.z + sum.w), thread);
    if (thread == 0u) {
        output[workgroup.x] = Vec4(partial[0], 0.0, 0.0, 0.0);
    }
}
