// The slope of a pointwise function, times the gradient behind it.
//
//   output[c, p] = g[c, p] · f′        by f's output for RELU, LEAKY_RELU, SIGMOID and TANH, else by its input

#import element
#import layout
#import activation

struct ActivationParams {
    width: u32,
    height: u32,
    channels: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: ActivationParams;
@group(0) @binding(1) var<storage, read> value: array<ValueStored>;
@group(0) @binding(2) var<storage, read> g: array<GStored>;
@group(0) @binding(3) var<storage, read> slope: array<Vec4>; // a number a channel, or any buffer
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

fn activation_slope(x: Vec4, slope: Vec4) -> Vec4 {
    if (ACTIVATION == RELU) {
        return select(Vec4(0.0), Vec4(1.0), x > Vec4(0.0));
    }
    if (ACTIVATION == LEAKY_RELU || ACTIVATION == PRELU) {
        return select(slope, Vec4(1.0), x > Vec4(0.0));
    }
    if (ACTIVATION == GELU) { // Φ(x) + x · φ(x)
        return 0.5 * (1.0 + error_function(x * 0.70710678)) + x * 0.3989422804 * exp(-0.5 * x * x);
    }
    if (ACTIVATION == SIGMOID) {
        return x * (1.0 - x);
    }
    if (ACTIVATION == SILU) {
        let share = 1.0 / (1.0 + exp(-x));
        return share * (1.0 + x * (1.0 - share));
    }
    if (ACTIVATION == TANH) {
        return 1.0 - x * x;
    }
    return Vec4(1.0);
}

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    let group = id.z % channel_groups(params.channels);
    var own = Vec4(params.slope);
    if (ACTIVATION == PRELU) {
        own = slope[group];
    }
    let made = Vec4(g[at]) * activation_slope(Vec4(value[at]), own);
    output[at] = OutputStored(live_lanes(made, group, params.channels));
}
