// Channels last: all channels of a pixel side by side. N·H·W·C.

const PIXELS_ARE_NEIGHBOURS: bool = false;

fn element(group: u32, pixel: u32, groups: u32, pixels: u32) -> u32 {
    return pixel * groups + group;
}
