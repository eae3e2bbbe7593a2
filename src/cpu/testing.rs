//! What the unit tests of several operators need.

use super::layer::{Weight, Weights};
use super::map::Map;
use crate::graph::{Builder, Graph, Parameters, Value};
use crate::tensor::{Parameter, Shape, Tensor};

/// Numbers in −1 ‥ 1 that are the same for the same seed (splitmix64).
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub(super) fn noise(shape: Shape, seed: u64) -> Tensor {
    Tensor::new(shape, numbers(seed, shape.len()))
}

pub(super) fn parameter<const AXES: usize>(dims: [usize; AXES], seed: u64) -> Parameter {
    Parameter::new(dims, numbers(seed, dims.iter().product()))
}

/// Three pixels.
pub(super) fn picture() -> Tensor {
    Tensor::new(Shape::new(1, 1, 1, 3), vec![-1.0, 0.0, 2.0])
}

/// relu(x) + relu(relu(x)), with a node that nobody reads.
pub(super) fn diamond() -> (Graph, Parameters, [Value; 4]) {
    let (mut b, x) = Builder::new("diamond", picture().shape(), 1.0);
    let once = b.relu("once", x).unwrap();
    b.add("unread", x, x).unwrap();
    let twice = b.relu("twice", once).unwrap();
    let sum = b.add("sum", once, twice).unwrap();
    let (graph, parameters) = b.finish(sum).unwrap();
    (graph, parameters, [x, once, twice, sum])
}

/// What `make` writes into a map of this shape, which begins with NaN.
pub(super) fn on_maps(inputs: &[&Tensor], output: Shape, make: impl Fn(&[&Map], &mut Map)) -> Tensor {
    let read = |tensor: &&Tensor| {
        let mut map = Map::new(tensor.shape(), vec![]);
        map.read(tensor);
        map
    };
    let (inputs, mut y): (Vec<Map>, _) =
        (inputs.iter().map(read).collect(), Map::new(output, vec![f32::NAN; output.len()]));
    make(&inputs.iter().collect::<Vec<_>>(), &mut y);
    y.to_tensor()
}

/// Value by value: `fill(n, c, plane)` writes one channel of one picture.
pub(super) fn by_plane(shape: Shape, fill: impl Fn(usize, usize, &mut [f32])) -> Tensor {
    let mut made = Tensor::zeros(shape);
    let planes = made.values_mut().chunks_mut(shape.pixels().max(1)).enumerate();
    planes.for_each(|(index, plane)| fill(index / shape.channels, index % shape.channels, plane));
    made
}

/// The weights of output channel `o`.
pub(super) fn filter(weight: &Parameter, o: usize) -> &[f32] {
    let taps = weight.values().len() / weight.dims()[0];
    &weight.values()[o * taps..][..taps]
}

/// The bias of output channel `o`.
pub(super) fn bias(bias: Option<&Parameter>, o: usize) -> f64 {
    bias.map_or(0.0, |bias| f64::from(bias.values()[o]))
}

/// Within 1e-5 of each other, as a share of the largest expected number.
#[track_caller]
pub(super) fn assert_close(found: &Tensor, expected: &Tensor, case: &str) {
    assert_eq!(found.shape(), expected.shape(), "{case}");
    let largest = expected.values().iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.values().iter().zip(expected.values()).enumerate() {
        let close = (found - expected).abs() <= 1e-5 * largest;
        assert!(close, "{case}: expected {expected} at {index}, found {found}");
    }
}

/// A weight and perhaps a bias as operators take them.
pub(super) fn weights([weight, bias]: [Option<&Parameter>; 2]) -> Weights<'_> {
    let weight = Weight::of_parameter(weight.expect("a weight"), 0);
    Weights { weight, bias: bias.map(Parameter::values) }
}
