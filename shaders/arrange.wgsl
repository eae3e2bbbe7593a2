// Numbers of up to three values, each where a table says: a weight in the order in which a kernel reads it, or turned round.
//
//   output[i] = ± value[place]        table[i] = negative << 31 | value << 29 | place + 1, or 0 for a zero

#import element

struct ArrangeParams {
    fours: u32, // of the output
}

const PLACE: u32 = 0x1fffffffu;

@group(0) @binding(0) var<uniform> params: ArrangeParams;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> third: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> output: array<OutputStored>;

fn number(entry: u32) -> f32 {
    if (entry == 0u) {
        return 0.0;
    }
    let place = (entry & PLACE) - 1u;
    var value = 0.0;
    switch (entry >> 29u) & 3u {
        case 0u: { value = first[place]; }
        case 1u: { value = second[place]; }
        default: { value = third[place]; }
    }
    return select(value, -value, (entry >> 31u) == 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.fours) {
        return;
    }
    let entries = table[id.x];
    output[id.x] = OutputStored(Vec4(number(entries.x), number(entries.y), number(entries.z), number(entries.w)));
}
