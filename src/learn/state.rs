//! All that a training needs to go on as if it had not stopped.

use std::collections::BTreeMap;

use crate::tensor::Parameter;

/// Numbers and notes by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Parameters, averages and moments.
    pub tensors: Vec<(String, Parameter)>,
    /// Counters.
    pub notes: BTreeMap<String, String>,
}
