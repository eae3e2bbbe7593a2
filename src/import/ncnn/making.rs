//! A layer after the other as nodes of a graph: what is neither a convolution nor arithmetic.

use std::collections::HashMap;

use super::build::PARTS;
use super::layer::Layer;
use super::numbers::{LONGEST, Own, WIDEST};
use super::place::Place;
use super::sums::binary_kind;
use super::{Reading, said};
use crate::graph::{
    Activation, AveragePool, BinaryKind, Builder, GlobalPool, GlobalPoolKind, MaxPool, Op, Resize,
    ResizeKind, Value,
};

/// A value, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    pub(super) value: Value,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Of many pixels.
    Map(Place),
    /// A number a channel, of a picture's pixels.
    Pixel,
    /// Fixed numbers, one a channel or one for all, and the first.
    Fixed { count: usize, first: f32 },
}

/// A graph that is being made.
pub(super) struct Making<'a> {
    pub(super) b: Builder,
    pub(super) picture: Value,
    pub(super) side: usize,
    pub(super) blobs: HashMap<&'a str, Blob>,
    /// Factors that go into the numbers of convolutions, by the blob that each makes.
    pub(super) factors: HashMap<&'a str, f32>,
    pub(super) is_given: bool,
    pub(super) least: usize,
    /// How many zeros may still be put into kernels.
    pub(super) zeros: usize,
}

impl<'a> Making<'a> {
    pub(super) fn layer(&mut self, layer: &Layer<'a>, own: &Own) -> Reading<Blob> {
        let inputs: Vec<Blob> = layer
            .inputs()
            .map(|name| {
                self.blobs.get(name).copied().ok_or_else(|| layer.wrong("blobs that are made before", name))
            })
            .collect::<Reading<_>>()?;
        let made = match (layer.kind, inputs.as_slice()) {
            ("Input", []) => self.input(layer)?,
            ("MemoryData", []) => self.memory(layer, own)?,
            ("Split" | "Dropout" | "Noop", [x]) | ("Flatten", [x @ Blob { kind: Kind::Pixel, .. }]) => *x,
            ("Convolution", [x @ Blob { kind: Kind::Pixel, .. }]) if own[0].dims()[2] == 1 => {
                self.inner_product(layer, *x, own)?
            }
            ("Convolution" | "ConvolutionDepthWise", [x]) => self.convolution(layer, *x, own)?,
            ("Deconvolution", [x]) => self.deconvolution(layer, *x, own)?,
            ("InnerProduct", [x @ Blob { kind: Kind::Pixel, .. }]) => self.inner_product(layer, *x, own)?,
            ("Pooling", [x]) => self.pooling(layer, *x)?,
            ("PReLU", [x]) => self.prelu(layer, *x, own)?,
            ("ReLU", [x]) => {
                let slope = layer.float(0, 0.0)?;
                let op = if slope == 0.0 { Activation::Relu } else { Activation::LeakyRelu { slope } };
                self.activation(layer, *x, op)?
            }
            ("Sigmoid", [x]) => self.activation(layer, *x, Activation::Sigmoid)?,
            ("Swish", [x]) => self.activation(layer, *x, Activation::Silu)?,
            ("TanH", [x]) => self.activation(layer, *x, Activation::Tanh)?,
            ("GELU", [x]) => {
                layer.only(0, 0, "the exact function, fast")?;
                self.activation(layer, *x, Activation::Gelu)?
            }
            ("PixelShuffle", [x]) => self.pixel_shuffle(layer, *x)?,
            ("Interp", [x]) => self.interp(layer, *x)?,
            ("Concat", parts) => self.concat(layer, parts)?,
            ("Slice", _) => {
                return Err(layer.wrong("a layer that is known", "Slice, which makes several values"));
            }
            ("Crop", [x]) => self.crop(layer, *x)?,
            ("Crop", [x, like]) => self.crop_like(layer, *x, *like)?,
            ("BinaryOp", [x]) if layer.int(1, 0)? == 1 => {
                let number = layer.float(2, 0.0)?;
                self.with_number(layer, *x, number)?
            }
            ("BinaryOp", [a, b]) => self.binary(layer, binary_kind(layer)?, *a, *b)?,
            ("Eltwise", [_, _, ..]) => self.eltwise(layer, &inputs)?,
            ("Scale", [x, by]) if layer.int(0, 0)? == -233 => {
                self.binary(layer, BinaryKind::Multiply, *x, *by)?
            }
            ("Scale", [x]) => self.scale(layer, *x, own)?,
            (kind, inputs) => {
                let known = "a layer that is known, with as many inputs as it has";
                return Err(layer.wrong(known, format!("{kind} of {}", inputs.len())));
            }
        };
        if let Kind::Map(place) = made.kind {
            self.least = self.least.min(place.own() * self.side / place.side);
        }
        Ok(made)
    }
}

