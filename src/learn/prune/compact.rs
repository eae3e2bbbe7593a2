//! How small a network could be, by what a sparse training left of each layer (CDISM, PCS 2024, stage 2; the paper maps
//! densities to widths by hand, and the rule here is ours).
//!
//! A convolution from C to C channels has about C² numbers, so that of a density d as many remain as one of `C · √d`
//! channels has. A width is the mean of those of the layers of the body, and a block counts if at least a fiftieth of it
//! remains.

use crate::error::Result;
use crate::learn::density::{self, Layer};
use crate::models::Model;

/// The least density of a block that counts.
const LEAST: f64 = 0.02;

/// A convolution's density.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// The weight's name.
    pub name: String,
    /// The share of numbers that are not zero.
    pub density: f64,
    /// Channels that it makes.
    pub channels: usize,
    /// Channels that a dense one with as many numbers would make: at least one.
    pub width: usize,
}

/// A compact network's size, and what it follows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Compact {
    /// The convolutions of the body's blocks, in order.
    pub layers: Vec<Density>,
    /// The width.
    pub channels: usize,
    /// Blocks of the body: parts that the names number.
    pub blocks: usize,
}

/// The compact network that follows from the zeros of this one.
///
/// # Errors
/// As [`density`](density::density).
pub fn compact(model: &Model) -> Result<Compact> {
    let layers = body(model)?;
    let mean = |widths: &[usize]| widths.iter().sum::<usize>() as f64 / widths.len().max(1) as f64;
    let widths: Vec<usize> = layers.iter().map(|layer| layer.width).collect();
    let mut blocks: Vec<(&str, Vec<f64>)> = Vec::new();
    for layer in &layers {
        let Some(block) = block(&layer.name) else { continue };
        match blocks.iter_mut().find(|(name, _)| *name == block) {
            Some((_, densities)) => densities.push(layer.density),
            None => blocks.push((block, vec![layer.density])),
        }
    }
    let alive =
        |(_, densities): &&(&str, Vec<f64>)| densities.iter().sum::<f64>() / densities.len() as f64 >= LEAST;
    let blocks = blocks.iter().filter(alive).count();
    Ok(Compact { channels: mean(&widths).round().max(1.0) as usize, blocks, layers })
}

/// The convolutions of blocks that names number: of the series of blocks in which there are most.
fn body(model: &Model) -> Result<Vec<Density>> {
    let all = numbered(model)?;
    let stem = |layer: &Density| {
        block(&layer.name).map(|block| block.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned())
    };
    let of = |own: &Option<String>| all.iter().filter(|layer| stem(layer) == *own).count();
    let most = all.iter().map(stem).max_by_key(|stem| of(stem)).flatten();
    Ok(all.iter().filter(|layer| stem(layer) == most).cloned().collect())
}

/// The convolutions of all that names number.
fn numbered(model: &Model) -> Result<Vec<Density>> {
    let density = |layer: Layer| {
        let name = format!("{}.weight", layer.name);
        block(&name)?;
        let density = (layer.numbers() - layer.zeros) as f64 / layer.numbers().max(1) as f64;
        let channels = layer.norms.len();
        let width = ((channels as f64 * density.sqrt()).round() as usize).max(1);
        Some(Density { name, density, channels, width })
    };
    Ok(density::density(model, 0.0)?.into_iter().filter_map(density).collect())
}

/// The numbered part that a convolution is within, `body.3` of `body.3.body.0.weight`: none of one that is a part itself.
fn block(name: &str) -> Option<&str> {
    let module = name.strip_suffix(".weight")?;
    let mut at = 0;
    for part in module.split('.') {
        let end = at + part.len();
        if part.ends_with(|last: char| last.is_ascii_digit()) && end < module.len() {
            return Some(&module[..end]);
        }
        at = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::fresh;
    use crate::tensor::Parameter;
    use crate::weights::Weights;

    #[test]
    fn names_number_blocks() {
        for (name, expected) in [
            ("body.3.body.0.weight", Some("body.3")),
            ("body.8.weight", None),
            ("head.0.weight", None),
            ("B2.c1_d.weight", Some("B2")),
            ("conv_first.weight", None),
        ] {
            assert_eq!(block(name), expected, "{name}");
        }
    }

    #[test]
    fn a_quarter_of_the_numbers_is_half_the_width() {
        let fresh = fresh::edsr(8, 3, 2, 1);
        let thin = |(name, numbers): (&str, &Parameter)| {
            let kept = if name.starts_with("body.1.") { 0 } else { numbers.values().len() / 4 };
            let values =
                numbers.values().iter().enumerate().map(|(at, number)| if at < kept { *number } else { 0.0 });
            (name.to_owned(), Parameter::new(numbers.dims(), values.collect::<Vec<f32>>()))
        };
        let model = Model::from_weights("thin", Weights::new("thin", fresh.iter().map(thin))).unwrap();
        let Compact { layers, channels, blocks } = compact(&model).unwrap();
        assert_eq!(layers.len(), 6);
        assert_eq!((layers[0].density, layers[0].channels, layers[0].width), (0.25, 8, 4));
        assert_eq!((layers[2].density, layers[2].width), (0.0, 1));
        assert_eq!((channels, blocks), (3, 2)); // (4 · 4 + 2 · 1) / 6
    }
}
