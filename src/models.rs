//! Networks: a checkpoint's tensors tell which architecture they are, how wide, how deep, at what scale.

pub mod smsr;

use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::tensor::Shape;
use crate::weights::Weights;

/// Networks that are part of the program: name and checkpoint.
const BUILTIN: &[(&str, &[u8])] = &[("smsr-x2", include_bytes!("../weights/smsr-x2.safetensors"))];

/// A network with its weights.
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    weights: Weights,
    architecture: Architecture,
}

/// What the tensors were found to be.
#[derive(Clone, Copy, Debug)]
enum Architecture {
    Smsr(smsr::Config),
}

/// How a sparse mask module divides the channels of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The module, by the checkpoint's path.
    pub module: String,
    /// Channels of every layer.
    pub channels: usize,
    /// Channels of each layer that are computed everywhere; the others only where the mask is set.
    pub dense: Vec<usize>,
}

impl Model {
    /// Reads a checkpoint: `.safetensors`, or PyTorch's `.pth` and `.pt`. Nothing in the file is executed.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Weights`] if it is no checkpoint, not one of a known
    /// architecture, or lacks a tensor or has one of another shape.
    pub fn load(path: &Path) -> Result<Self> {
        let stem =
            path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
        Self::from_weights(stem, Weights::load(path)?)
    }

    /// One of [`Model::builtin_names`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is none of that name.
    pub fn builtin(name: &str) -> Result<Self> {
        let Some((name, bytes)) = BUILTIN.iter().find(|(builtin, _)| *builtin == name) else {
            let names = Self::builtin_names().join(", ");
            return Err(Error::Unsupported(format!("no built-in model `{name}`; there are: {names}")));
        };
        Self::from_weights(*name, Weights::from_bytes(&format!("builtin:{name}"), bytes)?)
    }

    /// The networks that are part of the program.
    pub fn builtin_names() -> &'static [&'static str] {
        const NAMES: &[&str] = &[BUILTIN[0].0];
        NAMES
    }

    /// The network that `weights` hold.
    ///
    /// # Errors
    /// [`Error::Weights`], as [`Model::load`].
    pub fn from_weights(name: impl Into<String>, weights: Weights) -> Result<Self> {
        all_finite(&weights)?;
        let architecture = match smsr::Config::detect(&weights) {
            Some(config) => Architecture::Smsr(config?),
            None => {
                let names: Vec<&str> = weights.names().take(3).collect();
                let reason = format!(
                    "expected the tensors of SMSR (`head.0.weight`, `body.0.body.ch_mask`), found {} tensors: {} …",
                    weights.names().count(),
                    names.join(", ")
                );
                return Err(Error::weights(weights.source(), reason));
            }
        };
        let model = Self { name: name.into(), weights, architecture };
        // Building reads every tensor once, so a checkpoint that does not fit is refused here.
        let side = model.alignment();
        model.graph(Shape::new(1, 3, side, side))?;
        Ok(model)
    }

    /// The file's stem, or the built-in name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The architecture's name, in lower case.
    pub fn architecture(&self) -> &'static str {
        match self.architecture {
            Architecture::Smsr(_) => "smsr",
        }
    }

    /// What distinguishes this network from others of its architecture, in words.
    pub fn description(&self) -> String {
        match &self.architecture {
            Architecture::Smsr(config) => config.to_string(),
        }
    }

    /// Output pixels to an input pixel, along one side.
    pub fn scale(&self) -> usize {
        match &self.architecture {
            Architecture::Smsr(config) => config.scale,
        }
    }

    /// Input widths and heights must be multiples of this.
    pub fn alignment(&self) -> usize {
        match self.architecture {
            Architecture::Smsr(_) => smsr::ALIGNMENT,
        }
    }

    /// Numbers in the network's weights. Logits of channel masks are not counted, as in the paper: training
    /// leaves them behind, and only which of two is larger matters.
    pub fn parameters(&self) -> usize {
        let weights = self.weights.iter().filter(|(name, _)| !name.ends_with(".ch_mask"));
        weights.map(|(_, parameter)| parameter.values().len()).sum()
    }

    /// The network for pictures of one shape: N×3×H×W, RGB.
    ///
    /// # Errors
    /// [`Error::Shape`] if the size is no multiple of [`Model::alignment`], or not of three channels.
    pub fn graph(&self, input: Shape) -> Result<Graph> {
        match &self.architecture {
            Architecture::Smsr(config) => smsr::build(config, &self.weights, input),
        }
    }

    /// How each sparse module divides its channels; empty for a dense network.
    pub fn partitions(&self) -> Vec<Partition> {
        match &self.architecture {
            Architecture::Smsr(config) => smsr::partitions(config, &self.weights).unwrap_or_default(),
        }
    }
}

/// A NaN among the weights of a mask branch would not show in the picture: it would only empty the mask.
fn all_finite(weights: &Weights) -> Result<()> {
    for (name, parameter) in weights.iter() {
        if let Some((at, value)) = parameter.values().iter().enumerate().find(|(_, value)| !value.is_finite())
        {
            let reason =
                format!("{name}: expected finite numbers, found {value} at index {at}; the file is damaged");
            return Err(Error::weights(weights.source(), reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Parameter;

    #[test]
    fn a_weight_that_is_no_number_is_refused_by_name() {
        let broken = Parameter::new([2], vec![0.5, f32::NAN]);
        let weights = Weights::new("some.pth", [("body.0.spa_mask.5.bias".to_owned(), broken)]);
        assert_eq!(
            Model::from_weights("some", weights).unwrap_err().to_string(),
            "some.pth: body.0.spa_mask.5.bias: expected finite numbers, found NaN at index 1; the file is damaged"
        );
    }
}
