//! CARN, RRDBNet, SAFMN, SPAN and SRVGGNetCompact at the sizes that were published: parameters, work and scales. And
//! what is said to who brings tensors that do not fit.

use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::low_level::weights::Weights;
use sparsr::{Model, Options, Upscaler};

use crate::downloads::{PSNR, set5_psnr};
use crate::support::{seeded, shared_data};

/// Tensors of given shapes, all zeros: sizes are all that is asked for.
#[derive(Default)]
struct Made(Vec<(String, Parameter)>);

impl Made {
    fn tensor(&mut self, name: &str, dims: &[usize]) {
        self.0.push((name.into(), Parameter::new(dims, vec![0.0; dims.iter().product()])));
    }

    /// A convolution with bias: `[out, inputs, kernel]`.
    fn conv(&mut self, name: &str, [out, inputs, kernel]: [usize; 3]) {
        self.tensor(&format!("{name}.weight"), &[out, inputs, kernel, kernel]);
        self.tensor(&format!("{name}.bias"), &[out]);
    }

    fn model(self) -> Model {
        Model::from_weights("made", Weights::new("made", self.0)).unwrap()
    }
}

/// `wide`: channels behind `conv_cat`.
fn span(c: usize, wide: usize, scale: usize, branches: bool) -> Model {
    let mut made = Made::default();
    let mut conv3xc = |name: &str, inputs: usize| {
        made.conv(&format!("{name}.eval_conv"), [c, inputs, 3]);
        if branches {
            made.conv(&format!("{name}.sk"), [c, inputs, 1]);
            made.conv(&format!("{name}.conv.0"), [2 * inputs, inputs, 1]);
            made.conv(&format!("{name}.conv.1"), [2 * c, 2 * inputs, 3]);
            made.conv(&format!("{name}.conv.2"), [c, 2 * c, 1]);
        }
    };
    conv3xc("conv_1", 3);
    conv3xc("conv_2", c);
    for (block, j) in (1..=6).flat_map(|block| (1..=3).map(move |j| (block, j))) {
        conv3xc(&format!("block_{block}.c{j}_r"), c);
    }
    made.conv("conv_cat", [wide, 4 * c, 1]);
    made.conv("upsampler.0", [3 * scale * scale, wide, 3]);
    made.model()
}

fn safmn(scale: usize, challenge: bool) -> Model {
    let (mut made, c) = (Made::default(), 36);
    made.conv("to_feat", [c, 3, 3]);
    for i in 0..8 {
        let mut conv = |name: &str, [out, inputs, kernel]: [usize; 3]| {
            made.tensor(&format!("feats.{i}.{name}.weight"), &[out, inputs, kernel, kernel]);
            if !challenge {
                made.tensor(&format!("feats.{i}.{name}.bias"), &[out]);
            }
        };
        for level in 0..4 {
            conv(&format!("safm.mfr.{level}"), [c / 4, 1, 3]);
        }
        conv("safm.aggr", [c, c, 1]);
        conv("ccm.ccm.0", [2 * c, c, 3]);
        conv("ccm.ccm.2", [c, 2 * c, 1]);
        if !challenge {
            for name in ["norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"] {
                made.tensor(&format!("feats.{i}.{name}"), &[c]);
            }
        }
    }
    if challenge {
        made.tensor("norm.gamma", &[1, c, 1, 1]);
        made.tensor("norm.beta", &[1, c, 1, 1]);
    }
    made.conv("to_img.0", [3 * scale * scale, c, 3]);
    made.model()
}

