// Attention of one head among the pixels of a window or a run, whose scores never lie in memory.
//
//   y[p] = Σ_q e^(s[p, q] − m[p]) · value[q] / Σ_q e^(s[p, q] − m[p])        m[p] = max_q s[p, q]
//
//   s[p, q] = scale · ⟨query[p], key[q]⟩ + bias[p − q]
//
// A workgroup makes THREADS · QUERIES tokens of a set, a thread QUERIES of them, for one head of one picture:
//
//   for every BLOCK keys and values, brought into workgroup memory:
//       for every four of them:  s;  m grows to its largest, and the sums so far shrink by e^(old m − m);
//                                sum += e^(s − m)        made += e^(s − m) · value
//
// The host puts in front: const DEPTH, const QUERIES, const THREADS, const BLOCK, a multiple of four.

#import attention_keys
#import attention_params
#import element

@group(0) @binding(1) var<storage, read> input: array<InputNumber>; // queries, keys, values
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [(dy, dx)][head], or any buffer
@group(0) @binding(3) var<storage, read_write> output: array<OutputNumber>;

struct Softmax {
    largest: array<f32, QUERIES>,
    sum: array<f32, QUERIES>,
    made: array<array<Vec4, GROUPS>, QUERIES>,
}

alias Queries = array<array<Vec4, GROUPS>, QUERIES>;

// Four keys and values; `places_of` are the queries' own.
fn attend(
    state: ptr<function, Softmax>,
    query: ptr<function, Queries>,
    places_of: ptr<function, array<u32, QUERIES>>,
    first: u32,
    count: u32,
) {
    var scores: array<Vec4, QUERIES>;
    for (var group = 0u; group < GROUPS; group++) {
        let at = first * GROUPS + group;
        let a = keys[at];
        let b = keys[at + GROUPS];
        let c = keys[at + 2u * GROUPS];
        let d = keys[at + 3u * GROUPS];
        for (var q = 0u; q < QUERIES; q++) {
            let x = (*query)[q][group];
            scores[q] += Vec4(dot(x, a), dot(x, b), dot(x, c), dot(x, d));
        }
    }
    let live = live_keys(first, count);
    for (var q = 0u; q < QUERIES; q++) {
        if (BIASED) {
            let to = (*places_of)[q];
            scores[q] += Vec4(
                bias[to - params.heads * places[first]],
                bias[to - params.heads * places[first + 1u]],
                bias[to - params.heads * places[first + 2u]],
                bias[to - params.heads * places[first + 3u]],
            );
        }
        let s = select(Vec4(LOWEST), scores[q], live);
        let old = (*state).largest[q];
        let largest = max(max(max(s.x, s.y), max(s.z, s.w)), old);
        let weights = select(Vec4(0.0), exp(s - Vec4(largest)), live);
        let shrink = exp(old - largest);
        (*state).largest[q] = largest;
        (*state).sum[q] = fma((*state).sum[q], shrink, dot(weights, Vec4(1.0)));
        for (var group = 0u; group < GROUPS; group++) {
            (*state).made[q][group] *= shrink;
        }
        scores[q] = weights;
    }
    for (var group = 0u; group < GROUPS; group++) {
        let at = first * GROUPS + group;
        let a = values[at];
        let b = values[at + GROUPS];
        let c = values[at + 2u * GROUPS];
        let d = values[at + 3u * GROUPS];
        for (var q = 0u; q < QUERIES; q++) {
            let w = scores[q];
            let two = fma(Vec4(w.y), b, fma(Vec4(w.x), a, (*state).made[q][group]));
            (*state).made[q][group] = fma(Vec4(w.w), d, fma(Vec4(w.z), c, two));
        }
    }
}

fn store(at: Head, pixel: u32, made: array<Vec4, GROUPS>, sum: f32) {
    var groups = made;
    let planes = channel_groups(params.heads * DEPTH);
    for (var c = 0u; c < DEPTH; c++) {
        let value = groups[c / 4u][c % 4u] / sum;
        output[number(at.n * planes, at.head * DEPTH + c, pixel)] = OutputNumber(value);
    }
    let end = params.heads * DEPTH;
    for (var channel = end; at.head + 1u == params.heads && channel < 4u * planes; channel++) {
        output[number(at.n * planes, channel, pixel)] = OutputNumber(0.0);
    }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = block_of(workgroup);
    if (block >= params.end) {
        return;
    }
    let tokens = tokens_of(block / params.blocks);
    let first = block % params.blocks * THREADS * QUERIES + thread;
    let at = head_of(workgroup);

    var query: Queries;
    var places_of: array<u32, QUERIES>;
    var state: Softmax;
    for (var q = 0u; q < QUERIES; q++) {
        let token = min(first + q * THREADS, tokens.count - 1u);
        let p = pixel(tokens, token);
        for (var group = 0u; group < GROUPS; group++) {
            query[q][group] = gather(at, 0u, p, group) * params.scale;
        }
        places_of[q] = (place(tokens, token) + largest_offset()) * params.heads + at.head;
        state.largest[q] = LOWEST;
    }
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        load_block(at, tokens, start, thread);
        let count = min(BLOCK, tokens.count - start);
        var key = 0u;
        loop {
            attend(&state, &query, &places_of, key, count);
            continuing {
                key += 4u;
                break if key >= count;
            }
        }
    }
    for (var q = 0u; q < QUERIES; q++) {
        let token = first + q * THREADS;
        if (token < tokens.count) {
            store(at, pixel(tokens, token), state.made[q], state.sum[q]);
        }
    }
}
