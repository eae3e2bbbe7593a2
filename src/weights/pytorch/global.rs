//! The names that a checkpoint may use, and what is made of each. Nothing is imported, nothing is called:
//! a name stands for one of the few things below. Objects of other classes, which some training programs save beside
//! the state_dict, are passed over: of them there is nothing but that they are there.

use super::{
    super::{Number, Reading},
    tensor::{Format, Storage, Tensor},
    value::{Heap, Items, Value},
};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// A dictionary, perhaps of pairs that are given.
    Dict,
    /// A tensor of a storage, an offset, sizes and strides.
    Tensor,
    /// A parameter: its tensor, which is the first argument.
    Parameter,
    /// A kind of storage. Never called: it is part of a storage's identity.
    Storage(Format),
    /// Something that no tensor is made of.
    Opaque,
    /// A class of somebody's own: no more than that either, but worth a word where nothing else is found.
    Class,
}

/// Every accepted name.
const ACCEPTED: [(&str, &str, Global); 26] = [
    ("collections", "OrderedDict", Global::Dict),
    ("torch._utils", "_rebuild_tensor", Global::Tensor),
    ("torch._utils", "_rebuild_tensor_v2", Global::Tensor),
    ("torch._utils", "_rebuild_parameter", Global::Parameter),
    ("torch._utils", "_rebuild_parameter_with_state", Global::Parameter),
    ("torch", "HalfStorage", Global::Storage(Format::Number(Number::F16))),
    ("torch", "BFloat16Storage", Global::Storage(Format::Number(Number::Bf16))),
    ("torch", "FloatStorage", Global::Storage(Format::Number(Number::F32))),
    ("torch", "DoubleStorage", Global::Storage(Format::Number(Number::F64))),
    ("torch", "BoolStorage", Global::Storage(Format::Integer { bytes: 1 })),
    ("torch", "ByteStorage", Global::Storage(Format::Integer { bytes: 1 })),
    ("torch", "CharStorage", Global::Storage(Format::Integer { bytes: 1 })),
    ("torch", "ShortStorage", Global::Storage(Format::Integer { bytes: 2 })),
    ("torch", "IntStorage", Global::Storage(Format::Integer { bytes: 4 })),
    ("torch", "LongStorage", Global::Storage(Format::Integer { bytes: 8 })),
    ("torch", "Size", Global::Opaque),
    ("torch", "device", Global::Opaque),
    ("torch.serialization", "_get_layout", Global::Opaque),
    ("builtins", "dict", Global::Dict),
    ("builtins", "list", Global::Opaque),
    ("builtins", "set", Global::Opaque),
    ("builtins", "frozenset", Global::Opaque),
    ("__builtin__", "dict", Global::Dict),
    ("__builtin__", "list", Global::Opaque),
    ("__builtin__", "set", Global::Opaque),
    ("_codecs", "encode", Global::Opaque),
];

/// Modules of plain values: whatever they make, no tensor is made of it.
const PLAIN: [&str; 13] = [
    "argparse",
    "collections",
    "datetime",
    "decimal",
    "fractions",
    "numpy",
    "numpy._core.multiarray",
    "numpy.core.multiarray",
    "numpy.dtypes",
    "pathlib",
    "pathlib._local",
    "uuid",
    "zoneinfo",
];

/// PyTorch's names for the kinds of numbers.
const DTYPES: [&str; 12] = [
    "bfloat16",
    "bool",
    "complex128",
    "complex64",
    "float16",
    "float32",
    "float64",
    "int16",
    "int32",
    "int64",
    "int8",
    "uint8",
];

impl Global {
    /// What a name stands for.
    ///
    /// # Errors
    /// The name, and those that are accepted.
    pub(super) fn find(module: &str, name: &str) -> Reading<Self> {
        let accepted = ACCEPTED.iter().find(|(m, n, _)| (*m, *n) == (module, name));
        match accepted {
            Some((_, _, global)) => Ok(*global),
            None if PLAIN.contains(&module) || module == "torch" && DTYPES.contains(&name) => {
                Ok(Self::Opaque)
            }
            None if is_class(module, name) => Ok(Self::Class),
            None => Err(foreign(module, name)),
        }
    }

