// A pointwise function, chosen when the pipeline is made. Twin of src/kernel/activation.rs.
//
// NaN stays NaN in each of them: a broken number must reach the picture, where it is refused.

const IDENTITY: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const GELU: u32 = 3u;
const SIGMOID: u32 = 4u;
const SILU: u32 = 5u;
const TANH: u32 = 6u;
const PRELU: u32 = 7u; // as LEAKY_RELU, with a slope a channel

override ACTIVATION: u32 = IDENTITY;

fn activate(x: Vec4, slope: Vec4) -> Vec4 {
    if (ACTIVATION == RELU) {
        return select(x, Vec4(0.0), x < Vec4(0.0));
    }
    if (ACTIVATION == LEAKY_RELU || ACTIVATION == PRELU) {
        return select(x, slope * x, x < Vec4(0.0));
    }
    if (ACTIVATION == GELU) {
        return 0.5 * x * (1.0 + error_function(x * 0.70710678));
    }
    if (ACTIVATION == SIGMOID) {
        return 1.0 / (1.0 + exp(-x));
    }
    if (ACTIVATION == SILU) {
        return x / (1.0 + exp(-x));
    }
    if (ACTIVATION == TANH) { // the built-in one overflows on some devices
        return sign(x) * (1.0 - 2.0 / (exp(2.0 * abs(x)) + 1.0));
    }
    return x;
}

// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: within 1.5e-7.
fn error_function(x: Vec4) -> Vec4 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (1.0 - polynomial * exp(-x * x));
}
