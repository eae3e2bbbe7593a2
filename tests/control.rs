//! A run in its caller's hands: it ends when it is told to, at any moment, and tells how far it is. What comes after is
//! right.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use sparsr::low_level::gpu::Session;
use sparsr::low_level::plan::{Options as PlanOptions, Plan};
use sparsr::low_level::tensor::Shape;
use sparsr::{
    Background, Control, Error, Gpu, Model, Options, PixelRows, Pixels, Position, Sink, Tiling, Upscaler,
};
use support::{adapter, seeded};

/// On the CPU engine and on the adapter, in one piece and in tiles.
fn upscalers(test: &str, model: &Model) -> Vec<Upscaler> {
    let gpu = adapter::gpu(test);
    let tilings = [Tiling::Whole, Tiling::Pixels(24)];
    let options = |tiling: Tiling| {
        let mut options = Options::default();
        options.tiling = tiling;
        options
    };
    let on_cpu = tilings.map(|tiling| Upscaler::on_cpu(model, options(tiling)).unwrap());
    let on_gpu = |gpu: &Gpu| tilings.map(|tiling| Upscaler::new(gpu, model, options(tiling)).unwrap());
    on_cpu.into_iter().chain(gpu.iter().flat_map(on_gpu)).collect()
}

#[test]
fn a_run_ends_at_any_moment_and_the_next_one_is_right() {
    let model = seeded::tiny_smsr();
    let picture = seeded::picture(150, 130, 3);
    for mut upscaler in upscalers("a_run_ends_at_any_moment_and_the_next_one_is_right", &model) {
        let expected = upscaler.upscale_pixels(&picture).unwrap().pixels;
        let begun = Instant::now();
        upscaler.upscale_pixels(&picture).unwrap();
        let whole = begun.elapsed();
        let mut ended = 0;
        for moment in seeded::numbers(7, 12) {
            let control = Control::default();
            upscaler.set_control(&control);
            let after = whole.mul_f64(0.8 * f64::from(moment.abs()));
            let found = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(after);
                    control.cancel.cancel();
                });
                upscaler.upscale_pixels(&picture)
            });
            match found {
                Ok(found) => assert!(found.pixels == expected),
                Err(Error::Cancelled) => ended += 1,
                Err(error) => panic!("{}: {error}", upscaler.device()),
            }
            upscaler.set_control(&Control::default());
            assert!(upscaler.upscale_pixels(&picture).unwrap().pixels == expected, "{}", upscaler.device());
        }
        assert!(ended > 0, "{}: none of them ended early", upscaler.device());
    }
}

#[test]
fn what_is_cancelled_before_it_begins_does_nothing() {
    let model = seeded::tiny_smsr();
    let picture = seeded::picture(40, 30, 3);
    for mut upscaler in upscalers("what_is_cancelled_before_it_begins_does_nothing", &model) {
        let control = Control::default();
        control.cancel.cancel();
        upscaler.set_control(&control);
        let mut rows: Vec<Pixels> = Vec::new();
        let error = upscaler.upscale_rows(&mut PixelRows::new(&picture), &mut rows).unwrap_err();
        assert!(matches!(error, Error::Cancelled) && rows.is_empty(), "{error}");
    }
}

#[test]
fn progress_goes_through_every_phase_and_window() {
    /// Where the run was when it had a band.
    struct Watched(Control, Vec<Position>);
    impl Sink for Watched {
        fn write(&mut self, _: Pixels) -> sparsr::Result<()> {
            self.1.push(self.0.progress.position());
            Ok(())
        }
    }
    let model = seeded::tiny_smsr(); // global pools: several phases in tiles
    let picture = seeded::picture(70, 90, 3);
    for mut upscaler in upscalers("progress_goes_through_every_phase_and_window", &model) {
        let control = Control::default();
        upscaler.set_control(&control);
        let mut sink = Watched(control.clone(), Vec::new());
        upscaler.upscale_rows(&mut PixelRows::new(&picture), &mut sink).unwrap();
        let end = control.progress.position();
        assert_eq!((end.phase + 1, end.window), (end.phases, end.windows), "{end:?}");
        assert!((end.share - 1.0).abs() < 1e-9 && end.left == Some(Duration::ZERO), "{end:?}");
        let shares: Vec<f64> = sink.1.iter().map(|position| position.share).collect();
        assert!(shares.is_sorted(), "{shares:?}");
        assert!(sink.1.iter().all(|position| position.phase + 1 == position.phases), "bands come last");
    }
}

