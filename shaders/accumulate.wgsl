// Adds a gradient to those of the batch that were gathered before.
//
//   sums[i] = sums[i] + value[i]

#import element

struct AccumulateParams {
    fours: u32,
}

@group(0) @binding(0) var<uniform> params: AccumulateParams;
@group(0) @binding(1) var<storage, read> value: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> sums: array<Vec4>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let at = id.y * workgroups.x * 64u + id.x;
    if (at < params.fours) {
        sums[at] += value[at];
    }
}
