//! Whether numbers may be kept as f16 on a device that can: whether that makes the same picture.
//!
//! ```text
//!   model ─► a small picture ─► CPU engine ─► largest magnitude of every value ─► what stays f32
//!                            └► device, in f16 ─► PSNR to what the CPU engine made ─► whether `auto` takes f16
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use half::f16;

use crate::cpu;
use crate::device::{AdapterKind, Precision};
use crate::error::Result;
use crate::gpu::{Gpu, Session};
use crate::graph::{Graph, Parameters};
use crate::models::Model;
use crate::plan::{Options, Plan, Storage, exact, rewritten};
use crate::tensor::{Shape, Tensor};

/// Magnitude up to which values lie as f16: a sixteenth of the largest f16, since other pictures have larger values.
const LARGEST: f32 = 65504.0 / 16.0;

/// PSNR in dB from which on f16 makes the same picture: beside a network's own error, 40 dB, it takes away 0.014 dB.
const CLOSE: f64 = 65.0;

/// The smallest side of the picture that a network is tried on.
const SIDE: usize = 32;

/// What the CPU engine makes of a small picture, and what follows for f16.
#[derive(Debug)]
pub struct Calibration {
    graph: Graph,
    parameters: Parameters,
    picture: Tensor,
    made: Tensor,
    exact: Arc<BTreeSet<String>>,
    large: BTreeSet<String>,
}

impl Calibration {
    /// Runs the network on the CPU engine.
    ///
    /// # Errors
    /// None for a model's own graph.
    pub fn new(model: &Model) -> Result<Self> {
        let [side, _] = model.extended([SIDE; 2]);
        let graph = rewritten(&model.graph(Shape::new(1, 3, side, side))?);
        let picture = picture(side, graph.range());
        let parameters = model.net().numbers().clone();
        let mut values = cpu::run_traced(&graph, &parameters, &picture)?;
        let is_large = |tensor: &Tensor| !tensor.values().iter().all(|value| value.abs() <= LARGEST);
        let computed = graph.nodes().iter().zip(&values).zip(graph.weights()).filter(|(_, weights)| !weights);
        let large = computed.map(|(made, _)| made).filter(|(_, tensor)| is_large(tensor));
        let too_large = |number: &f32| number.abs() > f32::from(f16::MAX);
        let heavy = graph.nodes().iter().filter(|node| {
            let weights = &node.inputs[node.op.operator().activations(node.inputs.len())..];
            let mut numbers = weights.iter().filter_map(|weight| graph.parameter(*weight));
            numbers.any(|(id, _)| parameters.get(id).values().iter().any(too_large))
        });
        let large = large.map(|(node, _)| node).chain(heavy);
        let large: BTreeSet<String> = large.map(|node| node.name.clone()).collect();
        let exact = Arc::new(exact(&graph).union(&large).cloned().collect());
        let made = values.swap_remove(graph.output().index());
        Ok(Self { graph, parameters, picture, made, exact, large })
    }

    /// How plans of the network, and of its phases, keep f16.
    pub fn storage(&self) -> Storage {
        Storage::F16(self.exact.clone())
    }

    /// The nodes whose values are too large for f16.
    pub fn large(&self) -> impl Iterator<Item = &str> {
        self.large.iter().map(String::as_str)
    }

    /// How close the device's picture in f16 is to the CPU engine's, in dB.
    ///
    /// # Errors
    /// What a session says.
    pub fn psnr(&self, gpu: &Gpu) -> Result<f64> {
        let options = Options { storage: self.storage(), cooperative: true, ..Options::default() };
        let plan = Plan::new(&self.graph, &options, gpu.limits())?;
        let found = Session::new(gpu, &plan, &self.parameters)?.run_tensor(&self.picture)?;
        let squares = found.values().iter().zip(self.made.values());
        let squares = squares.map(|(found, made)| f64::from(found - made).powi(2));
        let mean = squares.sum::<f64>() / found.values().len() as f64;
        Ok(10.0 * (f64::from(self.graph.range()).powi(2) / mean).log10())
    }
}

/// How a model's numbers are kept on a device.
pub(crate) fn storage(gpu: &Gpu, model: &Model, asked: Precision) -> Result<Storage> {
    match asked {
        Precision::F32 => Ok(Storage::F32),
        Precision::F16 if gpu.limits().f16 => Ok(Calibration::new(model)?.storage()),
        Precision::F16 => Err(Precision::unsupported(gpu.name())),
        Precision::Auto if gpu.kind() == AdapterKind::Software || !gpu.limits().f16 => Ok(Storage::F32),
        Precision::Auto => {
            let calibration = Calibration::new(model)?;
            match calibration.psnr(gpu) {
                Ok(psnr) if psnr >= CLOSE => Ok(calibration.storage()),
                Ok(psnr) => {
                    let name = model.name();
                    tracing::info!("{name}: f16 is {psnr:.1} dB from f32, and {CLOSE} are asked for: f32");
                    Ok(Storage::F32)
                }
                Err(error) => {
                    tracing::warn!("{error}; numbers are kept in f32");
                    Ok(Storage::F32)
                }
            }
        }
    }
}

/// A picture of what pictures have: slopes, edges of every direction and colour, noise; black and white among them.
fn picture(side: usize, range: f32) -> Tensor {
    let half = side / 2;
    Tensor::from_fn(Shape::new(1, 3, side, side), |_, c, y, x| {
        let level = match (y < half, x < half) {
            (true, true) => (x + y + 5 * c) as f32 / (2 * side) as f32,
            (true, false) => f32::from(u8::from((x + 2 * y) / 4 % 2 == c % 2)),
            (false, true) => noise((y * side + x) * 3 + c),
            (false, false) => {
                let ring = (x as f32 - 0.75 * side as f32).hypot(y as f32 - 0.75 * side as f32);
                0.5 + 0.5 * (0.4 * ring + c as f32).sin()
            }
        };
        range * level
    })
}

/// In 0 ..= 1, from a place (SplitMix64's last steps).
fn noise(at: usize) -> f32 {
    let z = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / ((1u32 << 24) - 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_goes_from_black_to_white() {
        let picture = picture(32, 255.0);
        let [least, most] = [f32::min, f32::max].map(|f| picture.values().iter().copied().reduce(f).unwrap());
        assert_eq!([least, most], [0.0, 255.0]);
    }
}
