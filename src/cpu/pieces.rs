//! Pictures in pieces: what is cut out and run alone makes the numbers that it has in the whole picture, bit for
//! bit, but for a margin along the cuts.
//!
//! ```text
//!   picture ┌───┬───────────┬───┐
//!           │   │ ╎ kept  ╎ │   │      Where a piece ends with the picture, as here at the top,
//!           │   │ └╌╌╌╌╌╌╌┘ │   │      there is no cut and no margin.
//!           │   └───────────┘   │
//!           └───────────────────┘
//! ```

use std::ops::Range;

use proptest::prelude::*;

use super::run;
use super::testing::{noise, parameter};
use crate::graph::{
    Activation, Among, Attention, AveragePool, Binary, BinaryKind, Builder, Concat, Conv2d, ConvTranspose2d,
    Fold, Graph, LayerNorm, MaskedConv2d, MaxPool, Op, Parameters, PixelShuffle, PixelUnshuffle, Resize,
    ResizeKind, Slice, SpatialMask, Unfold,
};
use crate::tensor::{Parameter, Shape, Tensor};

/// An operator, and what its outputs read.
struct Case {
    name: String,
    /// Of its input.
    channels: usize,
    op: Op,
    /// The numbers of what it reads behind the activations.
    weights: Vec<Parameter>,
    /// Output pixel p lies at input pixel `p · step / scale`; pieces begin at multiples of `step`.
    step: usize,
    scale: usize,
    /// How far from there it reads.
    margin: usize,
    /// The shortest side that it takes.
    least: usize,
    /// Whether sides are multiples of `step`.
    whole_steps: bool,
    /// For a masked convolution: how much of the mask is set, in standard deviations from the half.
    level: f32,
}

impl Case {
    fn new(name: impl Into<String>, channels: usize, op: Op) -> Self {
        Self {
            name: name.into(),
            channels,
            op,
            weights: vec![],
            step: 1,
            scale: 1,
            margin: 0,
            least: 1,
            whole_steps: false,
            level: 0.0,
        }
    }

    /// Kernel and stride as said, padded by half the kernel.
    fn conv2d([out, within, kernel]: [usize; 3], stride: usize, groups: usize, seed: u64) -> Self {
        let weights = parameters([out, within, kernel, kernel], out, seed);
        let op = Op::Conv2d(Conv2d { kernel, stride, padding: kernel / 2, groups });
        let name = format!(
            "conv2d {within} to {out}, kernel {kernel}, stride {stride}, {groups} groups, seed {seed}"
        );
        Self { weights, step: stride, margin: kernel / 2, ..Self::new(name, within * groups, op) }
    }

    fn masked_conv2d([out, inputs, kernel]: [usize; 3], dense: [usize; 2], level: f32, seed: u64) -> Self {
        let weights = parameters([out, inputs, kernel, kernel], out, seed);
        let [dense_inputs, dense_outputs] = dense;
        let op = Op::MaskedConv2d(MaskedConv2d { kernel, dense_inputs, dense_outputs });
        let name = format!(
            "masked_conv2d {inputs} to {out}, kernel {kernel}, dense {dense:?}, level {level}, seed {seed}"
        );
        Self { weights, margin: kernel / 2, level, ..Self::new(name, inputs, op) }
    }

    /// One that makes pictures twice as large.
    fn conv_transpose2d(kernel: usize, padding: usize, output_padding: usize) -> Self {
        let weights = parameters([5, 3, kernel, kernel], 3, 4);
        let op = Op::ConvTranspose2d(ConvTranspose2d { kernel, stride: 2, padding, output_padding });
        Self {
            weights,
            scale: 2,
            margin: 1,
            ..Self::new(format!("conv_transpose2d, kernel {kernel}"), 5, op)
        }
    }

