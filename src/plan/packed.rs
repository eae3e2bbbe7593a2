//! Weights as the kernels read them, packed once for all plans that read the same ones.
//!
//! A packing is known by what it is made from, and made from nothing else: weights by their identity, few numbers by
//! value. So a plan is the same whether it was remembered or not, and only the work of making it is saved.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;

use crate::kernel::conv2d_gather::Conv2dGather;
use crate::kernel::conv2d_gather_cooperative;
use crate::kernel::conv2d_tiled::{self, Conv2dTiled, pack_bias};
use crate::kernel::cooperative::Order;
use crate::kernel::epilogue::Epilogue;
use crate::kernel::product;
use crate::kernel::winograd::{Output, Winograd};
use crate::kernel::{Channels, Pixels, activation, conv_transpose2d, conv2d_cooperative, conv2d_direct};
use crate::tensor::{Parameter, Shape};

/// Plans after which a packing that none of them read is forgotten.
const UNREAD: u64 = 64;

/// Bytes that are remembered at most. What a larger network has beyond them is packed for each plan.
const BYTES: usize = 256 << 20;

/// What plans for one network have in common.
#[derive(Debug, Default)]
pub struct Packed {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    plans: u64,
    bytes: usize,
    constants: HashMap<Packing, Kept<Arc<[f32]>>>,
    columns: HashMap<Columns, Kept<Parameter>>,
    /// By the address of the f32 numbers, which stays theirs while they are kept here.
    halves: HashMap<usize, Kept<[Arc<[f32]>; 2]>>,
}

/// What was made, and the plan that read it last.
#[derive(Debug)]
struct Kept<T> {
    made: T,
    read: u64,
}

/// A parameter, equal to itself alone: the numbers at one address, which stays theirs while this lives.
#[derive(Clone, Debug)]
pub(super) struct Same(Parameter);

/// Some input channels of a pointwise convolution's weight: offset, and how many.
type Columns = (Same, usize, usize);

/// What is packed, for which kernel, and all that the order of the numbers depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Packing {
    Direct(Same),
    /// How many inputs.
    Tiled(Same, usize, Channels, conv2d_tiled::Tile),
    /// Terms with how many inputs of each, the bits of biases and slopes.
    Gather(Vec<(Same, usize)>, [Vec<u32>; 2], Channels, product::Tile),
    /// Terms with how many inputs of each, the bias's bits if it lies with them.
    Cooperative(Vec<(Same, usize)>, Option<Vec<u32>>, Channels, Order),
    /// How many inputs.
    Winograd(Vec<(Same, Channels)>, usize, product::Tile),
    Transposed(Same),
    /// How many channels.
    Slope(Same, usize),
    /// As it is.
    Plain(Same),
    /// The bits of biases and slopes.
    Bias([Vec<u32>; 2], Channels),
}

impl Same {
    pub(super) fn new(parameter: &Parameter) -> Self {
        Self(parameter.clone())
    }
}

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.values(), other.0.values()) && self.0.dims() == other.0.dims()
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.values().as_ptr().hash(state);
    }
}

/// Numbers by which a bias is known.
pub(super) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

impl Packed {
    /// Another plan begins: what none has read for long is forgotten.
    pub(super) fn begin(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.plans += 1;
        let oldest = made.plans.saturating_sub(UNREAD);
        made.constants.retain(|_, kept| kept.read >= oldest);
        made.columns.retain(|_, kept| kept.read >= oldest);
        made.halves.retain(|_, kept| kept.read >= oldest);
        let halves = made.halves.values().map(|kept| size_of_val(&*kept.made[1]));
        made.bytes = made.constants.values().map(|kept| size_of_val(&*kept.made)).chain(halves).sum();
    }

