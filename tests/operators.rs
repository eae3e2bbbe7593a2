//! Every operator on the device and by the CPU engine against the oracle, on awkward shapes: a table of cases a file.
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
#[path = "operators/pruned.rs"]
mod pruned;
mod support;

use sparsr::Feature;
use sparsr::low_level::gpu::Pool;
use sparsr::low_level::graph::{Conv2d, MaskedConv2d, Parameters};
use sparsr::low_level::plan::{Algorithm, Buffer, Constant, Options, Plan, Sparsity};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};

use support::case::Case;
use support::seeded::{conv, noise, parameter, weighted};
use support::{adapter, compare};

/// A masked convolution and a plain one, wide enough for the subgroup kernels.
fn two_convolutions() -> Case {
    Case::new("two convolutions", Shape::new(1, 5, 7, 9), 1e-5, |b, x| {
        let weight = b.parameter("logits.weight", &parameter([2, 5, 1, 1], 2))?;
        let logits = b.conv2d("logits", x, weight, Conv2d::same(1))?;
        let mask = b.spatial_mask("mask", logits)?;
        let weights = weighted(b, "masked", &parameter([12, 5, 3, 3], 1), None)?;
        let op = MaskedConv2d { kernel: 3, dense_inputs: 3, dense_outputs: 4 };
        let y = b.masked_conv2d("masked", x, mask, weights, op)?;
        conv(b, "plain", y, 5, 3)
    })
}

/// What the check says of the case's plan and numbers after `damage`.
fn check_damaged(case: &Case, damage: impl FnOnce(&mut Plan, &mut Parameters)) -> Option<Result<(), String>> {
    let gpu = adapter::gpu("the harness")?.without(Feature::Subgroups);
    let dense = Options { sparsity: Sparsity::Dense, algorithm: Algorithm::Direct, ..Options::default() };
    let (mut plan, mut parameters) = (case.plan_with(&gpu, &dense), case.parameters.clone());
    damage(&mut plan, &mut parameters);
    Some(case.check_plan(&mut Pool::new(&gpu, &parameters), &plan))
}

/// The numbers of the parameter of this name.
fn numbers(parameters: &Parameters, name: &str) -> Parameter {
    parameters.iter().find(|(found, _)| *found == name).expect("a parameter of the case").1
}

fn assert_seen(what: &str, checked: Option<Result<(), String>>) {
    if let Some(checked) = checked {
        println!("{what}: {}", checked.as_ref().err().map_or("not seen", String::as_str));
        assert!(checked.is_err(), "{what} is not seen");
    }
}

#[test]
fn the_harness_passes_what_is_right() {
    if let Some(checked) = check_damaged(&two_convolutions(), |_, _| {}) {
        assert_eq!(checked, Ok(()));
    }
}

#[test]
fn the_harness_sees_a_wrong_weight() {
    let move_one = |_: &mut Plan, parameters: &mut Parameters| {
        let weight = numbers(parameters, "plain.weight");
        let mut moved = weight.values().to_vec();
        moved[0] += 0.001;
        *parameters = parameters.with([("plain.weight", Parameter::new(weight.dims(), moved))]).unwrap();
    };
    assert_seen("a weight off by a thousandth", check_damaged(&two_convolutions(), move_one));
}

#[test]
fn the_harness_sees_a_mask_that_is_ignored() {
    let case = two_convolutions();
    let unmask = |plan: &mut Plan, _: &mut Parameters| {
        let overrides = plan.steps.iter_mut().flat_map(|step| &mut step.dispatch.specialization.overrides);
        let (_, value) = overrides.into_iter().find(|pair| **pair == ("MASKED", 1)).unwrap();
        *value = 0;
    };
    assert_seen("a mask that is ignored", check_damaged(&case, unmask));
}

#[test]
fn the_harness_sees_two_parameters_swapped() {
    let swap = |plan: &mut Plan, _: &mut Parameters| {
        let params = &mut plan.steps.last_mut().unwrap().dispatch.params;
        let (width, height) = params.split_at_mut(4);
        width.swap_with_slice(&mut height[..4]);
    };
    assert_seen("width and height swapped", check_damaged(&two_convolutions(), swap));
}

#[test]
fn the_harness_sees_what_is_read_before_it_is_written() {
    let forget = |plan: &mut Plan, _: &mut Parameters| drop(plan.steps.remove(1));
    assert_seen("a step left out", check_damaged(&two_convolutions(), forget));
}

#[test]
fn the_harness_sees_a_lane_past_the_last_channel() {
    let widen = |plan: &mut Plan, parameters: &mut Parameters| {
        let bias = [numbers(parameters, "plain.bias").values(), &[1.0, 0.0, 0.0]].concat();
        plan.constants.push(Constant::Numbers(bias.into()));
        let step = plan.steps.last_mut().unwrap();
        let [.., bias, _] = &mut *step.bindings else { panic!("a bias before the output") };
        assert!(matches!(bias, Buffer::Parameter(_)));
        *bias = Buffer::Constant(plan.constants.len() as u32 - 1);
        step.dispatch.params[28..32].copy_from_slice(&8u32.to_le_bytes()); // output_channels, by which lanes are cut off
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
    let overwrite = |plan: &mut Plan, _: &mut Parameters| {
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
