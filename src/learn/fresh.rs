//! Networks that have learnt nothing yet: the parameters that a training from scratch begins with.
//!
//! Numbers are drawn by the parameter's name and the number's place, so that a network of more blocks has those of one of
//! fewer.

mod trilevelnas;

pub use trilevelnas::{trilevelnas, trilevelnas_supernet};

use super::Random;
use crate::models::{DIV2K_MEAN, smsr};
use crate::tensor::Parameter;
use crate::weights::Weights;

/// The deviation that transformers' weights begin with.
const TRANSFORMER: f32 = 0.02;

/// Parameters under construction.
struct Making {
    seed: u64,
    parameters: Vec<(String, Parameter)>,
}

/// How a tensor's numbers are drawn.
#[derive(Clone, Copy)]
enum Draw {
    /// Uniform within ± this.
    Uniform(f32),
    /// Normal of this deviation.
    Normal(f32),
    /// All the same.
    Fixed(f32),
}

impl Making {
    fn new(seed: u64) -> Self {
        Self { seed, parameters: Vec::new() }
    }

    fn add(&mut self, name: String, dims: &[usize], draw: Draw) {
        let numbers = self.drawn(&name, dims.iter().product(), draw);
        self.parameters.push((name, Parameter::new(dims, numbers)));
    }

    fn drawn(&self, name: &str, len: usize, draw: Draw) -> Vec<f32> {
        let random = Random::new(self.seed, stream(name), 0);
        let mut values = vec![0.0; len];
        match draw {
            Draw::Uniform(bound) => {
                random.fill_uniform(&mut values);
                values.iter_mut().for_each(|value| *value = (2.0 * *value - 1.0) * bound);
            }
            Draw::Normal(deviation) => {
                random.fill_normal(&mut values);
                values.iter_mut().for_each(|value| *value *= deviation);
            }
            Draw::Fixed(number) => values.fill(number),
        }
        values
    }

    /// A convolution as PyTorch makes it, see [`Making::layer`].
    fn uniform(&mut self, name: &str, [out, inputs, k]: [usize; 3]) {
        self.layer(name, &[out, inputs, k, k]);
    }

    /// A layer with such a weight as PyTorch makes it: weight and bias uniform within 1 / √(numbers of an output).
    fn layer(&mut self, name: &str, dims: &[usize]) {
        self.without_bias(name, dims);
        self.add(format!("{name}.bias"), &dims[..1], Draw::Uniform(bound(dims)));
    }

    /// The same without a bias.
    fn without_bias(&mut self, name: &str, dims: &[usize]) {
        self.add(format!("{name}.weight"), dims, Draw::Uniform(bound(dims)));
    }

    /// EDSR's.
    fn upsampler(&mut self, name: &str, channels: usize, scale: usize) {
        let factor = if scale == 3 { 3 } else { 2 };
        for stage in 0..scale.ilog(factor) {
            self.uniform(&format!("{name}.{}", 2 * stage), [factor * factor * channels, channels, 3]);
        }
    }

    /// A linear layer as Swin transformers begin: its weight normal, its bias zeros.
    fn linear(&mut self, name: &str, [out, inputs]: [usize; 2]) {
        self.add(format!("{name}.weight"), &[out, inputs], Draw::Normal(TRANSFORMER));
        self.add(format!("{name}.bias"), &[out], Draw::Fixed(0.0));
    }

    /// A normalisation that changes nothing yet.
    fn layer_norm(&mut self, name: &str, channels: usize) {
        self.add(format!("{name}.weight"), &[channels], Draw::Fixed(1.0));
        self.add(format!("{name}.bias"), &[channels], Draw::Fixed(0.0));
    }

    /// A weight that keeps the size of what goes through it and a ReLU (He et al., ICCV 2015, equation 10), times a gain.
    fn kaiming(&mut self, name: &str, [out, inputs, k]: [usize; 3], gain: f32) {
        let deviation = gain * (2.0 / (inputs * k * k) as f32).sqrt();
        self.add(format!("{name}.weight"), &[out, inputs, k, k], Draw::Normal(deviation));
    }

    /// The same with a bias of zeros.
    fn biased(&mut self, name: &str, dims: [usize; 3], gain: f32) {
        self.kaiming(name, dims, gain);
        self.add(format!("{name}.bias"), &dims[..1], Draw::Fixed(0.0));
    }

    /// The mean that is taken off and added again, for pictures of 0 … `white`, under two names.
    fn mean_shifts(&mut self, names: [&str; 2], white: f32) {
        for (name, white) in names.into_iter().zip([-white, white]) {
            let identity = (0..9).map(|at| f32::from(u8::from(at % 4 == 0))).collect::<Vec<_>>();
            self.parameters.push((format!("{name}.weight"), Parameter::new([3, 3, 1, 1], identity)));
            let mean = DIV2K_MEAN.map(|mean| white * mean).to_vec();
            self.parameters.push((format!("{name}.bias"), Parameter::new([3], mean)));
        }
    }

