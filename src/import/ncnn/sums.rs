//! Arithmetic between values, numbers a channel, and single numbers.

use super::build::PARTS;
use super::layer::Layer;
use super::making::{Blob, Kind, Making};
use super::numbers::Own;
use super::{Reading, said};
use crate::graph::BinaryKind;
use crate::tensor::{Shape, Tensor};

impl Making<'_> {
    pub(super) fn memory(&mut self, layer: &Layer<'_>, own: &Own) -> Reading<Blob> {
        let numbers = &own[0];
        let (count, dims) = (numbers.values().len(), numbers.dims());
        // `[c, h, w]`, and fewer: a number a channel, or one.
        if count == 0 || dims.iter().product::<usize>() != count || dims.first() != Some(&count) {
            return Err(layer.wrong("a number, or one a channel", format!("{dims:?}")));
        }
        self.fixed(layer, "numbers", numbers.values())
    }

    /// Fixed numbers, one a channel.
    fn fixed(&mut self, layer: &Layer<'_>, part: &str, numbers: &[f32]) -> Reading<Blob> {
        let first = *numbers.first().ok_or_else(|| layer.wrong("numbers", "none"))?;
        let tensor = Tensor::new(Shape::new(1, numbers.len(), 1, 1), numbers.to_vec());
        let value = said(self.b.constant(format!("{}.{part}", layer.name), tensor))?;
        Ok(Blob { value, kind: Kind::Fixed { count: numbers.len(), first } })
    }

    /// A value and a number.
    pub(super) fn with_number(&mut self, layer: &Layer<'_>, x: Blob, number: f32) -> Reading<Blob> {
        let number = self.fixed(layer, "number", &[number])?;
        let kind = layer.int(0, 0)?;
        match kind {
            7 | 8 => {
                let kind = if kind == 7 { BinaryKind::Subtract } else { BinaryKind::Divide };
                self.binary(layer, kind, number, x)
            }
            _ => self.binary(layer, binary_kind(layer)?, x, number),
        }
    }

    /// Two values, the smaller of which is repeated over the larger one.
    pub(super) fn binary(&mut self, layer: &Layer<'_>, kind: BinaryKind, a: Blob, b: Blob) -> Reading<Blob> {
        // By what it is repeated over: maps of one channel over channels, too.
        let rank = |blob: Blob| match blob.kind {
            Kind::Map(_) if self.b.shape(blob.value).channels > 1 => 3,
            Kind::Map(_) => 2,
            Kind::Pixel => 1,
            Kind::Fixed { .. } => 0,
        };
        if let (Kind::Map(first), Kind::Map(second)) = (a.kind, b.kind)
            && !first.agrees(second)
        {
            return Err(layer.wrong("two values that lie alike", "others"));
        }
        if rank(a) >= rank(b) {
            return self.repeated(layer, kind, a, b);
        }
        match kind {
            BinaryKind::Add | BinaryKind::Multiply => self.repeated(layer, kind, b, a),
            BinaryKind::Subtract => {
                let minus = self.fixed(layer, "minus", &[-1.0])?;
                let b = self.repeated(layer, BinaryKind::Multiply, b, minus)?;
                self.repeated(layer, BinaryKind::Add, b, a)
            }
            BinaryKind::Divide => Err(layer.wrong("a quotient by numbers", "one of a number by a value")),
        }
    }

    /// `a ∘ b` with one number for all channels made one for each.
    fn repeated(&mut self, layer: &Layer<'_>, kind: BinaryKind, a: Blob, b: Blob) -> Reading<Blob> {
        let channels = self.b.shape(a.value).channels;
        let second = match b.kind {
            Kind::Fixed { count: 1, first } if channels > 1 => {
                self.fixed(layer, "each", &vec![first; channels])?
            }
            _ => b,
        };
        let value = said(self.b.binary(layer.name, kind, a.value, second.value))?;
        Ok(Blob { value, ..a })
    }

    pub(super) fn eltwise(&mut self, layer: &Layer<'_>, inputs: &[Blob]) -> Reading<Blob> {
        let kind = match layer.int(0, 0)? {
            0 => BinaryKind::Multiply,
            1 => BinaryKind::Add,
            other => return Err(layer.wrong("a product or a sum, 0 or 1", other)),
        };
        let coefficients = layer.floats(1)?;
        if !coefficients.is_empty() && (coefficients.len() != inputs.len() || kind != BinaryKind::Add) {
            return Err(layer.wrong("a sum with a factor for each input", coefficients.len()));
        }
        let mut terms = vec![];
        for (at, (input, name)) in inputs.iter().zip(layer.inputs()).enumerate() {
            let factor = coefficients.get(at).copied().unwrap_or(1.0);
            terms.push(match factor == 1.0 || self.factors.contains_key(name) {
                true => *input,
                false => {
                    let factor = self.fixed(layer, &format!("factor{at}"), &[factor])?;
                    self.repeated(layer, BinaryKind::Multiply, *input, factor)?
                }
            });
        }
        let [first, others @ ..] = terms.as_slice() else { return Err(layer.wrong("inputs", "none")) };
        others.iter().try_fold(*first, |sum, term| self.binary(layer, kind, sum, *term))
    }

    /// A factor a channel, and a number that is added.
    pub(super) fn scale(&mut self, layer: &Layer<'_>, x: Blob, own: &Own) -> Reading<Blob> {
        let mut x = x;
        let kinds = [BinaryKind::Multiply, BinaryKind::Add];
        for ((numbers, kind), part) in own.iter().zip(kinds).zip(PARTS) {
            let numbers = self.fixed(layer, part, numbers.values())?;
            x = self.binary(layer, kind, x, numbers)?;
        }
        Ok(x)
    }
}

pub(super) fn binary_kind(layer: &Layer<'_>) -> Reading<BinaryKind> {
    Ok(match layer.int(0, 0)? {
        0 => BinaryKind::Add,
        1 => BinaryKind::Subtract,
        2 => BinaryKind::Multiply,
        3 => BinaryKind::Divide,
        other => return Err(layer.wrong("a sum, difference, product or quotient, 0 to 3", other)),
    })
}
