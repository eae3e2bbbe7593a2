//! Neighbourhoods as channels, and back: each is the other's transpose, and so its gradient.

use std::ops::Range;

use super::{Kind, Macs, Op, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// The k×k pixels around each as channels, zeros past the edge, as PyTorch's `Unfold` that keeps the size:
///
/// `y[(c · k + ky) · k + kx, p] = x[c, p + (ky, kx) − ⌊k / 2⌋]`
#[derive(Clone, Debug, PartialEq)]
pub struct Unfold {
    /// The neighbourhood's side, odd.
    pub kernel: usize,
}

/// What [`Unfold`] laid apart added where it came from, as PyTorch's `Fold`: its transpose, not its inverse.
///
/// `y[c, p] = Σ_k x[(c · k + ky) · k + kx, p − (ky, kx) + ⌊k / 2⌋]`
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// The neighbourhood's side, odd.
    pub kernel: usize,
}

impl Operator for Unfold {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(self.kernel % 2 == 1, || format!("an odd kernel, found {}", self.kernel))?;
        Ok(input.with_channels(input.channels * self.kernel * self.kernel))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
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

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        around(self.kernel, output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![Some(at.append(Op::Fold(Fold { kernel: self.kernel }), &[at.gradient()])?)])
    }
}

impl Operator for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(self.kernel % 2 == 1, || format!("an odd kernel, found {}", self.kernel))?;
        let taps = self.kernel * self.kernel;
        expect(input.channels % taps == 0, || {
            format!("a multiple of {taps} channels, found {}", input.channels)
        })?;
        Ok(input.with_channels(input.channels / taps))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
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

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        around(self.kernel, output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![Some(at.append(Op::Unfold(Unfold { kernel: self.kernel }), &[at.gradient()])?)])
    }
}

fn around(kernel: usize, output: Range<isize>) -> Option<Range<isize>> {
    let radius = (kernel / 2) as isize;
    Some(output.start - radius..output.end + radius)
}
