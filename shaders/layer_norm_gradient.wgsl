// Layer normalisation backwards, with respect to the activations.
//
//   output[c] = (h[c] − mean(h) − x̂[c] · mean(h · x̂)) · inverse        h = gradient · weight
//
//   x̂ = (input − mean(input)) · inverse        inverse = 1 / √(mean((input − mean(input))²) + epsilon)
//
// All of one pixel; means over its channels. A thread makes a pixel. It goes through the channels three times, as
// layer_norm does.

#import element
#import layout
#import layer_norm

@group(0) @binding(2) var<storage, read> gradient: array<GradientStored>;
@group(0) @binding(3) var<storage, read> weight: array<Vec4>;
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
    var weighted: Vec4; // h, and its products
    var products: Vec4;
    for (var group = 0u; group < groups; group++) {
        let at = first + group * plane;
        let off = live_lanes(Vec4(input[at]) - center, group, params.channels);
        let h = Vec4(gradient[at]) * weight[group];
        squares = fma(off, off, squares);
        weighted += h;
        products = fma(off, h, products);
    }
    let inverse = 1.0 / sqrt(mean(squares) + params.epsilon);
    let shift = Vec4(mean(weighted));
    let slope = Vec4(mean(products) * inverse * inverse);

    for (var group = 0u; group < groups; group++) {
        let at = first + group * plane;
        let h = Vec4(gradient[at]) * weight[group];
        let value = (h - shift - (Vec4(input[at]) - center) * slope) * inverse;
        output[at] = OutputStored(live_lanes(value, group, params.channels));
    }
}
