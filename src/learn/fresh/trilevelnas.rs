//! TrilevelNAS networks, and the supernets that they are searched in, under the authors' names: convolutions without bias,
//! each in front of a ReLU, keep the size of what goes through both; the others begin as PyTorch makes them. Choices are
//! open: all logits are zero.

use super::{Draw, Making};
use crate::models::trilevelnas::{Choice, Genotype, Layer, Space};
use crate::weights::Weights;

/// A network of this structure, for pictures of 0 … 1.
pub fn trilevelnas(genotype: &Genotype, seed: u64) -> Weights {
    drawn(genotype.layers(), seed).finish()
}

/// The supernet of a space, with its logits.
pub fn trilevelnas_supernet(space: &Space, seed: u64) -> Weights {
    let mut making = drawn(space.layers(), seed);
    for Choice { name, options } in space.choices() {
        making.add(name, &[options], Draw::Fixed(0.0));
    }
    making.finish()
}

fn drawn(layers: Vec<Layer>, seed: u64) -> Making {
    let mut making = Making::new(seed);
    for Layer { name, dims: [out, inputs, kernel, _], bias } in layers {
        match bias {
            true => making.uniform(&name, [out, inputs, kernel]),
            false => making.kaiming(&name, [out, inputs, kernel], 1.0),
        }
    }
    making
}
