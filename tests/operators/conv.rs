//! Convolutions: plain, masked, transposed, and with what runs in the same dispatch.

use sparsr::low_level::graph::{Activation, Builder, Conv2d, ConvTranspose2d, MaskedConv2d, Value};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};

use crate::support::case::{Case, check_all};
use crate::support::seeded::{activation, noise, parameter, seed, weighted};

/// Sums in f32 on both sides, in different orders.
pub const TOLERANCE: f32 = 1e-5;

/// `[N, C, H, W]`.
pub type Input = [usize; 4];

/// Input, output channels, kernel, stride, padding, groups, bias.
#[rustfmt::skip]
pub const CONV2D: &[(Input, usize, usize, usize, usize, usize, bool)] = &[
    // The size is kept: register-tiled. Every remainder of channels in fours and of pixels in a strip.
    ([1,  1,  7,  5],  1, 3, 1, 1, 1, true),
    ([1,  3,  7,  5],  4, 3, 1, 1, 1, true),
    ([1,  3, 13,  3], 64, 3, 1, 1, 1, true),
    ([1,  4, 13,  3],  3, 3, 1, 1, 1, false),
    ([1,  5, 33,  9],  9, 3, 1, 1, 1, true),
    ([1,  7, 40, 17], 12, 3, 1, 1, 1, true),
    ([1, 12, 33,  9],  2, 3, 1, 1, 1, true),
    ([1, 16, 40, 17], 16, 3, 1, 1, 1, true),
    ([1, 20,  7,  5], 20, 3, 1, 1, 1, false),
    ([1, 64, 33,  9], 64, 3, 1, 1, 1, true),
    ([1, 64,  1,  9], 12, 3, 1, 1, 1, true),
    ([2,  5,  7,  5],  9, 3, 1, 1, 1, true),
    ([2, 20, 13,  3], 20, 3, 1, 1, 1, true),
    ([1,  3,  7,  5],  3, 1, 1, 0, 1, true),
    ([1,  5, 13,  3],  9, 1, 1, 0, 1, false),
    ([2, 12, 33,  9], 20, 1, 1, 0, 1, true),
    ([1, 64, 40, 17],  2, 1, 1, 0, 1, true),
    ([1,  3,  7,  5],  4, 5, 1, 2, 1, true),
    ([1,  7, 33,  9], 12, 5, 1, 2, 1, true),
    ([1,  1,  1,  9],  9, 5, 1, 2, 1, true),
    // One pixel, strides, other paddings and groups: direct.
    ([1,  4,  1,  1],  2, 3, 1, 1, 1, true),
    ([2, 64,  1,  1],  4, 1, 1, 0, 1, true),
    ([1,  7,  1,  1],  9, 5, 1, 2, 1, false),
    ([1,  3,  7,  5],  4, 3, 2, 1, 1, true),
    ([1,  5, 33,  9],  9, 3, 2, 0, 1, true),
    ([2,  4, 40, 17], 12, 5, 2, 2, 1, false),
    ([1,  3,  7,  5],  5, 1, 2, 0, 1, true),
    ([1,  5,  7,  5],  4, 3, 1, 0, 1, true),
    ([1,  3, 13,  3],  4, 3, 1, 2, 1, true),
    ([1,  4,  7,  5],  4, 1, 1, 1, 1, true),
    ([1, 12,  7,  5], 16, 3, 1, 1, 2, true),
    ([1, 20, 13,  3], 12, 3, 1, 1, 4, false),
    ([1, 16, 33,  9],  4, 3, 2, 1, 4, true),
    ([1,  6,  7,  5],  9, 3, 1, 1, 3, true),
    ([1,  5,  7,  5], 10, 3, 1, 1, 5, true),
    ([2, 16, 13,  7],  8, 3, 1, 1, 2, true),
    ([1, 24,  9, 11], 24, 3, 2, 1, 3, true),
    ([2,  6,  7,  5],  8, 3, 1, 1, 2, true),
    ([1, 16,  9, 11],  6, 3, 2, 1, 1, true),
    // Even kernels, of strides.
    ([1,  6,  8,  6],  5, 2, 2, 0, 1, true),
    ([2,  5, 12, 10],  7, 4, 2, 1, 1, true),
    ([1, 16,  9,  9],  4, 2, 3, 0, 2, false),
    // Every channel a group: depthwise.
    ([1,  7, 13,  3],  7, 3, 1, 1, 7, true),
    ([2, 12, 33,  9], 12, 5, 1, 2, 12, true),
    ([2,  3,  1,  1],  3, 3, 1, 1, 3, true),
    ([1,  5,  1,  9],  5, 7, 1, 3, 5, false),
    ([1,  2,  7,  5],  2, 1, 1, 0, 2, true),
    ([2,  6, 13, 11],  6, 3, 2, 1, 6, true),
    ([1,  9, 17, 33],  9, 5, 3, 0, 9, true),
    ([1,  4,  7,  5],  4, 3, 1, 3, 4, false),
    ([1,  5, 40, 17],  5, 13, 1, 6, 5, true),
];