    fn finish(self) -> Weights {
        Weights::new("a network from scratch", self.parameters)
    }
}

/// What PyTorch draws a layer's numbers within.
fn bound(dims: &[usize]) -> f32 {
    (dims[1..].iter().product::<usize>() as f32).sqrt().recip()
}

/// A number of the name: FNV-1a.
fn stream(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// LEDSR, which is EDSR with a single convolution behind the body, under the names of ASSL's code.
pub fn ledsr(channels: usize, blocks: usize, scale: usize, seed: u64) -> Weights {
    let mut making = residual_blocks(channels, blocks, seed);
    making.uniform("tail.0.0", [3 * scale * scale, channels, 3]);
    making.finish()
}

/// Head and body of EDSR.
fn residual_blocks(c: usize, blocks: usize, seed: u64) -> Making {
    let mut making = Making::new(seed);
    making.mean_shifts(["sub_mean", "add_mean"], 255.0);
    making.uniform("head.0", [c, 3, 3]);
    for block in 0..blocks {
        making.uniform(&format!("body.{block}.body.0"), [c, c, 3]);
        making.uniform(&format!("body.{block}.body.2"), [c, c, 3]);
    }
    making.uniform(&format!("body.{blocks}"), [c, c, 3]);
    making
}

/// EDSR of so many channels and blocks under the names of EDSR-PyTorch, at x2, x3 or x4, for pictures of 0 … 255.
pub fn edsr(channels: usize, blocks: usize, scale: usize, seed: u64) -> Weights {
    let mut making = residual_blocks(channels, blocks, seed);
    making.upsampler("tail.0", channels, scale);
    making.uniform("tail.1", [3, channels, 3]);
    making.finish()
}

/// The sizes of a lightweight SwinIR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwinIr {
    /// Width, `embed_dim`: a multiple of every block's heads.
    pub channels: usize,
    /// Swin transformer layers of each residual block.
    pub depths: Vec<usize>,
    /// Heads of the layers of each block.
    pub heads: Vec<usize>,
    /// The side of a window.
    pub window: usize,
    /// How many times as wide as the network its perceptrons are, `mlp_ratio`.
    pub expansion: usize,
    /// 2, 3 or 4.
    pub scale: usize,
}

/// SwinIR with one convolution and one pixel shuffle at the end, under its authors' names and as they begin: linear layers
/// and tables of biases normal (the authors cut the distribution off at a hundred deviations), convolutions as PyTorch
/// makes them.
pub fn swinir(sizes: &SwinIr, seed: u64) -> Weights {
    let (mut making, c) = (Making::new(seed), sizes.channels);
    making.uniform("conv_first", [c, 3, 3]);
    making.layer_norm("patch_embed.norm", c);
    for (i, (depth, heads)) in sizes.depths.iter().zip(&sizes.heads).enumerate() {
        (0..*depth).for_each(|j| {
            let name = format!("layers.{i}.residual_group.blocks.{j}");
            transformer_layer(&mut making, &name, sizes, *heads);
        });
        making.uniform(&format!("layers.{i}.conv"), [c, c, 3]);
    }
    making.layer_norm("norm", c);
    making.uniform("conv_after_body", [c, c, 3]);
    making.uniform("upsample.0", [3 * sizes.scale * sizes.scale, c, 3]);
    making.finish()
}

fn transformer_layer(making: &mut Making, name: &str, sizes: &SwinIr, heads: usize) {
    let SwinIr { channels: c, window, expansion, .. } = *sizes;
    making.layer_norm(&format!("{name}.norm1"), c);
    let table = format!("{name}.attn.relative_position_bias_table");
    making.add(table, &[(2 * window - 1).pow(2), heads], Draw::Normal(TRANSFORMER));
    making.linear(&format!("{name}.attn.qkv"), [3 * c, c]);
    making.linear(&format!("{name}.attn.proj"), [c, c]);
    making.layer_norm(&format!("{name}.norm2"), c);
    making.linear(&format!("{name}.mlp.fc1"), [expansion * c, c]);
    making.linear(&format!("{name}.mlp.fc2"), [c, expansion * c]);
}

