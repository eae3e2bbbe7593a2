//! Attention within windows: products of queries and keys, what is added to them, a softmax, and products with values.
//!
//! ```text
//!   q, k, v   windows, heads, tokens, depth         views of one value's channels, or of three
//!   softmax(scale · q kᵀ + bias + mask) v           bias: a number for each difference of places, by a table
//!                                                   mask: what a cyclic shift brought together stays apart
//! ```
//!
//! Whatever is not just that is refused: a bias that is no table's, a mask that parts other tokens than the picture's edges do.

use std::rc::Rc;

use super::{Held, Trace, told};
use crate::graph::{Among, Attention, Op, Value};
use crate::import::onnx::file::Node;
use crate::import::onnx::fixed::Fixed;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::{Axes, View, Windows};
use crate::tensor::Parameter;

/// From here down a number takes a token out of a softmax.
const APART: f32 = -100.0;

/// What becomes attention: queries and keys, and what happened to their products.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    queries: Value,
    keys: Value,
    heads: usize,
    windows: Windows,
    scale: f32,
    /// Fixed numbers that are added.
    terms: Vec<Term>,
    /// What ONNX takes the products for.
    pub(super) dims: Vec<usize>,
    is_softmax: bool,
}

/// Numbers for each window or for all, each head or all, and each pair of tokens.
#[derive(Clone, Debug)]
struct Term {
    windows: usize,
    heads: usize,
    numbers: Fixed,
}

impl Scores {
    fn tokens(&self) -> usize {
        self.windows.size.iter().product()
    }

    /// Fixed numbers beside the products.
    fn term(&self, numbers: Fixed) -> Reading<Term> {
        let refused =
            || format!("expected numbers for pairs of {} tokens, found {:?}", self.tokens(), numbers.dims);
        let (tokens, windows) = (self.tokens(), self.windows.counts.iter().product::<usize>());
        let [rest @ .., p, q] = &*numbers.dims else { return Err(refused()) };
        let (heads, rest) = match rest {
            [rest @ .., heads] if *heads == self.heads || *heads == 1 && self.heads > 1 => (*heads, rest),
            rest => (1, rest),
        };
        let many = rest.iter().product::<usize>();
        let fits = [*p, *q] == [tokens; 2] && (many == 1 || many == windows) && numbers.as_floats().is_ok();
        if fits { Ok(Term { windows: many, heads, numbers }) } else { Err(refused()) }
    }
}

impl Term {
    /// The number of a head's pair of tokens, in a window.
    fn at(&self, [window, head, p, q]: [usize; 4], tokens: usize) -> f32 {
        let window = if self.windows == 1 { 0 } else { window };
        let head = if self.heads == 1 { 0 } else { head };
        let at = ((window * self.heads + head) * tokens + p) * tokens + q;
        self.numbers.as_floats().map_or(f32::NAN, |numbers| numbers[at])
    }
}