#[test]
fn a_session_never_waits_unless_it_is_asked_to() {
    let Some(gpu) = adapter::gpu("a_session_never_waits_unless_it_is_asked_to") else { return };
    let model = seeded::tiny_smsr();
    let graph = model.graph(Shape::new(1, 3, 64, 64)).unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default(), gpu.limits()).unwrap();
    let mut session = Session::new(&gpu, &plan, model.net().numbers()).unwrap();
    assert!(matches!(session.poll(), Err(Error::Unsupported(_))), "nothing is under way");
    let input = seeded::noise(graph.node(graph.input()).shape, 1);
    let words: Vec<u32> = bytemuck::cast_vec(sparsr::low_level::tensor::pack(&input));
    let expected = {
        session.submit(Some(&words), &[]).unwrap();
        session.collect().unwrap()
    };
    session.submit(Some(&words), &[]).unwrap();
    session.submit(Some(&words), &[]).unwrap();
    let error = session.submit(Some(&words), &[]).unwrap_err();
    assert!(error.to_string().contains("2 runs are under way"), "{error}");
    let error = session.run_tensor(&input).unwrap_err();
    assert!(error.to_string().contains("other runs are under way"), "{error}");
    let mut found = Vec::new();
    while found.len() < 2 {
        found.extend(session.poll().unwrap());
    }
    assert!(found.iter().all(|found| *found == expected));
    assert!(session.is_idle());
    let error = session.submit(Some(&words[1..]), &[]).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let error = session.run_pixels(&seeded::picture(64, 64, 1)).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(session.is_idle(), "a refused run takes nothing");
}

#[test]
fn a_run_that_is_given_up_leaves_the_others_of_its_pool_alone() {
    let Some(gpu) = adapter::gpu("a_run_that_is_given_up_leaves_the_others_of_its_pool_alone") else {
        return;
    };
    let model = seeded::tiny_smsr();
    let mut pool = sparsr::low_level::gpu::Pool::new(&gpu, model.net().numbers());
    let plan = |side| {
        let graph = model.graph(Shape::new(1, 3, side, side)).unwrap();
        Plan::new(&graph, &PlanOptions::default(), gpu.limits()).unwrap()
    };
    let [mut large, mut small] = [96, 32].map(|side| pool.session(&plan(side)).unwrap());
    let [input, other] = [96, 32].map(|side| seeded::noise(Shape::new(1, 3, side, side), 5));
    let expected = small.run_tensor(&other).unwrap();
    for _ in 0..3 {
        let words: Vec<u32> = bytemuck::cast_vec(sparsr::low_level::tensor::pack(&input));
        large.submit(Some(&words), &[]).unwrap();
        let cancelled = Control::default().cancel;
        cancelled.cancel();
        let _either = large.collect_unless(&cancelled);
        drop(large);
        assert!(small.run_tensor(&other).unwrap() == expected);
        large = pool.session(&plan(96)).unwrap();
    }
}

#[test]
fn pictures_in_the_background_are_futures_of_any_executor() {
    let model = seeded::tiny_smsr();
    let pictures = [1, 2, 3].map(|seed| seeded::picture(30 + seed as usize, 20, seed));
    for mut upscaler in upscalers("pictures_in_the_background_are_futures_of_any_executor", &model) {
        let expected = pictures.each_ref().map(|picture| upscaler.upscale_pixels(picture).unwrap().pixels);
        let background = Background::new(upscaler).unwrap();
        let under_way = pictures.clone().map(|picture| background.upscale(picture));
        let dropped = background.upscale(seeded::picture(200, 200, 9));
        drop(dropped);
        let ended = background.upscale(seeded::picture(200, 200, 9));
        ended.control().cancel.cancel();
        drop(background);
        for (enlarging, expected) in under_way.into_iter().zip(&expected) {
            assert!(pollster::block_on(enlarging).unwrap().pixels == *expected);
        }
        assert!(matches!(pollster::block_on(ended), Err(Error::Cancelled)));
    }
}
