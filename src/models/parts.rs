//! What architectures have in common.

use std::str::FromStr;

use super::{Convention, Network};
use crate::error::{Error, Result};
use crate::graph::{Activation, Builder, Conv2d, LayerNorm, Op, Value, WeightOperation, Weighted};
use crate::tensor::{Parameter, Shape, Tensor};
use crate::weights::{Scope, Weights};

/// The mean of DIV2K's pictures, which many networks subtract: R, G and B in 0 … 1.
pub(crate) const DIV2K_MEAN: [f32; 3] = [0.4488, 0.4371, 0.4040];

/// A graph for pictures of `input`'s shape whose white is `range`, and the picture.
///
/// # Errors
/// [`Error::Shape`] if it has not the network's channels, or its sides are no multiples of the network's alignment.
pub(super) fn start(network: &dyn Network, name: &str, input: Shape, range: f32) -> Result<(Builder, Value)> {
    let (name, side) = (format!("{name} ×{}", network.scale()), network.alignment());
    let whole = input.height.is_multiple_of(side) && input.width.is_multiple_of(side);
    let channels = network.colours();
    if input.channels == channels && whole && input.pixels() > 0 {
        return Ok(Builder::new(name, input, range));
    }
    let sides = if side > 1 { format!(", H and W multiples of {side}") } else { String::new() };
    Err(Error::shape(name, format!("expected N×{channels}×H×W{sides}, found {input}")))
}

/// The length of an axis of a tensor, from which a `Config` reads a size.
pub(super) fn axis(weights: &Weights, name: &str, axis: usize) -> Result<usize> {
    let reason = match weights.get(name).map(|parameter| parameter.dims().get(axis)) {
        Some(Some(length)) if *length > 0 => return Ok(*length),
        Some(Some(_)) => format!("{name}: axis {axis} is empty"),
        Some(None) => format!("{name}: expected an axis {axis}, found fewer axes"),
        None => format!("{name}: expected a tensor of this name, found none"),
    };
    Err(Error::weights(weights.source(), reason))
}

/// How many channels a convolution of this weight reads, where it is there.
pub(super) fn width_read(weights: &Weights, name: &str) -> Option<usize> {
    weights.get(name)?.dims().get(1).copied().filter(|width| *width > 0)
}

/// How many modules `<prefix>0<suffix>`, `<prefix>1<suffix>` … there are tensors of.
pub(super) fn count(weights: &Weights, prefix: &str, suffix: &str) -> usize {
    (0..).take_while(|i| weights.get(&format!("{prefix}{i}{suffix}")).is_some()).count()
}

/// The largest number that stands right behind `prefix` in a name, so that where a tensor is missing, no smaller
/// network is found.
pub(super) fn last_number(weights: &Weights, prefix: &str) -> Option<usize> {
    let number = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<u16>().ok();
    weights.names().filter_map(number).max().map(usize::from)
}

/// What a file's metadata say under `key`, where they say it.
///
/// # Errors
/// [`Error::Weights`] if it is not what was expected, in words.
pub(super) fn told<T: FromStr>(weights: &Weights, key: &str, expected: &str) -> Result<Option<T>> {
    let Some(found) = weights.metadata().get(key) else { return Ok(None) };
    let wrong = |_| {
        let reason = format!("expected {expected} under `{key}` in the metadata, found `{found}`");
        Error::weights(weights.source(), reason)
    };
    found.parse().map(Some).map_err(wrong)
}

/// Whether there are tensors under this name.
pub(super) fn has_any(weights: &Weights, prefix: &str) -> bool {
    weights.names().any(|name| name.starts_with(prefix))
}

/// Whether every tensor of a scheme of names, with spaces between, is there.
pub(super) fn has_all(weights: &Weights, scheme: &str) -> bool {
    scheme.split(' ').all(|name| weights.get(name).is_some())
}

/// How many channels a network's pictures have whose first convolution has this weight: one, or the three of a colour.
pub(super) fn colours(weights: &Weights, first: &str) -> usize {
    if weights.get(first).is_some_and(|weight| weight.dims().get(1) == Some(&1)) { 1 } else { 3 }
}