/// CARN-M, or CARN; of all scales.
fn carn(efficient: bool) -> Model {
    let (mut made, c) = (Made::default(), 64);
    let within = if efficient { c / 4 } else { c };
    made.conv("sub_mean.shifter", [3, 3, 1]);
    made.conv("add_mean.shifter", [3, 3, 1]);
    made.conv("entry", [c, 3, 3]);
    made.conv("exit", [3, c, 3]);
    for block in ["", "b1.", "b2.", "b3."] {
        for i in 1..=3 {
            made.conv(&format!("{block}c{i}.body.0"), [c, (i + 1) * c, 1]);
            if block.is_empty() || (efficient && i > 1) {
                continue;
            }
            made.conv(&format!("{block}b{i}.body.0"), [c, within, 3]);
            made.conv(&format!("{block}b{i}.body.2"), [c, within, 3]);
            if efficient {
                made.conv(&format!("{block}b{i}.body.4"), [c, c, 1]);
            }
        }
    }
    for (name, factor) in [("up2.body.0", 4), ("up3.body.0", 9), ("up4.body.0", 4), ("up4.body.3", 4)] {
        made.conv(&format!("upsample.{name}"), [factor * c, within, 3]);
    }
    made.model()
}

fn srvgg(convolutions: usize, scale: usize) -> Model {
    let (mut made, c) = (Made::default(), 64);
    for i in 0..=convolutions {
        made.conv(&format!("body.{}", 2 * i), [c, if i == 0 { 3 } else { c }, 3]);
        made.tensor(&format!("body.{}.weight", 2 * i + 1), &[c]);
    }
    made.conv(&format!("body.{}", 2 * convolutions + 2), [3 * scale * scale, c, 3]);
    made.model()
}

/// Under BasicSR's names.
fn rrdb(blocks: usize, unshuffle: usize) -> Model {
    let (mut made, c, growth) = (Made::default(), 64, 32);
    made.conv("conv_first", [c, 3 * unshuffle * unshuffle, 3]);
    for (i, j, k) in (0..blocks).flat_map(|i| (0..15).map(move |jk| (i, jk / 5 + 1, jk % 5 + 1))) {
        let out = if k == 5 { c } else { growth };
        made.conv(&format!("body.{i}.rdb{j}.conv{k}"), [out, c + (k - 1) * growth, 3]);
    }
    for name in ["conv_body", "conv_up1", "conv_up2", "conv_hr"] {
        made.conv(name, [c, c, 3]);
    }
    made.conv("conv_last", [3, c, 3]);
    made.model()
}

/// Set5's bird, by whose size work is divided by, small for x2, x3 and x4.
const BIRD: [usize; 3] = [144, 96, 72];

#[test]
fn parameters_and_work_are_as_published() {
    // Parameters as the authors' code counts them or as worked out by hand, and thousands of multiply-adds a pixel.
    let [carn_m, carn] = [carn(true), carn(false)];
    let at = |model: &Model, scale| model.at_scale(scale).unwrap();
    let rows: [(&str, Model, usize, f64); 19] = [
        ("SPAN of NTIRE 2025, team 46", span(28, 20, 4, false), 146_328, 145.7),
        ("SPAN of NTIRE 2024, team 38", span(28, 28, 4, false), 150_688, 150.0),
        ("SPAN of NTIRE 2024, team 39", span(26, 26, 4, false), 130_828, 130.3),
        ("SPAN-S x2", span(48, 48, 2, true), 410_700, 409.7),
        ("SPAN-S x4", span(48, 48, 4, true), 426_288, 425.2),
        ("SPAN x4", span(52, 52, 4, true), 498_208, 497.1),
        ("SAFMN of NTIRE 2023, team 15", safmn(4, true), 237_000, 235.0),
        ("SAFMN x2", safmn(2, false), 227_820, 0.0),
        ("SAFMN x3", safmn(3, false), 232_695, 0.0),
        ("SAFMN x4", safmn(4, false), 239_520, 0.0),
        ("CARN-M x2", at(&carn_m, 2), 257_051, 395.8),
        ("CARN-M x3", at(&carn_m, 3), 303_451, 450.0),
        ("CARN-M x4", at(&carn_m, 4), 294_171, 564.0),
        // The paper has 1592 K for all scales together, and 222.8, 118.8 and 90.9 · 10⁹ for 1280×720 pixels.
        ("CARN x2", at(&carn, 2), 964_187, 967.0),
        ("CARN x4", at(&carn, 4), 1_111_899, 1578.1),
        ("realesr-general-x4v3", srvgg(32, 4), 1_213_296, 1209.0),
        ("realesr-animevideov3", srvgg(16, 4), 621_424, 619.2),
        ("RealESRGAN_x4plus", rrdb(23, 1), 16_697_987, 17_926.8),
        ("RealESRGAN_x4plus_anime_6B", rrdb(6, 1), 4_467_779, 0.0),
    ];
    for (name, model, parameters, kilo_macs) in rows {
        let side = BIRD[model.scale() - 2];
        let macs = model.graph(Shape::new(1, 3, side, side)).unwrap().macs().total();
        let found = macs as f64 / (side * side) as f64 / 1e3;
        println!("{name}: {} parameters, {found:.1} thousand multiply-adds a pixel", model.parameters());
        assert_eq!(model.parameters(), parameters, "{name}");
        assert!(kilo_macs == 0.0 || (found / kilo_macs - 1.0).abs() < 0.003, "{name}: {found}");
    }
}

