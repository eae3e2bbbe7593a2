//! Every operator but convolutions and pools, standing alone.

use sparsr::low_level::graph::{
    Activation, BinaryKind, Builder, Canvas, Conv2d, Fold, GlobalPoolKind, MaxPool, Op, PixelUnshuffle,
    Resize, ResizeKind, Unfold, Value,
};
use sparsr::low_level::tensor::{Shape, Tensor};

use crate::support::case::{Case, check_all};
use crate::support::seeded::{self, noise, parameter, seed, weighted};

/// A rounding or two.
const TOLERANCE: f32 = 1e-6;

/// Moves numbers and makes none.
const EXACT: f32 = 0.0;

/// Awkward pictures: one pixel, one row, odd sides, channels that are no fours, two pictures.
const SHAPES: [Shape; 4] =
    [Shape::new(1, 1, 1, 1), Shape::new(1, 3, 1, 9), Shape::new(2, 5, 7, 5), Shape::new(1, 12, 33, 9)];

#[test]
fn activations() {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for (activation, slopes) in [
            (Activation::Relu, 0),
            (Activation::LeakyRelu { slope: 0.1 }, 0),
            (Activation::Prelu, shape.channels),
            (Activation::Prelu, 1),
            (Activation::Gelu, 0),
            (Activation::Sigmoid, 0),
            (Activation::Silu, 0),
            (Activation::Tanh, 0),
        ] {
            let kind = match &activation {
                Activation::Prelu => format!("prelu of {slopes} slopes"),
                other => format!("{other:?}"),
            };
            let wide = Tensor::new(
                shape,
                noise(shape, shape.len() as u64).values().iter().map(|x| 6.0 * x + 2.0).collect(),
            );
            let build = |b: &mut Builder, x| seeded::activation(b, "activation", x, activation, slopes);
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

/// Learned numbers where activations may stand: beside them, and as what comes out; of a weight, some input channels.
#[test]
fn parameters() {
    let mut cases = Vec::new();
    for shape in SHAPES {
        let Shape { batch, channels, height, width } = shape;
        let a_channel = [1, channels, 1, 1];
        for dims in [a_channel, [1, 1, height, width], [1, channels, height, width]] {
            if batch > 1 && dims != a_channel {
                continue; // of those there is one a picture
            }
            let case = |kind, build: fn(&mut Builder, Value, Value) -> sparsr::Result<Value>| {
                Case::new(format!("parameter of {dims:?}, {kind} {shape}"), shape, TOLERANCE, |b, x| {
                    let learned = b.parameter("learned", &parameter(dims, seed(kind)))?;
                    build(b, x, learned)
                })
            };
            cases.push(case("subtracted from", |b, x, p| b.binary("less", BinaryKind::Subtract, x, p)));
            cases.push(case("times", |b, x, p| b.multiply("product", x, p)).keeping("learned"));
        }
    }
    let shape = Shape::new(1, 5, 7, 9);
    let learned = |b: &mut Builder| b.parameter("learned", &parameter([1, 5, 7, 9], 1));
    cases.push(Case::new("parameter that comes out", shape, EXACT, |b, _| learned(b)));
    cases.push(Case::new("parameter less the picture", shape, TOLERANCE, |b, x| {
        let numbers = learned(b)?;
        b.binary("less", BinaryKind::Subtract, numbers, x)
    }));
    cases.push(Case::new("conv2d by some input channels of a weight", shape, 1e-5, |b, x| {
        let weight = b.parameter("weight", &parameter([6, 9, 3, 3], 2))?;
        let part = b.slice("part", weight, 3, 5)?;
        b.conv2d("conv", x, part, Conv2d::same(3))
    }));
    check_all("parameters", cases);
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
            let weights = weighted(b, "collect", &parameter([6, total, 1, 1], 2), bias.as_ref())?;
            let y = b.conv2d("collect", all, weights, Conv2d::same(1))?;
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
fn slice() {
    let cases = [
        (Shape::new(1, 1, 1, 1), 0, 1),
        (Shape::new(1, 3, 1, 9), 1, 2),
        (Shape::new(2, 5, 7, 5), 4, 1),
        (Shape::new(2, 9, 7, 5), 3, 5),
        (Shape::new(1, 12, 33, 9), 4, 8),
        (Shape::new(1, 12, 33, 9), 2, 9),
        (Shape::new(2, 14, 13, 3), 7, 7),
        (Shape::new(1, 7, 7, 5), 0, 7),
        (Shape::new(1, 7, 7, 5), 0, 2),
    ];
    let cases = cases.map(|(shape, start, channels)| {
        let name = format!("slice {shape}, {channels} from {start}");
        Case::new(name, shape, EXACT, |b, x| b.slice("slice", x, start, channels))
    });
    let halves =
        Case::new("slice: halves of a value that is kept", Shape::new(2, 10, 7, 5), EXACT, |b, x| {
            let y = b.relu("relu", x)?;
            let (left, right) = (b.slice("left", y, 0, 5)?, b.slice("right", y, 5, 5)?);
            b.multiply("gate", left, right)
        });
    check_all("slice", cases.into_iter().chain([halves.keeping_all()]));
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
fn pixel_unshuffle() {
    let cases =
        [(1, 1, 1, 1), (1, 3, 7, 5), (2, 2, 13, 3), (1, 5, 1, 9)].into_iter().flat_map(|(n, c, h, w)| {
            [2, 3, 4].map(|scale| {
                let shape = Shape::new(n, c, h * scale, w * scale);
                let op = Op::PixelUnshuffle(PixelUnshuffle { scale });
                Case::new(format!("pixel_unshuffle {shape} by {scale}"), shape, EXACT, |b, x| {
                    b.append("unshuffle", op, &[x])
                })
            })
        });
    let back = Case::new("pixel_unshuffle, then pixel_shuffle", Shape::new(2, 3, 6, 9), EXACT, |b, x| {
        let y = b.append("unshuffle", Op::PixelUnshuffle(PixelUnshuffle { scale: 3 }), &[x])?;
        b.pixel_shuffle("shuffle", y, 3)
    });
    check_all("pixel_unshuffle", cases.chain([back.keeping_all()]));
}

#[test]
fn canvas() {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for multiple in [1, 3, 8, 40] {
            let canvas = Op::Canvas(Canvas::Multiples { of: multiple });
            let name = format!("{shape} on a canvas of multiples of {multiple}");
            cases.push(Case::new(name, shape, EXACT, |b, x| b.append("canvas", canvas.clone(), &[x])));
            cases.push(Case::new(
                format!("{shape} back from multiples of {multiple}"),
                shape,
                TOLERANCE,
                |b, x| {
                    let y = b.append("canvas", canvas.clone(), &[x])?;
                    let y = b.activation("sigmoid", y, Activation::Sigmoid)?;
                    b.append("picture", Op::Canvas(Canvas::Like), &[y, x])
                },
            ));
        }
        cases.push(Case::new(format!("a pixel of {shape} on a canvas"), shape, TOLERANCE, |b, x| {
            let y = b.global_pool("pool", x, GlobalPoolKind::Mean)?;
            b.append("canvas", Op::Canvas(Canvas::Like), &[y, x])
        }));
    }
    check_all("canvas", cases);
}

#[test]
fn unfold() {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for kernel in [1, 3, 5] {
            let name = format!("unfold {shape} by {kernel}");
            cases.push(Case::new(name, shape, EXACT, |b, x| {
                b.append("unfold", Op::Unfold(Unfold { kernel }), &[x])
            }));
            let wide = shape.with_channels(shape.channels * kernel * kernel);
            cases.push(Case::new(format!("fold {wide} by {kernel}"), wide, TOLERANCE, |b, x| {
                b.append("fold", Op::Fold(Fold { kernel }), &[x])
            }));
        }
    }
    let both = Case::new("unfold, then fold", Shape::new(2, 3, 7, 5), TOLERANCE, |b, x| {
        let y = b.append("unfold", Op::Unfold(Unfold { kernel: 3 }), &[x])?;
        b.append("fold", Op::Fold(Fold { kernel: 3 }), &[y])
    });
    cases.push(both.keeping_all());
    check_all("unfold", cases);
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
            cases.push(case("bilinear", ResizeKind::Bilinear, TOLERANCE));
            cases.push(case("nearest", ResizeKind::Nearest, EXACT));
        }
    }
    for (scale, below, [h, w]) in [(3, 4, [4, 8]), (1, 2, [2, 66]), (3, 2, [6, 34]), (2, 5, [35, 5])] {
        let shape = Shape::new(2, 5, h, w);
        let op = Op::Resize(Resize { kind: ResizeKind::Bicubic, scale, below });
        let build = move |b: &mut Builder, x| b.append("other", op.clone(), &[x]);
        cases.push(Case::new(format!("resize bicubic {shape} by {scale}/{below}"), shape, TOLERANCE, build));
    }
    check_all("resize", cases);
}

