//! Convolutions, linear layers, normalisation, and channels in another order.

use super::{Held, Trace, told};
use crate::graph::{Conv2d, ConvTranspose2d, LayerNorm, Op, Value, Weighted};
use crate::import::onnx::file::Node;
use crate::import::onnx::protobuf::Reading;
use crate::import::onnx::view::View;
use crate::tensor::{Parameter, Shape};

/// A convolution that was appended.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    name: String,
    x: Value,
    weight: (String, Parameter),
    bias: Option<(String, Parameter)>,
    op: Conv2d,
}

/// What a convolution does along one side.
#[derive(Clone, Copy, Debug)]
struct Along {
    length: usize,
    kernel: usize,
    dilation: usize,
    stride: usize,
    before: usize,
    after: usize,
}

impl Along {
    /// Pixels under the kernel, those between its taps included.
    fn extent(&self) -> usize {
        (self.kernel.saturating_sub(1)).saturating_mul(self.dilation).saturating_add(1)
    }

    /// Pixels that come out.
    fn made(&self) -> Reading<usize> {
        let padded = self.length.saturating_add(self.before).saturating_add(self.after);
        let room = padded.checked_sub(self.extent()).filter(|_| self.kernel > 0);
        let refused = || format!("expected at least {} pixels a side, found {padded}", self.extent());
        Ok(room.ok_or_else(refused)? / self.stride + 1)
    }

    /// The padding of `SAME_UPPER` or `SAME_LOWER`.
    fn same(self, upper: bool) -> Self {
        let out = self.length.div_ceil(self.stride);
        let all = ((out - 1) * self.stride).saturating_add(self.extent()).saturating_sub(self.length);
        let (small, large) = (all / 2, all.div_ceil(2));
        let (before, after) = if upper { (small, large) } else { (large, small) };
        Self { before, after, ..self }
    }
}