#[test]
fn what_a_network_takes_and_makes_is_told_by_its_tensors() {
    let rows: [(Model, &str, usize, usize, usize, &str); 7] = [
        (rrdb(1, 1), "rrdb", 4, 1, 1, "1 blocks, 64 channels, growth 32"),
        (rrdb(1, 2), "rrdb", 2, 2, 1, "1 blocks, 64 channels, growth 32, pixel unshuffle by 2"),
        (rrdb(2, 4), "rrdb", 1, 4, 1, "2 blocks, 64 channels, growth 32, pixel unshuffle by 4"),
        (
            safmn(4, true),
            "safmn",
            4,
            1,
            16,
            "8 modules of 4 levels, 36 channels, global response normalisation",
        ),
        (safmn(3, false), "safmn", 3, 1, 8, "8 modules of 4 levels, 36 channels"),
        (
            span(5, 4, 4, true),
            "span",
            4,
            1,
            1,
            "6 attention blocks, 5 channels, with the branches of training",
        ),
        (srvgg(2, 1), "srvgg", 1, 1, 1, "2 convolutions, 64 channels, PReLU"),
    ];
    for (model, architecture, scale, alignment, smallest, description) in rows {
        assert_eq!((model.architecture(), model.scale()), (architecture, scale), "{description}");
        assert_eq!((model.alignment(), model.smallest_side()), (alignment, smallest), "{description}");
        assert_eq!(model.description(), description);
        let mut upscaler = Upscaler::on_cpu(&model, Options::default()).unwrap();
        for [width, height] in [[1, 1], [7, 5], [17, 9]] {
            let found = upscaler.upscale_pixels(&seeded::picture(width, height, 1)).unwrap().pixels;
            assert_eq!(
                [found.width(), found.height()],
                [width, height].map(|side| scale * side),
                "{description}"
            );
        }
    }
    assert_eq!(carn(true).description(), "CARN-M, 64 channels in 4 groups, shared residual blocks");
    assert_eq!(carn(false).description(), "CARN, 64 channels");
}

#[test]
fn one_checkpoint_of_carn_holds_three_networks() {
    let test = "one_checkpoint_of_carn_holds_three_networks";
    let paths = ["models/carn_m_x2/carn_m.pth", "set5"].map(|name| shared_data::path(test, name));
    let [Some(checkpoint), Some(set5)] = paths else { return };
    let model = Model::load(&checkpoint).unwrap();
    assert_eq!((model.scale(), model.scales()), (2, vec![2, 3, 4]));
    assert!(model.at_scale(1).is_err());
    for (scale, expected) in [(2, 37.678), (3, 34.058), (4, 31.883)] {
        let psnr = set5_psnr(&model.at_scale(scale).unwrap(), &set5);
        println!("CARN-M x{scale}: {psnr:.4} dB on Set5, the authors' code {expected:.3}");
        assert!((psnr - expected).abs() < PSNR, "x{scale}: {psnr:.4} dB, expected {expected:.3}");
    }
}
