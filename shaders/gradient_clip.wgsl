// The gradient's norm, what it is multiplied by, and the numbers that the host reads.
//
//   factor = 1, or limit / (norm + 10⁻⁶) where the norm is larger than the limit
//   limit  = none, `limit`, or `limit` times the mean norm, which follows the clipped norms
//
//   output = factor, norm, mean, failed; then an element a watched number, the loss first
//
// Gradients were gathered `scale` times as large as they are, and `share` makes up for it; watched numbers were not.
//
// Settings and control: shared/update.wgsl. An update whose loss or norm is not finite fails; it and all behind it move nothing.

#import element
#import finite

const LIMIT_NONE: u32 = 0u;
const LIMIT_NORM: u32 = 1u;
const LIMIT_MEAN: u32 = 2u;

const BLOCK: u32 = 16u; // as in shared/update.wgsl

const SHARE: f32 = 0.02; // of a norm in the mean

struct GradientClipParams {
    partials: u32,
    watched: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: GradientClipParams;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read> settings: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> watched: array<Vec4>; // a block each, made empty
@group(0) @binding(4) var<storage, read_write> control: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> output: array<Vec4>;

@compute @workgroup_size(1)
fn main() {
    var square = 0.0;
    for (var i = 0u; i < params.partials; i++) {
        square += squares[i];
    }
    let norm = sqrt(square);
    let share = settings[0].x;
    let share_of_watched = share * params.scale;
    let loss = share_of_watched * watched[0].x;
    let mean_before = settings[2].z;

    var limit = settings[0].z;
    if (u32(settings[0].y) == LIMIT_MEAN) {
        limit *= mean_before;
    }
    let limited = u32(settings[0].y) == LIMIT_NORM || (u32(settings[0].y) == LIMIT_MEAN && mean_before > 0.0);
    let longer = limited && norm > limit;
    let short = select(norm, limit, longer);
    let mean = select(short, mean_before + SHARE * (short - mean_before), mean_before > 0.0);
    let failed = control[0].w != 0.0 || !finite(vec3<f32>(norm, loss, 0.0));
    let factor = select(1.0, limit / (norm + 1e-6), longer);

    let after = Vec4(factor, norm, select(mean, mean_before, failed), select(0.0, 1.0, failed));
    control[0] = after;
    output[0] = after;
    for (var i = 0u; i < params.watched; i++) {
        output[1u + i] = share_of_watched * watched[i * BLOCK];
        watched[i * BLOCK] = Vec4(0.0);
    }
}
