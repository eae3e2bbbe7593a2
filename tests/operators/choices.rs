//! Every candidate of `plan::Choices` on the device against the oracle, on awkward shapes.

use std::sync::Arc;

use sparsr::low_level::graph::MaskedConv2d;
use sparsr::low_level::plan::{Candidate, Choices, Options, Sparsity};
use sparsr::low_level::tensor::{Shape, Tensor};

use crate::support::adapter;
use crate::support::case::Case;
use crate::support::seeded::{conv, noise, parameter, weighted};

/// Input, output channels, kernel: every remainder of channels in blocks and of pixels in a strip of eight.
#[rustfmt::skip]
const SHAPES: &[([usize; 4], usize, usize)] = &[
    ([1, 17, 13,  3],  3, 3),
    ([2, 33,  9, 19], 70, 3),
    ([1, 40,  5, 12], 44, 1),
];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &([n, inputs, height, width], out, k) in SHAPES {
        let (input, kind) = (Shape::new(n, inputs, height, width), format!("{inputs} → {out} k{k}"));
        cases.push(Case::new(format!("conv2d {kind}"), input, 1e-5, |b, x| conv(b, "conv", x, out, k)));
        let (weight, bias) = (parameter([out, inputs, k, k], 1), parameter([out], 2));
        let op = MaskedConv2d { kernel: k, dense_inputs: inputs / 2, dense_outputs: out / 3 };
        let some = noise(input.with_channels(1), 3);
        let mask = some.values().iter().map(|value| f32::from(u8::from(*value > -0.2))).collect();
        cases.push(Case::new(format!("masked conv2d {kind}"), input, 1e-5, |b, x| {
            let mask = b.constant("mask", Tensor::new(some.shape(), mask))?;
            let weights = weighted(b, "conv", &weight, Some(&bias))?;
            b.masked_conv2d("conv", x, mask, weights, op)
        }));
    }
    cases
}

#[test]
fn every_candidate_is_right() {
    let Some(gpu) = adapter::gpu("every_candidate_is_right") else { return };
    let mut failures = Vec::new();
    for case in cases() {
        let (mut pool, trials) = (case.pool(&gpu), case.trials().unwrap());
        let mut seen = Vec::new();
        for candidate in Candidate::all().filter(|candidate| candidate.runs_on(gpu.limits())) {
            for sparsity in [Sparsity::Dense, Sparsity::Sparse] {
                let choices = Some(Arc::new(Choices::only(candidate)));
                let plan = case.plan_with(&gpu, &Options { sparsity, choices, ..Options::default() });
                let listing = plan.to_string();
                if !seen.contains(&listing) {
                    seen.push(listing);
                    let checked = case.check_trials(&mut pool, &plan, &trials);
                    failures.extend(
                        checked
                            .err()
                            .map(|reason| format!("{}, {candidate} {sparsity}: {reason}", case.name)),
                    );
                }
            }
        }
        assert!(seen.len() > 4, "{}: {} plans", case.name, seen.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
