//! Memory that packed numbers leave to later ones.
//!
//! Allocators hand large blocks back to the system when they are freed, and the next one comes page by page, zeroed: for some
//! megabytes that takes as long as it takes to write them ten times.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many times as large as needed a block may be.
const ROOM: usize = 2;

/// Blocks of memory that nobody needs any more. A clone shares them. With those that are lent there are never more than
/// were lent at the same time.
#[derive(Clone, Debug, Default)]
pub struct Blocks(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The one that was given back last is the last.
    free: Vec<Vec<f32>>,
    lent: usize,
}

impl Blocks {
    /// A block of so many numbers, whatever they are: the smallest that is large enough, and not much larger. Where there is
    /// none, a new one takes the place of the one that is free for the longest time.
    pub fn take(&self, len: usize) -> Vec<f32> {
        let mut kept = self.kept();
        kept.lent += 1;
        let suits = |block: &Vec<f32>| (len..=ROOM * len).contains(&block.capacity());
        let smallest = (0..kept.free.len())
            .filter(|at| suits(&kept.free[*at]))
            .min_by_key(|at| kept.free[*at].capacity());
        let mut block = match smallest {
            Some(at) => kept.free.remove(at),
            None => {
                let oldest = if kept.free.is_empty() { Vec::new() } else { kept.free.remove(0) };
                drop(kept);
                drop(oldest); // before another is asked for
                vec![0.0; len]
            }
        };
        block.resize(len, 0.0);
        if cfg!(test) {
            block.fill(f32::NAN); // what is read before it is written shows
        }
        block
    }

    /// Takes a block back. One that was not lent, by the count, is freed.
    pub fn give(&self, block: Vec<f32>) {
        let mut kept = self.kept();
        if kept.lent > 0 {
            kept.lent -= 1;
            kept.free.push(block);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_suits_is_taken_and_the_oldest_replaced_where_none_does() {
        let blocks = Blocks::default();
        let taken = [80, 20, 50].map(|len| blocks.take(len));
        taken.into_iter().for_each(|block| blocks.give(block));
        let of = |len: usize| blocks.take(len).capacity();
        assert_eq!(of(40), 50, "the smallest of those from 40 to 80");
        assert_eq!(of(5), 5, "20 is too large, so that a new one takes the place of the oldest, of 80");
        let left: Vec<usize> = blocks.kept().free.iter().map(Vec::capacity).collect();
        assert_eq!((left, blocks.kept().lent), (vec![20], 2));
    }

    #[test]
    fn there_are_no_more_than_were_lent_at_once() {
        let blocks = Blocks::default();
        for _ in 0..9 {
            blocks.give(vec![0.0; 7]); // nobody took it
        }
        assert_eq!(blocks.kept().free.len(), 0);
        for _ in 0..9 {
            let [a, b] = [blocks.take(8), blocks.take(8)];
            blocks.give(a);
            blocks.give(b);
        }
        assert_eq!(blocks.kept().free.len(), 2);
    }
}
