//! Sums over some axes, and back.

use super::Numbers;
use crate::graph::Axes;
use crate::tensor::Shape;

/// The sum over some axes, of which one number is left.
pub fn sum(x: &Numbers, axes: Axes) -> Numbers {
    let Shape { batch, channels, height, width } = x.shape();
    let left = |summed: bool, length: usize| if summed { 1 } else { length };
    let (batch, channels) = (left(axes.batch, batch), left(axes.channels, channels));
    let shape = Shape::new(batch, channels, left(axes.pixels, height), left(axes.pixels, width));
    let mut y = Numbers::from_fn(shape, |_, _, _, _| 0.0);
    for [n, c, row, column] in x.places() {
        *y.at_mut(n % batch, c % channels, row % shape.height, column % shape.width) +=
            x.at(n, c, row, column);
    }
    y
}

/// Each axis of one number repeated to that of `shape`.
pub fn broadcast(x: &Numbers, shape: Shape) -> Numbers {
    Numbers::from_fn(shape, |n, c, row, column| x.at_repeated(n, c, row, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let x = Numbers::from_fn(Shape::new(2, 2, 1, 2), |n, c, _, x| (100 * n + 10 * c + x) as f64);
        for ([batch, channels, pixels], expected) in [
            ([true, true, true], &[444.0][..]),
            ([true, false, true], &[202.0, 242.0]),
            ([false, true, true], &[22.0, 422.0]),
            ([false, true, false], &[10.0, 12.0, 210.0, 212.0]),
            ([true, false, false], &[100.0, 102.0, 120.0, 122.0]),
            ([false, false, true], &[1.0, 21.0, 201.0, 221.0]),
        ] {
            let y = sum(&x, Axes { batch, channels, pixels });
            assert_eq!(y.values(), expected, "{batch} {channels} {pixels}");
            let back = broadcast(&y, x.shape());
            assert_eq!(back.at(0, 1, 0, 1), y.at_repeated(0, 1, 0, 1), "{batch} {channels} {pixels}");
        }
    }
}
