// What a device moves at best: every word is read once and written once.
//
//   output[i] = input[stride · i] + i        in fours of words
//
// What is added tells the host where a word has been, and how often. With a stride it samples what is too long to be
// read as a whole.

const FOURS: u32 = 8u; // fours of words a thread

struct PeakCopyParams {
    width: u32, // of a row of threads
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: PeakCopyParams;
@group(0) @binding(1) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // The eight fours of a thread lie a row apart, so that neighbours in a row are neighbours in memory.
    let first = id.y * FOURS * params.width + id.x;
    for (var k = 0u; k < FOURS; k++) {
        let i = first + k * params.width;
        output[i] = input[params.stride * i] + i;
    }
}
