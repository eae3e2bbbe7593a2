// Weights of a product for subgroups of eight: each lane loads one of eight, and they are handed round.
//
// Software Vulkan turns every storage load inside a loop into one scalar load a lane, even where the address
// is the same in all of them, while a broadcast costs it nothing.

fn weights_of_pair(row: u32, lane: u32) -> Pair {
    let own = weight[row + lane];
    return Pair(
        subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u),
        subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u), subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u),
    );
}
