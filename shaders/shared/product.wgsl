// A matrix product held in registers: ITEMS rows of the left side × CHANNEL_GROUPS groups of four columns.
//
//   sum[item] += x[item] · W        W: four input lanes × 4 · CHANNEL_GROUPS output channels a step
//
// A row is a pixel or a Winograd tile. A workgroup of 64 threads makes 64 · ITEMS rows; eight threads in a row
// of them share 8 · ITEMS neighbours, so that their loads join. `weights_broadcast` and `weights_storage` say
// where W comes from. Weights lie as [step][pair of groups][group of the pair][input lane].
//
// Pairs are written out and not in a loop: see docs/decisions/loops.md.
//
// The host puts in front: const CHANNEL_GROUPS, even and at most 16.

#import element

const ITEMS: u32 = 4u;
const PAIRS: u32 = CHANNEL_GROUPS / 2u;
const STEP: u32 = 4u * CHANNEL_GROUPS; // weights of a step

alias Items = array<Vec4, ITEMS>;
alias Sums = array<array<array<Vec4, 2>, ITEMS>, PAIRS>;
alias Pair = array<Vec4, 8>;

// The first row of a thread; its others follow at distances of 8.
fn first_item(workgroup: u32, thread: u32) -> u32 {
    return workgroup * 64u * ITEMS + thread / 8u * 8u * ITEMS + thread % 8u;
}

fn multiply_pair(sum: ptr<function, Sums>, x: ptr<function, Items>, pair: u32, weights: Pair) {
    var w = weights;
    for (var i = 0u; i < ITEMS; i++) {
        for (var q = 0u; q < 2u; q++) {
            var s = (*sum)[pair][i][q];
            s = fma(Vec4((*x)[i].x), w[4u * q], s);
            s = fma(Vec4((*x)[i].y), w[4u * q + 1u], s);
            s = fma(Vec4((*x)[i].z), w[4u * q + 2u], s);
            s = fma(Vec4((*x)[i].w), w[4u * q + 3u], s);
            (*sum)[pair][i][q] = s;
        }
    }
}

// Adds the products of one step, whose weights begin at `row`.
fn multiply(sum: ptr<function, Sums>, x: ptr<function, Items>, row: u32, lane: u32) {
    multiply_pair(sum, x, 0u, weights_of_pair(row, lane));
    if (PAIRS > 1u) {
        multiply_pair(sum, x, 1u, weights_of_pair(row + 8u, lane));
    }
    if (PAIRS > 2u) {
        multiply_pair(sum, x, 2u, weights_of_pair(row + 16u, lane));
    }
    if (PAIRS > 3u) {
        multiply_pair(sum, x, 3u, weights_of_pair(row + 24u, lane));
    }
    if (PAIRS > 4u) {
        multiply_pair(sum, x, 4u, weights_of_pair(row + 32u, lane));
    }
    if (PAIRS > 5u) {
        multiply_pair(sum, x, 5u, weights_of_pair(row + 40u, lane));
    }
    if (PAIRS > 6u) {
        multiply_pair(sum, x, 6u, weights_of_pair(row + 48u, lane));
    }
    if (PAIRS > 7u) {
        multiply_pair(sum, x, 7u, weights_of_pair(row + 56u, lane));
    }
}
