// Weights of a product on any device: the same load in every thread. `lane` is not used.

fn weights_of_pair(row: u32, lane: u32) -> Pair {
    return Pair(
        weight[row], weight[row + 1u], weight[row + 2u], weight[row + 3u],
        weight[row + 4u], weight[row + 5u], weight[row + 6u], weight[row + 7u],
    );
}
