//! Fixed tensors of other axes, in another order, in part, or repeated.

use super::super::file::Node;
use super::super::fixed::{Fixed, Numbers, count};
use super::super::protobuf::Reading;
use super::{Budget, axis, made};

/// The most axes of a tensor here.
const AXES: usize = 8;

/// A part of an axis: from the first place in steps, up to the last one's next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Cut {
    /// Which axis, from the end if below 0.
    pub(in super::super) axis: i64,
    start: i64,
    end: i64,
    step: i64,
}

impl Cut {
    /// The first place, the step, and how many, on an axis of this length.
    pub(in super::super) fn on(self, length: usize) -> (usize, i64, usize) {
        let long = length as i64;
        let place = |at: i64, low: i64, high: i64| {
            let at = if at < 0 { at.saturating_add(long) } else { at };
            at.clamp(low, high)
        };
        let (start, end) = match self.step > 0 {
            true => (place(self.start, 0, long), place(self.end, 0, long)),
            false => (place(self.start, -1, long - 1), place(self.end, -1, long - 1)),
        };
        let room = if self.step > 0 { end - start } else { start - end };
        let taken = if room > 0 { (room as u64).div_ceil(self.step.unsigned_abs()) as usize } else { 0 };
        (if taken == 0 { 0 } else { start as usize }, self.step, taken)
    }
}

/// What a `Slice` says.
pub(in super::super) fn cuts(
    starts: &[i64],
    ends: &[i64],
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
) -> Reading<Vec<Cut>> {
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    let lengths = [starts.len(), ends.len(), axes.len(), steps.len()];
    if lengths.iter().any(|length| *length != starts.len()) || steps.contains(&0) || starts.len() > AXES {
        return Err(format!("expected as many starts, ends, axes and steps, found {lengths:?}"));
    }
    let cut = |at: usize| Cut { axis: axes[at], start: starts[at], end: ends[at], step: steps[at] };
    Ok((0..starts.len()).map(cut).collect())
}

/// A tensor whose numbers lie in another one's at equal distances along each axis.
fn strided(x: &Fixed, dims: Vec<usize>, strides: &[i64], start: usize, budget: &Budget) -> Reading<Fixed> {
    let place = places(&dims, strides.to_vec());
    let place = |at: usize| (start as i64 + place(at)) as usize;
    let numbers = match &x.numbers {
        Numbers::Floats(x) => Numbers::Floats(made(&dims, budget, |at| x[place(at)])?),
        Numbers::Integers(x) => Numbers::Integers(made(&dims, budget, |at| x[place(at)])?),
    };
    Ok(Fixed { dims, numbers })
}

/// The sum of strides for the number at a place in C order.
fn places(dims: &[usize], strides: Vec<i64>) -> impl Fn(usize) -> i64 + use<> {
    let dims = dims.to_vec();
    move |mut at: usize| {
        let mut sum = 0;
        for (length, stride) in dims.iter().zip(&strides).rev() {
            sum += (at % length) as i64 * stride;
            at /= length;
        }
        sum
    }
}

/// The distance between neighbours along each axis.
fn strides(dims: &[usize]) -> Vec<i64> {
    let mut strides = vec![1; dims.len()];
    for at in (1..dims.len()).rev() {
        strides[at - 1] = strides[at] * dims[at] as i64;
    }
    strides
}

/// The strides along the axes of something larger that a tensor is repeated to.
fn repeated(dims: &[usize], axes: usize) -> Vec<i64> {
    let own = strides(dims);
    let stride = |at: usize| match (at + own.len()).checked_sub(axes) {
        Some(at) if dims[at] > 1 => own[at],
        _ => 0,
    };
    (0..axes).map(stride).collect()
}

/// The axes of tensors of these, each repeated along those of which it has one and another more.
fn common(tensors: &[&[usize]]) -> Reading<Vec<usize>> {
    let axes = tensors.iter().map(|dims| dims.len()).max().unwrap_or_default();
    let mut made = vec![1; axes];
    for dims in tensors {
        for (made, length) in made.iter_mut().rev().zip(dims.iter().rev()) {
            match *length {
                1 => {}
                length if *made == 1 || *made == length => *made = length,
                length => return Err(format!("expected axes that go together, found {made} and {length}")),
            }
        }
    }
    Ok(made)
}

/// The axes of tensors side by side, and for each where its number for a place is.
#[expect(clippy::type_complexity, reason = "functions have no shorter type")]
pub(super) fn broadcast<const N: usize>(
    tensors: [&Fixed; N],
) -> Reading<(Vec<usize>, [Box<dyn Fn(usize) -> usize>; N])> {
    let dims = common(&tensors.map(|tensor| &*tensor.dims))?;
    let place = tensors.map(|tensor| {
        let place = places(&dims, repeated(&tensor.dims, dims.len()));
        Box::new(move |at: usize| place(at) as usize) as Box<dyn Fn(usize) -> usize>
    });
    Ok((dims, place))
}

