//! Sums, differences, products and quotients of two values.

use super::Numbers;
use crate::graph::BinaryKind;

/// `a ∘ b`, number by number. Each of `b`'s axes is as long as `a`'s, or 1 and then repeated.
pub fn binary(kind: BinaryKind, a: &Numbers, b: &Numbers) -> Numbers {
    let fits = a.shape().axes().into_iter().zip(b.shape().axes()).all(|(a, b)| b == a || b == 1);
    assert!(fits, "a second value of {} or 1 along an axis, found {}", a.shape(), b.shape());
    let of = |a: f64, b: f64| match kind {
        BinaryKind::Add => a + b,
        BinaryKind::Subtract => a - b,
        BinaryKind::Multiply => a * b,
        BinaryKind::Divide => a / b,
    };
    if let [b] = *b.values() {
        return a.map(|a| of(a, b)); // as below, and common among weights
    }
    Numbers::from_fn(a.shape(), |n, c, y, x| of(a.at(n, c, y, x), b.at_repeated(n, c, y, x)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn an_axis_of_one_is_repeated() {
        let a = Numbers::from_fn(Shape::new(2, 2, 2, 2), |n, c, y, x| (8 * n + 4 * c + 2 * y + x) as f64);
        let two = [100.0, 200.0].to_vec();
        for (shape, of) in [
            (Shape::new(2, 1, 1, 1), 8),
            (Shape::new(1, 2, 1, 1), 4),
            (Shape::new(1, 1, 2, 1), 2),
            (Shape::new(1, 1, 1, 2), 1),
        ] {
            let sum = binary(BinaryKind::Add, &a, &Numbers::new(shape, two.clone()));
            let expected: Vec<f64> = (0..16).map(|at| f64::from(at) + two[(at / of % 2) as usize]).collect();
            assert_eq!(sum.values(), expected, "{shape}");
        }
        let sum = binary(BinaryKind::Subtract, &a, &Numbers::new(Shape::new(1, 1, 1, 1), vec![3.0]));
        assert_eq!(sum.values()[..3], [-3.0, -2.0, -1.0]);
    }

    #[test]
    #[should_panic(expected = "a second value of 1x2x1x1 or 1 along an axis, found 1x3x1x1")]
    fn another_length_is_refused() {
        let of = |channels: usize| Numbers::from_fn(Shape::new(1, channels, 1, 1), |_, _, _, _| 1.0);
        binary(BinaryKind::Add, &of(2), &of(3));
    }
}
