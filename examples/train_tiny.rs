//! A training loop of one's own: three convolutions learn, from the pictures of a folder, what bicubic leaves out at x2.
//!
//!     cargo run --release --example train_tiny [FOLDER]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use sparsr::learn::data::{Batches, Crops, DataOptions, Pairs};
use sparsr::learn::{Batch, Objective, Optimiser, Random, Trainer};
use sparsr::low_level::graph::{Builder, Conv2d, Loss, ResizeKind};
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::{Cancel, Facts, Net, Progress};

const STEPS: u64 = 400;

/// picture + shuffle(conv(relu(conv(relu(conv(picture)))))), enlarged.
fn network() -> sparsr::Result<Net> {
    let (mut b, picture) = Builder::new("tiny", Shape::new(1, 3, 16, 16), 1.0);
    let mut x = picture;
    for (layer, [out, inputs], gain) in [(0, [12, 3], 1.0), (1, [12, 12], 1.0), (2, [12, 12], 0.1)] {
        let mut numbers = vec![0.0; out * inputs * 9];
        Random::new(1, Random::FREE + layer, 0).fill_normal(&mut numbers);
        let deviation = gain * (2.0 / (9 * inputs) as f32).sqrt();
        numbers.iter_mut().for_each(|number| *number *= deviation);
        let weight = b.parameter(format!("{layer}.weight"), &Parameter::new([out, inputs, 3, 3], numbers))?;
        let bias = b.parameter(format!("{layer}.bias"), &Parameter::new([out], vec![0.0; out]))?;
        x = b.conv2d(format!("{layer}"), x, [weight, bias], Conv2d::same(3))?;
        if layer < 2 {
            x = b.relu(format!("{layer}.relu"), x)?;
        }
    }
    let detail = b.pixel_shuffle("shuffle", x, 2)?;
    let enlarged = b.resize("bicubic", picture, ResizeKind::Bicubic, 2)?;
    let output = b.add("output", enlarged, detail)?;
    let (graph, parameters) = b.finish(output)?;
    Net::from_graph(graph, parameters, Facts::scale(2))
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or("tests/pictures".into(), PathBuf::from);
    let pairs = Pairs::open(&DataOptions::new([folder], 2), &Cancel::default(), &Progress::default())?;
    let crops = Crops { lq_size: 16, ..Crops::default() };
    let batches = Batches::new(Arc::new(pairs), crops, 1)?;

    // The objective is for one picture, so that the sixteen of a batch go through it on all threads.
    let net = network()?;
    let objective = Objective::of_net(&net, Shape::new(1, 3, 16, 16), &[(Loss::L1, 1.0)])?;
    let mut trainer = Trainer::new(objective, net.parameters().clone(), Optimiser::default())?;
    let mut sum = 0.0;
    for step in 0..STEPS {
        let Batch { mut low, mut high, .. } = batches.batch(step);
        for samples in [&mut low, &mut high] {
            samples.values_mut().iter_mut().for_each(|sample| *sample /= 255.0); // the network's range
        }
        let rate = 2e-3 * (1.0 - step as f64 / STEPS as f64);
        sum += trainer.step(&[&low, &high], rate)?.loss;
        if step % 50 == 49 {
            println!("iteration {}: on average {:.3} of 255 away", step + 1, 255.0 * sum / 50.0);
            sum = 0.0;
        }
    }
    let trained = net.with_parameters(trainer.averaged()?)?; // an Upscaler takes Model::from(trained)
    println!("{} numbers learnt", trained.parameters().iter().map(|(_, p)| p.values().len()).sum::<usize>());
    Ok(())
}
