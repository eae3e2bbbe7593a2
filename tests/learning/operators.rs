//! Every operator alone between its inputs and a loss, `Σ incoming · output`, read twice: once more by −½ · incoming, so
//! that gradients are added up, and half of the golden ones come out.

use std::collections::BTreeSet;

use sparsr::Error;
use sparsr::low_level::graph::{
    Activation, Among, Attention, AveragePool, Axes, Binary, BinaryKind, Builder, Concat, Conv2d,
    ConvTranspose2d, Fold, GlobalPool, GlobalPoolKind, Graph, LayerNorm, Loss, MaxPool, Op, Parameters,
    PixelShuffle, PixelUnshuffle, Resize, ResizeKind, ResizeTo, Slice, TrainingOperation, Unfold, Value,
    WeightOperation,
};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use crate::{differences, golden, is_learnt, run, tensor};

/// A case's name and its operator.
type Row = (&'static str, fn() -> Op);

/// The cases of `operators.py` but for those that [`cases`] adds.
#[rustfmt::skip]
const CASES: &[Row] = &[
    ("conv2d/same3",              || conv2d(3, 1, 1, 1)),
    ("conv2d/same3_without_bias", || conv2d(3, 1, 1, 1)),
    ("conv2d/one_pixel",          || conv2d(3, 1, 1, 1)),
    ("conv2d/wide",               || conv2d(3, 1, 1, 1)),
    ("conv2d/valid3",             || conv2d(3, 1, 0, 1)),
    ("conv2d/stride2_valid",      || conv2d(3, 2, 0, 1)),
    ("conv2d/stride2",            || conv2d(3, 2, 1, 1)),
    ("conv2d/stride2_even",       || conv2d(3, 2, 1, 1)),
    ("conv2d/stride3_pointwise",  || conv2d(1, 3, 0, 1)),
    ("conv2d/pointwise",          || conv2d(1, 1, 0, 1)),
    ("conv2d/same5",              || conv2d(5, 1, 2, 1)),
    ("conv2d/depthwise",          || conv2d(3, 1, 1, 6)),
    ("conv2d/depthwise_stride2",  || conv2d(3, 2, 0, 5)),
    ("conv2d/groups",             || conv2d(3, 1, 1, 3)),
    ("conv2d/groups_stride2",     || conv2d(3, 2, 1, 3)),

    ("conv_transpose2d/k3s2p1o1", || conv_transpose2d(3, 2, 1, 1)),
    ("conv_transpose2d/k5s3p2o2", || conv_transpose2d(5, 3, 2, 2)),

    ("activation/relu",         || Op::Activation(Activation::Relu)),
    ("activation/leaky_relu",   || Op::Activation(Activation::LeakyRelu { slope: 0.1 })),
    ("activation/prelu",        || Op::Activation(Activation::Prelu)),
    ("activation/prelu_shared", || Op::Activation(Activation::Prelu)),
    ("activation/gelu",         || Op::Activation(Activation::Gelu)),
    ("activation/silu",         || Op::Activation(Activation::Silu)),
    ("activation/sigmoid",      || Op::Activation(Activation::Sigmoid)),
    ("activation/tanh",         || Op::Activation(Activation::Tanh)),

    ("concat/three",  || Op::Concat(Concat)),
    ("slice/middle",  || Op::Slice(Slice { start: 3, channels: 5 })),

    ("average_pool/2",        || Op::AveragePool(AveragePool { size: 2 })),
    ("average_pool/3",        || Op::AveragePool(AveragePool { size: 3 })),
    ("max_pool/7_3",          || Op::MaxPool(MaxPool { size: 7, stride: 3 })),
    ("max_pool/2_2",          || Op::MaxPool(MaxPool { size: 2, stride: 2 })),
    ("global_pool/mean",      || Op::GlobalPool(GlobalPool::of_all(GlobalPoolKind::Mean))),
    ("global_pool/deviation", || Op::GlobalPool(GlobalPool::of_all(GlobalPoolKind::Deviation))),
    ("global_pool/norm",      || Op::GlobalPool(GlobalPool::of_all(GlobalPoolKind::Norm))),

    ("pixel_shuffle/2",   || Op::PixelShuffle(PixelShuffle { scale: 2 })),
    ("pixel_shuffle/3",   || Op::PixelShuffle(PixelShuffle { scale: 3 })),
    ("pixel_unshuffle/2", || Op::PixelUnshuffle(PixelUnshuffle { scale: 2 })),
    ("pixel_unshuffle/3", || Op::PixelUnshuffle(PixelUnshuffle { scale: 3 })),

    ("resize/nearest2",  || resize(ResizeKind::Nearest, 2)),
    ("resize/nearest3",  || resize(ResizeKind::Nearest, 3)),
    ("resize/bilinear2", || resize(ResizeKind::Bilinear, 2)),
    ("resize/bilinear3", || resize(ResizeKind::Bilinear, 3)),
    ("resize/bicubic2",  || resize(ResizeKind::Bicubic, 2)),
    ("resize/bicubic3",  || resize(ResizeKind::Bicubic, 3)),

    ("layer_norm/channels", || Op::LayerNorm(LayerNorm { epsilon: 1e-5 })),

    ("attention/windows",                || attention(2, 3, Among::squares(4, 0))),
    ("attention/windows_shifted",        || attention(2, 3, Among::squares(4, 2))),
    ("attention/windows_shifted_by_one", || attention(1, 3, Among::squares(3, 1))),
    ("attention/runs",                   || attention(2, 2, Among::Runs { count: 4 })),

    ("unfold/3", || Op::Unfold(Unfold { kernel: 3 })),
    ("unfold/5", || Op::Unfold(Unfold { kernel: 5 })),
    ("fold/3",   || Op::Fold(Fold { kernel: 3 })),
    ("fold/5",   || Op::Fold(Fold { kernel: 5 })),

    ("weight/norm",          || Op::Weight(WeightOperation::Norm)),
    ("weight/norm_axes",     || Op::Weight(WeightOperation::Norm)),
    ("weight/transpose",     || Op::Weight(WeightOperation::Transpose)),
    ("weight/pad",           || Op::Weight(WeightOperation::Pad { rows: 1, columns: 0 })),
    ("weight/channel_logit", || Op::Weight(WeightOperation::ChannelLogit { layer: 1 })),

    ("loss/l1",          || loss(Loss::L1)),
    ("loss/charbonnier", || loss(Loss::Charbonnier { epsilon: 1e-3 })),
    ("loss/mse",         || loss(Loss::MeanSquare)),
];

fn conv2d(kernel: usize, stride: usize, padding: usize, groups: usize) -> Op {
    Op::Conv2d(Conv2d { kernel, stride, padding, groups })
}

fn conv_transpose2d(kernel: usize, stride: usize, padding: usize, output_padding: usize) -> Op {
    Op::ConvTranspose2d(ConvTranspose2d { kernel, stride, padding, output_padding })
}

fn resize(kind: ResizeKind, scale: usize) -> Op {
    Op::Resize(Resize::by(kind, scale))
}

fn attention(heads: usize, depth: usize, among: Among) -> Op {
    Op::Attention(Attention { heads, scale: (depth as f32).powf(-0.5), among })
}

fn loss(loss: Loss) -> Op {
    Op::Training(TrainingOperation::Loss(loss))
}

/// [`CASES`], every kind of sum, product and the like with every way that its second operand is repeated in, and every
/// way of resizing to a size.
fn cases() -> Vec<(String, Op)> {
    let mut cases: Vec<(String, Op)> = CASES.iter().map(|(name, op)| ((*name).to_owned(), op())).collect();
    for (name, kind) in [
        ("add", BinaryKind::Add),
        ("subtract", BinaryKind::Subtract),
        ("multiply", BinaryKind::Multiply),
        ("divide", BinaryKind::Divide),
    ] {
        let repeated = ["", "_pixel", "_channel", "_filter", "_number"];
        cases.extend(repeated.map(|how| (format!("binary/{name}{how}"), Op::Binary(Binary { kind }))));
    }
    for (name, kind) in [
        ("bilinear", ResizeKind::Bilinear),
        ("corners", ResizeKind::BilinearCorners),
        ("nearest", ResizeKind::Nearest),
    ] {
        let ways = ["up", "down", "from_one_pixel"];
        cases.extend(ways.map(|way| (format!("resize_to/{name}_{way}"), Op::ResizeTo(ResizeTo { kind }))));
    }
    cases
}

/// A case's tensors.
struct Case<'a> {
    name: &'a str,
    golden: &'a Weights,
}

