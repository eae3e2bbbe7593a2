//! Filters and channels chosen and ordered.

use super::Numbers;
use crate::tensor::Shape;

/// `y[o, i] = weight[rows[o], columns[i]]`: the rows and columns are `[1, n, 1, 1]` and `[1, m, 1, 1]` indices, and the
/// result `[n, m, k, k]`.
pub fn reorder(weight: &Numbers, rows: &Numbers, columns: &Numbers) -> Numbers {
    let (rows, columns) = (indices(rows), indices(columns));
    let shape = Shape { batch: rows.len(), channels: columns.len(), ..weight.shape() };
    Numbers::from_fn(shape, |o, i, y, x| weight.at(rows[o], columns[i], y, x))
}

fn indices(numbers: &Numbers) -> Vec<usize> {
    assert_eq!(numbers.shape(), Shape::new(1, numbers.shape().channels, 1, 1), "a list of indices");
    let index = |number: &f64| {
        assert!(*number >= 0.0 && number.fract() == 0.0, "a whole index, found {number}");
        *number as usize
    };
    numbers.values().iter().map(index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<const N: usize>(numbers: [f64; N]) -> Numbers {
        Numbers::new(Shape::new(1, N, 1, 1), numbers.to_vec())
    }

    #[test]
    fn by_hand() {
        let weight = Numbers::new(Shape::new(2, 3, 1, 2), (0..12).map(f64::from).collect());
        let y = reorder(&weight, &list([1.0, 0.0]), &list([2.0, 0.0, 1.0]));
        assert_eq!(y.shape(), weight.shape());
        assert_eq!(y.values(), [10.0, 11.0, 6.0, 7.0, 8.0, 9.0, 4.0, 5.0, 0.0, 1.0, 2.0, 3.0]);
        let y = reorder(&weight, &list([1.0]), &list([0.0, 0.0]));
        assert_eq!((y.shape(), y.values()), (Shape::new(1, 2, 1, 2), &[6.0, 7.0, 6.0, 7.0][..]));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let weight = Numbers::new(Shape::new(2, 1, 1, 1), vec![1.0, 2.0]);
        for wrong in [-1.0, 0.5, 2.0, f64::NAN, f64::INFINITY] {
            let refused = std::panic::catch_unwind(|| reorder(&weight, &list([wrong]), &list([0.0])));
            assert!(refused.is_err(), "{wrong}");
        }
    }
}
