//! `search`: what `sparsr search` chooses among, and how.

use serde::{Deserialize, Serialize};

use super::Count;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    pub num_feat: u64,
    pub num_cell: u64,
    pub fewer_cells: bool,
    pub operations: Vec<u64>,
    pub widths: Option<Vec<u64>>,
    pub macs: Count,
    pub size: String,
    pub warmup: f64,
    pub arch_lr: f64,
    pub macs_weight: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            num_feat: 64,
            num_cell: 5,
            fewer_cells: true,
            operations: vec![0, 1, 2, 3],
            widths: None,
            macs: Count::Text("15G".into()),
            size: "1280x720".into(),
            warmup: 0.3,
            arch_lr: 5e-3,
            macs_weight: 0.1,
        }
    }
}
