//! Enlargement by interpolation.

use super::{Operator, expect};
use crate::tensor::Shape;

/// How pixels in between are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeKind {
    /// Keys' cubic convolution with a = −0.75, as PyTorch's `bicubic`.
    Bicubic,
    /// The pixel that the new one lies in.
    Nearest,
}

/// Enlarges by a whole factor, as PyTorch's `interpolate` with `align_corners=False`: new pixel `p` looks
/// at `(p + ½) / scale − ½`, and the edge is repeated.
#[derive(Clone, Debug)]
pub struct Resize {
    /// How.
    pub kind: ResizeKind,
    /// By how much; at least 1.
    pub scale: usize,
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        match self.kind {
            ResizeKind::Bicubic => "resize_bicubic",
            ResizeKind::Nearest => "resize_nearest",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(self.scale > 0, || "a scale of at least 1, found 0".into())?;
        Ok(input.with_size(input.height * self.scale, input.width * self.scale))
    }
}
