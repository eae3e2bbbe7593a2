//! Every operator but the convolutions, standing alone.

use sparsr::graph::{Activation, BinaryKind, Builder, Constant, Conv2d, Op, ResizeKind, Value};
use sparsr::tensor::{Shape, Tensor};

use crate::support::case::{Case, check_all};
use crate::support::seeded::{noise, parameter, seed};

/// A rounding or two.
const TOLERANCE: f32 = 1e-6;

/// Moves numbers and makes none.
const EXACT: f32 = 0.0;

/// Awkward pictures: one pixel, one row, odd sides, channels that are no fours, two pictures.
const SHAPES: [Shape; 4] =
    [Shape::new(1, 1, 1, 1), Shape::new(1, 3, 1, 9), Shape::new(2, 5, 7, 5), Shape::new(1, 12, 33, 9)];

#[test]
fn activations() {
    let shared = parameter([1], 1);
    let mut cases = Vec::new();
    for shape in SHAPES {
        for activation in [
            Activation::Relu,
            Activation::LeakyRelu { slope: 0.1 },
            Activation::Prelu { slope: parameter([shape.channels], 2) },
            Activation::Prelu { slope: shared.clone() },
            Activation::Gelu,
            Activation::Sigmoid,
            Activation::Silu,
            Activation::Tanh,
        ] {
            let kind = match &activation {
                Activation::Prelu { slope } => format!("prelu of {} slopes", slope.values().len()),
                other => format!("{other:?}"),
            };
            let wide = Tensor::new(
                shape,
                noise(shape, shape.len() as u64).values().iter().map(|x| 6.0 * x + 2.0).collect(),
            );
            let build = |b: &mut Builder, x| b.activation("activation", x, activation);
            cases.push(Case::new(format!("activation {kind}, {shape}"), shape, TOLERANCE, build).on(wide));
        }
    }
    check_all("activations", cases);
}

#[test]
fn arithmetic() {
    let mut cases = Vec::new();
    for a in SHAPES {
        for (repeated, b) in
            [("whole", a), ("one pixel", a.with_size(1, 1)), ("one channel", a.with_channels(1))]
        {
            let second = move |builder: &mut Builder| constant(builder, noise(b, seed(repeated)));
            for kind in [BinaryKind::Add, BinaryKind::Subtract, BinaryKind::Multiply, BinaryKind::Divide] {
                let case = format!("{kind:?} {a} and {b}, {repeated}");
                cases.push(Case::new(case, a, TOLERANCE, |builder, x| {
                    let second = second(builder)?;
                    builder.binary("result", kind, x, second)
                }));
            }
        }
        cases.push(Case::new(format!("square {a}"), a, TOLERANCE, |builder, x| {
            builder.multiply("square", x, x)
        }));
    }
    check_all("arithmetic", cases);
}

/// The picture, then constants of so many channels, one after the other.
fn concatenated(b: &mut Builder, x: Value, more: &[usize]) -> sparsr::Result<Value> {
    let mut parts = vec![x];
    for channels in more {
        let numbers = noise(b.shape(x).with_channels(*channels), *channels as u64);
        parts.push(constant(b, numbers)?);
    }
    b.concat("concat", &parts)
}

#[test]
fn concat() {
    let cases = [
        (Shape::new(1, 3, 7, 5), &[5, 4][..]),
        (Shape::new(2, 3, 13, 3), &[5, 4]),
        (Shape::new(1, 4, 7, 5), &[8]),
        (Shape::new(1, 1, 1, 1), &[1, 1, 1, 1, 1]),
        (Shape::new(1, 7, 1, 9), &[2, 1]),
        (Shape::new(1, 5, 7, 5), &[]),
    ]
    .map(|(shape, more)| {
        Case::new(format!("concat {shape} and {more:?}"), shape, EXACT, |b, x| concatenated(b, x, more))
    });
    let twice = Case::new("concat of a value with itself", Shape::new(1, 3, 7, 5), EXACT, |b, x| {
        b.concat("concat", &[x, x, x])
    });
    check_all("concat", cases.into_iter().chain([twice]));
}

