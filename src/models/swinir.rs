//! SwinIR: Liang et al., *SwinIR: Image Restoration Using Swin Transformer*, ICCV workshops 2021.
//!
//! A transformer in place of the residual blocks: every pixel is a token, and attends to those of its window. The
//! windows of every second layer are shifted by half their side, so that what one window knows reaches the next.
//!
//! ```text
//! F_0  = conv_first(picture − mean)                                                                  (equation 1)
//! F_i  = F_{i−1} + conv_i(STL_L(… STL_1(F_{i−1})))       RSTB, from LN(F_0) on                 (figure 2a, eq. 6 – 8)
//! F_DF = conv_after_body(LN(F_K))                                                                    (equation 4)
//! y    = reconstruction(F_0 + F_DF) + mean                                                           (equation 5)
//!
//! STL:  x = MSA(LN(x)) + x,  x = MLP(LN(x)) + x                                               (figure 2b, eq. 10, 11)
//! MSA:  softmax(QKᵀ / √d + B) V, head by head, within windows                                        (equation 9)
//! MLP:  fc2(gelu(fc1(x)))
//! ```
//!
//! The shift is in [`Among::Windows`]: a cyclic shift and a mask are windows that the picture's edges cut.
//! There are four [`Upsampler`]s, and `conv` of the large real-world network is three convolutions. `SwinIRmini`
//! (CDISM, PCS 2024) is the lightweight network with 24 channels and 4-4-4 layers.

use std::fmt;
use std::sync::Arc;

use super::parts::{Conv, DIV2K_MEAN, axis, channels, colours, count, layer_norm, parameter};
use super::parts::{residual_convolution, shuffle_scale_to, start, upsampler, upsampler_scale};
use super::{Convention, Network};
use crate::error::{Error, Result};
use crate::graph::{
    Activation, Among, Attention, BinaryKind, Builder, Graph, Op, Parameters, ResizeKind, Value,
};
use crate::pixels::Edge;
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["layers.0.residual_group.blocks.0.attn.relative_position_bias_table"];

/// The first convolution.
const FIRST: &str = "conv_first.weight";

/// The last part, by the original's names (section 3.1, HQ image reconstruction).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsampler {
    /// Lightweight: one convolution and one pixel shuffle to RGB.
    PixelShuffleDirect,
    /// Classical: EDSR's upsampler and a convolution.
    PixelShuffle,
    /// Real-world: nearest neighbours and convolutions, x2 or x4.
    NearestConv,
    /// Denoising and the removal of JPEG's traces, x1: `y = picture + conv_last(F_0 + F_DF)`.
    Residual,
}

/// What the tensors say of a network's size.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width: 60 in the lightweight network, 180 in the classical and 240 in the large real-world one.
    pub channels: usize,
    /// Swin transformer layers of each residual Swin transformer block: 6 each.
    pub depths: Vec<usize>,
    /// Heads of the layers of each block: 6, or 8.
    pub heads: Vec<usize>,
    /// The side of a window: 8.
    pub window: usize,
    /// How it ends.
    pub upsampler: Upsampler,
    /// 1, 2, 3, 4 or 8.
    pub scale: usize,
    /// Of the picture: 3, or 1, of which no mean is taken.
    pub colours: usize,
    /// What a pixel is taken for: white is 1, and the mean is DIV2K's, but in the network for JPEG's traces, whose
    /// windows are as no other's.
    pub convention: Convention,
}