/// The scale of a pixel shuffle that ends in RGB: the root of a third of so many channels, one of 1 to 4.
pub(super) fn shuffle_scale(weights: &Weights, name: &str) -> Result<usize> {
    shuffle_scale_to(weights, name, 3)
}

/// The same of one that ends in so many channels.
pub(super) fn shuffle_scale_to(weights: &Weights, name: &str, colours: usize) -> Result<usize> {
    let channels = axis(weights, name, 0)?;
    let made = |scale: usize| colours * scale * scale;
    (1..=4).find(|scale| made(*scale) == channels).ok_or_else(|| {
        let [one, two, three, four] = [1, 2, 3, 4].map(made);
        let reason = format!(
            "{name}: expected {one}, {two}, {three} or {four} output channels (x1 to x4), found {channels}"
        );
        Error::weights(weights.source(), reason)
    })
}

/// What a convolution's tensors do not tell. How many channels it reads the graph tells, and how many it makes its
/// weight, so that pruned networks need nothing of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) groups: usize,
    pub(super) bias: bool,
}

impl Conv {
    /// With bias, keeping the picture's size.
    pub(super) const fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: kernel / 2, groups: 1, bias: true }
    }

    /// Without bias.
    pub(super) const fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// In groups.
    pub(super) const fn in_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Appends the convolution of this scope: `weight`, and `bias` if it has one. PyTorch's `Linear` over channels,
    /// whose weight has two axes, is one of 1×1.
    pub(super) fn of(self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
        let inputs = b.shape(x).channels;
        let weights = self.read(b, inputs, w)?;
        b.conv2d(w.prefix(), x, weights, self.op())
    }

    /// The same to so many channels, where the network's structure asks for them.
    pub(super) fn making(self, b: &mut Builder, x: Value, w: &Scope<'_>, out: usize) -> Result<Value> {
        let inputs = b.shape(x).channels;
        let weights = self.read_to(b, out, inputs, w)?;
        b.conv2d(w.prefix(), x, weights, self.op())
    }

    /// The operator, for who appends it by weights of its own.
    pub(super) const fn op(self) -> Conv2d {
        let Self { kernel, stride, padding, groups, .. } = self;
        Conv2d { kernel, stride, padding, groups }
    }

    /// The weights of the convolution of this scope over so many channels.
    pub(super) fn read(self, b: &mut Builder, inputs: usize, w: &Scope<'_>) -> Result<Weighted> {
        self.read_to(b, stored_width(w).unwrap_or(self.groups), inputs, w)
    }

    /// The same to so many channels.
    pub(super) fn read_to(
        self,
        b: &mut Builder,
        out: usize,
        inputs: usize,
        w: &Scope<'_>,
    ) -> Result<Weighted> {
        let Self { kernel, groups, bias, .. } = self;
        let dims = [out, inputs / groups, kernel, kernel];
        let linear = kernel == 1 && w.get("weight").is_some_and(|weight| weight.dims().len() == 2);
        let weight = parameter(b, w, "weight", if linear { &dims[..2] } else { &dims })?;
        let bias = if bias { Some(parameter(b, w, "bias", &[out])?) } else { None };
        Ok(Weighted { weight, bias })
    }
}

/// The parameter `name` of this scope, which has exactly the axes `dims`: a value of the graph. A normalised weight is
/// made of two.
pub(super) fn parameter(b: &mut Builder, w: &Scope<'_>, name: &str, dims: &[usize]) -> Result<Value> {
    let numbers = w.parameter(name, dims)?;
    match w.magnitude(name) {
        None => b.parameter(w.path(name), &numbers),
        Some(([of_direction, of_magnitude], magnitude)) => {
            let direction = b.parameter(of_direction, &numbers)?;
            let magnitude = b.parameter(of_magnitude, magnitude)?;
            b.weight(w.path(&format!("{name}.normalised")), WeightOperation::Norm, &[direction, magnitude])
        }
    }
}

