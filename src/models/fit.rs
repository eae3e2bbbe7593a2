//! Whether a checkpoint's tensors are a network's own: all that it needs, in the shapes that it needs, and no more.
//!
//! A tensor too few cannot be computed; one too many would be a layer that is left out, and a wrong picture.

use super::{Network, built, scales};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameters};
use crate::weights::Weights;

/// So many names are told of a list.
const TOLD: usize = 3;

/// The network for the smallest picture, and the numbers of its parameters.
///
/// # Errors
/// [`Error::Weights`] with the first tensor that is missing or misshapen, and how many more are; or with the tensors
/// that no scale of the network reads.
pub(super) fn build(
    architecture: &str,
    network: &dyn Network,
    weights: &Weights,
) -> Result<(Graph, Parameters)> {
    let observed = weights.observed();
    let network_built = built(network, &observed).map_err(|error| complete(error, network, weights))?;
    for scale in scales(network) {
        if let Some(other) = network.at_scale(scale).filter(|_| !unread(network, &observed).is_empty()) {
            built(&*other, &observed).map_err(|error| complete(error, &*other, weights))?;
        }
    }
    match unread(network, &observed).as_slice() {
        [] => Ok(network_built),
        unread => {
            let reason = format!(
                "expected the tensors of {architecture} ({network}) and no others, found {} that it does not read: {}",
                unread.len(),
                first(unread)
            );
            Err(Error::weights(weights.source(), reason))
        }
    }
}

/// The tensors that were not read and should have been.
fn unread<'w>(network: &dyn Network, observed: &'w Weights) -> Vec<&'w str> {
    observed.unread().into_iter().filter(|name| !network.ignores(name)).collect()
}

/// Adds to the error on the first tensor what else does not fit.
fn complete(error: Error, network: &dyn Network, weights: &Weights) -> Error {
    let (file, mut reason) = match of(weights, error) {
        Error::Weights { file, reason } => (file, reason),
        error => return error,
    };
    let completed = weights.completed();
    let built = built(network, &completed);
    let mut missing = completed.missing();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|name| !reason.starts_with(&format!("{name}: ")));
    if !missing.is_empty() {
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        reason += &format!("; {} more are missing: {}", missing.len(), first(&missing));
    }
    let unread = unread(network, &completed);
    // Of several scales others may read it.
    if built.is_ok() && scales(network).len() == 1 && !unread.is_empty() {
        reason += &format!("; {} are not read: {}", unread.len(), first(&unread));
    }
    Error::Weights { file, reason }
}

/// An error on a checkpoint's tensors that fit where each is read and not together.
pub(super) fn of(weights: &Weights, error: Error) -> Error {
    match error {
        Error::Shape { node, reason } => Error::weights(weights.source(), format!("{node}: {reason}")),
        error => error,
    }
}

/// The first few of them.
pub(super) fn first(names: &[&str]) -> String {
    let more = if names.len() > TOLD { " …" } else { "" };
    names[..names.len().min(TOLD)].join(", ") + more
}