/// Up, down, up along one axis and down along the other, to one pixel and from one, not at all. Among them sides whose
/// quotient f32 rounds up and down.
#[test]
fn resize_to() {
    let sizes = [
        ([1, 1], [1, 1]),
        ([1, 1], [5, 3]),
        ([7, 5], [1, 1]),
        ([1, 9], [3, 4]),
        ([7, 5], [7, 5]),
        ([7, 5], [33, 18]),
        ([41, 33], [9, 7]),
        ([5, 33], [13, 9]),
        ([49, 3], [47, 100]),
        ([3, 100], [147, 41]),
    ];
    let mut cases = Vec::new();
    for (at, ([h, w], [to_h, to_w])) in sizes.into_iter().enumerate() {
        let (shape, like) = (Shape::new(1 + at % 2, 1 + at % 6, h, w), Shape::new(1 + at % 2, 2, to_h, to_w));
        for (kind, tolerance) in [
            (ResizeKind::Bilinear, TOLERANCE),
            (ResizeKind::BilinearCorners, TOLERANCE),
            (ResizeKind::Nearest, EXACT),
        ] {
            let name = format!("resize_to {kind:?} {shape} to {to_h}x{to_w}");
            cases.push(Case::new(name, shape, tolerance, |b, x| {
                let like = constant(b, Tensor::zeros(like))?;
                b.resize_to("resized", x, kind, like)
            }));
        }
    }
    let shape = Shape::new(2, 5, 17, 23);
    cases.push(
        Case::new("resize_to the picture, of its pools", shape, TOLERANCE, |b, x| {
            let small = b.append("pool", Op::MaxPool(MaxPool { size: 7, stride: 3 }), &[x])?;
            let large = b.resize_to("large", small, ResizeKind::Bilinear, x)?;
            b.multiply("gate", x, large)
        })
        .keeping_all(),
    );
    check_all("resize_to", cases);
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
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let broken = Tensor::from_fn(Shape::new(1, 2, 2, 7), |_, c, y, x| {
        let pair = [[nan, 1.0], [nan, nan], [inf, 1.0], [inf, inf], [-inf, 1.0], [-inf, inf], [1.0, 2.0]][x];
        pair[(c + y) % 2]
    });
    let broken = Case::new("spatial_mask of what is no number", broken.shape(), EXACT, |b, x| {
        b.spatial_mask("mask", x)
    })
    .on(broken);
    check_all("spatial_mask", cases.into_iter().chain([tied, broken]));
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
    b.constant("numbers", numbers)
}
