// How far two numbers are apart, chosen when the pipeline is made. Twin of src/kernel/loss.rs.

const L1: u32 = 0u;
const CHARBONNIER: u32 = 1u;
const MEAN_SQUARE: u32 = 2u;

override LOSS: u32 = L1;

fn distance_of(d: Vec4, epsilon: f32) -> Vec4 {
    if (LOSS == CHARBONNIER) {
        return sqrt(d * d + epsilon);
    }
    if (LOSS == MEAN_SQUARE) {
        return d * d;
    }
    return abs(d);
}

fn slope_of_distance(d: Vec4, epsilon: f32) -> Vec4 {
    if (LOSS == CHARBONNIER) {
        return d / sqrt(d * d + epsilon);
    }
    if (LOSS == MEAN_SQUARE) {
        return 2.0 * d;
    }
    return select(select(d, Vec4(-1.0), d < Vec4(0.0)), Vec4(1.0), d > Vec4(0.0)); // a NaN stays one
}
