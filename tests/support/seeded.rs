//! Numbers that are the same for the same seed, nodes that learned them, and networks made of them.

use sparsr::low_level::graph::{Activation, Builder, Conv2d, Op, Value, Weighted};
use sparsr::low_level::models::Convention;
use sparsr::low_level::models::edsr::{self, Keys};
use sparsr::low_level::models::smsr::Config;
use sparsr::low_level::models::swinir::{self, Upsampler};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Model, Pixels, Result, Samples};

/// `count` numbers in −1 … 1 (splitmix64).
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    words(seed).take(count).map(|word| (word >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// A seed out of a name.
pub fn seed(name: &str) -> u64 {
    // FNV-1a.
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Activations in −1 … 1.
pub fn noise(shape: Shape, seed: u64) -> Tensor {
    Tensor::new(shape, numbers(seed, shape.len()))
}

/// A weight whose sums stay of the order of their inputs: all but the first axis are summed over.
pub fn parameter<const AXES: usize>(dims: [usize; AXES], seed: u64) -> Parameter {
    let summed: usize = dims[1..].iter().product();
    let gain = (3.0 / summed as f32).sqrt();
    Parameter::new(
        dims,
        numbers(seed, dims.iter().product()).iter().map(|number| gain * number).collect::<Vec<_>>(),
    )
}

/// A convolution's weight and, if there is one, its bias, as parameters called after its node.
pub fn weighted(
    b: &mut Builder,
    node: &str,
    weight: &Parameter,
    bias: Option<&Parameter>,
) -> Result<Weighted> {
    let weight = b.parameter(format!("{node}.weight"), weight)?;
    let bias = bias.map(|bias| b.parameter(format!("{node}.bias"), bias)).transpose()?;
    Ok(Weighted { weight, bias })
}

/// A convolution with bias that keeps the size. Its numbers follow from its name.
pub fn conv(b: &mut Builder, name: &str, x: Value, out: usize, kernel: usize) -> Result<Value> {
    let weight = parameter([out, b.shape(x).channels, kernel, kernel], seed(name));
    let bias = parameter([out], seed(name) + 1);
    let weights = weighted(b, name, &weight, Some(&bias))?;
    b.conv2d(name, x, weights, Conv2d::same(kernel))
}

/// An activation; a PReLU has so many slopes.
pub fn activation(b: &mut Builder, name: &str, x: Value, op: Activation, slopes: usize) -> Result<Value> {
    let mut inputs = vec![x];
    if op == Activation::Prelu {
        inputs.push(b.parameter(format!("{name}.weight"), &parameter([slopes], seed(name)))?);
    }
    b.append(name, Op::Activation(op), &inputs)
}

/// Every sample another number.
pub fn picture(width: usize, height: usize, seed: u64) -> Pixels {
    Pixels::new(
        width,
        height,
        Samples::U8(words(seed).take(3 * width * height).map(|word| word as u8).collect()),
    )
    .unwrap()
}

/// The same at 16 bits.
pub fn picture16(width: usize, height: usize, seed: u64) -> Pixels {
    Pixels::new(
        width,
        height,
        Samples::U16(words(seed).take(3 * width * height).map(|word| word as u16).collect()),
    )
    .unwrap()
}

/// 8 channels, 2 modules of 2 layers: every part of SMSR, and nothing that takes time.
pub const TINY: Config =
    Config { channels: 8, modules: 2, layers: 2, mask_channels: 4, attention_channels: 2, scale: 2 };

/// The network of [`TINY`].
pub fn tiny_smsr() -> Model {
    Model::from_weights("tiny", smsr(&TINY)).expect("the names and shapes of SMSR")
}

/// SMSR of any size, under the authors' names.
pub fn smsr(config: &Config) -> Weights {
    let Config { channels: c, modules, layers, mask_channels: m, attention_channels: a, scale } = *config;
    let mut made = Made::default();
    made.mean_shift("sub_mean", -114.0);
    made.conv("head.0", [c, 3, 3, 3]);
    made.conv("head.2", [c, c, 3, 3]);
    for k in 0..modules {
        made.conv(&format!("body.{k}.spa_mask.0"), [m, c, 3, 3]);
        made.conv(&format!("body.{k}.spa_mask.3"), [m, m, 3, 3]);
        made.weight(&format!("body.{k}.spa_mask.5.weight"), [m, 2, 3, 3]);
        made.weight(&format!("body.{k}.spa_mask.5.bias"), [2]);
        made.weight(&format!("body.{k}.body.ch_mask"), [1, c, layers, 2]);
        for l in 0..layers {
            made.weight(&format!("body.{k}.body.body.{l}.weight"), [c, c, 3, 3]);
        }
        made.conv(&format!("body.{k}.body.collect"), [c, c * layers, 1, 1]);
        made.conv(&format!("body.{k}.ca.conv_du.0"), [a, c, 1, 1]);
        made.conv(&format!("body.{k}.ca.conv_du.2"), [c, a, 1, 1]);
    }
    made.conv("collect.0", [c, c * modules, 1, 1]);
    made.conv("collect.2", [c, c, 3, 3]);
    made.conv("tail.0", [3 * scale * scale, c, 3, 3]);
    made.mean_shift("add_mean", 114.0);
    Weights::new("seeded", made.0)
}

/// 6 channels, 2 blocks: every part of EDSR.
pub const TINY_EDSR: edsr::Config = edsr::Config {
    keys: Keys::EdsrPytorch,
    channels: 6,
    upsampled: 6,
    blocks: 2,
    scale: 2,
    res_scale: 1.0,
    mean_shift: true,
    range: 255.0,
    mean: [0.4488, 0.4371, 0.4040],
    colours: 3,
};

/// EDSR of any size, under either scheme's names.
pub fn edsr(config: &edsr::Config) -> Weights {
    let edsr::Config { keys, channels: c, upsampled, blocks, scale, mean_shift, range, .. } = *config;
    let [head, first, second, upsampler, last] = match keys {
        Keys::EdsrPytorch => ["head.0", "body.0", "body.2", "tail.0", "tail.1"],
        Keys::BasicSr => ["conv_first", "conv1", "conv2", "upsample", "conv_last"],
    };
    let mut made = Made::default();
    made.conv(head, [c, 3, 3, 3]);
    for i in 0..blocks {
        made.conv(&format!("body.{i}.{first}"), [c, c, 3, 3]);
        made.conv(&format!("body.{i}.{second}"), [c, c, 3, 3]);
    }
    match keys {
        Keys::EdsrPytorch => made.conv(&format!("body.{blocks}"), [c, c, 3, 3]),
        Keys::BasicSr => made.conv("conv_after_body", [c, c, 3, 3]),
    }
    let factor = if scale == 3 { 3 } else { 2 };
    for stage in 0..scale / factor {
        let inputs = if stage == 0 { c } else { upsampled };
        made.conv(&format!("{upsampler}.{}", 2 * stage), [factor * factor * upsampled, inputs, 3, 3]);
    }
    made.conv(last, [3, upsampled, 3, 3]);
    if mean_shift {
        made.mean_shift("sub_mean", -0.45 * range);
        made.mean_shift("add_mean", 0.45 * range);
    }
    Weights::new("seeded", made.0)
}

/// 6 channels, 2 blocks of a plain and a shifted layer, windows of 4×4: every part of the lightweight SwinIR.
const TINY_CONVENTION: Convention = Convention { white: 1.0, mean: [0.4488, 0.4371, 0.4040] };

pub fn tiny_swinir() -> swinir::Config {
    let (depths, heads, upsampler) = (vec![2, 2], vec![2, 1], Upsampler::PixelShuffleDirect);
    swinir::Config {
        channels: 6,
        depths,
        heads,
        window: 4,
        upsampler,
        scale: 2,
        colours: 3,
        convention: TINY_CONVENTION,
    }
}

/// SwinIR of any size, one convolution before each residual connection.
pub fn swinir(config: &swinir::Config) -> Weights {
    let (c, scale, colours) = (config.channels, config.scale, config.colours);
    let mut made = Made::default();
    made.conv("conv_first", [c, colours, 3, 3]);
    made.linear("patch_embed.norm", [c]);
    for (i, (depth, heads)) in config.depths.iter().zip(&config.heads).enumerate() {
        for j in 0..*depth {
            let name = |part: &str| format!("layers.{i}.residual_group.blocks.{j}.{part}");
            made.linear(&name("norm1"), [c]);
            let offsets = (2 * config.window - 1).pow(2);
            made.weight(&name("attn.relative_position_bias_table"), [offsets, *heads]);
            made.linear(&name("attn.qkv"), [3 * c, c]);
            made.linear(&name("attn.proj"), [c, c]);
            made.linear(&name("norm2"), [c]);
            made.linear(&name("mlp.fc1"), [2 * c, c]);
            made.linear(&name("mlp.fc2"), [c, 2 * c]);
        }
        made.conv(&format!("layers.{i}.conv"), [c, c, 3, 3]);
    }
    made.linear("norm", [c]);
    made.conv("conv_after_body", [c, c, 3, 3]);
    let features = 64;
    match config.upsampler {
        Upsampler::PixelShuffleDirect => made.conv("upsample.0", [colours * scale * scale, c, 3, 3]),
        Upsampler::PixelShuffle => {
            made.conv("conv_before_upsample.0", [features, c, 3, 3]);
            made.upsampler("upsample", features, scale);
            made.conv("conv_last", [colours, features, 3, 3]);
        }
        Upsampler::NearestConv => {
            made.conv("conv_before_upsample.0", [features, c, 3, 3]);
            for name in ["conv_up1", "conv_up2"].into_iter().take(scale / 2).chain(["conv_hr"]) {
                made.conv(name, [features, features, 3, 3]);
            }
            made.conv("conv_last", [colours, features, 3, 3]);
        }
        Upsampler::Residual => made.conv("conv_last", [colours, c, 3, 3]),
    }
    Weights::new("seeded", made.0)
}

/// ESRT of so many channels; the attention's width is half of its tokens' if the heads divide that, otherwise 8.
pub fn esrt(c: usize, scale: usize) -> Weights {
    let mut made = Made::default();
    made.conv("head.0", [c, 3, 3, 3]);
    for block in 1..=3 {
        let name = |part: &str| format!("body.0.encoder{block}.{part}");
        for module in ["encoder", "decoder_low", "decoder_high", "alise"] {
            made.feature_block(&name(module), c);
        }
        made.weight(&name("alise2.conv.weight"), [c, 2 * c, 1, 1]);
        made.channel_attention(&name("att"), c);
    }
    made.conv("body.0.reduce", [c, 3 * c, 3, 3]);
    let (tokens, half) = (9 * c, if c.is_multiple_of(16) { 9 * c / 2 } else { 8 });
    made.linear("body.0.attention.norm1", [tokens]);
    made.weight("body.0.attention.atten.reduce.weight", [half, tokens]);
    made.weight("body.0.attention.atten.qkv.weight", [3 * half, half]);
    made.linear("body.0.attention.atten.proj", [tokens, half]);
    made.linear("body.0.attention.norm2", [tokens]);
    made.linear("body.0.attention.mlp.fc1", [tokens / 4, tokens]);
    made.linear("body.0.attention.mlp.fc2", [tokens, tokens / 4]);
    made.conv("body.0.alise", [c, c, 3, 3]);
    made.factors("body.0", 2);
    made.conv("reduce", [c, c, 3, 3]);
    made.upsampler("tail.0", c, scale);
    made.conv("tail.1", [3, c, 3, 3]);
    made.upsampler("up.0", c, scale);
    made.weight("up.1.conv.weight", [3, c, 3, 3]);
    Weights::new("seeded", made.0)
}

/// Tensors of a network, one after the other.
#[derive(Default)]
pub struct Made(pub Vec<(String, Parameter)>);

impl Made {
    /// One of these axes.
    pub fn weight<const AXES: usize>(&mut self, name: &str, dims: [usize; AXES]) {
        self.0.push((name.into(), parameter(dims, seed(name))));
    }

    /// A convolution with bias.
    pub fn conv(&mut self, name: &str, dims: [usize; 4]) {
        self.weight(&format!("{name}.weight"), dims);
        self.weight(&format!("{name}.bias"), [dims[0]]);
    }

    /// PyTorch's `Linear` or, of one axis, `LayerNorm`.
    fn linear<const AXES: usize>(&mut self, name: &str, dims: [usize; AXES]) {
        self.weight(&format!("{name}.weight"), dims);
        self.weight(&format!("{name}.bias"), [dims[0]]);
    }

    fn upsampler(&mut self, name: &str, channels: usize, scale: usize) {
        let factor = if scale == 3 { 3 } else { 2 };
        for stage in 0..scale.ilog(factor) {
            let out = factor * factor * channels;
            self.conv(&format!("{name}.{}", 2 * stage), [out, channels, 3, 3]);
        }
    }

    fn channel_attention(&mut self, name: &str, c: usize) {
        self.conv(&format!("{name}.conv_du.0"), [c.div_ceil(16), c, 1, 1]);
        self.conv(&format!("{name}.conv_du.2"), [c, c.div_ceil(16), 1, 1]);
    }

    /// ESRT's learned factors.
    fn factors(&mut self, name: &str, count: usize) {
        (1..=count).for_each(|i| self.weight(&format!("{name}.weight{i}.scale"), [1]));
    }

    /// ESRT's adaptive residual feature block.
    fn feature_block(&mut self, name: &str, c: usize) {
        for unit in ["layer1", "layer2"].map(|unit| format!("{name}.{unit}")) {
            self.conv(&format!("{unit}.conv"), [c / 2, c, 3, 3]);
            self.conv(&format!("{unit}.conv1"), [c, c / 2, 3, 3]);
            self.weight(&format!("{unit}.relu.weight"), [c / 2]);
            self.factors(&unit, 2);
        }
        self.weight(&format!("{name}.alise.conv.weight"), [c, 2 * c, 1, 1]);
        self.weight(&format!("{name}.layer4.conv.weight"), [c, c, 3, 3]);
        self.channel_attention(&format!("{name}.atten"), c);
        self.factors(name, 5);
    }

    /// `x + mean`, as a convolution.
    pub fn mean_shift(&mut self, name: &str, mean: f32) {
        let identity: Vec<f32> = (0..9).map(|at| if at % 4 == 0 { 1.0 } else { 0.0 }).collect();
        self.0.push((format!("{name}.weight"), Parameter::new([3, 3, 1, 1], identity)));
        self.0.push((format!("{name}.bias"), Parameter::new([3], vec![mean; 3])));
    }
}

fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(z ^ (z >> 31))
    })
}
