//! Which kernel computes a convolution: candidates in order of preference, by the convolution's class.
//!
//! ```text
//!   shipped (data) ─┐
//!   measured ───────┴─► Choices ─► lowering: the first candidate of the class that can do it
//! ```
//!
//! Plain data, a part of [`super::Options`]: a plan stays a function of graph, options and limits. What a table does
//! not know the shipped one answers, so a table may hold a single class.

mod json;
mod shipped;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Algorithm, Limits};
use crate::kernel::product::{LANES, Weights};
use crate::kernel::{conv2d_pruned, conv2d_tiled, product};

/// A way to compute a convolution of stride 1 that keeps the size, in one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Candidate {
    /// Tap by tap, `conv2d_tiled`: of one input, and not of listed pixels.
    Tiled(conv2d_tiled::Tile),
    /// As one product, pixel by pixel, `conv2d_gather`: any.
    Product(product::Tile),
    /// Winograd's F(4×4, 3×3): 3×3 of one input; of what is listed tiles of 4×4.
    Winograd(product::Tile),
    /// By lists of what is not zero, `conv2d_pruned`: of one input, by a weight that is mostly zero.
    Pruned(conv2d_pruned::Tile),
    /// By cooperative matrices, `conv2d_cooperative` and `conv2d_gather_cooperative`: where factors may be rounded to f16.
    Matrices,
}

impl Candidate {
    /// What every device can, of every class.
    pub const PLAIN: Self = Self::Product(product::Tile::STORAGE);

    /// Every one; those that suit few classes first, so that they are tried where time is short.
    pub fn all() -> impl Iterator<Item = Self> {
        let tiled = conv2d_tiled::Tile::ALL.into_iter().map(Self::Tiled);
        let product = product::Tile::ALL.into_iter().map(Self::Product);
        let winograd = product::Tile::ALL.into_iter().map(Self::Winograd);
        let pruned = conv2d_pruned::Tile::ALL.into_iter().map(Self::Pruned);
        pruned.chain(tiled).chain(product).chain(winograd).chain([Self::Matrices])
    }

    /// What has to be asked for to get it.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Tiled(_) | Self::Product(_) | Self::Pruned(_) => Algorithm::Direct,
            Self::Winograd(_) => Algorithm::Winograd,
            Self::Matrices => Algorithm::Cooperative,
        }
    }

    /// Whether a device has what its kernels need.
    pub fn runs_on(self, limits: &Limits) -> bool {
        match self {
            Self::Tiled(_) | Self::Pruned(_) => true,
            Self::Product(tile) | Self::Winograd(tile) => {
                tile.weights == Weights::Storage || limits.subgroup_lanes == Some(LANES)
            }
            Self::Matrices => limits.cooperative_side.is_some(),
        }
    }

    /// Whether it can compute convolutions of a class.
    pub fn suits(self, class: Class) -> bool {
        match self {
            Self::Tiled(_) => !class.listed,
            Self::Product(_) => true,
            Self::Winograd(_) => class.side == Side::Three,
            Self::Pruned(_) => class.density != Density::All,
            Self::Matrices => class.inputs >= Width::To32 && class.outputs >= Width::To15,
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = |name: &str, tile: &product::Tile| {
            let weights = match tile.weights {
                Weights::Storage => "storage",
                Weights::Broadcast => "broadcast",
            };
            format!("{name} {weights} {}", tile.groups)
        };
        f.pad(&match self {
            Self::Tiled(tile) => format!("tiled {}x{}", tile.pixels, tile.groups),
            Self::Product(tile) => product("product", tile),
            Self::Winograd(tile) => product("winograd", tile),
            Self::Pruned(tile) => format!("pruned {}", tile.groups),
            Self::Matrices => "matrices".into(),
        })
    }
}

/// Convolutions that one choice is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// The kernel.
    pub side: Side,
    /// Input channels, of all inputs.
    pub inputs: Width,
    /// Output channels.
    pub outputs: Width,
    /// Pixels.
    pub extent: Extent,
    /// Whether only listed pixels are computed, those under a mask.
    pub listed: bool,
    /// How much of the weight is left.
    pub density: Density,
}

