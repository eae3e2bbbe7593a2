//! Every operator that has a gradient, in every form that its rule tells apart.

use sparsr::low_level::graph::{
    Activation, Among, Attention, AveragePool, Axes, Binary, BinaryKind, Canvas, Concat, Conv2d,
    ConvTranspose2d, Fold, GlobalPool, GlobalPoolKind, LayerNorm, Loss, MaxPool, Op, PixelShuffle,
    PixelUnshuffle, Resize, ResizeKind, ResizeTo, Slice, SpatialMask, TrainingOperation, Unfold,
    WeightOperation,
};
use sparsr::low_level::tensor::{Shape, Tensor};

use super::support::seeded;

/// An operator and what goes in.
pub struct Case {
    pub name: String,
    pub op: Op,
    pub operands: Vec<Operand>,
}

/// One input.
pub struct Operand {
    pub shape: Shape,
    pub along: Along,
    /// What its numbers lie around, 2 to either side.
    centre: f32,
}

/// How the loss goes where this operand alone changes.
#[derive(Clone, Copy, PartialEq)]
pub enum Along {
    Line,
    Curve,
    /// It is given, and nothing goes back to it.
    Nothing,
}

impl Operand {
    pub fn of(shape: Shape, along: Along) -> Self {
        Self { shape, along, centre: 0.0 }
    }

    fn around(self, centre: f32) -> Self {
        Self { centre, ..self }
    }

    /// Numbers in no order, all different, none zero, and other ones for each seed, multiples of 2⁻¹³.
    pub fn numbers(&self, seed: u64) -> Tensor {
        let (len, noise) = (self.shape.len(), seeded::numbers(seed, self.shape.len()));
        let mut order: Vec<usize> = (0..len).collect();
        order.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
        let mut numbers = vec![0.0; len];
        for (rank, at) in order.into_iter().enumerate() {
            let even = (rank as f32 + 0.25) / len as f32 * 4.0 - 2.0;
            numbers[at] = self.centre + (even * 4096.0).round() / 4096.0 + (seed % 2) as f32 / 8192.0;
        }
        Tensor::new(self.shape, numbers)
    }
}

fn line(shape: [usize; 4]) -> Operand {
    let [batch, channels, height, width] = shape;
    Operand::of(Shape::new(batch, channels, height, width), Along::Line)
}

fn curve(shape: [usize; 4]) -> Operand {
    Operand { along: Along::Curve, ..line(shape) }
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |form: &str, op: Op, operands: Vec<Operand>| {
        cases.push(Case { name: format!("{} {form}", op.operator().name()), op, operands });
    };
    convolutions(&mut add);
    pointwise(&mut add);
    moving(&mut add);
    reducing(&mut add);
    mixing(&mut add);
    of_weights(&mut add);
    of_training(&mut add);
    cases
}

type Add<'a> = &'a mut dyn FnMut(&str, Op, Vec<Operand>);

