// Attention backwards, with respect to the table of biases: sums of some sets each.
//
//   output[o, part] = Σ ∂loss / ∂s[p, q]        over the pairs p − q = o of the part's sets
//
// A workgroup makes ENTRIES entries of the table, of one head, for one part of all pictures' sets: set by set, THREADS
// queries at a time, a thread one of them. At any time all threads are at the same key, so no two add to the same entry,
// and an entry's sum runs in the same order each time.
//
// The host puts in front: const DEPTH, const THREADS, const BLOCK, a multiple of four, const ENTRIES.

#import attention_query
#import element

struct AttentionTableGradientParams {
    width: u32,
    height: u32,
    set_width: u32,
    set_height: u32,
    sets_a_row: u32,
    lead_x: u32, // columns that the first window would have before the picture, and rows
    lead_y: u32,
    sets: u32, // of a picture
    all_sets: u32, // of all pictures
    sets_a_part: u32,
    first: u32, // of all parts, those that this dispatch makes
    parts: u32,
    entries: u32, // of a head
    heads: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: AttentionTableGradientParams;
@group(0) @binding(1) var<storage, read> input: array<InputNumber>; // queries, keys, values
@group(0) @binding(2) var<storage, read> gradient: array<GradientNumber>;
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [(dy, dx)][head]
@group(0) @binding(4) var<storage, read_write> output: array<f32>; // a batch of entries, a row of parts

var<workgroup> sums: array<f32, ENTRIES>;

// Adds what the scores of one query of a set get, if there is one, to the entries from `first`.
fn collect(query: ptr<function, Query>, is_query: bool, at: Head, tokens: Tokens, first: u32, thread: u32) {
    let softmax = softmax_of(query, at, tokens, thread);
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        load_block(at, tokens, start, thread);
        let count = min(BLOCK, tokens.count - start);
        var key = 0u;
        loop {
            var d = of_scores(query, softmax, key, count);
            for (var lane = 0u; lane < min(4u, count - key); lane++) {
                let entry = (*query).place - places[key + lane] - first;
                if (is_query && entry < ENTRIES) {
                    sums[entry] += d[lane];
                }
                workgroupBarrier(); // what the key before gave is in place
            }
            continuing {
                key += 4u;
                break if key >= count;
            }
        }
    }
}

fn store(head: u32, first: u32, part: u32, thread: u32) {
    let groups = channel_groups(params.heads);
    for (var at = thread; at < min(ENTRIES, params.entries - first); at += THREADS) {
        let plane = (first + at) * groups;
        output[((plane + head / 4u) * params.parts + part) * 4u + head % 4u] = sums[at];
        for (var empty = params.heads; head + 1u == params.heads && empty < 4u * groups; empty++) {
            output[((plane + empty / 4u) * params.parts + part) * 4u + empty % 4u] = 0.0;
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let part = params.first + workgroup.x;
    let first = workgroup.y * ENTRIES;
    let head = workgroup.z;
    for (var at = thread; at < ENTRIES; at += THREADS) {
        sums[at] = 0.0;
    }
    let end = min((part + 1u) * params.sets_a_part, params.all_sets);
    for (var index = part * params.sets_a_part; index < end; index++) {
        let tokens = tokens_of(index % params.sets);
        let at = Head(index / params.sets, head);
        for (var token = 0u; token < tokens.count; token += THREADS) {
            let is_query = token + thread < tokens.count;
            var query = query_of(at, tokens, min(token + thread, tokens.count - 1u));
            collect(&query, is_query, at, tokens, first, thread);
        }
    }
    workgroupBarrier(); // all sums are in place
    store(head, first, part, thread);
}