    /// Among the pixels of windows, on which pieces begin.
    fn attention(size: usize, shift: usize) -> Self {
        let weights = vec![parameter([(2 * size - 1) * (2 * size - 1), 2], 8)];
        let op = Attention { heads: 2, scale: 0.7, among: Among::squares(size, shift) };
        let case = Self::new(format!("attention, windows of {size} from {shift}"), 18, Op::Attention(op));
        Self { weights, step: size, scale: size, margin: shift, ..case }
    }

    fn max_pool(size: usize, stride: usize) -> Self {
        let op = Op::MaxPool(MaxPool { size, stride });
        let case = Self::new(format!("max_pool {size}, stride {stride}"), 2, op);
        Self { step: stride, margin: size.saturating_sub(stride), least: size, ..case }
    }

    fn graph(&self, shape: Shape) -> (Graph, Parameters) {
        let (mut b, x) = Builder::new(self.name.clone(), shape, 1.0);
        let mut inputs = match self.op {
            Op::MaskedConv2d(_) => {
                let deviation = (2.0 * self.channels as f32).sqrt() / 3.0; // of a difference of two logits
                let bias = Parameter::new([2], vec![0.0, self.level * deviation]);
                let weight = b.parameter("logits.weight", &parameter([2, self.channels, 1, 1], 5)).unwrap();
                let bias = b.parameter("logits.bias", &bias).unwrap();
                let logits = b.conv2d("logits", x, [weight, bias], Conv2d::same(1)).unwrap();
                vec![x, b.spatial_mask("mask", logits).unwrap()]
            }
            Op::Binary(_) | Op::Concat(_) => vec![x, b.relu("relu", x).unwrap()],
            _ => vec![x],
        };
        for (at, numbers) in self.weights.iter().enumerate() {
            inputs.push(b.parameter(format!("operator.{at}"), numbers).unwrap());
        }
        let output = b.append("operator", self.op.clone(), &inputs).unwrap();
        b.finish(output).unwrap()
    }

    fn run(&self, picture: &Tensor) -> Tensor {
        let (graph, parameters) = self.graph(picture.shape());
        run(&graph, &parameters, picture).unwrap()
    }

    /// Holds every piece, so many rows and columns of a picture, against the whole.
    fn check(&self, picture: Shape, pieces: &[[Range<usize>; 2]]) {
        let picture = noise(picture.with_channels(self.channels), 6);
        let whole = self.run(&picture);
        let (input, output) = (picture.shape(), whole.shape());
        for [rows, columns] in pieces {
            let found = self.run(&cut(&picture, rows, columns));
            let (kept_rows, rows_within) = self.kept(rows, input.height, output.height);
            let (kept_columns, columns_within) = self.kept(columns, input.width, output.width);
            let expected = cut(&whole, &kept_rows, &kept_columns);
            let found = cut(&found, &rows_within, &columns_within);
            let pairs = || expected.values().iter().zip(found.values());
            let differ = pairs().filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            let name = &self.name;
            assert_eq!(
                differ,
                0,
                "{name}: of {} numbers of {rows:?}, {columns:?} of {input}",
                pairs().count()
            );
        }
    }

    /// Along a side: the outputs that a piece keeps, in the whole picture and in the piece.
    fn kept(&self, piece: &Range<usize>, input: usize, output: usize) -> (Range<usize>, Range<usize>) {
        let first = piece.start / self.step * self.scale;
        let start = match piece.start {
            0 => 0,
            start => (start + self.margin).div_ceil(self.step) * self.scale,
        };
        let end = match piece.end {
            end if end == input => output,
            end => end.saturating_sub(self.margin) / self.step * self.scale,
        };
        let end = end.max(start);
        (start..end, start - first..end - first)
    }
}

/// A weight, and with an even seed a bias.
fn parameters(dims: [usize; 4], out: usize, seed: u64) -> Vec<Parameter> {
    let bias = seed.is_multiple_of(2).then(|| parameter([out], seed + 1));
    std::iter::once(parameter(dims, seed)).chain(bias).collect()
}

