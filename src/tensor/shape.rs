//! The shape of activations.

use std::fmt;

/// N×C×H×W: how many pictures, channels each, rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Pictures (tiles) in one run.
    pub batch: usize,
    /// Channels of each.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// N, C, H, W.
    pub const fn new(batch: usize, channels: usize, height: usize, width: usize) -> Self {
        Self { batch, channels, height, width }
    }

    /// The lengths of the axes N, C, H, W.
    pub const fn axes(self) -> [usize; 4] {
        [self.batch, self.channels, self.height, self.width]
    }

    /// H·W.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// N·C·H·W.
    #[expect(clippy::len_without_is_empty, reason = "a shape is never asked whether it is empty")]
    pub const fn len(self) -> usize {
        self.batch * self.channels * self.pixels()
    }

    /// The same picture size with other channels.
    pub const fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The same channels at another picture size.
    pub const fn with_size(self, height: usize, width: usize) -> Self {
        Self { height, width, ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}x{}", self.batch, self.channels, self.height, self.width)
    }
}
