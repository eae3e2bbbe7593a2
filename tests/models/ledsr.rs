//! LEDSR, and ASSLN and SRPN-Lite as which it is pruned: what the tensors tell, and what it costs.

use sparsr::Model;
use sparsr::low_level::models::ledsr::Config;
use sparsr::low_level::weights::Weights;

use crate::support::seeded::Made;
use crate::{assert_costs, spoilt};

/// Of these widths: in the skip path, and within each block.
fn seeded(channels: usize, inner: &[usize], scale: usize) -> Weights {
    let (c, mut made) = (channels, Made::default());
    made.mean_shift("sub_mean", -114.0);
    made.conv("head.0", [c, 3, 3, 3]);
    for (i, width) in inner.iter().enumerate() {
        made.conv(&format!("body.{i}.body.0"), [*width, c, 3, 3]);
        made.conv(&format!("body.{i}.body.2"), [c, *width, 3, 3]);
    }
    made.conv(&format!("body.{}", inner.len()), [c, c, 3, 3]);
    made.conv("tail.0.0", [3 * scale * scale, c, 3, 3]);
    made.mean_shift("add_mean", 114.0);
    Weights::new("seeded", made.0)
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let expected = Config { channels: 5, inner: [3, 8], blocks: 2, scale: 3, mean_shift: true, range: 255.0 };
    let found = Config::detect(&seeded(5, &[8, 3], 3)).unwrap().unwrap();
    assert_eq!(found, expected);
    assert_eq!(found.to_string(), "2 residual blocks, 5 channels, 3 to 8 within a block");
    let even = Config { inner: [5, 5], ..expected };
    assert_eq!(even.to_string(), "2 residual blocks, 5 channels");
    assert_eq!(
        Config { inner: [4, 4], ..even }.to_string(),
        "2 residual blocks, 5 channels, 4 within a block"
    );
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Thousands of parameters and 10⁹ multiply-adds for 1280×720 pixels at x2, x3 and x4; the mean shifts
    // are among them. SRPN-Lite's paper prints 609K and 139.9G.
    let rows = [
        (48, [(692.4, 159.16), (698.9, 71.41), (708.0, 40.69)]),
        (49, [(721.4, 165.83), (728.0, 74.39), (737.3, 42.38)]),
        (45, [(609.1, 139.98), (615.2, 62.84), (623.7, 35.84)]),
    ];
    for (channels, figures) in rows {
        for (scale, (parameters, macs)) in (2..).zip(figures) {
            let model = Model::from_weights("seeded", seeded(channels, &[channels; 16], scale)).unwrap();
            assert_eq!(model.architecture(), "ledsr");
            assert_costs(&model, [parameters, macs], [0.1, 0.01]);
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let cases: [(&str, Option<&[usize]>, &str); 5] = [
        (
            "body.1.body.2.weight",
            Some(&[5, 4, 3, 3]),
            "body.1.body.2.weight: expected [5, 3, 3, 3], found [5, 4, 3, 3]",
        ),
        ("body.1.body.0.bias", None, "body.1.body.0.bias: expected a tensor of shape [3], found none"),
        ("body.2.weight", None, "body.2.weight: expected a tensor of shape [5, 5, 3, 3], found none"),
        (
            "tail.0.0.weight",
            Some(&[13, 5, 3, 3]),
            "tail.0.0.weight: expected 3, 12, 27 or 48 output channels",
        ),
        ("add_mean.weight", None, "add_mean.weight: expected a tensor of shape [3, 3, 1, 1], found none"),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(&seeded(5, &[8, 3], 2), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
}