/// A row of the table; `weight` is what becomes of its weights.
pub fn conv2d_case(
    &(input, out, k, stride, padding, groups, bias): &(Input, usize, usize, usize, usize, usize, bool),
    weight: fn(Parameter) -> Parameter,
) -> Case {
    let kind = format!("{} → {out} k{k} s{stride} p{padding} g{groups} {}", shape(input), with(bias));
    let weight = weight(parameter([out, input[1] / groups, k, k], seed(&kind)));
    let bias = bias.then(|| parameter([out], seed(&kind) + 1));
    let op = Conv2d { kernel: k, stride, padding, groups };
    Case::new(format!("conv2d {kind}"), shape(input), TOLERANCE, |b, x| {
        let weights = weighted(b, "conv", &weight, bias.as_ref())?;
        b.conv2d("conv", x, weights, op)
    })
}

#[test]
fn conv2d() {
    check_all("conv2d", CONV2D.iter().map(|row| conv2d_case(row, as_it_is)));
}

fn as_it_is(weight: Parameter) -> Parameter {
    weight
}

/// An activation of so many channels, and how many slopes it has.
pub type Of = fn(usize) -> (Activation, usize);

/// What follows the sum: an activation and whether a residual is added before or after it.
#[rustfmt::skip]
pub const EPILOGUES: &[(&str, Option<Of>, &str)] = &[
    ("relu",            Some(|_| (Activation::Relu, 0)),    "none"),
    ("leaky relu",      Some(leaky),                        "none"),
    ("prelu",           Some(prelu),                        "none"),
    ("one slope",       Some(|_| prelu(1)),                 "none"),
    ("gelu",            Some(|_| (Activation::Gelu, 0)),    "none"),
    ("sigmoid",         Some(|_| (Activation::Sigmoid, 0)), "none"),
    ("sum",             None,                               "after"),
    ("leaky relu, sum", Some(leaky),                        "after"),
    ("prelu, sum",      Some(prelu),                        "after"),
    ("sum, leaky relu", Some(leaky),                        "before"),
];

fn leaky(_: usize) -> (Activation, usize) {
    (Activation::LeakyRelu { slope: 0.1 }, 0)
}

fn prelu(slopes: usize) -> (Activation, usize) {
    (Activation::Prelu, slopes)
}

/// A convolution, then what it takes along; `takes_along` also proves that it does.
pub fn epilogue_case(
    name: String,
    (input, kernel, groups): (Input, usize, usize),
    then: Option<(Activation, usize)>,
    residual: &str,
    weight: fn(Parameter) -> Parameter,
) -> Case {
    let channels = input[1];
    let weight = weight(parameter([channels, channels / groups, kernel, kernel], seed(&name)));
    let bias = parameter([channels], seed(&name) + 1);
    Case::new(name, shape(input), TOLERANCE, |b, x| {
        let weights = weighted(b, "conv", &weight, Some(&bias))?;
        let mut y = b.conv2d("conv", x, weights, Conv2d { groups, ..Conv2d::same(kernel) })?;
        if residual == "before" {
            y = b.add("sum", y, x)?;
        }
        if let Some((op, slopes)) = then {
            y = activation(b, "activation", y, op, slopes)?;
        }
        if residual == "after" {
            y = b.add("sum", x, y)?;
        }
        Ok(y)
    })
}

