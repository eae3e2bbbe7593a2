// The gradient of what attention made, which the kernel declares as `gradient`.

#import attention

// A group of four of a head.
fn gather_gradient(at: Head, pixel: u32, group: u32) -> Vec4 {
    let i = numbers(at.n * channel_groups(params.heads * DEPTH), at.head * DEPTH, pixel, group);
    let value = Vec4(f32(gradient[i.x]), f32(gradient[i.y]), f32(gradient[i.z]), f32(gradient[i.w]));
    return live_lanes(value, group, DEPTH);
}
