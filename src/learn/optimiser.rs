//! How numbers follow their gradients: Adam and AdamW, with clipping of the gradient's norm, and the two steps of OBProxSG,
//! which make numbers zero.

use crate::kernel::update::{Kind, Piece, Rule};

/// The rule and its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Optimiser {
    /// Decay of the two moments: 0.9 and 0.999 in the paper, 0.9 and 0.99 among those who train super-resolution.
    pub betas: [f64; 2],
    /// What keeps the quotient finite.
    pub epsilon: f64,
    /// The pull towards zero.
    pub weight_decay: f64,
    /// Whether that is a part of the gradient (Adam; Kingma and Ba, ICLR 2015, algorithm 1) or of the step alone (AdamW;
    /// Loshchilov and Hutter, ICLR 2019, algorithm 2).
    pub decoupled: bool,
    /// What becomes of a large gradient.
    pub clip: Clip,
    /// Decay of the averaged parameters, 0 for none: at update t it is the lesser of this and (1 + t) / (10 + t).
    pub ema_decay: f64,
    /// A step that makes numbers zero, in place of Adam's: there are no moments then and no decay.
    pub shrinkage: Option<Shrinkage>,
}

/// The steps of OBProxSG (Chen et al., *Orthant Based Proximal Stochastic Gradient Method for ℓ1-Regularized Optimization*,
/// ECML PKDD 2020), of a gradient g.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shrinkage {
    /// `p ← S(p − rate · g, rate · weight)`, with `S(x, t) = sign(x) · max(|x| − t, 0)` (algorithm 2).
    Prox {
        /// λ: how much a number's size weighs.
        weight: f64,
    },
    /// `q = p − rate · (g + weight · sign(p))` becomes p where `q · sign(p)` is above `epsilon`, and 0 elsewhere; a zero
    /// stays one (algorithm 3).
    Orthant {
        /// As above.
        weight: f64,
        /// What a number must be beyond.
        epsilon: f64,
    },
}

/// What becomes of a gradient whose norm, over all parameters, is large: it is made as long as the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Clip {
    /// It stays.
    None,
    /// The limit.
    Norm(f64),
    /// So many times the mean norm of the updates before, of which the last fifty or so count.
    Mean(f64),
}

impl Default for Optimiser {
    /// Adam with betas of 0.9 and 0.99, no decay, no clipping, averages of 0.999.
    fn default() -> Self {
        Self {
            betas: [0.9, 0.99],
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            clip: Clip::None,
            ema_decay: 0.999,
            shrinkage: None,
        }
    }
}

impl Optimiser {
    /// What the update of this number does to a parameter.
    pub(super) fn piece(&self, rate: f64, update: u64) -> Piece {
        if self.shrinkage.is_some() {
            return Piece { step: rate as f32, root: 1.0, shrunk: 1.0 };
        }
        let [b1, b2] = self.betas;
        let correction = |beta: f64| 1.0 - beta.powi(update.min(1 << 30) as i32);
        let shrunk = if self.decoupled { (1.0 - rate * self.weight_decay) as f32 } else { 1.0 };
        Piece { step: (rate / correction(b1)) as f32, root: correction(b2).sqrt() as f32, shrunk }
    }

    /// What all parameters have in common, as engines reckon with it.
    pub(super) fn rule(&self) -> Rule {
        let (kind, decay, epsilon) = match self.shrinkage {
            None => (Kind::Adam, if self.decoupled { 0.0 } else { self.weight_decay }, self.epsilon),
            Some(Shrinkage::Prox { weight }) => (Kind::Prox, weight, 0.0),
            Some(Shrinkage::Orthant { weight, epsilon }) => (Kind::Orthant, weight, epsilon),
        };
        Rule {
            kind,
            decay: decay as f32,
            epsilon: epsilon as f32,
            betas: self.betas.map(|beta| beta as f32),
            taken: self.betas.map(|beta| (1.0 - beta) as f32),
        }
    }