#[test]
fn conv2d_takes_along_what_follows() {
    let mut cases = Vec::new();
    for (kind, activation, residual) in EPILOGUES {
        // Tiled, broadcast by subgroups, direct, depthwise; Winograd's, which is three dispatches.
        for (input, kernel, groups) in [
            ([1, 3, 7, 5], 1, 1),
            ([1, 12, 13, 3], 1, 1),
            ([2, 6, 7, 5], 1, 3),
            ([2, 6, 7, 5], 1, 6),
            ([1, 20, 9, 7], 3, 1),
        ] {
            let name = format!("conv2d {kind}, {} k{kernel} in {groups} groups", shape(input));
            let then = activation.map(|activation| activation(input[1]));
            cases.push(epilogue_case(name, (input, kernel, groups), then, residual, as_it_is));
        }
    }
    if let Some(gpu) = crate::support::adapter::gpu("conv2d_takes_along_what_follows") {
        for case in &cases {
            let plan = case.plan(&gpu);
            let last = plan.steps.last().expect("a plan has steps").dispatch.kernel.name;
            assert!(
                plan.steps.len() == 1 || last == "winograd_output",
                "{}: one dispatch\n{plan}",
                case.name
            );
        }
    }
    check_all("conv2d_takes_along_what_follows", cases);
}

#[test]
fn conv2d_leaves_alone_what_it_may_not_take() {
    let one = |name: &'static str| {
        move |b: &mut Builder, x: Value| {
            let weight = b.parameter(name, &parameter([5, 5, 1, 1], seed(name)))?;
            b.conv2d("conv", x, weight, Conv2d::same(1))
        }
    };
    let input = Shape::new(1, 5, 7, 5);
    let cases = [
        Case::new("conv2d, then relu, both read", input, TOLERANCE, |b, x| {
            let y = one("read twice")(b, x)?;
            let z = b.relu("relu", y)?;
            b.add("sum", y, z)
        }),
        Case::new("conv2d kept, then relu kept, then sum", input, TOLERANCE, |b, x| {
            let y = one("kept")(b, x)?;
            let z = b.relu("relu", y)?;
            b.add("sum", z, x)
        })
        .keeping("conv")
        .keeping("relu")
        .keeping("input"),
        Case::new("conv2d, relu, then relu, two sums", input, TOLERANCE, |b, x| {
            let y = one("twice")(b, x)?;
            let y = b.relu("relu", y)?;
            let y = b.add("sum", y, x)?;
            let y = b.relu("relu again", y)?;
            b.add("sum again", y, x)
        }),
        Case::new("conv2d plus one pixel", input, TOLERANCE, |b, x| {
            let mean = b.global_average_pool("mean", x)?;
            let y = one("one pixel")(b, x)?;
            b.add("sum", y, mean)
        }),
        Case::new("two convolutions added", input, TOLERANCE, |b, x| {
            let (left, right) = (one("left")(b, x)?, one("right")(b, x)?);
            let sum = b.add("sum", left, right)?;
            b.relu("relu", sum)
        }),
    ];
    check_all("conv2d_leaves_alone_what_it_may_not_take", cases);
}

/// Input, output channels, kernel, dense inputs, dense outputs, mask, bias.
#[rustfmt::skip]
pub const MASKED: &[(Input, usize, usize, usize, usize, &str, bool)] = &[
    ([1, 12, 13,  3], 12, 3,  3,  4, "some", false),
    ([1, 12, 13,  3], 12, 3,  4,  3, "some", true),
    ([1, 12,  7,  5], 12, 3,  9,  9, "some", true),
    ([1, 12,  7,  5], 12, 3, 12,  0, "some", true),
    ([1, 12,  7,  5], 12, 3,  0, 12, "some", true),
    ([1, 12,  7,  5], 12, 3,  0,  0, "some", true),
    ([1, 12,  7,  5], 12, 3, 12, 12, "some", true),
    ([1, 12,  7,  5], 12, 3,  3,  9, "none", true),
    ([1, 12,  7,  5], 12, 3,  3,  9, "one",  true),
    ([1, 12,  7,  5], 12, 3,  3,  9, "all",  true),
    ([2, 12, 33,  9], 20, 3,  9,  4, "some", true),
    ([1,  5,  7,  5],  7, 3,  3,  4, "some", true),
    ([1,  4,  1,  1],  3, 3,  3,  1, "none", true),
    ([1,  4,  1,  1],  3, 3,  3,  1, "all",  true),
    ([1,  5,  1,  9],  2, 3,  0,  1, "some", true),
    ([1, 12,  7,  5], 12, 1,  3, 12, "some", true),
    ([2, 20, 13,  3],  9, 1,  4,  3, "some", false),
    ([1,  5,  7,  5],  4, 1,  0,  0, "some", true),
    ([1, 64, 40, 17], 64, 3, 24,  9, "some", false),
    ([1, 64, 33,  9], 64, 1,  3, 64, "some", true),
];

