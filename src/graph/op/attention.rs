//! Attention among pixels.

use std::ops::Range;

use super::{Kind, Macs, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::receptive_field::lcm;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Multi-head self-attention (Vaswani et al., 2017, section 3.2), every pixel a token, from queries, keys and
/// values that lie one after the other along the channels, each `heads` × `depth` of them:
///
/// `y[h, p] = Σ_q softmax_q(scale · ⟨query[h, p], key[h, q]⟩ + bias[h, p − q]) · value[h, q]`
///
/// over the pixels q [`Among`] which p is. Inputs: queries, keys and values, and for windows the table of biases.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// How many attend side by side.
    pub heads: usize,
    /// What the products are multiplied by.
    pub scale: f32,
    /// Which pixels attend to each other.
    pub among: Among,
}

/// Which pixels attend to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Among {
    /// Those of a window of `size` rows and columns (Liu et al., *Swin Transformer*, ICCV 2021, section 3.2). Windows begin
    /// at `shift` and multiples of `size` from there, before the picture too, and end with the picture: what the paper
    /// gets by a cyclic shift and a mask.
    ///
    /// The bias stands in a table `[(2 · rows − 1) · (2 · columns − 1), heads]` at
    /// `(dy + rows − 1) · (2 · columns − 1) + dx + columns − 1`, where (dy, dx) is from q to p.
    Windows {
        /// Rows and columns of a window.
        size: [usize; 2],
        /// Where one begins, from the corner, each below the `size`.
        shift: [usize; 2],
    },
    /// Runs of ⌊N / `count`⌋ neighbours in raster order, at least one long; what is left is a shorter run
    /// (Lu et al., *Transformer for Single Image Super-Resolution*, CVPR workshops 2022, section 3.3).
    Runs {
        /// How many.
        count: usize,
    },
}

impl Among {
    /// Square windows.
    pub const fn squares(size: usize, shift: usize) -> Self {
        Self::Windows { size: [size; 2], shift: [shift; 2] }
    }

    /// Rows of the table of biases of windows of so many rows and columns.
    pub(crate) const fn biases([rows, columns]: [usize; 2]) -> usize {
        (2 * rows - 1) * (2 * columns - 1)
    }

    /// The row for tokens p and q of a window, which count row by row.
    pub(crate) const fn bias([rows, columns]: [usize; 2], p: usize, q: usize) -> usize {
        let [dy, dx] = [p / columns + rows - 1 - q / columns, p % columns + columns - 1 - q % columns];
        dy * (2 * columns - 1) + dx
    }
}

impl Attention {
    /// How many attend to each other in a picture of so many pixels, where no edge cuts them.
    fn tokens(&self, pixels: usize) -> usize {
        match self.among {
            Among::Windows { size: [rows, columns], .. } => rows * columns,
            Among::Runs { count } => (pixels / count).max(1),
        }
    }
}

impl Operator for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (input, table) = match *inputs {
            [input] => (input, None),
            [input, table] => (input, Some(table)),
            _ => return Err(format!("one input or two, found {}", inputs.len())),
        };
        let heads = self.heads;
        expect(heads > 0 && input.channels > 0 && input.channels % (3 * heads) == 0, || {
            format!("three times {heads} heads of channels, found {}", input.channels)
        })?;
        match (&self.among, table) {
            (Among::Windows { size, shift }, Some(table)) => {
                expect(shift[0] < size[0] && shift[1] < size[1], || {
                    format!("a shift below {size:?}, found {shift:?}")
                })?;
                let offsets = Among::biases(*size);
                expect(table == Shape::new(offsets, heads, 1, 1), || {
                    format!("a table of {offsets}x{heads} biases, found {table}")
                })?;
            }
            (Among::Windows { .. }, None) => return Err("a table of biases, found none".into()),
            (Among::Runs { count }, None) => expect(*count > 0, || "at least one run, found none".into())?,
            (Among::Runs { .. }, Some(_)) => return Err("no table of biases, found one".into()),
        }
        Ok(input.with_channels(input.channels / 3))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
    }

    fn activations(&self, _inputs: usize) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        match self.among {
            Among::Windows { size: [rows, columns], .. } => lcm(rows, columns),
            Among::Runs { .. } => 1,
        }
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let Among::Windows { size, shift } = self.among else { return None };
        // The same along both axes: that of either, the larger one.
        let along = |axis: usize| {
            let [size, shift] = [size[axis], shift[axis]].map(|length| length as isize);
            let begin = |p: isize| (p - shift).div_euclid(size) * size + shift;
            begin(output.start)..begin(output.end - 1) + size
        };
        let [rows, columns] = [0, 1].map(along);
        (input == 0).then(|| rows.start.min(columns.start)..rows.end.max(columns.end))
    }

    /// Of the two products; the softmax is not counted, nor do edges count for less.
    fn macs(&self, _inputs: &[Shape], output: Shape) -> Macs {
        let pairs = output.batch * output.pixels() * self.tokens(output.pixels());
        Macs { always: 2 * (pairs * output.channels) as u64, masked: 0 }
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, table, g) = (at.inputs()[0], at.inputs().get(1).copied(), at.gradient());
        let inputs: Vec<Value> = [x, g].into_iter().chain(table).collect();
        let mut parts = vec![Some(at.training(TrainingOperation::AttentionGradient(self.clone()), &inputs)?)];
        if table.is_some() && at.needs(1) {
            parts.push(Some(at.training(TrainingOperation::AttentionTableGradient(self.clone()), &inputs)?));
        }
        Ok(parts)
    }
}