#[test]
fn concat_then_pointwise_conv2d() {
    let case = |name: &str, channels: usize, more: &[usize], bias: bool| {
        let total = channels + more.iter().sum::<usize>();
        let bias = bias.then(|| parameter([6], 1));
        Case::new(name, Shape::new(1, channels, 7, 5), 1e-5, |b, x| {
            let all = concatenated(b, x, more)?;
            let y = b.conv2d("collect", all, Conv2d::same(parameter([6, total, 1, 1], 2), bias))?;
            b.relu("relu", y)
        })
    };
    check_all(
        "concat_then_pointwise_conv2d",
        [
            case("concat 3 + 5 + 4, then conv2d", 3, &[5, 4], true),
            case("concat 4 + 8, then conv2d without bias", 4, &[8], false),
            case("concat 3 + 5 + 4 kept, then conv2d", 3, &[5, 4], true).keeping("concat"),
            case("concat 3 + 5 + 4, then conv2d kept", 3, &[5, 4], true).keeping("collect"),
            case("concat of one, then conv2d", 5, &[], true),
        ],
    );
}

#[test]
fn pools() {
    let average = [(Shape::new(1, 3, 7, 5), 2), (Shape::new(2, 5, 13, 3), 3), (Shape::new(1, 12, 33, 9), 2)];
    let average = average.map(|(shape, size)| {
        Case::new(format!("average_pool {shape} by {size}"), shape, TOLERANCE, |b, x| {
            b.average_pool("pool", x, size)
        })
    });
    // One pixel; less than one run of 4096 pixels, just one, and what takes a second reduction.
    let global = [(1, 1, 1, 1), (2, 5, 7, 5), (1, 3, 64, 64), (2, 3, 17, 241), (1, 7, 96, 97)];
    let global = global.map(|(n, c, h, w)| {
        let shape = Shape::new(n, c, h, w);
        // Not around zero, where a mean would be nothing but rounding.
        let input = Tensor::new(shape, noise(shape, 5).values().iter().map(|x| x + 0.5).collect());
        Case::new(format!("global_average_pool {shape}"), shape, 1e-5, |b, x| {
            b.global_average_pool("mean", x)
        })
        .on(input)
    });
    check_all("pools", average.into_iter().chain(global));
}

#[test]
fn pixel_shuffle() {
    let cases =
        [(1, 1, 1, 2), (1, 3, 7, 5), (2, 2, 13, 3), (1, 5, 1, 9)].into_iter().flat_map(|(n, c, h, w)| {
            [2, 3, 4].map(|scale| {
                let shape = Shape::new(n, c * scale * scale, h, w);
                let build = |b: &mut Builder, x| b.pixel_shuffle("shuffle", x, scale);
                Case::new(format!("pixel_shuffle {shape} by {scale}"), shape, EXACT, build)
            })
        });
    check_all("pixel_shuffle", cases);
}

#[test]
fn resize() {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for scale in [2, 3, 4] {
            let case = |name: &str, kind, tolerance| {
                let build = |b: &mut Builder, x| b.resize("large", x, kind, scale);
                Case::new(format!("resize {name} {shape} by {scale}"), shape, tolerance, build)
            };
            cases.push(case("bicubic", ResizeKind::Bicubic, TOLERANCE));
            cases.push(case("nearest", ResizeKind::Nearest, EXACT));
        }
    }
    check_all("resize", cases);
}

#[test]
fn spatial_mask() {
    let ties = Tensor::from_fn(Shape::new(1, 2, 3, 5), |_, c, _, x| {
        [[0.5, 0.5], [-1.0, 1.0], [1.0, -1.0], [0.0, -0.0], [0.5, 0.500_000_06]][x][c]
    });
    let cases = [Shape::new(1, 2, 1, 1), Shape::new(2, 2, 7, 5), Shape::new(1, 2, 33, 9)].map(|shape| {
        Case::new(format!("spatial_mask {shape}"), shape, EXACT, |b, x| b.spatial_mask("mask", x))
    });
    let tied =
        Case::new("spatial_mask of ties", ties.shape(), EXACT, |b, x| b.spatial_mask("mask", x)).on(ties);
    check_all("spatial_mask", cases.into_iter().chain([tied]));
}

#[test]
fn constants_and_the_picture_itself() {
    let shape = Shape::new(1, 5, 7, 5);
    check_all(
        "constants_and_the_picture_itself",
        [
            Case::new("a constant", shape, EXACT, |b, _| constant(b, noise(shape, 1))).keeping("numbers"),
            Case::new("the picture", shape, EXACT, |_, x| Ok(x)).keeping("input"),
        ],
    );
}

fn constant(b: &mut Builder, numbers: Tensor) -> sparsr::Result<Value> {
    b.append("numbers", Op::Constant(Constant::new(numbers)), &[])
}
