//! Interpolation.

use std::ops::Range;

use super::{AveragePool, Kind, Macs, Op, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// How pixels in between are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResizeKind {
    /// Keys' cubic convolution with a = −0.75, as PyTorch's `bicubic`.
    Bicubic,
    /// Between the two nearest of each axis, as PyTorch's `bilinear`.
    Bilinear,
    /// The same with the outer pixels' centres laid upon each other: PyTorch's `align_corners=True`.
    BilinearCorners,
    /// The pixel that the new one lies in.
    Nearest,
}

/// Enlarges by a whole factor, or a fraction, as PyTorch's `interpolate` with `align_corners=False`: new pixel `p` looks
/// at `(p + ½) · below / scale − ½`, and the edge is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How: not by corners.
    pub kind: ResizeKind,
    /// By how much; at least 1.
    pub scale: usize,
    /// The denominator of that: 1 unless the kind is bicubic.
    pub below: usize,
}

impl Resize {
    /// By a whole factor.
    pub fn by(kind: ResizeKind, scale: usize) -> Self {
        Self { kind, scale, below: 1 }
    }

    /// A side of so many pixels made by it.
    pub fn side(&self, side: usize) -> usize {
        side * self.scale / self.below
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        match self.kind {
            ResizeKind::Bicubic => "resize_bicubic",
            ResizeKind::Bilinear | ResizeKind::BilinearCorners => "resize_bilinear",
            ResizeKind::Nearest => "resize_nearest",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let Self { kind, scale, below } = *self;
        expect(scale > 0 && below > 0, || "a scale of at least 1, found 0".into())?;
        expect(kind != ResizeKind::BilinearCorners, || "corners only with a size to resize to".into())?;
        expect(below == 1 || kind == ResizeKind::Bicubic, || "a fraction only where bicubic".into())?;
        expect([input.height, input.width].iter().all(|side| (side * scale).is_multiple_of(below)), || {
            format!("sides that {scale}/{below} makes whole, found {input}")
        })?;
        Ok(input.with_size(self.side(input.height), self.side(input.width)))
    }

    fn kind(&self) -> Kind {
        Kind::Moving
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        self.below
    }

    fn scale(&self) -> [usize; 2] {
        [self.scale, self.below]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [scale, below] = [self.scale, self.below].map(|factor| factor as isize);
        // The last input pixel whose centre is not right of an output pixel's.
        let left = |output: isize| ((2 * output + 1) * below - scale).div_euclid(2 * scale);
        match self.kind {
            ResizeKind::Bicubic => Some(left(output.start) - 1..left(output.end - 1) + 3),
            ResizeKind::Bilinear => Some(left(output.start)..left(output.end - 1) + 2),
            ResizeKind::Nearest => {
                Some(output.start.div_euclid(scale)..(output.end - 1).div_euclid(scale) + 1)
            }
            ResizeKind::BilinearCorners => None,
        }
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        if self.below > 1 {
            return Err(at.refused());
        }
        if self.kind != ResizeKind::Nearest {
            return Ok(vec![Some(adjoint(self.kind, at)?)]);
        }
        let mean = at.append(Op::AveragePool(AveragePool { size: self.scale }), &[at.gradient()])?;
        Ok(vec![Some(at.times(mean, (self.scale * self.scale) as f32)?)])
    }
}

/// Interpolates to the size of a second value, whose numbers do not matter, as PyTorch's `interpolate(size=…)`:
/// along a side of n old and m new pixels new pixel `p` looks at `max(0, (p + ½) · n / m − ½)`, by corners at
/// `p · (n − 1) / (m − 1)`, and the nearest is `⌊p · (n / m)⌋`, the quotient taken in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizeTo {
    /// How: not bicubic.
    pub kind: ResizeKind,
}

impl Operator for ResizeTo {
    fn name(&self) -> &'static str {
        match self.kind {
            ResizeKind::Nearest => "resize_nearest_to",
            _ => "resize_bilinear_to",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input, like] = inputs else { return Err(format!("two inputs, found {}", inputs.len())) };
        expect(self.kind != ResizeKind::Bicubic, || "bicubic only by a whole factor".into())?;
        expect(input.pixels() > 0 && like.pixels() > 0 && input.batch == like.batch, || {
            format!("as many pictures of at least one pixel, found {input} and {like}")
        })?;
        Ok(input.with_size(like.height, like.width))
    }

    fn kind(&self) -> Kind {
        Kind::Moving
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    /// The grid depends on the picture's size.
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![Some(adjoint(self.kind, at)?), None])
    }
}

/// The numbers of the new pixels, given back to the old ones.
fn adjoint(kind: ResizeKind, at: &mut Backward<'_>) -> Result<Value, Error> {
    let Shape { height, width, .. } = at.shape(at.inputs()[0]);
    at.training(TrainingOperation::ResizeGradient { kind, height, width }, &[at.gradient()])
}
