//! A picture on a canvas of another size.

use super::Numbers;

/// The picture's top left corner at that of a canvas of `height` rows and `width` columns, with zeros beside it.
pub fn canvas(x: &Numbers, height: usize, width: usize) -> Numbers {
    let from = x.shape();
    Numbers::from_fn(from.with_size(height, width), |n, c, row, column| {
        if row < from.height && column < from.width { x.at(n, c, row, column) } else { 0.0 }
    })
}
