//! The authors' SMSR x2: activations that their code made, and their figure on Set5.

use std::path::Path;

use sparsr::low_level::graph::{Graph, Parameters, Value};
use sparsr::low_level::metrics::psnr_y;
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Model, Options, Pixels, Precision, Samples, Sparsity, Upscaler};

use crate::support::{adapter, compare, npy, shared_data};
use crate::{both_ways, run_on, run_reference};

/// Largest error of an activation with golden masks given, as a share of its tensor's largest magnitude.
const TOLERANCE: f32 = 2e-4;

/// Where the two logits are this close, rounding may decide a mask.
const MARGIN: f32 = 1e-3;

const MODULES: usize = 5;

/// Mean PSNR of the authors' network, in dB.
const SET5_PSNR: f64 = 37.991;

fn model(test: &str) -> Option<Model> {
    shared_data::path(test, "smsr_x2/smsr_x2.safetensors").map(|path| Model::load(&path).unwrap())
}

/// One crop: the picture, and the folder of the values that the authors' network makes of it.
struct Crop {
    graph: Graph,
    parameters: Parameters,
    input: Tensor,
    /// Name of the file, node of the graph, golden numbers.
    values: Vec<(String, Value, Tensor)>,
}

impl Crop {
    fn read(model: &Model, folder: &Path) -> Self {
        let picture = npy::read(&folder.join("lr_u8.npy"));
        let &[height, width, 3] = picture.dims() else { panic!("H×W×3") };
        let samples = picture.values().iter().map(|sample| *sample as u8).collect();
        let input = Pixels::new(width, height, Samples::U8(samples)).unwrap().to_tensor(255.0);
        let graph = model.graph(input.shape()).unwrap();
        let mut names: Vec<(String, String)> =
            [("head", "head.2"), ("collect_out", "collect"), ("sr_float", "add_mean")]
                .map(|(file, node)| (file.into(), node.into()))
                .into();
        for k in 0..MODULES {
            for (file, node) in [
                ("logits", ".spa_mask.5"),
                ("mask", ".spa_mask"),
                ("body", ".body.collect"),
                ("ca", ".ca.conv_du.3"),
                ("out", ""),
            ] {
                names.push((format!("smm{k}_{file}"), format!("body.{k}{node}")));
            }
        }
        let read = |(file, node): (String, String)| {
            let value = graph.find(&node).unwrap_or_else(|| panic!("{node} is a node"));
            let numbers = npy::read(&folder.join(format!("{file}.npy")));
            let golden = Tensor::new(graph.node(value).shape, numbers.values().to_vec());
            (file, value, golden)
        };
        let values = names.into_iter().map(read).collect();
        Self { graph, parameters: model.net().numbers().clone(), input, values }
    }

    fn keep(&self) -> Vec<Value> {
        self.values.iter().map(|(_, value, _)| *value).collect()
    }

    fn golden(&self, file: &str) -> &Tensor {
        &self.values.iter().find(|(name, ..)| name == file).expect("a golden value").2
    }

    /// The graph with the golden masks in place of the network's own.
    fn with_golden_masks(&self) -> Graph {
        let masks = self.values.iter().filter(|(name, ..)| name.ends_with("_mask"));
        masks.fold(self.graph.clone(), |graph, (_, value, mask)| graph.with_constant(*value, mask.clone()))
    }

    /// Every value against the golden one; returns the largest error and whose it is.
    fn check(&self, engine: &str, found: &[Tensor]) -> (f32, &str) {
        let mut worst = (0.0, "none");
        for ((name, _, golden), found) in self.values.iter().zip(&found[1..]) {
            let error = compare::close(found, golden, TOLERANCE)
                .unwrap_or_else(|reason| panic!("{engine}, {name} {reason}"));
            if error > worst.0 {
                worst = (error, name);
            }
        }
        worst
    }

    /// The network's own masks against the golden ones; returns how many pixels differ.
    fn check_masks(&self, engine: &str, found: &[Tensor]) -> usize {
        let mut flips = 0;
        for ((name, _, golden), found) in self.values.iter().zip(&found[1..]) {
            let Some(module) = name.strip_suffix("_mask") else { continue };
            let logits = self.golden(&format!("{module}_logits"));
            for (at, (found, golden)) in found.values().iter().zip(golden.values()).enumerate() {
                let margin = (logits.plane(0, 1)[at] - logits.plane(0, 0)[at]).abs();
                let decided_by_rounding = margin < MARGIN;
                assert!(
                    found == golden || decided_by_rounding,
                    "{engine}, {name}: pixel {at}, margin {margin}"
                );
                flips += usize::from(found != golden);
            }
        }
        flips
    }
}

