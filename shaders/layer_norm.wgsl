// Layer normalisation of every pixel over its channels.
//
//   output[c, p] = (input[c, p] − mean) / √(variance + epsilon) · weight[c] + bias[c]
//
//   mean = Σ_c input[c, p] / channels        variance = Σ_c (input[c, p] − mean)² / channels
//
// A thread makes a pixel. It goes through the channels three times, so that the variance is a sum of squares of
// small numbers, whatever the mean is.

#import element
#import layout
#import layer_norm

@group(0) @binding(2) var<storage, read> weight: array<Vec4>;
@group(0) @binding(3) var<storage, read> bias: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let groups = channel_groups(params.channels);
    let plane = params.height * params.width;
    let first = element(id.z * groups, id.y, id.x, params.height, params.width);

    let center = mean_of_pixel(first, groups, plane);

    var squares: Vec4;
    for (var group = 0u; group < groups; group++) {
        let off = live_lanes(Vec4(input[first + group * plane]) - center, group, params.channels);
        squares = fma(off, off, squares);
    }
    let inverse = Vec4(1.0 / sqrt(mean(squares) + params.epsilon));

    for (var group = 0u; group < groups; group++) {
        let at = first + group * plane;
        let value = fma((Vec4(input[at]) - center) * inverse, weight[group], bias[group]);
        output[at] = OutputStored(live_lanes(value, group, params.channels));
    }
}
