//! Neighbourhoods as channels, and back.

use super::map::Map;
use super::window::Window;
use crate::graph::{Fold, Unfold};

pub(super) fn unfold(op: &Unfold, x: &Map, y: &mut Map) {
    let (window, taps, shape) = (Window::same(op.kernel), op.kernel * op.kernel, x.shape());
    y.by_row(|n, row, line| {
        for (column, pixel) in line.chunks_exact_mut(shape.channels * taps).enumerate() {
            for tap in 0..taps {
                let to = pixel[tap..].iter_mut().step_by(taps);
                let y = window.place(row, tap / op.kernel, shape.height);
                match y.zip(window.place(column, tap % op.kernel, shape.width)) {
                    Some((y, column)) => {
                        let from = &x.row(n, y)[column * shape.channels..][..shape.channels];
                        to.zip(from).for_each(|(to, from)| *to = *from);
                    }
                    None => to.for_each(|to| *to = 0.0),
                }
            }
        }
    });
}

pub(super) fn fold(op: &Fold, x: &Map, y: &mut Map) {
    let (window, taps, shape) = (Window::same(op.kernel), op.kernel * op.kernel, y.shape());
    y.by_row(|n, row, line| {
        let mut sums = vec![0.0; shape.channels];
        for (column, pixel) in line.chunks_exact_mut(shape.channels).enumerate() {
            sums.fill(0.0);
            for tap in 0..taps {
                // Seen from here the tap lies on the other side.
                let other = taps - 1 - tap;
                let y = window.place(row, other / op.kernel, shape.height);
                if let Some((y, column)) = y.zip(window.place(column, other % op.kernel, shape.width)) {
                    let from = &x.row(n, y)[column * shape.channels * taps..][..shape.channels * taps];
                    let from = from[tap..].iter().step_by(taps);
                    sums.iter_mut().zip(from).for_each(|(sum, from)| *sum += f64::from(*from));
                }
            }
            pixel.iter_mut().zip(&sums).for_each(|(y, sum)| *y = *sum as f32);
        }
    });
}
