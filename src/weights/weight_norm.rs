//! Weight normalisation under its names, so that networks find their weights where they look for them.
//!
//! A checkpoint in training holds a direction and a magnitude in place of a weight (Salimans and Kingma, NIPS 2016). What
//! asks for `<module>.weight` gets the direction, and [`Scope::magnitude`] tells that there is a magnitude to it.

use std::collections::BTreeMap;

use super::{Scope, Weights};
use crate::tensor::Parameter;

/// What the tensors of a convolution with weight normalisation are called, magnitude before direction: by
/// `torch.nn.utils.weight_norm`, by its successor in `parametrizations`, and by ASSL (Zhang et al., NeurIPS 2021),
/// where the direction has the plain name.
const SCHEMES: [[&str; 2]; 3] = [
    [".weight_g", ".weight_v"],
    [".parametrizations.weight.original0", ".parametrizations.weight.original1"],
    [".wn_scale", ".weight"],
];

/// The tensors that a weight is made of, by their names.
#[derive(Clone, Debug)]
pub(super) struct Normalised {
    magnitude: String,
    pub(super) direction: String,
}

impl Normalised {
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.direction, &self.magnitude]
    }
}

/// By the weight's plain name, those that are normalised.
pub(super) fn normalised(parameters: &BTreeMap<String, Parameter>) -> BTreeMap<String, Normalised> {
    let mut found = BTreeMap::new();
    for [g, v] in SCHEMES {
        for module in parameters.keys().filter_map(|name| name.strip_suffix(g)) {
            let [magnitude, direction] = [g, v].map(|suffix| format!("{module}{suffix}"));
            if parameters.contains_key(&direction) {
                found.insert(format!("{module}.weight"), Normalised { magnitude, direction });
            }
        }
    }
    found
}

impl Weights {
    /// The same function with these weights in two parts, as ASSL has them: the weight becomes the direction, and
    /// `<module>.wn_scale`, `[out]`, its filters' norms. Names are those of plain weights, `<module>.weight`; of others,
    /// and of those that are normalised already, nothing is done.
    #[must_use]
    pub fn with_weight_norm<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut parameters = self.parameters.clone();
        for name in names.into_iter().filter(|name| !self.normalised.contains_key(*name)) {
            let (Some(module), Some(weight)) = (name.strip_suffix(".weight"), parameters.get(name)) else {
                continue;
            };
            let norms: Vec<f32> = filters(weight).map(norm).map(|norm| norm as f32).collect();
            let magnitude = Parameter::new([norms.len()], norms);
            parameters.insert(format!("{module}.wn_scale"), magnitude);
        }
        Self::new(self.source.clone(), parameters).with_metadata(self.metadata.clone())
    }

    /// The same function with every normalised weight in one part, under its plain name.
    #[must_use]
    pub fn without_weight_norm(&self) -> Self {
        let mut parameters = self.parameters.clone();
        for (name, Normalised { magnitude, direction }) in &self.normalised {
            let (Some(of_filters), Some(weight)) =
                (parameters.remove(magnitude), parameters.remove(direction))
            else {
                continue;
            };
            let scaled = filters(&weight).zip(of_filters.values()).flat_map(|(filter, magnitude)| {
                let factor = f64::from(*magnitude) / norm(filter).max(1e-12);
                filter.iter().map(move |number| (factor * f64::from(*number)) as f32).collect::<Vec<_>>()
            });
            parameters.insert(name.clone(), Parameter::new(weight.dims(), scaled.collect::<Vec<f32>>()));
        }
        Self::new(self.source.clone(), parameters).with_metadata(self.metadata.clone())
    }

    /// Whether a tensor is the magnitude of a normalised weight, which says nothing that the weight does not.
    pub(crate) fn is_magnitude(&self, name: &str) -> bool {
        self.normalised.values().any(|normalised| normalised.magnitude == name)
    }
}

/// The numbers of each output.
fn filters(weight: &Parameter) -> impl Iterator<Item = &[f32]> {
    let outputs = weight.dims().first().copied().unwrap_or(1).max(1);
    weight.values().chunks((weight.values().len() / outputs).max(1))
}

fn norm(filter: &[f32]) -> f64 {
    filter.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}

impl<'a> Scope<'a> {
    /// Where the weight `name` of this scope is normalised, the names of its direction and magnitude and the magnitude's
    /// numbers. [`Scope::parameter`] gives the direction.
    pub fn magnitude(&self, name: &str) -> Option<([&'a str; 2], &'a Parameter)> {
        let Normalised { magnitude, direction } = self.weights().normalised.get(&self.path(name))?;
        let numbers = self.weights().stored(magnitude)?;
        Some(([direction, magnitude], numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalised_weight_is_found_under_its_plain_name() {
        for [g, v] in SCHEMES {
            let [g, v] = [g, v].map(|suffix| format!("body.0{suffix}"));
            let direction = Parameter::new([2, 2, 1, 1], vec![3.0, 4.0, 0.0, 2.0]);
            let magnitude = Parameter::new([2], vec![10.0, -1.0]);
            let tensors = [(g.clone(), magnitude.clone()), (v.clone(), direction.clone())];
            let weights = Weights::new("some.pth", tensors).observed();
            assert_eq!(weights.get("body.0.weight"), Some(&direction));
            assert!(weights.is_magnitude(&g) && !weights.is_magnitude(&v));
            let scope = weights.root().scope("body.0");
            assert_eq!(scope.parameter("weight", &[2, 2, 1, 1]).unwrap(), direction);
            assert_eq!(scope.magnitude("weight"), Some(([&*v, &*g], &magnitude)));
            assert_eq!(weights.unread(), Vec::<&str>::new(), "both are read");
            assert!(weights.root().scope("body.1").magnitude("weight").is_none());
        }
    }
}
