// What is asked of attention whose workgroups each make some tokens of a set, for one head of one picture.
//
// A head's channels begin anywhere in a group of four and other workgroups write the group's other lanes, so outputs are
// written number by number. The last head's workgroups also write the zeros past the last channel.

#import attention

struct AttentionParams {
    width: u32,
    height: u32,
    set_width: u32,
    set_height: u32,
    sets_a_row: u32,
    lead_x: u32, // columns that the first window would have before the picture, and rows
    lead_y: u32,
    blocks: u32, // of tokens, a set
    first: u32, // of all blocks of all sets, those that this dispatch makes
    end: u32,
    columns: u32, // workgroups along the first axis
    heads: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: AttentionParams;

fn block_of(workgroup: vec3<u32>) -> u32 {
    return params.first + workgroup.y * params.columns + workgroup.x;
}

fn head_of(workgroup: vec3<u32>) -> Head {
    return Head(workgroup.z / params.heads, workgroup.z % params.heads);
}
