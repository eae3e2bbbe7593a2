//! The guard against wrong pictures: sound networks pass, spoilt ones do not, and where trainers differ the calibration
//! picture tells.

mod support;

use std::time::Instant;

use sparsr::low_level::guard::{Figures, examine};
use sparsr::low_level::models::Convention;
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::{Stored, Weights};
use sparsr::{Error, Model, Options, Upscaler};
use support::{seeded, shared_data};

/// The network with its tensors changed by name.
fn spoilt(model: &Model, change: impl Fn(&str, &mut [f32])) -> Model {
    let tensor = |(name, numbers): (&str, &Parameter)| {
        let mut values = numbers.values().to_vec();
        change(name, &mut values);
        (name.to_owned(), Parameter::new(numbers.dims(), values))
    };
    let weights = Weights::new("spoilt", model.weights().iter().map(tensor));
    Model::from_weights("spoilt", weights).unwrap()
}

/// Red for blue in a first convolution of `[filters, 3, 3, 3]`.
fn swapped(values: &mut [f32]) {
    for filter in values.chunks_exact_mut(27) {
        let (red, rest) = filter.split_at_mut(9);
        red.swap_with_slice(&mut rest[9..]);
    }
}

/// A SPAN of the same pictures that takes pixels by another convention: `w · 255 (p − m) = w′ · (p − m′) + b′`, but for the
/// zeros around the picture.
fn retold(model: &Model, Convention { white, mean }: Convention) -> Model {
    let own = model.convention().unwrap();
    let (weight, gain) = ("conv_1.eval_conv.weight", own.white / white);
    let weights = model.weights().get(weight).unwrap().values().to_vec();
    spoilt(model, |name, values| {
        if name == weight {
            values.iter_mut().for_each(|value| *value *= gain);
        } else if name == "conv_1.eval_conv.bias" {
            for (bias, filter) in values.iter_mut().zip(weights.chunks_exact(27)) {
                let sums = filter.chunks_exact(9).map(|taps| taps.iter().sum::<f32>());
                let moved = sums.zip(mean.iter().zip(own.mean)).map(|(sum, (mean, own))| sum * (mean - own));
                *bias += own.white * moved.sum::<f32>();
            }
        }
    })
}

#[test]
fn the_built_in_network_passes_and_spoilt_ones_do_not() {
    let model = Model::builtin("smsr-x2").unwrap();
    println!("smsr-x2: {}", examine(&model).unwrap().figures);
    type Change = fn(&str, &mut [f32]);
    let rows: [(&str, Change); 4] = [
        ("no mean added", |name, values| {
            if name == "add_mean.bias" {
                values.fill(0.0)
            }
        }),
        ("white 1 in place of 255", |name, values| {
            if name.ends_with(".bias") && !name.contains("_mean") {
                values.iter_mut().for_each(|value| *value *= 255.0);
            }
        }),
        ("another mean added", |name, values| {
            if name == "add_mean.bias" {
                values[2] += 12.0
            }
        }),
        ("a tail of noise", |name, values| {
            if name == "tail.0.bias" {
                values
                    .iter_mut()
                    .zip(seeded::numbers(1, 12))
                    .for_each(|(value, noise)| *value += 90.0 * noise);
            }
        }),
    ];
    for (what, change) in rows {
        let model = spoilt(&model, change);
        println!("{what}: {}", Figures::of(&model).unwrap());
        let error = examine(&model).unwrap_err();
        assert!(
            matches!(&error, Error::Weights { reason, .. } if reason.contains("--unusual")),
            "{what}: {error}"
        );
    }
}

/// A stranger's network is looked at before its first use, the caller's own is not.
#[test]
fn a_network_from_a_file_is_tried_before_its_first_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.safetensors");
    let own = Model::from_weights("noise", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    std::fs::write(&path, own.to_safetensors(Stored::F32).unwrap()).unwrap();
    let strangers = Model::load(&path).unwrap();
    assert!(strangers.is_unseen() && !own.is_unseen());
    let mut options = Options::default();
    Upscaler::on_cpu(&own, options.clone()).unwrap();
    let error = Upscaler::on_cpu(&strangers, options.clone()).unwrap_err();
    assert!(error.to_string().contains("expected a network that keeps a picture's colours"), "{error}");
    let mut upscaler = Upscaler::on_cpu(&own, options.clone()).unwrap();
    assert!(upscaler.set_model(&strangers).is_err());
    options.unusual = true;
    Upscaler::on_cpu(&strangers, options).unwrap();
}

/// Every checkpoint at hand; and of those without a mean of their own, what another convention would make of them.
#[test]
fn published_networks_pass_as_they_are() {
    let test = "published_networks_pass_as_they_are";
    let Some(models) = shared_data::path(test, "models") else { return };
    let mut files: Vec<_> = std::fs::read_dir(models)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pth"))
        .collect();
    files.extend(shared_data::path(test, "smsr_x2/model_1000.pt"));
    files.sort();
    for file in files {
        let (model, start) = (Model::load(&file).unwrap(), Instant::now());
        for scale in model.scales() {
            let model = model.at_scale(scale).unwrap();
            let verdict = examine(&model).unwrap();
            let took = start.elapsed().as_secs_f64();
            println!("{} x{scale}: {}, {took:.2} s", model.name(), verdict.figures);
            assert_eq!(verdict.chosen, None, "{}", model.name());
        }
        let other = Convention { white: 1.0, mean: [0.485, 0.456, 0.406] };
        if model.convention().is_some() {
            let wrong = model.by_convention(other).unwrap();
            println!("{} by {other}: {}", model.name(), Figures::of(&wrong).unwrap());
            let verdict = examine(&wrong).unwrap();
            assert_eq!(verdict.chosen, model.convention(), "{}", model.name());
        }
        if model.architecture() == "span" {
            let spoilt = spoilt(&model, |name, values| {
                if name == "conv_1.eval_conv.weight" {
                    swapped(values)
                }
            });
            println!("{}, red for blue: {}", model.name(), Figures::of(&spoilt).unwrap());
            assert!(examine(&spoilt).is_err());
            let found = examine(&retold(&model, other)).unwrap();
            println!("{}, told for {other}: {}", model.name(), found.figures);
            assert_eq!(found.chosen, Some(other));
        }
    }
}
