//! ACNet: what the tensors tell, that a scale is asked for, and what it costs.

use sparsr::Model;
use sparsr::low_level::models::acnet::Config;
use sparsr::low_level::weights::Weights;

use crate::support::seeded::Made;
use crate::{assert_costs, costs, spoilt};

fn seeded(config: &Config) -> Weights {
    let Config { channels: c, layers, scale, multi_scale, .. } = *config;
    let mut made = Made::default();
    made.mean_shift("sub_mean.shifter", -0.45);
    for i in 1..=layers {
        let inputs = if i == 1 { 3 } else { c };
        made.weight(&format!("conv{i}_1.0.weight"), [c, inputs, 1, 3]);
        made.weight(&format!("conv{i}_2.0.weight"), [c, inputs, 3, 1]);
        made.weight(&format!("conv{i}_3.0.weight"), [c, inputs, 3, 3]);
    }
    let mut upsampler = |name: &str, scale: usize| {
        let factor: usize = if scale == 3 { 3 } else { 2 };
        for stage in 0..scale / factor {
            made.conv(&format!("upsample.{name}.body.{}", 2 * stage), [factor * factor * c, c, 3, 3]);
        }
    };
    if multi_scale {
        (2..=4).for_each(|scale| upsampler(&format!("up{scale}"), scale));
    } else {
        upsampler("up", scale);
    }
    for name in [("_1", 1), ("_2", 1), ("_1", 2), ("_2", 2), ("", 3), ("", 4)] {
        made.weight(&format!("conv{}{}.0.weight", layers + name.1, name.0), [c, c, 3, 3]);
    }
    made.weight(&format!("conv{}.0.weight", layers + 5), [3, c, 3, 3]);
    made.mean_shift("add_mean.shifter", 0.45);
    Weights::new("seeded", made.0)
}

const TINY: Config = Config { channels: 3, upsampled: 3, layers: 17, scale: 2, multi_scale: false };

#[test]
fn sizes_are_read_off_the_tensors() {
    for expected in [TINY, Config { scale: 3, ..TINY }, Config { scale: 4, layers: 2, ..TINY }] {
        assert_eq!(Config::detect(&seeded(&expected)).unwrap().unwrap(), expected);
    }
    let multi = Config { multi_scale: true, ..TINY };
    let model = Model::from_weights("seeded", seeded(&multi)).unwrap();
    assert_eq!((model.architecture(), model.scale(), model.scales()), ("acnet", 2, vec![2, 3, 4]));
    assert_eq!(model.description(), "17 asymmetric layers, 3 channels, for x2, x3, x4");
    assert_eq!(model.at_scale(4).unwrap().at_scale(3).unwrap().scale(), 3);
    let single = Model::from_weights("seeded", seeded(&TINY)).unwrap();
    assert!(
        single.at_scale(3).unwrap_err().to_string().contains("expected a network of x3, found one of x2")
    );
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Parameters as stored; multiply-adds of the layers' three kernels as one.
    let paper = Config { channels: 64, upsampled: 64, ..TINY };
    for (scale, expected) in [(2, [1356.6, 409.7]), (3, [1541.2, 334.0]), (4, [1504.3, 324.5])] {
        let model = Model::from_weights("seeded", seeded(&Config { scale, ..paper })).unwrap();
        assert_costs(&model, expected, [0.1, 0.1]);
    }
    // At each of its scales a network of several counts as the one of that scale.
    let multi = Model::from_weights("seeded", seeded(&Config { multi_scale: true, ..paper })).unwrap();
    for scale in 2..=4 {
        let single = Model::from_weights("seeded", seeded(&Config { scale, ..paper })).unwrap();
        assert_eq!(costs(&multi.at_scale(scale).unwrap()), costs(&single), "x{scale}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let cases: [(&str, Option<&[usize]>, &str); 5] = [
        (
            "conv3_1.0.weight",
            Some(&[3, 3, 3, 1]),
            "conv3_1.0.weight: expected [3, 3, 1, 3], found [3, 3, 3, 1]",
        ),
        ("conv17_2.0.weight", None, "conv17_2.0.weight: expected a tensor of shape [3, 3, 3, 1], found none"),
        ("conv19_2.0.weight", None, "conv19_2.0.weight: expected a tensor of shape [3, 3, 3, 3], found none"),
        ("upsample.up.body.0.weight", None, "upsample.up.body.0.weight: expected a tensor of this name"),
        ("sub_mean.shifter.bias", None, "sub_mean.shifter.bias: expected a tensor of shape [3], found none"),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(&seeded(&TINY), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
}
