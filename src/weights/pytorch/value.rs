//! What a pickle holds: plain values that a reader can copy, and the heap where the compound ones lie.

use std::fmt;

use super::{
    global::Global,
    tensor::{Storage, Tensor},
};

/// A value on the machine's stack. Compound ones are handles into the [`Heap`], so a value that contains
/// itself is no trouble: nothing here is walked or dropped by recursion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i128),
    Text(&'a str),
    /// A tuple or a list.
    Sequence(Items),
    Dict(Items),
    Global(Global),
    Storage(Handle),
    Tensor(Handle),
    /// Something that no tensor is made of: a float, a set, a learning-rate scheduler.
    Opaque,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(text) => write!(f, "the text {text:.80}"),
            Self::Sequence(_) => f.write_str("a sequence"),
            Self::Dict(_) => f.write_str("a dictionary"),
            Self::Global(_) => f.write_str("a global"),
            Self::Storage(_) => f.write_str("a storage"),
            Self::Tensor(_) => f.write_str("a tensor"),
            Self::Opaque => f.write_str("another value"),
        }
    }
}

/// The items of a tuple, a list or a dictionary (keys and values by turns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Items(usize);

/// A tensor, or a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle(usize);

/// The compound values of one pickle.
#[derive(Debug, Default)]
pub(super) struct Heap<'a> {
    items: Vec<Vec<Value<'a>>>,
    storages: Vec<Storage<'a>>,
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Heap<'a> {
    pub(super) fn add(&mut self, items: Vec<Value<'a>>) -> Items {
        self.items.push(items);
        Items(self.items.len() - 1)
    }

    pub(super) fn extend(&mut self, Items(at): Items, more: impl IntoIterator<Item = Value<'a>>) {
        self.items[at].extend(more);
    }

    pub(super) fn items(&self, Items(at): Items) -> &[Value<'a>] {
        &self.items[at]
    }

    /// A dictionary's keys and values.
    pub(super) fn pairs(&self, dict: Items) -> impl DoubleEndedIterator<Item = (Value<'a>, Value<'a>)> {
        self.items(dict).as_chunks().0.iter().map(|&[key, value]| (key, value))
    }

    /// What a dictionary has under `name`: the last, if there are several.
    pub(super) fn entry(&self, dict: Items, name: &str) -> Option<Value<'a>> {
        self.pairs(dict).rev().find(|(key, _)| *key == Value::Text(name)).map(|(_, value)| value)
    }

    pub(super) fn add_storage(&mut self, storage: Storage<'a>) -> Value<'a> {
        self.storages.push(storage);
        Value::Storage(Handle(self.storages.len() - 1))
    }

    pub(super) fn storage(&self, Handle(at): Handle) -> Storage<'a> {
        self.storages[at]
    }

    /// Every storage that the pickle names, whether or not a tensor uses it.
    pub(super) fn storages(&self) -> &[Storage<'a>] {
        &self.storages
    }

    pub(super) fn add_tensor(&mut self, tensor: Tensor<'a>) -> Value<'a> {
        self.tensors.push(tensor);
        Value::Tensor(Handle(self.tensors.len() - 1))
    }

    pub(super) fn tensor(&self, Handle(at): Handle) -> &Tensor<'a> {
        &self.tensors[at]
    }
}
