// Attention backwards, with respect to the queries.
//
//   output[p] = scale · Σ_q ∂loss / ∂s[p, q] · key[q]
//
// A workgroup makes THREADS tokens of a set, a thread one of them, for one head of one picture. What it found of the
// query's softmax it leaves for attention_gradient_keys, which makes the rest of the output.
//
// The host puts in front: const DEPTH, const THREADS, const BLOCK, a multiple of four.

#import attention_params
#import attention_query
#import element

@group(0) @binding(1) var<storage, read> input: array<InputNumber>; // queries, keys, values
@group(0) @binding(2) var<storage, read> gradient: array<GradientNumber>;
@group(0) @binding(3) var<storage, read> bias: array<f32>; // [(dy, dx)][head], or any buffer
@group(0) @binding(4) var<storage, read_write> output: array<OutputNumber>; // as the input
@group(0) @binding(5) var<storage, read_write> softmaxes: array<Vec4>; // [n][head][pixel]

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = block_of(workgroup);
    if (block >= params.end) {
        return;
    }
    let tokens = tokens_of(block / params.blocks);
    let token = block % params.blocks * THREADS + thread;
    let at = head_of(workgroup);
    var query = query_of(at, tokens, min(token, tokens.count - 1u));
    let softmax = softmax_of(&query, at, tokens, thread);

    var made: array<Vec4, GROUPS>;
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        load_block(at, tokens, start, thread);
        let count = min(BLOCK, tokens.count - start);
        var key = 0u;
        loop {
            let d = of_scores(&query, softmax, key, count);
            for (var group = 0u; group < GROUPS; group++) {
                let i = key * GROUPS + group;
                let two = fma(Vec4(d.y), keys[i + GROUPS], fma(Vec4(d.x), keys[i], made[group]));
                made[group] = fma(Vec4(d.w), keys[i + 3u * GROUPS], fma(Vec4(d.z), keys[i + 2u * GROUPS], two));
            }
            continuing {
                key += 4u;
                break if key >= count;
            }
        }
    }
    if (token < tokens.count) {
        let p = pixel(tokens, token);
        let plane = at.n * channel_groups(3u * params.heads * DEPTH);
        for (var c = 0u; c < DEPTH; c++) {
            output[number(plane, at.head * DEPTH + c, p)] = OutputNumber(made[c / 4u][c % 4u] * params.scale);
        }
        let found = Vec4(softmax.largest, softmax.inverse, softmax.mean, 0.0);
        softmaxes[workgroup.z * params.height * params.width + p] = found;
    }
}
