//! EDSR: what its tensors tell, what it costs, and the one number that no tensor tells.

use sparsr::Model;
use sparsr::low_level::graph::{Builder, Conv2d};
use sparsr::low_level::models::edsr::{Config, Keys};
use sparsr::low_level::tensor::Tensor;
use sparsr::low_level::weights::Weights;

use crate::support::{adapter, compare, seeded};
use crate::{assert_all_agree, assert_costs, run_reference, spoilt};

/// Under BasicSR's names, of these channels and blocks.
fn sized(channels: usize, blocks: usize, scale: usize) -> Config {
    let tiny = seeded::TINY_EDSR;
    Config { keys: Keys::BasicSr, channels, upsampled: channels, blocks, scale, mean_shift: false, ..tiny }
}

#[test]
fn sizes_are_read_off_the_tensors() {
    let tiny = seeded::TINY_EDSR;
    let rows = [
        tiny,
        Config { scale: 3, ..tiny },
        Config { scale: 4, blocks: 1, ..tiny },
        Config { channels: 9, mean_shift: false, ..tiny },
        Config { upsampled: 4, scale: 4, ..tiny },
        Config { range: 1.0, ..tiny },
        Config { channels: 16, upsampled: 16, blocks: 7, ..tiny },
        Config { channels: 16, upsampled: 16, blocks: 8, res_scale: 2.0, ..tiny },
        Config { res_scale: 2.0, ..sized(16, 8, 2) },
        Config { res_scale: 0.1, ..sized(256, 2, 3) },
        sized(1, 1, 4),
    ];
    for expected in rows {
        assert_eq!(Config::detect(&seeded::edsr(&expected)).unwrap().unwrap(), expected);
    }
    assert!(Config::detect(&seeded::smsr(&seeded::TINY)).is_none());
}

#[test]
fn parameters_and_work_are_as_worked_out_by_hand() {
    // Thousands of parameters and 10⁹ multiply-adds for 1280×720 pixels at x2, x3 and x4, and how they are rounded.
    // EDSR-PyTorch's include the mean shifts, which are convolutions there.
    let pytorch = |channels, blocks| Config { channels, upsampled: channels, blocks, ..seeded::TINY_EDSR };
    let rows = [
        (sized(16, 8, 2), [(49.6, 11.65), (61.2, 6.58), (58.9, 5.33)], [0.1, 0.01]),
        (pytorch(64, 16), [(1369.9, 316.3), (1554.5, 160.3), (1517.6, 114.2)], [0.1, 0.1]),
        (pytorch(256, 32), [(40_700.0, 9385.0), (43_700.0, 4477.0), (43_100.0, 2895.0)], [100.0, 1.0]),
    ];
    for (config, figures, units) in rows {
        for (scale, (parameters, macs)) in (2..).zip(figures) {
            let weights = seeded::edsr(&Config { scale, ..config });
            let model = Model::from_weights("seeded", weights).unwrap();
            assert_costs(&model, [parameters, macs], units);
        }
    }
}

#[test]
fn residuals_are_scaled_as_published() {
    for (channels, blocks, factor) in [(16, 8, 2.0), (16, 7, 1.0), (64, 1, 1.0), (256, 1, 0.1)] {
        let config = sized(channels, blocks, 2);
        let weights = seeded::edsr(&config);
        let model = Model::from_weights("seeded", weights.clone()).unwrap();
        let input = seeded::picture(5, 4, 1).to_tensor(255.0);
        let graph = model.graph(input.shape()).unwrap();
        let keep = ["conv_first", "body.0.relu", "body.0"].map(|name| graph.find(name).unwrap());
        let [_, x, relu, found] =
            run_reference(&graph, model.net().numbers(), &input, &keep).try_into().unwrap();

        let (mut b, y) = Builder::new("conv2", relu.shape(), 1.0);
        let learned = ["weight", "bias"].map(|name| {
            let name = format!("body.0.conv2.{name}");
            b.parameter(&name, weights.get(&name).unwrap()).unwrap()
        });
        let y = b.conv2d("conv2", y, learned, Conv2d::same(3)).unwrap();
        let (graph, parameters) = b.finish(y).unwrap();
        let residual = run_reference(&graph, &parameters, &relu, &[]).remove(0);
        let sum = x.values().iter().zip(residual.values()).map(|(x, residual)| x + factor * residual);
        compare::close(&found, &Tensor::new(x.shape(), sum.collect()), 1e-5)
            .unwrap_or_else(|reason| panic!("{channels} channels, {blocks} blocks: {reason}"));
    }
}

