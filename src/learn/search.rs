//! What a search of networks needs beside its supernet ([`Space`]): what networks cost, and others of the same cost to
//! compare the found one with.

use super::Random;
use crate::error::{Error, Result};
use crate::models::trilevelnas::{Genotype, Space};

/// So many networks are drawn before it is said that there is none.
const TRIES: u64 = 200_000;

/// Multiply-adds of a network of variant B for each small pixel: each number of a weight takes part once.
pub fn macs(genotype: &Genotype) -> u64 {
    genotype.layers().iter().map(|layer| layer.dims.iter().product::<usize>() as u64).sum()
}

/// Numbers in a network's tensors.
pub fn parameters(genotype: &Genotype) -> u64 {
    let biases =
        genotype.layers().iter().filter(|layer| layer.bias).map(|layer| layer.dims[0] as u64).sum::<u64>();
    macs(genotype) + biases
}

/// A network of the space, drawn by the seed: all options are as probable, and what costs more or less than `target` by
/// more than the share `within` is drawn again.
///
/// # Errors
/// [`Error::Unsupported`] if none of very many costs so much.
pub fn random(space: &Space, target: u64, within: f64, seed: u64) -> Result<Genotype> {
    let choices = space.choices();
    for attempt in 0..TRIES {
        let random = Random::new(seed, Random::FREE, attempt);
        let option = |name: &str| {
            let at = choices.iter().position(|choice| choice.name == name).unwrap_or(0);
            random.below(at as u32, choices[at].options as u32) as usize
        };
        let genotype = space.at(&option);
        if (macs(&genotype) as f64 / target as f64 - 1.0).abs() <= within {
            return Ok(genotype);
        }
    }
    Err(Error::Unsupported(format!(
        "expected networks of {target} multiply-adds a small pixel, {:.0} % more or less, found none among {TRIES} drawn",
        100.0 * within
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::fresh;
    use crate::models::Model;
    use crate::models::trilevelnas::Operation;
    use crate::tensor::Shape;

    fn space() -> Space {
        Space {
            channels: 8,
            cells: 3,
            fewer: true,
            operations: Operation::ALL.to_vec(),
            widths: vec![3, 4, 8],
            scale: 3,
        }
    }

    #[test]
    fn a_genotype_costs_what_its_network_does() {
        for seed in 0..20 {
            let genotype = random(&space(), 6000, 0.6, seed).unwrap();
            let model = Model::from_weights("drawn", fresh::trilevelnas(&genotype, seed)).unwrap();
            let found = model.graph(Shape::new(1, 3, 5, 7)).unwrap().macs().total();
            assert_eq!((found, model.parameters() as u64), (35 * macs(&genotype), parameters(&genotype)));
        }
    }

    #[test]
    fn what_is_drawn_costs_as_asked_and_follows_from_the_seed() {
        let drawn = |seed| random(&space(), 6000, 0.03, seed).unwrap();
        let all: Vec<Genotype> = (0..5).map(drawn).collect();
        assert!(all.iter().all(|genotype| (5820..=6180).contains(&macs(genotype))));
        assert!((0..5).all(|at| all[at] == drawn(at as u64) && all[at] != all[(at + 1) % 5]));
        assert!(random(&space(), 10, 0.03, 1).is_err());
    }
}
