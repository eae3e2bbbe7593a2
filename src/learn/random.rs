//! Random numbers by their place: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A number is a function of seed, stream, step and index, and of nothing that was drawn before:
//!
//! ```text
//!   key     = seed's low word, seed's high word
//!   counter = index / 4, stream, step's low word, step's high word
//!   bits    = philox(counter, key)[index % 4]
//! ```
//!
//! Any thread count, any order and any resumed run give the same numbers. Everything up to [`Random::bits`] and
//! [`Random::below`] is arithmetic on `u32`, products by their high and low half, and [`Random::uniform`] is exact in
//! `f32`: a shader that does the same gives them bit for bit. [`Random::logistic`] and [`Random::normal`] go through
//! functions that devices round as they like. Here they are libm's, the same on every host.

/// Both multipliers of a round.
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];

/// What is added to the key after a round: the golden ratio, and √3 − 1.
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

const ROUNDS: usize = 10;

/// [`Random::logistic`] knows no smaller and no larger uniform numbers than this, and 1 less this.
const LOGISTIC_EDGE: f32 = 1e-6;

/// The random numbers of one step in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    key: [u32; 2],
    stream: u32,
    step: [u32; 2],
}

impl Random {
    /// Where crops are drawn from.
    pub const CROPS: u32 = 0;
    /// Where degradations are drawn from: each picture of a batch has a step of its own here.
    pub const DEGRADATIONS: u32 = 1;
    /// Where their noise is drawn from, in the same steps.
    pub const NOISE: u32 = 2;
    /// From here on streams are the caller's.
    pub const FREE: u32 = 16;

    /// The numbers of `step` in `stream`.
    pub fn new(seed: u64, stream: u32, step: u64) -> Self {
        Self { key: words(seed), stream, step: words(step) }
    }

    /// 32 random bits.
    pub fn bits(&self, index: u32) -> u32 {
        self.block(index / 4)[index as usize % 4]
    }

    /// A number of `(0, 1)`: the middle of one of 2²³ equal parts.
    pub fn uniform(&self, index: u32) -> f32 {
        uniform(self.bits(index))
    }

    /// A whole number below `n`, and 0 if there is none: the high word of bits · n. For n far below 2³² all are as good
    /// as equally likely.
    pub fn below(&self, index: u32, n: u32) -> u32 {
        wide_product(self.bits(index), n)[0]
    }

    /// A number of the logistic distribution, which is the difference of two Gumbel's: the logit of the uniform one,
    /// that being kept 10⁻⁶ from 0 and 1.
    pub fn logistic(&self, index: u32) -> f32 {
        logistic(self.bits(index))
    }

    /// A number of the normal distribution, made of the bits of the two places 2·(index / 2) and the next (Box and
    /// Muller).
    pub fn normal(&self, index: u32) -> f32 {
        let pair = index / 2 * 2;
        normals([self.bits(pair), self.bits(pair + 1)])[index as usize % 2]
    }

    /// Writes the numbers of [`Random::uniform`] from index 0 on.
    pub fn fill_uniform(&self, numbers: &mut [f32]) {
        self.fill(numbers, |bits| bits.map(uniform));
    }

    /// Writes the numbers of [`Random::logistic`] from index 0 on.
    pub fn fill_logistic(&self, numbers: &mut [f32]) {
        self.fill(numbers, |bits| bits.map(logistic));
    }

    /// Writes the numbers of [`Random::normal`] from index 0 on.
    pub fn fill_normal(&self, numbers: &mut [f32]) {
        self.fill(numbers, |[a, b, c, d]| {
            let [[a, b], [c, d]] = [normals([a, b]), normals([c, d])];
            [a, b, c, d]
        });
    }

    fn fill(&self, numbers: &mut [f32], number: impl Fn([u32; 4]) -> [f32; 4]) {
        for (numbers, block) in numbers.chunks_mut(4).zip(0..) {
            numbers.copy_from_slice(&number(self.block(block))[..numbers.len()]);
        }
    }

    fn block(&self, block: u32) -> [u32; 4] {
        philox([block, self.stream, self.step[0], self.step[1]], self.key)
    }
}

