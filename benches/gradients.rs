//! Backward operators on the CPU engine and by the kernels, one by one, at the sizes of training: sixteen patches of 48×48.
//!
//! Each is held against the oracle on a small, odd size before it is timed. A run of the CPU engine includes what graphs'
//! edges cost: inputs are laid out as the engine wants them, and so is what comes out. A run of kernels begins and ends on
//! the device, on what the run before left in the inputs' slots: other numbers, the same work.

mod support;

use criterion::{Criterion, Throughput};
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{
    Activation, Among, Attention, Axes, Builder, Conv2d, Graph, Input, MaxPool, Op, Parameters, ResizeKind,
    TrainingOperation, WeightOperation,
};
use sparsr::low_level::plan::{Ends, Options, Places, Plan};
use sparsr::low_level::tensor::{Shape, Tensor, pack, unpack};
use sparsr::low_level::{cpu, oracle};
use support::{Machine, seeded};

/// A graph of one operator and what goes in.
struct Case {
    graph: Graph,
    inputs: Vec<Tensor>,
}

impl Case {
    fn new(op: &Op, shapes: &[Shape]) -> Self {
        let (mut b, first) = Builder::new("gradient", shapes[0], 1.0);
        let mut inputs = vec![first];
        for shape in &shapes[1..] {
            inputs.push(b.append("input", Op::Input(Input { shape: *shape }), &[]).expect("an input"));
        }
        let output = b.append("operator", op.clone(), &inputs).expect("shapes fit");
        let noise = shapes.iter().zip(1..).map(|(shape, seed)| seeded::noise(*shape, seed));
        Self { graph: b.finish(output).unwrap().0, inputs: noise.collect() }
    }

    fn run(&self, buffers: &mut cpu::Buffers) -> Tensor {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let outputs = cpu::run_all(&self.graph, &Parameters::new(), &inputs, buffers);
        outputs.expect("inputs of the graph's shapes").remove(0)
    }

    /// On a device, with its inputs there.
    fn session(&self, machine: &Machine) -> (Session, Tensor) {
        let places = Places::of(&Parameters::new());
        let plan =
            Plan::training(&self.graph, &places, Ends::Read, &Options::default(), machine.gpu.limits());
        let mut session = machine.session(&plan.expect("it has kernels"), &Parameters::new());
        let given: Vec<Vec<f32>> = self.inputs.iter().map(pack).collect();
        let others: Vec<&[f32]> = given[1..].iter().map(Vec::as_slice).collect();
        session.submit(Some(bytemuck::cast_slice(&given[0])), &others).expect("the device is there");
        let words = session.collect().expect("the device is there").remove(0);
        let output = unpack(self.graph.node(self.graph.output()).shape, bytemuck::cast_slice(&words));
        (session, output)
    }

    fn expected(&self) -> Tensor {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let values = oracle::run(&self.graph, &Parameters::new(), &inputs).expect("inputs of its shapes");
        values.last().expect("the operator").to_tensor()
    }

    /// What a run does: multiply-adds, or numbers that come and go.
    fn work(&self) -> Throughput {
        let macs = self.graph.macs().total();
        let numbers = |shape: Shape| 4 * shape.len() as u64;
        let moved = self.graph.nodes().iter().map(|node| numbers(node.shape)).sum();
        if macs > 0 { Throughput::Elements(2 * macs) } else { Throughput::Bytes(moved) }
    }
}

