// Interpolation to any size by the pixel that a new one lies in: one output pixel a thread.
//
//   output[c, y, x] = input[c, ⌊y · (old / new)⌋, ⌊x · (old / new)⌋]
//
// The quotients are the host's, rounded: where they move a place, PyTorch moves it too.

#import element
#import layout

struct ResizeNearestToParams {
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
    across: f32, // old / new
    down: f32,
}

@group(0) @binding(0) var<uniform> params: ResizeNearestToParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let y = min(u32(f32(id.y) * params.down), params.input_height - 1u);
    let x = min(u32(f32(id.x) * params.across), params.input_width - 1u);
    let source = element(id.z, y, x, params.input_height, params.input_width);
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(input[source]);
}
