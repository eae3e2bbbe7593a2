//! A picture on a canvas of another size.

use super::map::Map;

pub(super) fn canvas(x: &Map, y: &mut Map) {
    let from = x.shape();
    y.by_row(|n, row, line| {
        let own: &[f32] = if row < from.height { x.row(n, row) } else { &[] };
        let len = own.len().min(line.len());
        line[..len].copy_from_slice(&own[..len]);
        line[len..].fill(0.0);
    });
}