    /// The numbers of a packing, never fewer than four: a binding may not be empty.
    pub(super) fn constant(&self, packing: Packing) -> Arc<[f32]> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let read = made.plans;
        if let Some(kept) = made.constants.get_mut(&packing) {
            kept.read = read;
            return kept.made.clone();
        }
        let mut numbers = packing.pack();
        numbers.resize(numbers.len().max(4), 0.0);
        let numbers: Arc<[f32]> = numbers.into();
        let bytes = size_of_val(&*numbers);
        if made.bytes + bytes <= BYTES {
            made.bytes += bytes;
            made.constants.insert(packing, Kept { made: numbers.clone(), read });
        }
        numbers
    }

    /// The same numbers as f16, two to a word.
    pub(super) fn halves(&self, numbers: &Arc<[f32]>) -> Arc<[f32]> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let read = made.plans;
        if let Some(kept) = made.halves.get_mut(&numbers.as_ptr().addr()) {
            kept.read = read;
            return kept.made[1].clone();
        }
        let word = |pair: &[f32; 2]| {
            let [low, high] = pair.map(|number| u32::from(f16::from_f32(number).to_bits()));
            f32::from_bits(low | high << 16)
        };
        let halves: Arc<[f32]> = numbers.as_chunks().0.iter().map(word).collect();
        let bytes = size_of_val(&*halves);
        if made.bytes + bytes <= BYTES {
            made.bytes += bytes;
            let made_of = [numbers.clone(), halves.clone()];
            made.halves.insert(numbers.as_ptr().addr(), Kept { made: made_of, read });
        }
        halves
    }

    /// The columns of an `[out, in, 1, 1]` weight that belong to `channels` input channels from `offset` on.
    pub(super) fn columns(&self, weight: &Parameter, offset: usize, channels: usize) -> Parameter {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let read = made.plans;
        let kept = made.columns.entry((Same::new(weight), offset, channels)).or_insert_with(|| {
            let (out, inputs) = (weight.dims()[0], weight.dims()[1]);
            let rows = (0..out).flat_map(|o| &weight.values()[o * inputs + offset..][..channels]);
            Kept { made: Parameter::new([out, channels, 1, 1], rows.copied().collect::<Vec<_>>()), read }
        });
        kept.read = read;
        kept.made.clone()
    }
}

impl Packing {
    fn pack(&self) -> Vec<f32> {
        // The kernels pack by a part of what they are; the rest is left empty here.
        let (pixels, epilogue) = (Pixels::All, Epilogue::default());
        let input = |channels| Shape::new(1, channels, 1, 1);
        match self {
            Self::Direct(weight) => conv2d_direct::pack(&weight.0),
            Self::Tiled(weight, inputs, channels, tile) => {
                let (kernel, inputs, channels, tile) = (weight.0.dims()[2], *inputs, *channels, *tile);
                Conv2dTiled { input: input(inputs), inputs, kernel, channels, pixels, epilogue, tile }
                    .pack(&weight.0)
            }
            Self::Gather(terms, bias, channels, tile) => {
                let terms: Vec<(&Parameter, usize)> =
                    terms.iter().map(|(weight, inputs)| (&weight.0, *inputs)).collect();
                let ([bias, slopes], input) = (bias.each_ref().map(|bits| floats(bits)), input(0));
                let (bias, slopes, channels, tile) = (&bias, &slopes, *channels, *tile);
                Conv2dGather { input, terms: &terms, bias, slopes, channels, pixels, epilogue, tile }.pack()
            }
            Self::Cooperative(terms, bias, channels, order) => {
                let terms: Vec<(&Parameter, usize)> =
                    terms.iter().map(|(weight, inputs)| (&weight.0, *inputs)).collect();
                match bias {
                    None => conv2d_cooperative::pack(terms[0].0, terms[0].1, *channels, *order),
                    Some(bias) => conv2d_gather_cooperative::pack(&terms, &floats(bias), *channels, *order),
                }
            }
            Self::Winograd(outputs, inputs, tile) => {
                let kernels: Vec<&Parameter> = outputs.iter().map(|(weight, _)| &weight.0).collect();
                let output =
                    |(_, channels): &(Same, Channels)| Output { channels: *channels, pixels, epilogue };
                let outputs = outputs.iter().map(output).collect();
                Winograd { input: input(*inputs), tile: *tile, outputs }.pack(&kernels)
            }
            Self::Transposed(weight) => conv_transpose2d::pack(&weight.0),
            Self::Slope(slope, channels) => activation::pack_slope(&slope.0, *channels),
            Self::Plain(numbers) => numbers.0.values().to_vec(),
            Self::Bias([bias, slopes], channels) => pack_bias(&floats(bias), &floats(slopes), *channels),
        }
    }
}

fn floats(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|bits| f32::from_bits(*bits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bias(number: f32) -> Packing {
        Packing::Bias([bits(&[number]), vec![]], Channels::all(1))
    }

    #[test]
    fn what_is_alike_is_not_the_same() {
        let [a, b] = [0, 1].map(|_| Parameter::new([1, 1, 1, 1], vec![0.5]));
        assert_eq!(Same::new(&a), Same::new(&a.clone()));
        assert_ne!(Same::new(&a), Same::new(&b));
        let packed = Packed::default();
        let [first, second, other] =
            [&a, &a, &b].map(|weight| packed.constant(Packing::Direct(Same::new(weight))));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn what_no_plan_reads_any_more_is_forgotten() {
        let packed = Packed::default();
        let (read, unread) = (packed.constant(bias(1.0)), packed.constant(bias(2.0)));
        for _ in 0..=UNREAD {
            packed.begin();
            assert!(Arc::ptr_eq(&packed.constant(bias(1.0)), &read));
        }
        assert!(!Arc::ptr_eq(&packed.constant(bias(2.0)), &unread));
    }
}
