// Attention backwards, with respect to the keys and the values.
//
//   output[key q] = scale · Σ_p ∂loss / ∂s[p, q] · query[p]        output[value q] = Σ_p share[p, q] · gradient[p]
//
//   share[p, q] = e^(s[p, q] − largest[p]) · inverse[p]
//   ∂loss / ∂s[p, q] = share[p, q] · (⟨gradient[p], value[q]⟩ − mean[p])
//
// A workgroup makes THREADS tokens of a set, a thread one of them, for one head of one picture. It goes once through the
// set's queries, BLOCK of them at a time in workgroup memory, with what attention_gradient_queries left of their
// softmaxes.
//
// The host puts in front: const DEPTH, const THREADS, const BLOCK, a multiple of four.

#import attention_gradient
#import attention_params
#import element

override BIASED: bool = false;

@group(0) @binding(1) var<storage, read> input: array<InputNumber>; // queries, keys, values
@group(0) @binding(2) var<storage, read> gradient: array<GradientNumber>;
@group(0) @binding(3) var<storage, read> softmaxes: array<Vec4>; // [n][head][pixel]: largest, inverse, mean
@group(0) @binding(4) var<storage, read> bias: array<f32>; // [(dy, dx)][head], or any buffer
@group(0) @binding(5) var<storage, read_write> output: array<OutputNumber>; // as the input

var<workgroup> queries: array<Vec4, BLOCK * GROUPS>; // times the scale
var<workgroup> gradients: array<Vec4, BLOCK * GROUPS>;
var<workgroup> softmaxes_of: array<Vec4, BLOCK>;
var<workgroup> biases_from: array<u32, BLOCK>; // where a query's biases are, but for the key's place

struct Token {
    key: array<Vec4, GROUPS>,
    value: array<Vec4, GROUPS>,
    of_key: array<Vec4, GROUPS>,
    of_value: array<Vec4, GROUPS>,
}

fn load_block(at: Head, plane: u32, tokens: Tokens, start: u32, thread: u32) {
    workgroupBarrier(); // nobody reads the block before any more
    for (var item = thread; item < BLOCK * GROUPS; item += THREADS) {
        let token = item % BLOCK;
        let group = item / BLOCK;
        let p = pixel(tokens, min(start + token, tokens.count - 1u));
        queries[token * GROUPS + group] = gather(at, 0u, p, group) * params.scale;
        gradients[token * GROUPS + group] = gather_gradient(at, p, group);
    }
    for (var item = thread; item < BLOCK; item += THREADS) {
        let token = min(start + item, tokens.count - 1u);
        softmaxes_of[item] = softmaxes[plane * params.height * params.width + pixel(tokens, token)];
        biases_from[item] = (place(tokens, token) + largest_offset()) * params.heads + at.head;
    }
    workgroupBarrier(); // the block is in place
}

// What one query gives.
fn attend(token: ptr<function, Token>, place_of: u32, query: u32) {
    var score = 0.0;
    var by_value = 0.0;
    for (var group = 0u; group < GROUPS; group++) {
        score += dot((*token).key[group], queries[query * GROUPS + group]);
        by_value += dot((*token).value[group], gradients[query * GROUPS + group]);
    }
    if (BIASED) {
        score += bias[biases_from[query] - params.heads * place_of];
    }
    let softmax = softmaxes_of[query];
    let share = exp(score - softmax.x) * softmax.y;
    let of_score = share * (by_value - softmax.z);
    for (var group = 0u; group < GROUPS; group++) {
        let at = query * GROUPS + group;
        (*token).of_key[group] = fma(Vec4(of_score), queries[at], (*token).of_key[group]);
        (*token).of_value[group] = fma(Vec4(share), gradients[at], (*token).of_value[group]);
    }
}

fn store(at: Head, pixel: u32, of_key: array<Vec4, GROUPS>, of_value: array<Vec4, GROUPS>) {
    var key = of_key;
    var value = of_value;
    let width = params.heads * DEPTH;
    let planes = channel_groups(3u * width);
    for (var c = 0u; c < DEPTH; c++) {
        let channel = width + at.head * DEPTH + c;
        output[number(at.n * planes, channel, pixel)] = OutputNumber(key[c / 4u][c % 4u]);
        output[number(at.n * planes, channel + width, pixel)] = OutputNumber(value[c / 4u][c % 4u]);
    }
    for (var channel = 3u * width; at.head + 1u == params.heads && channel < 4u * planes; channel++) {
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
    let index = block % params.blocks * THREADS + thread;
    let at = head_of(workgroup);
    let p = pixel(tokens, min(index, tokens.count - 1u));
    let place_of = place(tokens, min(index, tokens.count - 1u));

    var token: Token;
    for (var group = 0u; group < GROUPS; group++) {
        token.key[group] = gather(at, 1u, p, group);
        token.value[group] = gather(at, 2u, p, group);
    }
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        load_block(at, workgroup.z, tokens, start, thread);
        for (var query = 0u; query < min(BLOCK, tokens.count - start); query++) {
            attend(&token, place_of, query);
        }
    }
    if (index < tokens.count) {
        store(at, p, token.of_key, token.of_value);
    }
}
