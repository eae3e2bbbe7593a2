//! Weights of balanced sparsity in a file: what is not zero, and where it is.
//!
//! ```text
//!   __metadata__    balance: "4 of 16"
//!   NAME.values     F32 or F16   [out, kernel height, kernel width, blocks, kept]
//!   NAME.indices    U8           the same: which input of its block each value is of, upwards
//! ```
//!
//! stands for `NAME` of `[out, in, kernel height, kernel width]` with as many inputs as blocks times their length. A block
//! with fewer numbers has zeros behind them. Weights that do not fit are in the file as any other tensor.

use super::Reading;
use crate::tensor::{Balance, Parameter};

/// What the names of its two tensors end in.
pub(super) const VALUES: &str = ".values";
pub(super) const INDICES: &str = ".indices";

/// A weight's values and indices, and the axes of both, if it is balanced and at most half of it stays.
pub(super) fn pack(weight: &Parameter, balance: Balance) -> Option<(Parameter, Vec<u8>)> {
    let &[out, inputs, height, width] = weight.dims() else { return None };
    let (block, kept) = (balance.block(), balance.kept());
    let fits = balance.is_for(weight) && inputs.is_multiple_of(block) && 2 * kept <= block;
    if !fits || !balance.holds(weight) {
        return None;
    }
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for places in balance.blocks(weight) {
        let end = values.len() + kept;
        for (index, value) in places.iter().map(|at| weight.values()[*at]).enumerate() {
            if value != 0.0 {
                values.push(value);
                indices.push(index as u8);
            }
        }
        values.resize(end, 0.0);
        indices.resize(end, 0);
    }
    Some((Parameter::new([out, height, width, inputs / block, kept], values), indices))
}

/// The weight of these values.
pub(super) fn unpack(values: &Parameter, indices: &[u8], balance: Balance) -> Reading<Parameter> {
    let (block, kept) = (balance.block(), balance.kept());
    let &[out, height, width, blocks, last] = values.dims() else {
        return Err(format!(
            "expected values of [out, kernel height, kernel width, blocks, {kept}], found {:?}",
            values.dims()
        ));
    };
    if last != kept || values.values().is_empty() || indices.len() != values.values().len() {
        return Err(format!(
            "expected {kept} values a block and an index for each, found {last}, and {} indices for {} values",
            indices.len(),
            values.values().len()
        ));
    }
    let dims = [out, blocks * block, height, width];
    let mut numbers = vec![0.0; dims.iter().product()];
    let taps = height * width;
    let packed = values.values().chunks_exact(kept).zip(indices.chunks_exact(kept));
    for (at, (values, indices)) in packed.enumerate() {
        let (row, first) = (at / blocks, at % blocks * block);
        let mut next = 0;
        for (value, index) in values.iter().zip(indices).filter(|(value, _)| **value != 0.0) {
            let index = usize::from(*index);
            if !(next..block).contains(&index) {
                return Err(format!("expected indices that rise to {} at most, found {index}", block - 1));
            }
            next = index + 1;
            numbers[(row / taps * dims[1] + first + index) * taps + row % taps] = *value;
        }
    }
    Ok(Parameter::new(dims, numbers))
}
