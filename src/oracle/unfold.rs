//! Neighbourhoods as channels, and back.

use super::Numbers;

/// The k×k pixels around each as channels, zeros past the edge, as PyTorch's `Unfold` that keeps the size:
///
/// `y[(c · k + ky) · k + kx, p] = x[c, p + (ky, kx) − ⌊k / 2⌋]`
pub fn unfold(x: &Numbers, kernel: usize) -> Numbers {
    let (k, shape) = (kernel, x.shape());
    Numbers::from_fn(shape.with_channels(shape.channels * k * k), |n, c, row, column| {
        let (ky, kx) = (c / k % k, c % k);
        let from = |at: usize, tap: usize| (at + tap) as isize - (k / 2) as isize;
        x.at_padded(n, c / (k * k), from(row, ky), from(column, kx))
    })
}

/// What [`unfold`] laid apart added where it came from, as PyTorch's `Fold`: its transpose, not its inverse.
///
/// `y[c, p] = Σ_k x[(c · k + ky) · k + kx, p − (ky, kx) + ⌊k / 2⌋]`
pub fn fold(x: &Numbers, kernel: usize) -> Numbers {
    let (k, shape) = (kernel, x.shape());
    assert!(shape.channels % (k * k) == 0, "a multiple of {} channels, found {shape}", k * k);
    Numbers::from_fn(shape.with_channels(shape.channels / (k * k)), |n, c, row, column| {
        let from = |at: usize, tap: usize| (at + k / 2) as isize - tap as isize;
        let taps = (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx)));
        taps.map(|(ky, kx)| x.at_padded(n, (c * k + ky) * k + kx, from(row, ky), from(column, kx))).sum()
    })
}
