// The end of a convolution that goes through pixels as they lie: a sum becomes a value, under the mask if there is one.
//
//   MASKED   sums times M; but where M is 0 the first `preserved_groups` groups are left as they are.
//
// The kernel declares `params`, `mask`, `residual`, `bias` and `output`.

#import layout
#import epilogue
#import bias

override MASKED: bool = false;

// M at a pixel; 1 where there is no mask.
fn mask_at(n: u32, y: u32, x: u32) -> f32 {
    if (!MASKED) {
        return 1.0;
    }
    return mask[element(n, y, x, params.height, params.width)].x;
}

// Stores a group of a pixel of the picture. `own_group` is its place among those that are made; past the last nothing is.
fn store(sum: Vec4, m: f32, own_group: u32, n: u32, y: u32, x: u32) {
    let group = params.first_group + own_group;
    if (own_group < params.stored_groups && (m != 0.0 || group >= params.preserved_groups)) {
        let value = select(Vec4(0.0), sum + bias[group], m != 0.0); // whatever was read there
        let to = element(n * params.output_groups + group, y, x, params.height, params.width);
        let made = epilogue(value, to, slope_of(group, params.output_groups, params.slope));
        output[to] = OutputStored(live_lanes(made, group, params.output_channels));
    }
}
