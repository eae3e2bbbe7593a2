//! Convolutions, their numbers and the functions that they take along.

use super::build::PARTS;
use super::layer::Layer;
use super::making::{Blob, Kind, Making, map, placed};
use super::numbers::{LONGEST, Own, WIDEST};
use super::place::{Moved, Window};
use super::{Reading, said};
use crate::graph::{Activation, Conv2d, ConvTranspose2d, Weighted};
use crate::tensor::Parameter;

impl Making<'_> {
    fn weights(&mut self, layer: &Layer<'_>, own: &Own, weight: Parameter, factor: f32) -> Reading<Weighted> {
        let times = |numbers: &Parameter| match factor {
            1.0 => numbers.clone(),
            _ => {
                let values: Vec<f32> = numbers.values().iter().map(|number| factor * number).collect();
                Parameter::new(numbers.dims(), values)
            }
        };
        let mut part = |part: &str, numbers: Parameter| {
            said(self.b.parameter(format!("{}.{part}", layer.name), &numbers))
        };
        let weight = part(PARTS[0], times(&weight))?;
        let bias = own.get(1).map(|bias| part(PARTS[1], times(bias))).transpose()?;
        Ok(Weighted { weight, bias })
    }

    pub(super) fn convolution(&mut self, layer: &Layer<'_>, x: Blob, own: &Own) -> Reading<Blob> {
        layer.only(8, 0, "no int8 weights, term")?;
        layer.only(19, 0, "weights of its own, dynamic")?;
        if layer.float(18, 0.0)? != 0.0 {
            return Err(layer.wrong("a padding of zeros (key 18)", layer.float(18, 0.0)?));
        }
        let (place, weight) = (map(layer, x)?, &own[0]);
        let &[_, inputs, kernel, _] = weight.dims() else { unreachable!("read so") };
        let stride = layer.common(&[3, 13], 1, LONGEST, "a stride")?.max(1);
        let dilation = layer.common(&[2, 12], 1, LONGEST, "a dilation")?.max(1);
        let groups = if layer.kind == "Convolution" { 1 } else { layer.count(7, 1, WIDEST)? };
        let reach = dilation * (kernel - 1) + 1;
        let padding = paddings(layer, reach, stride)?;
        let window = Window { kernel: reach, stride, padding, output_padding: 0 };
        let (place, moved) = place.convolved(window).map_err(|reason| placed(layer, &reason))?;
        let channels = self.b.shape(x.value).channels;
        if channels != inputs * groups {
            return Err(layer.wrong(&format!("{} channels", inputs * groups), channels));
        }
        let weight = self.spread(layer, weight, dilation, moved)?;
        let factor = layer.outputs().find_map(|blob| self.factors.get(blob).copied());
        let weights = self.weights(layer, own, weight, factor.unwrap_or(1.0))?;
        let op = Conv2d { kernel: moved.kernel, stride, padding: moved.padding, groups };
        let value = said(self.b.conv2d(layer.name, x.value, weights, op))?;
        self.activated(layer, Blob { value, kind: Kind::Map(place) })
    }

    /// A kernel `[out, in, k, k]` with zeros between its taps, and behind them.
    fn spread(
        &mut self,
        layer: &Layer<'_>,
        weight: &Parameter,
        dilation: usize,
        moved: Moved,
    ) -> Reading<Parameter> {
        let (&[outputs, inputs, kernel, _], side) = (weight.dims(), moved.kernel) else {
            unreachable!("the weight of a convolution has four axes")
        };
        if kernel == side {
            return Ok(weight.clone());
        }
        let taken = weight.values().len();
        let count = (outputs * inputs).checked_mul(side * side).filter(|count| *count <= taken + self.zeros);
        let count =
            count.ok_or_else(|| layer.wrong("a kernel that is not much larger than its taps", side))?;
        self.zeros -= count - taken;
        let mut values = vec![0.0; count];
        for (plane, taps) in weight.values().chunks_exact(kernel * kernel).enumerate() {
            for (at, tap) in taps.iter().enumerate() {
                let [y, x] = [at / kernel, at % kernel].map(|place| dilation * place);
                values[(plane * side + y) * side + x] = *tap;
            }
        }
        Ok(Parameter::new([outputs, inputs, side, side], values))
    }

    pub(super) fn deconvolution(&mut self, layer: &Layer<'_>, x: Blob, own: &Own) -> Reading<Blob> {
        layer.only(2, 1, "a dilation of")?;
        for key in [20, 21] {
            layer.only(key, 0, "a size of its own, output")?;
        }
        let (place, weight) = (map(layer, x)?, &own[0]);
        let kernel = weight.dims()[2];
        let stride = layer.common(&[3, 13], 1, LONGEST, "a stride")?.max(1);
        let output_padding = layer.common(&[18, 19], 0, stride - 1, "an output padding")?;
        let window = Window { kernel, stride, padding: paddings(layer, kernel, stride)?, output_padding };
        let (place, moved) = place.enlarged(window).map_err(|reason| placed(layer, &reason))?;
        let weight = self.spread(layer, weight, 1, moved)?;
        let weights = self.weights(layer, own, weight.swapped(), 1.0)?;
        let Moved { kernel, padding, output_padding } = moved;
        let op = ConvTranspose2d { kernel, stride, padding, output_padding };
        let value = said(self.b.conv_transpose2d(layer.name, x.value, weights, op))?;
        self.activated(layer, Blob { value, kind: Kind::Map(place) })
    }

    /// Of a number a channel.
    pub(super) fn inner_product(&mut self, layer: &Layer<'_>, x: Blob, own: &Own) -> Reading<Blob> {
        layer.only(8, 0, "no int8 weights, term")?;
        let weights = self.weights(layer, own, own[0].clone(), 1.0)?;
        let value = said(self.b.conv2d(layer.name, x.value, weights, Conv2d::same(1)))?;
        self.activated(layer, Blob { value, ..x })
    }

    /// With the function that a layer takes along.
    fn activated(&mut self, layer: &Layer<'_>, x: Blob) -> Reading<Blob> {
        let op = match layer.int(9, 0)? {
            0 => return Ok(x),
            1 => Activation::Relu,
            2 => {
                let numbers = layer.floats(10)?;
                let [slope] = numbers[..] else {
                    return Err(layer.wrong("one slope (key 10)", numbers.len()));
                };
                Activation::LeakyRelu { slope }
            }
            4 => Activation::Sigmoid,
            other => return Err(layer.wrong("no function, or one of 1, 2 and 4 (key 9)", other)),
        };
        self.activation(layer, x, op)
    }
}

/// Before and behind; of a kernel's size where the layer says that it keeps the size.
fn paddings(layer: &Layer<'_>, kernel: usize, stride: usize) -> Reading<[usize; 2]> {
    let upper = match layer.int(4, 0)? {
        -233 => true,
        -234 => false,
        _ => {
            let before = layer.common(&[4, 14], 0, LONGEST, "a padding")?;
            let behind = layer.common(&[15, 16], before, LONGEST, "a padding")?;
            return Ok([before, behind]);
        }
    };
    if stride != 1 {
        return Err(layer.wrong("a stride of 1 where the size is kept", stride));
    }
    let (less, more) = ((kernel - 1) / 2, kernel / 2);
    Ok(if upper { [less, more] } else { [more, less] })
}
