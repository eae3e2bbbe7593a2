//! What lies between phases: values as large as the picture, in memory while they fit, else in a temporary file.
//!
//! A value is cut into bands of rows. A band is made when a tile first writes into it and given back when the last
//! tile that needs it has read it, so that of a value that is replaced by another, row by row, hardly more than one
//! is there at a time. The file has no name: when the program ends, however it ends, it is gone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::graph::Value;
use crate::job::scratch;
use crate::job::tiles::Rect;
use crate::tensor::{Blocks, Shape, channel_groups};

/// Rows of a band.
const ROWS: usize = 64;

/// Numbers of a pixel in a group of channels.
const LANES: usize = 4;

/// Values of a picture's size, or a fraction of it, packed like activations on a device.
#[derive(Debug)]
pub(crate) struct Store {
    values: HashMap<Value, Stored>,
    /// Bytes of memory that bands may still take.
    left: u64,
    /// Memory of bands and of what is read.
    blocks: Blocks,
    folder: PathBuf,
    file: Option<Scratch>,
}

#[derive(Debug)]
struct Stored {
    shape: Shape,
    bands: Vec<Option<Band>>,
}

#[derive(Debug)]
enum Band {
    Memory(Vec<f32>),
    /// Its first byte in the file.
    File(u64),
}

#[derive(Debug)]
struct Scratch {
    file: scratch::File,
    end: u64,
    /// Places that are free again, by their length.
    free: HashMap<u64, Vec<u64>>,
}

impl Store {
    /// Bands up to `memory` bytes in all lie in memory, the others in a file without a name in `folder`.
    pub(crate) fn new(memory: u64, folder: &Path) -> Self {
        let blocks = Blocks::default();
        Self { values: HashMap::new(), left: memory, blocks, folder: folder.to_owned(), file: None }
    }

    /// Memory that bands and what is read leave.
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Makes room for a value of a whole picture's `shape`.
    pub(crate) fn add(&mut self, value: Value, shape: Shape) {
        let bands = (0..shape.height.div_ceil(ROWS)).map(|_| None).collect();
        self.values.insert(value, Stored { shape, bands });
    }

    /// The shape of a value.
    ///
    /// # Panics
    /// If it was not added.
    pub(crate) fn shape(&self, value: Value) -> Shape {
        self.values[&value].shape
    }

    /// Writes the part `from` of a window's packed numbers to `to`, a part of the same size.
    ///
    /// # Errors
    /// [`Error::Io`] if the temporary file cannot be written: the disk is full, for example.
    ///
    /// # Panics
    /// If the value was not added, or the sizes do not fit.
    pub(crate) fn write(
        &mut self,
        value: Value,
        to: &Rect,
        window: Shape,
        packed: &[f32],
        from: &Rect,
    ) -> Result<()> {
        assert_eq!((to.width(), to.height()), (from.width(), from.height()), "a part goes where it fits");
        let mut stored = self.values.remove(&value).expect("a value is added before it is written");
        let outcome = self.write_rows(&mut stored, to, window, packed, from);
        self.values.insert(value, stored);
        outcome
    }