impl<'f> Trace<'_, 'f> {
    /// `MatMul` of two values: of queries and keys, or of their softmax and values.
    pub(super) fn product(&mut self, node: Node<'f>) -> Reading<Held> {
        match (self.held(node, 0)?, self.held(node, 1)?) {
            (Held::Scores(scores), Held::View(values)) => {
                self.attended(node, &scores, values).map(Held::View)
            }
            (Held::View(queries), Held::View(keys)) => self.scores(queries, keys),
            _ => Err("expected queries and keys of attention, found something else".into()),
        }
    }

    fn scores(&mut self, queries: View, keys: View) -> Reading<Held> {
        let refused = |found: String| {
            format!("expected queries and keys of windows, N×heads×tokens×depth, found {found}")
        };
        let dims = queries.axes.dims();
        let (heads, [tokens, depth]) = match *dims {
            [_, tokens, depth] => (1, [tokens, depth]),
            [.., heads, tokens, depth] => (heads, [tokens, depth]),
            _ => return Err(refused(format!("axes {dims:?}"))),
        };
        let wide = self.b.shape(queries.value);
        let windows = queries.axes.windows(dims.len() - 2, wide);
        let windows = windows.ok_or_else(|| refused(format!("axes {dims:?}")))?;
        let many: usize = windows.counts.iter().product();
        let expected = Axes::heads(wide, heads, &windows);
        let expected = expected.map_err(|_| refused(format!("axes {dims:?}")))?;
        let queries_fit =
            queries.axes.with_dims(&[many, heads, tokens, depth]).is_ok_and(|axes| axes == expected);
        let turned = keys.axes.with_dims(&[many, heads, depth, tokens]);
        let turned = turned.and_then(|axes| axes.transposed(Some(vec![0, 1, 3, 2])));
        if !queries_fit || turned.as_ref() != Ok(&expected) || self.b.shape(keys.value) != wide {
            return Err(refused(format!("axes {dims:?} and {:?}", keys.axes.dims())));
        }
        let [(queries, before), (keys, beside)] = [queries.value, keys.value]
            .map(|value| self.multiples.get(&value).copied().unwrap_or((value, 1.0)));
        let mut dims = dims;
        *dims.last_mut().expect("three axes at least") = tokens;
        let scale = before * beside;
        let scores = Scores { queries, keys, heads, windows, scale, terms: vec![], dims, is_softmax: false };
        Ok(Held::Scores(Rc::new(scores)))
    }

    /// `Reshape`, `Unsqueeze` and `Squeeze` of products: windows of each picture, and back.
    pub(super) fn scores_of_other_axes(&mut self, node: Node<'f>) -> Reading<Held> {
        let Held::Scores(scores) = self.held(node, 0)? else { return Err("expected products".into()) };
        let dims = self.other_dims(node, &scores.dims)?;
        let keeps = |dims: &[usize]| {
            let [rest @ .., p, q] = dims else { return false };
            let with_heads = scores.heads == 1 || rest.last() == Some(&scores.heads);
            [*p, *q] == [scores.tokens(); 2] && with_heads
        };
        if !keeps(&dims) {
            return Err(format!("expected products of tokens, found them as axes {dims:?}"));
        }
        Ok(Held::Scores(Rc::new(Scores { dims, ..(*scores).clone() })))
    }

    /// Products and fixed numbers: a factor, a bias, a mask.
    pub(super) fn scores_and_numbers(
        &mut self,
        operator: &str,
        scores: &Scores,
        numbers: &Fixed,
    ) -> Reading<Held> {
        let mut scores = scores.clone();
        match (operator, numbers.one()) {
            ("Add", _) if !scores.is_softmax => {
                let term = scores.term(numbers.clone())?;
                scores.terms.push(term);
            }
            ("Mul", Some(factor)) if scores.terms.is_empty() && !scores.is_softmax => scores.scale *= factor,
            ("Div", Some(divisor)) if scores.terms.is_empty() && !scores.is_softmax => {
                scores.scale /= divisor
            }
            _ => {
                return Err(
                    "expected a factor, then numbers that are added to products of queries and keys, found \
                            something else"
                        .into(),
                );
            }
        }
        Ok(Held::Scores(Rc::new(scores)))
    }

    /// `Softmax` of products over keys.
    pub(super) fn softmax(&mut self, node: Node<'f>) -> Reading<Held> {
        let Held::Scores(scores) = self.held(node, 0)? else {
            return Err("expected products of queries and keys, found something else".into());
        };
        let axis = node.integer("axis").unwrap_or(-1);
        if axis != -1 && axis != scores.dims.len() as i64 - 1 || scores.is_softmax {
            return Err(format!("expected a softmax over keys, the last axis, found axis {axis}"));
        }
        Ok(Held::Scores(Rc::new(Scores { is_softmax: true, ..(*scores).clone() })))
    }

    /// What attention makes.
    fn attended(&mut self, node: Node<'f>, scores: &Scores, values: View) -> Reading<View> {
        let Scores { queries, keys, heads, windows, scale, .. } = *scores;
        let shape = self.b.shape(queries);
        let expected = Axes::heads(shape, heads, &windows)?;
        let dims = expected.dims();
        let fits = values.axes.with_dims(&dims).is_ok_and(|axes| axes == expected);
        if !fits || !scores.is_softmax || self.b.shape(values.value) != shape {
            return Err(format!(
                "expected values of axes {dims:?} behind a softmax, found {:?}",
                values.axes.dims()
            ));
        }
        check_mask(scores)?;
        let table = self.table(node, scores)?;
        let table = self.parameter(&format!("{}.table", node.output), &table)?;
        let x = self.joined(node.name, [queries, keys, values.value])?;
        let among = Among::Windows { size: windows.size, shift: windows.begin };
        let op = Attention { heads, scale, among };
        let value = self.b.append(node.name, Op::Attention(op), &[x, table]).map_err(told)?;
        let lead = values.axes.dims();
        Ok(View { value, axes: expected.with_dims(&lead)? })
    }

    /// Queries, keys and values one after the other: the value that they are the parts of, where there is one.
    fn joined(&mut self, name: &str, parts: [Value; 3]) -> Reading<Value> {
        let channels = self.b.shape(parts[0]).channels;
        let of = parts.map(|part| self.slices.get(&part).copied());
        if let [Some((x, 0)), Some((y, second)), Some((z, third))] = of
            && [y, z] == [x; 2]
            && [second, third, self.b.shape(x).channels] == [channels, 2 * channels, 3 * channels]
        {
            return Ok(x);
        }
        self.b.concat(format!("{name}.qkv"), &parts).map_err(told)
    }

    /// The bias of each difference of places, from those of all pairs, which must agree.
    fn table(&self, node: Node<'f>, scores: &Scores) -> Reading<Parameter> {
        let (heads, tokens, size) = (scores.heads, scores.tokens(), scores.windows.size);
        let offsets = Among::biases(size);
        let mut table = vec![0.0; self.given.budget.take(&[offsets, heads])?];
        for term in scores.terms.iter().filter(|term| term.windows == 1) {
            let mut own = vec![None; table.len()];
            for (head, p, q) in triples([heads, tokens, tokens]) {
                let number = term.at([0, head, p, q], tokens);
                let found = own[Among::bias(size, p, q) * heads + head].get_or_insert(number);
                if found.to_bits() != number.to_bits() || !number.is_finite() {
                    return Err(format!(
                        "expected one bias for all tokens as far apart as {p} and {q}, found {found} and {number}"
                    ));
                }
            }
            table.iter_mut().zip(own).for_each(|(sum, own)| *sum += own.unwrap_or_default());
        }
        self.made(&format!("{}.table", node.output), &[offsets, heads], |at| table[at])
    }
}

