//! The ends of a plan for pictures: `pixel_load` and `pixel_store` against `Pixels`.

use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{Builder, Graph, Parameters};
use sparsr::low_level::plan::{Form, Options, Plan};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Depth, Error, Gpu, Pixels, Samples};

use crate::support::{adapter, compare, seeded};

/// Both depths, and both ranges that networks work on.
const ENDS: [(Form, Depth); 2] = [(Form::Pixels8, Depth::Eight), (Form::Pixels16, Depth::Sixteen)];
const RANGES: [f32; 2] = [1.0, 255.0];

fn session(gpu: &Gpu, (graph, parameters): &(Graph, Parameters), ends: Form) -> Session {
    let options = Options { input: ends, output: ends, keep: vec![graph.input()], ..Options::default() };
    let plan = Plan::new(graph, &options, gpu.limits()).unwrap();
    let mut session = Session::new(gpu, &plan, parameters).unwrap();
    session.poison();
    session
}

/// Every sample that there is, at least once.
fn every_sample(depth: Depth) -> Pixels {
    match depth {
        Depth::Eight => {
            Pixels::new(43, 7, Samples::U8((0..=255).cycle().take(3 * 43 * 7).collect())).unwrap()
        }
        Depth::Sixteen => {
            Pixels::new(151, 149, Samples::U16((0..=65535).cycle().take(3 * 151 * 149).collect())).unwrap()
        }
    }
}

#[test]
fn a_picture_goes_in_and_comes_out_as_it_was() {
    let Some(gpu) = adapter::gpu("a_picture_goes_in_and_comes_out_as_it_was") else { return };
    for (ends, depth) in ENDS {
        for range in RANGES {
            for picture in [
                every_sample(depth),
                every_sample(depth).part(0..1, 0..1).unwrap(),
                every_sample(depth).part(0..33, 0..3).unwrap(),
            ] {
                let shape = Shape::new(1, 3, picture.height(), picture.width());
                let (b, x) = Builder::new("picture", shape, range);
                let mut session = session(&gpu, &b.finish(x).unwrap(), ends);
                assert!(session.run_pixels(&picture).unwrap() == picture, "{depth:?} range {range} {shape}");
                let loaded = session.kept().remove(0);
                compare::close(&loaded, &picture.to_tensor(range), 2e-7)
                    .unwrap_or_else(|reason| panic!("{depth:?} range {range} {shape}: {reason}"));
            }
        }
    }
}

/// A graph that makes `numbers` of any picture.
fn making(numbers: &Tensor, range: f32) -> (Graph, Parameters) {
    let (mut b, _) = Builder::new("numbers", numbers.shape(), range);
    let output = b.constant("numbers", numbers.clone()).unwrap();
    b.finish(output).unwrap()
}

#[test]
fn numbers_are_clamped_and_halves_go_to_even() {
    let Some(gpu) = adapter::gpu("numbers_are_clamped_and_halves_go_to_even") else { return };
    let shape = Shape::new(1, 3, 11, 33);
    // Halves, quarters and wholes from below black to above white, all of them exact in binary.
    let stairs = Tensor::from_fn(shape, |_, c, y, x| (c * 363 + y * 33 + x) as f32 / 4.0 - 8.0);
    let far = Tensor::new(shape, stairs.values().iter().map(|value| value * 1e30).collect());
    for (ends, depth) in ENDS {
        for (numbers, range) in [(&stairs, 255.0), (&far, 255.0), (&seeded::noise(shape, 1), 1.0)] {
            if range == 255.0 && depth == Depth::Sixteen && std::ptr::eq(numbers, &stairs) {
                continue; // times 257, quarters of code values: the next line's noise stands for them
            }
            let mut session = session(&gpu, &making(numbers, range), ends);
            let found = session
                .run_pixels(&every_sample(depth).part(0..33, 0..7).unwrap().part(0..33, 0..11).unwrap())
                .unwrap();
            let expected = Pixels::from_tensor(numbers, range, depth).unwrap();
            assert!(found == expected, "{depth:?} range {range}: {:?}", compare::apart(&found, &expected));
        }
    }
}

#[test]
fn a_number_that_is_not_finite_is_an_error_that_says_where() {
    let Some(gpu) = adapter::gpu("a_number_that_is_not_finite_is_an_error_that_says_where") else { return };
    for (ends, depth) in ENDS {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for channel in 0..3 {
                let mut numbers = Tensor::zeros(Shape::new(1, 3, 5, 7));
                numbers.values_mut()[channel * 35 + 2 * 7 + 4] = value;
                let mut session = session(&gpu, &making(&numbers, 1.0), ends);
                let error = session.run_pixels(&every_sample(depth).part(0..7, 0..5).unwrap()).unwrap_err();
                let said = matches!(&error, Error::Device(text) if text.contains("pixel (4, 2) is not a finite number"));
                assert!(said, "{value} in channel {channel}, {depth:?}: {error}");
            }
        }
    }
}
