//! Where a network's numbers are near zero: how dense its convolutions are, and how small their filters.

use std::collections::HashSet;

use super::layers::{layers, shares};
use crate::error::Result;
use crate::models::Model;

/// A convolution's weight, as pictures meet it: normalised, merged, times what it is multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The convolution.
    pub name: String,
    /// Its weight's axes: `[out, in, k, k]`, of a transposed convolution `[in, out, k, k]`.
    pub dims: Vec<usize>,
    /// How many of its numbers are near zero.
    pub zeros: usize,
    /// The L1 norm of each filter as a share of the layer's mean; zeros if all are zero.
    pub norms: Vec<f64>,
}

impl Layer {
    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.dims.iter().product()
    }
}

/// Of every convolution, once where it is used several times. A number is near zero if it is at most `threshold` times the
/// root of its layer's mean square.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the network takes no picture of its smallest size.
pub fn density(model: &Model, threshold: f64) -> Result<Vec<Layer>> {
    let mut seen = HashSet::new();
    let layers = layers(model)?.into_iter().filter(|layer| seen.insert(layer.id));
    let told = layers.map(|layer| {
        let values = layer.weight.values();
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        let near = threshold * (squares / values.len() as f64).sqrt();
        Layer {
            name: layer.name.to_owned(),
            dims: layer.weight.dims().to_vec(),
            zeros: values.iter().filter(|value| f64::from(value.abs()) <= near).count(),
            norms: shares(&layer.norms()),
        }
    });
    Ok(told.collect())
}
