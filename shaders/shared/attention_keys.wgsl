// A set's keys and values in workgroup memory, a block of them at a time.
//
// The host puts in front: const THREADS, const BLOCK, a multiple of four.

#import attention

override BIASED: bool = false;

const LOWEST: f32 = -3.4e38;

var<workgroup> keys: array<Vec4, BLOCK * GROUPS>;
var<workgroup> values: array<Vec4, BLOCK * GROUPS>;
var<workgroup> places: array<u32, BLOCK>;

fn load_block(at: Head, tokens: Tokens, start: u32, thread: u32) {
    workgroupBarrier(); // nobody reads the block before any more
    for (var item = thread; item < BLOCK * GROUPS; item += THREADS) {
        let token = item % BLOCK;
        let group = item / BLOCK;
        let p = pixel(tokens, min(start + token, tokens.count - 1u));
        keys[token * GROUPS + group] = gather(at, 1u, p, group);
        values[token * GROUPS + group] = gather(at, 2u, p, group);
    }
    if (BIASED) {
        for (var token = thread; token < BLOCK; token += THREADS) {
            places[token] = place(tokens, min(start + token, tokens.count - 1u));
        }
    }
    workgroupBarrier(); // the block is in place
}

// Which of four keys from `first` there are.
fn live_keys(first: u32, count: u32) -> vec4<bool> {
    return vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count);
}
