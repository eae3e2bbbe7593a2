//! Balanced sparsity (Yao et al., *Balanced Sparsity for Efficient DNN Inference on GPU*, AAAI 2019, section 3): every block
//! of a weight's rows keeps as many numbers as any other.
//!
//! A row is what makes an output. It is gone through tap by tap and within a tap by inputs, as the patch lies that a
//! convolution multiplies it with; blocks do not reach over a tap's end, and a short one at the end keeps its share.
//!
//! Neighbouring rows may keep the numbers of the same inputs: those whose magnitudes, added over the rows, are largest. What
//! stays is then balanced in each of them, and rows that are made together need the same inputs.

use std::fmt;

use super::Parameter;
use crate::error::{Error, Result};

/// So many of every block stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    block: usize,
    kept: usize,
    rows: usize,
}

impl Balance {
    /// The longest block.
    pub const MOST: usize = 32;

    /// One of so many stays at least.
    pub const SPARSEST: usize = 8;

    /// The most rows that are alike.
    pub const MOST_ROWS: usize = 64;

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
        Ok(Self { block, kept, rows: 1 })
    }

    /// The same with so many neighbouring rows alike, 1 ‥ [`MOST_ROWS`](Self::MOST_ROWS), from the first on. The last ones
    /// may be fewer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with another number.
    pub fn with_rows(self, rows: usize) -> Result<Self> {
        if !(1..=Self::MOST_ROWS).contains(&rows) {
            let reason = format!("expected 1 to {} rows that are alike, found {rows}", Self::MOST_ROWS);
            return Err(Error::Unsupported(reason));
        }
        Ok(Self { rows, ..self })
    }

    /// The nearest to a share of every `block` neighbours, at least one of them.
    ///
    /// # Errors
    /// As [`Balance::new`].
    pub fn of_share(share: f64, block: usize) -> Result<Self> {
        Self::new((share * block as f64).round().max(1.0) as usize, block)
    }

    /// What [`Display`](fmt::Display) writes, as in `4 of 16`; rows are on their own.
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

    /// How many neighbouring rows are alike.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Whether a weight `[out, in, k, k]` has a whole block an output and a tap, at least.
    pub fn is_for(self, weight: &Parameter) -> bool {
        matches!(weight.dims(), [_, inputs, _, _] if *inputs >= self.block)
    }

    /// Which numbers of a weight `[out, in, k, k]` stay: the largest of each block, of equals the first.
    pub fn stays(self, weight: &Parameter) -> Vec<bool> {
        let (values, out) = (weight.values(), weight.dims()[0].max(1));
        let (a_row, blocks) = (values.len() / out, self.blocks(weight).count() / out);
        let mut stays = vec![false; values.len()];
        for (at, block) in self.blocks(weight).enumerate() {
            let row = at / blocks;
            if !row.is_multiple_of(self.rows) {
                continue; // it is as the first of those that it is alike
            }
            let alike = self.rows.min(out - row);
            let size = |at: usize| (0..alike).map(|row| values[at + row * a_row].abs()).sum::<f32>();
            let mut sizes: Vec<(usize, f32)> = block.iter().map(|at| (*at, size(*at))).collect();
            sizes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            for (at, _) in &sizes[..self.kept_of(block.len())] {
                (0..alike).for_each(|row| stays[at + row * a_row] = true);
            }
        }
        stays
    }

    /// A weight `[out, in, k, k]` with zeros in place of what does not stay.
    pub fn thinned(self, weight: &Parameter) -> Parameter {
        let values = weight.values().iter().zip(self.stays(weight));
        let values: Vec<f32> = values.map(|(own, stays)| if stays { *own } else { 0.0 }).collect();
        Parameter::new(weight.dims(), values)
    }

    /// Whether no block of a weight `[out, in, k, k]` has more numbers other than zero than stay, each row by itself.
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

    fn weight_of(dims: [usize; 4]) -> Parameter {
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
    fn rows_that_are_alike_keep_the_same_inputs() {
        // Three rows of four inputs: the first two together, the last one alone.
        let rows = [[5.0, -4.0, 1.0, 0.0], [0.0, 4.0, -9.0, 1.0], [1.0, 2.0, 3.0, -4.0]];
        let weight = Parameter::new([3, 4, 1, 1], rows.concat());
        let balance = Balance::new(2, 4).unwrap().with_rows(2).unwrap();
        let expected = [[false, true, true, false], [false, true, true, false], [false, false, true, true]];
        assert_eq!(balance.stays(&weight), expected.concat());
        assert!(balance.holds(&balance.thinned(&weight)) && balance.rows() == 2);
        for rows in [0, 65] {
            let error = balance.with_rows(rows).unwrap_err().to_string();
            assert_eq!(error, format!("expected 1 to 64 rows that are alike, found {rows}"));
        }
        for (rows, dims) in [(4, [9, 16, 3, 3]), (8, [5, 33, 1, 1]), (64, [3, 8, 1, 3]), (1, [4, 8, 3, 3])] {
            let (dense, balance) = (weight_of(dims), Balance::new(2, 8).unwrap().with_rows(rows).unwrap());
            let stays = balance.stays(&dense);
            let a_row = dims[1] * dims[2] * dims[3];
            let by_rows: Vec<&[bool]> = stays.chunks(a_row).collect();
            for alike in by_rows.chunks(rows) {
                assert!(alike.iter().all(|row| *row == alike[0]), "{rows} of {dims:?}");
            }
            assert!(balance.holds(&balance.thinned(&dense)), "{rows} of {dims:?}");
        }
    }

    #[test]
    fn what_stays_is_balanced_and_no_more_than_it() {
        for (kept, block) in [(1, 2), (2, 4), (1, 8), (4, 16), (5, 32), (16, 16)] {
            let balance = Balance::new(kept, block).unwrap();
            for dims in [[3, 64, 3, 3], [5, 33, 1, 1], [2, block, 3, 1]] {
                let dense = weight_of(dims);
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
