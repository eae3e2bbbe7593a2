//! Where a module's logits are cut once its mask is hard.

use std::ops::Range;

use sparsr::low_level::cpu;
use sparsr::low_level::models::smsr;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::super::Tensors;
use crate::Result;

/// Pixels at the edges that are not looked at, where a side has three times as many: zeros around the picture make logits of their own
/// there, and a crop has many such pixels and a picture few.
const EDGE: usize = 6;

/// Moves the bias of each module's logits so that its hard mask keeps its share of these pictures, but for their edges. One module
/// after the other: what a module reads depends on the masks before it.
pub(super) fn set(
    network: &smsr::Config,
    tensors: &mut Tensors,
    low: &[Tensor],
    shares: &[f64],
    unit: f32,
) -> Result<()> {
    for (module, share) in shares.iter().enumerate() {
        let threshold = threshold(logits(network, tensors, low, module, unit)?, *share);
        let name = format!("body.{module}.spa_mask.5.bias");
        let bias = tensors.get_mut(&name).ok_or_else(|| format!("expected {name}, found none"))?;
        let &[skip, compute] = bias.values() else {
            return Err(format!("{name}: expected two numbers").into());
        };
        *bias = Parameter::new([2], vec![skip, compute - threshold]);
    }
    Ok(())
}

/// By how much a module prefers to compute a pixel over skipping it.
fn logits(
    network: &smsr::Config,
    tensors: &Tensors,
    low: &[Tensor],
    module: usize,
    unit: f32,
) -> Result<Vec<f32>> {
    let weights = Weights::new("smsr", tensors.clone());
    let mut found = Vec::new();
    for pictures in low {
        let (graph, parameters) = network.spatial_logits(&weights, pictures.shape(), unit)?;
        let logits = cpu::run_all(&graph, &parameters, &[pictures], &mut cpu::Buffers::default())?;
        let logits = &logits[module];
        let Shape { batch, height, width, .. } = pictures.shape();
        for (n, y) in (0..batch).flat_map(|n| inner(height).map(move |y| (n, y))) {
            let row = |class: usize| &logits.plane(n, class)[y * width..][..width];
            let (skip, compute) = (row(0), row(1));
            found.extend(inner(width).map(|x| compute[x] - skip[x]));
        }
    }
    Ok(found)
}

/// The places of a side that are not at its ends.
fn inner(side: usize) -> Range<usize> {
    let edge = if side >= 3 * EDGE { EDGE } else { 0 };
    edge..side - edge
}

/// Half way between the logits of which this share lies above, and the others.
fn threshold(mut logits: Vec<f32>, share: f64) -> f32 {
    logits.sort_by(|a, b| b.total_cmp(a));
    let above = ((share * logits.len() as f64).round() as usize).clamp(1, logits.len().max(2) - 1);
    match logits.get(above - 1..=above) {
        Some([least, most]) => 0.5 * (least + most),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tensors_of;
    use super::*;

    #[test]
    fn the_asked_share_of_logits_is_above_the_threshold() {
        let logits: Vec<f32> = (0..10).map(|at| (at * 7 % 10) as f32 - 20.0).collect();
        for (share, expected) in [(0.3, -13.5), (0.34, -13.5), (0.0, -11.5), (1.0, -19.5)] {
            assert_eq!(threshold(logits.clone(), share), expected, "{share}");
        }
        assert_eq!(threshold(vec![0.5], 0.5), 0.0);
    }

    #[test]
    fn edges_of_crops_are_not_looked_at() {
        assert_eq!([inner(24), inner(18), inner(12)], [6..18, 6..12, 0..12]);
    }

    #[test]
    fn each_module_keeps_its_share_of_the_pictures() {
        let model = sparsr::Model::builtin("smsr-x2").unwrap();
        let network = smsr::Config::detect(model.weights()).unwrap().unwrap();
        let mut tensors = tensors_of(model.weights());
        let low: Vec<Tensor> = (1..3)
            .map(|seed| {
                let sample = |n, c, y, x| ((seed * n + y * (x + 3 * c) / 7 + x * y) % 256) as f32;
                Tensor::from_fn(Shape::new(2, 3, 12, 24), sample)
            })
            .collect();
        let shares = [0.5, 0.2, 0.7, 0.1, 0.95];
        set(&network, &mut tensors, &low, &shares, 1.0).unwrap();
        for (module, share) in shares.iter().enumerate() {
            let logits = logits(&network, &tensors, &low, module, 1.0).unwrap();
            let kept = logits.iter().filter(|logit| **logit > 0.0).count() as f64 / logits.len() as f64;
            assert!((kept - share).abs() < 0.01, "module {module}: expected {share}, found {kept}");
        }
    }
}