/// How many channels the convolution of this scope makes, where it is there and makes any.
pub(super) fn stored_width(w: &Scope<'_>) -> Option<usize> {
    w.get("weight")?.dims().first().copied().filter(|width| *width > 0)
}

/// A convolution that keeps the size, with bias: `[out, in, kernel]`.
pub(super) fn conv(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    [out, inputs, kernel]: [usize; 3],
) -> Result<Value> {
    let weights = Conv::same(kernel).read_to(b, out, inputs, w)?;
    b.conv2d(w.prefix(), x, weights, Conv2d::same(kernel))
}

/// Convolutions and pixel shuffles in turn, `<w>.0`, `<w>.2`, …: by 3, or by 2 up to three times (EDSR, figure 3).
pub(super) fn upsampler(b: &mut Builder, x: Value, w: &Scope<'_>, scale: usize) -> Result<Value> {
    let c = b.shape(x).channels;
    upsampler_to(b, x, w, scale, c)
}

/// The same, to another width: pruning may leave the convolutions in front of a pixel shuffle alone, or narrow each.
pub(super) fn upsampler_to(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    scale: usize,
    c: usize,
) -> Result<Value> {
    let mut y = x;
    let factors: &[usize] = match scale {
        3 => &[3],
        4 => &[2, 2],
        8 => &[2, 2, 2],
        _ => &[2],
    };
    for (stage, factor) in factors.iter().enumerate() {
        let inputs = b.shape(y).channels;
        let next = w.scope(2 * stage + 2);
        let read = || next.get("weight")?.dims().get(1).copied();
        let made = if stage + 1 < factors.len() { read().unwrap_or(c) } else { c };
        y = conv(b, y, &w.scope(2 * stage), [factor * factor * made, inputs, 3])?;
        y = b.pixel_shuffle(w.path(&(2 * stage + 1).to_string()), y, *factor)?;
    }
    Ok(y)
}

/// A convolution to RGB of every new pixel and a pixel shuffle `name`; at x1 the convolution alone.
pub(super) fn shuffled(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    name: impl Into<String>,
    scale: usize,
) -> Result<Value> {
    shuffled_to(b, x, w, name, [3, scale])
}

/// The same to so many channels: `[channels, scale]`.
pub(super) fn shuffled_to(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    name: impl Into<String>,
    [colours, scale]: [usize; 2],
) -> Result<Value> {
    let y = Conv::same(3).making(b, x, w, colours * scale * scale)?;
    if scale == 1 { Ok(y) } else { b.pixel_shuffle(name, y, scale) }
}

/// The scale of an [`upsampler`] to so many channels: one convolution to 9 times the channels is x3; to 4 times, x2,
/// two of these x4, and three x8. The first of several makes as many as the second reads.
pub(super) fn upsampler_scale(weights: &Weights, upsampler: &str, channels: usize) -> Result<usize> {
    let name = |stage: usize| format!("{upsampler}.{}.weight", 2 * stage);
    let out = axis(weights, &name(0), 0)?;
    let stages = (0..).take_while(|stage| weights.get(&name(*stage)).is_some()).count();
    let channels = if stages > 1 { axis(weights, &name(1), 1)? } else { channels };
    match (out, stages) {
        (out, 1) if out == 4 * channels => Ok(2),
        (out, 1) if out == 9 * channels => Ok(3),
        (out, 2) if out == 4 * channels => Ok(4),
        (out, 3) if out == 4 * channels => Ok(8),
        _ => {
            let reason = format!(
                "{}: expected {} output channels (x2; x4 or x8 with more such layers) or {} (x3), found {out} \
                 and layers: {stages}",
                name(0),
                4 * channels,
                9 * channels
            );
            Err(Error::weights(weights.source(), reason))
        }
    }
}

