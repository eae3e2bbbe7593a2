// The slope of a loss, which is a mean.
//
//   output[c, p] = g · share · distance′(made[c, p] − target[c, p])        share = 1 / how many numbers there are

#import element
#import layout
#import loss

struct LossGradientParams {
    width: u32,
    height: u32,
    channels: u32,
    epsilon: f32,
    share: f32,
}

@group(0) @binding(0) var<uniform> params: LossGradientParams;
@group(0) @binding(1) var<storage, read> made: array<MadeStored>;
@group(0) @binding(2) var<storage, read> wanted: array<WantedStored>;
@group(0) @binding(3) var<storage, read> g: array<Vec4>; // one number
@group(0) @binding(4) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let at = element(id.z, id.y, id.x, params.height, params.width);
    let slope = slope_of_distance(Vec4(made[at]) - Vec4(wanted[at]), params.epsilon);
    let value = g[0].x * params.share * slope;
    output[at] = OutputStored(live_lanes(value, id.z % channel_groups(params.channels), params.channels));
}
