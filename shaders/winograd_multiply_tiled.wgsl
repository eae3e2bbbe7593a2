// Winograd's products on any device.

#import winograd_multiply
#import weights_storage

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    run(workgroup, thread, 0u);
}
