//! How far two values are apart.

use super::Numbers;
use crate::graph::Loss;
use crate::tensor::Shape;

/// The mean over all numbers of `|d|`, `√(d² + ε)` or `d²`, where d is what was made less the target: one number.
pub fn loss(made: &Numbers, target: &Numbers, kind: Loss) -> Numbers {
    let of = |d: f64| match kind {
        Loss::L1 => d.abs(),
        Loss::Charbonnier { epsilon } => (d * d + f64::from(epsilon)).sqrt(),
        Loss::MeanSquare => d * d,
    };
    let sum: f64 = differences(made, target).map(of).sum();
    Numbers::new(Shape::new(1, 1, 1, 1), vec![sum / made.shape().len() as f64])
}

/// `g · ∂loss / ∂made`, g one number; of `|d|` at zero it is zero.
pub fn loss_gradient(made: &Numbers, target: &Numbers, g: &Numbers, kind: Loss) -> Numbers {
    let slope = |d: f64| match kind {
        Loss::L1 if d > 0.0 => 1.0,
        Loss::L1 if d < 0.0 => -1.0,
        Loss::L1 => d, // zero or NaN
        Loss::Charbonnier { epsilon } => d / (d * d + f64::from(epsilon)).sqrt(),
        Loss::MeanSquare => 2.0 * d,
    };
    let share = g.at(0, 0, 0, 0) / made.shape().len() as f64;
    let slopes = differences(made, target).map(|d| share * slope(d));
    Numbers::new(made.shape(), slopes.collect())
}

fn differences(made: &Numbers, target: &Numbers) -> impl Iterator<Item = f64> {
    assert_eq!(made.shape(), target.shape(), "a target of what was made");
    made.values().iter().zip(target.values()).map(|(made, target)| made - target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let line = |numbers: &[f64]| Numbers::new(Shape::new(1, 1, 1, numbers.len()), numbers.to_vec());
        let (made, target) = (line(&[1.0, 5.0, 2.0, 2.0]), line(&[4.0, 1.0, 2.0, 2.0]));
        for (kind, mean, slopes) in [
            (Loss::L1, 7.0 / 4.0, [-2.0, 2.0, 0.0, 0.0]),
            (Loss::MeanSquare, 25.0 / 4.0, [-12.0, 16.0, 0.0, 0.0]),
            (Loss::Charbonnier { epsilon: 0.0 }, 7.0 / 4.0, [-2.0, 2.0, f64::NAN, f64::NAN]),
        ] {
            assert_eq!(loss(&made, &target, kind), line(&[mean]), "{kind:?}");
            let found = loss_gradient(&made, &target, &line(&[8.0]), kind);
            let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            assert!(found.values().iter().zip(&slopes).all(same), "{kind:?}: {found:?}");
        }
    }
}