/// ESRT under its authors' names and as it begins: layers as PyTorch makes them, factors of one. `channels` is a multiple of
/// 16: half of the width of nine pixels is divided among eight heads.
pub fn esrt(channels: usize, scale: usize, seed: u64) -> Weights {
    let (mut making, c, tokens) = (Making::new(seed), channels, 9 * channels);
    making.uniform("head.0", [c, 3, 3]);
    for block in 1..=3 {
        let name = |part: &str| format!("body.0.encoder{block}.{part}");
        for module in ["encoder", "decoder_low", "decoder_high", "alise"] {
            feature_block(&mut making, &name(module), c);
        }
        making.without_bias(&name("alise2.conv"), &[c, 2 * c, 1, 1]);
        channel_attention(&mut making, &name("att"), c);
    }
    making.uniform("body.0.reduce", [c, 3 * c, 3]);
    let name = |part: &str| format!("body.0.attention.{part}");
    making.layer_norm(&name("norm1"), tokens);
    making.without_bias(&name("atten.reduce"), &[tokens / 2, tokens]);
    making.without_bias(&name("atten.qkv"), &[3 * (tokens / 2), tokens / 2]);
    making.layer(&name("atten.proj"), &[tokens, tokens / 2]);
    making.layer_norm(&name("norm2"), tokens);
    making.layer(&name("mlp.fc1"), &[tokens / 4, tokens]);
    making.layer(&name("mlp.fc2"), &[tokens, tokens / 4]);
    making.uniform("body.0.alise", [c, c, 3]);
    factors(&mut making, "body.0", 2);
    making.uniform("reduce", [c, c, 3]);
    ["tail.0", "up.0"].iter().for_each(|name| making.upsampler(name, c, scale));
    making.uniform("tail.1", [3, c, 3]);
    making.without_bias("up.1.conv", &[3, c, 3, 3]);
    making.finish()
}

/// An adaptive residual feature block.
fn feature_block(making: &mut Making, name: &str, c: usize) {
    for unit in ["layer1", "layer2"].map(|unit| format!("{name}.{unit}")) {
        making.uniform(&format!("{unit}.conv"), [c / 2, c, 3]);
        making.uniform(&format!("{unit}.conv1"), [c, c / 2, 3]);
        making.add(format!("{unit}.relu.weight"), &[c / 2], Draw::Fixed(0.25));
        factors(making, &unit, 2);
    }
    making.without_bias(&format!("{name}.alise.conv"), &[c, 2 * c, 1, 1]);
    making.without_bias(&format!("{name}.layer4.conv"), &[c, c, 3, 3]);
    channel_attention(making, &format!("{name}.atten"), c);
    factors(making, name, 5);
}

/// Through a sixteenth of the channels.
fn channel_attention(making: &mut Making, name: &str, c: usize) {
    making.uniform(&format!("{name}.conv_du.0"), [c / 16, c, 1]);
    making.uniform(&format!("{name}.conv_du.2"), [c, c / 16, 1]);
}

fn factors(making: &mut Making, name: &str, count: usize) {
    (1..=count).for_each(|i| making.add(format!("{name}.weight{i}.scale"), &[1], Draw::Fixed(1.0)));
}

/// ACNet of so many channels and asymmetric layers at one scale, under its authors' names, its convolutions as PyTorch makes
/// them: all three of a layer.
pub fn acnet(channels: usize, layers: usize, scale: usize, seed: u64) -> Weights {
    let (mut making, c) = (Making::new(seed), channels);
    making.mean_shifts(["sub_mean.shifter", "add_mean.shifter"], 1.0);
    for i in 1..=layers {
        let inputs = if i == 1 { 3 } else { c };
        for (branch, [height, width]) in (1..).zip([[1, 3], [3, 1], [3, 3]]) {
            making.without_bias(&format!("conv{i}_{branch}.0"), &[c, inputs, height, width]);
        }
    }
    making.upsampler("upsample.up.body", c, scale);
    for i in [layers + 1, layers + 2] {
        (1..=2).for_each(|branch| making.without_bias(&format!("conv{i}_{branch}.0"), &[c, c, 3, 3]));
    }
    for (i, out) in (layers + 3..).zip([c, c, 3]) {
        making.without_bias(&format!("conv{i}.0"), &[out, c, 3, 3]);
    }
    making.finish()
}

