//! `sparsr inspect --density`: of every convolution how many of its numbers are near zero, and how small its filters are.

use std::fmt::Write as _;

use serde::Serialize;
use sparsr::Model;
use sparsr::learn::density::{self, Layer};

use crate::Result;

/// What is near zero, as a share of the root of a layer's mean square.
const NEAR: f64 = 0.01;

/// A network's convolutions.
#[derive(Serialize)]
pub struct Density {
    pub model: String,
    numbers: usize,
    /// How many are at most a hundredth of the root of their layer's mean square.
    near_zero: usize,
    layers: Vec<Row>,
    #[serde(skip)]
    pub found: Vec<Layer>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    dims: Vec<usize>,
    near_zero: usize,
    /// L1 norms of filters as shares of the layer's mean: the least, a quarter of the way, half of it, the greatest.
    norms: [f64; 4],
}

impl Density {
    pub fn of(model: &Model) -> Result<Self> {
        let found = density::density(model, NEAR)?;
        let row = |layer: &Layer| Row {
            name: layer.name.clone(),
            dims: layer.dims.clone(),
            near_zero: layer.zeros,
            norms: quartiles(&layer.norms),
        };
        Ok(Self {
            model: model.name().into(),
            numbers: found.iter().map(Layer::numbers).sum(),
            near_zero: found.iter().map(|layer| layer.zeros).sum(),
            layers: found.iter().map(row).collect(),
            found,
        })
    }

    pub fn to_text(&self) -> String {
        let share = |zeros: usize, numbers: usize| 100.0 * zeros as f64 / numbers.max(1) as f64;
        let mut text = format!(
            "{}: {:.1}% of {} weights are near zero, at most {NEAR} of their layer's root mean square\n\n",
            self.model,
            share(self.near_zero, self.numbers),
            self.numbers
        );
        let width = self.layers.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(11);
        let (head, norms) = ("convolution", "filters' norms, of their mean: least, 1/4, 1/2, most");
        writeln!(text, "{head:<width$}  {:>18}  near zero  {norms}", "weight").expect("a string takes all");
        for Row { name, dims, near_zero, norms } in &self.layers {
            let axes = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            let zeros = share(*near_zero, dims.iter().product());
            let norms: String = norms.iter().map(|norm| format!("{norm:>8.3}")).collect();
            writeln!(text, "{name:<width$}  {axes:>18}  {zeros:>8.1}%{norms}").expect("a string takes all");
        }
        text
    }
}

/// The least, a quarter of the way, half of it, the greatest.
fn quartiles(numbers: &[f64]) -> [f64; 4] {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [0, last / 4, last / 2, last].map(|at| sorted.get(at).copied().unwrap_or(0.0))
}
