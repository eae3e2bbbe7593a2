//! What is computed of fixed tensors alone: arithmetic with sizes and places, and with weights where an exporter left some.
//!
//! Every tensor that is made counts against a [`Budget`], so that no shape in a file makes numbers of nothing.

mod arithmetic;
mod moving;

use std::cell::Cell;
use std::sync::Arc;

pub(super) use self::moving::{cuts, order, reshaped, squeezed, unsqueezed};
use super::file::Node;
use super::fixed::{Element, Fixed, Numbers, count};
use super::protobuf::Reading;

/// Numbers that may still be made.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    /// So many numbers.
    pub(super) fn of(numbers: usize) -> Self {
        Self(Cell::new(numbers))
    }

    /// Takes the numbers of a tensor of these axes, and says how many they are.
    pub(super) fn take(&self, dims: &[usize]) -> Reading<usize> {
        let (left, wanted) = (self.0.get(), count(dims));
        match wanted.and_then(|wanted| Some((wanted, left.checked_sub(wanted)?))) {
            Some((wanted, left)) => {
                self.0.set(left);
                Ok(wanted)
            }
            None => Err(format!("expected tensors in proportion to the file, found one of axes {dims:?}")),
        }
    }
}

/// What a node makes of fixed tensors; `None` if this is not done with them.
pub(super) fn fold(
    node: Node<'_>,
    inputs: &[Option<&Fixed>],
    budget: &Budget,
) -> Reading<Option<Vec<Fixed>>> {
    let input = |at: usize| {
        let given = inputs.get(at).copied().flatten();
        given.ok_or_else(|| format!("expected an input {at}, found none"))
    };
    let list = |name: &str, at: usize| match inputs.get(at).copied().flatten() {
        Some(given) => given.as_integers().map(|list| Some(list.to_vec())),
        None => Ok(node.integers(name)),
    };
    let one = |fixed: Fixed| Ok(Some(vec![fixed]));
    match node.operator {
        "Constant" => one(constant(node)?),
        "Identity" | "Dropout" => one(input(0)?.clone()),
        "Shape" => one(Fixed::list(input(0)?.dims.iter().map(|length| *length as i64).collect())),
        "Size" => one(Fixed::integers(vec![], vec![input(0)?.len() as i64])),
        "Cast" => one(cast(input(0)?, Element::of(node.integer("to").unwrap_or_default())?, budget)?),
        "CastLike" => {
            let element = match input(1)?.numbers {
                Numbers::Floats(_) => Element::F32,
                Numbers::Integers(_) => Element::Integer(8, true),
            };
            one(cast(input(0)?, element, budget)?)
        }
        "Reshape" => one(moving::reshape(input(0)?, input(1)?.as_integers()?)?),
        "Flatten" => {
            let x = input(0)?;
            let at = axis(node.integer("axis").unwrap_or(1), x.dims.len() + 1)?;
            let sides = [&x.dims[..at], &x.dims[at..]].map(|dims| count(dims).unwrap_or_default());
            one(Fixed { dims: sides.to_vec(), ..x.clone() })
        }
        "Unsqueeze" => {
            let axes = list("axes", 1)?.ok_or("expected axes, found none")?;
            one(moving::unsqueeze(input(0)?, &axes)?)
        }
        "Squeeze" => one(moving::squeeze(input(0)?, list("axes", 1)?.as_deref())?),
        "Transpose" => one(moving::transpose(input(0)?, node.integers("perm"), budget)?),
        "Expand" => one(moving::expand(input(0)?, input(1)?.as_integers()?, budget)?),
        "Gather" => one(moving::gather(input(0)?, input(1)?, node.integer("axis").unwrap_or(0), budget)?),
        "Concat" => {
            let parts: Vec<&Fixed> = inputs.iter().copied().flatten().collect();
            one(moving::concat(&parts, node.integer("axis").unwrap_or(0), budget)?)
        }
        "Slice" => {
            let [starts, ends] = [("starts", 1), ("ends", 2)].map(|(name, at)| list(name, at));
            let (starts, ends) = (starts?.unwrap_or_default(), ends?.unwrap_or_default());
            let (axes, steps) = (list("axes", 3)?, list("steps", 4)?);
            one(moving::slice(input(0)?, &moving::cuts(&starts, &ends, axes, steps)?, budget)?)
        }
        "ConstantOfShape" => one(moving::filled(node, input(0)?.as_integers()?, budget)?),
        "Range" => one(moving::range([input(0)?, input(1)?, input(2)?], budget)?),
        "Where" => one(arithmetic::choose([input(0)?, input(1)?, input(2)?], budget)?),
        "Neg" | "Abs" | "Floor" | "Ceil" | "Round" | "Sqrt" | "Reciprocal" | "Exp" | "Not" => {
            one(arithmetic::unary(node.operator, input(0)?, budget)?)
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Min" | "Max" | "Equal" | "Less" | "Greater"
        | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" => {
            let way = arithmetic::Way::of(node.operator, node.integer("fmod") == Some(1));
            let mut sum = input(0)?.clone();
            for other in inputs.iter().skip(1).copied().flatten() {
                sum = arithmetic::binary(way, &sum, other, budget)?;
            }
            one(sum)
        }
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" => {
            one(arithmetic::reduce(node.operator, input(0)?)?)
        }
        _ => Ok(None),
    }
}