/// Low word first.
fn words(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [high_0, low_0] = wide_product(MULTIPLIERS[0], counter[0]);
        let [high_1, low_1] = wide_product(MULTIPLIERS[1], counter[2]);
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

/// High word and low word.
fn wide_product(a: u32, b: u32) -> [u32; 2] {
    let [low, high] = words(u64::from(a) * u64::from(b));
    [high, low]
}

fn uniform(bits: u32) -> f32 {
    const PART: f32 = 1.0 / (1 << 23) as f32;
    ((bits >> 9) as f32 + 0.5) * PART
}

fn logistic(bits: u32) -> f32 {
    let uniform = uniform(bits).clamp(LOGISTIC_EDGE, 1.0 - LOGISTIC_EDGE);
    libm::logf(uniform) - libm::log1pf(-uniform)
}

fn normals(bits: [u32; 2]) -> [f32; 2] {
    let [radius, turn] = bits.map(uniform);
    let radius = libm::sqrtf(-2.0 * libm::logf(radius));
    let (sine, cosine) = libm::sincosf(std::f32::consts::TAU * turn);
    [radius * cosine, radius * sine]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that Random123 comes with (its `kat_vectors`, philox4x32, ten rounds).
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn a_number_is_found_by_seed_stream_step_and_index() {
        let random = Random::new(0x299f_31d0_a409_3822, 0x85a3_08d3, 0x0370_7344_1319_8a2e);
        let index = 0x243f_6a88_u32.wrapping_mul(4); // wraps: the block is what is left of it
        assert_eq!(random.block(0x243f_6a88)[2], 0x5001_e420);
        assert_eq!(random.bits(index + 3), random.block(index / 4)[3]);
        let draw = |seed, stream, step| Random::new(seed, stream, step).bits(5);
        let numbers = [draw(1, 2, 3), draw(1 << 32, 2, 3), draw(1, 3, 2), draw(1, 2, 3 << 32), draw(3, 2, 1)];
        for (i, number) in numbers.iter().enumerate() {
            assert!(!numbers[..i].contains(number), "{numbers:?}");
        }
    }

    #[test]
    fn uniform_numbers_are_exact_and_never_reach_their_ends() {
        let part = 2.0_f32.powi(-24);
        let cases =
            [(0, part), (u32::MAX, 1.0 - part), (1 << 31, 0.5 + part), (511, part), (512, 3.0 * part)];
        for (bits, expected) in cases {
            assert_eq!(uniform(bits), expected, "{bits:#x}");
        }
    }

    #[test]
    fn whole_numbers_cover_their_range_evenly() {
        let random = Random::new(7, Random::CROPS, 0);
        let mut counts = [0; 5];
        (0..10_000).for_each(|i| counts[random.below(i, 5) as usize] += 1);
        assert!(counts.iter().all(|count| (1900..2100).contains(count)), "{counts:?}");
        assert_eq!((random.below(3, 0), random.below(3, 1)), (0, 0));
        assert!((0..100).any(|i| random.below(i, u32::MAX) > u32::MAX / 4 * 3));
    }

    /// Mean and variance of many, and how they must be: the standard error of the mean is 0.003 to 0.006.
    #[test]
    fn distributions_have_their_moments() {
        let random = Random::new(1, Random::FREE, 2);
        let pi = std::f64::consts::PI;
        type Fill = fn(&Random, &mut [f32]);
        let cases: [(Fill, fn(&Random, u32) -> f32, f64, f64); 3] = [
            (Random::fill_uniform, Random::uniform, 0.5, 1.0 / 12.0),
            (Random::fill_logistic, Random::logistic, 0.0, pi * pi / 3.0),
            (Random::fill_normal, Random::normal, 0.0, 1.0),
        ];
        for (fill, one, mean, variance) in cases {
            let mut numbers = vec![0.0; 100_003];
            fill(&random, &mut numbers);
            for i in [0, 1, 2, 3, 4, 1001, 100_002] {
                assert_eq!(numbers[i as usize], one(&random, i));
            }
            let count = numbers.len() as f64;
            let found = numbers.iter().copied().map(f64::from).sum::<f64>() / count;
            let spread = numbers.iter().map(|&x| (f64::from(x) - found).powi(2)).sum::<f64>() / count;
            assert!(
                (found - mean).abs() < 0.02 && (spread / variance - 1.0).abs() < 0.02,
                "{found} {spread}"
            );
        }
    }

    #[test]
    fn logistic_numbers_end_where_they_should() {
        let end = (1e-6_f64 / (1.0 - 1e-6)).ln() as f32;
        for (bits, expected) in [(0, end), (u32::MAX, -end)] {
            assert!((logistic(bits) - expected).abs() < 0.02, "{} {expected}", logistic(bits));
        }
    }
}
