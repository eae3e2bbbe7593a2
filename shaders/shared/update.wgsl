// What the kernels of an update have in common: settings of the whole and of every piece. Twin of src/kernel/update.rs.
//
// Resident numbers lie in pieces, a parameter each, that begin at multiples of a block; `pieces[block]` says which.

const BLOCK: u32 = 16u; // elements of four numbers

// settings[0]: share of the sums that the gradient is, which limit of its norm, the limit, how much an average keeps
// settings[1]: weight decay that is a part of the gradient or λ, epsilon, decays of the two moments
// settings[2]: what the moments take of a gradient and of its square, the mean norm of the gradients before, which step
// settings[3 + piece]: step, root of the second moment's correction, what a step leaves of a number, 1 if it is trained
const HEAD: u32 = 3u;

fn settings_of(element: u32) -> Vec4 {
    return settings[HEAD + pieces[element / BLOCK]];
}

// control[0]: the factor of the gradient, its norm, the mean norm, 1 if an update was not finite: nothing moves then