/// A kernel's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "a number each")]
pub enum Side {
    One,
    Three,
    /// 5 and more.
    More,
}

/// How many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the largest number each")]
pub enum Width {
    To7,
    To15,
    To32,
    To64,
    More,
}

/// How many pixels, of all pictures of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extent {
    /// Up to 64×64: a sprite.
    Small,
    /// Up to 256×256: a tile, or a small picture.
    Tile,
    /// A picture.
    Large,
}

/// How much of a weight is left: of the inputs, channel and tap, what four neighbouring outputs need together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Density {
    /// More than a half, or nothing is known.
    All,
    /// Up to a half.
    Half,
    /// Up to a quarter.
    Quarter,
    /// Up to an eighth.
    Eighth,
}

impl Density {
    const ALL: [Self; 4] = [Self::All, Self::Half, Self::Quarter, Self::Eighth];

    /// The one of a weight's lists, by their longest cut.
    pub(super) fn of(longest: usize, kernel: usize) -> Self {
        let all = conv2d_pruned::all_entries(kernel);
        let is_so_sparse = |density: &&Self| longest * density.one_in() <= all;
        Self::ALL.iter().rev().find(is_so_sparse).copied().unwrap_or(Self::All)
    }

    /// One entry in so many is left, at most.
    pub fn one_in(self) -> usize {
        match self {
            Self::All => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// Itself and all that keep more, itself first.
    fn and_denser(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().rev().filter(move |density| *density <= self)
    }
}

impl Side {
    const ALL: [Self; 3] = [Self::One, Self::Three, Self::More];

    /// The one of a kernel.
    pub fn of(side: usize) -> Self {
        match side {
            0..=1 => Self::One,
            2..=3 => Self::Three,
            _ => Self::More,
        }
    }

    /// One of it, to stand for all.
    pub fn sample(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::More => 5,
        }
    }
}

impl Width {
    const ALL: [Self; 5] = [Self::To7, Self::To15, Self::To32, Self::To64, Self::More];

    /// The one of so many channels.
    pub fn of(channels: usize) -> Self {
        match channels {
            0..=7 => Self::To7,
            8..=15 => Self::To15,
            16..=32 => Self::To32,
            33..=64 => Self::To64,
            _ => Self::More,
        }
    }

    /// One of it, to stand for all.
    pub fn sample(self) -> usize {
        match self {
            Self::To7 => 3,
            Self::To15 => 12,
            Self::To32 => 32,
            Self::To64 => 64,
            Self::More => 128,
        }
    }
}

impl Extent {
    const ALL: [Self; 3] = [Self::Small, Self::Tile, Self::Large];

    /// The one of so many pixels.
    pub fn of(pixels: usize) -> Self {
        match pixels {
            0..=0x1000 => Self::Small,
            0x1001..=0x1_0000 => Self::Tile,
            _ => Self::Large,
        }
    }

    /// The side of a square of it, to stand for all: a multiple of 32, so that the blocks of a mask are whole.
    pub fn sample(self) -> usize {
        match self {
            Self::Small => 64,
            Self::Tile => 160,
            Self::Large => 288,
        }
    }
}

impl Class {
    /// The one of a convolution.
    pub fn of(kernel: usize, [inputs, outputs]: [usize; 2], pixels: usize, listed: bool) -> Self {
        let [inputs, outputs] = [inputs, outputs].map(Width::of);
        Self {
            side: Side::of(kernel),
            inputs,
            outputs,
            extent: Extent::of(pixels),
            listed,
            density: Density::All,
        }
    }