impl Case<'_> {
    fn get(&self, tensor: &str) -> Option<&Parameter> {
        self.golden.get(&format!("{}/{tensor}", self.name))
    }

    /// `<kind>0`, `<kind>1`, …
    fn all(&self, kind: &str) -> Vec<Parameter> {
        (0..).map_while(|at| self.get(&format!("{kind}{at}")).cloned()).collect()
    }

    /// The loss's graph, its gradients with respect to all inputs as outputs behind it, and the first input.
    fn graph(&self, op: &Op) -> Result<(Graph, Parameters, Tensor), Error> {
        let inputs = self.all("input");
        let picture =
            if is_learnt(op, inputs.len(), 0) { &Parameter::new([1], vec![0.0]) } else { &inputs[0] };
        let picture = tensor(picture);
        let (mut b, x) = Builder::new(self.name, picture.shape(), 1.0);
        let read = |(at, numbers): (usize, &Parameter)| match at {
            _ if is_learnt(op, inputs.len(), at) => b.parameter(format!("input{at}"), numbers).unwrap(),
            0 => x,
            _ => b.constant(format!("input{at}"), tensor(numbers)).unwrap(),
        };
        let values: Vec<Value> = inputs.iter().enumerate().map(read).collect();
        let loss = self.loss(&mut b, op, &values);
        let (graph, parameters) = b.finish(loss).unwrap();
        Ok((graph.gradient(loss, &values)?, parameters, picture))
    }

    /// What is wrong.
    fn check(&self, op: &Op) -> Vec<String> {
        let (graph, parameters, picture) = match self.graph(op) {
            Ok(made) => made,
            Err(error) => return vec![format!("{}: {error}", self.name)],
        };
        let found = run(&graph, &parameters, &[&picture])
            .into_iter()
            .map(|mut outputs| outputs.split_off(1))
            .collect::<Vec<_>>();
        let expected = self.all("gradient").into_iter().enumerate();
        let expected: Vec<(String, Tensor)> =
            expected.map(|(at, numbers)| (format!("gradient{at}"), tensor(&numbers))).collect();
        differences(self.name, &found, &expected, 0.5)
    }

    /// `Σ incoming · y − ½ Σ incoming · y`, where both y are made by nodes of their own.
    fn loss(&self, b: &mut Builder, op: &Op, values: &[Value]) -> Value {
        let incoming = tensor(self.get("incoming").unwrap());
        let Shape { batch, height, width, .. } = incoming.shape();
        let mut values = values.to_vec();
        if matches!(op, Op::ResizeTo(_)) {
            let like = Tensor::zeros(Shape::new(batch, 1, height, width));
            values.push(b.constant("like", like).unwrap());
        }
        let mut sum = |factor: f32| {
            let numbers = incoming.values().iter().map(|number| factor * number).collect();
            let incoming = b.constant("incoming", Tensor::new(incoming.shape(), numbers)).unwrap();
            let y = b.append("y", op.clone(), &values).unwrap();
            let product = b.multiply("product", y, incoming).unwrap();
            b.append("sum", Op::Training(TrainingOperation::Sum(Axes::ALL)), &[product]).unwrap()
        };
        let (once, less) = (sum(1.0), sum(-0.5));
        b.add("loss", once, less).unwrap()
    }
}

#[test]
fn every_operator_gives_pytorchs_gradient() {
    let (golden, cases) = (golden("operators"), cases());
    let on_file: BTreeSet<&str> = golden.names().map(|name| name.rsplit_once('/').unwrap().0).collect();
    let in_table: BTreeSet<&str> = cases.iter().map(|(name, _)| &**name).collect();
    assert_eq!(on_file, in_table, "operators.py and the tables have the same cases");

    let wrong: Vec<String> =
        cases.iter().flat_map(|(name, op)| Case { name, golden: &golden }.check(op)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