/// A number a channel as a value of one pixel, to be added to others or multiplied with them.
pub(super) fn channels(
    b: &mut Builder,
    name: impl Into<String>,
    numbers: &[f32],
    like: Value,
) -> Result<Value> {
    let shape = b.shape(like).with_channels(numbers.len()).with_size(1, 1);
    b.constant(name, Tensor::from_fn(shape, |_, c, _, _| numbers[c]))
}

/// The weights of `factor` times a convolution.
pub(super) fn scaled(b: &mut Builder, w: &Scope<'_>, weights: Weighted, factor: f32) -> Result<Weighted> {
    if factor == 1.0 {
        return Ok(weights);
    }
    let factor = b.number(w.path("factor"), factor)?;
    times(b, w, weights, factor)
}

/// The weights of a convolution times a number that is a value.
pub(super) fn times(b: &mut Builder, w: &Scope<'_>, weights: Weighted, factor: Value) -> Result<Weighted> {
    let mut scaled = |name: &str, value| b.multiply(w.path(&format!("{name}.scaled")), value, factor);
    let weight = scaled("weight", weights.weight)?;
    let bias = weights.bias.map(|bias| scaled("bias", bias)).transpose()?;
    Ok(Weighted { weight, bias })
}

/// What is said of the mean that a network takes from a picture: whether the tensors hold it, as the 1×1 convolution
/// `sub_mean`, and the value of a white pixel, which is 255 unless that convolution subtracts a part of 1.
pub(super) fn stored_mean(sub_mean: &Scope<'_>) -> (bool, f32) {
    let shift = sub_mean.get("bias").map_or(&[][..], Parameter::values);
    let shift = shift.iter().fold(0.0, |largest: f32, number| largest.max(number.abs()));
    (sub_mean.get("weight").is_some(), if shift > 0.0 && shift < 1.0 { 1.0 } else { 255.0 })
}

/// `x ± mean`: the checkpoint's 1×1 convolution, or the mean of the convention where it has none; see [`stored_mean`].
pub(super) fn mean_shift(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    (stored, convention): (bool, Convention),
    sign: f32,
) -> Result<Value> {
    if stored {
        return conv(b, x, w, [3, 3, 1]);
    }
    let Convention { white, mean } = convention;
    let mean = channels(b, w.path("mean"), &mean.map(|mean| sign * white * mean), x)?;
    b.add(w.prefix(), x, mean)
}

/// `conv(relu(conv(x)))`, as wide at its end as at its beginning; in between it has the width of its tensors.
pub(super) fn conv_relu_conv(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    [first, second]: [&str; 2],
    kernel: usize,
) -> Result<Value> {
    let c = b.shape(x).channels;
    let y = Conv::same(kernel).of(b, x, &w.scope(first))?;
    let y = b.relu(w.path("relu"), y)?;
    let inner = b.shape(y).channels;
    conv(b, y, &w.scope(second), [c, inner, kernel])
}

/// The convolution before a residual connection of SwinIR's, or three narrower ones, "to save parameters and memory".
pub(super) fn residual_convolution(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    if w.scope(0).get("weight").is_none() {
        return Conv::same(3).of(b, x, w);
    }
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    let y = Conv::same(3).of(b, x, &w.scope(0))?;
    let y = b.activation(w.path("1"), y, leaky.clone())?;
    let y = Conv::same(1).of(b, y, &w.scope(2))?;
    let y = b.activation(w.path("3"), y, leaky)?;
    Conv::same(3).of(b, y, &w.scope(4))
}

/// Layer normalisation over channels, of PyTorch's epsilon: `weight` and `bias` of this scope.
pub(super) fn layer_norm(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    layer_norm_by(b, x, w, 1e-5)
}

/// The same, of another epsilon.
pub(super) fn layer_norm_by(b: &mut Builder, x: Value, w: &Scope<'_>, epsilon: f32) -> Result<Value> {
    let channels = [b.shape(x).channels];
    let [weight, bias] = [parameter(b, w, "weight", &channels)?, parameter(b, w, "bias", &channels)?];
    b.append(w.prefix(), Op::LayerNorm(LayerNorm { epsilon }), &[x, weight, bias])
}
