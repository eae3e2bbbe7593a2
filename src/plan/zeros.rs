//! How sparse a network's weights are, as far as it matters to plans: what a group of four output channels needs at most.
//!
//! Plans hold no numbers. What one takes from the zeros among them is the room of its lists; numbers that need more are
//! refused where they would be packed ([`Packing::check`](super::Packing)).

use std::collections::BTreeMap;

use super::choices::Density;
use crate::graph::{ParameterId, Parameters};
use crate::kernel::conv2d_pruned::{LARGEST, all_entries, longest, staged};
use crate::tensor::Parameter;

/// Of each weight that is sparse enough to be listed the longest cut of its lists. By default nothing is known, and all
/// weights are dense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zeros {
    longest: BTreeMap<ParameterId, usize>,
}

impl Zeros {
    /// What these numbers are like. Weights that are not sparse, which most are, cost a look at a few rows.
    pub fn of(parameters: &Parameters) -> Self {
        let ids = (0..parameters.len()).map(|at| ParameterId(at as u32));
        Self { longest: ids.filter_map(|id| Some((id, listed(parameters.get(id))?))).collect() }
    }

    /// Whether no weight is sparse.
    pub fn is_empty(&self) -> bool {
        self.longest.is_empty()
    }

    /// The longest cut of a weight's lists, if it is sparse.
    pub(super) fn longest(&self, weight: ParameterId) -> Option<usize> {
        self.longest.get(&weight).copied()
    }
}

/// The longest cut of a convolution's weight of which less than all is kept.
fn listed(weight: &Parameter) -> Option<usize> {
    let &[out, inputs, kernel, width] = weight.dims() else { return None };
    if kernel != width || kernel % 2 == 0 || kernel > LARGEST || inputs < staged(kernel) || out == 0 {
        return None;
    }
    let enough = all_entries(kernel) / 2;
    Some(longest(weight, enough)).filter(|longest| Density::of(*longest, kernel) != Density::All)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Balance;

    #[test]
    fn weights_of_which_four_outputs_need_half_are_known() {
        let numbers = |at: usize| ((at * 37 + 11) % 101) as f32 - 50.5;
        let dense = Parameter::new([8, 16, 3, 3], (0..8 * 16 * 9).map(numbers).collect::<Vec<_>>());
        let rows = |kept, rows| Balance::new(kept, 8).unwrap().with_rows(rows).unwrap().thinned(&dense);
        let mut parameters = Parameters::new();
        let weights = [dense.clone(), rows(2, 4), rows(4, 4), rows(5, 4), rows(2, 1), rows(1, 8)];
        for (at, weight) in weights.iter().enumerate() {
            parameters.add(format!("{at}"), weight).unwrap();
        }
        let zeros = Zeros::of(&parameters);
        let found: Vec<Option<usize>> = (0..6).map(|at| zeros.longest(ParameterId(at))).collect();
        // Of 72 entries: a quarter, a half, more, what four rows need that were thinned one by one, an eighth.
        assert_eq!(found, [None, Some(18), Some(36), None, None, Some(9)]);
        assert!(!zeros.is_empty() && Zeros::default().is_empty());
    }
}