fn convolutions(add: Add<'_>) {
    // Kernel, stride, padding, groups; outputs, inputs; rows and columns.
    for ([kernel, stride, padding, groups], [out, within], [rows, columns]) in [
        ([3, 1, 1, 1], [4, 3], [5, 6]),
        ([3, 1, 0, 1], [4, 3], [5, 6]),
        ([3, 1, 2, 1], [2, 3], [5, 6]),
        ([3, 1, 3, 1], [2, 3], [4, 2]), // outputs that lie beside the picture
        ([1, 1, 0, 1], [4, 3], [3, 1]),
        ([1, 1, 1, 1], [4, 3], [3, 2]),
        ([5, 1, 2, 1], [2, 3], [4, 7]),
        ([3, 1, 1, 2], [6, 4], [5, 6]),
        ([3, 1, 1, 4], [4, 4], [5, 6]),
        ([5, 1, 1, 3], [6, 3], [5, 6]),
        ([3, 2, 0, 1], [4, 3], [7, 9]),
        ([3, 2, 0, 1], [4, 3], [8, 6]), // the last row and column are in no window
        ([3, 2, 1, 1], [4, 3], [7, 9]),
        ([3, 2, 1, 1], [4, 3], [8, 6]),
        ([3, 3, 0, 1], [2, 3], [8, 5]),
        ([5, 2, 2, 1], [2, 3], [8, 6]),
        ([1, 2, 0, 1], [2, 3], [5, 7]),
        ([3, 2, 1, 2], [6, 4], [8, 6]),
        ([3, 2, 0, 4], [4, 4], [7, 9]),
    ] {
        let op = Op::Conv2d(Conv2d { kernel, stride, padding, groups });
        let form = format!(
            "{within} to {out}, kernel {kernel}, stride {stride}, padding {padding}, {groups} groups, {rows}x{columns}"
        );
        let weight = line([out, within / groups, kernel, kernel]);
        add(&form, op, vec![line([2, within, rows, columns]), weight, line([1, out, 1, 1])]);
    }
    let without_bias = vec![line([2, 3, 4, 5]), line([2, 3, 3, 3])];
    add("without bias", Op::Conv2d(Conv2d::same(3)), without_bias);
    for [kernel, stride, padding, output_padding] in
        [[3, 2, 1, 1], [3, 2, 1, 0], [5, 2, 0, 1], [3, 3, 0, 2], [1, 1, 0, 0]]
    {
        let op = Op::ConvTranspose2d(ConvTranspose2d { kernel, stride, padding, output_padding });
        let form = format!("kernel {kernel}, stride {stride}, padding {padding}, {output_padding} more");
        add(&form, op, vec![line([2, 3, 4, 5]), line([3, 2, kernel, kernel]), line([1, 2, 1, 1])]);
    }
}

fn pointwise(add: Add<'_>) {
    let x = || curve([2, 3, 4, 5]);
    for op in [
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.1 },
        Activation::LeakyRelu { slope: 0.0 },
        Activation::LeakyRelu { slope: -0.5 },
        Activation::Gelu,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Tanh,
    ] {
        add(&format!("{op:?}"), Op::Activation(op), vec![x()]);
    }
    for slopes in [3, 1] {
        add("", Op::Activation(Activation::Prelu), vec![x(), line([1, slopes, 1, 1])]);
    }
    let a = [2, 3, 4, 5];
    for b in
        [a, [2, 3, 1, 1], [1, 3, 1, 1], [2, 1, 4, 5], [1, 1, 4, 5], [1, 1, 1, 1], [2, 1, 1, 1], [1, 3, 4, 5]]
    {
        for kind in [BinaryKind::Add, BinaryKind::Subtract, BinaryKind::Multiply, BinaryKind::Divide] {
            let second = match kind {
                BinaryKind::Divide => curve(b).around(3.0),
                _ => line(b),
            };
            add(&format!("{b:?}"), Op::Binary(Binary { kind }), vec![line(a), second]);
        }
    }
}

fn moving(add: Add<'_>) {
    add("", Op::Concat(Concat), vec![line([2, 3, 2, 3]), line([2, 1, 2, 3]), line([2, 2, 2, 3])]);
    for (start, channels) in [(0, 2), (2, 3), (5, 2), (0, 7)] {
        add(
            &format!("{channels} from {start}"),
            Op::Slice(Slice { start, channels }),
            vec![line([2, 7, 2, 3])],
        );
    }
    for scale in [2, 3] {
        add("", Op::PixelShuffle(PixelShuffle { scale }), vec![line([2, 2 * scale * scale, 2, 3])]);
        add("", Op::PixelUnshuffle(PixelUnshuffle { scale }), vec![line([2, 2, 2 * scale, 3 * scale])]);
    }
    for kind in [ResizeKind::Bicubic, ResizeKind::Bilinear, ResizeKind::Nearest] {
        for (scale, [rows, columns]) in [(2, [3, 5]), (3, [4, 2]), (4, [1, 3]), (1, [2, 2])] {
            let form = format!("{rows}x{columns} by {scale}");
            add(&form, Op::Resize(Resize::by(kind, scale)), vec![line([2, 2, rows, columns])]);
        }
    }
    // By 41 the quotient 2 / 82, taken in f32, is a little small.
    let nearest = Resize::by(ResizeKind::Nearest, 41);
    add("by 41", Op::Resize(nearest), vec![line([2, 1, 1, 2])]);
    for kind in [ResizeKind::Bilinear, ResizeKind::BilinearCorners, ResizeKind::Nearest] {
        for ([rows, columns], [height, width]) in
            [([3, 5], [7, 8]), ([7, 8], [3, 5]), ([4, 4], [4, 4]), ([1, 6], [5, 1]), ([2, 1], [1, 82])]
        {
            let form = format!("{rows}x{columns} to {height}x{width}");
            let operands = vec![line([2, 3, rows, columns]), line([2, 1, height, width])];
            add(&form, Op::ResizeTo(ResizeTo { kind }), operands);
        }
    }
}

