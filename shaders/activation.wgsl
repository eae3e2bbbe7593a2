// A pointwise function where no convolution could take it along.
//
//   output[c, p] = activate(input[c, p])

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
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read> slope: array<Vec4>; // a number a channel; only PRELU reads it
@group(0) @binding(3) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let group = id.z % channel_groups(params.channels);
    let at = element(id.z, id.y, id.x, params.height, params.width);
    var own_slope = Vec4(params.slope);
    if (ACTIVATION == PRELU) {
        own_slope = slope[group];
    }
    output[at] = OutputStored(live_lanes(activate(Vec4(input[at]), own_slope), group, params.channels));
}