/// Refuses a mask that does not part just those tokens of a window which a shift brought together over the picture's edges.
fn check_mask(scores: &Scores) -> Reading<()> {
    let Windows { size: [rows, columns], counts: [down, across], begin } = scores.windows;
    let tokens = scores.tokens();
    let mut masks = scores.terms.iter().filter(|term| term.windows > 1);
    let (mask, more) = (masks.next(), masks.next());
    if more.is_some() || mask.is_some_and(|mask| mask.heads > 1) {
        return Err("expected one mask for all heads, found several".into());
    }
    let Some(mask) = mask else {
        return match begin {
            [0, 0] => Ok(()),
            _ => Err("expected a mask of tokens that a shift brought together, found none".into()),
        };
    };
    let is_over = |window: usize, token: usize| {
        [
            window / across * rows + token / columns + begin[0] >= down * rows,
            window % across * columns + token % columns + begin[1] >= across * columns,
        ]
    };
    for (window, p, q) in triples([down * across, tokens, tokens]) {
        let (number, apart) = (mask.at([window, 0, p, q], tokens), is_over(window, p) != is_over(window, q));
        let is_right = if apart { number <= APART } else { number == 0.0 };
        if !is_right {
            return Err(format!(
                "expected a mask that parts tokens {p} and {q} of window {window}: {apart}, found {number}"
            ));
        }
    }
    Ok(())
}

/// All places of three axes.
fn triples([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