fn reducing(add: Add<'_>) {
    for multiple in [1, 3, 8] {
        add("", Op::Canvas(Canvas::Multiples { of: multiple }), vec![line([2, 5, 4, 5])]);
    }
    for like in [[2, 6], [5, 3], [7, 9]] {
        let operands =
            vec![line([2, 5, 4, 5]), Operand { along: Along::Nothing, ..line([2, 1, like[0], like[1]]) }];
        add("", Op::Canvas(Canvas::Like), operands);
    }
    for size in [1, 2, 3] {
        add("", Op::AveragePool(AveragePool { size }), vec![line([2, 3, 2 * size, 3 * size])]);
    }
    for [size, stride] in [[2, 2], [3, 2], [3, 3], [2, 3], [7, 3], [1, 1]] {
        let op = Op::MaxPool(MaxPool { size, stride });
        add(&format!("{size}, stride {stride}"), op, vec![curve([2, 3, 8, 10])]);
    }
    let pool = |kind| Op::GlobalPool(GlobalPool::of_all(kind));
    add("", pool(GlobalPoolKind::Mean), vec![line([2, 3, 3, 7])]);
    add("", pool(GlobalPoolKind::Deviation), vec![curve([2, 3, 3, 7])]);
    add("", pool(GlobalPoolKind::Norm), vec![curve([2, 3, 3, 7])]);
}

fn mixing(add: Add<'_>) {
    let (weight, bias) = (line([1, 5, 1, 1]), line([1, 5, 1, 1]));
    add("", Op::LayerNorm(LayerNorm { epsilon: 0.01 }), vec![curve([2, 5, 3, 4]), weight, bias]);
    for ([size, shift], [heads, depth], [rows, columns]) in [
        ([[3; 2], [0; 2]], [2, 2], [6, 3]),
        ([[3; 2], [1; 2]], [2, 3], [7, 5]),
        ([[4; 2], [2; 2]], [1, 2], [6, 7]),
        ([[1; 2], [0; 2]], [2, 2], [2, 3]),
        ([[2, 4], [1, 2]], [2, 2], [5, 7]),
        ([[4, 1], [0, 0]], [1, 3], [6, 3]),
    ] {
        let op = Attention { heads, scale: 0.4, among: Among::Windows { size, shift } };
        let table = curve([size.map(|side| 2 * side - 1).iter().product(), heads, 1, 1]);
        let form = format!("{heads} heads, windows of {size:?} from {shift:?}, {rows}x{columns}");
        add(&form, Op::Attention(op), vec![curve([2, 3 * heads * depth, rows, columns]), table]);
    }
    for (count, [heads, depth], [rows, columns]) in [
        (4, [2, 2], [5, 3]), // what is left is a shorter run
        (1, [2, 2], [3, 3]),
        (2, [2, 2], [1, 4]),
        (4, [8, 3], [4, 6]),   // ESRT's heads
        (9, [1, 2], [2, 3]),   // more than there are pixels
        (4, [1, 5], [20, 15]), // more tokens than go at once
    ] {
        let op = Attention { heads, scale: 0.4, among: Among::Runs { count } };
        let form = format!("{heads} heads of {depth}, {count} runs, {rows}x{columns}");
        add(&form, Op::Attention(op), vec![curve([2, 3 * heads * depth, rows, columns])]);
    }
    for (kernel, channels, [rows, columns]) in
        [(3, 2, [4, 5]), (3, 5, [1, 3]), (1, 3, [2, 2]), (5, 1, [3, 7]), (5, 2, [2, 1])]
    {
        let form = format!("kernel {kernel}, {channels} channels, {rows}x{columns}");
        let operand = |channels| vec![line([2, channels, rows, columns])];
        add(&form, Op::Unfold(Unfold { kernel }), operand(channels));
        add(&form, Op::Fold(Fold { kernel }), operand(kernel * kernel * channels));
    }
    add("", Op::SpatialMask(SpatialMask), vec![curve([2, 2, 3, 4])]);
}