    /// Moves numbers by one update. `gradient` is multiplied by `factor` before anything else.
    pub(super) fn moved(
        &self,
        piece: &Piece,
        numbers: &mut [f32],
        gradient: &[f32],
        factor: f32,
        [first, second]: [&mut [f32]; 2],
    ) {
        let Piece { step, root, shrunk } = *piece;
        let Rule { kind, decay, epsilon, betas: [b1, b2], taken: [c1, c2] } = self.rule();
        if kind != Kind::Adam {
            let pairs = numbers.iter_mut().zip(gradient);
            pairs.for_each(|(number, gradient)| {
                *number = shrunken(kind, *number, factor * gradient, step, [decay, epsilon])
            });
            return;
        }
        let moments = first.iter_mut().zip(second);
        for ((number, gradient), (first, second)) in numbers.iter_mut().zip(gradient).zip(moments) {
            let gradient = factor * gradient + decay * *number;
            *first = b1 * *first + c1 * gradient;
            *second = b2 * *second + c2 * gradient * gradient;
            *number = shrunk * *number - step * *first / (second.sqrt() / root + epsilon);
        }
    }
}

/// A number after a step that may make it zero.
fn shrunken(kind: Kind, number: f32, gradient: f32, step: f32, [weight, epsilon]: [f32; 2]) -> f32 {
    if kind == Kind::Prox {
        let moved = number - step * gradient;
        return moved.signum() * (moved.abs() - step * weight).max(0.0);
    }
    let sign = if number == 0.0 { 0.0 } else { number.signum() };
    let moved = number - step * (gradient + weight * sign);
    if moved * sign > epsilon { moved } else { 0.0 }
}

/// The factor that makes a gradient of this norm as long as the limit, at most 1, and the mean norm from now on.
pub(super) fn clipped(clip: Clip, norm: f64, mean: f64) -> (f64, f64) {
    const SHARE: f64 = 0.02;
    let limit = match clip {
        Clip::Norm(limit) => limit,
        Clip::Mean(times) if mean > 0.0 => times * mean,
        Clip::None | Clip::Mean(_) => f64::INFINITY,
    };
    let short = norm.min(limit);
    let mean = if mean > 0.0 { mean + SHARE * (short - mean) } else { short };
    // As PyTorch: a little shorter than the limit.
    (if norm > limit { limit / (norm + 1e-6) } else { 1.0 }, mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number after its first update.
    fn after(op: &Optimiser, number: f32, gradient: f32) -> f32 {
        let mut numbers = [number];
        op.moved(&op.piece(0.1, 1), &mut numbers, &[gradient], 1.0, [&mut [0.0], &mut [0.0]]);
        numbers[0]
    }

    #[test]
    fn the_first_step_of_adam_is_the_rate_whatever_the_gradient() {
        for gradient in [1e-3, 5.0, -70.0] {
            let number = after(&Optimiser::default(), 1.0, gradient);
            assert!((number - (1.0 - 0.1 * gradient.signum())).abs() < 1e-4, "{gradient}: {number:?}");
        }
    }

    #[test]
    fn decay_is_a_part_of_the_gradient_or_of_the_step() {
        let decayed = |decoupled, weight_decay| {
            after(&Optimiser { weight_decay, decoupled, ..Optimiser::default() }, 2.0, 0.0)
        };
        assert!((decayed(true, 0.5) - 1.9).abs() < 1e-6);
        assert!((decayed(false, 0.5) - 1.9).abs() < 1e-6, "coupled, its size is lost: one step of the rate");
        assert!((decayed(true, 0.1) - 1.98).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_is_made_as_long_as_the_limit() {
        assert_eq!(clipped(Clip::None, 1e9, 3.0).0, 1.0);
        assert!((clipped(Clip::Norm(2.0), 8.0, 0.0).0 - 0.25).abs() < 1e-6);
        assert_eq!(clipped(Clip::Mean(2.0), 8.0, 0.0), (1.0, 8.0), "nothing to compare with yet");
        let (factor, mean) = clipped(Clip::Mean(2.0), 8.0, 1.0);
        assert!((factor - 0.25).abs() < 1e-6 && (mean - 1.02).abs() < 1e-9);
    }
}
