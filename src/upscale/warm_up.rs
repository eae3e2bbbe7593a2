//! What the first picture of a size would wait for, done before it comes.

use super::Upscaler;
use crate::error::Result;
use crate::job::stream::{Sink, Source};
use crate::pixels::{Depth, Pixels};

impl Upscaler {
    /// Makes ready for pictures of a size and depth: plans, compiles kernels, takes the memory, and enlarges a black picture to
    /// nowhere, since drivers put some of their work off until the first run.
    ///
    /// # Errors
    /// As [`Upscaler::upscale_pixels`].
    ///
    /// ```
    /// use sparsr::{Depth, Model, Options, Upscaler};
    ///
    /// let mut upscaler = Upscaler::on_cpu(&Model::builtin("edsrmini-x2")?, Options::default())?;
    /// upscaler.warm_up([32, 24], Depth::Eight)?;
    /// # Ok::<(), sparsr::Error>(())
    /// ```
    pub fn warm_up(&mut self, size: [usize; 2], depth: Depth) -> Result<()> {
        self.upscale_rows(&mut Black { size, depth, left: size[1] }, &mut Nowhere).map(drop)
    }
}

struct Black {
    size: [usize; 2],
    depth: Depth,
    left: usize,
}

impl Source for Black {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn depth(&self) -> Depth {
        self.depth
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let rows = rows.min(self.left);
        self.left -= rows;
        Ok(Pixels::black(self.size[0], rows, self.depth))
    }

    fn restart(&mut self) -> Result<()> {
        self.left = self.size[1];
        Ok(())
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _rows: Pixels) -> Result<()> {
        Ok(())
    }
}
