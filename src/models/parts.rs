//! What architectures have in common.

use crate::error::{Error, Result};
use crate::graph::{Builder, Conv2d, Value};
use crate::weights::{Scope, Weights};

/// The length of an axis of a tensor, from which a `Config` reads a size.
pub(super) fn axis(weights: &Weights, name: &str, axis: usize) -> Result<usize> {
    let reason = match weights.get(name).map(|parameter| parameter.dims().get(axis)) {
        Some(Some(length)) if *length > 0 => return Ok(*length),
        Some(Some(_)) => format!("{name}: axis {axis} is empty"),
        Some(None) => format!("{name}: expected an axis {axis}, found fewer axes"),
        None => format!("{name}: expected a tensor of this name, found none"),
    };
    Err(Error::weights(weights.source(), reason))
}

/// A convolution that keeps the size, with bias: `[out, in, kernel]`.
pub(super) fn conv(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    [out, inputs, kernel]: [usize; 3],
) -> Result<Value> {
    let weight = w.parameter("weight", &[out, inputs, kernel, kernel])?;
    let bias = w.parameter("bias", &[out])?;
    b.conv2d(w.prefix(), x, Conv2d::same(weight, Some(bias)))
}
