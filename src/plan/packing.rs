//! How parameters are stored for kernels: which ones, for which kernel, and all that the order of the numbers depends
//! on. A plan lists packings; the numbers come when it goes onto a device, and others can take their place.

use half::f16;

use crate::error::{Error, Result};
use crate::graph::{ParameterId, Parameters};
use crate::kernel::conv2d_gather::Conv2dGather;
use crate::kernel::conv2d_pruned::{self, Conv2dPruned};
use crate::kernel::conv2d_tiled::{self, Conv2dTiled, pack_bias};
use crate::kernel::cooperative::Order;
use crate::kernel::epilogue::Epilogue;
use crate::kernel::winograd::{self, Output, POINTS, Winograd};
use crate::kernel::{Channels, Pixels, product};
use crate::kernel::{
    activation, conv_transpose2d, conv2d_cooperative, conv2d_direct, conv2d_gather_cooperative,
};
use crate::tensor::{Parameter, Shape, Tensor, pack};

/// Parameters in the order in which a kernel reads them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packing {
    pub(super) layout: Layout,
    /// Whether they are stored as f16, two to a word.
    pub(super) half: bool,
}

/// A convolution's weight, or some of its input channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Weight {
    pub(super) id: ParameterId,
    /// The first input channel.
    pub(super) start: usize,
    /// `[out, in, k, k]`, of the channels that are meant.
    pub(super) shape: Shape,
}

/// Numbers an output channel that kernels read together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Biases {
    /// They are added.
    pub(super) biases: Vec<ParameterId>,
    /// Of a PReLU.
    pub(super) slopes: Option<ParameterId>,
    /// How many output channels there are.
    pub(super) channels: usize,
}

/// Of a weight, or a part of it, what is not zero, with room for so many entries a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lists {
    pub(super) weight: Weight,
    /// How many inputs.
    pub(super) inputs: usize,
    pub(super) channels: Channels,
    pub(super) entries: usize,
}

/// What is packed, for which kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Layout {
    Direct(Weight),
    /// How many inputs.
    Tiled(Weight, usize, Channels, conv2d_tiled::Tile),
    /// Terms with how many inputs of each.
    Gather(Vec<(Weight, usize)>, Biases, Channels, product::Tile),
    /// Terms with how many inputs of each, the biases if they are stored with them.
    Cooperative(Vec<(Weight, usize)>, Option<Biases>, Channels, Order),
    /// How many inputs.
    Winograd(Vec<(Weight, Channels)>, usize, product::Tile),
    /// The weights of lists.
    Listed(Lists),
    /// What they are multiplied with.
    Places(Lists),
    Transposed(Weight),
    /// How many channels.
    Slope(ParameterId, usize),
    /// As it is.
    Plain(ParameterId),
    Bias(Biases, Channels),
    /// As activations are.
    Activations(ParameterId),
}

impl Weight {
    pub(super) fn inputs(&self) -> usize {
        self.shape.channels
    }

    /// Its numbers.
    fn of(&self, parameters: &Parameters) -> Parameter {
        let all = parameters.get(self.id);
        if all.dims()[1] == self.inputs() {
            return all.clone();
        }
        all.inputs(self.start..self.start + self.inputs()).with_dims(self.shape.axes())
    }
}

impl Biases {
    /// The sum of the biases, and the slopes padded to whole groups.
    fn of(&self, parameters: &Parameters) -> [Vec<f32>; 2] {
        let mut sums = vec![0.0; self.channels];
        for bias in &self.biases {
            sums.iter_mut().zip(parameters.get(*bias).values()).for_each(|(sum, bias)| *sum += bias);
        }
        let slopes = self.slopes.map(|id| activation::pack_slope(parameters.get(id), self.channels));
        [sums, slopes.unwrap_or_default()]
    }
}

impl Lists {
    fn conv(&self) -> Conv2dPruned {
        let Self { weight, inputs, channels, entries } = *self;
        let (input, kernel) = (Shape::new(1, inputs, 1, 1), weight.shape.height);
        let (pixels, epilogue, tile) = (Pixels::All, Epilogue::default(), conv2d_pruned::Tile::USUAL);
        Conv2dPruned { input, inputs, kernel, channels, pixels, epilogue, tile, entries }
    }

