// Channels in fours: a plane of pixels for every four channels. N·C/4·H·W·4, the engine's layout.

const PIXELS_ARE_NEIGHBOURS: bool = true;

fn element(group: u32, pixel: u32, groups: u32, pixels: u32) -> u32 {
    return group * pixels + pixel;
}
