//! The CPU engine and the oracle against PyTorch, operator by operator, on awkward shapes.
//!
//! The expected numbers are made by `tests/golden/operators.py`; `CASES` adds to each case the attributes
//! that the script used. A case on one side only is a failure.

use std::collections::BTreeSet;

use safetensors::SafeTensors;
use sparsr::low_level::graph::{
    Activation, AdaptiveMaxPool, Among, Attention, AveragePool, Binary, BinaryKind, Builder, Concat, Conv2d,
    ConvTranspose2d, Fold, GlobalPool, GlobalPoolKind, LayerNorm, MaskedConv2d, MaxPool, Op, PixelShuffle,
    PixelUnshuffle, Resize, ResizeKind, ResizeTo, Slice, SpatialMask, Unfold,
};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::{cpu, oracle};

/// Largest error, as a share of the largest expected number (or of 1, if that is less): PyTorch adds up in another
/// order.
const TOLERANCE: f32 = 1e-6;

/// What operators learn, in the order of their inputs.
const LEARNED: [&str; 3] = ["weight", "bias", "slope"];

/// A case's name, its inputs in order but for what is [`LEARNED`], its operator.
type Row = (&'static str, &'static [&'static str], fn(&Case<'_>) -> Op);

/// The cases of `operators.py`.
#[rustfmt::skip]
const CASES: &[Row] = &[
    ("conv2d/pointwise",        &["input"], |case| conv2d(case, 1, 0, 1)),
    ("conv2d/pointwise_padded", &["input"], |case| conv2d(case, 1, 1, 1)),
    ("conv2d/same3",            &["input"], |case| conv2d(case, 1, 1, 1)),
    ("conv2d/same5",            &["input"], |case| conv2d(case, 1, 2, 1)),
    ("conv2d/valid3",           &["input"], |case| conv2d(case, 1, 0, 1)),
    ("conv2d/wide_padding",     &["input"], |case| conv2d(case, 1, 2, 1)),
    ("conv2d/one_pixel",        &["input"], |case| conv2d(case, 1, 1, 1)),
    ("conv2d/stride2",          &["input"], |case| conv2d(case, 2, 1, 1)),
    ("conv2d/stride2_even",     &["input"], |case| conv2d(case, 2, 1, 1)),
    ("conv2d/stride3_valid",    &["input"], |case| conv2d(case, 3, 0, 1)),
    ("conv2d/groups",           &["input"], |case| conv2d(case, 1, 1, 3)),
    ("conv2d/depthwise",        &["input"], |case| conv2d(case, 1, 1, 5)),

    ("masked_conv2d/half",            &["input", "mask"], |case| masked_conv2d(case, 2, 3)),
    ("masked_conv2d/batch",           &["input", "mask"], |case| masked_conv2d(case, 1, 2)),
    ("masked_conv2d/none",            &["input", "mask"], |case| masked_conv2d(case, 2, 1)),
    ("masked_conv2d/one",             &["input", "mask"], |case| masked_conv2d(case, 1, 2)),
    ("masked_conv2d/all",             &["input", "mask"], |case| masked_conv2d(case, 2, 2)),
    ("masked_conv2d/all_dense",       &["input", "mask"], |case| masked_conv2d(case, 3, 4)),
    ("masked_conv2d/all_sparse",      &["input", "mask"], |case| masked_conv2d(case, 0, 0)),
    ("masked_conv2d/sparse_to_dense", &["input", "mask"], |case| masked_conv2d(case, 0, 4)),
    ("masked_conv2d/pointwise",       &["input", "mask"], |case| masked_conv2d(case, 5, 1)),
    ("masked_conv2d/same5",           &["input", "mask"], |case| masked_conv2d(case, 1, 1)),

    ("conv_transpose2d/k3s2p1o1",  &["input"], |case| conv_transpose2d(case, 2, 1, 1)),
    ("conv_transpose2d/k2s2",      &["input"], |case| conv_transpose2d(case, 2, 0, 0)),
    ("conv_transpose2d/k4s2p1",    &["input"], |case| conv_transpose2d(case, 2, 1, 0)),
    ("conv_transpose2d/k3s1",      &["input"], |case| conv_transpose2d(case, 1, 0, 0)),
    ("conv_transpose2d/k3s4",      &["input"], |case| conv_transpose2d(case, 4, 0, 3)),
    ("conv_transpose2d/one_pixel", &["input"], |case| conv_transpose2d(case, 2, 1, 1)),

    ("activation/relu",         &["input"], |_| Op::Activation(Activation::Relu)),
    ("activation/leaky_relu",   &["input"], |_| Op::Activation(Activation::LeakyRelu { slope: 0.1 })),
    ("activation/prelu",        &["input"], |_| Op::Activation(Activation::Prelu)),
    ("activation/prelu_shared", &["input"], |_| Op::Activation(Activation::Prelu)),
    ("activation/gelu",         &["input"], |_| Op::Activation(Activation::Gelu)),
    ("activation/sigmoid",      &["input"], |_| Op::Activation(Activation::Sigmoid)),

    ("binary/add",              &["input0", "input1"], |_| binary(BinaryKind::Add)),
    ("binary/add_pixel",        &["input0", "input1"], |_| binary(BinaryKind::Add)),
    ("binary/add_channel",      &["input0", "input1"], |_| binary(BinaryKind::Add)),
    ("binary/multiply",         &["input0", "input1"], |_| binary(BinaryKind::Multiply)),
    ("binary/multiply_pixel",   &["input0", "input1"], |_| binary(BinaryKind::Multiply)),
    ("binary/multiply_channel", &["input0", "input1"], |_| binary(BinaryKind::Multiply)),

    ("concat/three",  &["input0", "input1", "input2"], |_| Op::Concat(Concat)),
    ("concat/single", &["input0"],                     |_| Op::Concat(Concat)),

    ("average_pool/2",                &["input"], |_| Op::AveragePool(AveragePool { size: 2 })),
    ("average_pool/3",                &["input"], |_| Op::AveragePool(AveragePool { size: 3 })),
    ("global_average_pool/odd",       &["input"], |_| global_pool(GlobalPoolKind::Mean)),
    ("global_average_pool/one_pixel", &["input"], |_| global_pool(GlobalPoolKind::Mean)),

    ("pixel_shuffle/2", &["input"], |_| Op::PixelShuffle(PixelShuffle { scale: 2 })),
    ("pixel_shuffle/3", &["input"], |_| Op::PixelShuffle(PixelShuffle { scale: 3 })),
    ("pixel_shuffle/4", &["input"], |_| Op::PixelShuffle(PixelShuffle { scale: 4 })),

    ("resize/bicubic2",          &["input"], |_| resize(ResizeKind::Bicubic, 2)),
    ("resize/bicubic3",          &["input"], |_| resize(ResizeKind::Bicubic, 3)),
    ("resize/bicubic4",          &["input"], |_| resize(ResizeKind::Bicubic, 4)),
    ("resize/bicubic_one_pixel", &["input"], |_| resize(ResizeKind::Bicubic, 2)),
    ("resize/bicubic_row",       &["input"], |_| resize(ResizeKind::Bicubic, 3)),
    ("resize/nearest2",          &["input"], |_| resize(ResizeKind::Nearest, 2)),
    ("resize/nearest3",          &["input"], |_| resize(ResizeKind::Nearest, 3)),
    ("resize/nearest4",          &["input"], |_| resize(ResizeKind::Nearest, 4)),

    ("spatial_mask/ties", &["input"], |_| Op::SpatialMask(SpatialMask)),

    ("activation/silu", &["input"], |_| Op::Activation(Activation::Silu)),
    ("activation/tanh", &["input"], |_| Op::Activation(Activation::Tanh)),

    ("binary/subtract",         &["input0", "input1"], |_| binary(BinaryKind::Subtract)),
    ("binary/subtract_pixel",   &["input0", "input1"], |_| binary(BinaryKind::Subtract)),
    ("binary/subtract_channel", &["input0", "input1"], |_| binary(BinaryKind::Subtract)),
    ("binary/divide",           &["input0", "input1"], |_| binary(BinaryKind::Divide)),
    ("binary/divide_pixel",     &["input0", "input1"], |_| binary(BinaryKind::Divide)),
    ("binary/divide_channel",   &["input0", "input1"], |_| binary(BinaryKind::Divide)),

    ("slice/middle", &["input"], |_| Op::Slice(Slice { start: 3, channels: 5 })),
    ("slice/half",   &["input"], |_| Op::Slice(Slice { start: 3, channels: 3 })),

    ("max_pool/7_3",               &["input"], |_| Op::MaxPool(MaxPool { size: 7, stride: 3 })),
    ("max_pool/2_2",               &["input"], |_| Op::MaxPool(MaxPool { size: 2, stride: 2 })),
    ("adaptive_max_pool/8",        &["input"], |_| Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor: 8 })),
    ("adaptive_max_pool/3",        &["input"], |_| Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor: 3 })),
    ("global_deviation/odd",       &["input"], |_| global_pool(GlobalPoolKind::Deviation)),
    ("global_deviation/one_pixel", &["input"], |_| global_pool(GlobalPoolKind::Deviation)),
    ("global_norm/odd",            &["input"], |_| global_pool(GlobalPoolKind::Norm)),

    ("pixel_unshuffle/2", &["input"], |_| Op::PixelUnshuffle(PixelUnshuffle { scale: 2 })),
    ("pixel_unshuffle/3", &["input"], |_| Op::PixelUnshuffle(PixelUnshuffle { scale: 3 })),
    ("pixel_unshuffle/4", &["input"], |_| Op::PixelUnshuffle(PixelUnshuffle { scale: 4 })),

    ("resize/bilinear2",          &["input"], |_| resize(ResizeKind::Bilinear, 2)),
    ("resize/bilinear3",          &["input"], |_| resize(ResizeKind::Bilinear, 3)),
    ("resize/bilinear4",          &["input"], |_| resize(ResizeKind::Bilinear, 4)),
    ("resize/bilinear_one_pixel", &["input"], |_| resize(ResizeKind::Bilinear, 2)),

    ("resize_to/bilinear_up",           &["input0", "input1"], |_| resize_to(ResizeKind::Bilinear)),
    ("resize_to/bilinear_down",         &["input0", "input1"], |_| resize_to(ResizeKind::Bilinear)),
    ("resize_to/bilinear_up_and_down",  &["input0", "input1"], |_| resize_to(ResizeKind::Bilinear)),
    ("resize_to/bilinear_to_one_pixel", &["input0", "input1"], |_| resize_to(ResizeKind::Bilinear)),
    ("resize_to/corners_up",            &["input0", "input1"], |_| resize_to(ResizeKind::BilinearCorners)),
    ("resize_to/corners_down",          &["input0", "input1"], |_| resize_to(ResizeKind::BilinearCorners)),
    ("resize_to/corners_up_and_down",   &["input0", "input1"], |_| resize_to(ResizeKind::BilinearCorners)),
    ("resize_to/corners_to_one_pixel",  &["input0", "input1"], |_| resize_to(ResizeKind::BilinearCorners)),
    ("resize_to/nearest_up",            &["input0", "input1"], |_| resize_to(ResizeKind::Nearest)),
    ("resize_to/nearest_down",          &["input0", "input1"], |_| resize_to(ResizeKind::Nearest)),
    ("resize_to/nearest_up_and_down",   &["input0", "input1"], |_| resize_to(ResizeKind::Nearest)),
    ("resize_to/nearest_to_one_pixel",  &["input0", "input1"], |_| resize_to(ResizeKind::Nearest)),

    ("unfold/3", &["input"], |_| Op::Unfold(Unfold { kernel: 3 })),
    ("unfold/5", &["input"], |_| Op::Unfold(Unfold { kernel: 5 })),
    ("fold/3",   &["input"], |_| Op::Fold(Fold { kernel: 3 })),

    ("layer_norm/channels",      &["input"], |_| Op::LayerNorm(LayerNorm { epsilon: 1e-5 })),
    ("layer_norm/large_epsilon", &["input"], |_| Op::LayerNorm(LayerNorm { epsilon: 0.5 })),

    ("attention/windows",                 &["input"], |case| in_windows(case, 4, 0)),
    ("attention/windows_shifted",         &["input"], |case| in_windows(case, 4, 2)),
    ("attention/windows_shifted_by_one",  &["input"], |case| in_windows(case, 3, 1)),
    ("attention/windows_cut",             &["input"], |case| in_windows(case, 3, 0)),
    ("attention/windows_cut_and_shifted", &["input"], |case| in_windows(case, 3, 2)),
    ("attention/runs",                    &["input"], |case| attention(case, 2, Among::Runs { count: 4 })),
    ("attention/runs_that_fit",           &["input"], |case| attention(case, 1, Among::Runs { count: 4 })),
];

