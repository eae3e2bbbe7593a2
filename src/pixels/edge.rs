//! What is taken for the pixels around a picture.

/// What stands for pixels past an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// The last column or row.
    #[default]
    Repeated,
    /// Those before the last, backwards.
    Mirrored,
}

impl Edge {
    /// Which of a side's `length` pixels stands at `at`.
    pub(crate) fn place(self, at: isize, length: usize) -> usize {
        let last = length - 1;
        match self {
            Self::Repeated => at.clamp(0, last as isize) as usize,
            Self::Mirrored => {
                let period = (2 * last).max(1);
                let within = at.rem_euclid(period as isize) as usize;
                within.min(period - within).min(last)
            }
        }
    }
}
