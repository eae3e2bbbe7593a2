// Convolution pixel by pixel for subgroups of eight.

#import conv2d_gather
#import weights_broadcast

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    run(workgroup, thread, lane);
}
