// The active pixels' channels into a compact matrix of the same layout: four channels of a pixel a thread.

struct LayoutGatherParams {
    pixels: u32,
    groups: u32, // channels / 4
    entries: u32, // of the list
}

@group(0) @binding(0) var<uniform> params: LayoutGatherParams;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> list: array<u32>; // active pixels, in raster order
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.entries * params.groups) {
        return;
    }
    let entry = id.x % params.entries;
    let first = id.x / params.entries * 4u;
    let pixel = list[entry];
    for (var c = first; c < first + 4u; c++) {
        output[c * params.entries + entry] = input[c * params.pixels + pixel];
    }
}