impl fmt::Display for Upsampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PixelShuffleDirect => "pixelshuffledirect",
            Self::PixelShuffle => "pixelshuffle",
            Self::NearestConv => "nearest+conv",
            Self::Residual => "residual",
        })
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, depths, window, upsampler, .. } = self;
        let depths: Vec<String> = depths.iter().map(usize::to_string).collect();
        let depths = depths.join("-");
        write!(
            f,
            "{depths} transformer layers, {channels} channels, windows of {window}×{window}, {upsampler}"
        )
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not SwinIR's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let has = |name: &str| weights.get(&format!("layers.0.residual_group.{name}")).is_some();
        // SRFormer has such a table too, and queries apart from keys; HAT has all of it, and windows that overlap.
        let found = has("blocks.0.attn.relative_position_bias_table") && has("blocks.0.attn.qkv.weight");
        (found && !has("overlap_attn.relative_position_bias_table")).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let table =
            |i: usize| format!("layers.{i}.residual_group.blocks.0.attn.relative_position_bias_table");
        let depth = |i: usize| count(weights, &format!("layers.{i}.residual_group.blocks."), ".norm1.weight");
        let depths: Vec<usize> = (0..).map(depth).take_while(|depth| *depth > 0).collect();
        let heads = (0..depths.len()).map(|i| axis(weights, &table(i), 1)).collect::<Result<_>>()?;
        let (upsampler, scale) = Self::end(weights)?;
        let (window, colours) = (window(weights, &table(0))?, colours(weights, FIRST));
        let white = if upsampler == Upsampler::Residual && window == 7 { 255.0 } else { 1.0 };
        let mean = if colours == 1 { [0.0; 3] } else { DIV2K_MEAN };
        Ok(Self {
            channels: axis(weights, FIRST, 0)?,
            depths,
            heads,
            window,
            upsampler,
            scale,
            colours,
            convention: Convention { white, mean },
        })
    }

    fn end(weights: &Weights) -> Result<(Upsampler, usize)> {
        let has = |name: &str| weights.get(&format!("{name}.weight")).is_some();
        if has("conv_up1") {
            return Ok((Upsampler::NearestConv, if has("conv_up2") { 4 } else { 2 }));
        }
        if !has("upsample.0") {
            if has("conv_last") {
                return Ok((Upsampler::Residual, 1));
            }
            let reason =
                "expected `upsample.0.weight`, `conv_up1.weight` or `conv_last.weight`, found none of them";
            return Err(Error::weights(weights.source(), reason));
        }
        if has("conv_last") {
            let inputs = axis(weights, "upsample.0.weight", 1)?;
            return Ok((Upsampler::PixelShuffle, upsampler_scale(weights, "upsample", inputs)?));
        }
        let colours = colours(weights, FIRST);
        Ok((Upsampler::PixelShuffleDirect, shuffle_scale_to(weights, "upsample.0.weight", colours)?))
    }
}

/// The side of a window, of whose pixels there are `(2 · side − 1)²` differences.
fn window(weights: &Weights, table: &str) -> Result<usize> {
    let offsets = axis(weights, table, 0)?;
    let side = offsets.isqrt().div_ceil(2);
    if (2 * side - 1).pow(2) == offsets {
        return Ok(side);
    }
    let reason = format!("{table}: expected (2 · window − 1)² rows, found {offsets}");
    Err(Error::weights(weights.source(), reason))
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn colours(&self) -> usize {
        self.colours
    }

    fn alignment(&self) -> usize {
        self.window
    }

    fn convention(&self) -> Option<Convention> {
        Some(self.convention)
    }

    fn by_convention(&self, convention: Convention) -> Option<Arc<dyn Network>> {
        Some(Arc::new(Self { convention, ..self.clone() }))
    }

    /// As `check_image_size` of the original.
    fn edge(&self) -> Edge {
        Edge::Mirrored
    }

    /// Masks follow from windows, though checkpoints hold some.
    fn ignores(&self, name: &str) -> bool {
        name.ends_with(".attn_mask")
    }

    fn counts(&self, parameter: &str) -> bool {
        !self.ignores(parameter)
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "swinir", input, config.convention.white)?;

    let Convention { white, mean } = config.convention;
    let mean = channels(&mut b, "mean", &mean.map(|mean| white * mean)[..config.colours], picture)?;
    let shifted = b.binary("sub_mean", BinaryKind::Subtract, picture, mean)?;
    let x = Conv::same(3).of(&mut b, shifted, &w.scope("conv_first"))?;

    let mut y = layer_norm(&mut b, x, &w.scope("patch_embed").scope("norm"))?;
    for i in 0..config.depths.len() {
        y = residual_block(&mut b, y, &w.scope("layers").scope(i), config, i)?;
    }
    let y = layer_norm(&mut b, y, &w.scope("norm"))?;
    let y = residual_convolution(&mut b, y, &w.scope("conv_after_body"))?;
    let y = b.add("body", y, x)?;

    let y = match config.upsampler {
        Upsampler::Residual => {
            let y = Conv::same(3).of(&mut b, y, &w.scope("conv_last"))?;
            b.add("residual", y, shifted)?
        }
        _ => reconstruction(&mut b, y, &w, config)?,
    };
    let y = b.add("add_mean", y, mean)?;
    b.finish(y)
}

