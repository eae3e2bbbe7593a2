// Where a mask asks for work: a spatial mask → lists of what is active, without a word to the host.
//
//   tiles    4×4 pixels with at least `fewest` active ones that no other tile has: place, and which ones
//   strays   the active pixels of the tiles that have fewer: not worth a whole tile
//   actives  all active pixels
//
// Every active pixel is in exactly one tile or one stray. A thread takes four rows of 32 columns: from left to
// right it opens a tile at the first column that is active and not yet taken. Threads append in any order,
// since no result depends on it.
//
// A list is its length, a word of nothing, then its entries: two words a tile (the number of its first pixel;
// bit 4 · row + column for those to compute), one word a pixel (its number). Lengths must be zero before.

#import element
#import layout

struct MaskCompactParams {
    width: u32,
    height: u32,
    segments: u32,
    bands: u32,
    total: u32,
    fewest: u32,
}

@group(0) @binding(0) var<uniform> params: MaskCompactParams;
@group(0) @binding(1) var<storage, read> mask: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> tiles: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> strays: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> actives: array<atomic<u32>>;

const SEGMENT: u32 = 32u;

// One bit a column.
fn row_bits(n: u32, y: u32, first: u32) -> u32 {
    var bits = 0u;
    if (y < params.height) {
        for (var x = 0u; x < min(SEGMENT, params.width - first); x++) {
            let m = mask[element(n, y, first + x, params.height, params.width)].x;
            bits |= u32(m != 0.0) << x;
        }
    }
    return bits;
}

// Bit 4 · row + column of the tile that begins at column x.
fn tile_bits(rows: vec4<u32>, x: u32) -> u32 {
    let bits = (rows >> vec4<u32>(x)) & vec4<u32>(15u);
    return bits.x | (bits.y << 4u) | (bits.z << 8u) | (bits.w << 12u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.total) {
        return;
    }
    let first = id.x % params.segments * SEGMENT;
    let band = id.x / params.segments;
    let n = band / params.bands;
    let top = band % params.bands * 4u;
    let rows = vec4<u32>(
        row_bits(n, top, first), row_bits(n, top + 1u, first),
        row_bits(n, top + 2u, first), row_bits(n, top + 3u, first),
    );
    let any = rows.x | rows.y | rows.z | rows.w;

    // How many of each, to take their places with one addition a list.
    var tile_count = 0u;
    var stray_count = 0u;
    for (var left = any; left != 0u; left &= ~(15u << firstTrailingBit(left))) {
        let count = countOneBits(tile_bits(rows, firstTrailingBit(left)));
        if (count >= params.fewest) {
            tile_count++;
        } else {
            stray_count += count;
        }
    }
    let counts = countOneBits(rows);
    var tile_to = 2u + 2u * atomicAdd(&tiles[0], tile_count);
    var stray_to = 2u + atomicAdd(&strays[0], stray_count);
    var active_to = 2u + atomicAdd(&actives[0], counts.x + counts.y + counts.z + counts.w);

    let first_pixel = (n * params.height + top) * params.width + first;
    for (var left = any; left != 0u; left &= ~(15u << firstTrailingBit(left))) {
        let x = firstTrailingBit(left);
        let bits = tile_bits(rows, x);
        let is_tile = countOneBits(bits) >= params.fewest;
        if (is_tile) {
            atomicStore(&tiles[tile_to], first_pixel + x);
            atomicStore(&tiles[tile_to + 1u], bits);
            tile_to += 2u;
        }
        for (var rest = bits; rest != 0u; rest &= rest - 1u) {
            let bit = firstTrailingBit(rest);
            let pixel = first_pixel + bit / 4u * params.width + x + bit % 4u;
            atomicStore(&actives[active_to], pixel);
            active_to++;
            if (!is_tile) {
                atomicStore(&strays[stray_to], pixel);
                stray_to++;
            }
        }
    }
}