/// Every operator with the shapes that it reads where pictures have this batch and side.
fn operators(batch: usize, side: usize) -> Vec<(&'static str, Op, Vec<Shape>)> {
    let patch = |channels: usize| Shape::new(batch, channels, side, side);
    let training = Op::Training;
    let weight = |channels: usize| Shape::new(channels, channels, 3, 3);
    let attention = Attention { heads: 6, scale: 0.3, among: Among::squares(8, 4) };
    let (qkv, table) = (patch(180), Shape::new(225, 6, 1, 1));
    let pool = MaxPool { size: 7, stride: 3 };
    let pooled = patch(16).with_size((side - 7) / 3 + 1, (side - 7) / 3 + 1);
    let enlarged = patch(3).with_size(2 * side, 2 * side);
    let resize = |kind| training(TrainingOperation::ResizeGradient { kind, height: side, width: side });
    let of_weight = |groups: usize| {
        training(TrainingOperation::Conv2dWeightGradient(Conv2d { groups, ..Conv2d::same(3) }))
    };
    vec![
        ("conv2d_weight_gradient 3x3 64", of_weight(1), vec![patch(64); 2]),
        ("conv2d_weight_gradient 3x3 16", of_weight(1), vec![patch(16); 2]),
        ("conv2d_weight_gradient 3x3 64 depthwise", of_weight(64), vec![patch(64); 2]),
        (
            "activation_gradient relu 64",
            training(TrainingOperation::ActivationGradient(Activation::Relu)),
            vec![patch(64); 2],
        ),
        (
            "activation_gradient gelu 64",
            training(TrainingOperation::ActivationGradient(Activation::Gelu)),
            vec![patch(64); 2],
        ),
        ("sum 64", training(TrainingOperation::Sum(Axes::BUT_CHANNELS)), vec![patch(64)]),
        (
            "max_pool_gradient 7 by 3 16",
            training(TrainingOperation::MaxPoolGradient(pool)),
            vec![patch(16), pooled],
        ),
        ("blur 6", training(TrainingOperation::Blur), vec![patch(6)]),
        ("blur_gradient 6", training(TrainingOperation::BlurGradient), vec![patch(6)]),
        ("resize_gradient bicubic 2 3", resize(ResizeKind::Bicubic), vec![enlarged]),
        (
            "resize_gradient bilinear 16",
            resize(ResizeKind::Bilinear),
            vec![patch(16).with_size(2 * side, 2 * side)],
        ),
        (
            "layer_norm_gradient 60",
            training(TrainingOperation::LayerNormGradient { epsilon: 1e-5 }),
            vec![patch(60), patch(60), Shape::new(1, 60, 1, 1)],
        ),
        (
            "attention_gradient 60",
            training(TrainingOperation::AttentionGradient(attention.clone())),
            vec![qkv, patch(60), table],
        ),
        (
            "attention_table_gradient 60",
            training(TrainingOperation::AttentionTableGradient(attention)),
            vec![qkv, patch(60), table],
        ),
        ("flip 64", Op::Weight(WeightOperation::Flip { groups: 1 }), vec![weight(64)]),
        ("weight_norm 64", Op::Weight(WeightOperation::Norm), vec![weight(64), Shape::new(64, 1, 1, 1)]),
    ]
}

fn main() {
    let mut criterion = support::criterion();
    let (batch, side) = if support::testing() { (1, 11) } else { (16, 48) };
    for (name, op, shapes) in operators(2, 11) {
        let case = Case::new(&op, &shapes);
        support::assert_close(&case.run(&mut cpu::Buffers::default()), &case.expected(), name);
    }
    let mut group = support::group(&mut criterion, "gradients");
    for (name, op, shapes) in operators(batch, side) {
        let (case, mut buffers) = (Case::new(&op, &shapes), cpu::Buffers::default());
        group.throughput(case.work());
        group.bench_function(name, |bencher| bencher.iter(|| case.run(&mut buffers)));
    }
    group.finish();
    if sparsr::adapters().is_empty() {
        println!("no adapter: the kernels are left out");
    } else {
        by_kernels(&mut criterion, batch, side);
    }
    criterion.final_summary();
}

fn by_kernels(criterion: &mut Criterion, batch: usize, side: usize) {
    let machine = Machine::open();
    for (name, op, shapes) in operators(2, 11) {
        let case = Case::new(&op, &shapes);
        support::assert_close(&case.session(&machine).1, &case.expected(), name);
    }
    let mut group = support::group(criterion, "gradients by kernels");
    for (name, op, shapes) in operators(batch, side) {
        let (case, mut ready) = (Case::new(&op, &shapes), None);
        group.throughput(case.work());
        group.bench_function(name, |bencher| {
            let session = ready.get_or_insert_with(|| case.session(&machine).0);
            bencher.iter_custom(|iterations| {
                machine.clock.time(iterations, || session.rerun().expect("the device is there"))
            });
        });
    }
    group.finish();
}