/// A row of the table; `weight` is what becomes of its weights.
pub fn masked_case(
    &(input, out, k, dense_inputs, dense_outputs, set, bias): &(
        Input,
        usize,
        usize,
        usize,
        usize,
        &str,
        bool,
    ),
    weight: fn(Parameter) -> Parameter,
) -> Case {
    let dense = format!("{dense_inputs} dense → {dense_outputs} dense");
    let kind = format!("{} → {out} k{k}, {dense}, mask {set} {}", shape(input), with(bias));
    let weight = weight(parameter([out, input[1], k, k], seed(&kind)));
    let bias = bias.then(|| parameter([out], seed(&kind) + 1));
    let op = MaskedConv2d { kernel: k, dense_inputs, dense_outputs };
    Case::new(format!("masked_conv2d {kind}"), shape(input), TOLERANCE, |b, x| {
        let mask = b.constant("mask", mask(input, set))?;
        let weights = weighted(b, "conv", &weight, bias.as_ref())?;
        b.masked_conv2d("conv", x, mask, weights, op)
    })
}

#[test]
fn masked_conv2d() {
    check_all("masked_conv2d", MASKED.iter().map(|row| masked_case(row, as_it_is)));
}

/// Zeros and ones over a picture.
pub fn mask([n, _, h, w]: Input, set: &str) -> Tensor {
    let shape = Shape::new(n, 1, h, w);
    let random = noise(shape, 7);
    Tensor::from_fn(shape, |n, _, y, x| {
        let is_set = match set {
            "none" => false,
            "all" => true,
            "one" => (y, x) == (h / 2, w - 1),
            "some" => random.plane(n, 0)[y * w + x] > 0.0,
            other => panic!("no mask is called {other}"),
        };
        f32::from(is_set)
    })
}

/// Input, output channels, kernel, stride, padding, output padding, bias.
#[rustfmt::skip]
const TRANSPOSED: &[(Input, usize, usize, usize, usize, usize, bool)] = &[
    ([1, 16,  7,  5],  2, 3, 2, 1, 1, true),
    ([1,  5, 13,  3],  9, 3, 2, 1, 1, true),
    ([2,  3,  1,  9],  4, 3, 2, 1, 1, false),
    ([1,  4,  1,  1],  2, 3, 2, 1, 1, true),
    ([1,  3,  7,  5],  5, 2, 2, 0, 0, true),
    ([1,  7, 13,  3],  3, 4, 2, 1, 0, true),
    ([2, 12, 33,  9],  1, 4, 2, 1, 0, false),
    ([1,  3,  7,  5],  3, 3, 1, 0, 0, true),
    ([1,  5,  7,  5],  4, 3, 4, 0, 3, true),
];

#[test]
fn conv_transpose2d() {
    let case = |&(input, out, k, stride, padding, output_padding, bias): &(
        Input,
        usize,
        usize,
        usize,
        usize,
        usize,
        bool,
    )| {
        let kind =
            format!("{} → {out} k{k} s{stride} p{padding} op{output_padding} {}", shape(input), with(bias));
        let weight = parameter([input[1], out, k, k], seed(&kind));
        let bias = bias.then(|| parameter([out], seed(&kind) + 1));
        let op = ConvTranspose2d { kernel: k, stride, padding, output_padding };
        Case::new(format!("conv_transpose2d {kind}"), shape(input), TOLERANCE, |b, x| {
            let weights = weighted(b, "conv", &weight, bias.as_ref())?;
            b.conv_transpose2d("conv", x, weights, op)
        })
    };
    check_all("conv_transpose2d", TRANSPOSED.iter().map(case));
}

pub fn shape([n, c, h, w]: Input) -> Shape {
    Shape::new(n, c, h, w)
}

fn with(bias: bool) -> &'static str {
    if bias { "bias" } else { "no bias" }
}
