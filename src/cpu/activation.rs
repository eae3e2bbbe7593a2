//! Functions of one number. None of them swallows a NaN.

use pulp::{Simd, WithSimd};

use super::binary::{Other, with};
use super::normal::{PEAK, normal};
use super::vectors;
use crate::graph::Activation;

/// In place, of some pixels of `channels` numbers each; `slopes` are those of a PReLU.
pub(super) fn activate(op: &Activation, slopes: &[f32], channels: usize, y: &mut [f32]) {
    match op {
        Activation::Relu => map(y, relu),
        Activation::LeakyRelu { slope } => map(y, |x| leaky_relu(x, *slope)),
        Activation::Prelu => match slopes {
            [slope] => map(y, |x| leaky_relu(x, *slope)),
            slopes => {
                for pixel in y.chunks_exact_mut(channels) {
                    pixel.iter_mut().zip(slopes).for_each(|(y, slope)| *y = leaky_relu(*y, *slope));
                }
            }
        },
        Activation::Gelu => vectors::arch().dispatch(Gelu(y)),
        Activation::Sigmoid => map(y, sigmoid),
        Activation::Silu => map(y, silu),
        Activation::Tanh => map(y, f32::tanh),
    }
}

/// The gradient before a function from that behind it, of some pixels: `a` is the function's value or what it is of
/// ([`Activation::gradient_reads_output`]), `b` the gradient.
#[inline(always)]
pub(super) fn gradient<S: Simd>(
    simd: S,
    (op, slopes): (&Activation, &[f32]),
    channels: usize,
    y: &mut [f32],
    other: Other<'_>,
) {
    match op {
        Activation::Relu => with(channels, y, other, |y, g| leaky(y, g, 0.0)),
        Activation::LeakyRelu { slope } => with(channels, y, other, |y, g| leaky(y, g, *slope)),
        Activation::Prelu => match (slopes, other) {
            ([slope], other) => with(channels, y, other, |x, g| leaky(x, g, *slope)),
            (slopes, Other::First(x)) => {
                for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    y.iter_mut().zip(x).zip(slopes).for_each(|((y, x), slope)| *y = leaky(*x, *y, *slope));
                }
            }
            (slopes, Other::Second(g)) => {
                for (y, g) in y.chunks_exact_mut(channels).zip(g.chunks_exact(channels)) {
                    y.iter_mut().zip(g).zip(slopes).for_each(|((y, g), slope)| *y = leaky(*y, *g, *slope));
                }
            }
            _ => unreachable!("a gradient is as large as the value"),
        },
        Activation::Gelu => match other {
            Other::Second(g) => in_vectors(
                simd,
                y,
                g,
                #[inline(always)]
                |x, g| gelu_gradient(simd, x, g),
            ),
            Other::First(x) => in_vectors(
                simd,
                y,
                x,
                #[inline(always)]
                |g, x| gelu_gradient(simd, x, g),
            ),
            _ => unreachable!("a gradient is as large as the value"),
        },
        Activation::Sigmoid => with(channels, y, other, |y, g| g * y * (1.0 - y)),
        Activation::Silu => with(channels, y, other, |x, g| g * silu_slope(x)),
        Activation::Tanh => with(channels, y, other, |y, g| g * (1.0 - y * y)),
    }
}

/// Left of zero and at it the slope.
#[inline(always)]
fn leaky(value: f32, g: f32, slope: f32) -> f32 {
    if value > 0.0 {
        g
    } else if value.is_nan() {
        value
    } else {
        slope * g
    }
}

/// `g · (Φ(x) + x · φ(x))`.
#[inline(always)]
fn gelu_gradient<S: Simd>(simd: S, x: S::f32s, g: S::f32s) -> S::f32s {
    let [below, bell] = normal(simd, x);
    let density = simd.mul_f32s(bell, simd.splat_f32s(PEAK));
    simd.mul_f32s(g, simd.mul_add_e_f32s(x, density, below))
}

/// Makes of every number and the other one of its place, which are as many, another: the same wherever it stands.
#[inline(always)]
fn in_vectors<S: Simd>(
    simd: S,
    y: &mut [f32],
    other: &[f32],
    function: impl Fn(S::f32s, S::f32s) -> S::f32s,
) {
    let (y, last) = S::as_mut_simd_f32s(y);
    let (other, last_other) = S::as_simd_f32s(other);
    y.iter_mut().zip(other).for_each(
        #[inline(always)]
        |(y, other)| *y = function(*y, *other),
    );
    if !last.is_empty() {
        let made = function(simd.partial_load_f32s(last), simd.partial_load_f32s(last_other));
        simd.partial_store_f32s(last, made);
    }
}

/// `σ + x · σ · (1 − σ)`.
fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s + x * s * (1.0 - s)
}

fn map(y: &mut [f32], function: impl Fn(f32) -> f32) {
    vectors::arch().dispatch(
        #[inline(always)]
        || y.iter_mut().for_each(|y| *y = function(*y)),
    );
}

/// Not `f32::max` alone, which prefers 0 to NaN. What is written is never what was read: compilers would write under a
/// mask then, which takes some processors ten times as long.
fn relu(x: f32) -> f32 {
    if x.is_nan() { f32::NAN } else { x.max(0.0) }
}

fn leaky_relu(x: f32, slope: f32) -> f32 {
    x * if x > 0.0 { 1.0 } else { slope }
}

/// `x · Φ(x)`.
struct Gelu<'a>(&'a mut [f32]);

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (y, last) = S::as_mut_simd_f32s(self.0);
        y.iter_mut().for_each(
            #[inline(always)]
            |y| *y = simd.mul_f32s(*y, normal(simd, *y)[0]),
        );
        if !last.is_empty() {
            let x = simd.partial_load_f32s(last);
            simd.partial_store_f32s(last, simd.mul_f32s(x, normal(simd, x)[0]));
        }
    }
}

/// For large −x the exponential is infinite, and its inverse the right zero.
fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

/// Left of −88 the sigmoid is a denormal or zero, and so is the product.
fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation::{Gelu, LeakyRelu, Prelu, Relu, Sigmoid, Silu, Tanh};

    #[test]
    fn limits_and_nan() {
        for op in [Relu, LeakyRelu { slope: 0.5 }, Prelu, Gelu, Sigmoid, Silu, Tanh] {
            let mut y = [f32::NAN, 1000.0, -1000.0];
            activate(&op, &[0.5], 1, &mut y);
            let (right, left) = match op {
                Sigmoid => (1.0, 0.0),
                Tanh => (1.0, -1.0),
                LeakyRelu { .. } | Prelu => (1000.0, -500.0),
                Relu | Gelu | Silu => (1000.0, 0.0),
            };
            assert!(y[0].is_nan(), "{op:?} keeps NaN");
            assert_eq!(y[1..], [right, left], "{op:?}");
        }
    }
}
