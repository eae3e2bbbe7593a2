//! Attention among channels.

use super::Numbers;
use super::attention::softmax;

/// Multi-head self-attention among the channels of a picture (El-Nouby et al., *XCiT*, NeurIPS 2021, section 3.2):
///
/// `y[c, p] = Σ_e softmax_e(temperature[h] · ⟨query[c], key[e]⟩ / (‖query[c]‖ · ‖key[e]‖)) · value[e, p]`
///
/// over the channels e of c's head h; norms are at least 10⁻¹², as of PyTorch's `normalize`.
pub fn channel_attention(
    queries: &Numbers,
    keys: &Numbers,
    values: &Numbers,
    temperature: &Numbers,
) -> Numbers {
    let shape = queries.shape();
    let depth = shape.channels / temperature.shape().batch;
    let pixels = || (0..shape.pixels()).map(|p| (p / shape.width, p % shape.width));
    let product = |a: &Numbers, c: usize, b: &Numbers, e: usize| -> f64 {
        pixels().map(|(y, x)| a.at(0, c, y, x) * b.at(0, e, y, x)).sum()
    };
    let norm = |x: &Numbers, c: usize| product(x, c, x, c).sqrt().max(1e-12);
    let mut made = Numbers::from_fn(shape, |_, _, _, _| 0.0);
    for c in 0..shape.channels {
        let head = c / depth;
        let of_head = head * depth..(head + 1) * depth;
        let score = |e: usize| {
            let cosine = product(queries, c, keys, e) / (norm(queries, c) * norm(keys, e));
            temperature.at(head, 0, 0, 0) * cosine
        };
        let shares = softmax(of_head.clone().map(score).collect());
        for (y, x) in pixels() {
            *made.at_mut(0, c, y, x) =
                shares.iter().zip(of_head.clone()).map(|(share, e)| share * values.at(0, e, y, x)).sum();
        }
    }
    made
}