impl<'f> Trace<'_, 'f> {
    /// `Conv`. A kernel that is even, oblong, dilated or padded unevenly lies among zeros in an odd square one.
    pub(super) fn conv(&mut self, node: Node<'f>) -> Reading<View> {
        let (x, zeros) = match self.held(node, 0)? {
            Held::Zeros(value, zeros) => (value, zeros),
            _ => (self.picture(node, 0)?, [0; 4]),
        };
        let weight = self.fixed(node, 1)?.clone();
        let &[out, within, height, width] = &*weight.dims else {
            return Err(format!(
                "expected a kernel of rows and columns, found a weight of axes {:?}",
                weight.dims
            ));
        };
        let along = self.along(node, self.b.shape(x), [height, width], zeros)?;
        if along[0].stride != along[1].stride {
            return Err(format!("expected one stride, found {} and {}", along[0].stride, along[1].stride));
        }
        let groups = usize::try_from(node.integer("group").unwrap_or(1)).unwrap_or_default();
        let (kernel, padding) = square(&along)?;
        let weight_name = node.input(1);
        let (name, weight) = if kernel == height && kernel == width && along[0].dilation == 1 {
            (weight_name.to_owned(), weight.parameter(&weight.dims)?)
        } else {
            let numbers = weight.parameter(&weight.dims)?;
            let numbers = numbers.values();
            let of = |at: usize| {
                let (plane, y, x) = (at / (kernel * kernel), at / kernel % kernel, at % kernel);
                let tap = |at: usize, along: &Along| {
                    let at = (at + along.before).checked_sub(padding)?;
                    (at.is_multiple_of(along.dilation) && at / along.dilation < along.kernel)
                        .then(|| at / along.dilation)
                };
                let taps = tap(y, &along[0]).zip(tap(x, &along[1]));
                taps.map_or(0.0, |(y, x)| numbers[(plane * height + y) * width + x])
            };
            // Where the taps are is a part of the name, so that it is the same at all sizes.
            let [top, left] = along.map(|side| padding - side.before);
            let name = format!("{}.weight.{top}.{left}", node.output);
            let made = self.made(&name, &[out, within, kernel, kernel], of)?;
            (name, made)
        };
        let bias = self.optional(node, 2)?.map(|bias| bias.parameter(&[out])).transpose()?;
        let bias = bias.map(|bias| (node.input(2).to_owned(), bias));
        let op = Conv2d { kernel, stride: along[0].stride, padding, groups };
        let value =
            self.append_conv(Appended { name: node.name.into(), x, weight: (name, weight), bias, op })?;
        Ok(self.plain(value))
    }

    /// What a node's attributes say of rows and columns.
    fn along(&self, node: Node<'f>, x: Shape, kernel: [usize; 2], zeros: [usize; 4]) -> Reading<[Along; 2]> {
        let counts = |name: &str, default: usize, many: usize| match node.integers(name) {
            None => Ok(vec![default; many]),
            Some(given) => {
                let counts: Option<Vec<usize>> =
                    given.iter().map(|count| u16::try_from(*count).ok().map(usize::from)).collect();
                let counts = counts.filter(|counts| counts.len() == many);
                counts.ok_or_else(|| format!("expected {many} {name} of 0 to 65535, found {given:?}"))
            }
        };
        let (strides, dilations) = (counts("strides", 1, 2)?, counts("dilations", 1, 2)?);
        let pads = counts("pads", 0, 4)?;
        if strides.contains(&0) || dilations.contains(&0) {
            return Err("expected strides and dilations of at least 1, found 0".into());
        }
        let along = [0, 1].map(|side| Along {
            length: [x.height, x.width][side],
            kernel: kernel[side],
            dilation: dilations[side],
            stride: strides[side],
            before: pads[side],
            after: pads[side + 2],
        });
        let along = match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => along,
            "VALID" => along.map(|side| Along { before: 0, after: 0, ..side }),
            "SAME_UPPER" => along.map(|side| side.same(true)),
            "SAME_LOWER" => along.map(|side| side.same(false)),
            other => return Err(format!("expected an auto_pad of ONNX's, found {other}")),
        };
        let [top, left, bottom, right] = zeros;
        let [rows, columns] = along;
        let rows = Along { before: rows.before + top, after: rows.after + bottom, ..rows };
        Ok([rows, Along { before: columns.before + left, after: columns.after + right, ..columns }])
    }

    /// Appends a convolution, and remembers what it was made of.
    fn append_conv(&mut self, conv: Appended) -> Reading<Value> {
        let weight = self.parameter(&conv.weight.0, &conv.weight.1)?;
        let bias = match &conv.bias {
            Some((name, bias)) => Some(self.parameter(name, bias)?),
            None => None,
        };
        let weights = Weighted { weight, bias };
        let value = self.b.conv2d(conv.name.clone(), conv.x, weights, conv.op.clone()).map_err(told)?;
        self.convs.insert(value, conv);
        Ok(value)
    }

    /// Channels in another order: the convolution in front makes them so, or one of 1×1 takes them so.
    pub(super) fn reordered(&mut self, name: &str, x: Value, order: Option<Vec<usize>>) -> Reading<Value> {
        let Some(order) = order else { return Ok(x) };
        if let Some(conv) = self.convs.get(&x).filter(|conv| conv.op.groups == 1).cloned() {
            let rows = |(own, numbers): &(String, Parameter)| {
                let (own, length) = (format!("{name}.{own}"), numbers.values().len() / order.len());
                let made = self.made(&own, numbers.dims(), |at| {
                    numbers.values()[order[at / length] * length + at % length]
                });
                made.map(|made| (own, made))
            };
            let (weight, bias) = (rows(&conv.weight)?, conv.bias.as_ref().map(rows).transpose()?);
            return self.append_conv(Appended { weight, bias, ..conv });
        }
        let channels = order.len();
        let weight = self.made(&format!("{name} order"), &[channels, channels, 1, 1], |at| {
            f32::from(u8::from(order[at / channels] == at % channels))
        })?;
        let weight = self.parameter(&format!("{name}.order"), &weight)?;
        self.b.conv2d(format!("{name}.order"), x, weight, Conv2d::same(1)).map_err(told)
    }

    /// `ConvTranspose` in one group, or in several as one whose weight has zeros between them.
    pub(super) fn conv_transpose(&mut self, node: Node<'f>) -> Reading<View> {
        let x = self.picture(node, 0)?;
        let weight = self.fixed(node, 1)?.clone();
        let &[inputs, within, height, width] = &*weight.dims else {
            return Err(format!(
                "expected a kernel of rows and columns, found a weight of axes {:?}",
                weight.dims
            ));
        };
        let [rows, columns] = self.along(node, self.b.shape(x), [height, width], [0; 4])?;
        let alike = |of: fn(&Along) -> usize| of(&rows) == of(&columns);
        let even = rows.before == rows.after && columns.before == columns.after && alike(|side| side.before);
        let extra = node.integers("output_padding").unwrap_or_else(|| vec![0; 2]);
        let extra = match *extra {
            [rows, columns] if rows == columns => usize::try_from(rows).ok(),
            _ => None,
        };
        let auto = node.text("auto_pad").is_some_and(|auto| auto.starts_with("SAME"));
        let plain =
            height == width && even && alike(|side| side.stride) && rows.dilation * columns.dilation == 1;
        let (Some(output_padding), true) = (extra, plain && !auto && node.integers("output_shape").is_none())
        else {
            return Err(
                "expected a square kernel with one stride and one padding and without dilation, auto_pad \
                        and output_shape, found another"
                    .into(),
            );
        };
        let groups = usize::try_from(node.integer("group").unwrap_or(1)).ok().filter(|groups| *groups > 0);
        let groups =
            groups.filter(|groups| inputs.is_multiple_of(*groups)).ok_or("expected groups, found none")?;
        let numbers = weight.parameter(&weight.dims)?;
        let (name, weight) = if groups == 1 {
            (node.input(1).to_owned(), numbers)
        } else {
            let (out, plane, of_group) = (within.saturating_mul(groups), height * width, inputs / groups);
            let name = format!("{}.weight", node.output);
            let made = self.made(&name, &[inputs, out, height, width], |at| {
                let (i, o, tap) = (at / (out * plane), at / plane % out, at % plane);
                let own = o / within == i / of_group;
                if own { numbers.values()[(i * within + o % within) * plane + tap] } else { 0.0 }
            })?;
            (name, made)
        };
        let out = weight.dims()[1];
        let bias = self.optional(node, 2)?.map(|bias| bias.parameter(&[out])).transpose()?;
        let weight = self.parameter(&name, &weight)?;
        let bias = bias.map(|bias| self.parameter(node.input(2), &bias)).transpose()?;
        let op =
            ConvTranspose2d { kernel: height, stride: rows.stride, padding: rows.before, output_padding };
        let value = self.b.conv_transpose2d(node.name, x, Weighted { weight, bias }, op).map_err(told)?;
        Ok(self.plain(value))
    }

    /// `MatMul` and `Gemm` of channels that are the last axis, by fixed numbers: a convolution of 1×1.
    pub(super) fn linear(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let (shape, last) = (self.b.shape(view.value), view.axes.dims().len().saturating_sub(1));
        if !view.axes.is_channels(last, shape) {
            return Err("expected channels, all of them, as the last axis, found something else".into());
        }
        let is_gemm = node.operator == "Gemm";
        let factors = [node.float("alpha"), node.float("beta")].map(|factor| factor.unwrap_or(1.0));
        if is_gemm && (factors != [1.0; 2] || node.integer("transA").unwrap_or(0) != 0) {
            return Err("expected alpha and beta 1 and no transA, found others".into());
        }
        let weight = self.fixed(node, 1)?.clone();
        let &[a, b] = &*weight.dims else {
            return Err(format!("expected a weight of two axes, found {:?}", weight.dims));
        };
        let numbers = weight.parameter(&weight.dims)?;
        let (name, weight) = if is_gemm && node.integer("transB") == Some(1) {
            (node.input(1).to_owned(), numbers)
        } else {
            let name = format!("{}.weight", node.output);
            let made = self.made(&name, &[b, a], |at| numbers.values()[at % a * b + at / a])?;
            (name, made)
        };
        let out = weight.dims()[0];
        let bias = if is_gemm { self.optional(node, 2)? } else { None };
        let bias = bias.map(|bias| bias.parameter(&[out])).transpose()?;
        let bias = bias.map(|bias| (node.input(2).to_owned(), bias));
        let (x, op) = (view.value, Conv2d::same(1));
        let value =
            self.append_conv(Appended { name: node.name.into(), x, weight: (name, weight), bias, op })?;
        Ok(View { value, axes: view.axes.with_channels(last, self.b.shape(value)) })
    }

    /// `BatchNormalization` as it runs: a factor and a summand a channel, in the convolution in front where there is one.
    pub(super) fn batch_normalization(&mut self, node: Node<'f>) -> Reading<View> {
        let x = self.picture(node, 0)?;
        let channels = self.b.shape(x).channels;
        let read = |at: usize| -> Reading<Vec<f32>> {
            Ok(self.fixed(node, at)?.parameter(&[channels])?.values().to_vec())
        };
        let [scale, shift, mean, variance] = [read(1)?, read(2)?, read(3)?, read(4)?];
        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
        if node.integer("training_mode").unwrap_or(0) != 0 {
            return Err("expected a node that runs, found one in training".into());
        }
        let factor = |c: usize| f64::from(scale[c]) / (f64::from(variance[c]) + epsilon).sqrt();
        let factors: Vec<f32> = (0..channels).map(|c| factor(c) as f32).collect();
        let shifts: Vec<f32> =
            (0..channels).map(|c| (f64::from(shift[c]) - f64::from(mean[c]) * factor(c)) as f32).collect();
        if let Some(conv) = self.convs.get(&x).cloned() {
            let (before, weight) = &conv.weight;
            let length = weight.values().len() / channels;
            let own = format!("{}.{before}", node.output);
            let weight = self.made(&own, weight.dims(), |at| weight.values()[at] * factors[at / length])?;
            let before = conv.bias.as_ref().map(|(_, bias)| bias.values());
            let name = format!("{}.bias", node.output);
            let bias = self.made(&name, &[channels], |c| {
                before.map_or(0.0, |before| before[c]) * factors[c] + shifts[c]
            })?;
            let (weight, bias) = ((own, weight), Some((name, bias)));
            let value = self.append_conv(Appended { name: node.name.into(), weight, bias, ..conv })?;
            return Ok(self.plain(value));
        }
        let factors = self.constant(format!("{}.factor", node.name), factors)?;
        let shifts = self.constant(format!("{}.shift", node.name), shifts)?;
        let y = self.b.multiply(format!("{}.scaled", node.name), x, factors).map_err(told)?;
        let y = self.b.add(node.name, y, shifts).map_err(told)?;
        Ok(self.plain(y))
    }

    /// `LayerNormalization` over channels that are the last axis.
    pub(super) fn layer_normalization(&mut self, node: Node<'f>) -> Reading<View> {
        let view = self.view(node, 0)?;
        let (shape, last) = (self.b.shape(view.value), view.axes.dims().len().saturating_sub(1));
        let over = node.integer("axis").unwrap_or(-1);
        if !view.axes.is_channels(last, shape) || over != -1 && over != last as i64 {
            return Err("expected channels, all of them, as the last axis, found something else".into());
        }
        let channels = shape.channels;
        let weight = self.fixed(node, 1)?.parameter(&[channels])?;
        let bias = match self.optional(node, 2)? {
            Some(bias) => (node.input(2).to_owned(), bias.parameter(&[channels])?),
            None => {
                let name = format!("{}.bias", node.output);
                let made = self.made(&name, &[channels], |_| 0.0)?;
                (name, made)
            }
        };
        let weight = self.parameter(node.input(1), &weight)?;
        let bias = self.parameter(&bias.0, &bias.1)?;
        let op = LayerNorm { epsilon: node.float("epsilon").unwrap_or(1e-5) };
        let value = self.b.append(node.name, Op::LayerNorm(op), &[view.value, weight, bias]).map_err(told)?;
        Ok(View { value, ..view })
    }
}

/// The side of an odd square kernel and its padding that make as many pixels along both sides, at this size, each tap where
/// it is.
fn square(along: &[Along; 2]) -> Reading<(usize, usize)> {
    let [rows, columns] = along;
    let made = [rows.made()?, columns.made()?];
    let least = rows.before.max(columns.before);
    for padding in least..=least + rows.stride {
        let needed = along.map(|side| padding - side.before + side.extent());
        let needed = needed[0].max(needed[1]);
        for kernel in [needed | 1, (needed | 1) + 2] {
            let fits = along.iter().zip(made).all(|(side, made)| {
                let room = (side.length + 2 * padding).checked_sub(kernel);
                room.is_some_and(|room| room / side.stride + 1 == made)
            });
            if fits {
                return Ok((kernel, padding));
            }
        }
    }
    Err(format!(
        "expected a kernel that lies in an odd square one with one padding, found {rows:?} and {columns:?}"
    ))
}
