//! The exponential of numbers in the lanes of vectors: by powers of two and a polynomial between them.
//!
//! ```text
//!   e^x = 2^n · e^r,   n = round(x / ln 2),   r = x − n · ln 2,   |r| ≤ ln 2 / 2
//! ```
//!
//! The error is below 2 units in the last place (`tests`).

use pulp::Simd;

/// Below this results are zero: they would be denormal.
const LEAST: f32 = -87.336_54;

/// What is added so that a number's last bit is worth 1, and its last bits are the exponent's: 1.5 · 2²³ + 127.
const ROUNDING: f32 = 12_583_039.0;

/// ln 2 as the sum of a number of few bits, whose multiples are exact, and the rest.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `(e^r − 1 − r) / r²`, from the highest power down.
const TERMS: [f32; 6] = [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5];

/// `e^x`, for x up to 88. NaN stays.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let number = |number| simd.splat_f32s(number);
    let shifted = simd.mul_add_e_f32s(x, number(std::f32::consts::LOG2_E), number(ROUNDING));
    let n = simd.sub_f32s(shifted, number(ROUNDING));
    let r = simd.mul_add_e_f32s(n, number(-LN_2[0]), x);
    let r = simd.mul_add_e_f32s(n, number(-LN_2[1]), r);
    let mut terms = number(TERMS[0]);
    for term in &TERMS[1..] {
        terms = simd.mul_add_e_f32s(terms, r, number(*term));
    }
    let of_r = simd.add_f32s(simd.mul_add_e_f32s(simd.mul_f32s(r, r), terms, r), number(1.0));
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let made = simd.mul_f32s(of_r, simd.transmute_f32s_u32s(power));
    simd.select_f32s(simd.less_than_f32s(x, number(LEAST)), number(0.0), made)
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
            S::as_mut_simd_f32s(self.0).0.iter_mut().for_each(|x| *x = exp(simd, *x));
        }
    }

    fn exponentials(x: &[f32]) -> Vec<f32> {
        let mut made = x.to_vec();
        made.resize(x.len().next_multiple_of(16), 0.0);
        vectors::arch().dispatch(All(&mut made));
        made.truncate(x.len());
        made
    }

    #[test]
    fn every_number_is_right_to_two_units_in_the_last_place() {
        vectors::vectors().unwrap();
        let x: Vec<f32> = (0..400_000).map(|at| -87.3 + at as f32 * 4.38e-4).collect();
        for (x, found) in x.iter().zip(exponentials(&x)) {
            let expected = f64::from(*x).exp();
            let error = (f64::from(found) - expected).abs() / expected;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: expected {expected}, found {found}");
        }
    }

    #[test]
    fn ends_and_nan() {
        let found = exponentials(&[0.0, -0.0, -87.4, -1e30, f32::NEG_INFINITY, f32::NAN, -f32::NAN]);
        assert_eq!(found[..5], [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(found[5..].iter().all(|number| number.is_nan()));
    }
}