    /// What Python would make by calling it.
    pub(super) fn call<'a>(self, heap: &mut Heap<'a>, arguments: Items) -> Reading<Value<'a>> {
        match self {
            Self::Dict => dict(heap, arguments),
            Self::Tensor => Ok(tensor(heap, arguments)?),
            Self::Parameter => {
                let tensor = heap.items(arguments).first();
                tensor.copied().ok_or_else(|| "a parameter is made of no tensor".to_owned())
            }
            Self::Storage(_) => Err("a storage is called".to_owned()),
            Self::Opaque | Self::Class => Ok(Value::Opaque),
        }
    }
}

/// Whether a name is a class of somebody's own: these begin with a capital, and torch has none but its storages.
fn is_class(module: &str, name: &str) -> bool {
    module != "torch" && name.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_uppercase))
}

/// Says that a name is foreign.
fn foreign(module: &str, name: &str) -> String {
    let global = format!("{module:.80}.{name:.80}");
    let accepted: Vec<_> = ACCEPTED.iter().map(|(module, name, _)| format!("{module}.{name}")).collect();
    format!("the global {global} is not accepted, nothing was executed; accepted are {}", accepted.join(", "))
}

/// `OrderedDict()`, or of a list of pairs as Python 2 wrote it.
fn dict<'a>(heap: &mut Heap<'a>, arguments: Items) -> Reading<Value<'a>> {
    let mut entries = Vec::new();
    if let Some(&Value::Sequence(pairs)) = heap.items(arguments).first() {
        for pair in heap.items(pairs) {
            match pair {
                Value::Sequence(pair) if heap.items(*pair).len() == 2 => entries.extend(heap.items(*pair)),
                other => return Err(format!("a dictionary is made of {other}, which is no pair")),
            }
        }
    }
    Ok(Value::Dict(heap.add(entries)))
}

/// `_rebuild_tensor_v2(storage, offset, sizes, strides, …)`. What follows concerns training.
fn tensor<'a>(heap: &mut Heap<'a>, arguments: Items) -> Reading<Value<'a>> {
    let &[Value::Storage(storage), Value::Int(offset), Value::Sequence(dims), Value::Sequence(strides), ..] =
        heap.items(arguments)
    else {
        return Err("a tensor is not made of a storage, an offset, sizes and strides".to_owned());
    };
    let tensor =
        Tensor::new(heap.storage(storage), index(offset)?, indices(heap, dims)?, indices(heap, strides)?)?;
    Ok(heap.add_tensor(tensor))
}

/// `('storage', torch.FloatStorage, '0', 'cpu', 1728)`: the identity of a storage that lies elsewhere in the
/// file. A sixth item is a view into another storage, which PyTorch has not written since 0.4.
pub(super) fn persistent<'a>(heap: &mut Heap<'a>, identity: Value<'a>) -> Reading<Value<'a>> {
    let items = match identity {
        Value::Sequence(items) => heap.items(items),
        _ => &[],
    };
    let no_view = items.strip_suffix(&[Value::None]).unwrap_or(items);
    match *no_view {
        [
            Value::Text("storage"),
            Value::Global(Global::Storage(format)),
            Value::Text(key),
            _,
            Value::Int(len),
        ] => {
            let storage = Storage { key, format, len: index(len)? };
            Ok(heap.add_storage(storage))
        }
        // A module's class and its source, as PyTorch wrote it before version 1.6.
        [Value::Text("module"), class @ Value::Global(_), ..] => Ok(class),
        _ => Err("a persistent object that is not a storage's kind, key, device and length".to_owned()),
    }
}

fn index(value: i128) -> Reading<usize> {
    usize::try_from(value).map_err(|_| format!("{value} is no size, stride or offset"))
}

fn indices(heap: &Heap<'_>, items: Items) -> Reading<Vec<usize>> {
    let each = heap.items(items).iter().map(|value| match value {
        Value::Int(value) => index(*value),
        other => Err(format!("{other} is no size, stride or offset")),
    });
    each.collect()
}
