//! Checkpoints as their authors published them, dropped in as they are: what their own code makes of two crops, and
//! its figure on Set5.

use std::path::Path;

use serde_json::Value as Json;
use sparsr::low_level::metrics::psnr_y;
use sparsr::low_level::tensor::Tensor;
use sparsr::{Model, Options, Upscaler};

use crate::authors::read;
use crate::support::{adapter, compare, npy, shared_data};
use crate::{run_on, run_reference};

/// The folder of each, and the checkpoint in it.
const DOWNLOADS: &[(&str, &str)] = &[
    ("bsrn_x2", "net_g_BSRN_x2.pth"),
    ("carn_m_x2", "carn_m.pth"),
    ("imdn_x2", "IMDN_x2.pth"),
    ("rfdn_aim_x4", "RFDN_AIM.pth"),
    ("rlfn_x2", "rlfn_x2.pth"),
    ("rlfn_x4", "rlfn_x4.pth"),
    ("safmn_ntire23_x4", "team15_SAFMN.pth"),
    ("span_ntire25_team46_x4", "team46_span.pth"),
];

/// Largest error as a share of the largest magnitude.
const ON_CPU: f32 = 1e-4;
const ON_DEVICE: f32 = 5e-4;

/// How far from the authors' figure the mean of Set5 may be, in dB.
pub const PSNR: f64 = 0.01;

fn model(folder: &Path, file: &str, info: &Json) -> Model {
    let scale = info["scale"].as_u64().unwrap() as usize;
    let model = Model::load(&folder.join(file)).and_then(|model| model.at_scale(scale));
    model.unwrap_or_else(|error| panic!("{error}"))
}

fn info(folder: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(folder.join("info.json")).unwrap()).unwrap()
}

/// The mean over the pictures of Set5, by the CPU engine.
pub fn set5_psnr(model: &Model, set5: &Path) -> f64 {
    let mut upscaler = Upscaler::on_cpu(model, Options::default()).unwrap();
    let scale = model.scale();
    let names = ["baby.png", "bird.png", "butterfly.png", "head.png", "woman.png"];
    let psnr = names.map(|name| {
        let [large, small] =
            ["HR".into(), format!("LR_x{scale}")].map(|folder: String| read(&set5.join(folder).join(name)));
        let found = upscaler.upscale_pixels(&small).unwrap().pixels;
        psnr_y(&found, &large.part(0..found.width(), 0..found.height()).unwrap(), scale)
    });
    psnr.iter().sum::<f64>() / psnr.len() as f64
}

#[test]
fn downloads_make_what_their_authors_code_makes() {
    for (name, file) in DOWNLOADS {
        let Some(folder) = shared_data::path(name, &format!("models/{name}")) else { continue };
        let model = model(&folder, file, &info(&folder));
        for (crop, golden) in [("crop_lr.png", "golden.npy"), ("crop_odd_lr.png", "golden_odd.npy")] {
            let picture = read(&folder.join(crop));
            let range = model.graph(picture.to_tensor(1.0).shape()).unwrap().range();
            let input = picture.to_tensor(range);
            let (graph, parameters) = (model.graph(input.shape()).unwrap(), model.net().numbers());
            let numbers = npy::read(&folder.join(golden)).values().to_vec();
            let expected = Tensor::new(graph.node(graph.output()).shape, numbers);
            let check = |engine: &str, found: &Tensor, tolerance| {
                let error = compare::close(found, &expected, tolerance)
                    .unwrap_or_else(|reason| panic!("{name}, {crop} on {engine} {reason}"));
                println!("{name}, {crop} on {engine}: {error:.1e}");
            };
            check("the CPU engine", &run_reference(&graph, parameters, &input, &[])[0], ON_CPU);
            if let Some(gpu) = adapter::gpu(name) {
                check("the device", &run_on(&gpu, &graph, parameters, &input, &[])[0], ON_DEVICE);
            }
        }
    }
}

#[test]
fn downloads_have_their_authors_psnr() {
    for (name, file) in DOWNLOADS {
        let test = format!("the PSNR of {name}");
        let folders =
            ["set5".into(), format!("models/{name}")].map(|folder| shared_data::path(&test, &folder));
        let [Some(set5), Some(folder)] = folders else { continue };
        let info = info(&folder);
        let model = model(&folder, file, &info);
        let mean = set5_psnr(&model, &set5);
        let expected = info["set5_psnr_y"].as_f64().unwrap();
        println!("{name}: {mean:.4} dB on Set5, the authors' code {expected:.4}");
        assert!((mean - expected).abs() < PSNR, "{name}: {mean:.4} dB, expected {expected:.4}");
    }
}