/// The axes that a `Reshape` asks for, of a tensor of these.
pub(in super::super) fn reshaped(dims: &[usize], wanted: &[i64]) -> Reading<Vec<usize>> {
    let refused = || format!("expected axes for the numbers of {dims:?}, found {wanted:?}");
    if wanted.len() > AXES {
        return Err(format!("expected at most {AXES} axes, found {}", wanted.len()));
    }
    let whole = count(dims).ok_or_else(refused)?;
    let (mut made, mut open) = (Vec::with_capacity(wanted.len()), None);
    for (at, length) in wanted.iter().enumerate() {
        made.push(match *length {
            0 => *dims.get(at).ok_or_else(refused)?,
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            length => usize::try_from(length).map_err(|_| refused())?,
        });
    }
    let known = count(&made).ok_or_else(refused)?;
    if let Some(at) = open {
        made[at] = whole.checked_div(known).unwrap_or_default();
    }
    if count(&made) == Some(whole) { Ok(made) } else { Err(refused()) }
}

pub(super) fn reshape(x: &Fixed, wanted: &[i64]) -> Reading<Fixed> {
    Ok(Fixed { dims: reshaped(&x.dims, wanted)?, ..x.clone() })
}

/// Axes with ones put in at these places.
pub(in super::super) fn unsqueezed(dims: &[usize], axes: &[i64]) -> Reading<Vec<usize>> {
    let all = dims.len() + axes.len();
    if all > AXES {
        return Err(format!("expected at most {AXES} axes, found {all}"));
    }
    let ones = axes.iter().map(|at| axis(*at, all)).collect::<Reading<Vec<usize>>>()?;
    let mut own = dims.iter().copied();
    let made = (0..all).map(|at| if ones.contains(&at) { 1 } else { own.next().unwrap_or(1) }).collect();
    match own.next() {
        None => Ok(made),
        Some(_) => Err(format!("expected every axis once, found {axes:?}")),
    }
}

pub(super) fn unsqueeze(x: &Fixed, axes: &[i64]) -> Reading<Fixed> {
    Ok(Fixed { dims: unsqueezed(&x.dims, axes)?, ..x.clone() })
}

/// Axes without the ones at these places, or without any.
pub(in super::super) fn squeezed(dims: &[usize], axes: Option<&[i64]>) -> Reading<Vec<usize>> {
    let gone = match axes {
        Some(axes) => axes.iter().map(|at| axis(*at, dims.len())).collect::<Reading<Vec<usize>>>()?,
        None => (0..dims.len()).filter(|at| dims[*at] == 1).collect(),
    };
    if let Some(at) = gone.iter().find(|at| dims[**at] != 1) {
        return Err(format!("expected axes of length 1 to leave out, found one of {}", dims[*at]));
    }
    Ok((0..dims.len()).filter(|at| !gone.contains(at)).map(|at| dims[at]).collect())
}

pub(super) fn squeeze(x: &Fixed, axes: Option<&[i64]>) -> Reading<Fixed> {
    Ok(Fixed { dims: squeezed(&x.dims, axes)?, ..x.clone() })
}

/// The order of axes that a `Transpose` asks for: each of so many once.
pub(in super::super) fn order(axes: usize, wanted: Option<Vec<i64>>) -> Reading<Vec<usize>> {
    let Some(wanted) = wanted else { return Ok((0..axes).rev().collect()) };
    let order = wanted.iter().map(|at| axis(*at, axes)).collect::<Reading<Vec<usize>>>()?;
    let each_once = (0..axes).all(|at| order.iter().filter(|other| **other == at).count() == 1);
    if each_once && order.len() == axes {
        Ok(order)
    } else {
        Err(format!("expected an order of {axes} axes, found {wanted:?}"))
    }
}

pub(super) fn transpose(x: &Fixed, wanted: Option<Vec<i64>>, budget: &Budget) -> Reading<Fixed> {
    let order = order(x.dims.len(), wanted)?;
    let own = strides(&x.dims);
    let dims = order.iter().map(|at| x.dims[*at]).collect();
    strided(x, dims, &order.iter().map(|at| own[*at]).collect::<Vec<_>>(), 0, budget)
}

pub(super) fn expand(x: &Fixed, wanted: &[i64], budget: &Budget) -> Reading<Fixed> {
    let refused = || format!("expected axes to repeat {:?} along, found {wanted:?}", x.dims);
    let lengths: Option<Vec<usize>> = wanted.iter().map(|length| usize::try_from(*length).ok()).collect();
    let lengths = lengths.filter(|lengths| lengths.len() <= AXES).ok_or_else(refused)?;
    let dims = common(&[&x.dims, &lengths])?;
    let strides = repeated(&x.dims, dims.len());
    strided(x, dims, &strides, 0, budget)
}

