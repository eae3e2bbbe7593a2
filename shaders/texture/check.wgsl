// Counts the pixels that carry the proof of `pixel_store.wgsl`: written, from finite numbers.

override WIDE: bool = false;

@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> proof: Proof;

var<workgroup> found: atomic<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if (id.x < params.scale * params.width && id.y < params.scale * params.height) {
        let at = id.y * params.scale * params.extended_width + id.x;
        var is_proven = false;
        if (WIDE) {
            is_proven = (words[2u * at + 1u] >> 16u) == 0xffffu;
        } else {
            is_proven = (words[at] >> 24u) == 0xffu;
        }
        if (is_proven) {
            atomicAdd(&found, 1u);
        }
    }
    workgroupBarrier();
    if (local == 0u) {
        atomicAdd(&proof.written, atomicLoad(&found));
    }
}
