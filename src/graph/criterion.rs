//! How far what was made is from its target, as nodes of a graph: one number; and what is asked of a network in such terms.

use super::{BinaryKind, Builder, Loss, Op, ResizeKind, TrainingOperation, Value};
use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};

/// Bands of a pyramid, beside what is left.
const BANDS: usize = 4;

/// A term of what a training minimises.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Criterion {
    /// The mean over all numbers of a function of their difference.
    Mean(Loss),
    /// Lap(d) + Lap(d − G d) of the difference d, G being [`TrainingOperation::Blur`] (Jiang et al., *Compressing Deep Image
    /// Super-resolution Models*, PCS 2024, as in the published code). Lap is the sum of 2ⁱ times the mean size of level i of
    /// a Laplacian pyramid of five levels. Sides are multiples of 16, 32 at least.
    MultiLap,
}

impl From<Loss> for Criterion {
    fn from(loss: Loss) -> Self {
        Self::Mean(loss)
    }
}

/// What a network's pictures shall be like: weighted sums of criteria.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goal {
    /// To the true pictures: one at least.
    pub truth: Vec<(Criterion, f32)>,
    /// To what a teacher makes of the same input; none if there is no teacher.
    pub teacher: Vec<(Criterion, f32)>,
}

impl<C: Into<Criterion> + Copy, const N: usize> From<&[(C, f32); N]> for Goal {
    /// The truth alone.
    fn from(losses: &[(C, f32); N]) -> Self {
        let truth = losses.iter().map(|(loss, weight)| ((*loss).into(), *weight)).collect();
        Self { truth, teacher: vec![] }
    }
}

impl Criterion {
    /// Appends it.
    pub(super) fn of(self, b: &mut Builder, name: &str, made: Value, target: Value) -> Result<Value> {
        match self {
            Self::Mean(kind) => loss(b, name, kind, made, target),
            Self::MultiLap => multi_lap(b, name, made, target),
        }
    }
}

fn loss(b: &mut Builder, name: &str, kind: Loss, made: Value, target: Value) -> Result<Value> {
    b.append(name, Op::Training(TrainingOperation::Loss(kind)), &[made, target])
}

/// All is linear up to the means, so it is one pyramid: of d and d − G d as channels of one value.
fn multi_lap(b: &mut Builder, name: &str, made: Value, target: Value) -> Result<Value> {
    let [shape, other] = [made, target].map(|value| b.shape(value));
    let fits = |side: usize| side >= 2 << BANDS && side.is_multiple_of(1 << BANDS);
    if other != shape || !fits(shape.height) || !fits(shape.width) {
        let expected = "MultiLap expects a target of the same shape, sides multiples of 16 and at least 32";
        return Err(Error::shape(name, format!("{expected}, found {shape} and {other}")));
    }
    let d = b.binary(name, BinaryKind::Subtract, made, target)?;
    let blurred = blur(b, name, d)?;
    let sharp = b.binary(name, BinaryKind::Subtract, d, blurred)?;
    let both = b.concat(name, &[d, sharp])?;
    let mean = lap(b, name, both)?;
    let two = b.number(name, 2.0)?;
    b.multiply(name, mean, two)
}

/// A level is x − expand(reduce(x)). Reduce takes the mean of every 2×2 of G x; expand puts zeros between pixels, a pixel's
/// own in the corner, and takes 4 · G.
fn lap(b: &mut Builder, name: &str, x: Value) -> Result<Value> {
    let (mut x, mut sum) = (x, None);
    for band in 0..BANDS {
        let blurred = blur(b, name, x)?;
        let less = b.average_pool(name, blurred, 2)?;
        let spread = b.resize(name, less, ResizeKind::Nearest, 2)?;
        let corners = b.constant(name, corners(b.shape(x)))?;
        let spread = b.multiply(name, spread, corners)?;
        let expanded = blur(b, name, spread)?;
        let level = level(b, name, band, [x, expanded])?;
        (x, sum) = (less, Some(added(b, name, sum, level)?));
    }
    let zeros = b.constant(name, Tensor::zeros(b.shape(x)))?;
    let level = level(b, name, BANDS, [x, zeros])?;
    added(b, name, sum, level)
}

fn blur(b: &mut Builder, name: &str, x: Value) -> Result<Value> {
    b.append(name, Op::Training(TrainingOperation::Blur), &[x])
}

/// 4 in the corner of every 2×2, 0 elsewhere.
fn corners(of: Shape) -> Tensor {
    let is_corner = |y: usize, x: usize| y.is_multiple_of(2) && x.is_multiple_of(2);
    Tensor::from_fn(of.with_channels(1), |_, _, y, x| if is_corner(y, x) { 4.0 } else { 0.0 })
}

/// 2ⁱ times the mean size of what is between two values.
fn level(b: &mut Builder, name: &str, at: usize, [x, less]: [Value; 2]) -> Result<Value> {
    let mean = loss(b, name, Loss::L1, x, less)?;
    let weight = b.number(name, (1 << at) as f32)?;
    b.multiply(name, mean, weight)
}

fn added(b: &mut Builder, name: &str, sum: Option<Value>, term: Value) -> Result<Value> {
    sum.map_or(Ok(term), |sum| b.add(name, sum, term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_without_room_are_refused() {
        for (side, other, fits) in
            [(32, 32, true), (48, 48, true), (16, 16, false), (40, 40, false), (32, 48, false)]
        {
            let (mut b, x) = Builder::new("sides", Shape::new(2, 3, side, 64), 1.0);
            let target = b.constant("target", Tensor::zeros(Shape::new(2, 3, other, 64))).unwrap();
            let made = b.losses("loss", x, target, &[(Criterion::MultiLap, 1.0)]);
            assert_eq!(made.is_ok(), fits, "{side} and {other}");
            if let Err(error) = made {
                let expected = format!(
                    "loss.0: MultiLap expects a target of the same shape, sides multiples of 16 and at least 32, found \
                     2x3x{side}x64 and 2x3x{other}x64"
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
