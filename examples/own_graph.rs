//! A network built by hand: where a pixel differs from its neighbours, and only there, a masked convolution sharpens
//! what bicubic interpolation enlarges. `cargo run --release --example own_graph`

use sparsr::low_level::graph::{Builder, Conv2d, MaskedConv2d, ResizeKind};
use sparsr::low_level::plan::{Limits, Plan};
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::{Facts, Gpu, Model, Net, Options, Pixels, Result, Samples, Upscaler};

const LAPLACE: [f32; 9] = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];

/// `factor(o, i)` times the Laplacian from input `i` to output `o`.
fn laplace(outputs: usize, factor: impl Fn(usize, usize) -> f32) -> Parameter {
    let pairs = (0..outputs).flat_map(|o| (0..3).map(move |i| (o, i)));
    let taps = pairs.flat_map(|(o, i)| LAPLACE.map(|tap| factor(o, i) * tap));
    Parameter::new([outputs, 3, 3, 3], taps.collect::<Vec<_>>())
}

fn sharpening() -> Result<Net> {
    let (mut b, picture) = Builder::new("sharpening", Shape::new(1, 3, 16, 16), 1.0);

    // Two logits a pixel: a threshold, and how much brighter it is than its neighbours. The larger one wins.
    let weight = b.parameter("edges.weight", &laplace(2, |o, _| o as f32))?;
    let bias = b.parameter("edges.bias", &Parameter::new([2], vec![0.1, 0.0]))?;
    let logits = b.conv2d("edges", picture, [weight, bias], Conv2d::same(3))?;
    let mask = b.spatial_mask("mask", logits)?;

    // Three channels for each of four new pixels, all of them sparse: made where the mask is set.
    let weight = b.parameter("detail.weight", &laplace(12, |o, i| if o / 4 == i { 0.3 } else { 0.0 }))?;
    let op = MaskedConv2d { kernel: 3, dense_inputs: 3, dense_outputs: 0 };
    let detail = b.masked_conv2d("detail", picture, mask, weight, op)?;
    let detail = b.pixel_shuffle("shuffle", detail, 2)?;
    let enlarged = b.resize("bicubic", picture, ResizeKind::Bicubic, 2)?;
    let output = b.add("output", enlarged, detail)?;

    let (graph, parameters) = b.finish(output)?;
    Net::from_graph(graph, parameters, Facts::scale(2))
}

fn main() -> Result<()> {
    let net = sharpening()?;
    println!("{}", Plan::new(&net.graph(Shape::new(1, 3, 48, 64))?, &Default::default(), &Limits::PORTABLE)?);

    let samples = (0..3 * 48 * 64).map(|at| if at / 3 % 64 / 8 % 2 == 0 { 200 } else { 60 });
    let picture = Pixels::new(64, 48, Samples::U8(samples.collect()))?;
    let model = Model::from(net);
    let on_cpu = Upscaler::on_cpu(&model, Options::default())?.upscale_pixels(&picture)?;
    println!("CPU: {:.0} % of the pixels sharpened", 100.0 * on_cpu.masks[0].density());
    match Gpu::new() {
        Ok(gpu) => {
            let on_gpu = Upscaler::new(&gpu, &model, Options::default())?.upscale_pixels(&picture)?;
            println!("{}: the same picture: {}", gpu.name(), on_gpu.pixels == on_cpu.pixels);
        }
        Err(error) => println!("no GPU: {error}"),
    }
    Ok(())
}
