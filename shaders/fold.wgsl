// What `unfold` laid apart, added where it came from: one pixel × four channels a thread.
//
//   output[c, y, x] = Σ_{i, j < k} input[(c·k + i)·k + j, y − i + ⌊k / 2⌋, x − j + ⌊k / 2⌋]
//
// over the pixels that the picture has.

#import element
#import layout

struct FoldParams {
    width: u32,
    height: u32,
    channels: u32, // of the output
    kernel: u32,
}

@group(0) @binding(0) var<uniform> params: FoldParams;
@group(0) @binding(1) var<storage, read> input: array<InputStored>;
@group(0) @binding(2) var<storage, read_write> output: array<OutputStored>;

@compute @workgroup_size(32, 2)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.width || id.y >= params.height) {
        return;
    }
    let k = params.kernel;
    let groups = channel_groups(params.channels);
    let planes = id.z / groups * channel_groups(params.channels * k * k);
    let group = id.z % groups;

    var sum = Vec4(0.0);
    for (var tap = 0u; tap < k * k; tap++) {
        let y = id.y + k / 2u - tap / k; // wraps below zero to a large number, so one comparison tells
        let x = id.x + k / 2u - tap % k;
        if (y < params.height && x < params.width) {
            for (var lane = 0u; lane < 4u; lane++) {
                let c = 4u * group + lane;
                if (c < params.channels) {
                    let source = c * k * k + tap;
                    let at = element(planes + source / 4u, y, x, params.height, params.width);
                    sum[lane] += f32(input[at][source % 4u]);
                }
            }
        }
    }
    output[element(id.z, id.y, id.x, params.height, params.width)] = OutputStored(sum);
}
