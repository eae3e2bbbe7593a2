//! The bits of a JPEG's entropy-coded data, and its Huffman codes.

use super::Damage;

/// Bits from the most significant on. `0xff 0x00` is the byte `0xff`; `0xff` and anything else is a marker, which ends
/// the data.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte.
    at: usize,
    /// Bits that have been read and not taken, the next one uppermost.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, held: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match self.data[self.at.min(self.data.len())..] {
                [0xff, 0, ..] => {
                    self.at += 1;
                    0xff
                }
                [] | [0xff, ..] => return,
                [byte, ..] => byte,
            };
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// A number of so many bits, at most 16.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Damage> {
        if bits == 0 {
            return Ok(0);
        }
        if self.count < bits {
            self.fill();
        }
        if self.count < bits {
            return Err(Damage::Ends);
        }
        let number = (self.held >> (64 - bits)) as u32;
        self.held <<= bits;
        self.count -= bits;
        Ok(number)
    }

    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<u8, Damage> {
        if self.count < 16 {
            self.fill();
        }
        let (symbol, bits) = codes.find((self.held >> 48) as u16).ok_or(Damage::NoCode)?;
        self.take(bits)?;
        Ok(symbol)
    }

    /// What follows when the last code has been taken: the padding of its byte, and zeros, are passed over.
    pub(super) fn rest(mut self) -> Result<&'a [u8], Damage> {
        self.fill();
        let held = if self.count >= 8 { self.held << (self.count % 8) } else { 0 };
        let rest = &self.data[self.at..];
        let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
        if held != 0 || !matches!(rest[zeros..], [] | [0xff, ..]) {
            Err(Damage::GoesOn)
        } else {
            Ok(&rest[zeros..])
        }
    }
}

/// Huffman codes of 1 to 16 bits.
#[derive(Clone)]
pub(super) struct Codes {
    /// Of each length: the first 16-bit pattern that no code of this or a shorter length begins, and what to add to
    /// a code for its symbol's place.
    ends: [(u32, i32); 16],
    symbols: Vec<u8>,
}

impl Codes {
    /// Nothing if there are more of a length than it has room for.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let (mut code, mut place) = (0_i32, 0_i32);
        let ends = std::array::from_fn(|i| {
            let offset = place - code;
            code += i32::from(counts[i]);
            place += i32::from(counts[i]);
            let end = (code as u32) << (15 - i);
            code <<= 1;
            (end, offset)
        });
        let fit = ends.iter().all(|&(end, _)| end <= 1 << 16);
        fit.then(|| Self { ends, symbols: symbols.to_vec() })
    }

    /// The symbol whose code the bits begin with, and the code's length.
    fn find(&self, bits: u16) -> Option<(u8, u32)> {
        let length = self.ends.iter().position(|&(end, _)| u32::from(bits) < end)?;
        let place = i32::from(bits >> (15 - length)) + self.ends[length].1;
        Some((*self.symbols.get(usize::try_from(place).ok()?)?, length as u32 + 1))
    }
}
