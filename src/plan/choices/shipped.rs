//! The table of what is known without measuring, as data. A row's source says what it rests on.
//!
//! Costs are shares: a dense tile of the row's first candidate is 1.

use std::ops::RangeFrom;
use std::sync::{Arc, LazyLock};

use super::{Candidate, Choices, Class, Limits, Ranked, Side, Width};
use crate::kernel::conv2d_tiled;
use crate::kernel::product::{self, LANES};

/// Candidates of all classes that it covers and no row before it does.
struct Row {
    sides: &'static [Side],
    inputs: RangeFrom<Width>,
    outputs: RangeFrom<Width>,
    listed: bool,
    ranking: &'static [(Candidate, f32)],
    #[expect(dead_code, reason = "for the reader: measured where, or reasoned how")]
    source: &'static str,
}

const ANY: &[Side] = &[Side::One, Side::Three, Side::More];
const TILED: Candidate = Candidate::Tiled(conv2d_tiled::Tile::USUAL);
const PRODUCT: Candidate = Candidate::Product(product::Tile::STORAGE);
const WINOGRAD: Candidate = Candidate::Winograd(product::Tile::STORAGE);
const PRODUCT_BROADCAST: Candidate = Candidate::Product(product::Tile::BROADCAST);
const WINOGRAD_BROADCAST: Candidate = Candidate::Winograd(product::Tile::BROADCAST);

/// Subgroups of eight: llvmpipe.
const EIGHT_LANES: &[Row] = &[
    Row {
        sides: &[Side::Three],
        inputs: Width::To32..,
        outputs: Width::To15..,
        listed: false,
        ranking: &[(WINOGRAD_BROADCAST, 1.0), (PRODUCT_BROADCAST, 1.6)],
        source: "measured on llvmpipe, Mesa 22.3.6: benches/record/llvmpipe/2026-11-22.md, 64→64 and 32→32; with fewer \
                 channels Winograd's transforms cost more than the products that they save",
    },
    Row {
        sides: &[Side::Three],
        inputs: Width::To32..,
        outputs: Width::To15..,
        listed: true,
        ranking: &[(WINOGRAD_BROADCAST, 1.0), (PRODUCT_BROADCAST, 2.0)],
        source: "measured on llvmpipe, Mesa 22.3.6, 64→64, same record: a tile of a list costs what one of the grid \
                 does, a pixel alone two sixteenths of it",
    },
    Row {
        sides: ANY,
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: false,
        ranking: &[(PRODUCT_BROADCAST, 1.0)],
        source: "measured on llvmpipe, Mesa 22.3.6: a third to a half of the tiled kernel's time, same record",
    },
    Row {
        sides: ANY,
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: true,
        ranking: &[(PRODUCT_BROADCAST, 1.2)],
        source: "measured on llvmpipe, Mesa 22.3.6: listed pixels cost 1.06 times as much as all of them in the record, \
                 1.29 times in another measurement, with the same kernel",
    },
];

/// Any other device.
const PORTABLE: &[Row] = &[
    Row {
        sides: &[Side::Three],
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: false,
        ranking: &[(TILED, 1.0), (PRODUCT, 1.0), (WINOGRAD, 1.0)],
        source: "reasoned, no GPU was at hand: a register tile of 32 needs no memory between dispatches and few \
                 registers; the others cost what they cost on llvmpipe, for those who ask for them",
    },
    Row {
        sides: &[Side::Three],
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: true,
        ranking: &[(PRODUCT, 2.0), (WINOGRAD, 1.0)],
        source: "reasoned: scattered loads are what GPUs do worst, so work is skipped below a half of the pixels",
    },
    Row {
        sides: &[Side::One],
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: false,
        ranking: &[(PRODUCT, 1.0), (TILED, 1.0)],
        source: "reasoned: it sums over several inputs, and neighbouring threads load neighbouring pixels",
    },
    Row {
        sides: &[Side::More],
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: false,
        ranking: &[(TILED, 1.0), (PRODUCT, 1.0)],
        source: "reasoned, as 3×3",
    },
    Row {
        sides: ANY,
        inputs: Width::To7..,
        outputs: Width::To7..,
        listed: true,
        ranking: &[(PRODUCT, 2.0)],
        source: "the only kernel that takes lists of pixels on any device",
    },
];

pub(super) fn table(limits: &Limits) -> Arc<Choices> {
    static TABLES: LazyLock<[Arc<Choices>; 2]> =
        LazyLock::new(|| [EIGHT_LANES, PORTABLE].map(|rows| Arc::new(choices(rows))));
    TABLES[usize::from(limits.subgroup_lanes != Some(LANES))].clone()
}

fn choices(rows: &[Row]) -> Choices {
    let mut choices = Choices::default();
    for class in Class::all() {
        if let Some(row) = rows.iter().find(|row| row.covers(class)) {
            let ranked = |&(candidate, cost): &(Candidate, f32)| Ranked { candidate, cost: Some(cost) };
            choices.set(class, row.ranking.iter().map(ranked).collect());
        }
    }
    choices
}

impl Row {
    fn covers(&self, class: Class) -> bool {
        self.sides.contains(&class.side)
            && self.inputs.contains(&class.inputs)
            && self.outputs.contains(&class.outputs)
            && self.listed == class.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES_OF_EIGHT: Limits = Limits { subgroup_lanes: Some(8), ..Limits::PORTABLE };

    #[test]
    fn every_class_has_a_choice_that_suits_it_and_runs() {
        for limits in [Limits::PORTABLE, LANES_OF_EIGHT] {
            let table = table(&limits);
            for class in Class::all() {
                assert!(table.knows(class), "{class}");
                for Ranked { candidate, cost } in table.ranking(class) {
                    assert!(candidate.suits(class) && candidate.runs_on(&limits), "{class}: {candidate}");
                    assert!(cost.is_some_and(|cost| cost > 0.0), "{class}: {candidate}");
                }
                let listed = Class { listed: true, ..class };
                assert!(table.costs(listed, false, |_| true, &limits).is_some(), "{class}");
            }
        }
    }

    #[test]
    fn every_row_covers_something() {
        for rows in [EIGHT_LANES, PORTABLE] {
            for (at, row) in rows.iter().enumerate() {
                let first = |class: &Class| rows[..at].iter().all(|before| !before.covers(*class));
                assert!(Class::all().filter(first).any(|class| row.covers(class)), "row {at}");
            }
        }
    }
}
