//! Every operator on the device against the CPU engine, on awkward shapes: a table of cases a file.
//!
//! ```text
//! SPARSR_CASE='prelu' cargo test --release --test operators      the cases whose names hold `prelu`
//! SPARSR_NO_GPU=1     cargo test                                 where there is no adapter, and that is wanted
//! ```
//!
//! This file tests the harness: what is wrong on purpose must be seen.

#[path = "operators/attention.rs"]
mod attention;
#[path = "operators/choices.rs"]
mod choices;
#[path = "operators/conv.rs"]
mod conv;
#[path = "operators/cooperative.rs"]
mod cooperative;
#[path = "operators/lists.rs"]
mod lists;
#[path = "operators/others.rs"]
mod others;
#[path = "operators/pixels.rs"]
mod pixels;
#[path = "operators/pools.rs"]
mod pools;
mod support;

use std::sync::Arc;

use sparsr::Feature;
use sparsr::gpu::Pool;
use sparsr::graph::{Conv2d, MaskedConv2d};
use sparsr::plan::{Algorithm, Options, Plan, Sparsity};
use sparsr::tensor::{Shape, Tensor};

use support::case::Case;
use support::seeded::{noise, parameter};
use support::{adapter, compare};

/// A masked convolution and a plain one, wide enough for the subgroup kernels.
fn two_convolutions() -> Case {
    let masked =
        MaskedConv2d { weight: parameter([12, 5, 3, 3], 1), bias: None, dense_inputs: 3, dense_outputs: 4 };
    let logits = Conv2d::same(parameter([2, 5, 1, 1], 2), None);
    let plain = Conv2d::same(parameter([5, 12, 3, 3], 3), Some(parameter([5], 4)));
    Case::new("two convolutions", Shape::new(1, 5, 7, 9), 1e-5, |b, x| {
        let logits = b.conv2d("logits", x, logits)?;
        let mask = b.spatial_mask("mask", logits)?;
        let y = b.masked_conv2d("masked", x, mask, masked)?;
        b.conv2d("plain", y, plain)
    })
}

/// What the check says of the case's plan after `damage`.
fn check_damaged(case: &Case, damage: impl FnOnce(&mut Plan)) -> Option<Result<(), String>> {
    let gpu = adapter::gpu("the harness")?.without(Feature::Subgroups);
    let dense = Options { sparsity: Sparsity::Dense, algorithm: Algorithm::Direct, ..Options::default() };
    let mut plan = case.plan_with(&gpu, &dense);
    damage(&mut plan);
    Some(case.check_plan(&mut Pool::new(&gpu), &plan))
}

fn assert_seen(what: &str, checked: Option<Result<(), String>>) {
    if let Some(checked) = checked {
        println!("{what}: {}", checked.as_ref().err().map_or("not seen", String::as_str));
        assert!(checked.is_err(), "{what} is not seen");
    }
}

#[test]
fn the_harness_passes_what_is_right() {
    if let Some(checked) = check_damaged(&two_convolutions(), |_| {}) {
        assert_eq!(checked, Ok(()));
    }
}

#[test]
fn the_harness_sees_a_wrong_weight() {
    let last = |plan: &mut Plan| {
        let weight = plan.constants.iter_mut().rev().find(|numbers| numbers.len() > 8).unwrap();
        Arc::make_mut(weight)[0] += 0.001;
    };
    assert_seen("a weight off by a thousandth", check_damaged(&two_convolutions(), last));
}

#[test]
fn the_harness_sees_a_mask_that_is_ignored() {
    let case = two_convolutions();
    let unmask = |plan: &mut Plan| {
        let overrides = plan.steps.iter_mut().flat_map(|step| &mut step.dispatch.specialization.overrides);
        let (_, value) = overrides.into_iter().find(|pair| **pair == ("MASKED", 1)).unwrap();
        *value = 0;
    };
    assert_seen("a mask that is ignored", check_damaged(&case, unmask));
}

#[test]
fn the_harness_sees_two_parameters_swapped() {
    let swap = |plan: &mut Plan| {
        let params = &mut plan.steps.last_mut().unwrap().dispatch.params;
        let (width, height) = params.split_at_mut(4);
        width.swap_with_slice(&mut height[..4]);
    };
    assert_seen("width and height swapped", check_damaged(&two_convolutions(), swap));
}

#[test]
fn the_harness_sees_what_is_read_before_it_is_written() {
    let forget = |plan: &mut Plan| drop(plan.steps.remove(1));
    assert_seen("a step left out", check_damaged(&two_convolutions(), forget));
}

#[test]
fn the_harness_sees_a_lane_past_the_last_channel() {
    let widen = |plan: &mut Plan| {
        let bias = Arc::make_mut(plan.constants.last_mut().unwrap());
        assert_eq!((bias.len(), bias[5]), (8, 0.0));
        bias[5] = 1.0;
        let params = &mut plan.steps.last_mut().unwrap().dispatch.params;
        params[28..32].copy_from_slice(&8u32.to_le_bytes()); // output_channels, by which lanes are cut off
    };
    assert_seen("a lane past the last channel", check_damaged(&two_convolutions(), widen));
}

#[test]
fn the_harness_sees_a_slot_that_is_overwritten_too_early() {
    let case = Case::new("x²(x² + x)", Shape::new(1, 3, 7, 5), 1e-6, |b, x| {
        let square = b.multiply("square", x, x)?;
        let relu = b.relu("relu", square)?;
        let sum = b.add("sum", relu, x)?;
        b.multiply("product", sum, square)
    });
    let overwrite = |plan: &mut Plan| {
        let output = |plan: &Plan, at: usize| *plan.steps[at].bindings.last().unwrap();
        let (square, sum) = (output(plan, 0), output(plan, 2));
        let later = plan.steps[2..].iter_mut().flat_map(|step| &mut step.bindings);
        later.filter(|buffer| **buffer == sum).for_each(|buffer| *buffer = square);
    };
    assert_seen("a slot overwritten too early", check_damaged(&case, overwrite));
}

#[test]
fn the_comparison_sees_every_kind_of_difference() {
    let tensor = |values: [f32; 4]| Tensor::new(Shape::new(1, 1, 2, 2), values.to_vec());
    let expected = tensor([0.0, 10.0, -3.0, f32::INFINITY]);
    let worst = "at picture 0, channel 0, x 0, y 1: expected -3, found -3.1; off by 1.0e-2 of the largest, 10, and at \
                 most 1e-6 is allowed; 1 of 4 are further off";
    for (found, seen) in [
        (tensor([0.0, 10.0, -3.0, f32::INFINITY]), None),
        (tensor([0.0, 10.000_005, -3.0, f32::INFINITY]), None),
        (tensor([0.0, 10.0, -3.1, f32::INFINITY]), Some(worst)),
        (
            tensor([0.0, f32::NAN, -3.0, f32::INFINITY]),
            Some("at picture 0, channel 0, x 1, y 0: expected 10, found NaN"),
        ),
        (
            tensor([0.0, 10.0, -3.0, f32::NEG_INFINITY]),
            Some("at picture 0, channel 0, x 1, y 1: expected inf, found -inf"),
        ),
        (
            tensor([0.0, 10.0, -3.0, 1e30]),
            Some("at picture 0, channel 0, x 1, y 1: expected inf, found 1000000000000000000000000000000"),
        ),
        (noise(Shape::new(1, 4, 1, 1), 1), Some("expected a shape of 1x1x2x2, found 1x4x1x1")),
    ] {
        assert_eq!(compare::close(&found, &expected, 1e-6).err().as_deref(), seen);
    }
}
