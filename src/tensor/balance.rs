//! Balanced sparsity (Yao et al., *Balanced Sparsity for Efficient DNN Inference on GPU*, AAAI 2019, section 3): every block
//! of a weight's rows keeps as many numbers as any other.
//!
//! A row is what makes an output. It is gone through tap by tap and within a tap by inputs, as the patch lies that a
//! convolution multiplies it with; blocks do not reach over a tap's end, and a short one at the end keeps its share.

use std::fmt;

use super::Parameter;
use crate::error::{Error, Result};

/// So many of every block stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    block: usize,
    kept: usize,
}

impl Balance {
    /// The longest block.
    pub const MOST: usize = 32;

    /// One of so many stays at least.
    pub const SPARSEST: usize = 8;

    /// `kept` of every `block` neighbours: 2 ‥ [`MOST`](Self::MOST) of them, of which at least one in
    /// [`SPARSEST`](Self::SPARSEST) stays.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with other numbers.
    pub fn new(kept: usize, block: usize) -> Result<Self> {
        if !(2..=Self::MOST).contains(&block) || !(block.div_ceil(Self::SPARSEST)..=block).contains(&kept) {
            let reason = format!(
                "expected blocks of 2 to {} numbers that keep one in {} at least, found {kept} of {block}",
                Self::MOST,
                Self::SPARSEST
            );
            return Err(Error::Unsupported(reason));
        }
        Ok(Self { block, kept })
    }

    /// The nearest to a share of every `block` neighbours, at least one of them.
    ///
    /// # Errors
    /// As [`Balance::new`].
    pub fn of_share(share: f64, block: usize) -> Result<Self> {
        Self::new((share * block as f64).round().max(1.0) as usize, block)
    }

    /// What [`Display`](fmt::Display) writes, as in `4 of 16`.
    pub fn read(text: &str) -> Option<Self> {
        let (kept, block) = text.split_once(" of ")?;
        Self::new(kept.parse().ok()?, block.parse().ok()?).ok()
    }

    /// Neighbours in a block.
    pub fn block(self) -> usize {
        self.block
    }

    /// How many of them stay.
    pub fn kept(self) -> usize {
        self.kept
    }

    /// Whether a weight `[out, in, k, k]` has a whole block an output and a tap, at least.
    pub fn is_for(self, weight: &Parameter) -> bool {
        matches!(weight.dims(), [_, inputs, _, _] if *inputs >= self.block)
    }

    /// Which numbers of a weight `[out, in, k, k]` stay: the largest of each block, of equals the first.
    pub fn stays(self, weight: &Parameter) -> Vec<bool> {
        let values = weight.values();
        let mut stays = vec![false; values.len()];
        for mut block in self.blocks(weight) {
            let kept = self.kept_of(block.len());
            block.sort_by(|a, b| values[*b].abs().total_cmp(&values[*a].abs()));
            block[..kept].iter().for_each(|at| stays[*at] = true);
        }
        stays
    }

    /// A weight `[out, in, k, k]` with zeros in place of what does not stay.
    pub fn thinned(self, weight: &Parameter) -> Parameter {
        let values = weight.values().iter().zip(self.stays(weight));
        let values: Vec<f32> = values.map(|(own, stays)| if stays { *own } else { 0.0 }).collect();
        Parameter::new(weight.dims(), values)
    }

    /// Whether no block of a weight `[out, in, k, k]` has more numbers other than zero than stay.
    pub fn holds(self, weight: &Parameter) -> bool {
        let count = |block: &[usize]| block.iter().filter(|at| weight.values()[**at] != 0.0).count();
        self.blocks(weight).all(|block| count(&block) <= self.kept_of(block.len()))
    }

    /// How many of a block stay, which may be a short one.
    fn kept_of(self, len: usize) -> usize {
        (self.kept * len).div_ceil(self.block)
    }

    /// Where the numbers of each block are among the weight's: by output, tap and block.
    pub(crate) fn blocks(self, weight: &Parameter) -> impl Iterator<Item = Vec<usize>> + use<> {
        let (Self { block, .. }, &[out, inputs, height, width]) = (self, weight.dims()) else {
            unreachable!("the weight of a convolution has four axes")
        };
        let taps = height * width;
        let starts = (0..out * taps).flat_map(move |row| (0..inputs).step_by(block).map(move |i| (row, i)));
        starts.map(move |(row, first)| {
            let at = |i: usize| (row / taps * inputs + i) * taps + row % taps;
            (first..inputs.min(first + block)).map(at).collect()
        })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kept, self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(dims: [usize; 4]) -> Parameter {
        let numbers = (0..dims.iter().product::<usize>()).map(|at| ((at * 37 + 11) % 101) as f32 - 50.5);
        Parameter::new(dims, numbers.collect::<Vec<f32>>())
    }

    #[test]
    fn the_largest_of_each_block_stay() {
        // Two taps, of six inputs each: blocks of four and of two.
        let row = [1.0, -9.0, 2.0, 8.0, 3.0, -7.0, 4.0, 6.0, 5.0, 1.0, 6.0, 2.0];
        let stays = Balance::new(2, 4).unwrap().stays(&Parameter::new([1, 6, 1, 2], row.to_vec()));
        // Tap 0: 1 2 3 4 | 5 6, tap 1: −9 8 −7 6 | 1 2.
        let first: Vec<bool> = stays.iter().step_by(2).copied().collect();
        let second: Vec<bool> = stays.iter().skip(1).step_by(2).copied().collect();
        assert_eq!(first, [false, false, true, true, false, true]);
        assert_eq!(second, [true, true, false, false, false, true]);
    }

    #[test]
    fn what_stays_is_balanced_and_no_more_than_it() {
        for (kept, block) in [(1, 2), (2, 4), (1, 8), (4, 16), (5, 32), (16, 16)] {
            let balance = Balance::new(kept, block).unwrap();
            for dims in [[3, 64, 3, 3], [5, 33, 1, 1], [2, block, 3, 1]] {
                let dense = weight(dims);
                assert!(balance.is_for(&dense) == (dims[1] >= block));
                assert!(balance.holds(&balance.thinned(&dense)), "{balance} of {dims:?}");
                let all = balance.kept() == block;
                assert_eq!(balance.holds(&dense), all, "{balance} of {dims:?}");
            }
            assert_eq!(Balance::read(&balance.to_string()), Some(balance));
        }
    }

    #[test]
    fn other_numbers_are_refused() {
        for (kept, block) in [(0, 4), (1, 16), (5, 4), (1, 1), (8, 64)] {
            let error = Balance::new(kept, block).unwrap_err().to_string();
            assert!(error.contains(&format!("found {kept} of {block}")), "{error}");
            assert_eq!(Balance::read(&format!("{kept} of {block}")), None);
        }
        assert_eq!(Balance::read("4/16"), None);
    }
}