impl Making<'_> {
    fn input(&mut self, layer: &Layer<'_>) -> Reading<Blob> {
        let channels = layer.int(2, 0)?;
        if channels != 0 && channels != 3 {
            return Err(layer.wrong("pictures of three channels", channels));
        }
        if std::mem::replace(&mut self.is_given, true) {
            return Err(layer.wrong("one input", "another one"));
        }
        Ok(Blob { value: self.picture, kind: Kind::Map(Place::picture(self.side)) })
    }

    pub(super) fn activation(&mut self, layer: &Layer<'_>, x: Blob, op: Activation) -> Reading<Blob> {
        let name = format!("{}.{}", layer.name, Op::Activation(op.clone()).operator().name());
        let value = said(self.b.activation(name, x.value, op))?;
        Ok(Blob { value, ..x })
    }

    fn prelu(&mut self, layer: &Layer<'_>, x: Blob, own: &Own) -> Reading<Blob> {
        let name = format!("{}.{}", layer.name, PARTS[0]);
        let slopes = said(self.b.parameter(name, &own[0]))?;
        let value = said(self.b.prelu(layer.name, x.value, slopes))?;
        Ok(Blob { value, ..x })
    }

    /// The mean of all pixels, or the mean or the largest of blocks.
    fn pooling(&mut self, layer: &Layer<'_>, x: Blob) -> Reading<Blob> {
        let (place, of_all) = (map(layer, x)?, layer.int(4, 0)? == 1);
        layer.only(7, 0, "no size of its own, adaptive")?;
        let (op, kind) = if of_all {
            layer.only(0, 1, "the mean, kind")?;
            let op = GlobalPool { kind: GlobalPoolKind::Mean, margin: place.margin };
            (Op::GlobalPool(op), Kind::Pixel)
        } else {
            layer.common(&[3, 13, 14, 15], 0, 0, "no padding")?;
            let size = layer.common(&[1, 11], 1, LONGEST, "a block")?.max(1);
            let stride = layer.common(&[2, 12], 1, LONGEST, "a stride")?.max(1);
            let op = match layer.int(0, 0)? {
                0 => Op::MaxPool(MaxPool { size, stride }),
                1 => Op::AveragePool(AveragePool { size }),
                other => return Err(layer.wrong("the largest or the mean, 0 or 1", other)),
            };
            if place.margin != [0; 2] || size != stride || !place.side.is_multiple_of(size) {
                let found = format!("{size}, every {stride} of {}", place.side);
                return Err(layer.wrong("whole blocks beside one another, without a border", found));
            }
            (op, Kind::Map(place.over(size)))
        };
        let value = said(self.b.append(layer.name, op, &[x.value]))?;
        Ok(Blob { value, kind })
    }

    fn pixel_shuffle(&mut self, layer: &Layer<'_>, x: Blob) -> Reading<Blob> {
        layer.only(1, 0, "PyTorch's order of channels, mode")?;
        let scale = layer.count(0, 1, LONGEST)?.max(1);
        let place = map(layer, x)?.times(scale);
        let value = said(self.b.pixel_shuffle(layer.name, x.value, scale))?;
        Ok(Blob { value, kind: Kind::Map(place) })
    }

    fn interp(&mut self, layer: &Layer<'_>, x: Blob) -> Reading<Blob> {
        layer.only(6, 0, "corners that are not aligned,")?;
        for key in [3, 4] {
            layer.only(key, 0, "a scale and no size,")?;
        }
        let scales = [layer.float(1, 1.0)?, layer.float(2, 1.0)?];
        let [scale, below] = fraction(scales[0]).filter(|_| scales[0] == scales[1]).ok_or_else(|| {
            layer.wrong("one scale, a fraction of small numbers", format!("{} and {}", scales[0], scales[1]))
        })?;
        let kind = match layer.int(0, 0)? {
            1 => ResizeKind::Nearest,
            2 => ResizeKind::Bilinear,
            3 => ResizeKind::Bicubic,
            other => return Err(layer.wrong("a kind of 1, 2 or 3", other)),
        };
        let place = map(layer, x)?;
        if kind != ResizeKind::Nearest && place.margin != [0; 2] {
            return Err(layer.wrong("no interpolation behind convolutions without padding", "one"));
        }
        let op = Op::Resize(Resize { kind, scale, below });
        let value = said(self.b.append(layer.name, op, &[x.value]))?;
        Ok(Blob { value, kind: Kind::Map(place.times(scale).over(below)) })
    }

    fn concat(&mut self, layer: &Layer<'_>, parts: &[Blob]) -> Reading<Blob> {
        layer.only(0, 0, "channels one after the other, axis")?;
        let [first, others @ ..] = parts else { return Err(layer.wrong("inputs", "none")) };
        let place = map(layer, *first)?;
        for other in others {
            if !map(layer, *other)?.agrees(place) {
                return Err(layer.wrong("values that lie alike", "others"));
            }
        }
        let values: Vec<Value> = parts.iter().map(|part| part.value).collect();
        let value = said(self.b.concat(layer.name, &values))?;
        Ok(Blob { value, kind: Kind::Map(place) })
    }

    /// Between two columns, and two rows; or some channels.
    fn crop(&mut self, layer: &Layer<'_>, x: Blob) -> Reading<Blob> {
        let place = map(layer, x)?;
        let (starts, ends, axes) = (layer.ints(9)?, layer.ints(10)?, layer.ints(11)?);
        if let ([start], [end], [0 | -3]) = (&starts[..], &ends[..], &axes[..]) {
            let range = usize::try_from(*start).ok().zip(usize::try_from(*end).ok());
            let (start, end) = range.ok_or_else(|| layer.wrong("channels from the first on", start))?;
            let channels = end.saturating_sub(start);
            let value = said(self.b.slice(layer.name, x.value, start, channels))?;
            return Ok(Blob { value, ..x });
        }
        // Of channels, rows and columns, in this order.
        let of_both = matches!(axes[..], [-2, -1] | [-1, -2] | [1, 2] | [2, 1]);
        let ([start, other_start], [end, other_end]) = (&starts[..], &ends[..]) else {
            return Err(layer.wrong("a crop of rows and columns", format!("{starts:?} to {ends:?}")));
        };
        if !of_both || start != other_start || end != other_end {
            let found = format!("{starts:?} to {ends:?} of {axes:?}");
            return Err(layer.wrong("a crop of rows and columns alike", found));
        }
        let own = place.own() as i64;
        let end = match i64::from(*end) {
            -233 => own,
            end if end < 0 => own + end,
            end => end.min(own),
        };
        let own = usize::try_from(end - i64::from(*start)).unwrap_or(0);
        let start = usize::try_from(*start).map_err(|_| layer.wrong("a start of at least 0", start))?;
        let place = place.cropped(start, own).map_err(|reason| placed(layer, &reason))?;
        Ok(Blob { kind: Kind::Map(place), ..x })
    }

    /// To another value's size.
    fn crop_like(&mut self, layer: &Layer<'_>, x: Blob, like: Blob) -> Reading<Blob> {
        let before = layer.common(&[0, 1], 0, WIDEST, "an offset")?;
        layer.only(2, 0, "all channels, from")?;
        let (place, like) = (map(layer, x)?, map(layer, like)?);
        let place = place.cropped(before, like.own()).map_err(|reason| placed(layer, &reason))?;
        Ok(Blob { kind: Kind::Map(place), ..x })
    }
}

/// The place of a value of many pixels.
pub(super) fn map(layer: &Layer<'_>, blob: Blob) -> Reading<Place> {
    match blob.kind {
        Kind::Map(place) => Ok(place),
        Kind::Pixel | Kind::Fixed { .. } => Err(layer.wrong("a value of many pixels", "a number a channel")),
    }
}

/// A scale as a fraction of small numbers.
fn fraction(scale: f32) -> Option<[usize; 2]> {
    (1..=8).find_map(|below| {
        let over = scale * below as f32;
        (over.fract() == 0.0 && (1.0..=LONGEST as f32).contains(&over)).then_some([over as usize, below])
    })
}

pub(super) fn placed(layer: &Layer<'_>, reason: &str) -> String {
    format!("{} `{}`: {reason}", layer.kind, layer.name)
}
