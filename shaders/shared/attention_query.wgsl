// Attention backwards, as seen by a query p, a thread each. Its shares are made once more, its keys never lie in memory
// all at once:
//
//   share[q] = e^(s[q] − largest) · inverse        by_value[q] = ⟨gradient[p], value[q]⟩
//   ∂loss / ∂s[q] = share[q] · (by_value[q] − mean)        mean = Σ_q share[q] · by_value[q]
//
// It goes through the keys twice: first for its Softmax, then for the scores' gradients. The kernel declares `bias`.

#import attention_gradient
#import attention_keys

struct Query {
    query: array<Vec4, GROUPS>, // times the scale
    gradient: array<Vec4, GROUPS>,
    place: u32,
    head: u32,
}

struct Softmax {
    largest: f32,
    inverse: f32, // 1 / sum
    mean: f32,
}

// Of four keys.
struct Products {
    scores: Vec4,
    by_value: Vec4,
}

fn query_of(at: Head, tokens: Tokens, token: u32) -> Query {
    var query: Query;
    let p = pixel(tokens, token);
    for (var group = 0u; group < GROUPS; group++) {
        query.query[group] = gather(at, 0u, p, group) * params.scale;
        query.gradient[group] = gather_gradient(at, p, group);
    }
    query.place = place(tokens, token) + largest_offset();
    query.head = at.head;
    return query;
}

fn products(query: ptr<function, Query>, first: u32) -> Products {
    var made: Products;
    for (var group = 0u; group < GROUPS; group++) {
        let at = first * GROUPS + group;
        let q = (*query).query[group];
        let g = (*query).gradient[group];
        made.scores += Vec4(
            dot(q, keys[at]), dot(q, keys[at + GROUPS]),
            dot(q, keys[at + 2u * GROUPS]), dot(q, keys[at + 3u * GROUPS]),
        );
        made.by_value += Vec4(
            dot(g, values[at]), dot(g, values[at + GROUPS]),
            dot(g, values[at + 2u * GROUPS]), dot(g, values[at + 3u * GROUPS]),
        );
    }
    if (BIASED) {
        let to = (*query).place * params.heads + (*query).head;
        made.scores += Vec4(
            bias[to - params.heads * places[first]],
            bias[to - params.heads * places[first + 1u]],
            bias[to - params.heads * places[first + 2u]],
            bias[to - params.heads * places[first + 3u]],
        );
    }
    return made;
}

fn softmax_of(query: ptr<function, Query>, at: Head, tokens: Tokens, thread: u32) -> Softmax {
    var largest = LOWEST;
    var sum = 0.0;
    var mean = 0.0;
    for (var start = 0u; start < tokens.count; start += BLOCK) {
        load_block(at, tokens, start, thread);
        let count = min(BLOCK, tokens.count - start);
        var key = 0u;
        loop {
            let live = live_keys(key, count);
            let four = products(query, key);
            let s = select(Vec4(LOWEST), four.scores, live);
            let old = largest;
            largest = max(max(max(s.x, s.y), max(s.z, s.w)), old);
            let weights = select(Vec4(0.0), exp(s - Vec4(largest)), live);
            let shrink = exp(old - largest);
            sum = fma(sum, shrink, dot(weights, Vec4(1.0)));
            mean = fma(mean, shrink, dot(weights, four.by_value));
            continuing {
                key += 4u;
                break if key >= count;
            }
        }
    }
    return Softmax(largest, 1.0 / sum, mean / sum);
}

// With respect to the scores of four keys, zero past the last.
fn of_scores(query: ptr<function, Query>, softmax: Softmax, first: u32, count: u32) -> Vec4 {
    let four = products(query, first);
    let shares = exp(four.scores - Vec4(softmax.largest)) * softmax.inverse;
    return select(Vec4(0.0), shares * (four.by_value - Vec4(softmax.mean)), live_keys(first, count));
}
