//! RCAN and SRPN: what the tensors tell, and what they cost.

use sparsr::Model;
use sparsr::low_level::models::rcan::{Config, Keys};
use sparsr::low_level::weights::Weights;

use crate::support::seeded::Made;
use crate::{assert_costs, spoilt};

const TINY: Config = Config {
    keys: Keys::EdsrPytorch,
    channels: 5,
    upsampled: 5,
    groups: 2,
    blocks: 3,
    attention: true,
    scale: 2,
    mean_shift: true,
    range: 255.0,
    mean: [0.4488, 0.4371, 0.4040],
};

/// Under the authors' names; blocks have `inner` channels within, and the attention one for 16.
fn seeded(config: &Config, inner: usize) -> Weights {
    let Config { channels: c, upsampled, groups, blocks, attention, scale, .. } = *config;
    let mut made = Made::default();
    made.mean_shift("sub_mean", -114.0);
    made.conv("head.0", [c, 3, 3, 3]);
    for g in 0..groups {
        for b in 0..blocks {
            made.conv(&format!("body.{g}.body.{b}.body.0"), [inner, c, 3, 3]);
            made.conv(&format!("body.{g}.body.{b}.body.2"), [c, inner, 3, 3]);
            if attention {
                let squeezed = c.div_ceil(16);
                made.conv(&format!("body.{g}.body.{b}.body.3.conv_du.0"), [squeezed, c, 1, 1]);
                made.conv(&format!("body.{g}.body.{b}.body.3.conv_du.2"), [c, squeezed, 1, 1]);
            }
        }
        made.conv(&format!("body.{g}.body.{blocks}"), [c, c, 3, 3]);
    }
    made.conv(&format!("body.{groups}"), [c, c, 3, 3]);
    let factor: usize = if scale == 3 { 3 } else { 2 };
    for stage in 0..scale.ilog(factor) as usize {
        let inputs = if stage == 0 { c } else { upsampled };
        made.conv(&format!("tail.0.{}", 2 * stage), [factor * factor * upsampled, inputs, 3, 3]);
    }
    made.conv("tail.1", [3, upsampled, 3, 3]);
    made.mean_shift("add_mean", 114.0);
    Weights::new("seeded", made.0)
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let rows = [
        TINY,
        Config { scale: 3, groups: 1, ..TINY },
        Config { scale: 4, attention: false, ..TINY },
        Config { scale: 8, blocks: 1, upsampled: 7, ..TINY },
    ];
    for expected in rows {
        assert_eq!(Config::detect(&seeded(&expected, 4)).unwrap().unwrap(), expected);
    }
    assert_eq!(TINY.to_string(), "2 groups of 3 residual blocks, 5 channels");
    let srpn = Config { attention: false, ..TINY };
    assert_eq!(srpn.to_string(), "2 groups of 3 residual blocks, 5 channels, no channel attention");
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    let paper = Config { channels: 64, upsampled: 64, groups: 10, blocks: 20, ..TINY };
    for (scale, expected) in [(2, [15_440.0, 3527.0]), (3, [15_630.0, 1587.0]), (4, [15_590.0, 917.0])] {
        let model = Model::from_weights("seeded", seeded(&Config { scale, ..paper }, 64)).unwrap();
        assert_eq!(model.architecture(), "rcan");
        assert_costs(&model, expected, [10.0, 1.0]);
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let cases: [(&str, Option<&[usize]>, &str); 5] = [
        ("body.1.body.2.body.2.weight", Some(&[5, 3, 3, 3]), "expected [5, 4, 3, 3], found [5, 3, 3, 3]"),
        ("body.1.body.3.weight", None, "body.1.body.3.weight: expected a tensor of shape [5, 5, 3, 3]"),
        ("body.2.weight", None, "body.2.weight: expected a tensor of shape [5, 5, 3, 3], found none"),
        (
            "body.1.body.0.body.3.conv_du.2.weight",
            None,
            "conv_du.2.weight: expected a tensor of shape [5, 1, 1, 1]",
        ),
        ("tail.0.0.weight", Some(&[21, 5, 3, 3]), "tail.0.0.weight: expected 20 output channels (x2"),
    ];
    for (name, dims, expected) in cases {
        let message = spoilt(&seeded(&TINY, 4), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
}
