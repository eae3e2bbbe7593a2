//! Functions of one number. None of them swallows a NaN.

use std::f64::consts::FRAC_1_SQRT_2;

use super::by_plane;
use crate::graph::Activation;
use crate::tensor::Tensor;

pub(super) fn activation(op: &Activation, x: &Tensor) -> Tensor {
    match op {
        Activation::Relu => map(x, relu),
        Activation::LeakyRelu { slope } => map(x, |x| leaky_relu(x, *slope)),
        Activation::Prelu { slope } => by_plane(x.shape(), |n, c, y| {
            let slope = slope.values()[if slope.values().len() == 1 { 0 } else { c }];
            y.iter_mut().zip(x.plane(n, c)).for_each(|(y, x)| *y = leaky_relu(*x, slope));
        }),
        Activation::Gelu => map(x, gelu),
        Activation::Sigmoid => map(x, sigmoid),
        Activation::Silu => map(x, silu),
        Activation::Tanh => map(x, f32::tanh),
    }
}

fn map(x: &Tensor, function: impl Fn(f32) -> f32 + Sync) -> Tensor {
    by_plane(x.shape(), |n, c, y| {
        y.iter_mut().zip(x.plane(n, c)).for_each(|(y, x)| *y = function(*x));
    })
}

/// Not `f32::max`, which prefers 0 to NaN.
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

fn leaky_relu(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}

fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    (x * 0.5 * (1.0 + libm::erf(x * FRAC_1_SQRT_2))) as f32
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
    use crate::graph::Activation::{Gelu, LeakyRelu, Relu, Sigmoid, Silu, Tanh};
    use crate::tensor::{Parameter, Shape};

    #[test]
    fn limits_and_nan() {
        let prelu = Activation::Prelu { slope: Parameter::new([1], vec![0.5]) };
        for op in [Relu, LeakyRelu { slope: 0.5 }, prelu, Gelu, Sigmoid, Silu, Tanh] {
            let x = Tensor::new(Shape::new(1, 1, 1, 3), vec![f32::NAN, 1000.0, -1000.0]);
            let y = activation(&op, &x);
            let (right, left) = match op {
                Sigmoid => (1.0, 0.0),
                Tanh => (1.0, -1.0),
                LeakyRelu { .. } | Activation::Prelu { .. } => (1000.0, -500.0),
                Relu | Gelu | Silu => (1000.0, 0.0),
            };
            assert!(y.values()[0].is_nan(), "{op:?} keeps NaN");
            assert_eq!(y.values()[1..], [right, left], "{op:?}");
        }
    }
}