/// These rows and columns of every channel.
fn cut(x: &Tensor, rows: &Range<usize>, columns: &Range<usize>) -> Tensor {
    let width = x.shape().width;
    Tensor::from_fn(x.shape().with_size(rows.len(), columns.len()), |n, c, row, column| {
        x.plane(n, c)[(rows.start + row) * width + columns.start + column]
    })
}

/// All operators that look no further than their surroundings, but for convolutions of one picture size.
fn others() -> Vec<Case> {
    let leaky = Activation::LeakyRelu { slope: 0.1 };
    let (gelu, sigmoid) = (Activation::Gelu, Activation::Sigmoid);
    let activations = [Activation::Relu, leaky, gelu, sigmoid, Activation::Silu, Activation::Tanh];
    let mut cases: Vec<Case> =
        activations.map(|op| Case::new(format!("{op:?}"), 3, Op::Activation(op))).into();
    let prelu = Case::new("prelu", 3, Op::Activation(Activation::Prelu));
    cases.push(Case { weights: vec![parameter([3], 7)], ..prelu });
    for kind in [BinaryKind::Add, BinaryKind::Subtract, BinaryKind::Multiply, BinaryKind::Divide] {
        cases.push(Case::new(format!("{kind:?}"), 3, Op::Binary(Binary { kind })));
    }
    cases.push(Case::new("concat", 2, Op::Concat(Concat)));
    cases.push(Case::new("slice", 7, Op::Slice(Slice { start: 2, channels: 3 })));
    let weights = [9, 10].map(|seed| parameter([5], seed)).into();
    let norm = Case::new("layer_norm", 5, Op::LayerNorm(LayerNorm { epsilon: 1e-5 }));
    cases.push(Case { weights, ..norm });
    cases.push(Case::new("spatial_mask", 2, Op::SpatialMask(SpatialMask)));
    for kernel in [3, 5] {
        let (unfold, fold) = (Op::Unfold(Unfold { kernel }), Op::Fold(Fold { kernel }));
        let margin = kernel / 2;
        cases.push(Case { margin, ..Case::new(format!("unfold {kernel}"), 2, unfold) });
        cases.push(Case { margin, ..Case::new(format!("fold {kernel}"), 2 * kernel * kernel, fold) });
    }
    cases.extend([(4, 0), (4, 2), (3, 1)].map(|(size, shift)| Case::attention(size, shift)));
    cases.extend([(2, 2), (3, 3), (7, 3), (3, 1), (2, 3)].map(|(size, stride)| Case::max_pool(size, stride)));
    cases.extend([(2, 0, 0), (3, 1, 1), (4, 1, 0)].map(|(k, p, o)| Case::conv_transpose2d(k, p, o)));
    for size in [2, 3] {
        let pool = Case::new(format!("average_pool {size}"), 2, Op::AveragePool(AveragePool { size }));
        cases.push(Case { step: size, ..pool });
    }
    for scale in [2, 3, 4] {
        let shuffle = Op::PixelShuffle(PixelShuffle { scale });
        cases.push(Case { scale, ..Case::new(format!("pixel_shuffle {scale}"), 2 * scale * scale, shuffle) });
        let unshuffle = Op::PixelUnshuffle(PixelUnshuffle { scale });
        let unshuffle = Case::new(format!("pixel_unshuffle {scale}"), 2, unshuffle);
        cases.push(Case { step: scale, whole_steps: true, ..unshuffle });
        for (kind, margin) in [(ResizeKind::Nearest, 0), (ResizeKind::Bilinear, 1), (ResizeKind::Bicubic, 2)]
        {
            let resize = Case::new(format!("{kind:?} {scale}"), 2, Op::Resize(Resize::by(kind, scale)));
            cases.push(Case { scale, margin, ..resize });
        }
    }
    cases
}

/// A range of 0 ‥ length that begins at a multiple of `step` and has room for one; often it reaches an end.
fn range(length: usize, step: usize, (start, end): (usize, usize)) -> Range<usize> {
    let start = if start.is_multiple_of(3) { 0 } else { start % (length / step) * step };
    let end = if end.is_multiple_of(3) { length } else { start + step + end % (length - start - step + 1) };
    start..end
}

