//! Sums, differences, products and quotients of two values.

use super::{Operator, expect};
use crate::tensor::Shape;

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryKind {
    /// `a + b`.
    Add,
    /// `a − b`.
    Subtract,
    /// `a · b`.
    Multiply,
    /// `a / b`.
    Divide,
}

/// `a ∘ b`, where `b` has `a`'s shape, or one pixel (a number a channel), or one channel (a number a
/// pixel): it is then repeated over the pixels or channels.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Which operation.
    pub kind: BinaryKind,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self.kind {
            BinaryKind::Add => "add",
            BinaryKind::Subtract => "subtract",
            BinaryKind::Multiply => "multiply",
            BinaryKind::Divide => "divide",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("two inputs, found {}", inputs.len())) };
        let fits = *b == *a || *b == a.with_size(1, 1) || *b == a.with_channels(1);
        expect(fits, || format!("a second input of {a}, one pixel of it or one channel of it, found {b}"))?;
        Ok(*a)
    }
}
