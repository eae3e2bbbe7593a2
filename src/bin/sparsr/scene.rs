//! The picture that `sparsr bench` measures on where it is given none: the same on every machine, to the bit.
//!
//! ```text
//!   ┌───────────────┐
//!   │      sky      │  smooth: work that can be left out
//!   ├───────┬───────┤
//!   │ grass │ wall  │  texture; edges
//!   └───────┴───────┘
//! ```

use sparsr::{Pixels, Result, Samples};

/// The scene at a size.
pub fn scene(width: usize, height: usize) -> Result<Pixels> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| {
        let horizon = (height / 2).max(1);
        if y < horizon {
            sky(x * 256 / width, y * 256 / horizon)
        } else if x < width / 2 {
            grass(x, y)
        } else {
            wall(x, y)
        }
    });
    Pixels::new(width, height, Samples::U8(samples.collect()))
}

/// `u` and `v` in 0 … 255 across and down.
fn sky(u: usize, v: usize) -> [u8; 3] {
    [70 + v / 2 + u / 8, 120 + v / 3 + u / 16, 225 - v / 8].map(|sample| sample as u8)
}

fn grass(x: usize, y: usize) -> [u8; 3] {
    let blades = grain(x, y) / 4 + grain(x / 2, y / 5) / 4 + grain(x / 8, y / 6) / 4;
    [20 + blades / 2, 40 + blades, 10 + blades / 3].map(|sample| sample as u8)
}

/// Leaning windows in a row above a row.
fn wall(x: usize, y: usize) -> [u8; 3] {
    let (across, down) = ((x + y / 6) % 22, (y + x / 9) % 30);
    match (across, down) {
        (0..12, 0..20) if across == 6 || down == 10 => [235, 230, 220],
        (0..12, 0..20) => [45, 55, 75],
        _ => [185, 95, 70],
    }
}

/// 0 … 255, another number at every place.
fn grain(x: usize, y: usize) -> usize {
    let mut mixed = (x as u32).wrapping_mul(0x9E37_79B9) ^ (y as u32).wrapping_mul(0x85EB_CA6B);
    mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D);
    mixed = (mixed ^ (mixed >> 12)).wrapping_mul(0x297A_2D39);
    (mixed >> 24) as usize
}
