//! The standard normal distribution at numbers in the lanes of vectors: what GELU is made of.
//!
//! ```text
//!   Φ(−t) = e^(−t²/2) · u · P(u),   u = 1 / (1 + 0.35 t),   t ≥ 0      Φ(t) = 1 − Φ(−t)
//! ```
//!
//! P is the polynomial whose largest relative error is least (Remez's exchange, t up to 14): 3.2e-8. Left of 13 Φ is zero.
//! In f32 the error of Φ is below 2e-7.

use pulp::Simd;

use super::exponential::exp;

const RATE: f32 = 0.35;

/// P, from the highest power down.
const TERMS: [f32; 9] = [
    -0.029_145_92,
    0.143_971_65,
    -0.255_714_15,
    0.159_174_05,
    -0.023_109_758,
    0.105_507_97,
    0.119_832_87,
    0.139_861_87,
    0.139_621_4,
];

/// `1 / √(2π)`.
pub(super) const PEAK: f32 = 0.398_942_3;

/// Φ(x) and `e^(−x²/2)`. NaN stays.
#[inline(always)]
pub(super) fn normal<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let number = |number| simd.splat_f32s(number);
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), number(-0.5)));
    let u = simd.div_f32s(number(1.0), simd.mul_add_e_f32s(simd.abs_f32s(x), number(RATE), number(1.0)));
    let mut terms = number(TERMS[0]);
    for term in &TERMS[1..] {
        terms = simd.mul_add_e_f32s(terms, u, number(*term));
    }
    let left = simd.mul_f32s(simd.mul_f32s(terms, u), bell);
    let right = simd.sub_f32s(number(1.0), left);
    [simd.select_f32s(simd.greater_than_f32s(x, number(0.0)), right, left), bell]
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::vectors;
    use super::*;

    struct All<'a>(&'a mut [f32]);

    impl WithSimd for All<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            S::as_mut_simd_f32s(self.0).0.iter_mut().for_each(|x| *x = normal(simd, *x)[0]);
        }
    }

    #[test]
    fn every_number_is_right() {
        vectors::vectors().unwrap();
        let x: Vec<f32> = (0..320_000).map(|at| -16.0 + at as f32 * 1e-4).collect();
        let mut found = x.clone();
        vectors::arch().dispatch(All(&mut found));
        for (x, found) in x.iter().zip(found) {
            let expected = 0.5 * libm::erfc(-f64::from(*x) * std::f64::consts::FRAC_1_SQRT_2);
            let error = (f64::from(found) - expected).abs();
            assert!(error < 2e-7, "of {x}: expected {expected}, found {found}");
            let share = error / expected;
            assert!(*x < -12.5 || share < 5e-6, "of {x}: expected {expected}, found {found}");
        }
    }
}
