//! Attention among channels.

use std::ops::Range;

use super::{Kind, Macs, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Multi-head self-attention among channels, every channel of the whole picture a token (El-Nouby et al., *XCiT:
/// Cross-Covariance Image Transformers*, NeurIPS 2021, section 3.2):
///
/// `y[c, p] = Σ_e softmax_e(temperature[h] · ⟨query[c], key[e]⟩ / (‖query[c]‖ · ‖key[e]‖)) · value[e, p]`
///
/// over the channels e of the head h that c is of; sums go over all pixels, and norms are at least 10⁻¹². Inputs: queries,
/// keys and values, of one picture; and the temperatures, a number a head, `[heads, 1, 1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelAttention {
    /// How many attend side by side.
    pub heads: usize,
}

impl Operator for ChannelAttention {
    fn name(&self) -> &'static str {
        "channel_attention"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [queries, keys, values, temperature] = inputs else {
            return Err(format!("four inputs, found {}", inputs.len()));
        };
        let heads = self.heads;
        expect(queries == keys && queries == values, || {
            format!("keys and values of {queries}, found {keys} and {values}")
        })?;
        expect(heads > 0 && queries.channels > 0 && queries.channels % heads == 0, || {
            format!("{heads} heads of channels, found {}", queries.channels)
        })?;
        expect(queries.batch == 1, || format!("one picture, found {}", queries.batch))?;
        expect(*temperature == Shape::new(heads, 1, 1, 1), || {
            format!("{heads} temperatures, found {temperature}")
        })?;
        Ok(*queries)
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
    }

    fn activations(&self, _inputs: usize) -> usize {
        3
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    /// The whole picture.
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    /// Of the two products.
    fn macs(&self, _inputs: &[Shape], output: Shape) -> Macs {
        let of_a_channel = output.pixels() * output.channels / self.heads.max(1);
        Macs { always: 2 * (output.channels * of_a_channel) as u64, masked: 0 }
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Err(at.refused())
    }
}
