//! Steps of training: forward, backward and update of a batch of sixteen, on the CPU engine and by the kernels, in f32 and where
//! the device can in f16.
//!
//! ```text
//! cargo bench --features cli --bench steps -- 'edsr 16 8'      one network
//! ```
//!
//! Both engines are held against each other before they are timed: the loss and the gradient's norm of a small batch.

mod support;

use criterion::Throughput;
use sparsr::learn::{Objective, Optimiser, Step, Trainer, fresh};
use sparsr::low_level::graph::{Loss, Parameters};
use sparsr::low_level::models::{Model, smsr};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Gpu, Precision};
use support::{Machine, seeded};

const BATCH: usize = 16;

/// A network and the side of its small crops.
struct Case {
    name: &'static str,
    side: usize,
    objective: fn(Shape) -> (Objective, Parameters),
}

const CASES: [Case; 4] = [
    Case { name: "edsr 16 8, crops of 48", side: 48, objective: |low| edsr(16, 8, low) },
    Case { name: "edsr 64 16, crops of 48", side: 48, objective: |low| edsr(64, 16, low) },
    Case { name: "smsr 32 gumbel, crops of 24", side: 24, objective: |low| masked(smsr::Masks::Gumbel, low) },
    Case { name: "smsr 32 hard, crops of 24", side: 24, objective: |low| masked(smsr::Masks::Hard, low) },
];

fn edsr(channels: usize, blocks: usize, low: Shape) -> (Objective, Parameters) {
    let model =
        Model::from_weights("fresh", fresh::edsr(channels, blocks, 2, 3)).expect("a network of these sizes");
    let objective = Objective::of_net(model.net(), low, &[(Loss::L1, 1.0)]).expect("it learns");
    (without_means(objective), model.net().parameters().clone())
}

fn masked(masks: smsr::Masks, low: Shape) -> (Objective, Parameters) {
    let config = smsr::Config {
        channels: 32,
        modules: 5,
        layers: 4,
        mask_channels: 16,
        attention_channels: 2,
        scale: 2,
    };
    let made = config.training(&fresh::smsr(&config, 5), low, masks, &[(Loss::L1, 1.0)], 64.0);
    let (graph, parameters) = made.expect("it learns");
    (without_means(Objective::new(graph).expect("it learns")), parameters)
}

fn without_means(objective: Objective) -> Objective {
    objective.only(|name| !name.contains("_mean")).expect("there are others")
}

impl Case {
    /// A trainer for so many pictures at once, and a batch.
    fn trainer(
        &self,
        gpu: Option<(&Gpu, Precision)>,
        pictures: usize,
        batch: usize,
        side: usize,
    ) -> (Trainer, Vec<Tensor>) {
        let (objective, parameters) = (self.objective)(Shape::new(pictures, 3, side, side));
        let graph = objective.forward();
        let values = std::iter::once(graph.input()).chain(graph.given());
        let input = |(value, seed): (_, u64)| {
            let shape = graph.node(value).shape;
            let pictures = if shape.batch == pictures && shape.channels == 3 { batch } else { shape.batch };
            match &*graph.node(value).name {
                "temperature" => Tensor::new(shape, vec![0.7]),
                name if name.contains(".spa_mask.") => seeded::noise(Shape { batch, ..shape }, seed),
                _ => seeded::noise(Shape { batch: pictures, ..shape }, seed),
            }
        };
        let inputs = values.zip(1..).map(input).collect();
        let trainer = match gpu {
            None => Trainer::new(objective, parameters, Optimiser::default()),
            Some((gpu, precision)) => {
                Trainer::on_gpu(gpu, precision, objective, parameters, Optimiser::default())
            }
        };
        (trainer.expect("there is room"), inputs)
    }

    fn first_step(&self, gpu: Option<(&Gpu, Precision)>, pictures: usize) -> Step {
        let (mut trainer, inputs) = self.trainer(gpu, pictures, 2, 12);
        trainer.step(&inputs.iter().collect::<Vec<_>>(), 1e-4).expect("finite numbers")
    }
}

fn main() {
    let mut criterion = support::criterion();
    let machine = (!sparsr::adapters().is_empty()).then(Machine::open);
    if machine.is_none() {
        println!("no adapter: the kernels are left out");
    }
    for case in &CASES {
        let (batch, side) = if support::testing() { (2, 12) } else { (BATCH, case.side) };
        let mut group = support::group(&mut criterion, case.name);
        group.throughput(Throughput::Elements(batch as u64));
        let gpu = machine.as_ref().map(|machine| &machine.gpu);
        let in_f16 = gpu.filter(|gpu| gpu.limits().f16);
        let by_kernels = [(gpu, Precision::F32), (in_f16, Precision::F16)];
        let by_kernels = by_kernels.into_iter().filter_map(|(gpu, precision)| Some((gpu?, precision)));
        for way in std::iter::once(None).chain(by_kernels.map(Some)) {
            let gpu = way.map(|(gpu, _)| gpu);
            // A device in software, as the CPU engine, takes one picture at a time.
            let software = gpu.is_none_or(|gpu| gpu.kind() == sparsr::AdapterKind::Software);
            let pictures = if software { 1 } else { batch };
            let (found, expected) = (case.first_step(way, 1), case.first_step(None, 1));
            let half = way.is_some_and(|(_, precision)| precision == Precision::F16);
            for (found, expected) in
                [(f64::from(found.loss), f64::from(expected.loss)), (found.norm, expected.norm)]
            {
                let apart = if half { 1e-2 } else { 1e-4 };
                assert!((found / expected - 1.0).abs() < apart, "{}: {found} for {expected}", case.name);
            }
            let name = gpu.map_or("the CPU engine", Gpu::name);
            let name = if half { format!("{name}, f16") } else { name.to_owned() };
            let mut ready = None;
            group.bench_function(name, |bencher| {
                let (trainer, inputs) = ready.get_or_insert_with(|| case.trainer(way, pictures, batch, side));
                let inputs: Vec<&Tensor> = inputs.iter().collect();
                bencher.iter(|| trainer.step(&inputs, 1e-5).expect("finite numbers"));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