#[test]
fn pictures_of_every_size_and_depth_agree() {
    let Some(gpu) = adapter::gpu("edsr: pictures_of_every_size_and_depth_agree") else { return };
    for (keys, scale, range) in
        [(Keys::EdsrPytorch, 2, 255.0), (Keys::BasicSr, 3, 255.0), (Keys::EdsrPytorch, 4, 1.0)]
    {
        let mean_shift = keys == Keys::EdsrPytorch;
        let config = Config { keys, scale, range, mean_shift, ..seeded::TINY_EDSR };
        let model = Model::from_weights("tiny edsr", seeded::edsr(&config)).unwrap();
        for (width, height) in [(1, 1), (7, 5), (34, 9)] {
            for picture in [seeded::picture(width, height, 1), seeded::picture16(width, height, 2)] {
                assert_all_agree(&gpu, "tiny edsr", &model, &picture);
            }
        }
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let tiny = seeded::TINY_EDSR;
    let basicsr = sized(6, 2, 4);
    let cases: [(Config, &str, Option<&[usize]>, &str); 6] = [
        (tiny, "add_mean.bias", None, "add_mean.bias: expected a tensor of shape [3], found none"),
        (tiny, "body.1.body.2.weight", Some(&[6, 5, 3, 3]), "expected [6, 6, 3, 3], found [6, 5, 3, 3]"),
        (tiny, "body.2.weight", None, "body.2.weight: expected a tensor of shape [6, 6, 3, 3], found none"),
        (tiny, "tail.0.0.weight", Some(&[12, 6, 3, 3]), "tail.0.0.weight: expected 24 output channels (x2"),
        (tiny, "head.0.weight", None, "head.0.weight: expected a tensor of this name, found none"),
        (basicsr, "upsample.0.weight", Some(&[]), "upsample.0.weight: expected an axis 0, found fewer axes"),
    ];
    for (config, name, dims, expected) in cases {
        let message = spoilt(&seeded::edsr(&config), name, dims);
        assert!(message.starts_with("some.pth: ") && message.contains(expected), "{message}");
    }
}

#[test]
fn a_prefix_around_the_network_is_no_part_of_it() {
    let plain = seeded::edsr(&seeded::TINY_EDSR);
    let expected = Model::from_weights("plain", plain.clone()).unwrap();
    for prefix in ["model.", "module.", "model.module.", "net_g."] {
        let named = plain.iter().map(|(name, parameter)| (format!("{prefix}{name}"), parameter.clone()));
        let weights = Weights::new("some.pth", named.collect::<Vec<_>>());
        let model = Model::from_weights("wrapped", weights).unwrap();
        assert_eq!(model.architecture(), "edsr", "{prefix}");
        assert_eq!(model.parameters(), expected.parameters());
        let input = seeded::picture(3, 2, 1).to_tensor(255.0);
        let run = |model: &Model| {
            let graph = model.graph(input.shape()).unwrap();
            run_reference(&graph, model.net().numbers(), &input, &[]).remove(0)
        };
        assert_eq!(run(&model), run(&expected));
    }
    let foreign = plain.iter().map(|(name, parameter)| (format!("{}.{name}", name.len()), parameter.clone()));
    let message = Model::from_weights("foreign", Weights::new("some.pth", foreign.collect::<Vec<_>>()));
    assert!(message.unwrap_err().to_string().contains("expected the tensors of a known architecture"));
}
