//! Slopes of functions of one number.

use std::f64::consts::{PI, SQRT_2};

use super::Numbers;
use crate::graph::Activation;

/// `g · f′`: f′ from f's output, or from its input where there is no telling from the output
/// ([`Activation::gradient_reads_output`]). At zero a ReLU's is that left of it.
pub fn activation_gradient(
    value: &Numbers,
    g: &Numbers,
    slopes: Option<&Numbers>,
    activation: &Activation,
) -> Numbers {
    Numbers::from_fn(value.shape(), |n, c, row, column| {
        let value = value.at(n, c, row, column);
        let slope = match activation {
            Activation::Relu => step(value, 0.0),
            Activation::LeakyRelu { slope } => step(value, f64::from(*slope)),
            Activation::Prelu => step(value, slopes.expect("a PReLU's slopes").at_repeated(0, c, 0, 0)),
            Activation::Gelu => {
                let density = (-value * value / 2.0).exp() / (2.0 * PI).sqrt();
                (1.0 + libm::erf(value / SQRT_2)) / 2.0 + value * density
            }
            Activation::Sigmoid => value * (1.0 - value),
            Activation::Silu => {
                let sigmoid = 1.0 / (1.0 + (-value).exp());
                sigmoid * (1.0 + value * (1.0 - sigmoid))
            }
            Activation::Tanh => 1.0 - value * value,
        };
        g.at(n, c, row, column) * slope
    })
}

/// 1 right of zero, `slope` left of it, and of NaN NaN.
fn step(value: f64, slope: f64) -> f64 {
    match value {
        _ if value > 0.0 => 1.0,
        _ if value <= 0.0 => slope,
        nan => nan,
    }
}
