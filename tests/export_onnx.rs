//! What is written as ONNX makes the same pictures when it is read again.

mod support;

use std::collections::BTreeSet;

use sparsr::Model;
use sparsr::low_level::tensor::Shape;
use support::{compare, golden};

/// Families that have operators which are written and not read: masks, deviations, norms, attention.
const UNREAD: [&str; 5] = ["bsrn", "imdn", "safmn", "smsr", "swinir"];

/// Families that look at parts of the picture by its size.
const REFUSED: [&str; 3] = ["dat", "esrt", "safmn"];

#[test]
fn what_is_written_is_the_same_network() {
    let mut same = BTreeSet::new();
    for golden in golden::all() {
        let (name, family) = (golden.model.name(), golden.architecture.as_str());
        let bytes = match golden.model.to_onnx() {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.contains(": ONNX has no operator for ") && REFUSED.contains(&family),
                    "{name}: {message}"
                );
                continue;
            }
        };
        let again = match Model::from_bytes(name, &bytes) {
            Ok(again) => again,
            Err(error) => {
                assert!(UNREAD.contains(&family), "{name}: {error}");
                continue;
            }
        };
        assert_eq!(again.scale(), golden.model.scale(), "{name}");
        let side = 24_usize.max(golden.model.smallest_side());
        let side = side.next_multiple_of(golden.model.alignment() * again.alignment());
        let shape = Shape::new(1, 3, side, side);
        compare::close(&golden::made(&again, shape), &golden::made(&golden.model, shape), 1e-5)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        same.insert(golden.architecture);
    }
    println!("{same:?}");
    for family in ["acnet", "carn", "edsr", "ledsr", "rcan", "rlfn", "rrdb", "span", "srvgg"] {
        assert!(same.contains(family), "{family}: {same:?}");
    }
}
