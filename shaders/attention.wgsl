// Attention of one head among the pixels of a window or a run, whose scores never lie in memory.
//
//   y[p] = Σ_q e^(s[p, q] − m[p]) · value[q] / Σ_q e^(s[p, q] − m[p])        m[p] = max_q s[p, q]
//
//   s[p, q] = scale · ⟨query[p], key[q]⟩ + bias[p − q]
//
// A set is what attends to itself: a window, cut at the picture's edges, or a run of pixels, which is a window of one
// row in a picture of one row. Its pixels in raster order are its tokens. A workgroup makes THREADS · QUERIES tokens,
// a thread QUERIES of them, for one head of one picture:
//
//   for every BLOCK keys and values, brought into workgroup memory:
//       for every four of them:  s;  m grows to its largest, and the sums so far shrink by e^(old m − m);
//                                sum += e^(s − m)        made += e^(s − m) · value
//
// A head's channels begin anywhere in a group of four and other workgroups write the group's other lanes, so the output
// is written number by number. The last head's workgroups also write the zeros past the last channel.
//
// The host puts in front: const DEPTH, const QUERIES, const THREADS, const BLOCK, a multiple of four.

#import element
#import layout

override BIASED: bool = false;

const GROUPS: u32 = (DEPTH + 3u) / 4u;
const LOWEST: f32 = -3.4e38;

struct AttentionParams {
    width: u32,
    height: u32,
    set_width: u32,
    set_height: u32,
    sets_a_row: u32,
    lead: u32, // rows and columns that the first window would have before the picture
    blocks: u32, // of queries, a set
    first: u32, // of all blocks of all sets, those that this dispatch makes
    end: u32,
    columns: u32, // workgroups along the first axis
    heads: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: AttentionParams;
@group(0) @binding(1) var<storage, read> input: array<InputNumber>; // queries, keys, values
@group(0) @binding(2) var<storage, read> bias: array<f32>; // [(dy, dx)][head], or any buffer
@group(0) @binding(3) var<storage, read_write> output: array<OutputNumber>;

var<workgroup> keys: array<Vec4, BLOCK * GROUPS>;
var<workgroup> values: array<Vec4, BLOCK * GROUPS>;
var<workgroup> places: array<u32, BLOCK>;

struct Head {
    n: u32,
    head: u32,
}

// A set: where it lies in the picture, and of how many it is.
struct Tokens {
    y: u32,
    x: u32,
    width: u32,
    count: u32,
}

struct Softmax {
    largest: array<f32, QUERIES>,
    sum: array<f32, QUERIES>,
    made: array<array<Vec4, GROUPS>, QUERIES>,
}

alias Queries = array<array<Vec4, GROUPS>, QUERIES>;

fn tokens_of(index: u32) -> Tokens {
    let row = index / params.sets_a_row * params.set_height;
    let column = index % params.sets_a_row * params.set_width;
    let y = max(row, params.lead) - params.lead;
    let x = max(column, params.lead) - params.lead;
    let height = min(row + params.set_height - params.lead, params.height) - y;
    let width = min(column + params.set_width - params.lead, params.width) - x;
    return Tokens(y, x, width, height * width);
}

fn pixel(tokens: Tokens, token: u32) -> u32 {
    return (tokens.y + token / tokens.width) * params.width + tokens.x + token % tokens.width;
}

// Such that the bias of p and q is at the difference of their places, and of the largest offset.
fn place(tokens: Tokens, token: u32) -> u32 {
    return (token / tokens.width * (2u * params.set_width - 1u) + token % tokens.width) * params.heads;
}

fn number(plane: u32, channel: u32, pixel: u32) -> u32 {
    return ((plane + channel / 4u) * params.height * params.width + pixel) * 4u + channel % 4u;
}

// A group of four of a head's queries (part 0), keys or values.
fn gather(at: Head, part: u32, pixel: u32, group: u32) -> Vec4 {
    let plane = at.n * channel_groups(3u * params.heads * DEPTH);
    let channel = (part * params.heads + at.head) * DEPTH;
    let lanes = vec4<u32>(4u * group) + vec4<u32>(0u, 1u, 2u, 3u);
    let c = min(lanes, vec4<u32>(DEPTH - 1u)) + vec4<u32>(channel);
    let value = Vec4(
        f32(input[number(plane, c.x, pixel)]),
        f32(input[number(plane, c.y, pixel)]),
        f32(input[number(plane, c.z, pixel)]),
        f32(input[number(plane, c.w, pixel)]),
    );
    return select(Vec4(0.0), value, lanes < vec4<u32>(DEPTH));
}

fn load_block(at: Head, tokens: Tokens, start: u32, thread: u32) {
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
}

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
    let live = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count);
    for (var q = 0u; q < QUERIES; q++) {
        if (BIASED) {
            let to = (*places_of)[q];
            scores[q] += Vec4(
                bias[to - places[first]],
                bias[to - places[first + 1u]],
                bias[to - places[first + 2u]],
                bias[to - places[first + 3u]],
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
    let block = params.first + workgroup.y * params.columns + workgroup.x;
    if (block >= params.end) {
        return;
    }
    let tokens = tokens_of(block / params.blocks);
    let first = block % params.blocks * THREADS * QUERIES + thread;
    let at = Head(workgroup.z / params.heads, workgroup.z % params.heads);

    var query: Queries;
    var places_of: array<u32, QUERIES>;
    var state: Softmax;
    for (var q = 0u; q < QUERIES; q++) {
        let token = min(first + q * THREADS, tokens.count - 1u);
        let p = pixel(tokens, token);
        for (var group = 0u; group < GROUPS; group++) {
            query[q][group] = gather(at, 0u, p, group) * params.scale;
        }
        let largest_offset = (params.set_width - 1u) * 2u * params.set_width;
        places_of[q] = place(tokens, token) + largest_offset * params.heads + at.head;
        state.largest[q] = LOWEST;
    }
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        workgroupBarrier(); // nobody reads the block before any more
        load_block(at, tokens, start, thread);
        workgroupBarrier(); // the block is in place
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