/// No tensor is empty, and all numbers are finite.
///
/// A NaN among the weights of a mask branch would not show in the picture: it would only empty the mask. A tensor of no
/// numbers may claim to be of any size.
pub(super) fn sound(weights: &Weights) -> Result<()> {
    for (name, parameter) in weights.iter() {
        let reason = match parameter.values().iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((at, value)) => {
                format!("expected finite numbers, found {value} at index {at}; the file is damaged")
            }
            None if parameter.values().is_empty() => {
                format!("expected numbers, found none in a tensor of shape {:?}", parameter.dims())
            }
            None => continue,
        };
        return Err(Error::weights(weights.source(), format!("{name}: {reason}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::Arc;

    use super::*;
    use crate::graph::Builder;
    use crate::models::parts::conv;
    use crate::tensor::{Parameter, Shape};

    /// A convolution to three channels, of one or two scales in a file.
    #[derive(Debug)]
    struct Tiny {
        scale: usize,
        others: &'static [usize],
    }

    impl fmt::Display for Tiny {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a convolution")
        }
    }

    impl Network for Tiny {
        fn scale(&self) -> usize {
            self.scale
        }

        fn at_scale(&self, scale: usize) -> Option<Arc<dyn Network>> {
            let has = self.others.contains(&scale);
            has.then(|| Arc::new(Tiny { scale, others: self.others }) as Arc<dyn Network>)
        }

        fn ignores(&self, name: &str) -> bool {
            name.ends_with(".attn_mask")
        }

        fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
            let (mut b, x) = Builder::new("tiny", input, 1.0);
            let w = weights.root();
            let y = conv(&mut b, x, &w.scope("head"), [3, 3, 1])?;
            let y = conv(&mut b, y, &w.scope(format!("up{}", self.scale)), [3, 3, 1])?;
            b.finish(y)
        }
    }

    fn outcome(others: &'static [usize], names: &[&str]) -> String {
        let tensor = |name: &&str| {
            let dims = if name.ends_with("weight") { vec![3, 3, 1, 1] } else { vec![3] };
            ((*name).to_owned(), Parameter::new(dims.clone(), vec![0.5; dims.iter().product()]))
        };
        let weights = Weights::new("some.pth", names.iter().map(tensor));
        build("tiny", &Tiny { scale: 2, others }, &weights)
            .map_or_else(|error| error.to_string(), |_| "fits".into())
    }

    #[test]
    fn all_tensors_are_read_or_told() {
        let own = ["head.weight", "head.bias", "up2.weight", "up2.bias"];
        let third = ["up3.weight", "up3.bias"];
        let with = |more: &[&'static str]| [&own[..], more].concat();
        let alone = "some.pth: expected the tensors of tiny (a convolution) and no others, found";
        let rows: [(&'static [usize], Vec<&str>, String); 8] = [
            (&[], own.to_vec(), "fits".into()),
            (&[], with(&["layers.0.attn_mask"]), "fits".into()),
            (&[], with(&third), format!("{alone} 2 that it does not read: up3.bias, up3.weight")),
            (&[2, 3], with(&third), "fits".into()),
            (
                &[2, 3],
                with(&[&third[..], &["a", "b", "c", "d"]].concat()),
                format!("{alone} 4 that it does not read: a, b, c …"),
            ),
            (
                &[2, 3],
                with(&["up3.weight"]),
                "some.pth: up3.bias: expected a tensor of shape [3], found none; the nearest name is up2.bias".into(),
            ),
            (
                &[],
                vec!["head.weight", "up2.bias", "other"],
                "some.pth: head.bias: expected a tensor of shape [3], found none; the nearest name is up2.bias; \
                 1 more are missing: up2.weight; 1 are not read: other"
                    .into(),
            ),
            (
                &[],
                vec![],
                "some.pth: head.weight: expected a tensor of shape [3, 3, 1, 1], found none; the checkpoint is empty; \
                 3 more are missing: head.bias, up2.bias, up2.weight"
                    .into(),
            ),
        ];
        for (others, names, expected) in rows {
            assert_eq!(outcome(others, &names), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        let cases = [
            (
                vec![2],
                vec![0.5, f32::NAN],
                "expected finite numbers, found NaN at index 1; the file is damaged",
            ),
            (vec![7, 0], vec![], "expected numbers, found none in a tensor of shape [7, 0]"),
        ];
        for (dims, values, expected) in cases {
            let broken = Parameter::new(dims, values);
            let weights = Weights::new("some.pth", [("body.0.spa_mask.5.bias".to_owned(), broken)]);
            let message = sound(&weights).unwrap_err().to_string();
            assert_eq!(message, format!("some.pth: body.0.spa_mask.5.bias: {expected}"));
        }
    }
}