/// Residual Swin transformer block (figure 2a).
fn residual_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config, i: usize) -> Result<Value> {
    let blocks = w.scope("residual_group").scope("blocks");
    let mut y = x;
    for j in 0..config.depths[i] {
        let shift = if j % 2 == 1 { config.window / 2 } else { 0 };
        y = transformer_layer(b, y, &blocks.scope(j), config.window, shift, config.heads[i])?;
    }
    let y = residual_convolution(b, y, &w.scope("conv"))?;
    b.add(w.prefix(), y, x)
}

/// Swin transformer layer (figure 2b).
fn transformer_layer(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    size: usize,
    shift: usize,
    heads: usize,
) -> Result<Value> {
    let attn = w.scope("attn");
    let y = layer_norm(b, x, &w.scope("norm1"))?;
    let y = Conv::same(1).of(b, y, &attn.scope("qkv"))?;
    let offsets = (2 * size - 1).pow(2);
    let table = parameter(b, &attn, "relative_position_bias_table", &[offsets, heads])?;
    let depth = b.shape(y).channels / (3 * heads);
    let scale = (depth as f32).powf(-0.5);
    let attention = Attention { heads, scale, among: Among::squares(size, shift) };
    let y = b.append(attn.prefix(), Op::Attention(attention), &[y, table])?;
    let y = Conv::same(1).of(b, y, &attn.scope("proj"))?;
    let x = b.add(attn.path("add"), y, x)?;

    let mlp = w.scope("mlp");
    let y = layer_norm(b, x, &w.scope("norm2"))?;
    let y = Conv::same(1).of(b, y, &mlp.scope("fc1"))?;
    let y = b.activation(mlp.path("act"), y, Activation::Gelu)?;
    let y = Conv::same(1).of(b, y, &mlp.scope("fc2"))?;
    b.add(w.prefix(), y, x)
}

/// From features to the picture.
fn reconstruction(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let upsample = w.scope("upsample");
    if config.upsampler == Upsampler::PixelShuffleDirect {
        let y = Conv::same(3).of(b, x, &upsample.scope(0))?;
        return b.pixel_shuffle(upsample.path("1"), y, config.scale);
    }
    let before = w.scope("conv_before_upsample");
    let mut y = x;
    if before.scope(0).get("weight").is_some() || config.upsampler == Upsampler::NearestConv {
        y = Conv::same(3).of(b, y, &before.scope(0))?;
        y = leaky_relu(b, before.path("1"), y, 0.01)?;
    }
    if config.upsampler == Upsampler::PixelShuffle {
        y = upsampler(b, y, &upsample, config.scale)?;
        return Conv::same(3).of(b, y, &w.scope("conv_last"));
    }
    for name in &["conv_up1", "conv_up2"][..config.scale / 2] {
        let up = w.scope(name);
        y = b.resize(up.path("nearest"), y, ResizeKind::Nearest, 2)?;
        y = Conv::same(3).of(b, y, &up)?;
        y = leaky_relu(b, up.path("lrelu"), y, 0.2)?;
    }
    y = Conv::same(3).of(b, y, &w.scope("conv_hr"))?;
    y = leaky_relu(b, w.path("conv_hr.lrelu"), y, 0.2)?;
    Conv::same(3).of(b, y, &w.scope("conv_last"))
}

fn leaky_relu(b: &mut Builder, name: String, x: Value, slope: f32) -> Result<Value> {
    b.activation(name, x, Activation::LeakyRelu { slope })
}
