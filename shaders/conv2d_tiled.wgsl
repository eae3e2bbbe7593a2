// Convolution, register-tiled, on any device: weights come from storage, the same for a whole workgroup.
//
//   for every input group, kernel row, input lane, kernel column:  sum[p][q] += x[p + kx] · weight[q]

#import conv2d

fn accumulate(sum: ptr<function, Accumulator>, at: Strip, step: u32) {
    for (var ky = 0u; ky < KERNEL; ky++) {
        var span = load_span(at, input_group(step), ky); // a variable: loops index no other thing
        let row = weight_row(at, step, ky);
        for (var lane = 0u; lane < 4u; lane++) {
            for (var kx = 0u; kx < KERNEL; kx++) { // inside: llvmpipe then needs two thirds of the time
                for (var q = 0u; q < CHANNEL_GROUPS; q++) {
                    let w = weight[row + (kx * 4u + lane) * CHANNEL_GROUPS + q];
                    for (var p = 0u; p < PIXELS; p++) {
                        (*sum)[p][q] = fma(Vec4(span[p + kx][lane]), w, (*sum)[p][q]);
                    }
                }
            }
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = strip(workgroup, thread);
    var sum: Accumulator;
    for (var step = 0u; step < steps(); step++) {
        accumulate(&sum, at, step);
        finish_sparse(&sum, at, step);
    }
    store(&sum, at);
}