#[test]
fn every_golden_activation_is_met() {
    let test = "every_golden_activation_is_met";
    let Some(model) = model(test) else { return };
    let gpus: Vec<_> = adapter::gpu(test).into_iter().flat_map(both_ways).collect();
    for name in ["woman_crop32", "butterfly_crop16"] {
        let crop = Crop::read(&model, &shared_data::path(test, &format!("smsr_x2/{name}")).unwrap());
        let (given, keep) = (crop.with_golden_masks(), crop.keep());
        let run = |graph: &Graph| run_reference(graph, &crop.parameters, &crop.input, &keep);
        let (error, whose) = crop.check("the CPU engine", &run(&given));
        let flips = crop.check_masks("the CPU engine", &run(&crop.graph));
        println!("{name} on the CPU engine: largest error {error:.1e} ({whose}), {flips} mask pixels differ");
        for (engine, gpu) in &gpus {
            let run = |graph: &Graph| run_on(gpu, graph, &crop.parameters, &crop.input, &keep);
            let (error, whose) = crop.check(engine, &run(&given));
            let flips = crop.check_masks(engine, &run(&crop.graph));
            println!("{name} on {engine}: largest error {error:.1e} ({whose}), {flips} mask pixels differ");
        }
    }
}

#[test]
fn both_forms_of_the_checkpoint_are_one_network() {
    let test = "both_forms_of_the_checkpoint_are_one_network";
    let (Some(model), Some(pickled)) = (model(test), shared_data::path(test, "smsr_x2/model_1000.pt")) else {
        return;
    };
    let pickled = Model::load(&pickled).unwrap();
    assert_eq!((model.parameters(), pickled.parameters()), (984_770, 984_770));
    let dense: Vec<Vec<usize>> = model.partitions().into_iter().map(|partition| partition.dense).collect();
    assert_eq!(dense, [[24, 9, 3, 0], [16, 4, 1, 0], [16, 7, 1, 0], [3, 0, 0, 0], [14, 5, 0, 0]]);
    let input = crate::seeded::picture(8, 6, 1).to_tensor(255.0);
    let [a, b] = [&model, &pickled].map(|model| {
        let graph = model.graph(Shape::new(1, 3, 6, 8)).unwrap();
        run_reference(&graph, model.net().numbers(), &input, &[]).remove(0)
    });
    assert_eq!(a, b);
}

#[test]
fn set5_has_the_papers_psnr() {
    let test = "set5_has_the_papers_psnr";
    let (Some(model), Some(set5)) = (model(test), shared_data::path(test, "set5")) else { return };
    let names = ["baby.png", "bird.png", "butterfly.png", "head.png", "woman.png"];
    let mut cpu = Upscaler::on_cpu(&model, Options::default()).unwrap();
    let pictures = names.map(|name| {
        let [large, small] = ["HR", "LR_x2"].map(|folder| read(&set5.join(folder).join(name)));
        let expected = cpu.upscale_pixels(&small).unwrap().pixels;
        (name, large, small, expected)
    });
    let mean = |psnr: &mut dyn FnMut(&Pixels, &Pixels, &Pixels, &str) -> f64| {
        let each = pictures.iter().map(|(name, large, small, expected)| psnr(large, small, expected, name));
        each.sum::<f64>() / pictures.len() as f64
    };
    let on_cpu = mean(&mut |large, _, expected, _| psnr_y(expected, large, 2));
    println!("Set5 x2: {on_cpu:.4} dB on the CPU engine");
    assert!((on_cpu - SET5_PSNR).abs() < 0.003, "{on_cpu:.4} dB on the CPU engine");

    let Some(gpu) = adapter::gpu(test) else { return };
    for sparsity in Sparsity::ALL {
        let mut options = Options::default();
        (options.sparsity, options.precision) = (sparsity, Precision::F32);
        let mut device = Upscaler::new(&gpu, &model, options).unwrap();
        let on_device = mean(&mut |large, small, expected, name| {
            let found = device.upscale_pixels(small).unwrap().pixels;
            let apart = compare::apart(&found, expected);
            println!("{name}, {sparsity}: the device and the CPU engine are {apart:?}");
            assert!(apart.worst <= 2 && apart.psnr >= 80.0, "{name}, {sparsity}: {apart:?}");
            psnr_y(&found, large, 2)
        });
        println!("Set5 x2: {on_device:.4} dB on the device, {sparsity}");
        assert!((on_device - SET5_PSNR).abs() < 0.003, "{on_device:.4} dB on the device, {sparsity}");
    }
}

pub fn read(path: &Path) -> Pixels {
    let rgb = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_rgb8();
    Pixels::new(rgb.width() as usize, rgb.height() as usize, Samples::U8(rgb.into_raw())).unwrap()
}
