//! The numbers that a graph's parameters stand for: beside the graph, so that the same graph takes others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::tensor::{Parameter, Shape};

/// One parameter of a graph: its place among its [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub(crate) u32);

impl ParameterId {
    /// The parameter's place among its [`Parameters`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Names and numbers of a graph's parameters, by their [`ParameterId`]. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    entries: Arc<Vec<Entry>>,
    version: Version,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    /// The axes under which the numbers were given.
    dims: Vec<usize>,
    /// The numbers by the four axes of the graph's value.
    numbers: Parameter,
}

/// Tells numbers from those that take their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Default for Version {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The shape of the value that a parameter of these axes is: `[n]` is a number a channel, 1×n×1×1; others have ones
/// behind their own axes, so that a linear layer's `[out, in]` is a 1×1 convolution's weight. `None` for five axes or
/// more.
pub(crate) fn shape_of(dims: &[usize]) -> Option<Shape> {
    match *dims {
        [] => Some(Shape::new(1, 1, 1, 1)),
        [channels] => Some(Shape::new(1, channels, 1, 1)),
        [a, b] => Some(Shape::new(a, b, 1, 1)),
        [a, b, c] => Some(Shape::new(a, b, c, 1)),
        [a, b, c, d] => Some(Shape::new(a, b, c, d)),
        _ => None,
    }
}

impl Parameters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The numbers of a parameter, by the four axes of its value.
    ///
    /// # Panics
    /// If the parameter is another graph's.
    pub fn get(&self, id: ParameterId) -> &Parameter {
        &self.entries[id.index()].numbers
    }

    /// The name of a parameter: the checkpoint's key, or that of the node that it was computed by.
    ///
    /// # Panics
    /// If the parameter is another graph's.
    pub fn name(&self, id: ParameterId) -> &str {
        &self.entries[id.index()].name
    }

    /// The parameter of this name.
    pub fn find(&self, name: &str) -> Option<ParameterId> {
        self.entries.iter().position(|entry| entry.name == name).map(|at| ParameterId(at as u32))
    }

    /// Names and numbers, by the axes under which they were given, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Parameter)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.numbers.with_dims(&*entry.dims)))
    }

    /// Tells these numbers from any that take their place.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The same parameters with other numbers for those that are named.
    ///
    /// # Errors
    /// [`Error::Shape`] with the name of one that is not there, or whose axes are others.
    pub fn with<N: AsRef<str>>(&self, others: impl IntoIterator<Item = (N, Parameter)>) -> Result<Self> {
        let mut entries = Vec::clone(&self.entries);
        for (name, numbers) in others {
            let name = name.as_ref();
            let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) else {
                return Err(Error::shape(name, "expected a parameter of the graph, found none of this name"));
            };
            if entry.dims != numbers.dims() {
                let (expected, found) = (&entry.dims, numbers.dims());
                return Err(Error::shape(name, format!("expected numbers of {expected:?}, found {found:?}")));
            }
            entry.numbers = numbers.with_dims(entry.numbers.dims());
        }
        Ok(Self { entries: Arc::new(entries), version: Version::default() })
    }

    /// The same parameters with other values for these, as many as before.
    pub(crate) fn with_values(&self, others: Vec<(ParameterId, Vec<f32>)>) -> Self {
        let mut entries = Vec::clone(&self.entries);
        for (id, values) in others {
            let entry = &mut entries[id.index()];
            entry.numbers = Parameter::new(entry.numbers.dims(), values);
        }
        Self { entries: Arc::new(entries), version: Version::default() }
    }

    /// Whether a parameter has these numbers by these axes.
    pub(crate) fn is(&self, id: ParameterId, numbers: &Parameter) -> bool {
        let Entry { dims, numbers: own, .. } = &self.entries[id.index()];
        dims == numbers.dims() && own.has_numbers_of(numbers)
    }

    /// Adds a parameter.
    pub(crate) fn add(&mut self, name: String, numbers: &Parameter) -> Result<(ParameterId, Shape)> {
        let dims = numbers.dims();
        let Some(shape) = shape_of(dims) else {
            return Err(Error::shape(
                name,
                format!("expected a parameter of at most four axes, found {dims:?}"),
            ));
        };
        Ok((self.push(name, dims, numbers, shape), shape))
    }

    /// Adds a parameter whatever its name.
    pub(crate) fn push(
        &mut self,
        name: String,
        dims: &[usize],
        numbers: &Parameter,
        shape: Shape,
    ) -> ParameterId {
        let numbers = numbers.with_dims(shape.axes());
        let entries = Arc::make_mut(&mut self.entries);
        entries.push(Entry { name, dims: dims.to_vec(), numbers });
        self.version = Version::default();
        ParameterId(entries.len() as u32 - 1)
    }
}

impl fmt::Display for ParameterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dims: &[usize], value: f32) -> Parameter {
        Parameter::new(dims, vec![value; dims.iter().product()])
    }

    #[test]
    fn a_vector_is_a_number_a_channel_and_five_axes_are_too_many() {
        let mut parameters = Parameters::new();
        assert_eq!(parameters.add("a".into(), &numbers(&[3], 1.0)).unwrap().1, Shape::new(1, 3, 1, 1));
        assert_eq!(parameters.add("b".into(), &numbers(&[2, 3], 1.0)).unwrap().1, Shape::new(2, 3, 1, 1));
        let message = parameters.add("c".into(), &numbers(&[1; 5], 1.0)).unwrap_err().to_string();
        assert_eq!(message, "c: expected a parameter of at most four axes, found [1, 1, 1, 1, 1]");
    }

    #[test]
    fn others_take_their_place_under_the_same_axes_and_are_told_apart() {
        let mut parameters = Parameters::new();
        let (id, _) = parameters.add("fc.weight".into(), &numbers(&[2, 3], 1.0)).unwrap();
        let other = parameters.with([("fc.weight", numbers(&[2, 3], 5.0))]).unwrap();
        assert_eq!((parameters.get(id).values()[0], other.get(id).values()[0]), (1.0, 5.0));
        assert_eq!(other.get(id).dims(), [2, 3, 1, 1]);
        assert_eq!(other.iter().next().unwrap().1.dims(), [2, 3]);
        assert_ne!(parameters.version(), other.version());
        assert_eq!(parameters.version(), parameters.clone().version());
        let message =
            |name, dims: &[usize]| parameters.with([(name, numbers(dims, 0.0))]).unwrap_err().to_string();
        assert_eq!(message("fc.weight", &[3, 2]), "fc.weight: expected numbers of [2, 3], found [3, 2]");
        assert_eq!(
            message("fc.bias", &[2]),
            "fc.bias: expected a parameter of the graph, found none of this name"
        );
    }
}