/// Rows and columns of a picture and numbers that choose a piece.
type Choice = ((usize, usize), [(usize, usize); 2]);

fn choice(sides: Range<usize>) -> impl Strategy<Value = Choice> {
    let ends = || (0_usize..1000, 0_usize..1000);
    ((sides.clone(), sides), [ends(), ends()])
}

fn check(case: &Case, ((height, width), [rows, columns]): Choice) {
    let side = |length: usize| if case.whole_steps { length / case.step * case.step } else { length };
    let [height, width] = [height, width].map(|length| side(length.max(case.step).max(case.least)));
    let piece = [range(height, case.step, rows), range(width, case.step, columns)];
    let piece = piece.map(|Range { start, end }| start..side(end));
    if piece.iter().all(|side| side.len() >= case.least) {
        case.check(Shape::new(2, 1, height, width), &[piece]);
    }
}

proptest! {
    #[test]
    fn a_piece_of_a_convolution(
        choice in prop_oneof![choice(1..9), choice(1..60)],
        (out, within, half) in (1_usize..9, 1_usize..9, 0_usize..3),
        (stride, groups) in (1_usize..4, 1_usize..4),
        seed in 0_u64..1000,
    ) {
        check(&Case::conv2d([out * groups, within, 2 * half + 1], stride, groups, seed), choice);
    }

    #[test]
    fn a_piece_of_a_masked_convolution(
        choice in prop_oneof![choice(1..9), choice(1..60)],
        (out, inputs, half) in (1_usize..9, 1_usize..9, 0_usize..3),
        (dense_inputs, dense_outputs) in (0_usize..9, 0_usize..9),
        level in -3.0_f32..3.0,
        seed in 0_u64..1000,
    ) {
        let dense = [dense_inputs.min(inputs), dense_outputs.min(out)];
        check(&Case::masked_conv2d([out, inputs, 2 * half + 1], dense, level, seed), choice);
    }

    #[test]
    fn a_piece_of_any_other_local_operator(choice in prop_oneof![choice(1..9), choice(1..40)]) {
        others().iter().for_each(|case| check(case, choice));
    }
}

/// Wide layers, on a picture of many units. Among the pieces one pixel, and such as end within a unit and within a
/// kernel's block of pixels.
#[test]
fn a_piece_of_a_picture_of_many_units() {
    let pieces = [
        [13..77, 20..101],
        [60..150, 0..130],
        [0..1, 0..1],
        [80..87, 122..130],
        [40..52, 100..119],
        [0..24, 111..130],
    ];
    let picture = Shape::new(1, 1, 150, 130);
    for shape in [[32, 32, 1], [32, 32, 3], [16, 32, 5], [64, 64, 3], [1, 64, 3], [64, 320, 1], [3, 3, 1]] {
        Case::conv2d(shape, 1, 1, 2).check(picture, &pieces);
    }
    Case::conv2d([32, 32, 3], 2, 1, 2).check(picture, &[[14..78, 20..101], [60..150, 0..130]]);
    Case::conv2d([32, 8, 3], 1, 4, 2).check(picture, &pieces);
    Case::conv2d([32, 1, 3], 1, 32, 2).check(picture, &pieces);
    Case::conv2d([32, 1, 5], 2, 32, 2).check(picture, &[[14..78, 20..101], [60..150, 0..130]]);
    for level in [-2.5, 0.0, 2.5] {
        for (shape, dense) in [
            ([32, 32, 3], [12, 20]),
            ([32, 32, 1], [1, 31]),
            ([16, 32, 5], [0, 0]),
            ([64, 64, 3], [60, 2]),
            ([64, 64, 3], [3, 1]),
            ([64, 64, 1], [9, 64]),
        ] {
            Case::masked_conv2d(shape, dense, level, 2).check(picture, &pieces);
        }
    }
}