pub(super) fn slice(x: &Fixed, cuts: &[Cut], budget: &Budget) -> Reading<Fixed> {
    let (mut dims, mut along, mut first) = (x.dims.clone(), strides(&x.dims), 0);
    let own = along.clone();
    for cut in cuts {
        let at = axis(cut.axis, dims.len())?;
        if dims[at] != x.dims[at] || along[at] != own[at] {
            return Err("expected every axis cut once, found one twice".into());
        }
        let (start, step, taken) = cut.on(x.dims[at]);
        first += start * own[at] as usize;
        (dims[at], along[at]) = (taken, if taken > 1 { own[at] * step } else { 0 });
    }
    strided(x, dims, &along, first, budget)
}

pub(super) fn gather(x: &Fixed, chosen: &Fixed, at: i64, budget: &Budget) -> Reading<Fixed> {
    let at = axis(at, x.dims.len())?;
    let (length, inner) = (x.dims[at], count(&x.dims[at + 1..]).unwrap_or_default());
    let taken = chosen.as_integers()?.iter().map(|place| axis(*place, length));
    let taken = taken.collect::<Reading<Vec<usize>>>()?;
    let dims = [&x.dims[..at], &chosen.dims, &x.dims[at + 1..]].concat();
    if dims.len() > AXES {
        return Err(format!("expected at most {AXES} axes, found {}", dims.len()));
    }
    let many = taken.len();
    let place = |number: usize| {
        let (outer, place, within) = (number / (inner * many), number / inner % many, number % inner);
        (outer * length + taken[place]) * inner + within
    };
    let numbers = match &x.numbers {
        Numbers::Floats(x) => Numbers::Floats(made(&dims, budget, |at| x[place(at)])?),
        Numbers::Integers(x) => Numbers::Integers(made(&dims, budget, |at| x[place(at)])?),
    };
    Ok(Fixed { dims, numbers })
}

pub(super) fn concat(parts: &[&Fixed], at: i64, budget: &Budget) -> Reading<Fixed> {
    let first = parts.first().ok_or("expected parts, found none")?;
    let at = axis(at, first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[at] = 0;
    for part in parts {
        let alike = part.dims.len() == dims.len()
            && (0..dims.len()).all(|axis| axis == at || part.dims[axis] == first.dims[axis]);
        if !alike {
            return Err(format!(
                "expected parts that go together, found {:?} and {:?}",
                first.dims, part.dims
            ));
        }
        dims[at] = dims[at].saturating_add(part.dims[at]);
    }
    let outer = count(&dims[..at]).unwrap_or_default();
    let numbers = match first.numbers {
        Numbers::Floats(_) => {
            let parts = parts.iter().map(|part| Ok(&**part.as_floats()?)).collect::<Reading<Vec<_>>>()?;
            Numbers::Floats(joined(&parts, outer, budget.take(&dims)?).into())
        }
        Numbers::Integers(_) => {
            let parts = parts.iter().map(|part| Ok(&**part.as_integers()?)).collect::<Reading<Vec<_>>>()?;
            budget.take(&dims)?;
            Numbers::Integers(joined(&parts, outer, budget.take(&dims)?).into())
        }
    };
    Ok(Fixed { dims, numbers })
}

/// So many numbers in all: of every part a run, again and again.
fn joined<T: Copy>(parts: &[&[T]], runs: usize, numbers: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(numbers);
    for run in 0..runs {
        for part in parts {
            let length = part.len() / runs;
            all.extend_from_slice(&part[run * length..(run + 1) * length]);
        }
    }
    all
}

/// One number everywhere; 0 if none is given.
pub(super) fn filled(node: Node<'_>, wanted: &[i64], budget: &Budget) -> Reading<Fixed> {
    let dims: Option<Vec<usize>> = wanted.iter().map(|length| usize::try_from(*length).ok()).collect();
    let dims = dims.filter(|dims| dims.len() <= AXES);
    let dims = dims.ok_or_else(|| format!("expected lengths of axes, found {wanted:?}"))?;
    let value = node.tensor("value").map(Fixed::read).transpose()?;
    let numbers = match value.map(|value| value.numbers) {
        None => Numbers::Floats(made(&dims, budget, |_| 0.0)?),
        Some(Numbers::Floats(value)) => {
            let value = value.first().copied().unwrap_or_default();
            Numbers::Floats(made(&dims, budget, |_| value)?)
        }
        Some(Numbers::Integers(value)) => {
            let value = value.first().copied().unwrap_or_default();
            Numbers::Integers(made(&dims, budget, |_| value)?)
        }
    };
    Ok(Fixed { dims, numbers })
}

pub(super) fn range([start, limit, step]: [&Fixed; 3], budget: &Budget) -> Reading<Fixed> {
    let one = |x: &Fixed| match **x.as_integers()? {
        [number] => Ok(i128::from(number)),
        _ => Err(format!("expected one number, found {}", x.len())),
    };
    let (start, limit, step) = (one(start)?, one(limit)?, one(step)?);
    if step == 0 {
        return Err("expected a step, found 0".into());
    }
    let room = if step > 0 { limit - start } else { start - limit };
    let length = (room + step.abs() - 1) / step.abs();
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    let numbers = made(&[length], budget, |at| (start + step * at as i128) as i64)?;
    Ok(Fixed { dims: vec![length], numbers: Numbers::Integers(numbers) })
}