    fn write_rows(
        &mut self,
        stored: &mut Stored,
        to: &Rect,
        window: Shape,
        packed: &[f32],
        from: &Rect,
    ) -> Result<()> {
        for (y, row) in to.y.clone().zip(from.y.clone()) {
            let length = stored.band_len(y / ROWS);
            if stored.bands[y / ROWS].is_none() {
                stored.bands[y / ROWS] = Some(self.band(length)?);
            }
            for group in 0..channel_groups(stored.shape.channels) {
                let start = ((group * window.height + row) * window.width + from.x.start) * LANES;
                let numbers = &packed[start..start + LANES * from.width()];
                let at = stored.at(group, y, to.x.start);
                match stored.bands[y / ROWS].as_mut().expect("made above") {
                    Band::Memory(band) => band[at..at + numbers.len()].copy_from_slice(numbers),
                    Band::File(start) => {
                        let Scratch { file, .. } = self.file.as_ref().expect("a band lies in it");
                        file.write_at(bytemuck::cast_slice(numbers), *start + 4 * at as u64)
                            .map_err(Error::io(&self.folder))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A part of a value, packed, in one of the [`Store::blocks`].
    ///
    /// # Errors
    /// [`Error::Io`] if the temporary file cannot be read.
    ///
    /// # Panics
    /// If any of it was never written, or was given back.
    pub(crate) fn read(&self, value: Value, part: &Rect) -> Result<Vec<f32>> {
        let stored = &self.values[&value];
        let mut packed = self.blocks.take(channel_groups(stored.shape.channels) * part.pixels() * LANES);
        let mut rows = packed.chunks_exact_mut(LANES * part.width());
        for group in 0..channel_groups(stored.shape.channels) {
            for y in part.y.clone() {
                let row = rows.next().expect("a row for every row of every group");
                let at = stored.at(group, y, part.x.start);
                match stored.bands[y / ROWS].as_ref().expect("rows are read while they are there") {
                    Band::Memory(band) => row.copy_from_slice(&band[at..at + row.len()]),
                    Band::File(start) => {
                        let Scratch { file, .. } = self.file.as_ref().expect("a band lies in it");
                        file.read_at(bytemuck::cast_slice_mut(row), *start + 4 * at as u64)
                            .map_err(Error::io(&self.folder))?;
                    }
                }
            }
        }
        Ok(packed)
    }

    /// Gives back the bands of a value that lie wholly above row `y`.
    pub(crate) fn release_above(&mut self, value: Value, y: usize) {
        let Some(mut stored) = self.values.remove(&value) else { return };
        for band in 0..(y / ROWS).min(stored.bands.len()) {
            self.release(&mut stored, band);
        }
        self.values.insert(value, stored);
    }

    /// Gives back a value.
    pub(crate) fn remove(&mut self, value: Value) {
        let Some(mut stored) = self.values.remove(&value) else { return };
        for band in 0..stored.bands.len() {
            self.release(&mut stored, band);
        }
    }

    fn release(&mut self, stored: &mut Stored, band: usize) {
        match stored.bands[band].take() {
            None => {}
            Some(Band::Memory(numbers)) => {
                self.left += 4 * numbers.len() as u64;
                self.blocks.give(numbers);
            }
            Some(Band::File(start)) => {
                let length = 4 * stored.band_len(band) as u64;
                self.file.as_mut().expect("a band lies in it").free.entry(length).or_default().push(start);
            }
        }
    }

    /// Room for a band of `length` numbers.
    fn band(&mut self, length: usize) -> Result<Band> {
        let bytes = 4 * length as u64;
        if bytes <= self.left {
            self.left -= bytes;
            return Ok(Band::Memory(self.blocks.take(length)));
        }
        let scratch = match &mut self.file {
            Some(scratch) => scratch,
            none => {
                let file = scratch::File::new(&self.folder).map_err(Error::io(&self.folder))?;
                none.insert(Scratch { file, end: 0, free: HashMap::new() })
            }
        };
        if let Some(start) = scratch.free.get_mut(&bytes).and_then(Vec::pop) {
            return Ok(Band::File(start));
        }
        scratch.end += bytes;
        Ok(Band::File(scratch.end - bytes))
    }
}

impl Stored {
    /// Numbers of a band; the last one's rows may be fewer.
    fn band_len(&self, band: usize) -> usize {
        channel_groups(self.shape.channels) * self.rows(band) * self.shape.width * LANES
    }

    fn rows(&self, band: usize) -> usize {
        ROWS.min(self.shape.height - band * ROWS)
    }

    /// Where a pixel's group of channels lies in its band.
    fn at(&self, group: usize, y: usize, x: usize) -> usize {
        ((group * self.rows(y / ROWS) + y % ROWS) * self.shape.width + x) * LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Tensor, pack};

    /// A value of numbers that all differ, written tile by tile and read window by window.
    #[test]
    fn parts_come_back_from_memory_and_from_the_file() {
        let shape = Shape::new(1, 6, 150, 20);
        let whole = Tensor::from_fn(shape, |_, c, y, x| (c * 10_000 + y * 20 + x) as f32);
        let cut = |part: &Rect| {
            let shape = shape.with_size(part.height(), part.width());
            Tensor::from_fn(shape, |_, c, y, x| whole.plane(0, c)[(part.y.start + y) * 20 + part.x.start + x])
        };
        let folder = tempfile::tempdir().unwrap();
        for memory in [0, 50_000, u64::MAX] {
            let mut store = Store::new(memory, folder.path());
            store.add(Value::at(7), shape);
            for y in (0..150).step_by(30) {
                for x in [0, 10] {
                    let kept = Rect { x: x..x + 10, y: y..y + 30 };
                    // The window is a column wider on the side where there is one, and a row higher at the top.
                    let window = Rect { x: x.max(1) - 1..x + 10, y: y.max(1) - 1..y + 30 };
                    let numbers = cut(&window);
                    let from = kept.within(&window);
                    store.write(Value::at(7), &kept, numbers.shape(), &pack(&numbers), &from).unwrap();
                }
            }
            for part in
                [Rect { x: 0..20, y: 0..150 }, Rect { x: 3..9, y: 60..70 }, Rect { x: 19..20, y: 149..150 }]
            {
                assert_eq!(store.read(Value::at(7), &part).unwrap(), pack(&cut(&part)), "{memory} {part:?}");
            }
            assert_eq!(store.file.is_some(), memory < u64::MAX);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let shape = Shape::new(1, 4, 192, 8);
        let folder = tempfile::tempdir().unwrap();
        let band = (4 * ROWS * 8 * LANES) as u64;
        let mut store = Store::new(band, folder.path());
        let rows = |y: usize| Rect { x: 0..8, y: y..y + ROWS };
        let numbers = vec![1.0; ROWS * 8 * LANES];
        let window = shape.with_size(ROWS, 8);
        for value in [Value::at(1), Value::at(2)] {
            store.add(value, shape);
            for y in [0, 64, 128] {
                store.write(value, &rows(y), window, &numbers, &rows(0)).unwrap();
                store.release_above(value, y);
            }
            store.remove(value);
        }
        assert_eq!(store.left, band, "all memory came back");
        assert_eq!(store.file.unwrap().end, band, "two bands at a time: one in memory, one in the file");
    }
}
