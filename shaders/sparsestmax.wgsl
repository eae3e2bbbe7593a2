// Sparsestmax: weights of a choice among the channels of each pixel.
//
//   output[c] = max(1/k + factor · off[c], 0)        of the channels that are supported, 0 of the others
//
// A thread makes a pixel.

#import element
#import layout
#import sparsestmax

@group(0) @binding(3) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let plane = params.height * params.width;
    let first = element(id.z * groups, id.y, id.x, params.height, params.width);
    let support = supported(first);
    for (var group = 0u; group < groups; group++) {
        var weights: Vec4;
        for (var lane = 0u; lane < 4u; lane++) {
            let c = 4u * group + lane;
            if (c < params.channels && has(support.bits, c)) {
                weights[lane] = max(fma(support.factor, off[c], 1.0 / support.count), 0.0);
            }
        }
        output[first + group * plane] = OutputStored(weights);
    }
}
