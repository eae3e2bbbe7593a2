//! Several engines on one picture: whoever computes a tile, and whoever is lost, the picture is that of one engine.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sparsr::low_level::gpu::wgpu;
use sparsr::low_level::job::engine::{CpuEngine, Engine, Made};
use sparsr::{
    Cancel, Depth, Error, Feature, Gpu, Model, Options, Pixels, Precision, Result, Tiling, Upscaled, Upscaler,
};
use support::engine::forward;
use support::{adapter, compare, seeded};

/// The CPU engine with a pace of its own, that ends after some windows.
#[derive(Debug)]
struct Worker {
    engine: CpuEngine,
    pause: Duration,
    /// Windows that it computes before it is lost.
    until: usize,
    /// Windows that it has computed.
    computed: Arc<AtomicUsize>,
}

impl Worker {
    fn new(pause: u64, until: usize) -> (Self, Arc<AtomicUsize>) {
        let computed = Arc::<AtomicUsize>::default();
        let engine = CpuEngine::new();
        (Self { engine, pause: Duration::from_millis(pause), until, computed: computed.clone() }, computed)
    }
}

impl Engine for Worker {
    fn name(&self) -> String {
        format!("worker of {:?}", self.pause)
    }

    forward!(begin set_parameters footprint prepare is_ready submit);

    fn collect(&mut self, cancel: &Cancel) -> Result<Made> {
        thread::sleep(self.pause);
        cancel.check()?;
        if self.computed.fetch_add(1, Ordering::Relaxed) >= self.until {
            return Err(Error::Device("the device is lost".into()));
        }
        self.engine.collect(cancel)
    }
}

fn options(tiling: Tiling) -> Options {
    let mut options = Options::default();
    (options.tiling, options.precision) = (tiling, Precision::F32);
    options
}

fn swinir() -> Model {
    Model::from_weights("tiny", seeded::swinir(&seeded::tiny_swinir())).unwrap()
}

fn edsr() -> Model {
    Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap()
}

/// What one engine makes.
fn alone(model: &Model, picture: &Pixels, tiling: Tiling) -> Upscaled {
    Upscaler::on_cpu(model, options(tiling)).unwrap().upscale_pixels(picture).unwrap()
}

/// What a GPU makes by itself, in tiles of 40 pixels.
fn on_one(gpu: &Gpu, model: &Model, picture: &Pixels) -> Upscaled {
    Upscaler::new(gpu, model, options(Tiling::Pixels(40))).unwrap().upscale_pixels(picture).unwrap()
}

/// Several workers on one picture.
fn together(workers: impl IntoIterator<Item = Worker>, model: &Model, options: Options) -> Upscaler {
    let engines = workers.into_iter().map(|worker| Box::new(worker) as Box<dyn Engine>);
    Upscaler::on_engines(engines.collect(), model, options)
}

#[track_caller]
fn same(found: &Upscaled, expected: &Upscaled, case: &str) {
    assert_eq!(compare::apart(&found.pixels, &expected.pixels).worst, 0, "{case}");
    let masks = |made: &Upscaled| made.masks.iter().map(|mask| mask.active.clone()).collect::<Vec<_>>();
    assert!(masks(found) == masks(expected), "{case}: masks");
    assert!((found.macs_kept - expected.macs_kept).abs() < 1e-6, "{case}: {}", found.macs_kept);
}

