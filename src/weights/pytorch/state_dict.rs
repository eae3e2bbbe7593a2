//! From what a pickle built to named tensors: the state_dict may lie in wrappers.

use super::{
    super::{
        Reading,
        names::{Taken, WRAPPERS},
    },
    pickle::Pickle,
    tensor::Tensor,
    value::{Heap, Items, Value},
};

/// How many wrappers are looked into. Bounds the search where a wrapper contains itself.
const MAX_WRAPPERS: usize = 64;

/// A state_dict's tensors, and whether it was one of several.
#[derive(Debug)]
pub(super) struct StateDict<'p> {
    pub(super) tensors: Vec<(String, &'p Tensor<'p>)>,
    pub(super) taken: Option<Taken>,
}

/// The pickle's state_dict. What else it has is skipped.
///
/// # Errors
/// If there is no tensor: what there is in its place.
pub(super) fn find<'p>(pickle: &'p Pickle<'_>) -> Reading<StateDict<'p>> {
    let heap = &pickle.heap;
    let found = |what: String| match pickle.class {
        Some([module, name]) => format!(
            "expected a state_dict, found a pickled Python object of class {module:.80}.{name:.80}; \
             save its state_dict instead: torch.save(model.state_dict(), path)"
        ),
        None => format!("expected a state_dict, found {what}"),
    };
    let Value::Dict(root) = pickle.root else { return Err(found(pickle.root.to_string())) };
    let (mut left, mut taken) = (MAX_WRAPPERS, None);
    let dict = unwrap(heap, root, &mut left, &mut taken).ok_or_else(|| found(keys(heap, root)))?;
    let tensors = entries(heap, dict).map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    Ok(StateDict { tensors, taken })
}

/// The state_dict in `dict`: in the best wrapper that has one, or `dict` itself.
fn unwrap(heap: &Heap<'_>, dict: Items, left: &mut usize, taken: &mut Option<Taken>) -> Option<Items> {
    *left = left.checked_sub(1)?;
    let inner = |name: &&'static str| match heap.entry(dict, name) {
        Some(Value::Dict(inner)) => Some((*name, inner)),
        _ => None,
    };
    let wrapped: Vec<(&str, Items)> = WRAPPERS.iter().filter_map(inner).collect();
    let best = wrapped.iter().find_map(|(name, inner)| Some((*name, unwrap(heap, *inner, left, taken)?)));
    let Some((name, found)) = best else { return entries(heap, dict).next().map(|_| dict) };
    // What is empty, or holds no tensors itself, was no choice.
    let others =
        wrapped.iter().filter(|(other, inner)| *other != name && entries(heap, *inner).next().is_some());
    let beside: Vec<String> = others.map(|(other, _)| (*other).to_owned()).collect();
    if !beside.is_empty() {
        *taken = Some(Taken { name: name.to_owned(), beside });
    }
    Some(found)
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
