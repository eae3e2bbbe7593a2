// The sum of a number of each of a workgroup's threads, pairwise and always in the same order. The kernel says what a
// number is: `alias Sum`.

const THREADS: u32 = 64u;

var<workgroup> partial: array<Sum, THREADS>;

// Leaves the sum in `partial[0]`, for the first thread; the others see it behind a barrier.
fn add_up(own: Sum, thread: u32) {
    partial[thread] = own;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier(); // the sums of the step before are in place
        if (thread < half) {
            partial[thread] += partial[thread + half];
        }
    }
}