#[test]
fn several_engines_make_the_picture_of_one() {
    for (name, model) in [("EDSR", edsr()), ("SMSR", seeded::tiny_smsr()), ("SwinIR", swinir())] {
        for (size, tile) in [((71, 58), 16), ((131, 40), 24), ((17, 150), 32), ((9, 9), 16)] {
            let picture = seeded::picture(size.0, size.1, 3);
            let expected = alone(&model, &picture, Tiling::Pixels(tile));
            for pauses in [vec![0, 0], vec![0, 3], vec![4, 0, 1]] {
                let (workers, counts): (Vec<_>, Vec<_>) =
                    pauses.iter().map(|pause| Worker::new(*pause, usize::MAX)).unzip();
                let mut upscaler = together(workers, &model, options(Tiling::Pixels(tile)));
                // The second picture knows how fast they are.
                for round in 0..2 {
                    let found = upscaler.upscale_pixels(&picture).unwrap();
                    same(&found, &expected, &format!("{name}, {size:?}, pauses {pauses:?}, round {round}"));
                }
                if size.0.max(size.1) > 100 {
                    let counts: Vec<usize> =
                        counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
                    assert!(counts.iter().all(|count| *count > 0), "{name}, {size:?}: {counts:?}");
                }
            }
        }
    }
}

#[test]
fn one_that_is_lost_is_done_without() {
    for (name, model) in [("EDSR", edsr()), ("SMSR", seeded::tiny_smsr())] {
        let picture = seeded::picture(71, 58, 9);
        let expected = alone(&model, &picture, Tiling::Pixels(16));
        for (until, lost) in (0..12).flat_map(|until| [0, 1].map(|lost| (until, lost))) {
            let (workers, counts): (Vec<_>, Vec<_>) =
                (0..3).map(|at| Worker::new(1, if at == lost { until } else { usize::MAX })).unzip();
            let mut upscaler = together(workers, &model, options(Tiling::Pixels(16)));
            let found = upscaler.upscale_pixels(&picture).unwrap();
            same(&found, &expected, &format!("{name}: number {lost} lost after {until}"));
            let count = counts[lost].load(Ordering::Relaxed);
            assert!(count <= until + 1, "{name}: {count} windows of one that was lost after {until}");
        }
        // Nobody is left.
        let workers = [2, 1].map(|until| Worker::new(0, until).0);
        let error = together(workers, &model, options(Tiling::Pixels(16))).upscale_pixels(&picture);
        assert!(matches!(error, Err(Error::Device(_))), "{name}: {error:?}");
    }
}

#[test]
fn a_picture_is_shared_if_that_pays_and_one_that_is_asked_for_whole_is_not() {
    let model = edsr();
    // Two tiles of 128 pixels: one for each.
    for (size, tiling, shared) in [
        ((300, 200), Tiling::Auto, true),
        ((100, 90), Tiling::Auto, false),
        ((300, 200), Tiling::Whole, false),
    ] {
        let picture = seeded::picture(size.0, size.1, 5);
        let (workers, counts): (Vec<_>, Vec<_>) = (0..2).map(|_| Worker::new(5, usize::MAX)).unzip();
        let mut upscaler = together(workers, &model, options(tiling));
        same(&upscaler.upscale_pixels(&picture).unwrap(), &alone(&model, &picture, Tiling::Auto), "shared");
        let counts: Vec<usize> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts[1] > 0, shared, "{size:?}, {tiling:?}: {counts:?}");
        assert!(shared || counts[0] == 1, "{size:?}, {tiling:?}: {counts:?}");
    }
}

#[test]
fn several_end_when_they_are_told_to() {
    let (model, picture) = (edsr(), seeded::picture(71, 58, 9));
    let workers = [Worker::new(20, usize::MAX).0, Worker::new(20, usize::MAX).0];
    let options = options(Tiling::Pixels(16));
    let cancel = options.control.cancel.clone();
    let mut upscaler = together(workers, &model, options);
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            cancel.cancel();
        });
        upscaler.upscale_pixels(&picture).unwrap_err()
    });
    assert!(matches!(error, Error::Cancelled), "{error}");
    upscaler.set_control(&Default::default());
    same(&upscaler.upscale_pixels(&picture).unwrap(), &alone(&model, &picture, Tiling::Auto), "the next one");
}

/// The adapter, opened anew: a device of its own.
fn opened(gpu: &Gpu) -> (Gpu, wgpu::Device) {
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let (device, queue) =
        pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_limits: adapter.limits(),
            ..Default::default()
        }))
        .unwrap();
    let other = Gpu::from_device(device.clone(), queue).unwrap();
    let lacking: BTreeSet<Feature> = Feature::ALL.into_iter().filter(|f| !gpu.limits().has(*f)).collect();
    (lacking.into_iter().fold(other, Gpu::without), device)
}

