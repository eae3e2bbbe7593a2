//! Every tensor of every golden network taken away, or made another's shape: that is seen, and said of weights.

use std::collections::BTreeMap;

use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::Weights;
use sparsr::{Error, Model};

use crate::support::golden::{self, Golden};

#[test]
fn tensors_that_do_not_fit_are_named() {
    for Golden { model, weights, .. } in golden::all() {
        let (name, tensors) = (model.name(), weights.into_iter().collect::<BTreeMap<_, _>>());
        for tensor in tensors.keys().filter(|tensor| !is_spare(name, tensor)) {
            assert!(is_missed(name, &tensors, tensor), "{name}: {tensor} is not missed");
        }
    }
}

/// What is not missed: another scale's, what branches take the place of, a factor that no network need have, batch
/// normalisation that is not computed, what follows from a window's size.
fn is_spare(case: &str, name: &str) -> bool {
    match case {
        "carn carn_x2" => name.contains(".up3.") || name.contains(".up4."),
        "carn carn_m_x3" => name.contains(".up4."),
        _ if name.ends_with(".weight1.scale") => case.starts_with("esrt"),
        _ if name.contains(".attn_mask") || name.contains("._op.bn") => true,
        // The first ones tell a window's size, and the others follow.
        _ if name.ends_with(".rpe_biases") => name != "layers.0.blocks.0.attn.attns.0.rpe_biases",
        _ => {
            name.ends_with(".wn_scale")
                || name == "no_norm"
                || (case.contains(" branches") && name.contains(".eval_conv."))
        }
    }
}

/// Spoils one tensor in every way: whatever is said to that is said of tensors. Whether its absence is noticed.
fn is_missed(case: &str, tensors: &BTreeMap<String, Parameter>, name: &str) -> bool {
    let dims = tensors[name].dims();
    let longer = |axis: usize| {
        let mut dims = dims.to_vec();
        dims[axis] += 1;
        dims
    };
    let mut shapes: Vec<Vec<usize>> = (0..dims.len()).map(longer).collect();
    shapes.extend([vec![], vec![0; dims.len()], vec![1; dims.len() + 1], vec![0]]);
    let load =
        |tensors: BTreeMap<String, Parameter>| match Model::from_weights(case, Weights::new(case, tensors)) {
            Ok(_) => false,
            Err(Error::Weights { .. }) => true,
            Err(error) => panic!("{case} with a spoilt {name}: {error}"),
        };
    for dims in shapes {
        let mut tensors = tensors.clone();
        let numbers = vec![0.5; dims.iter().product()];
        tensors.insert(name.into(), Parameter::new(dims, numbers));
        load(tensors);
    }
    let mut tensors = tensors.clone();
    tensors.remove(name);
    load(tensors)
}
