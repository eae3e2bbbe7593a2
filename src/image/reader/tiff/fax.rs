//! The rows of a fax (CCITT T.4 and T.6), as bits that are set where the paper is black.
//!
//! ```text
//!   run lengths:  white, black, white … of codes, until the row is full      RLE, Group 3
//!   two dimensions: where colour changes, told from the row above            Group 3, Group 4
//! ```
//!
//! A row that does not come out at the picture's width is an error.

use std::convert::Infallible;
use std::io::{self, Read};
use std::iter::{Chain, Map, RepeatN};
use std::vec::IntoIter;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

use super::refused;

/// How rows are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Run lengths, each row from a byte on.
    Rle,
    /// Run lengths, with a mark before every row.
    Group3,
    /// The same, where a bit behind the mark says whether the row has one dimension or two.
    Group3Mixed,
    /// Two dimensions, no marks.
    Group4,
}

type Bytes = Map<Chain<IntoIter<u8>, RepeatN<u8>>, fn(u8) -> Result<u8, Infallible>>;

pub(super) struct Fax {
    bits: ByteReader<Bytes>,
    scheme: Scheme,
    width: u32,
    rows: u32,
    /// How many rows have been decoded.
    y: u32,
    /// Where the colour changes in the last row, the first time to black.
    changes: Vec<u32>,
    /// The last row, and how much of it has been read.
    row: Vec<u8>,
    read: usize,
}

impl Fax {
    pub(super) fn new(bytes: Vec<u8>, scheme: Scheme, width: u32, rows: u32) -> Self {
        // The tables look at bits behind the last code.
        let bytes = bytes.into_iter().chain(std::iter::repeat_n(0, 4));
        let Ok(bits) = ByteReader::new(bytes.map(Ok as fn(u8) -> Result<u8, Infallible>));
        Self { bits, scheme, width, rows, y: 0, changes: Vec::new(), row: Vec::new(), read: 0 }
    }

    fn next_row(&mut self) -> io::Result<()> {
        let two_dimensions = match self.scheme {
            Scheme::Group4 => true,
            Scheme::Rle => {
                let rest = self.bits.bits_to_byte_boundary();
                self.skip(rest);
                false
            }
            Scheme::Group3 => {
                self.skip_mark();
                false
            }
            // The first row may come without a mark, and has one dimension then.
            Scheme::Group3Mixed => self.skip_mark() && !self.bit(),
        };
        self.changes = if two_dimensions { self.by_the_row_above()? } else { self.run_lengths()? };
        self.y += 1;
        self.paint();
        Ok(())
    }

    /// Whether there was a mark: eleven zeros or more, and a one.
    fn skip_mark(&mut self) -> bool {
        if self.bits.peek(11) != Some(0) {
            return false;
        }
        while self.bits.peek(1) == Some(0) {
            self.skip(1);
        }
        self.skip(1);
        true
    }

    fn bit(&mut self) -> bool {
        let bit = self.bits.peek(1) == Some(1);
        self.skip(1);
        bit
    }

    fn skip(&mut self, bits: u8) {
        let Ok(()) = self.bits.consume(bits);
    }

    fn run_lengths(&mut self) -> io::Result<Vec<u32>> {
        let (mut changes, mut at, mut black) = (Vec::new(), 0, false);
        while at < self.width {
            at = self.run(at, black)?;
            changes.push(at);
            black = !black;
        }
        Ok(changes)
    }

    /// Where a run that starts at `at` ends.
    fn run(&mut self, at: u32, black: bool) -> io::Result<u32> {
        let mut end = at;
        loop {
            let length = if black { black::decode(&mut self.bits) } else { white::decode(&mut self.bits) };
            let length = length.ok_or_else(|| self.broken())?;
            end += u32::from(length);
            if end > self.width {
                return Err(self.broken());
            }
            if length < 64 {
                return Ok(end);
            }
        }
    }

    /// A row told from the last one. `a0`, `b1`, `b2` are T.6's names.
    fn by_the_row_above(&mut self) -> io::Result<Vec<u32>> {
        let above = std::mem::take(&mut self.changes);
        let width = i64::from(self.width);
        let (mut changes, mut a0, mut black) = (Vec::new(), -1_i64, false);
        while a0 < width {
            let mut b = above.partition_point(|&change| i64::from(change) <= a0);
            b += usize::from((b % 2 == 1) != black);
            let change = |i: usize| above.get(i).map_or(width, |&change| i64::from(change));
            match mode::decode(&mut self.bits) {
                Some(Mode::Pass) => a0 = change(b + 1),
                Some(Mode::Vertical(distance)) => {
                    let a1 = change(b) + i64::from(distance);
                    if a1 < a0.max(0) || a1 > width {
                        return Err(self.broken());
                    }
                    changes.push(a1 as u32);
                    (a0, black) = (a1, !black);
                }
                Some(Mode::Horizontal) => {
                    let a1 = self.run(a0.max(0) as u32, black)?;
                    let a2 = self.run(a1, !black)?;
                    changes.extend([a1, a2]);
                    a0 = a2.into();
                }
                Some(Mode::Extension | Mode::EOF) | None => return Err(self.broken()),
            }
        }
        Ok(changes)
    }

    fn paint(&mut self) {
        self.row.clear();
        self.row.resize(self.width.div_ceil(8) as usize, 0);
        for run in self.changes.chunks(2) {
            let end = run.get(1).copied().unwrap_or(self.width);
            for x in run[0]..end {
                self.row[x as usize / 8] |= 0x80 >> (x % 8);
            }
        }
        self.read = 0;
    }

    fn broken(&self) -> io::Error {
        refused(format!("the fax data breaks in row {} of {} of a strip", self.y + 1, self.rows))
    }
}

impl Read for Fax {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.row.len() && self.y < self.rows {
            self.next_row()?;
        }
        let bytes = (&self.row[self.read..]).read(buffer)?;
        self.read += bytes;
        Ok(bytes)
    }
}
