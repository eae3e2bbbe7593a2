//! Which part of its output a convolution makes.

use crate::tensor::channel_groups;

/// Which pixels: chosen when the pipeline is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// All.
    All,
    /// Those on a list of `mask_compact`.
    Listed,
    /// All, under a mask. Where it is 0 the sum is 0, or what is there stays.
    Masked {
        /// Groups of four channels, the first ones, that are left as they are where the mask is 0.
        preserved_groups: usize,
    },
}

impl Pixels {
    pub(super) fn listed(self) -> (&'static str, u32) {
        ("LISTED", u32::from(self == Self::Listed))
    }

    pub(super) fn masked(self) -> (&'static str, u32) {
        ("MASKED", u32::from(matches!(self, Self::Masked { .. })))
    }

    pub(super) fn preserved_groups(self) -> u32 {
        if let Self::Masked { preserved_groups } = self { preserved_groups as u32 } else { 0 }
    }
}

/// Which channels: `start .. end` of a value that has `of`. A start is a multiple of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "a range")]
pub struct Channels {
    pub start: usize,
    pub end: usize,
    pub of: usize,
}

impl Channels {
    /// All of them.
    pub fn all(of: usize) -> Self {
        Self { start: 0, end: of, of }
    }

    pub(super) fn len(self) -> usize {
        self.end - self.start
    }

    pub(super) fn groups(self) -> usize {
        channel_groups(self.len())
    }

    pub(super) fn first_group(self) -> usize {
        self.start / 4
    }

    pub(super) fn groups_of_value(self) -> usize {
        channel_groups(self.of)
    }
}
