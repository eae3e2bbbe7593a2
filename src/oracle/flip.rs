//! The weight of a convolution's adjoint.

use super::Numbers;
use crate::tensor::Shape;

/// `[out, in / groups, k, k]` as `[in, out / groups, k, k]`: inputs and outputs of each group in each other's place, the
/// kernel turned by half a circle.
pub fn flip(weight: &Numbers, groups: usize) -> Numbers {
    let Shape { batch: out, channels: within, height, width } = weight.shape();
    let of_group = out / groups;
    Numbers::from_fn(Shape::new(within * groups, of_group, height, width), |i, o, ky, kx| {
        weight.at(i / within * of_group + o, i % within, height - 1 - ky, width - 1 - kx)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Two groups of two outputs and one input.
        let weight = Numbers::from_fn(Shape::new(4, 1, 1, 2), |o, _, _, kx| (10 * o + kx) as f64);
        let y = flip(&weight, 2);
        assert_eq!(y.shape(), Shape::new(2, 2, 1, 2));
        assert_eq!(y.values(), [1.0, 0.0, 11.0, 10.0, 21.0, 20.0, 31.0, 30.0]);
        assert_eq!(flip(&y, 2), weight);
        assert_eq!(flip(&weight, 1).values(), [1.0, 0.0, 11.0, 10.0, 21.0, 20.0, 31.0, 30.0]);
        assert_eq!(flip(&weight, 1).shape(), Shape::new(1, 4, 1, 2));
    }
}
