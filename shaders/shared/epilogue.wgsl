// What a convolution does to its sum before the one store: residual add and activation.
//
//   before:  y = activate(sum + residual)        after:  y = activate(sum) + residual
//
// The kernel declares `residual`; where there is none, its input is bound in that place and never read.

#import activation

const RESIDUAL_NONE: u32 = 0u;
const RESIDUAL_BEFORE: u32 = 1u;
const RESIDUAL_AFTER: u32 = 2u;

override RESIDUAL: u32 = RESIDUAL_NONE;

fn epilogue(sum: Vec4, at: u32, slope: Vec4) -> Vec4 {
    if (RESIDUAL == RESIDUAL_BEFORE) {
        return activate(sum + Vec4(residual[at]), slope);
    }
    if (RESIDUAL == RESIDUAL_AFTER) {
        return activate(sum, slope) + Vec4(residual[at]);
    }
    return activate(sum, slope);
}
