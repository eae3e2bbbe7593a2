//! Convolutions by weights that are mostly zero: by lists of the others, against the oracle as all kernels, and bit for bit
//! against the dense kernel in whose order they sum.

use std::sync::Arc;

use sparsr::low_level::graph::{Activation, Conv2d};
use sparsr::low_level::plan::{Candidate, Choices, Options};
use sparsr::low_level::tensor::{Balance, Parameter, Tensor};
use sparsr::{Feature, Gpu};

use super::conv::{self, EPILOGUES, Input, MASKED, TOLERANCE};
use crate::support::adapter;
use crate::support::case::{Case, check_all, chosen};
use crate::support::seeded::{parameter, seed, weighted};

/// How a weight comes to its zeros: a balance and how many rows are alike.
type Thinned = (usize, usize, usize);

/// Input, output channels, kernel, zeros: every remainder of channels in fours and in what is staged at once, of groups in
/// a thread's, and of pixels in a workgroup's eight rows of 32.
#[rustfmt::skip]
const SHAPES: &[(Input, usize, usize, Thinned)] = &[
    ([1,  8,  1,  2],  4, 1, (2,  8, 4)),
    ([1, 16,  7,  5], 16, 1, (1,  8, 4)),
    ([2, 20,  9, 33], 70, 1, (2,  8, 8)),
    ([1, 64,  8, 32], 64, 1, (4, 16, 4)),
    ([1,  8,  7,  5],  3, 3, (2,  8, 4)),
    ([1, 16,  1,  9], 16, 3, (2,  8, 4)),
    ([2, 17, 13,  3], 20, 3, (1,  8, 4)),
    ([1, 36,  9, 67], 33, 3, (3,  8, 4)),
    ([1, 64, 17, 31], 64, 3, (2,  8, 4)),
    ([1, 12, 11, 40],  9, 5, (2,  4, 4)),
    ([1, 16, 16, 64], 36, 5, (1,  8, 8)),
    ([1,  9,  9, 12], 13, 7, (1,  8, 4)),
];

fn thinned(weight: Parameter, (kept, block, rows): Thinned) -> Parameter {
    Balance::new(kept, block).unwrap().with_rows(rows).unwrap().thinned(&weight)
}

fn quarter(weight: Parameter) -> Parameter {
    thinned(weight, (2, 8, 4))
}

fn case(&(input, out, k, zeros): &(Input, usize, usize, Thinned)) -> Case {
    let kind = format!("{input:?} → {out} k{k}, {zeros:?}");
    let weight = thinned(parameter([out, input[1], k, k], seed(&kind)), zeros);
    weighed(&kind, input, &weight)
}

fn weighed(kind: &str, input: Input, weight: &Parameter) -> Case {
    let (out, k) = (weight.dims()[0], weight.dims()[2]);
    let bias = parameter([out], seed(kind) + 1);
    let case = Case::new(format!("conv2d_pruned {kind}"), conv::shape(input), TOLERANCE, |b, x| {
        let weights = weighted(b, "conv", weight, Some(&bias))?;
        b.conv2d("conv", x, weights, Conv2d::same(k))
    });
    assert!(!case.ways_by_lists().is_empty(), "{kind}: lists are short");
    case
}

/// Zeros that nobody balanced: lists of many lengths, and an output without any.
fn scattered() -> Vec<Case> {
    let of = |one_in: usize, k: usize| {
        let dims = [22, 19, k, k];
        let numbers = parameter(dims, 7);
        let is_left = |at: usize| at % one_in == at / one_in % 3 && !(4..8).contains(&(at / (19 * k * k)));
        let left = numbers.values().iter().enumerate().map(|(at, own)| if is_left(at) { *own } else { 0.0 });
        Parameter::new(dims, left.collect::<Vec<_>>())
    };
    let mut cases = Vec::new();
    for (k, one_in) in [(1, 37), (3, 29), (5, 41), (3, 1 << 20)] {
        cases.push(weighed(&format!("k{k}, one in {one_in}"), [1, 19, 11, 37], &of(one_in, k)));
    }
    cases
}

#[test]
fn conv2d_pruned() {
    check_all("conv2d_pruned", SHAPES.iter().map(case).chain(scattered()));
}

#[test]
fn lists_take_along_what_follows() {
    let mut cases = Vec::new();
    for (kind, activation, residual) in EPILOGUES {
        for (input, kernel) in [([1, 12, 13, 3], 1), ([2, 20, 13, 19], 3)] {
            let name = format!("conv2d_pruned {kernel}x{kernel} {kind}, {input:?}");
            let then: Option<(Activation, usize)> = activation.map(|activation| activation(input[1]));
            cases.push(conv::epilogue_case(name, (input, kernel, 1), then, residual, quarter));
        }
    }
    assert!(cases.iter().all(|case| !case.ways_by_lists().is_empty()));
    check_all("lists_take_along_what_follows", cases);
}

#[test]
fn masked_conv2d_by_lists() {
    let rows = MASKED.iter().filter(|([_, channels, h, w], ..)| *channels >= 8 && h * w > 1);
    let cases: Vec<Case> = rows.map(|row| conv::masked_case(row, quarter)).collect();
    assert!(cases.iter().all(|case| !case.ways_by_lists().is_empty()));
    check_all("masked_conv2d_by_lists", cases);
}

/// What a candidate makes of the case's picture; it must have been taken.
fn run(gpu: &Gpu, case: &Case, options: &Options, kernel: &str) -> Tensor {
    let plan = case.plan_with(gpu, options);
    assert!(plan.steps.iter().all(|step| step.dispatch.kernel.name == kernel), "{}: {plan}", case.name);
    case.pool(gpu).session(&plan).unwrap().run_tensor(&case.input).unwrap()
}

#[test]
fn numbers_are_the_dense_kernels_bit_for_bit() {
    let Some(gpu) = adapter::gpu("numbers_are_the_dense_kernels") else { return };
    let gpu = gpu.without(Feature::Subgroups);
    let tiled = Candidate::all().find(|candidate| matches!(candidate, Candidate::Tiled(_))).unwrap();
    let dense = Options { choices: Some(Arc::new(Choices::only(tiled))), ..Options::default() };
    for case in SHAPES.iter().map(case).chain(scattered()).filter(|case| chosen(&case.name)) {
        let expected = run(&gpu, &case, &dense, "conv2d_tiled");
        for (way, options) in case.ways_by_lists() {
            let found = run(&gpu, &case, &options, "conv2d_pruned");
            for (at, (found, expected)) in found.values().iter().zip(expected.values()).enumerate() {
                let same = found.to_bits() == expected.to_bits() || (*found == 0.0 && *expected == 0.0);
                assert!(same, "{}, {way}number {at}: expected {expected}, found {found}", case.name);
            }
        }
    }
}
