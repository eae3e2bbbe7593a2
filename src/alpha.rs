//! Transparency beside a network that knows colours alone: alpha is enlarged by bicubic interpolation, and what colour lies
//! under full transparency does not show.

use crate::plane::{Bicubic, Plane};

/// Alpha of what nothing shines through.
pub(crate) const OPAQUE: u16 = u16::MAX;

/// The coefficient of the bicubic that networks add their detail to (PyTorch's), so that the edges of
/// colour and transparency stay together.
const ALPHA_KERNEL: Bicubic = Bicubic { a: -0.75, white: OPAQUE as f64 };

/// How far colour is spread under full transparency, in pixels. Beyond it networks hardly look.
pub(crate) const SPREAD: usize = 64;

/// How far the enlargement of alpha looks, in pixels.
pub(crate) const ALPHA_MARGIN: usize = 3;

/// Whether nothing shines through anywhere.
pub(crate) fn is_opaque(alpha: &Plane) -> bool {
    alpha.values.iter().all(|&value| value == f64::from(OPAQUE))
}

/// Alpha at the size of the enlarged picture. What is opaque everywhere stays so without any arithmetic.
pub(crate) fn enlarged_alpha(alpha: &Plane, width: usize, height: usize) -> Vec<u16> {
    if is_opaque(alpha) {
        return vec![OPAQUE; width * height];
    }
    alpha.resized(width, height, ALPHA_KERNEL).values.iter().map(|&value| value as u16).collect()
}

/// Gives invisible pixels the mean colour of their visible neighbours, ring by ring outwards: a network
/// looks further than one pixel, and whatever colour a program left under full transparency (often black)
/// would show as a fringe. There are [`SPREAD`] rings.
pub(crate) fn spread_visible(colours: &mut [[u16; 3]], alphas: &[u16], width: usize) {
    let mut known: Vec<bool> = alphas.iter().map(|&alpha| alpha > 0).collect();
    let beside = |i: usize| neighbours(i, width, alphas.len());
    let mut ring: Vec<usize> =
        (0..alphas.len()).filter(|&i| !known[i] && beside(i).any(|n| known[n])).collect();
    for _ in 0..SPREAD {
        for &i in &ring {
            colours[i] = mean_colour(beside(i).filter(|&n| known[n]).map(|n| colours[n]));
        }
        for &i in &ring {
            known[i] = true;
        }
        ring = ring.iter().flat_map(|&i| beside(i)).filter(|&n| !known[n]).collect();
        ring.sort_unstable();
        ring.dedup();
    }
}

/// The up to eight pixels around pixel `i`.
pub(crate) fn neighbours(i: usize, width: usize, len: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (i % width, i / width);
    let columns = x.saturating_sub(1)..(x + 2).min(width);
    let rows = y.saturating_sub(1)..(y + 2).min(len / width);
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x)).filter(move |&n| n != i)
}

fn mean_colour(colours: impl Iterator<Item = [u16; 3]>) -> [u16; 3] {
    let (mut sum, mut count) = ([0; 3], 0);
    for colour in colours {
        for (sum, sample) in sum.iter_mut().zip(colour) {
            *sum += u32::from(sample);
        }
        count += 1;
    }
    sum.map(|sum| (sum / count) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_stays_opaque_and_clear_stays_clear() {
        let flat = |value: u16| Plane::new(5, 3, vec![f64::from(value); 15]);
        assert_eq!(enlarged_alpha(&flat(OPAQUE), 10, 6), vec![OPAQUE; 60]);
        assert_eq!(enlarged_alpha(&flat(0), 10, 6), vec![0; 60]);
        let mut edge = flat(OPAQUE);
        edge.values[7] = 0.0;
        let enlarged = enlarged_alpha(&edge, 10, 6);
        assert!(enlarged.contains(&OPAQUE) && enlarged.iter().any(|&alpha| alpha < OPAQUE / 2));
    }

    #[test]
    fn hidden_colour_is_replaced_from_the_visible_side() {
        // One visible red pixel on the left of a row whose hidden part is black, and a second row of green.
        let (red, green, black) = ([60_000, 0, 0], [0, 60_000, 0], [0; 3]);
        let mut colours = [red, black, black, black];
        spread_visible(&mut colours, &[1, 0, 0, 0], 4);
        assert_eq!(colours, [red; 4]);
        let mut colours = [red, black, green, black];
        spread_visible(&mut colours, &[9, 0, 9, 0], 2);
        let middle = [30_000, 30_000, 0];
        assert_eq!(colours, [red, middle, green, middle]);
        let mut all_hidden = [black, red];
        spread_visible(&mut all_hidden, &[0, 0], 2);
        assert_eq!(all_hidden, [black, red]);
    }
}
