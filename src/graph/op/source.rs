//! Values that no node computes: the picture, and fixed numbers.

use std::sync::Arc;

use super::Operator;
use crate::tensor::{Shape, Tensor};

/// The picture: node 0 of every graph.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its shape, channels R, G, B.
    pub shape: Shape,
}

impl Operator for Input {
    fn name(&self) -> &'static str {
        "input"
    }

    fn infer(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.shape)
    }
}

/// Fixed numbers in the place of a computed value.
#[derive(Clone, Debug)]
pub struct Constant {
    /// The numbers.
    pub numbers: Arc<Tensor>,
}

impl Constant {
    /// Takes the numbers.
    pub fn new(numbers: Tensor) -> Self {
        Self { numbers: Arc::new(numbers) }
    }
}

impl Operator for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn infer(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.numbers.shape())
    }
}
