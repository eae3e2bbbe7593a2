//! Names without what training programs put before them.
//!
//! `DataParallel` names everything `module.…`, `torch.compile` `_orig_mod.…`, wrappers and trainers after the attribute
//! that holds the network. A prefix goes where every name has it, again and again; what is left are the network's own
//! names. Where there are several networks in one file, a generator beside its discriminator or beside its average, the
//! best is taken and the others are passed over, which [`Taken`] tells. In files that nest dictionaries,
//! [`state_dict`](super::pytorch) finds the innermost first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::tensor::Parameter;

/// Under what names training programs keep a network, the best first: averaged parameters before the plain ones.
pub(super) const WRAPPERS: [&str; 22] = [
    "params_ema",
    "params-ema",
    "ema_state_dict",
    "state_dict_ema",
    "generator_ema",
    "net_g_ema",
    "model_ema",
    "ema_model",
    "ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net_g",
    "netG",
    "net",
    "network",
    "generator",
    "g",
    "state",
    "module",
    "weights",
];

/// What else training programs keep beside a network.
const COMPANIONS: [&str; 8] =
    ["discriminator", "net_d", "netD", "d", "perceptual_loss", "pixel_loss", "gan_loss", "data_preprocessor"];

/// Goes whatever follows. A wrapper goes unless a number follows, since then it is a sequence of layers and part of the
/// network: ESRGAN's first names are `model.0.weight`, `model.1.sub.0.RDB1.conv1.0.weight`.
const CONTAINERS: [&str; 2] = ["module", "_orig_mod"];

/// Which of several networks in a file was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What the file calls it.
    pub name: String,
    /// What the file calls the others.
    pub beside: Vec<String>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, not {}", self.name, self.beside.join(", "))
    }
}

/// The parameters of one network under its own names, and whether it was one of several.
pub(super) fn own(
    mut parameters: BTreeMap<String, Parameter>,
) -> (BTreeMap<String, Parameter>, Option<Taken>) {
    let mut taken = None;
    loop {
        let prefix = common(&parameters);
        if prefix > 0 {
            // Names keep their order, since all lose the same.
            parameters =
                parameters.into_iter().map(|(name, found)| (name[prefix..].to_owned(), found)).collect();
        }
        let Some(best) = best(&parameters) else { return (parameters, taken) };
        parameters.retain(|name, _| name.split('.').next() == Some(&best.name));
        taken = Some(best);
    }
}

/// The best of several networks, if all else is what may be beside it: what no picture goes through, or the same
/// network once more.
fn best(parameters: &BTreeMap<String, Parameter>) -> Option<Taken> {
    let mut networks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in parameters.keys() {
        let (network, name) = name.split_once('.')?;
        networks.entry(network).or_default().insert(name);
    }
    let (name, own) = WRAPPERS.iter().find_map(|wrapper| networks.get_key_value(wrapper))?;
    let may_be_beside =
        |(other, names): &(&&str, &BTreeSet<&str>)| COMPANIONS.contains(other) || *names == own;
    let beside: Vec<String> =
        networks.keys().filter(|other| *other != name).map(|other| (*other).to_owned()).collect();
    (!beside.is_empty() && networks.iter().all(|network| may_be_beside(&(network.0, network.1))))
        .then(|| Taken { name: (*name).to_owned(), beside })
}

/// How many bytes all names can do without.
fn common(parameters: &BTreeMap<String, Parameter>) -> usize {
    let (Some((first, _)), Some((last, _))) = (parameters.first_key_value(), parameters.last_key_value())
    else {
        return 0;
    };
    let mut length = 0;
    loop {
        // In order of the alphabet what the first and the last name begin with all do.
        let shared = |prefix: &&&str| {
            [first, last]
                .iter()
                .all(|name| name[length..].strip_prefix(**prefix).is_some_and(|rest| rest.starts_with('.')))
        };
        let container = CONTAINERS.iter().find(shared);
        let Some(prefix) = container.or_else(|| WRAPPERS.iter().find(shared)) else { return length };
        let mut rests = parameters.keys().map(|name| &name[length + prefix.len() + 1..]);
        let bare = |rest: &str| {
            rest.is_empty() || (container.is_none() && rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        if rests.any(bare) {
            return length;
        }
        length += prefix.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_names_have_goes() {
        let cases: [(&[&str], &[&str]); 13] = [
            (&["head.weight", "tail.weight"], &["head.weight", "tail.weight"]),
            (&["module.a", "module.b.c"], &["a", "b.c"]),
            (&["module.a", "b"], &["b", "module.a"]),
            (&["state_dict.model.module.a", "state_dict.model.module.b"], &["a", "b"]),
            (&["_orig_mod.net_g.a", "_orig_mod.net_g.b"], &["a", "b"]),
            (&["generator.a", "generator.b", "generator.model.c"], &["a", "b", "model.c"]),
            // ESRGAN's own names, also within a container and a wrapper.
            (&["model.0.weight", "model.1.sub.0.bias"], &["model.0.weight", "model.1.sub.0.bias"]),
            (&["module.model.0.weight", "module.model.1.bias"], &["model.0.weight", "model.1.bias"]),
            (&["params.model.0.weight"], &["model.0.weight"]),
            (&["module.0.weight", "module.2.weight"], &["0.weight", "2.weight"]),
            (&["model."], &["model."]),
            (&["params-ema.g.a", "params-ema.g.b"], &["a", "b"]),
            (&["gate.a", "gate.b"], &["gate.a", "gate.b"]),
        ];
        for (names, expected) in cases {
            let parameters = names.iter().map(|name| ((*name).to_owned(), Parameter::new([1], vec![0.0])));
            let (found, taken) = own(parameters.collect());
            assert_eq!(
                (found.keys().map(String::as_str).collect::<Vec<_>>(), taken),
                (expected.to_vec(), None)
            );
        }
        assert!(own(BTreeMap::new()).0.is_empty());
    }

    #[test]
    fn of_several_networks_the_best_is_taken() {
        let cases: [(&[&str], &[&str], &str); 7] = [
            (&["generator.a.b", "discriminator.c.d"], &["a.b"], "generator, not discriminator"),
            (
                &["module.generator.a", "module.generator_ema.a", "module.discriminator.0.c"],
                &["a"],
                "generator_ema, not discriminator, generator",
            ),
            (&["params.model.a", "params_ema.model.a"], &["a"], "params_ema, not params"),
            // Not the same network twice, and what is no companion.
            (&["generator.a", "generator_ema.b"], &["generator.a", "generator_ema.b"], ""),
            (&["generator.a", "head.b"], &["generator.a", "head.b"], ""),
            (&["net.a", "model.b"], &["model.b", "net.a"], ""),
            (&["generator.a", "b"], &["b", "generator.a"], ""),
        ];
        for (names, expected, told) in cases {
            let parameters = names.iter().map(|name| ((*name).to_owned(), Parameter::new([1], vec![0.0])));
            let (found, taken) = own(parameters.collect());
            assert_eq!(found.keys().collect::<Vec<_>>(), expected, "{names:?}");
            assert_eq!(taken.map(|taken| taken.to_string()).unwrap_or_default(), told, "{names:?}");
        }
    }
}
