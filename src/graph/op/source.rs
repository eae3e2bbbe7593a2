//! Values that no node computes: the picture, learned numbers, and fixed ones.

use std::ops::Range;
use std::sync::Arc;

use super::{Kind, Macs, Operator};
use crate::error::Error;
use crate::graph::{Backward, ParameterId, Value};
use crate::tensor::{Shape, Tensor};

/// The picture: node 0 of every graph.
#[derive(Clone, Debug, PartialEq)]
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

    fn kind(&self) -> Kind {
        Kind::Source
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
        Some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, _at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![])
    }
}

/// Learned numbers, which lie beside the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterValue {
    /// Which.
    pub id: ParameterId,
    /// Their shape: a convolution's weight is `[out, in, k, k]`, a number a channel 1×C×1×1.
    pub shape: Shape,
}

impl Operator for ParameterValue {
    fn name(&self) -> &'static str {
        "parameter"
    }

    fn infer(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.shape)
    }

    fn kind(&self) -> Kind {
        Kind::Source
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
        Some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, _at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![])
    }
}

/// Fixed numbers in the place of a computed value.
#[derive(Clone, Debug, PartialEq)]
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

    fn kind(&self) -> Kind {
        Kind::Source
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
        Some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, _at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![])
    }
}
