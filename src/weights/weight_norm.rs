//! Weight normalisation carried out, so that networks see plain weights.

use super::Weights;
use crate::{Error, Result, tensor::Parameter};

/// What the tensors of a convolution with weight normalisation are called, magnitude before direction: by
/// `torch.nn.utils.weight_norm`, by its successor in `parametrizations`, and by ASSL (Zhang et al., NeurIPS 2021),
/// where the direction has the plain name.
const SCHEMES: [[&str; 2]; 3] = [
    [".weight_g", ".weight_v"],
    [".parametrizations.weight.original0", ".parametrizations.weight.original1"],
    [".wn_scale", ".weight"],
];

/// Directions shorter than this are not divided by their length, as in ASSL.
const SHORTEST: f64 = 1e-12;

impl Weights {
    /// Weight normalisation (Salimans and Kingma, NIPS 2016) carried out, `weight = g · v / ‖v‖` with a length an
    /// output channel, so that `<module>.weight` stands in place of the two.
    ///
    /// # Errors
    /// [`Error::Weights`] if a magnitude and its direction do not fit.
    pub fn without_weight_norm(mut self) -> Result<Self> {
        for [g, v] in SCHEMES {
            let modules = self.names().filter_map(|name| name.strip_suffix(g)).map(str::to_owned);
            for module in modules.collect::<Vec<_>>() {
                let Some(direction) = self.parameters.remove(&format!("{module}{v}")) else { continue };
                let name = format!("{module}{g}");
                let weight = self.get(&name).and_then(|magnitude| normalised(magnitude, &direction));
                let weight = weight.ok_or_else(|| {
                    let channels = direction.dims().first().copied().unwrap_or(0);
                    Error::weights(
                        &*self.source,
                        format!("{name}: expected {channels} magnitudes, one a channel"),
                    )
                })?;
                self.parameters.remove(&name);
                self.parameters.insert(format!("{module}.weight"), weight);
            }
        }
        Ok(self)
    }
}

/// `g · v / ‖v‖`; `None` if there is not one magnitude to each of the first axis.
fn normalised(magnitude: &Parameter, direction: &Parameter) -> Option<Parameter> {
    let (lengths, numbers) = (magnitude.values(), direction.values());
    if direction.dims().first() != Some(&lengths.len()) || numbers.is_empty() {
        return None;
    }
    let filters = numbers.chunks_exact(numbers.len() / lengths.len());
    let filter = |(filter, length): (&[f32], &f32)| {
        let norm = filter.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        let factor = f64::from(*length) / norm.max(SHORTEST);
        filter.iter().map(|number| (factor * f64::from(*number)) as f32).collect::<Vec<_>>()
    };
    let values: Vec<f32> = filters.zip(lengths).flat_map(filter).collect();
    Some(Parameter::new(direction.dims(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(tensors: &[(&str, &[usize], &[f32])]) -> Weights {
        let tensor = |(name, dims, values): &(&str, &[usize], &[f32])| {
            ((*name).to_owned(), Parameter::new(*dims, *values))
        };
        Weights::new("some.pth", tensors.iter().map(tensor).collect::<Vec<_>>())
    }

    #[test]
    fn weight_normalisation_is_carried_out_under_every_name() {
        for [g, v] in SCHEMES {
            let [g, v] = [g, v].map(|suffix| format!("body.0{suffix}"));
            let direction: (&str, &[usize], &[f32]) = (&v, &[2, 2, 1, 1], &[3.0, 4.0, 0.0, 2.0]);
            let tensors =
                [(&*g, &[2, 1, 1, 1][..], &[10.0, -1.0][..]), direction, ("body.0.bias", &[1], &[7.0])];
            let plain = weights(&tensors).without_weight_norm().unwrap();
            assert_eq!(plain.names().collect::<Vec<_>>(), ["body.0.bias", "body.0.weight"]);
            assert_eq!(plain.get("body.0.weight").unwrap().values(), [6.0, 8.0, 0.0, -1.0]);

            let few = weights(&[(&*g, &[1], &[10.0]), direction]);
            let message = few.without_weight_norm().unwrap_err().to_string();
            assert_eq!(message, format!("some.pth: {g}: expected 2 magnitudes, one a channel"));
        }
    }

    #[test]
    fn a_direction_of_zeros_stays_zero() {
        let plain = weights(&[("a.wn_scale", &[1], &[1.0]), ("a.weight", &[1, 2], &[0.0, 0.0])]);
        assert_eq!(plain.without_weight_norm().unwrap().get("a.weight").unwrap().values(), [0.0, 0.0]);
    }
}
