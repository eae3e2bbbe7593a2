//! Neighbourhoods as channels, and back.

use super::by_plane;
use super::window::Window;
use crate::graph::{Fold, Unfold};
use crate::tensor::{Shape, Tensor};

pub(super) fn unfold(op: &Unfold, x: &Tensor, output: Shape) -> Tensor {
    let (kernel, window) = (op.kernel, Window::same(op.kernel));
    by_plane(output, |n, c, plane| {
        let (from, k) = (x.plane(n, c / (kernel * kernel)), c % (kernel * kernel));
        for (p, y) in plane.iter_mut().enumerate() {
            let row = window.place(p / output.width, k / kernel, output.height);
            let column = window.place(p % output.width, k % kernel, output.width);
            *y = row.zip(column).map_or(0.0, |(row, column)| from[row * output.width + column]);
        }
    })
}

pub(super) fn fold(op: &Fold, x: &Tensor, output: Shape) -> Tensor {
    let (kernel, window) = (op.kernel, Window::same(op.kernel));
    let taps = kernel * kernel;
    by_plane(output, |n, c, plane| {
        for (p, y) in plane.iter_mut().enumerate() {
            let mut sum = 0.0;
            for k in 0..taps {
                // Seen from here the tap lies on the other side.
                let row = window.place(p / output.width, (taps - 1 - k) / kernel, output.height);
                let column = window.place(p % output.width, (taps - 1 - k) % kernel, output.width);
                if let (Some(row), Some(column)) = (row, column) {
                    sum += f64::from(x.plane(n, c * taps + k)[row * output.width + column]);
                }
            }
            *y = sum as f32;
        }
    })
}
