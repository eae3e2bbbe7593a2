//! First numbers: names and shapes of the authors' checkpoints, values by the seed.
//!
//! EDSR as PyTorch draws convolutions, evenly within ±1/√(inputs of an output). SMSR near to its bicubic skip and with
//! open masks: normal by He et al., residual branches scaled down, the tail near zero.

use std::collections::BTreeMap;

use sparsr::learn::Random;
use sparsr::low_level::tensor::Parameter;

use super::super::settings::Sizes;
use super::unit_factor;

/// DIV2K's, of red, green and blue in 0 … 1.
const MEAN: [f32; 3] = [0.4488, 0.4371, 0.4040];

/// The stream that numbers are drawn from; a tensor is a step of it.
const STREAM: u32 = Random::FREE;

struct Draw {
    seed: u64,
    tensors: BTreeMap<String, Parameter>,
}

pub fn tensors(sizes: &Sizes, scale: usize, unit: f64, seed: u64) -> BTreeMap<String, Parameter> {
    let mut draw = Draw { seed, tensors: BTreeMap::new() };
    match *sizes {
        Sizes::Edsr { channels, blocks } => draw.edsr(channels, blocks, scale),
        Sizes::Smsr { .. } => draw.smsr(sizes, scale),
        Sizes::Checkpoint(_) => {}
    }
    draw.mean_shift("sub_mean", -255.0);
    draw.mean_shift("add_mean", 255.0);
    let names: Vec<String> = draw.tensors.keys().cloned().collect();
    names.iter().for_each(|name| draw.scale(name, unit_factor(sizes, name, unit) as f32));
    draw.tensors
}

impl Draw {
    fn edsr(&mut self, c: usize, blocks: usize, scale: usize) {
        self.even("head.0", [c, 3]);
        for block in 0..blocks {
            self.even(&format!("body.{block}.body.0"), [c, c]);
            self.even(&format!("body.{block}.body.2"), [c, c]);
        }
        self.even(&format!("body.{blocks}"), [c, c]);
        let steps: &[usize] = if scale == 4 { &[2, 2] } else { &[scale] };
        for (number, step) in steps.iter().enumerate() {
            self.even(&format!("tail.0.{}", 2 * number), [c * step * step, c]);
        }
        self.even("tail.1", [3, c]);
    }

    fn smsr(&mut self, sizes: &Sizes, scale: usize) {
        let &Sizes::Smsr { channels: c, modules, layers, mask_channels: m, attention_channels: a } = sizes
        else {
            return;
        };
        self.normal("head.0", [c, 3, 3]);
        self.normal("head.2", [c, c, 3]);
        for module in 0..modules {
            let path = |name: &str| format!("body.{module}.{name}");
            self.normal(&path("spa_mask.0"), [m, c, 3]);
            self.normal(&path("spa_mask.3"), [m, m, 3]);
            self.open_mask(&path("spa_mask.5"), m);
            for layer in 0..layers {
                self.normal(&path(&format!("body.body.{layer}")), [c, c, 3]);
                self.tensors.remove(&path(&format!("body.body.{layer}.bias")));
            }
            self.normal(&path("body.collect"), [c, c * layers, 1]);
            self.scale(&path("body.collect.weight"), 0.3);
            self.channel_masks(&path("body.ch_mask"), c, layers);
            self.normal(&path("ca.conv_du.0"), [a, c, 1]);
            self.normal(&path("ca.conv_du.2"), [c, a, 1]);
        }
        self.normal("collect.0", [c, c * modules, 1]);
        self.normal("collect.2", [c, c, 3]);
        self.normal("tail.0", [3 * scale * scale, c, 3]);
        self.scale("head.2.weight", 0.5_f32.sqrt());
        self.scale("collect.2.weight", 0.3);
        self.scale("tail.0.weight", 0.03);
    }

    /// A 3×3 convolution.
    fn even(&mut self, name: &str, [out, inputs]: [usize; 2]) {
        let bound = 1.0 / ((9 * inputs) as f32).sqrt();
        let even = |random: &Random, index: u32| bound * (2.0 * random.uniform(index) - 1.0);
        self.draw(&format!("{name}.weight"), &[out, inputs, 3, 3], even);
        self.draw(&format!("{name}.bias"), &[out], even);
    }

    /// A convolution before a ReLU, without a bias to begin with.
    fn normal(&mut self, name: &str, [out, inputs, kernel]: [usize; 3]) {
        let deviation = (2.0 / (inputs * kernel * kernel) as f32).sqrt();
        let normal = |random: &Random, index: u32| deviation * random.normal(index);
        self.draw(&format!("{name}.weight"), &[out, inputs, kernel, kernel], normal);
        self.put(&format!("{name}.bias"), &[out], vec![0.0; out]);
    }

