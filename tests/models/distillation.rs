//! IMDN, RFDN, RLFN and BSRN: what their published networks cost, how their tensors tell them apart, and what they
//! say to tensors that do not fit.

use sparsr::low_level::models::{bsrn, imdn, rfdn, rlfn};
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::low_level::weights::Weights;
use sparsr::{Model, Options, Upscaler};

use crate::support::golden::{self, Golden};
use crate::support::seeded;

/// Names and shapes of a checkpoint; its numbers are zeros.
#[derive(Clone, Default)]
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn with(mut self, name: &str, dims: &[usize]) -> Self {
        self.0.push((name.into(), dims.to_vec()));
        self
    }

    fn conv(self, name: &str, dims: [usize; 3]) -> Self {
        let [out, inputs, kernel] = dims;
        let weight = [out, inputs, kernel, kernel];
        self.with(&format!("{name}.weight"), &weight).with(&format!("{name}.bias"), &[out])
    }

    fn linear(self, name: &str, dims: [usize; 2]) -> Self {
        self.with(&format!("{name}.weight"), &dims).with(&format!("{name}.bias"), &dims[..1])
    }

    /// 1×1: [`Tensors::linear`] in BSRN-S.
    fn pointwise(self, name: &str, [out, inputs]: [usize; 2], linear: bool) -> Self {
        if linear { self.linear(name, [out, inputs]) } else { self.conv(name, [out, inputs, 1]) }
    }

    /// Blueprint separable.
    fn bsconv(self, name: &str, [out, inputs]: [usize; 2], small: bool) -> Self {
        let pointwise = format!("{name}.pw");
        let made = match small {
            true => self.linear(&pointwise, [out, inputs]),
            false => self.with(&format!("{pointwise}.weight"), &[out, inputs, 1, 1]),
        };
        made.conv(&format!("{name}.dw"), [out, 1, 3])
    }

    fn cca(self, name: &str, c: usize) -> Self {
        self.conv(&format!("{name}.conv_du.0"), [c / 16, c, 1])
            .conv(&format!("{name}.conv_du.2"), [c, c / 16, 1])
    }

    fn weights(&self, source: &str) -> Weights {
        let zeros = |dims: &Vec<usize>| Parameter::new(dims.clone(), vec![0.0; dims.iter().product()]);
        Weights::new(source, self.0.iter().map(|(name, dims)| (name.clone(), zeros(dims))))
    }
}

fn imdn(scale: usize) -> Tensors {
    let mut made = Tensors::default().conv("fea_conv", [64, 3, 3]);
    for i in 1..=6 {
        let name = |part: &str| format!("IMDB{i}.{part}");
        made = made.conv(&name("c1"), [64, 64, 3]).conv(&name("c2"), [64, 48, 3]);
        made = made.conv(&name("c3"), [64, 48, 3]).conv(&name("c4"), [16, 48, 3]);
        made = made.conv(&name("c5"), [64, 64, 1]).cca(&name("cca"), 64);
    }
    made.conv("c.0", [64, 384, 1])
        .conv("LR_conv", [64, 64, 3])
        .conv("upsampler.0", [3 * scale * scale, 64, 3])
}

fn rfdn(c: usize, esa: usize, scale: usize) -> Tensors {
    let mut made = Tensors::default().conv("fea_conv", [c, 3, 3]);
    for i in 1..=4 {
        let name = |part: &str| format!("B{i}.{part}");
        for step in 1..=3 {
            made = made.conv(&name(&format!("c{step}_d")), [c / 2, c, 1]);
            made = made.conv(&name(&format!("c{step}_r")), [c, c, 3]);
        }
        made = made.conv(&name("c4"), [c / 2, c, 3]).conv(&name("c5"), [c, c / 2 * 4, 1]);
        made = made.conv(&name("esa.conv1"), [esa, c, 1]).conv(&name("esa.conv4"), [c, esa, 1]);
        made = made.conv(&name("esa.conv_f"), [esa, esa, 1]);
        for part in ["conv2", "conv_max", "conv3", "conv3_"] {
            made = made.conv(&name(&format!("esa.{part}")), [esa, esa, 3]);
        }
    }
    made.conv("c.0", [c, 4 * c, 1]).conv("LR_conv", [c, c, 3]).conv("upsampler.0", [3 * scale * scale, c, 3])
}

