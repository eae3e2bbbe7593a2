//! Memory that packed numbers leave to later ones.
//!
//! Allocators hand large blocks back to the system when they are freed, and the next one comes page by page, zeroed: of a large
//! picture's time on the CPU engine that was a third.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many times as large as needed a block may be.
const ROOM: usize = 2;

/// Blocks of memory that nobody needs any more. A clone shares them. With those that are lent they never hold more numbers than
/// were lent at the same time.
#[derive(Clone, Debug, Default)]
pub struct Blocks(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The one that was given back last is the last.
    free: Vec<Vec<f32>>,
    /// Numbers that there is room for in blocks that are taken.
    lent: usize,
}

impl Blocks {
    /// A block of so many numbers, whatever they are: the smallest that is large enough, and not much larger. Where there is
    /// none, a new one takes the place of those that are free for the longest time.
    pub fn take(&self, len: usize) -> Vec<f32> {
        let mut kept = self.kept();
        let suits = |block: &Vec<f32>| (len..=ROOM * len).contains(&block.capacity());
        let smallest = (0..kept.free.len())
            .filter(|at| suits(&kept.free[*at]))
            .min_by_key(|at| kept.free[*at].capacity());
        let mut block = match smallest {
            Some(at) => kept.free.remove(at),
            None => {
                let mut replaced = 0;
                while replaced < len && !kept.free.is_empty() {
                    replaced += kept.free.remove(0).capacity();
                }
                vec![0.0; len]
            }
        };
        kept.lent += block.capacity();
        drop(kept);
        block.resize(len, 0.0);
        if cfg!(test) {
            block.fill(f32::NAN); // what is read before it is written shows
        }
        block
    }

    /// Takes a block, that was lent or another in its place. One that is larger than all that is lent is freed.
    pub fn give(&self, block: Vec<f32>) {
        let mut kept = self.kept();
        if let Some(lent) = kept.lent.checked_sub(block.capacity()) {
            kept.lent = lent;
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
        assert_eq!((left, blocks.kept().lent), (vec![20], 50 + 5));
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
        // Large ones in the place of small ones that are not given back.
        for _ in 0..9 {
            drop(blocks.take(8));
            blocks.give(vec![0.0; 40]);
        }
        let kept = blocks.kept();
        let free: usize = kept.free.iter().map(Vec::capacity).sum();
        assert!(free + kept.lent <= 9 * 8 + 16, "{free} and {}", kept.lent);
    }
}
