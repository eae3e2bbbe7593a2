//! MDSR: what the tensors tell, that a scale is asked for, and what each costs.

use sparsr::Model;
use sparsr::low_level::models::mdsr::Config;
use sparsr::low_level::weights::Weights;

use crate::support::seeded::Made;
use crate::{costs, spoilt};

/// With branches for these scales.
fn seeded(c: usize, blocks: usize, scales: &[usize]) -> Weights {
    let mut made = Made::default();
    made.mean_shift("sub_mean", -114.0);
    made.conv("head.0", [c, 3, 3, 3]);
    let mut block = |name: String, k| {
        made.conv(&format!("{name}.body.0"), [c, c, k, k]);
        made.conv(&format!("{name}.body.2"), [c, c, k, k]);
    };
    for branch in 0..scales.len() {
        (0..2).for_each(|i| block(format!("pre_process.{branch}.{i}"), 5));
    }
    (0..blocks).for_each(|i| block(format!("body.{i}"), 3));
    made.conv(&format!("body.{blocks}"), [c, c, 3, 3]);
    for (branch, scale) in scales.iter().enumerate() {
        let factor = if *scale == 3 { 3 } else { 2 };
        for stage in 0..scale / factor {
            made.conv(&format!("upsample.{branch}.{}", 2 * stage), [factor * factor * c, c, 3, 3]);
        }
    }
    made.conv("tail.0", [3, c, 3, 3]);
    made.mean_shift("add_mean", 114.0);
    Weights::new("seeded", made.0)
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let expected = Config {
        channels: 5,
        upsampled: 5,
        blocks: 2,
        scales: vec![4, 2, 3],
        branch: 1,
        mean_shift: true,
        range: 255.0,
    };
    let found = Config::detect(&seeded(5, 2, &[4, 2, 3])).unwrap().unwrap();
    assert_eq!(found, expected);
    assert_eq!(found.to_string(), "2 residual blocks, 5 channels, for x4, x2, x3");
}

#[test]
fn a_scale_is_the_smallest_or_asked_for() {
    let model = Model::from_weights("seeded", seeded(5, 1, &[4, 2])).unwrap();
    assert_eq!((model.architecture(), model.scale(), model.scales()), ("mdsr", 2, vec![2, 4]));
    assert_eq!(model.at_scale(4).unwrap().scale(), 4);
    assert_eq!(model.at_scale(4).unwrap().at_scale(2).unwrap().scale(), 2);
    let message = model.at_scale(3).unwrap_err().to_string();
    assert_eq!(message, "seeded: expected a network of x3, found one of x2, x4");
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // The paper's network, 8.0 million parameters in all (table 1).
    let weights = seeded(64, 80, &[2, 3, 4]);
    let all: usize = weights.iter().map(|(_, parameter)| parameter.values().len()).sum();
    assert_eq!(all, 7_954_011);
    let model = Model::from_weights("seeded", weights).unwrap();
    for (scale, upsampler) in [(2, 147_712), (3, 332_352), (4, 295_424)] {
        let [parameters, macs] = costs(&model.at_scale(scale).unwrap());
        // Mean shifts, head, 4 convolutions of 5×5, 161 of 3×3, upsampler, tail.
        let by_hand = 24 + 1792 + 4 * 102_464 + 161 * 36_928 + upsampler + 1731;
        assert_eq!(parameters, by_hand as f64 / 1e3, "x{scale}");
        println!("x{scale}: {macs} G");
        let small = 9 + 27 * 64 + 4 * 25 * 4096 + 161 * 9 * 4096;
        let large = (9 + 27 * 64) * scale * scale;
        let up = match scale {
            4 => (4 + 16) * 9 * 4096,
            _ => scale * scale * 9 * 4096,
        };
        let pixels = (1280 * 720 / (scale * scale)) as f64;
        assert!((macs - (small + large + up) as f64 * pixels / 1e9).abs() < 1e-3, "x{scale}: {macs}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let cases: [(&str, Option<&[usize]>, &str); 3] = [
        (
            "pre_process.0.1.body.2.weight",
            None,
            "pre_process.0.1.body.2.weight: expected a tensor of shape [5, 5, 5, 5]",
        ),
        ("upsample.1.0.weight", Some(&[13, 5, 3, 3]), "upsample.1.0.weight: expected 20 output channels"),
        ("body.1.bias", Some(&[4]), "body.1.bias: expected [5], found [4]"),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(&seeded(5, 1, &[2, 3]), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
}
