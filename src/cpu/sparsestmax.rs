//! Sparsestmax and its gradient, in f64.
//!
//! The recursion has a closed form. Every step keeps the norm of the weights, so with k₁ supported logits at first and k
//! at last the weights are
//!
//! ```text
//!   1/k + factor · off,    off = v − mean(v) over what is supported,    factor = √(radius² + 1/k₁ − 1/k) / ‖off‖
//! ```
//!
//! and of the chain of Jacobians only the last one's projection and this factor are left, since what is centred over the
//! last support, and across `off` there, is so in all larger ones too.

use super::map::Map;

/// Weights of the simplex from the channels of each pixel.
pub(super) fn sparsestmax(x: &Map, radius: &Map, y: &mut Map) {
    let (channels, radius) = (x.shape().channels, f64::from(radius.values()[0]));
    y.by_unit(|unit, y, _: &mut ()| {
        for (y, logits) in y.chunks_exact_mut(channels).zip(x.of(unit).chunks_exact(channels)) {
            Sparsest::of(logits, radius).write_weights(y);
        }
    });
}

/// What goes back to the logits.
pub(super) fn sparsestmax_gradient(x: &Map, radius: &Map, g: &Map, y: &mut Map) {
    let (channels, radius) = (x.shape().channels, f64::from(radius.values()[0]));
    y.by_unit(|unit, y, _: &mut ()| {
        let inputs = x.of(unit).chunks_exact(channels).zip(g.of(unit).chunks_exact(channels));
        for (y, (logits, g)) in y.chunks_exact_mut(channels).zip(inputs) {
            Sparsest::of(logits, radius).write_gradient(g, y);
        }
    });
}

/// The support of some logits, and the line that their weights lie on.
struct Sparsest {
    /// Of each logit, if it is supported, how far it lies from the supported ones' mean.
    off: Vec<Option<f64>>,
    factor: f64,
    /// Whether the weights lie on the sphere.
    is_projected: bool,
}

impl Sparsest {
    fn of(logits: &[f32], radius: f64) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // From the largest, so that a tie is one exactly.
        let from_most: Vec<f64> = logits.iter().map(|v| f64::from(*v) - f64::from(most)).collect();
        if from_most.iter().any(|v| v.is_nan()) {
            let off = vec![Some(f64::NAN); logits.len()];
            return Self { off, factor: f64::NAN, is_projected: false };
        }
        let mut supported = vec![true; logits.len()];
        shrink(&from_most, &mut supported);
        let first = 1.0 / count(&supported);
        let mut found = Self { off: centred(&from_most, &supported), factor: 1.0, is_projected: false };
        let mut length = found.length();
        if length >= radius {
            return found;
        }
        while length > 0.0 {
            let share = 1.0 / count(&supported);
            found.factor = (radius * radius + first - share).max(0.0).sqrt() / length;
            found.is_projected = true;
            let point: Vec<f64> =
                found.off.iter().map(|off| off.map_or(0.0, |off| share + found.factor * off)).collect();
            if point.iter().all(|number| *number >= 0.0) {
                return found;
            }
            shrink(&point, &mut supported);
            found.off = centred(&from_most, &supported);
            length = found.length();
        }
        Self { is_projected: false, ..found }
    }

    fn length(&self) -> f64 {
        self.off.iter().flatten().map(|off| off * off).sum::<f64>().sqrt()
    }

    fn write_weights(&self, y: &mut [f32]) {
        let share = 1.0 / self.off.iter().flatten().count() as f64;
        for (y, off) in y.iter_mut().zip(&self.off) {
            let weight = off.map_or(0.0, |off| share + self.factor * off);
            *y = if weight < 0.0 { 0.0 } else { weight as f32 }; // rounding
        }
    }

    fn write_gradient(&self, g: &[f32], y: &mut [f32]) {
        let pairs = || self.off.iter().zip(g).filter_map(|(off, g)| Some(((*off)?, f64::from(*g))));
        let mean = pairs().map(|(_, g)| g).sum::<f64>() / pairs().count() as f64;
        let along = match self.is_projected {
            true => pairs().map(|(off, g)| off * (g - mean)).sum::<f64>() / self.length().powi(2),
            false => 0.0,
        };
        for ((y, off), g) in y.iter_mut().zip(&self.off).zip(g) {
            let back = off.map_or(0.0, |off| self.factor * (f64::from(*g) - mean - along * off));
            *y = back as f32;
        }
    }
}

/// Takes out what sparsemax makes zero, until all that is left lies above the threshold (Michelot, Journal of
/// Optimization Theory and Applications 1986).
fn shrink(numbers: &[f64], supported: &mut [bool]) {
    loop {
        let sum: f64 = numbers.iter().zip(&*supported).filter(|(_, own)| **own).map(|(v, _)| v).sum();
        let threshold = (sum - 1.0) / count(supported);
        let before = count(supported);
        for (own, number) in supported.iter_mut().zip(numbers) {
            *own &= *number > threshold;
        }
        if count(supported) == before || count(supported) == 0.0 {
            return;
        }
    }
}

fn count(supported: &[bool]) -> f64 {
    supported.iter().filter(|own| **own).count() as f64
}

fn centred(numbers: &[f64], supported: &[bool]) -> Vec<Option<f64>> {
    let own = || numbers.iter().zip(supported).map(|(number, own)| own.then_some(*number));
    let mean = own().flatten().sum::<f64>() / count(supported);
    own().map(|number| number.map(|number| number - mean)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noise, on_maps};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::{Shape, Tensor};

    /// By so much: of two channels the gradient is nothing but rounding.
    #[track_caller]
    fn assert_near(found: &Tensor, expected: &Tensor, case: &str) {
        for (found, expected) in found.values().iter().zip(expected.values()) {
            assert!((found - expected).abs() <= 1e-5, "{case}: expected {expected}, found {found}");
        }
    }

    #[test]
    fn is_the_oracles() {
        for channels in [1, 2, 3, 5, 16] {
            let shape = Shape::new(2, channels, 5, 7);
            let (x, g) = (noise(shape, 1), noise(shape, 2));
            for size in [0.0, 0.1, 0.3, 0.5, 0.62, 0.7, 0.8, 0.9, 0.95, 1.0] {
                let radius = Tensor::new(Shape::new(1, 1, 1, 1), vec![size]);
                let case = format!("{channels}, {size}");
                let numbers = [&x, &radius, &g].map(Numbers::of);
                let found = on_maps(&[&x, &radius], shape, |maps, y| sparsestmax(maps[0], maps[1], y));
                assert_near(&found, &oracle::sparsestmax(&numbers[0], &numbers[1]).to_tensor(), &case);
                let found = on_maps(&[&x, &radius, &g], shape, |maps, y| {
                    sparsestmax_gradient(maps[0], maps[1], maps[2], y);
                });
                let expected = oracle::sparsestmax_gradient(&numbers[0], &numbers[1], &numbers[2]);
                assert_near(&found, &expected.to_tensor(), &case);
            }
        }
    }
}