    /// The same by a weight of which so much is left. Of listed pixels, and of few inputs, that is not looked at.
    #[must_use]
    pub fn with_density(self, density: Density) -> Self {
        let looks = !self.listed && self.inputs >= Width::To15;
        Self { density: if looks { density } else { Density::All }, ..self }
    }

    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        let widths = || Width::ALL.into_iter().flat_map(|inputs| Width::ALL.map(|outputs| [inputs, outputs]));
        let of = move |side| {
            widths().flat_map(move |[inputs, outputs]| {
                Extent::ALL.into_iter().flat_map(move |extent| {
                    let all = Self { side, inputs, outputs, extent, listed: false, density: Density::All };
                    let sparse = Density::ALL.map(|density| all.with_density(density));
                    let sparse = sparse.into_iter().filter(move |class| *class != all);
                    sparse.chain([all, Self { listed: true, ..all }])
                })
            })
        };
        Side::ALL.into_iter().flat_map(of)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |width: Width| match width {
            Width::To7 => "1-7",
            Width::To15 => "8-15",
            Width::To32 => "16-32",
            Width::To64 => "33-64",
            Width::More => "65+",
        };
        let side = match self.side {
            Side::One => "1x1",
            Side::Three => "3x3",
            Side::More => "5x5+",
        };
        let extent = match self.extent {
            Extent::Small => "small",
            Extent::Tile => "tile",
            Extent::Large => "large",
        };
        let work = if self.listed { "listed" } else { "dense" };
        let density = match self.density {
            Density::All => "",
            Density::Half => " half",
            Density::Quarter => " quarter",
            Density::Eighth => " eighth",
        };
        f.pad(&format!("{side} {} to {} {extent} {work}{density}", width(self.inputs), width(self.outputs)))
    }
}

/// A candidate at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Which.
    pub candidate: Candidate,
    /// What sixteen pixels cost, of those that are computed: nanoseconds where they were measured, in the shipped
    /// table a share of some other's. Only ratios within one table matter. `None` where it is not known.
    pub cost: Option<f32>,
}

/// For every class that it knows its candidates, the preferred one first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    table: BTreeMap<Class, Vec<Ranked>>,
}

/// What sixteen pixels cost: densely, as a tile of a list, and pixel by pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Costs {
    pub dense: f32,
    /// Where tiles are listed too.
    pub tile: Option<f32>,
    pub pixels: f32,
}

impl Choices {
    /// What is known without measuring: see `shipped.rs`.
    pub fn shipped(limits: &Limits) -> Arc<Self> {
        shipped::table(limits)
    }

    /// One candidate for all classes that it suits, as tests and trials want it.
    pub fn only(candidate: Candidate) -> Self {
        let suited = Class::all().filter(|class| candidate.suits(*class));
        Self { table: suited.map(|class| (class, vec![Ranked { candidate, cost: None }])).collect() }
    }

    /// Sets a class's candidates, the preferred one first.
    pub fn set(&mut self, class: Class, ranking: Vec<Ranked>) {
        self.table.insert(class, ranking);
    }

    /// Whether a class has candidates of its own.
    pub fn knows(&self, class: Class) -> bool {
        self.table.contains_key(&class)
    }

    /// Every class with its candidates.
    pub fn classes(&self) -> impl Iterator<Item = (Class, &[Ranked])> {
        self.table.iter().map(|(class, ranking)| (*class, ranking.as_slice()))
    }

    /// A class's candidates; of one that is not known, those of the same convolution on the next larger picture, or
    /// the next smaller; and of a sparse weight those of a denser one, of a dense one in the end.
    pub fn ranking(&self, class: Class) -> &[Ranked] {
        let extents = match class.extent {
            Extent::Small => [Extent::Small, Extent::Tile, Extent::Large],
            Extent::Tile => [Extent::Tile, Extent::Large, Extent::Small],
            Extent::Large => [Extent::Large, Extent::Tile, Extent::Small],
        };
        let densities = class.density.and_denser();
        let mut classes =
            densities.flat_map(|density| extents.map(|extent| Class { extent, density, ..class }));
        classes.find_map(|class| self.table.get(&class)).map_or(&[], Vec::as_slice)
    }

