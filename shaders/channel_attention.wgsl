// The shares of attention among channels, as a grouped 1×1 convolution's weight: a channel of the output a thread.
//
//   share[c, e] = softmax_e(temperature[h] · product[c, e] / (‖query[c]‖ · ‖key[e]‖))        e: the channels of c's head h
//
// Products and norms are over all pixels, and made before. What the shares weigh is made by conv2d_direct.

#import element
#import layout

struct ChannelAttentionParams {
    channels: u32,
    depth: u32, // channels of a head
}

const SMALLEST: f32 = 1e-12; // of a norm

@group(0) @binding(0) var<uniform> params: ChannelAttentionParams;
@group(0) @binding(1) var<storage, read> products: array<Vec4>; // [channels, depth, 1, 1]
@group(0) @binding(2) var<storage, read> query_norms: array<Vec4>;
@group(0) @binding(3) var<storage, read> key_norms: array<Vec4>;
@group(0) @binding(4) var<storage, read> temperature: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>; // [channels / 4][depth] of four channels each

fn norm_of(norm: Vec4, channel: u32) -> f32 {
    return max(norm[channel % 4u], SMALLEST);
}

fn score(channel: u32, e: u32) -> f32 {
    let head = channel / params.depth;
    let key = head * params.depth + e;
    let norms = norm_of(query_norms[channel / 4u], channel) * norm_of(key_norms[key / 4u], key);
    let product = products[channel * channel_groups(params.depth) + e / 4u][e % 4u];
    return temperature[head] * product / norms;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= 4u * channel_groups(params.channels)) {
        return;
    }
    let to = id.x / 4u * params.depth * 4u + id.x % 4u;
    if (id.x >= params.channels) {
        for (var e = 0u; e < params.depth; e++) {
            output[to + 4u * e] = 0.0;
        }
        return;
    }
    var largest = score(id.x, 0u);
    for (var e = 1u; e < params.depth; e++) {
        largest = max(largest, score(id.x, e));
    }
    var sum = 0.0;
    for (var e = 0u; e < params.depth; e++) {
        sum += exp(score(id.x, e) - largest);
    }
    for (var e = 0u; e < params.depth; e++) {
        output[to + 4u * e] = exp(score(id.x, e) - largest) / sum;
    }
}
