//! Damage to files, the same for the same number.

/// Random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(case: u64) -> Self {
        Self(case.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of 0 … `end` − 1; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A byte, often one that means something to a reader.
    fn byte(&mut self) -> u8 {
        if self.below(2) == 0 {
            self.word() as u8
        } else {
            self.of(b"\x00\x01\xff\x7f\x80.(0t}]RQbuahj\"{},:[09")
        }
    }
}

/// Where descriptions lie rather than numbers: headers and pickles at the beginning, directories at the end.
const EDGE: usize = 64 << 10;

/// `sound` with one to five changes.
pub fn damaged(sound: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..=random.below(5) {
        change(&mut bytes, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let len = bytes.len();
    let at = match random.below(3) {
        0 => random.below(len),
        1 => random.below(len.min(EDGE)),
        _ => len.saturating_sub(1 + random.below(len.min(EDGE))),
    };
    let run = at..(at + 1 + random.below(40)).min(len);
    match random.below(10) {
        _ if bytes.is_empty() => {}
        0 => bytes[at] = random.byte(),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes.insert(at, random.byte()),
        3 => drop(bytes.drain(run)),
        4 => bytes.extend_from_within(run),
        // Lengths, offsets and counts.
        5 => {
            let number = random.of(&[0, 1, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 40, 1 << 63, u64::MAX]);
            let width = random.of(&[2, 4, 8]).min(len - at);
            bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
        // The next number that is written in digits: sizes in a header, places in a name.
        6 | 7 => {
            if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                bytes[at + digit] = b'0' + random.below(10) as u8;
            }
        }
        // A piece from elsewhere.
        8 => {
            let from = random.below(len - run.len() + 1);
            let piece = bytes[from..from + run.len()].to_vec();
            bytes.splice(run, piece);
        }
        _ => {
            if random.below(8) == 0 {
                bytes.truncate(at);
            } else {
                bytes[at] = bytes[at].wrapping_add(1);
            }
        }
    }
}
