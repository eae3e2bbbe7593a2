//! Which architecture a checkpoint is, and for what is none of them, which it is nearest to.
//!
//! Names are compared by their parts, numbers being all alike: `body.7.conv1.weight` is `body`, `#`, `conv#`. Two names
//! are as like as what they have in common, in order and perhaps with gaps, weighs beside the heavier one, where a word
//! weighs two and a number one; an architecture is as near as its typical names, of the best scheme, are like what the
//! checkpoint has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ARCHITECTURES, Architecture, Network, fit};
use crate::error::{Error, Result};
use crate::weights::Weights;

/// How near an architecture must be to be named.
const NEAR: f64 = 0.5;

/// So many parts of a name are looked at.
const PARTS: usize = 12;

/// The architecture whose tensors these are, and the network.
///
/// # Errors
/// [`Error::Weights`] if it is none, with the nearest.
pub(super) fn recognise(weights: &Weights) -> Result<(&'static str, Arc<dyn Network>)> {
    for Architecture { name, detect, .. } in ARCHITECTURES {
        if let Some(network) = detect(weights) {
            return Ok((name, network?));
        }
    }
    let names: Vec<&str> = weights.names().collect();
    let found = format!("{} tensors: {}", names.len(), fit::first(&names));
    let reason = match nearest(weights) {
        None => {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|architecture| architecture.name).collect();
            format!("expected the tensors of a known architecture ({}), found {found}", known.join(", "))
        }
        Some((Architecture { name, title, .. }, absent)) => {
            let absent: Vec<String> = absent.iter().map(|key| format!("`{key}`")).collect();
            let lacks = match absent.as_slice() {
                [] => "which these are not".to_owned(),
                absent => format!("which has {}", absent.join(" and ")),
            };
            format!(
                "expected the tensors of a known architecture; the nearest is {name} ({title}), {lacks}; found {found}"
            )
        }
    };
    Err(Error::weights(weights.source(), reason))
}

/// The architecture that the names are most like, and which of its typical names are not there.
fn nearest(weights: &Weights) -> Option<(&'static Architecture, Vec<&'static str>)> {
    let patterns: BTreeSet<Vec<String>> = weights.names().map(pattern).collect();
    let schemes =
        ARCHITECTURES.iter().flat_map(|known| known.keys.iter().map(move |scheme| (known, *scheme)));
    let rated = schemes.map(|(known, scheme)| (nearness(scheme, &patterns), known, scheme));
    // The first of equals.
    let best = rated.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let (_, known, scheme) = best.filter(|(nearness, ..)| *nearness >= NEAR)?;
    let absent = scheme.split(' ').filter(|key| weights.get(key).is_none());
    Some((known, absent.collect()))
}

/// How like a scheme's typical names are to the nearest of `patterns`, 0 to 1.
fn nearness(scheme: &str, patterns: &BTreeSet<Vec<String>>) -> f64 {
    let likenesses = scheme.split(' ').map(|key| {
        let key = pattern(key);
        patterns.iter().map(|other| likeness(&key, other)).fold(0.0, f64::max)
    });
    // Squared, so that one name that is there outweighs several that are somewhat like.
    likenesses.map(|likeness| likeness * likeness).sum::<f64>() / scheme.split(' ').count() as f64
}

/// A name's parts with `#` for every number; `weight` and `bias`, which all have, are left out.
fn pattern(name: &str) -> Vec<String> {
    let part = |part: &str| {
        let mut plain = String::new();
        for character in part.chars() {
            match character.is_ascii_digit() {
                true if plain.ends_with('#') => {}
                true => plain.push('#'),
                false => plain.push(character),
            }
        }
        plain
    };
    let parts: Vec<&str> = name.split('.').take(PARTS).collect();
    let parts = match parts.as_slice() {
        [first @ .., "weight" | "bias"] if !first.is_empty() => first,
        all => all,
    };
    parts.iter().map(|name| part(name)).collect()
}