    /// Whether there is room for the numbers.
    fn check(&self, parameters: &Parameters) -> Result<()> {
        let (conv, weight) = (self.conv(), self.weight.of(parameters));
        let (found, cut) = (conv.longest(&weight), conv2d_pruned::staged(conv.kernel));
        if found <= self.entries {
            return Ok(());
        }
        let (room, all) = (self.entries, conv2d_pruned::all_entries(conv.kernel));
        Err(Error::Unsupported(format!(
            "{}: expected weights of which four outputs need at most {room} of the {all} inputs of {cut} channels, since the \
             plan lists them so, found {found}; plan anew",
            parameters.name(self.weight.id)
        )))
    }
}

impl Packing {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, half: false }
    }

    /// The words of 32 bits that a kernel binds; never fewer than four, since a binding may not be empty.
    pub fn words(&self, parameters: &Parameters) -> Vec<u32> {
        let mut numbers = self.layout.pack(parameters);
        numbers.resize(numbers.len().max(4), 0.0);
        if !self.half {
            return bytemuck::cast_vec(numbers);
        }
        let word = |pair: &[f32; 2]| {
            let [low, high] = pair.map(|number| u32::from(f16::from_f32(number).to_bits()));
            low | high << 16
        };
        numbers.as_chunks().0.iter().map(word).collect()
    }

    /// Whether the numbers can be stored so.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with a parameter that is stored as f16 and too large for it, or of which more is not zero than
    /// the plan has room for; [`Error::Shape`] if there are fewer parameters than the plan has.
    pub(crate) fn check(&self, parameters: &Parameters) -> Result<()> {
        let found = parameters.len();
        if let Some(id) = self.layout.ids().find(|id| id.index() >= found) {
            let expected = format!("expected the numbers of the plan's parameters, {id} among them");
            return Err(Error::shape("parameters", format!("{expected}, found {found} parameters")));
        }
        if let Layout::Listed(lists) = &self.layout {
            lists.check(parameters)?; // and with them their places
        }
        for id in self.layout.ids().filter(|_| self.half) {
            let beyond = |number: &&f32| number.is_finite() && f16::from_f32(**number).is_infinite();
            if let Some(number) = parameters.get(id).values().iter().find(beyond) {
                return Err(Error::Unsupported(format!(
                    "{}: expected numbers that f16 holds, up to 65504, since the plan stores them so, found {number}; \
                     plan anew, or in f32",
                    parameters.name(id)
                )));
            }
        }
        Ok(())
    }
}

impl Layout {
    /// The parameters that are packed, the weight first.
    pub(super) fn ids(&self) -> impl Iterator<Item = ParameterId> {
        let (weights, others): (Vec<ParameterId>, Vec<ParameterId>) = match self {
            Self::Direct(weight) | Self::Tiled(weight, ..) | Self::Transposed(weight) => {
                (vec![weight.id], vec![])
            }
            Self::Listed(lists) | Self::Places(lists) => (vec![lists.weight.id], vec![]),
            Self::Gather(terms, biases, ..) => (ids(terms), biases.ids()),
            Self::Cooperative(terms, biases, ..) => (ids(terms), biases.as_ref().map_or(vec![], Biases::ids)),
            Self::Winograd(outputs, ..) => (ids(outputs), vec![]),
            Self::Slope(id, _) | Self::Plain(id) | Self::Activations(id) => (vec![*id], vec![]),
            Self::Bias(biases, _) => (vec![], biases.ids()),
        };
        weights.into_iter().chain(others)
    }

    pub(super) fn pack(&self, parameters: &Parameters) -> Vec<f32> {
        self.pack_at_points(parameters, winograd::at_points)
    }

