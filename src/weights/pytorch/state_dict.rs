//! From what a pickle built to named tensors: the state_dict may lie in wrappers.

use super::{
    super::Reading,
    pickle::Pickle,
    tensor::Tensor,
    value::{Heap, Items, Value},
};

/// Under what names training programs keep the state_dict, the best first: averaged parameters before the
/// plain ones.
const WRAPPERS: [&str; 13] = [
    "params_ema",
    "params",
    "state_dict_ema",
    "state_dict",
    "model_state_dict",
    "model_ema",
    "model",
    "net_g",
    "netG",
    "net",
    "network",
    "generator",
    "weights",
];

/// How many wrappers are looked into. Bounds the search where a wrapper contains itself.
const MAX_WRAPPERS: usize = 64;

/// The tensors of the pickle's state_dict. What else it has is skipped.
///
/// # Errors
/// If there is no tensor: what there is in its place.
pub(super) fn tensors<'p>(pickle: &'p Pickle<'_>) -> Reading<Vec<(String, &'p Tensor<'p>)>> {
    let heap = &pickle.heap;
    let found = |what: String| match pickle.class {
        Some([module, name]) => format!(
            "expected a state_dict, found a pickled Python object of class {module:.80}.{name:.80}; \
             save its state_dict instead: torch.save(model.state_dict(), path)"
        ),
        None => format!("expected a state_dict, found {what}"),
    };
    let Value::Dict(root) = pickle.root else { return Err(found(pickle.root.to_string())) };
    let mut left = MAX_WRAPPERS;
    let dict = unwrap(heap, root, &mut left).ok_or_else(|| found(keys(heap, root)))?;
    Ok(entries(heap, dict).map(|(name, tensor)| (name.to_owned(), tensor)).collect())
}

/// The state_dict in `dict`: in the best wrapper that has one, or `dict` itself.
fn unwrap(heap: &Heap<'_>, dict: Items, left: &mut usize) -> Option<Items> {
    *left = left.checked_sub(1)?;
    let mut inner = WRAPPERS.iter().filter_map(|name| match heap.entry(dict, name) {
        Some(Value::Dict(inner)) => Some(inner),
        _ => None,
    });
    let wrapped = inner.find_map(|inner| unwrap(heap, inner, left));
    wrapped.or_else(|| entries(heap, dict).next().map(|_| dict))
}

/// The entries of `dict` that are tensors.
fn entries<'h>(heap: &'h Heap<'_>, dict: Items) -> impl Iterator<Item = (&'h str, &'h Tensor<'h>)> {
    heap.pairs(dict).filter_map(|entry| match entry {
        (Value::Text(name), Value::Tensor(tensor)) => Some((name, heap.tensor(tensor))),
        _ => None,
    })
}

/// The keys of a dictionary in which nothing was found, for the error.
fn keys(heap: &Heap<'_>, dict: Items) -> String {
    let keys: Vec<_> = heap
        .pairs(dict)
        .filter_map(|(key, _)| match key {
            Value::Text(key) => Some(key),
            _ => None,
        })
        .take(8)
        .collect();
    match heap.items(dict).len() / 2 {
        0 => "an empty dictionary".to_owned(),
        entries => format!("a dictionary without tensors, of {entries} entries: {}", keys.join(", ")),
    }
}