/// The heaviest common subsequence as a share of the heavier.
fn likeness(a: &[String], b: &[String]) -> f64 {
    let weight = |part: &String| if part == "#" { 1 } else { 2 };
    // row[i] is the weight for a[..i] and the part of b that has been seen.
    let mut row = vec![0usize; a.len() + 1];
    for y in b {
        let mut diagonal = 0;
        for (i, x) in a.iter().enumerate() {
            let heavier = if x == y { diagonal + weight(x) } else { row[i].max(row[i + 1]) };
            diagonal = row[i + 1];
            row[i + 1] = heavier;
        }
    }
    let [a_weight, b_weight] = [a, b].map(|parts| parts.iter().map(weight).sum::<usize>());
    row[a.len()] as f64 / a_weight.max(b_weight).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Parameter;

    fn message(names: &[&str]) -> String {
        let tensors = names.iter().map(|name| ((*name).to_owned(), Parameter::new([1], vec![0.0])));
        let weights = Weights::new("other.pth", tensors);
        recognise(&weights).map_or_else(|error| error.to_string(), |(name, _)| name.to_owned())
    }

    #[test]
    fn the_nearest_architecture_is_named() {
        let nearest = "other.pth: expected the tensors of a known architecture; the nearest is";
        let edsr = format!("{nearest} edsr (EDSR, Lim et al., CVPR workshops 2017), which has");
        let rows: [(&[&str], String); 4] = [
            (
                &[
                    "conv_first.weight",
                    "body.0.conv1.weight",
                    "body.1.conv1.weight",
                    "conv_after_body.0.weight",
                ],
                format!(
                    "{edsr} `conv_after_body.weight`; \
                     found 4 tensors: body.0.conv1.weight, body.1.conv1.weight, conv_after_body.0.weight …"
                ),
            ),
            (
                &["body.3.body.0.weight", "tail.1.weight"],
                format!(
                    "{edsr} `body.0.body.0.weight`; found 2 tensors: body.3.body.0.weight, tail.1.weight"
                ),
            ),
            (
                &["body.0.body.ch_masks", "body.0.ca.conv_du.0.weight"],
                format!(
                    "{nearest} smsr (SMSR, Wang et al., CVPR 2021), which has `body.0.body.ch_mask`; \
                     found 2 tensors: body.0.body.ch_masks, body.0.ca.conv_du.0.weight"
                ),
            ),
            (&["bert.encoder.layer.0.weight"], String::new()),
        ];
        for (names, expected) in &rows[..3] {
            assert_eq!(message(names), *expected);
        }
        let far = message(rows[3].0);
        assert!(far.contains("a known architecture (acnet, ") && !far.contains("nearest"), "{far}");
        assert!(far.ends_with("found 1 tensors: bert.encoder.layer.0.weight"), "{far}");
    }

    #[test]
    fn patterns_and_likeness() {
        assert_eq!(pattern("body.17.conv17_1.0.weight"), ["body", "#", "conv#_#", "#"]);
        assert_eq!(pattern("weight"), ["weight"]);
        let like = |a: &str, b: &str| likeness(&pattern(a), &pattern(b));
        for (a, b, expected) in [
            ("body.0.conv1.weight", "body.12.conv2.bias", 1.0),
            ("body.0.conv1.weight", "model.body.0.conv1.weight", 5.0 / 7.0),
            ("a.b.c", "c.b.a", 1.0 / 3.0),
            ("features.0.weight", "head.0.weight", 1.0 / 3.0),
            ("a", "b", 0.0),
        ] {
            assert_eq!(like(a, b), expected, "{a} and {b}");
        }
    }

    #[test]
    fn rows_are_whole() {
        for Architecture { name, title, keys, .. } in ARCHITECTURES {
            assert_eq!(*name, name.to_lowercase());
            assert!(title.contains(", ") && !keys.is_empty(), "{name}");
            assert!(keys.iter().all(|scheme| scheme.split(' ').all(|key| !key.is_empty())), "{name}");
        }
        let names: Vec<&str> = ARCHITECTURES.iter().map(|architecture| architecture.name).collect();
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn a_checkpoint_is_of_one_architecture_alone() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        for Architecture { name, .. } in ARCHITECTURES {
            let golden = Weights::load(format!("{folder}/{name}.safetensors").as_ref()).unwrap();
            let cases = golden.names().filter_map(|name| Some(name.split_once(".weights.")?.0));
            let cases: BTreeSet<&str> = cases.collect();
            assert!(!cases.is_empty(), "{name}");
            for case in cases {
                let prefix = format!("{case}.weights.");
                let tensor = |(name, numbers): (&str, &Parameter)| {
                    Some((name.strip_prefix(&prefix)?.to_owned(), numbers.clone()))
                };
                let weights = Weights::new(case, golden.iter().filter_map(tensor));
                let found = ARCHITECTURES.iter().filter(|known| (known.detect)(&weights).is_some());
                assert_eq!(found.map(|known| known.name).collect::<Vec<_>>(), [*name], "{case}");
            }
        }
    }
}
