// Convolution pixel by pixel on any device.

#import conv2d_gather
#import weights_storage

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    run(workgroup, thread, 0u);
}
