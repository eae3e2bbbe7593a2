// What the shaders between a host's texels and the pictures' words are told, all of them the same.
//
// INPUT_FORMAT and OUTPUT_FORMAT, of ends that are buffers: 0 is Rgba8Unorm, 1 Bgra8Unorm, 2 Rgba16Float, 3 Rgba32Float.

struct TextureParams {
    // Columns and rows of the input, and those that the network takes.
    width: u32,
    height: u32,
    extended_width: u32,
    extended_height: u32,
    scale: u32,
    // Words of a row, of ends that are buffers.
    input_stride: u32,
    output_stride: u32,
}

struct Proof {
    written: atomic<u32>,
    wrong: atomic<u32>,
}

@group(0) @binding(0) var<uniform> params: TextureParams;
