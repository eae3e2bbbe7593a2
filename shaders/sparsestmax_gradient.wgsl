// Sparsestmax backwards, with respect to the channels.
//
//   output[c] = factor · (h[c] − along · off[c])        h = gradient − mean(gradient) over the supported channels, 0 elsewhere
//
//   along = ⟨off, h⟩ / ‖off‖²   where the weights lie on a sphere, otherwise 0
//
// A thread makes a pixel. Of the chain of steps the last one's projection is left: what is centred over its channels, and
// across `off` there, is so over those of all steps before it. Of two channels nothing is across `off`: exactly zero.

#import element
#import layout
#import sparsestmax

@group(0) @binding(3) var<storage, read> gradient: array<GradientStored>;
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let plane = params.height * params.width;
    let first = element(id.z * groups, id.y, id.x, params.height, params.width);
    let support = supported(first);

    var sum = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        sum += select(0.0, Vec4(gradient[first + c / 4u * plane])[c % 4u], has(support.bits, c));
    }
    let mean = sum / support.count;
    var along = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        along = fma(off[c], Vec4(gradient[first + c / 4u * plane])[c % 4u] - mean, along); // off is zero elsewhere
    }
    along = select(0.0, along / support.squares, support.projected);
    let fixed = support.projected && support.count < 3.0;

    for (var group = 0u; group < groups; group++) {
        var back: Vec4;
        for (var lane = 0u; lane < 4u; lane++) {
            let c = 4u * group + lane;
            if (c < params.channels && has(support.bits, c) && !fixed) {
                let h = Vec4(gradient[first + group * plane])[lane] - mean;
                back[lane] = support.factor * fma(-along, off[c], h);
            }
        }
        output[first + group * plane] = OutputStored(back);
    }
}
