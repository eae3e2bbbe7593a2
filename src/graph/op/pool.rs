//! One number of many pixels: of blocks, of parts of the picture, of all of it.

use std::ops::Range;

use super::{BinaryKind, Kind, Macs, Op, Operator, Resize, ResizeKind, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// The mean of every `size`×`size` block; a remainder at the right and bottom is dropped, as in PyTorch's
/// `AvgPool2d(size)`.
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePool {
    /// The block's side, and the distance between blocks.
    pub size: usize,
}

impl Operator for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        blocks(inputs, self.size, self.size)
    }

    fn kind(&self) -> Kind {
        Kind::Reducing
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.size]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let size = self.size as isize;
        Some(size * output.start..size * output.end)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, size) = (at.shape(at.inputs()[0]), self.size);
        if x.height % size != 0 || x.width % size != 0 {
            return Err(at.refused());
        }
        let share = at.over(at.gradient(), size * size)?;
        let spread = Resize::by(ResizeKind::Nearest, size);
        Ok(vec![Some(at.append(Op::Resize(spread), &[share])?)])
    }
}

/// The largest of every `size`×`size` block that lies in the picture, blocks `stride` apart, as PyTorch's
/// `MaxPool2d(size, stride)`.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxPool {
    /// The block's side.
    pub size: usize,
    /// Input pixels between blocks.
    pub stride: usize,
}

impl Operator for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        blocks(inputs, self.size, self.stride)
    }

    fn kind(&self) -> Kind {
        Kind::Reducing
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.stride]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [size, stride] = [self.size, self.stride].map(|length| length as isize);
        Some(stride * output.start..stride * (output.end - 1) + size)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let inputs = [at.inputs()[0], at.gradient()];
        Ok(vec![Some(at.training(TrainingOperation::MaxPoolGradient(self.clone()), &inputs)?)])
    }
}

/// The shape of what blocks are reduced to.
fn blocks(inputs: &[Shape], size: usize, stride: usize) -> Result<Shape, String> {
    let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
    expect(stride > 0, || "a stride of at least 1, found 0".into())?;
    expect(size > 0 && input.height >= size && input.width >= size, || {
        format!("at least {size}x{size} pixels, found {}x{}", input.height, input.width)
    })?;
    Ok(input.with_size((input.height - size) / stride + 1, (input.width - size) / stride + 1))
}

/// The largest of each of ⌊H / divisor⌋ × ⌊W / divisor⌋ parts of the picture, as PyTorch's
/// `adaptive_max_pool2d`: of n parts of a side, part i covers ⌊i · side / n⌋ … ⌈(i + 1) · side / n⌉, so that
/// neighbours may share a pixel where the side is not a multiple.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveMaxPool {
    /// A side to the number of its parts.
    pub divisor: usize,
}

impl Operator for AdaptiveMaxPool {
    fn name(&self) -> &'static str {
        "adaptive_max_pool"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let divisor = self.divisor;
        expect(divisor > 0 && input.height >= divisor && input.width >= divisor, || {
            format!("at least {divisor}x{divisor} pixels, found {}x{}", input.height, input.width)
        })?;
        Ok(input.with_size(input.height / divisor, input.width / divisor))
    }

    fn kind(&self) -> Kind {
        Kind::Reducing
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.divisor]
    }

    /// The parts depend on the picture's size.
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Err(at.refused())
    }
}

/// What is made of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GlobalPoolKind {
    /// `Σ x / N`.
    Mean,
    /// `√(Σ (x − mean)² / N)`: the standard deviation of a population.
    Deviation,
    /// `√(Σ x²)`.
    Norm,
}

/// One number of each channel over the whole picture, or all but its outermost columns and rows: one pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalPool {
    /// Which number.
    pub kind: GlobalPoolKind,
    /// How many columns and rows are left out at the left and the top, and at the right and the bottom.
    pub margin: [usize; 2],
}

impl GlobalPool {
    /// Over all pixels.
    pub fn of_all(kind: GlobalPoolKind) -> Self {
        Self { kind, margin: [0; 2] }
    }

    /// The columns, or rows, of so many that are looked at.
    pub fn within(&self, side: usize) -> Range<usize> {
        let [before, behind] = self.margin;
        before..side.saturating_sub(behind).max(before)
    }

    /// How many pixels of a shape are looked at.
    pub fn pixels(&self, input: Shape) -> usize {
        self.within(input.height).len() * self.within(input.width).len()
    }
}

impl Operator for GlobalPool {
    fn name(&self) -> &'static str {
        match self.kind {
            GlobalPoolKind::Mean => "global_average_pool",
            GlobalPoolKind::Deviation => "global_deviation",
            GlobalPoolKind::Norm => "global_norm",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let [before, behind] = self.margin;
        expect(self.pixels(*input) > 0, || match before + behind {
            0 => "at least one pixel, found none".into(),
            margin => format!("more than {margin} columns and rows, found {input}"),
        })?;
        Ok(input.with_size(1, 1))
    }

    fn kind(&self) -> Kind {
        Kind::Reducing
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

    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, y, g) = (at.inputs()[0], at.output(), at.gradient());
        let shape = at.shape(x);
        if self.margin != [0; 2] {
            return Err(at.refused());
        }
        let made = match self.kind {
            GlobalPoolKind::Mean => {
                let share = at.over(g, shape.pixels())?;
                at.broadcast(share, shape)?
            }
            GlobalPoolKind::Deviation => {
                let centre = at.append(Op::GlobalPool(Self::of_all(GlobalPoolKind::Mean)), &[x])?;
                let from_centre = at.binary(BinaryKind::Subtract, x, centre)?;
                let factor = at.binary(BinaryKind::Divide, g, y)?;
                let factor = at.over(factor, shape.pixels())?;
                at.binary(BinaryKind::Multiply, from_centre, factor)?
            }
            GlobalPoolKind::Norm => {
                let factor = at.binary(BinaryKind::Divide, g, y)?;
                at.binary(BinaryKind::Multiply, x, factor)?
            }
        };
        Ok(vec![Some(made)])
    }
}
