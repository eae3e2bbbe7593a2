// A convolution's `bias`: a number an output channel, then, for PRELU, a slope each. The kernel declares it.

fn slope_of(group: u32, groups: u32, slope: f32) -> Vec4 {
    if (ACTIVATION == PRELU) {
        return bias[groups + group];
    }
    return Vec4(slope);
}
