//! One number of many pixels: of blocks, of parts of the picture, of all of it.

use sparsr::low_level::graph::{AdaptiveMaxPool, GlobalPool, GlobalPoolKind, MaxPool, Op};
use sparsr::low_level::tensor::{Shape, Tensor};

use crate::support::case::{Case, check_all};
use crate::support::seeded::noise;

#[test]
fn average_pool() {
    let cases = [(Shape::new(1, 3, 7, 5), 2), (Shape::new(2, 5, 13, 3), 3), (Shape::new(1, 12, 33, 9), 2)];
    let cases = cases.map(|(shape, size)| {
        Case::new(format!("average_pool {shape} by {size}"), shape, 1e-6, |b, x| {
            b.average_pool("pool", x, size)
        })
    });
    check_all("average_pool", cases);
}

/// Input, size, stride.
#[rustfmt::skip]
const MAX: &[([usize; 4], usize, usize)] = &[
    ([1,  1,  1,  1], 1, 1),
    ([1,  3,  1,  9], 1, 2),
    ([1,  1,  7,  7], 7, 3),
    ([2,  5, 13,  7], 7, 3),
    ([1, 12, 33, 40], 7, 3),
    ([1,  3,  7,  5], 2, 2),
    ([2,  7, 13,  3], 3, 1),
    ([1,  4,  9, 33], 2, 5),
];

#[test]
fn max_pool() {
    let case = |&([n, c, h, w], size, stride): &([usize; 4], usize, usize)| {
        let shape = Shape::new(n, c, h, w);
        let name = format!("max_pool {shape}, {size}x{size} by {stride}");
        Case::new(name, shape, 0.0, |b, x| b.append("pool", Op::MaxPool(MaxPool { size, stride }), &[x]))
            .keeping("pool")
    };
    check_all("max_pool", MAX.iter().map(case));
}

#[test]
fn adaptive_max_pool() {
    let cases = [
        (Shape::new(1, 1, 1, 1), 1),
        (Shape::new(1, 3, 1, 9), 1),
        (Shape::new(2, 5, 8, 8), 8),
        (Shape::new(1, 5, 17, 23), 8),
        (Shape::new(2, 3, 15, 9), 8),
        (Shape::new(1, 12, 33, 40), 3),
        (Shape::new(1, 4, 32, 48), 8),
    ];
    let cases = cases.map(|(shape, divisor)| {
        Case::new(format!("adaptive_max_pool {shape} by {divisor}"), shape, 0.0, |b, x| {
            b.append("pool", Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor }), &[x])
        })
    });
    check_all("adaptive_max_pool", cases);
}

/// Whatever its sign, first, last and alone in its block, beside infinities.
#[test]
fn the_largest_is_nan_where_there_is_one() {
    let shape = Shape::new(2, 5, 8, 12);
    let random = noise(shape, 9);
    let broken = Tensor::from_fn(shape, |n, c, y, x| match (y, x) {
        (0, 0) | (3, 7) => f32::NAN,
        (5, 4) | (0, 11) => -f32::NAN,
        (1, 1) | (3, 6) => f32::INFINITY,
        (4.., 8..) => f32::NEG_INFINITY,
        _ => random.plane(n, c)[12 * y + x],
    });
    let case = |name: &str, op: Op| {
        Case::new(format!("{name} of NaN"), shape, 0.0, |b, x| b.append("pool", op, &[x])).on(broken.clone())
    };
    check_all(
        "the_largest_is_nan_where_there_is_one",
        [
            case("max_pool 2/2", Op::MaxPool(MaxPool { size: 2, stride: 2 })),
            case("max_pool 3/1", Op::MaxPool(MaxPool { size: 3, stride: 1 })),
            case("adaptive_max_pool", Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor: 4 })),
        ],
    );
}

#[test]
fn global_pool() {
    // One pixel; less than one run of 4096 pixels, just one, and what takes a second reduction.
    let shapes = [[1, 1, 1, 1], [2, 5, 7, 5], [1, 3, 1, 9], [1, 3, 64, 64], [2, 3, 17, 241], [1, 7, 96, 97]];
    let kinds = [
        ("average_pool", GlobalPoolKind::Mean),
        ("deviation", GlobalPoolKind::Deviation),
        ("norm", GlobalPoolKind::Norm),
    ];
    let case = |(name, kind): (&str, GlobalPoolKind), [n, c, h, w]: [usize; 4]| {
        let shape = Shape::new(n, c, h, w);
        // Not around zero, where a mean would be nothing but rounding.
        let input = Tensor::new(shape, noise(shape, 5).values().iter().map(|x| x + 0.5).collect());
        Case::new(format!("global_{name} {shape}"), shape, 1e-5, |b, x| b.global_pool("pool", x, kind))
            .on(input)
    };
    let mut cases: Vec<Case> = kinds.iter().flat_map(|kind| shapes.map(|shape| case(*kind, shape))).collect();
    // A mean that is large beside the deviation: the mean of squares less the square of the mean would be noise.
    let shape = Shape::new(2, 5, 65, 65);
    let far = Tensor::new(shape, noise(shape, 6).values().iter().map(|x| x + 1000.0).collect());
    let deviation = Case::new("global_deviation far from zero", shape, 1e-4, |b, x| {
        b.global_pool("pool", x, GlobalPoolKind::Deviation)
    });
    cases.push(deviation.on(far));
    // All but a margin: a pixel, less than a run, and more than one.
    for ([n, c, h, w], margin) in
        [([1, 3, 3, 4], [1, 1]), ([2, 5, 17, 9], [3, 0]), ([1, 7, 96, 97], [11, 13])]
    {
        let shape = Shape::new(n, c, h, w);
        let input = Tensor::new(shape, noise(shape, 7).values().iter().map(|x| x + 0.5).collect());
        cases.extend(kinds.map(|(name, kind)| {
            Case::new(format!("global_{name} {shape} but {margin:?}"), shape, 1e-5, |b, x| {
                b.append("pool", Op::GlobalPool(GlobalPool { kind, margin }), &[x])
            })
            .on(input.clone())
        }));
    }
    // CCA of IMDN: deviation and mean of one value, which goes on.
    cases.push(
        Case::new("global_deviation and mean", Shape::new(2, 7, 70, 61), 1e-5, |b, x| {
            let deviation = b.global_pool("deviation", x, GlobalPoolKind::Deviation)?;
            let mean = b.global_average_pool("mean", x)?;
            let sum = b.add("sum", deviation, mean)?;
            b.multiply("scaled", x, sum)
        })
        .keeping_all(),
    );
    check_all("global_pool", cases);
}
