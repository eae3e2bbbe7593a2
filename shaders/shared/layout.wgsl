// Channels in fours: the one activation layout. Twin of src/tensor/layout.rs.
//
//   plane = n · groups + c / 4        element = (plane · height + y) · width + x        lane = c mod 4

fn channel_groups(channels: u32) -> u32 {
    return (channels + 3u) / 4u;
}

fn element(plane: u32, y: u32, x: u32, height: u32, width: u32) -> u32 {
    return (plane * height + y) * width + x;
}

// Zero in the lanes past the last channel: every kernel stores them so.
fn live_lanes(value: Vec4, group: u32, channels: u32) -> Vec4 {
    let channel = vec4<u32>(4u * group) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(Vec4(0.0), value, channel < vec4<u32>(channels));
}
