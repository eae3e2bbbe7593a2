//! Functions of one number, applied to every one.

use std::f64::consts::SQRT_2;

use super::Numbers;
use crate::tensor::Shape;

/// `max(x, 0)`.
pub fn relu(x: &Numbers) -> Numbers {
    x.map(|x| if x <= 0.0 { 0.0 } else { x })
}

/// `x` if positive, otherwise `slope · x`.
pub fn leaky_relu(x: &Numbers, slope: f64) -> Numbers {
    x.map(|x| leak(x, slope))
}

/// Leaky ReLU with a learned slope (He et al., *Delving Deep into Rectifiers*, ICCV 2015, equation 1): `[1, channels,
/// 1, 1]`, or `[1, 1, 1, 1]` for all channels.
pub fn prelu(x: &Numbers, slope: &Numbers) -> Numbers {
    let (one, each) = (Shape::new(1, 1, 1, 1), Shape::new(1, x.shape().channels, 1, 1));
    assert!([one, each].contains(&slope.shape()), "a slope of {one} or {each}, found {}", slope.shape());
    Numbers::from_fn(x.shape(), |n, c, row, column| {
        leak(x.at(n, c, row, column), slope.at_repeated(0, c, 0, 0))
    })
}

fn leak(x: f64, slope: f64) -> f64 {
    if x > 0.0 { x } else { slope * x }
}

/// `x · Φ(x)`, Φ the normal distribution by the error function (Hendrycks and Gimpel, 2016, section 2).
pub fn gelu(x: &Numbers) -> Numbers {
    x.map(|x| x * (1.0 + libm::erf(x / SQRT_2)) / 2.0)
}

/// `1 / (1 + e^−x)`.
pub fn sigmoid(x: &Numbers) -> Numbers {
    x.map(|x| 1.0 / (1.0 + (-x).exp()))
}

/// `x / (1 + e^−x)`.
pub fn silu(x: &Numbers) -> Numbers {
    x.map(|x| x / (1.0 + (-x).exp()))
}

/// `(e^x − e^−x) / (e^x + e^−x)`.
pub fn tanh(x: &Numbers) -> Numbers {
    x.map(f64::tanh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_nan() {
        let x = Numbers::new(Shape::new(1, 1, 1, 4), vec![f64::NAN, 1000.0, -1000.0, 0.0]);
        let slope = Numbers::new(Shape::new(1, 1, 1, 1), vec![0.25]);
        for (name, y, expected) in [
            ("relu", relu(&x), [1000.0, 0.0, 0.0]),
            ("leaky_relu", leaky_relu(&x, 0.1), [1000.0, -100.0, 0.0]),
            ("prelu", prelu(&x, &slope), [1000.0, -250.0, 0.0]),
            ("gelu", gelu(&x), [1000.0, 0.0, 0.0]),
            ("sigmoid", sigmoid(&x), [1.0, 0.0, 0.5]),
            ("silu", silu(&x), [1000.0, 0.0, 0.0]),
            ("tanh", tanh(&x), [1.0, -1.0, 0.0]),
        ] {
            assert!(y.values()[0].is_nan(), "{name} keeps NaN");
            assert_eq!(y.values()[1..], expected, "{name}");
        }
    }
}
