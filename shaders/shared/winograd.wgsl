// Winograd's F(4×4, 3×3): Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016,
// section 4.1. A tile of 4×4 outputs comes from a window of 6×6 inputs with 36 products a channel pair, not 144.
//
//   Y = Aᵀ [ Σ_i (G w_i Gᵀ) ∘ (Bᵀ x_i B) ] A        points of interpolation: 0, ±1, ±2, ∞
//
// Three dispatches: winograd_input makes Bᵀ x B, winograd_multiply the sum over input channels, a matrix
// product a point, winograd_output the rest. In between lies [point][group][tile], `capacity` tiles a plane:
// large pictures pass in chunks. Twin of src/kernel/winograd.rs.
//
// A tile comes from the regular grid or, LISTED, from the list of `mask_compact`.

#import element

override LISTED: bool = false;

const TILE: u32 = 4u;
const WINDOW: u32 = 6u;
const POINTS: u32 = 36u;

// The picture and the top left pixel of a tile's outputs; bit 4 · row + column of `live`: to be stored.
struct Tile {
    n: u32,
    y: u32,
    x: u32,
    live: u32,
}

// Tile t of the grid or the list. The list is its length, a word of nothing, then two words a tile: the first
// pixel's number, and `live`.
fn tile(t: u32, width: u32, height: u32) -> Tile {
    if (LISTED) {
        let pixel = list[2u + 2u * t];
        let row = pixel / width;
        return Tile(row / height, row % height, pixel % width, list[3u + 2u * t]);
    }
    let columns = (width + TILE - 1u) / TILE;
    let rows = (height + TILE - 1u) / TILE;
    let row = t / columns;
    return Tile(row / rows, row % rows * TILE, t % columns * TILE, 0xffffu);
}

// Bᵀ d
fn to_points(d: array<Vec4, WINDOW>) -> array<Vec4, WINDOW> {
    let a = d[4] - 4.0 * d[2];
    let b = d[3] - 4.0 * d[1];
    let c = d[4] - d[2];
    let e = 2.0 * (d[3] - d[1]);
    return array<Vec4, WINDOW>(
        4.0 * d[0] - 5.0 * d[2] + d[4], a + b, a - b, c + e, c - e, 4.0 * d[1] - 5.0 * d[3] + d[5],
    );
}

// Aᵀ m
fn from_points(m: array<Vec4, WINDOW>) -> array<Vec4, TILE> {
    let a = m[1] + m[2];
    let b = m[1] - m[2];
    let c = m[3] + m[4];
    let d = m[3] - m[4];
    return array<Vec4, TILE>(m[0] + a + c, b + 2.0 * d, a + 4.0 * c, b + 8.0 * d + m[5]);
}