fn conv2d(case: &Case<'_>, stride: usize, padding: usize, groups: usize) -> Op {
    Op::Conv2d(Conv2d { kernel: case.kernel(), stride, padding, groups })
}

fn masked_conv2d(case: &Case<'_>, dense_inputs: usize, dense_outputs: usize) -> Op {
    Op::MaskedConv2d(MaskedConv2d { kernel: case.kernel(), dense_inputs, dense_outputs })
}

fn conv_transpose2d(case: &Case<'_>, stride: usize, padding: usize, output_padding: usize) -> Op {
    Op::ConvTranspose2d(ConvTranspose2d { kernel: case.kernel(), stride, padding, output_padding })
}

fn binary(kind: BinaryKind) -> Op {
    Op::Binary(Binary { kind })
}

fn resize(kind: ResizeKind, scale: usize) -> Op {
    Op::Resize(Resize::by(kind, scale))
}

fn resize_to(kind: ResizeKind) -> Op {
    Op::ResizeTo(ResizeTo { kind })
}

fn global_pool(kind: GlobalPoolKind) -> Op {
    Op::GlobalPool(GlobalPool::of_all(kind))
}

/// As many heads as the table of biases has columns.
fn in_windows(case: &Case<'_>, size: usize, shift: usize) -> Op {
    let table = case.parameter("bias").unwrap();
    attention(case, table.dims()[1], Among::squares(size, shift))
}