    /// The two logits of a pixel, of which the second says that there is work: open nearly everywhere.
    fn open_mask(&mut self, name: &str, inputs: usize) {
        let deviation = 0.1 * (2.0_f32 / (2 * 9) as f32).sqrt();
        let normal = |random: &Random, index: u32| deviation * random.normal(index);
        self.draw(&format!("{name}.weight"), &[inputs, 2, 3, 3], normal);
        self.put(&format!("{name}.bias"), &[2], vec![-1.0, 1.0]);
    }

    /// The two logits of a channel, of which the second says sparse: mostly so, as trained networks end up.
    fn channel_masks(&mut self, name: &str, channels: usize, layers: usize) {
        let normal = |random: &Random, index: u32| 0.5 * random.normal(index) + (index % 2) as f32;
        self.draw(name, &[1, channels, layers, 2], normal);
    }

    fn mean_shift(&mut self, name: &str, white: f32) {
        let eye = (0..9).map(|at| if at % 4 == 0 { 1.0 } else { 0.0 }).collect();
        self.put(&format!("{name}.weight"), &[3, 3, 1, 1], eye);
        self.put(&format!("{name}.bias"), &[3], MEAN.map(|mean| white * mean).into());
    }

    fn draw(&mut self, name: &str, dims: &[usize], number: impl Fn(&Random, u32) -> f32) {
        let random = Random::new(self.seed, STREAM, place(name));
        let count = dims.iter().product::<usize>() as u32;
        self.put(name, dims, (0..count).map(|index| number(&random, index)).collect());
    }

    fn put(&mut self, name: &str, dims: &[usize], numbers: Vec<f32>) {
        self.tensors.insert(name.into(), Parameter::new(dims, numbers));
    }

    fn scale(&mut self, name: &str, factor: f32) {
        if let Some(numbers) = self.tensors.get_mut(name).filter(|_| factor != 1.0) {
            let scaled: Vec<f32> = numbers.values().iter().map(|number| factor * number).collect();
            *numbers = Parameter::new(numbers.dims(), scaled);
        }
    }
}

/// A tensor's place in the stream: FNV-1a of its name, so that it is the same in a deeper network.
fn place(name: &str) -> u64 {
    name.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparsr::Model;
    use sparsr::low_level::weights::Weights;

    const SMSR: Sizes =
        Sizes::Smsr { channels: 16, modules: 2, layers: 3, mask_channels: 8, attention_channels: 2 };

    fn deviation(numbers: &Parameter) -> f32 {
        let values = numbers.values();
        (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt()
    }

    #[test]
    fn what_is_drawn_is_the_network_that_was_asked_for() {
        for scale in 2..=4 {
            for (sizes, architecture, description) in [
                (
                    Sizes::Edsr { channels: 16, blocks: 8 },
                    "edsr",
                    "8 residual blocks, 16 channels, residuals times 2",
                ),
                (SMSR, "smsr", "2 modules of 3 layers, 16 channels"),
            ] {
                let weights = Weights::new("drawn", tensors(&sizes, scale, 64.0, 7));
                let model = Model::from_weights("drawn", weights).unwrap();
                assert_eq!((model.architecture(), model.scale()), (architecture, scale));
                assert_eq!(model.description(), description);
            }
        }
    }

    #[test]
    fn numbers_follow_the_seed_and_their_spread_the_inputs() {
        let edsr = Sizes::Edsr { channels: 32, blocks: 1 };
        let [one, again, other] = [1, 1, 2].map(|seed| tensors(&edsr, 2, 64.0, seed));
        assert!(one == again && one != other);
        assert_ne!(one["body.0.body.0.weight"], one["body.0.body.2.weight"]);
        // Even within ±b: a deviation of b/√3.
        let near =
            |found: f32, expected: f32| assert!((found / expected - 1.0).abs() < 0.1, "{expected} {found}");
        near(deviation(&one["body.0.body.0.weight"]), (1.0 / 288.0_f32 / 3.0).sqrt());
        near(deviation(&one["head.0.weight"]), (1.0 / 27.0_f32 / 3.0).sqrt() / 64.0);
        near(deviation(&one["tail.1.weight"]), 64.0 * (1.0 / 288.0_f32 / 3.0).sqrt());
        let smsr = tensors(&SMSR, 2, 64.0, 1);
        near(deviation(&smsr["body.0.body.body.1.weight"]), (2.0 / 144.0_f32).sqrt());
        near(deviation(&smsr["tail.0.weight"]), 64.0 * 0.03 * (2.0 / 144.0_f32).sqrt());
        let logits = smsr["body.0.body.ch_mask"].values();
        let mean = |from: usize| logits.iter().skip(from).step_by(2).sum::<f32>() / (logits.len() / 2) as f32;
        assert!(mean(0).abs() < 0.3 && (mean(1) - 1.0).abs() < 0.3);
    }
}