#[test]
fn two_devices_make_the_picture_of_one_also_if_one_is_lost() {
    let Some(gpu) = adapter::gpu("two_devices_make_the_picture_of_one_also_if_one_is_lost") else { return };
    for (name, model) in [("EDSR", edsr()), ("SMSR", seeded::tiny_smsr())] {
        let picture = seeded::picture(150, 90, 4);
        let (other, device) = opened(&gpu);
        // By the kernels that both have, on the same tiles: what one makes by itself.
        let plain =
            Feature::ALL.into_iter().filter(|f| !other.limits().has(*f)).fold(gpu.clone(), Gpu::without);
        let expected = on_one(&plain, &model, &picture);
        let mut upscaler =
            Upscaler::on_gpus(&[gpu.clone(), other], &model, options(Tiling::Pixels(40))).unwrap();
        for _ in 0..2 {
            same(&upscaler.upscale_pixels(&picture).unwrap(), &expected, name);
        }
        // While it is under way, whenever that is.
        let found = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(30));
                device.destroy();
            });
            upscaler.upscale_pixels(&picture).unwrap()
        });
        same(&found, &expected, &format!("{name}, one lost"));
        same(&upscaler.upscale_pixels(&picture).unwrap(), &expected, &format!("{name}, one gone"));
    }
}

#[test]
fn devices_of_different_tiers_use_what_both_have() {
    let Some(gpu) = adapter::gpu("devices_of_different_tiers_use_what_both_have") else { return };
    let (model, picture) = (edsr(), seeded::picture(150, 90, 4));
    let plain = Feature::ALL.into_iter().fold(gpu.clone(), Gpu::without);
    let expected = on_one(&plain, &model, &picture);
    let mut upscaler = Upscaler::on_gpus(&[gpu, plain], &model, options(Tiling::Pixels(40))).unwrap();
    same(&upscaler.upscale_pixels(&picture).unwrap(), &expected, "one tier");
}

#[test]
fn a_gpu_and_the_cpu_share_a_picture() {
    let Some(gpu) = adapter::gpu("a_gpu_and_the_cpu_share_a_picture") else { return };
    let (model, picture) = (edsr(), seeded::picture(150, 90, 4));
    let mut options = options(Tiling::Pixels(40));
    options.cpu_takes_part = true;
    let mut upscaler = Upscaler::on_gpus(&[gpu], &model, options.clone()).unwrap();
    assert!(upscaler.device().ends_with(" and CPU"), "{}", upscaler.device());
    for _ in 0..2 {
        let found = upscaler.upscale_pixels(&picture).unwrap();
        let apart = compare::apart(&found.pixels, &alone(&model, &picture, Tiling::Auto).pixels);
        assert!(apart.worst <= 1, "{apart:?}");
    }
    options.precision = Precision::F16;
    let error = Upscaler::on_gpus(&[], &model, options).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
}

#[test]
fn warming_up_runs_what_a_picture_runs() {
    let (worker, computed) = Worker::new(0, usize::MAX);
    let (model, picture) = (seeded::tiny_smsr(), seeded::picture(50, 40, 2));
    let mut upscaler = Upscaler::on_engine(Box::new(worker), &model, options(Tiling::Pixels(32)));
    upscaler.warm_up([50, 40], Depth::Eight).unwrap();
    let prepared = computed.load(Ordering::Relaxed);
    assert!(prepared > 0);
    same(
        &upscaler.upscale_pixels(&picture).unwrap(),
        &alone(&model, &picture, Tiling::Pixels(32)),
        "after it is warm",
    );
    assert_eq!(computed.load(Ordering::Relaxed), 2 * prepared, "as many windows as the picture has");
    assert!(matches!(upscaler.warm_up([0, 40], Depth::Eight), Err(Error::Shape { .. })));
}