/// The tensor that a `Constant` holds, in one of its attributes.
fn constant(node: Node<'_>) -> Reading<Fixed> {
    if let Some(tensor) = node.tensor("value") {
        return Fixed::read(tensor);
    }
    if let Some(number) = node.float("value_float") {
        return Ok(Fixed::floats(vec![], vec![number]));
    }
    if let Some(number) = node.integer("value_int") {
        return Ok(Fixed::integers(vec![], vec![number]));
    }
    if let Some(numbers) = node.floats("value_floats") {
        return Ok(Fixed::floats(vec![numbers.len()], numbers));
    }
    let numbers = node.integers("value_ints").map(Fixed::list);
    numbers.ok_or_else(|| "expected a tensor or numbers, found text or nothing".into())
}

/// The same numbers as others. Real ones are of f32 whatever their type.
fn cast(x: &Fixed, to: Element, budget: &Budget) -> Reading<Fixed> {
    let numbers = match (&x.numbers, to) {
        (Numbers::Floats(_), to) if to.is_real() => return Ok(x.clone()),
        (Numbers::Integers(_), Element::Integer(..)) => return Ok(x.clone()),
        (Numbers::Floats(floats), Element::Bool) => {
            Numbers::Integers(floats.iter().map(|number| i64::from(*number != 0.0)).collect())
        }
        (Numbers::Integers(integers), Element::Bool) => {
            Numbers::Integers(integers.iter().map(|number| i64::from(*number != 0)).collect())
        }
        (Numbers::Floats(floats), _) => {
            Numbers::Integers(floats.iter().map(|number| *number as i64).collect())
        }
        (Numbers::Integers(integers), _) => {
            Numbers::Floats(integers.iter().map(|number| *number as f32).collect())
        }
    };
    budget.take(&[2, x.len()])?;
    Ok(Fixed { dims: x.dims.clone(), numbers })
}

/// An axis of so many, counted from the end if it is below 0.
pub(super) fn axis(axis: i64, axes: usize) -> Reading<usize> {
    let counted = if axis < 0 { axis.checked_add(axes as i64) } else { Some(axis) };
    let counted = counted.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < axes);
    counted.ok_or_else(|| format!("expected an axis of {axes}, found {axis}"))
}

/// Numbers by their place, taken from a budget.
pub(super) fn made<T>(
    dims: &[usize],
    budget: &Budget,
    mut number: impl FnMut(usize) -> T,
) -> Reading<Arc<[T]>> {
    // A whole number takes as much as two real ones.
    budget.take(&[size_of::<T>().div_ceil(4), count(dims).unwrap_or(usize::MAX)])?;
    Ok((0..count(dims).unwrap_or(0)).map(&mut number).collect())
}