/// `mids`: the inner widths of each block.
fn rlfn(keys: rlfn::Keys, c: usize, mids: &[[usize; 2]], scale: usize) -> Tensors {
    let (first, last, upsampler) = match keys {
        rlfn::Keys::Rlfn => ("conv_1", "conv_2", "upsampler.0"),
        rlfn::Keys::Slim => ("conv_1", "conv_2", "upsampler.upsample_conv"),
        rlfn::Keys::Challenge => ("fea_conv", "LR_conv", "upsampler.0"),
    };
    let mut made = Tensors::default().conv(first, [c, 3, 3]);
    for (i, [one, two]) in mids.iter().enumerate() {
        let name = |part: &str| match keys {
            rlfn::Keys::Rlfn => format!("block_{}.{part}", i + 1),
            rlfn::Keys::Slim => format!("block_list.{i}.{part}"),
            rlfn::Keys::Challenge => format!("B{}.{part}", i + 1),
        };
        made = made.conv(&name("c1_r"), [*one, c, 3]).conv(&name("c2_r"), [*two, *one, 3]);
        made = made.conv(&name("c3_r"), [c, *two, 3]).conv(&name("c5"), [c, c, 1]);
        made = made.conv(&name("esa.conv1"), [16, c, 1]).conv(&name("esa.conv2"), [16, 16, 3]);
        made = made.conv(&name("esa.conv3"), [16, 16, 3]).conv(&name("esa.conv4"), [c, 16, 1]);
        if keys != rlfn::Keys::Slim {
            made = made.conv(&name("esa.conv_f"), [16, 16, 1]);
        }
    }
    made.conv(last, [c, c, 3]).conv(upsampler, [3 * scale * scale, c, 3])
}

fn bsrn(c: usize, blocks: usize, scale: usize, small: bool) -> Tensors {
    let f = c / 4;
    let mut made = Tensors::default().bsconv("fea_conv", [c, 12], small);
    for i in 1..=blocks {
        let name = |part: &str| format!("B{i}.{part}");
        for step in 1..=3 {
            made = made.pointwise(&name(&format!("c{step}_d")), [c / 2, c], small);
            made = made.bsconv(&name(&format!("c{step}_r")), [c, c], small);
        }
        made = made.bsconv(&name("c4"), [c / 2, c], small).pointwise(&name("c5"), [c, 2 * c], small);
        made = made.pointwise(&name("esa.conv1"), [f, c], small);
        made = made.pointwise(&name("esa.conv_f"), [f, f], small);
        made = made.pointwise(&name("esa.conv4"), [c, f], small);
        for part in ["conv_max", "conv3", "conv3_"] {
            made = made.bsconv(&name(&format!("esa.{part}")), [f, f], small);
        }
        made = match small {
            true => made.conv(&name("esa.conv2"), [f, f, 3]).with(&name("cw"), &[1, c]),
            false => made.bsconv(&name("esa.conv2"), [f, f], false).cca(&name("cca"), c),
        };
        if small {
            made = made.linear(&name("conv_out"), [c, c]);
        }
    }
    let made = made.pointwise("c1", [c, c * blocks], small).bsconv("c2", [c, c], small);
    made.conv("upsampler.upsampleOneStep.0", [3 * scale * scale, c, 3])
}

fn slim_pruned() -> Tensors {
    rlfn(rlfn::Keys::Slim, 30, &[[28, 28], [28, 28], [28, 28], [28, 28], [28, 28], [30, 30]], 4)
}

