//! Networks by cooperative matrices: what factors rounded to f16 cost a picture.

use sparsr::low_level::gpu::Session;
use sparsr::low_level::metrics::psnr_y;
use sparsr::low_level::plan::{Algorithm, Form, Options, Plan};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Gpu, Model, Pixels};

use crate::authors::read;
use crate::support::{adapter, compare, shared_data};

/// The picture, and the spatial masks.
fn run(gpu: &Gpu, model: &Model, picture: &Pixels, algorithm: Algorithm) -> (Pixels, Vec<Tensor>) {
    let graph = model.graph(Shape::new(1, 3, picture.height(), picture.width())).unwrap();
    let (input, output) = (Form::Pixels8, Form::Pixels8);
    let options = Options { input, output, keep: graph.masks().collect(), algorithm, ..Options::default() };
    let plan = Plan::new(&graph, &options, gpu.limits()).unwrap();
    let by_matrices = plan.steps.iter().any(|step| step.dispatch.kernel.name.contains("cooperative"));
    assert_eq!(by_matrices, algorithm == Algorithm::Cooperative, "{plan}");
    let mut session = Session::new(gpu, &plan, model.net().numbers()).unwrap();
    session.poison();
    let found = session.run_pixels(picture).unwrap();
    (found, session.kept())
}

fn flips(a: &[Tensor], b: &[Tensor]) -> usize {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.values().iter().zip(b.values()));
    pairs.filter(|(a, b)| a != b).count()
}

/// Set5 by matrices and in f32; no picture may be further off than `worst` code values and `nearest` dB, no more than
/// `most` in a thousand pixels of masks differ.
fn check(test: &str, model: &str, worst: u32, nearest: f64, most: f64) {
    let Some(gpu) = adapter::gpu(test) else { return };
    if gpu.limits().cooperative_side.is_none() {
        crate::support::skip::told(format_args!("{test}, since {} has no cooperative matrices", gpu.name()));
        return;
    }
    let (Some(model), Some(set5)) = (shared_data::path(test, model), shared_data::path(test, "set5")) else {
        return;
    };
    let model = Model::load(&model).unwrap();
    let names = ["butterfly", "woman", "head", "bird", "baby"];
    let mut mean = [0.0; 2];
    for name in names {
        let [large, small] =
            ["HR", "LR_x2"].map(|folder| read(&set5.join(folder).join(format!("{name}.png"))));
        let (expected, masks) = run(&gpu, &model, &small, Algorithm::Auto);
        let (found, other) = run(&gpu, &model, &small, Algorithm::Cooperative);
        let apart = compare::apart(&found, &expected);
        let (flips, pixels) =
            (flips(&masks, &other), masks.iter().map(|mask| mask.values().len()).sum::<usize>());
        let psnr = [&expected, &found].map(|picture| psnr_y(picture, &large, 2));
        println!(
            "{name}: in f32 {:.4} dB, by matrices {:.4} dB, {apart:?}, {flips} of {pixels} mask pixels differ",
            psnr[0], psnr[1]
        );
        assert!(apart.worst <= worst && apart.psnr >= nearest, "{name}: {apart:?}");
        assert!(flips as f64 <= most / 1e3 * pixels as f64, "{name}: {flips} of {pixels} mask pixels differ");
        mean.iter_mut().zip(psnr).for_each(|(mean, psnr)| *mean += psnr / names.len() as f64);
    }
    println!("Set5 x2 of {}: in f32 {:.4} dB, by matrices {:.4} dB", model.description(), mean[0], mean[1]);
    assert!((mean[0] - mean[1]).abs() < 0.005, "{mean:?}");
}

#[test]
fn smsr_by_matrices_is_as_good() {
    check("smsr_by_matrices_is_as_good", "smsr_x2/smsr_x2.safetensors", 8, 60.0, 3.0);
}

#[test]
fn a_dense_network_by_matrices_is_as_good() {
    check("a_dense_network_by_matrices_is_as_good", "models/imdn_x2/IMDN_x2.pth", 1, 60.0, 0.0);
}