/// Its scale is 1 / √depth.
fn attention(case: &Case<'_>, heads: usize, among: Among) -> Op {
    let depth = case.tensor("input").shape().channels / 3 / heads;
    Op::Attention(Attention { heads, scale: (depth as f32).powf(-0.5), among })
}

/// The tensors under one name of the golden file.
struct Case<'a> {
    name: &'a str,
    golden: &'a SafeTensors<'a>,
}

impl Case<'_> {
    fn parameter(&self, tensor: &str) -> Option<Parameter> {
        let view = self.golden.tensor(&format!("{}/{tensor}", self.name)).ok()?;
        let numbers = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        Some(Parameter::new(view.shape(), numbers.collect::<Vec<f32>>()))
    }

    fn tensor(&self, tensor: &str) -> Tensor {
        let found = self.parameter(tensor).unwrap_or_else(|| panic!("{}/{tensor} is golden", self.name));
        let &[n, c, h, w] = found.dims() else { panic!("{}/{tensor} has four axes", self.name) };
        Tensor::new(Shape::new(n, c, h, w), found.values().to_vec())
    }

    /// The side of the weight's kernel.
    fn kernel(&self) -> usize {
        *self.parameter("weight").unwrap().dims().last().unwrap()
    }

    /// Runs the operator alone in a graph, on the first input; the others are constants, and behind them come the
    /// parameters. What each engine makes of it.
    fn run(&self, inputs: &[&str], op: Op) -> [(&'static str, Tensor); 2] {
        let picture = self.tensor(inputs[0]);
        let (mut b, x) = Builder::new(self.name, picture.shape(), 1.0);
        let mut values = vec![x];
        values.extend(inputs[1..].iter().map(|input| b.constant(*input, self.tensor(input)).unwrap()));
        for name in LEARNED {
            values.extend(self.parameter(name).map(|numbers| b.parameter(name, &numbers).unwrap()));
        }
        let output = b.append(self.name, op, &values).unwrap();
        let (graph, parameters) = b.finish(output).unwrap();
        let by_cpu = cpu::run(&graph, &parameters, &picture).unwrap();
        let by_oracle = oracle::run(&graph, &parameters, &[&picture]).unwrap()[output.index()].to_tensor();
        [("the CPU engine", by_cpu), ("the oracle", by_oracle)]
    }
}

