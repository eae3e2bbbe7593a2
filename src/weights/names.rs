//! Names without what training programs put before all of them.
//!
//! `DataParallel` names everything `module.…`, `torch.compile` `_orig_mod.…`, wrappers and trainers after the attribute
//! that holds the network. A prefix goes where every name has it, again and again; what is left are the network's own
//! names. In files that nest dictionaries, [`state_dict`](super::pytorch) finds the innermost first.

use std::collections::BTreeMap;

use crate::tensor::Parameter;

/// Goes whatever follows.
const CONTAINERS: [&str; 2] = ["module.", "_orig_mod."];

/// Goes unless a number follows, since then it is a sequence of layers and part of the network: ESRGAN's first names
/// are `model.0.weight`, `model.1.sub.0.RDB1.conv1.0.weight`.
const WRAPPERS: [&str; 13] = [
    "params_ema.",
    "params.",
    "state_dict_ema.",
    "state_dict.",
    "model_state_dict.",
    "model_ema.",
    "model.",
    "net_g.",
    "netG.",
    "net.",
    "network.",
    "generator.",
    "weights.",
];

/// The parameters under the network's own names.
pub(super) fn stripped(mut parameters: BTreeMap<String, Parameter>) -> BTreeMap<String, Parameter> {
    let prefix = common(&parameters);
    if prefix > 0 {
        // Names keep their order, since all lose the same.
        parameters = parameters.into_iter().map(|(name, found)| (name[prefix..].to_owned(), found)).collect();
    }
    parameters
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
        let shared = |prefix: &&&str| [first, last].iter().all(|name| name[length..].starts_with(**prefix));
        let container = CONTAINERS.iter().find(shared);
        let Some(prefix) = container.or_else(|| WRAPPERS.iter().find(shared)) else { return length };
        let mut rests = parameters.keys().map(|name| &name[length + prefix.len()..]);
        let bare = |rest: &str| {
            rest.is_empty() || (container.is_none() && rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        if rests.any(bare) {
            return length;
        }
        length += prefix.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_names_have_goes() {
        let cases: [(&[&str], &[&str]); 11] = [
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
        ];
        for (names, expected) in cases {
            let parameters = names.iter().map(|name| ((*name).to_owned(), Parameter::new([1], vec![0.0])));
            let found = stripped(parameters.collect());
            assert_eq!(found.keys().collect::<Vec<_>>(), expected, "{names:?}");
        }
        assert!(stripped(BTreeMap::new()).is_empty());
    }
}