    /// The same, with what `at_points` makes of a 3×3 kernel in the place of Winograd's.
    pub(super) fn pack_at_points(
        &self,
        parameters: &Parameters,
        at_points: impl Fn(&[f32]) -> [f32; POINTS] + Copy,
    ) -> Vec<f32> {
        // The kernels pack by a part of what they are; the rest is left empty here.
        let (pixels, epilogue) = (Pixels::All, Epilogue::default());
        let input = |channels| Shape::new(1, channels, 1, 1);
        match self {
            Self::Direct(weight) => conv2d_direct::pack(&weight.of(parameters)),
            Self::Tiled(weight, inputs, channels, tile) => {
                let (kernel, inputs, channels, tile) = (weight.shape.height, *inputs, *channels, *tile);
                Conv2dTiled { input: input(inputs), inputs, kernel, channels, pixels, epilogue, tile }
                    .pack(&weight.of(parameters))
            }
            Self::Gather(terms, biases, channels, tile) => {
                let (weights, inputs) = numbers(terms, parameters);
                let [bias, slopes] = biases.of(parameters);
                let (kernel, channels, tile) = (terms[0].0.shape.height, *channels, *tile);
                let inputs = &inputs;
                Conv2dGather { input: input(0), kernel, inputs, channels, pixels, epilogue, tile }
                    .pack(&weights, &bias, &slopes)
            }
            Self::Cooperative(terms, biases, channels, order) => {
                let (weights, inputs) = numbers(terms, parameters);
                let terms: Vec<(&Parameter, usize)> = weights.iter().zip(inputs).collect();
                match biases {
                    None => conv2d_cooperative::pack(terms[0].0, terms[0].1, *channels, *order),
                    Some(biases) => {
                        let [bias, _] = biases.of(parameters);
                        conv2d_gather_cooperative::pack(&terms, &bias, *channels, *order)
                    }
                }
            }
            Self::Winograd(outputs, inputs, tile) => {
                let kernels: Vec<Parameter> =
                    outputs.iter().map(|(weight, _)| weight.of(parameters)).collect();
                let output =
                    |(_, channels): &(Weight, Channels)| Output { channels: *channels, pixels, epilogue };
                let outputs = outputs.iter().map(output).collect();
                Winograd { input: input(*inputs), tile: *tile, outputs }.pack(&kernels, at_points)
            }
            Self::Listed(lists) => lists.conv().pack(&lists.weight.of(parameters)),
            Self::Places(lists) => lists.conv().pack_places(&lists.weight.of(parameters)),
            Self::Transposed(weight) => conv_transpose2d::pack(&weight.of(parameters)),
            Self::Slope(id, channels) => activation::pack_slope(parameters.get(*id), *channels),
            Self::Plain(id) => parameters.get(*id).values().to_vec(),
            Self::Bias(biases, channels) => {
                let [bias, slopes] = biases.of(parameters);
                pack_bias(&bias, &slopes, *channels)
            }
            Self::Activations(id) => {
                let numbers = parameters.get(*id);
                let &[batch, channels, height, width] = numbers.dims() else { unreachable!("four axes") };
                pack(&Tensor::new(Shape::new(batch, channels, height, width), numbers.values().to_vec()))
            }
        }
    }
}

impl Biases {
    fn ids(&self) -> Vec<ParameterId> {
        self.biases.iter().copied().chain(self.slopes).collect()
    }
}

fn ids<T>(terms: &[(Weight, T)]) -> Vec<ParameterId> {
    terms.iter().map(|(weight, _)| weight.id).collect()
}

fn numbers(terms: &[(Weight, usize)], parameters: &Parameters) -> (Vec<Parameter>, Vec<usize>) {
    terms.iter().map(|(weight, inputs)| (weight.of(parameters), *inputs)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(values: Vec<f32>, dims: [usize; 4]) -> (Parameters, ParameterId) {
        let mut parameters = Parameters::new();
        let (id, _) = parameters.add("conv.weight".into(), &Parameter::new(dims, values)).unwrap();
        (parameters, id)
    }

    #[test]
    fn some_input_channels_of_a_weight_are_those_columns() {
        let (parameters, id) = parameters((0..12).map(|at| at as f32).collect(), [2, 3, 1, 2]);
        let weight = Weight { id, start: 1, shape: Shape::new(2, 2, 1, 2) };
        let numbers = weight.of(&parameters);
        assert_eq!(numbers.dims(), [2, 2, 1, 2]);
        assert_eq!(numbers.values(), [2.0, 3.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn what_is_too_large_for_f16_is_named() {
        let (parameters, id) = parameters(vec![1.0, 70_000.0, 0.0, -1.0], [1, 4, 1, 1]);
        let packing = |half| Packing { layout: Layout::Plain(id), half };
        assert_eq!(packing(false).words(&parameters)[1], 70_000.0_f32.to_bits());
        assert!(packing(false).check(&parameters).is_ok());
        let message = packing(true).check(&parameters).unwrap_err().to_string();
        assert!(
            message.starts_with("conv.weight: expected numbers that f16 holds, up to 65504"),
            "{message}"
        );
        assert!(message.contains("found 70000"), "{message}");
    }
}
