//! Where the largest of every block stood.

use super::Numbers;

/// g at the first largest number of every block of [`max_pool`](super::max_pool), in raster order; zeros elsewhere.
pub fn max_pool_gradient(x: &Numbers, g: &Numbers, size: usize, stride: usize) -> Numbers {
    let mut y = Numbers::from_fn(x.shape(), |_, _, _, _| 0.0);
    for [n, c, row, column] in g.places() {
        let block = (0..size * size).map(|at| [row * stride + at / size, column * stride + at % size]);
        let number = |[row, column]: [usize; 2]| x.at(n, c, row, column);
        let is_larger = |a, b| number(a) > number(b) || (number(a).is_nan() && !number(b).is_nan());
        let first = block.reduce(|first, other| if is_larger(other, first) { other } else { first });
        let [to_row, to_column] = first.expect("a block has a pixel");
        *y.at_mut(n, c, to_row, to_column) += g.at(n, c, row, column);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn by_hand() {
        // Blocks of 2 a pixel apart: a tie goes to the first, and a number that is the largest of two gets both.
        let x = Numbers::new(Shape::new(1, 1, 2, 4), vec![1.0, 3.0, 0.0, 2.0, 1.0, 1.0, 2.0, f64::NAN]);
        let g = Numbers::new(Shape::new(1, 1, 1, 3), vec![1.0, 10.0, 100.0]);
        let y = max_pool_gradient(&x, &g, 2, 1);
        assert_eq!(y.values(), [0.0, 11.0, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0]);
        let tie = Numbers::new(Shape::new(1, 1, 2, 2), vec![1.0, 3.0, 3.0, 3.0]);
        let g = Numbers::new(Shape::new(1, 1, 1, 1), vec![5.0]);
        assert_eq!(max_pool_gradient(&tie, &g, 2, 2).values(), [0.0, 5.0, 0.0, 0.0]);
    }
}
