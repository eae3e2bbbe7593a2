//! Memory that values leave to later ones.
//!
//! Allocators hand large blocks back to the system when they are freed, and the next one comes page by page, zeroed:
//! for maps of some megabytes that takes as long as their numbers do.

use std::sync::Mutex;

use super::map::Map;
use crate::tensor::Shape;

/// Blocks that no value is in.
#[derive(Debug, Default)]
pub struct Buffers {
    free: Vec<Vec<f32>>,
}

impl Buffers {
    /// A map in the smallest block that is large enough, holding whatever that holds. Where there is none, a new block
    /// takes the place of the largest.
    pub(super) fn map(&mut self, shape: Shape) -> Map {
        let fits = |block: &Vec<f32>| block.len() >= shape.len();
        let smallest =
            (0..self.free.len()).filter(|at| fits(&self.free[*at])).min_by_key(|at| self.free[*at].len());
        let largest = || (0..self.free.len()).max_by_key(|at| self.free[*at].len());
        let mut block = match smallest.or_else(largest).map(|at| self.free.swap_remove(at)) {
            Some(block) if fits(&block) => block,
            small => {
                drop(small);
                vec![0.0; shape.len()]
            }
        };
        if cfg!(test) {
            block.fill(f32::NAN); // what is read before it is written shows
        }
        Map::new(shape, block)
    }

    /// Takes the memory of a value that nobody needs any more.
    pub(super) fn give_back(&mut self, map: Map) {
        self.free.push(map.into_buffer());
    }
}

/// Memory of runs at the same time.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Vec<Buffers>>);

impl Pool {
    /// How many blocks there are that nobody has.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> usize {
        self.0.lock().unwrap().iter().map(|buffers| buffers.free.len()).sum()
    }

    /// Lends memory that nobody else has.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Buffers) -> T) -> T {
        let mut buffers = self.0.lock().ok().and_then(|mut free| free.pop()).unwrap_or_default();
        let made = run(&mut buffers);
        if let Ok(mut free) = self.0.lock() {
            free.push(buffers);
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_block_that_fits_is_taken_and_the_largest_replaced_where_none_does() {
        let shape = |pixels| Shape::new(1, 1, 1, pixels);
        let mut buffers = Buffers::default();
        let maps = [8, 2, 5].map(|pixels| buffers.map(shape(pixels)));
        maps.into_iter().for_each(|map| buffers.give_back(map));
        let taken = buffers.map(shape(4));
        assert_eq!((taken.values().len(), taken.into_buffer().len()), (4, 5));
        assert_eq!(buffers.map(shape(9)).into_buffer().len(), 9);
        assert_eq!(buffers.free.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    }
}
