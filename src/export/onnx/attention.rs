//! Attention within square windows, as products of matrices.
//!
//! ```text
//!   x  [N, 3·C, H, W] ─ Pad ─ SpaceToDepth ─ Reshape ─ Transpose ─►  q, k, v  [N, windows, heads, tokens, depth]
//!   y  = softmax(scale · q kᵀ + bias + beside) v                  the way back
//! ```
//!
//! Shifted windows are cut by the picture's edges: the picture is padded to whole ones, and `beside` takes what was padded
//! out of the softmax.

use super::{Attribute, Writer, name, refused};
use crate::error::Result;
use crate::export::constants::weight;
use crate::graph::{Among, Attention, Node};
use Attribute::{Int, Ints, Text};

/// What takes a token out of a softmax.
const BESIDE: f32 = -1e9;

impl Writer<'_> {
    pub(super) fn attention(&mut self, node: &Node, op: &Attention, to: &str) -> Result<()> {
        let (size, shift) = match op.among {
            Among::Windows { size: [size, across], shift: [shift, aside] }
                if size == across && shift == aside =>
            {
                (size, shift)
            }
            _ => return Err(refused(node)),
        };
        let table = weight(self.graph, self.parameters, node, 1)?;
        let x = &name(node.inputs[0]);
        let (heads, channels) = (op.heads, node.shape.channels);
        let (tokens, depth) = (size * size, channels / heads);
        // Windows begin `shift` behind a multiple of their size: so many pixels before the picture, and end behind it.
        let before = (size - shift) % size;
        let [padded, beside] = match before {
            0 => [x.clone(), String::new()],
            _ => self.cut(x, before, size),
        };
        let windows = self.between("SpaceToDepth", &[&padded], &[Int("blocksize", size as i64)]);
        let parts = self.ints(&[0, tokens as i64, 3, heads as i64, depth as i64, -1]);
        let parts = self.between("Reshape", &[&windows, &parts], &[]);
        let parts = self.between("Transpose", &[&parts], &[Ints("perm", vec![2, 0, 5, 3, 1, 4])]);
        let [q, k, v] = [0, 1, 2].map(|at| self.sliced(&parts, 0, [at, at + 1]));
        let k = self.between("Transpose", &[&k], &[Ints("perm", vec![0, 1, 2, 3, 5, 4])]);
        let [scale, bias] = [
            self.numbers(&[], &[op.scale]),
            self.numbers(&[heads, tokens, tokens], &biases(table.values(), size, heads)),
        ];
        let product = self.between("MatMul", &[&q, &k], &[]);
        let scaled = self.between("Mul", &[&product, &scale], &[]);
        let mut logits = self.between("Add", &[&scaled, &bias], &[]);
        if !beside.is_empty() {
            logits = self.between("Add", &[&logits, &beside], &[]);
        }
        let shares = self.between("Softmax", &[&logits], &[Int("axis", -1)]);
        let made = self.between("MatMul", &[&shares, &v], &[]); // [1, N, windows, heads, tokens, depth]
        let made = self.between("Transpose", &[&made], &[Ints("perm", vec![1, 4, 3, 5, 2, 0])]);
        let like = self.between("Shape", &[&windows], &[]);
        let [pictures, sides] = [[0, 1], [2, 4]].map(|range| self.sliced(&like, 0, range));
        let of_windows = self.ints(&[(tokens * channels) as i64]);
        let shape = self.between("Concat", &[&pictures, &of_windows, &sides], &[Int("axis", 0)]);
        let made = self.between("Reshape", &[&made, &shape], &[]);
        let attributes = [Int("blocksize", size as i64), Text("mode", "DCR")];
        if before == 0 {
            self.node("DepthToSpace", &[&made], to, &attributes);
            return Ok(());
        }
        let whole = self.between("DepthToSpace", &[&made], &attributes);
        let [start, end] = [before as i64, -((size - before) as i64)].map(|at| self.ints(&[at, at]));
        let axes = self.ints(&[2, 3]);
        self.node("Slice", &[&whole, &start, &end, &axes], to, &[]);
        Ok(())
    }

    /// The picture with so many pixels before it and what is left of a window behind it, and what is added to logits: nothing for
    /// tokens of the picture.
    fn cut(&mut self, x: &str, before: usize, size: usize) -> [String; 2] {
        let [before, behind] = [before, size - before].map(|side| side as i64);
        let pads = self.ints(&[0, 0, before, before, 0, 0, behind, behind]);
        let [zero, one, out] = [0.0, 1.0, BESIDE].map(|number| self.numbers(&[], &[number]));
        let padded = self.between("Pad", &[x, &pads, &zero], &[]);
        let channel = self.sliced(x, 1, [0, 1]);
        let empty = self.between("Mul", &[&channel, &zero], &[]);
        let beside = self.between("Pad", &[&empty, &pads, &one], &[]);
        let beside = self.between("Mul", &[&beside, &out], &[]);
        let windows = self.between("SpaceToDepth", &[&beside], &[Int("blocksize", size as i64)]);
        let parts = self.ints(&[0, (size * size) as i64, 1, 1, 1, -1]);
        let parts = self.between("Reshape", &[&windows, &parts], &[]);
        // As the logits: a row of keys for every query.
        [padded, self.between("Transpose", &[&parts], &[Ints("perm", vec![2, 0, 5, 3, 4, 1])])]
    }
}

/// `[heads, queries, keys]` of the table `[(2 · size − 1)², heads]`.
fn biases(table: &[f32], size: usize, heads: usize) -> Vec<f32> {
    let tokens = size * size;
    let bias = |at: usize| {
        let (head, p, q) = (at / (tokens * tokens), at / tokens % tokens, at % tokens);
        table[Among::bias([size; 2], p, q) * heads + head]
    };
    (0..heads * tokens * tokens).map(bias).collect()
}