    /// The first candidate that is `wanted`, with its cost.
    pub(super) fn first(&self, class: Class, wanted: impl Fn(Candidate) -> bool) -> Option<Ranked> {
        self.ranking(class).iter().find(|ranked| wanted(ranked.candidate)).copied()
    }

    /// What a masked convolution costs by the first of those candidates that it `may` have, if it goes over tiles
    /// or over pixels. `class` is of its listed pixels. `None` where one of the costs is not known.
    pub(super) fn costs(
        &self,
        class: Class,
        by_tiles: bool,
        may: impl Fn(Candidate) -> bool,
        limits: &Limits,
    ) -> Option<Costs> {
        let cost = |class, wanted: &dyn Fn(Candidate) -> bool| {
            self.first(class, |candidate| candidate.runs_on(limits) && wanted(candidate))?.cost
        };
        let tile = |candidate| matches!(candidate, Candidate::Winograd(_));
        let pixels = |candidate| matches!(candidate, Candidate::Product(_));
        Some(Costs {
            dense: cost(Class { listed: false, ..class }, &may)?,
            tile: if by_tiles { Some(cost(class, &tile)?) } else { None },
            pixels: cost(class, &pixels)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_things() {
        let classes: Vec<String> = Class::all().map(|class| class.to_string()).collect();
        let candidates: Vec<String> = Candidate::all().map(|candidate| candidate.to_string()).collect();
        for names in [classes, candidates] {
            let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
            assert_eq!(distinct.len(), names.len());
        }
    }

    #[test]
    fn a_sample_is_of_its_own_class() {
        for class in Class::all() {
            let pixels = class.extent.sample() * class.extent.sample();
            let channels = [class.inputs.sample(), class.outputs.sample()];
            let sample = Class::of(class.side.sample(), channels, pixels, class.listed);
            assert_eq!(sample.with_density(class.density), class);
        }
    }

    #[test]
    fn what_was_not_measured_at_one_size_is_taken_from_another() {
        let large = Class::of(3, [64, 64], 1 << 20, false);
        let small = Class { extent: Extent::Small, ..large };
        let mut choices = Choices::default();
        assert_eq!(choices.ranking(small), []);
        let ranking = vec![Ranked { candidate: Candidate::PLAIN, cost: Some(2.0) }];
        choices.set(large, ranking.clone());
        assert!(choices.knows(large) && !choices.knows(small));
        assert_eq!(choices.ranking(small), ranking);
        assert_eq!(choices.ranking(Class { listed: true, ..small }), []);
    }

    #[test]
    fn a_sparse_weight_without_choices_has_those_of_a_denser_one() {
        let dense = Class::of(3, [64, 64], 1 << 20, false);
        let [half, quarter, eighth] =
            [Density::Half, Density::Quarter, Density::Eighth].map(|density| dense.with_density(density));
        let of = |candidate| vec![Ranked { candidate, cost: Some(1.0) }];
        let pruned = Candidate::Pruned(conv2d_pruned::Tile::USUAL);
        let mut choices = Choices::default();
        choices.set(dense, of(Candidate::PLAIN));
        assert_eq!(choices.ranking(eighth), of(Candidate::PLAIN));
        choices.set(quarter, of(pruned));
        let found = [dense, half, quarter, eighth].map(|class| choices.ranking(class)[0].candidate == pruned);
        assert_eq!(found, [false, false, true, true]);
    }

    #[test]
    fn a_weights_share_is_that_of_its_longest_cut() {
        let densities = [9, 10, 18, 19, 36, 37, 72].map(|longest| Density::of(longest, 3));
        use Density::{All, Eighth, Half, Quarter};
        assert_eq!(densities, [Eighth, Quarter, Quarter, Half, Half, All, All]);
        // Neither listed pixels nor the three channels of a picture.
        for class in [Class::of(3, [64, 64], 1, true), Class::of(3, [3, 64], 1, false)] {
            assert_eq!(class.with_density(Quarter), class);
        }
    }
}