/// The largest difference and where, if it is too large; a difference that is NaN is.
fn difference(found: &Tensor, expected: &Tensor) -> Option<String> {
    if found.shape() != expected.shape() {
        return Some(format!("expected a shape of {}, found {}", expected.shape(), found.shape()));
    }
    let scale = expected.values().iter().fold(1.0, |scale: f32, value| scale.max(value.abs()));
    let differences = expected.values().iter().zip(found.values()).map(|(a, b)| (a - b).abs());
    let (index, largest) = differences.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let (expected, found) = (expected.values()[index], found.values()[index]);
    let too_large = largest.is_nan() || largest > TOLERANCE * scale;
    too_large.then(|| format!("expected {expected} at {index}, found {found}"))
}

#[test]
fn every_operator_says_what_pytorch_says() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/operators.safetensors"));
    let bytes = bytes.expect("tests/golden/operators.py makes the file");
    let golden = SafeTensors::deserialize(&bytes).unwrap();

    let on_file: BTreeSet<&str> =
        golden.names().iter().map(|name| name.rsplit_once('/').unwrap().0).collect();
    let in_table: BTreeSet<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(on_file, in_table, "operators.py and CASES have the same cases");

    let failures: Vec<String> = CASES
        .iter()
        .flat_map(|(name, inputs, op)| {
            let case = Case { name, golden: &golden };
            let (found, expected) = (case.run(inputs, op(&case)), case.tensor("output"));
            found.into_iter().filter_map(move |(engine, found)| {
                difference(&found, &expected).map(|difference| format!("{name}, {engine}: {difference}"))
            })
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_difference_is_seen() {
    let tensor = |values: [f32; 3]| Tensor::new(Shape::new(1, 1, 1, 3), values.to_vec());
    let expected = tensor([0.0, 10.0, -3.0]);
    for (found, seen) in [
        (tensor([0.0, 10.0, -3.0]), None),
        (tensor([0.0, 10.000_005, -3.0]), None),
        (tensor([0.0, 10.0, -3.1]), Some("expected -3 at 2, found -3.1")),
        (tensor([0.0, f32::NAN, -3.0]), Some("expected 10 at 1, found NaN")),
        (Tensor::zeros(Shape::new(1, 3, 1, 1)), Some("expected a shape of 1x1x1x3, found 1x3x1x1")),
    ] {
        assert_eq!(difference(&found, &expected).as_deref(), seen);
    }
}
