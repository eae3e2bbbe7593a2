//! Every candidate of `plan::Choices` on the device against the CPU engine, on awkward shapes.

use std::sync::Arc;

use sparsr::gpu::Pool;
use sparsr::graph::{Constant, Conv2d, MaskedConv2d, Op};
use sparsr::plan::{Candidate, Choices, Options, Sparsity};
use sparsr::tensor::{Shape, Tensor};

use crate::support::adapter;
use crate::support::case::Case;
use crate::support::seeded::{noise, parameter};

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
        let weight = parameter([out, inputs, k, k], 1);
        let bias = Some(parameter([out], 2));
        let op = Conv2d::same(weight.clone(), bias.clone());
        cases.push(Case::new(format!("conv2d {kind}"), input, 1e-5, |b, x| b.conv2d("conv", x, op)));
        let op = MaskedConv2d { weight, bias, dense_inputs: inputs / 2, dense_outputs: out / 3 };
        let some = noise(input.with_channels(1), 3);
        let mask = some.values().iter().map(|value| f32::from(u8::from(*value > -0.2))).collect();
        let mask = Op::Constant(Constant::new(Tensor::new(some.shape(), mask)));
        cases.push(Case::new(format!("masked conv2d {kind}"), input, 1e-5, |b, x| {
            let mask = b.append("mask", mask, &[])?;
            b.masked_conv2d("conv", x, mask, op)
        }));
    }
    cases
}

#[test]
fn every_candidate_is_right() {
    let Some(gpu) = adapter::gpu("every_candidate_is_right") else { return };
    let (mut pool, cases) = (Pool::new(&gpu), cases());
    let mut failures = Vec::new();
    for case in &cases {
        let mut seen = Vec::new();
        for candidate in Candidate::all().filter(|candidate| candidate.runs_on(gpu.limits())) {
            for sparsity in [Sparsity::Dense, Sparsity::Sparse] {
                let choices = Some(Arc::new(Choices::only(candidate)));
                let plan = case.plan_with(&gpu, &Options { sparsity, choices, ..Options::default() });
                let listing = plan.to_string();
                if !seen.contains(&listing) {
                    seen.push(listing);
                    let checked = case.check_plan(&mut pool, &plan);
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