/// SMSR that is almost its bicubic skip, with open masks and most channels sparse: residual branches are small and the tail
/// is near zero, so that a high rate is safe. The numbers are for a unit of 64, see
/// [`Config::training`](smsr::Config::training).
pub fn smsr(config: &smsr::Config, seed: u64) -> Weights {
    let smsr::Config { channels: c, modules, layers, mask_channels: m, attention_channels: a, scale } =
        *config;
    let mut making = Making::new(seed);
    making.mean_shifts(["sub_mean", "add_mean"], 255.0);
    making.biased("head.0", [c, 3, 3], 1.0);
    making.biased("head.2", [c, c, 3], 0.5_f32.sqrt());
    for k in 0..modules {
        let own = |name: &str| format!("body.{k}.{name}");
        making.biased(&own("spa_mask.0"), [m, c, 3], 1.0);
        making.biased(&own("spa_mask.3"), [m, m, 3], 1.0);
        let deviation = 0.1 * (2.0 / 18.0_f32).sqrt();
        making.add(own("spa_mask.5.weight"), &[m, 2, 3, 3], Draw::Normal(deviation));
        making.parameters.push((own("spa_mask.5.bias"), Parameter::new([2], vec![-1.0, 1.0])));
        let logits = own("body.ch_mask");
        let mut numbers = making.drawn(&logits, c * layers * 2, Draw::Normal(0.5));
        numbers.iter_mut().skip(1).step_by(2).for_each(|sparse| *sparse += 1.0);
        making.parameters.push((logits, Parameter::new([1, c, layers, 2], numbers)));
        (0..layers).for_each(|l| making.kaiming(&own(&format!("body.body.{l}")), [c, c, 3], 1.0));
        making.biased(&own("body.collect"), [c, c * layers, 1], 0.3);
        making.biased(&own("ca.conv_du.0"), [a, c, 1], 1.0);
        making.biased(&own("ca.conv_du.2"), [c, a, 1], 1.0);
    }
    making.biased("collect.0", [c, c * modules, 1], 1.0);
    making.biased("collect.2", [c, c, 3], 0.3);
    making.biased("tail.0", [3 * scale * scale, c, 3], 0.03);
    making.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Model;

    #[test]
    fn what_is_made_is_recognised() {
        for (weights, description) in [
            (edsr(16, 8, 2, 1), "edsr x2"),
            (edsr(8, 2, 3, 1), "edsr x3"),
            (edsr(8, 2, 4, 1), "edsr x4"),
            (smsr(&small(), 1), "smsr x2"),
            (swinir(&mini(2), 1), "swinir x2"),
            (swinir(&mini(3), 1), "swinir x3"),
            (esrt(16, 3, 1), "esrt x3"),
            (esrt(32, 4, 1), "esrt x4"),
            (acnet(4, 3, 2, 1), "acnet x2"),
            (acnet(6, 17, 4, 1), "acnet x4"),
        ] {
            let model = Model::from_weights("fresh", weights).unwrap();
            assert_eq!(format!("{} x{}", model.architecture(), model.scale()), description);
        }
    }

    fn small() -> smsr::Config {
        smsr::Config { channels: 8, modules: 2, layers: 2, mask_channels: 4, attention_channels: 1, scale: 2 }
    }

    /// SwinIRmini.
    fn mini(scale: usize) -> SwinIr {
        SwinIr { channels: 24, depths: vec![4; 3], heads: vec![6; 3], window: 8, expansion: 2, scale }
    }

    #[test]
    fn a_transformer_begins_as_pytorchs() {
        let weights = swinir(&mini(2), 1);
        let model = Model::from_weights("fresh", weights.clone()).unwrap();
        let expected = "4-4-4 transformer layers, 24 channels, windows of 8×8, pixelshuffledirect";
        assert_eq!(model.description(), expected);
        let moments = |name: &str| {
            let numbers = weights.get(name).unwrap().values();
            let mean =
                |of: &dyn Fn(f32) -> f32| numbers.iter().map(|n| of(*n)).sum::<f32>() / numbers.len() as f32;
            [mean(&|n| n), mean(&|n| n * n).sqrt()]
        };
        let block = "layers.1.residual_group.blocks.2";
        for (name, [mean, deviation]) in [
            ("attn.qkv.weight", [0.0, 0.02]),
            ("attn.relative_position_bias_table", [0.0, 0.02]),
            ("mlp.fc2.weight", [0.0, 0.02]),
            ("mlp.fc1.bias", [0.0, 0.0]),
            ("norm2.weight", [1.0, 1.0]),
        ] {
            let found = moments(&format!("{block}.{name}"));
            assert!(
                (found[0] - mean).abs() < 2e-3 && (found[1] - deviation).abs() < 2e-3,
                "{name}: {found:?}"
            );
        }
        // Uniform within 1 / √(24 · 9).
        let [mean, deviation] = moments("layers.1.conv.weight");
        assert!(mean.abs() < 2e-3 && (deviation * 648_f32.sqrt() - 1.0).abs() < 0.05, "{mean} {deviation}");
    }

    #[test]
    fn a_number_depends_on_the_seed_and_its_place_alone() {
        let first = |weights: Weights| weights.get("body.1.body.0.weight").unwrap().values()[..9].to_vec();
        assert_eq!(first(edsr(8, 2, 2, 7)), first(edsr(8, 4, 2, 7)));
        assert_ne!(first(edsr(8, 2, 2, 7)), first(edsr(8, 2, 2, 8)));
    }
}