fn of_weights(add: Add<'_>) {
    let mut weight = |form: &str, op, operands| add(form, Op::Weight(op), operands);
    for magnitudes in [[4, 1, 1, 1], [1, 4, 1, 1]] {
        weight(
            &format!("{magnitudes:?}"),
            WeightOperation::Norm,
            vec![curve([4, 3, 3, 3]), line(magnitudes)],
        );
    }
    weight("", WeightOperation::Transpose, vec![line([4, 3, 3, 3])]);
    weight("", WeightOperation::Pad { rows: 1, columns: 2 }, vec![line([4, 3, 1, 3])]);
    weight("", WeightOperation::Crop { rows: 1, columns: 2 }, vec![line([4, 3, 5, 7])]);
    for groups in [1, 2, 4] {
        weight(&format!("{groups}"), WeightOperation::Flip { groups }, vec![line([8, 3, 3, 5])]);
    }
    for layer in [0, 2] {
        weight("", WeightOperation::ChannelLogit { layer }, vec![line([1, 5, 3, 2])]);
    }
}

fn of_training(add: Add<'_>) {
    let mut training = |form: &str, op, operands| add(form, Op::Training(op), operands);
    let shape = [2, 3, 4, 5];
    for kind in [Loss::L1, Loss::Charbonnier { epsilon: 0.01 }, Loss::MeanSquare] {
        training(&format!("{kind:?}"), TrainingOperation::Loss(kind), vec![curve(shape), curve(shape)]);
    }
    for [batch, channels, pixels] in (0..8).map(|at| [1, 2, 4].map(|bit| at & bit != 0)) {
        let axes = Axes { batch, channels, pixels };
        training(&format!("{axes:?}"), TrainingOperation::Sum(axes), vec![line(shape)]);
    }
    for from in [[1, 1, 1, 1], [2, 3, 1, 1], [1, 3, 4, 5], [2, 1, 4, 5], shape] {
        let to = TrainingOperation::Broadcast { shape: Shape::new(2, 3, 4, 5) };
        training(&format!("{from:?}"), to, vec![line(from)]);
    }
    for [rows, columns] in [[3, 3], [4, 3], [3, 7], [6, 5]] {
        let form = format!("{rows}x{columns}");
        training(&form, TrainingOperation::Blur, vec![line([2, 3, rows, columns])]);
        training(&form, TrainingOperation::BlurGradient, vec![line([2, 3, rows, columns])]);
    }
    // One number lies 1 below what it lies around, and goes in times 1.5.
    for (channels, radius) in [(1, 0.5), (3, 0.0), (3, 0.3), (4, 0.5), (5, 0.6), (5, 0.7), (16, 0.8)] {
        let given = Operand { along: Along::Nothing, ..curve([1; 4]).around(1.0 + radius / 1.5) };
        let operands = vec![curve([2, channels, 2, 3]), given];
        let form = format!("{channels} channels, {radius}");
        training(&form, TrainingOperation::Sparsestmax, operands);
    }
    for (before, after) in [(0, 2), (3, 0), (1, 1)] {
        training("", TrainingOperation::PadChannels { before, after }, vec![line(shape)]);
    }
}