#[test]
fn parameters_and_work_are_those_of_the_published_networks() {
    use rlfn::Keys::{Challenge, Rlfn, Slim};
    // Parameters, and thousands of multiply-adds a pixel of Set5's bird, 288 pixels wide and high at the end.
    let rows = [
        ("imdn", 2, imdn(2), 694_404, 689),
        ("imdn", 3, imdn(3), 703_059, 698),
        ("imdn", 4, imdn(4), 715_176, 710),
        ("rlfn", 2, rlfn(Rlfn, 52, &[[52; 2]; 6], 2), 526_856, 501),
        ("rlfn", 4, rlfn(Rlfn, 52, &[[52; 2]; 6], 4), 543_740, 518),
        ("rlfn", 2, rlfn(Rlfn, 48, &[[48; 2]; 6], 2), 454_620, 429),
        ("rlfn", 4, rlfn(Rlfn, 48, &[[48; 2]; 6], 4), 470_208, 444),
        ("rlfn", 4, rlfn(Rlfn, 46, &[[48; 2]; 4], 4), 317_218, 300),
        ("rlfn", 4, rlfn(Challenge, 46, &[[48; 2]; 4], 4), 317_218, 300),
        ("rlfn", 4, slim_pruned(), 197_134, 172),
        ("rlfn", 4, rlfn(Slim, 30, &[[30; 2]; 6], 4), 207_774, 182),
        ("rfdn", 4, rfdn(50, 12, 4), 433_448, 412),
        ("rfdn", 4, rfdn(40, 12, 4), 289_888, 269),
        ("bsrn", 2, bsrn(64, 8, 2, false), 331_628, 312),
        ("bsrn", 3, bsrn(64, 8, 3, false), 340_283, 321),
        ("bsrn", 4, bsrn(64, 8, 4, false), 352_400, 333),
        ("bsrn", 4, bsrn(48, 5, 4, true), 156_288, 144),
    ];
    for (architecture, scale, tensors, parameters, thousands) in rows {
        let model = Model::from_weights(architecture, tensors.weights("made.pth")).unwrap();
        let side = 288 / scale;
        let macs = model.graph(Shape::new(1, 3, side, side)).unwrap().macs().total() as f64;
        let found = macs / (side * side) as f64 / 1e3;
        let what = format!("{architecture} x{scale}, {}", model.description());
        println!("{what}: {} parameters, {found:.1} thousand multiply-adds", model.parameters());
        assert_eq!((model.architecture(), model.scale()), (architecture, scale), "{what}");
        assert_eq!(model.parameters(), parameters, "{what}");
        assert!((found - f64::from(thousands)).abs() <= 0.5, "{what}: {found}, and not {thousands}");
    }
}

#[test]
fn variants_are_told_apart() {
    let read = |tensors: Tensors| tensors.weights("made.pth");
    let rfdn = |c, esa| rfdn::Config::detect(&read(rfdn(c, esa, 4))).unwrap().unwrap();
    assert_eq!(rfdn(50, 12), rfdn::Config { channels: 50, blocks: 4, scale: 4, residual: true });
    assert_eq!(rfdn(40, 12), rfdn::Config { channels: 40, blocks: 4, scale: 4, residual: false });
    assert_eq!(rfdn(48, 12), rfdn::Config { channels: 48, blocks: 4, scale: 4, residual: true });

    let slim = rlfn::Config { keys: rlfn::Keys::Slim, channels: 30, blocks: 6, scale: 4, conv_f: false };
    assert_eq!(rlfn::Config::detect(&read(slim_pruned())).unwrap().unwrap(), slim);

    let bsrn = |c, blocks, small| bsrn::Config::detect(&read(bsrn(c, blocks, 4, small))).unwrap().unwrap();
    assert_eq!(bsrn(64, 8, false), bsrn::Config { channels: 64, blocks: 8, scale: 4, small: false });
    assert_eq!(bsrn(48, 5, true), bsrn::Config { channels: 48, blocks: 5, scale: 4, small: true });

    let enlarges_nothing = imdn::Config { channels: 64, blocks: 6, scale: 1 };
    assert_eq!(imdn::Config::detect(&read(imdn(1))).unwrap().unwrap(), enlarges_nothing);
}

/// Many networks of challenges have these names and one more: they are not run without it.
#[test]
fn networks_with_other_parts_are_not_taken_for_these() {
    let rlfn = rlfn(rlfn::Keys::Rlfn, 6, &[[6; 2]; 2], 2);
    for (tensors, block) in
        [(imdn(2), "IMDB1"), (rfdn(8, 2, 2), "B2"), (rlfn, "block_2"), (bsrn(16, 2, 2, false), "B1")]
    {
        for other in [format!("{block}.pa"), format!("{block}.c5_"), "c3".into()] {
            let weights = tensors.clone().conv(&other, [4, 4, 1]).weights("made.pth");
            let message = Model::from_weights("other", weights).unwrap_err().to_string();
            assert!(message.contains("and no others, found 2 that it does not read"), "{other}: {message}");
        }
    }
}

#[test]
fn pictures_below_the_smallest_side_are_enlarged() {
    for Golden { model, architecture, .. } in golden::all() {
        let network = model.name();
        let smallest = match &*architecture {
            "bsrn" | "rfdn" | "rlfn" => 15,
            "safmn" => model.smallest_side(),
            "esrt" => 2,
            _ => 1,
        };
        assert_eq!(model.smallest_side(), smallest, "{network}");
        let mut upscaler = Upscaler::on_cpu(&model, Options::default()).unwrap();
        for (width, height) in [(1, 1), (16, 3), (14, 15)] {
            let found = upscaler.upscale_pixels(&seeded::picture(width, height, 1)).unwrap().pixels;
            let expected = (model.scale() * width, model.scale() * height);
            assert_eq!((found.width(), found.height()), expected, "{network}");
        }
    }
}
