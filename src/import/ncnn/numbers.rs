//! A `.bin`: the numbers of all layers one after the other, in their order, at multiples of four bytes.

use half::f16;

use super::Reading;
use super::layer::Layer;
use crate::tensor::Parameter;

/// What a word in front of weights says of how they are stored. 0 and [`RAW`] are f32, any other is a table.
const HALF: u32 = 0x0130_6b47;
const INT8: u32 = 0x000d_4b38;
const RAW: u32 = 0x0002_c056;

/// The most that a side of a kernel, or the stride of a convolution, may be.
pub(super) const LONGEST: usize = 64;

/// The most channels.
pub(super) const WIDEST: usize = 1 << 16;

/// What a layer has of its own: a weight, then a bias; or nothing.
pub(super) type Own = Vec<Parameter>;

/// Numbers of every layer.
pub(super) fn read(layers: &[Layer<'_>], bytes: &[u8]) -> Reading<Vec<Own>> {
    let mut from = Bytes { bytes, at: 0 };
    let numbers = layers.iter().map(|layer| from.own(layer)).collect::<Reading<_>>()?;
    match bytes.len() - from.at {
        0 => Ok(numbers),
        left => Err(format!(
            "expected numbers of {} bytes behind the layers, found {} in the .bin ({left} too many): it is another network's",
            from.at,
            bytes.len()
        )),
    }
}

struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn own(&mut self, layer: &Layer<'_>) -> Reading<Own> {
        match layer.kind {
            "Convolution" | "ConvolutionDepthWise" | "Deconvolution" | "DeconvolutionDepthWise" => {
                let outputs = layer.count(0, 0, WIDEST)?;
                let kernel = layer.common(&[1, 11], 1, LONGEST, "a kernel")?;
                let groups = if layer.kind.ends_with("Wise") { layer.count(7, 1, WIDEST)? } else { 1 };
                let taps = kernel * kernel;
                let (count, a_channel) = (layer.count(6, 0, i32::MAX as usize)?, outputs * taps);
                if a_channel == 0 || count == 0 || count % a_channel != 0 || outputs % groups.max(1) != 0 {
                    let expected =
                        format!("weights of {outputs} channels, {kernel}x{kernel}, in {groups} groups");
                    return Err(layer.wrong(&expected, count));
                }
                let dims = [outputs, count / a_channel, kernel, kernel];
                self.weight_and_bias(layer, dims.to_vec(), layer.count(5, 0, 1)? == 1)
            }
            "InnerProduct" => {
                let (outputs, count) = (layer.count(0, 0, WIDEST)?, layer.count(2, 0, i32::MAX as usize)?);
                if outputs == 0 || count == 0 || count % outputs != 0 {
                    return Err(layer.wrong(&format!("weights of {outputs} channels"), count));
                }
                self.weight_and_bias(layer, vec![outputs, count / outputs, 1, 1], layer.count(1, 0, 1)? == 1)
            }
            "PReLU" => {
                let slopes = layer.count(0, 0, WIDEST)?;
                Ok(vec![Parameter::new([slopes], self.raw(layer, slopes)?)])
            }
            "MemoryData" => {
                let dims: Vec<usize> =
                    [2, 1, 0].into_iter().map(|key| layer.count(key, 0, WIDEST)).collect::<Reading<_>>()?;
                layer.only(11, 0, "a depth of")?;
                layer.only(21, 1, "raw numbers, load type")?;
                let dims: Vec<usize> = dims.into_iter().filter(|side| *side > 0).collect();
                let count = dims.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
                let count = count.ok_or_else(|| layer.wrong("fewer numbers", "more than can be counted"))?;
                Ok(vec![Parameter::new(dims, self.raw(layer, count)?)])
            }
            "Scale" if layer.int(0, 0)? != -233 => {
                let channels = layer.count(0, 0, WIDEST)?;
                let parts = 1 + layer.count(1, 0, 1)?;
                (0..parts).map(|_| Ok(Parameter::new([channels], self.raw(layer, channels)?))).collect()
            }
            _ => Ok(vec![]),
        }
    }

    fn weight_and_bias(&mut self, layer: &Layer<'_>, dims: Vec<usize>, biased: bool) -> Reading<Own> {
        let outputs = dims[0];
        let weight = self.stored(layer, dims.iter().product())?;
        let mut own = vec![Parameter::new(dims, weight)];
        if biased {
            own.push(Parameter::new([outputs], self.raw(layer, outputs)?));
        }
        Ok(own)
    }

    fn take(&mut self, layer: &Layer<'_>, length: usize) -> Reading<&[u8]> {
        let left = self.bytes.len() - self.at;
        if length > left {
            return Err(layer.wrong(&format!("{length} more bytes in the .bin"), left));
        }
        self.at += length;
        Ok(&self.bytes[self.at - length..self.at])
    }

    fn raw(&mut self, layer: &Layer<'_>, count: usize) -> Reading<Vec<f32>> {
        let bytes = self.take(layer, count.saturating_mul(4))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }

    /// Numbers behind a word that says how they are stored.
    fn stored(&mut self, layer: &Layer<'_>, count: usize) -> Reading<Vec<f32>> {
        let word = self.take(layer, 4)?;
        match u32::from_le_bytes([word[0], word[1], word[2], word[3]]) {
            0 | RAW => self.raw(layer, count),
            HALF => {
                let bytes = self.take(layer, count.saturating_mul(2).next_multiple_of(4))?;
                let halves = bytes.as_chunks::<2>().0.iter().take(count);
                Ok(halves.map(|number| f16::from_le_bytes(*number).to_f32()).collect())
            }
            INT8 => Err(layer.wrong("weights as floating-point numbers or a table of them", "int8")),
            _ => {
                let table = self.raw(layer, 256)?;
                let indices = self.take(layer, count.next_multiple_of(4))?;
                Ok(indices.iter().take(count).map(|index| table[usize::from(*index)]).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::layers;
    use super::*;

    fn read_one(flag: u32, stored: &[u8]) -> Reading<Vec<Own>> {
        let text = "7767517\n1 2\nConvolution c 1 1 a b 0=1 1=1 5=1 6=3\n";
        let bytes = [&flag.to_le_bytes(), stored, &0.5f32.to_le_bytes()].concat();
        read(&layers(text, 9).unwrap(), &bytes)
    }

    #[test]
    fn weights_are_read_in_every_form() {
        let numbers = [1.0f32, -2.0, 0.25];
        let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut halves: Vec<u8> = numbers.iter().flat_map(|n| f16::from_f32(*n).to_le_bytes()).collect();
        halves.extend([0; 2]);
        let mut table: Vec<u8> = (0..256).flat_map(|at| numbers[at % 3].to_le_bytes()).collect();
        table.extend([0, 1, 5, 0]);
        for (flag, stored) in [(0, &raw), (RAW, &raw), (HALF, &halves), (7, &table)] {
            let own = read_one(flag, stored).unwrap().swap_remove(0);
            assert_eq!((own[0].values(), own[0].dims()), (&numbers[..], &[1, 3, 1, 1][..]), "{flag:#x}");
            assert_eq!(own[1].values(), [0.5]);
        }
        assert!(read_one(INT8, &raw).unwrap_err().ends_with("a table of them, found int8"));
        assert!(read_one(0, &raw[..8]).unwrap_err().contains("more bytes in the .bin"));
        let longer = [&raw[..], &[0; 4]].concat();
        assert!(read_one(0, &longer).unwrap_err().ends_with("(4 too many): it is another network's"));
    }
}
