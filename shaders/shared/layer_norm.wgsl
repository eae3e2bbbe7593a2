// What layer normalisation and its gradient have in common: a thread makes a pixel, of whose channels are means.

struct LayerNormParams {
    width: u32,
    height: u32,
    channels: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: LayerNormParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;

fn mean(sums: Vec4) -> f32 {
    return dot(sums, Vec4(1.0)) / f32(params.channels);
}

// The mean of a pixel's channels: groups of them lie `plane` elements apart, the first at `first`.
fn mean_of_pixel(first: u32, groups: u32, plane: u32) -> Vec4 {
    var sums: Vec4;
    for (var group = 0u; group < groups; group++) {
        sums += Vec4(input[first + group * plane]); // lanes past the last channel hold zero
    }
    return Vec4(mean(sums));
}
