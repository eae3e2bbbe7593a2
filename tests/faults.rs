//! Devices that fail on purpose: whatever fails, and when, the picture is right or there is none.
//!
//! The engine under the fault is a real one; what it does until it fails is real work. The faults are those of
//! drivers: the device is lost, memory runs out, numbers are none.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sparsr::low_level::gpu::wgpu;
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::job::engine::{CpuEngine, Engine, GpuEngine, Made, Window};
use sparsr::low_level::plan::Phase;
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::Weights;
use sparsr::{
    Cancel, Depth, Error, FileOptions, Gpu, Model, Options, PixelRows, Pixels, Result, Samples, Sink, Source,
    Sparsity, Tiling, Upscaler,
};
use support::engine::forward;
use support::{adapter, compare, seeded};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The device is gone for good when a window comes back.
    Lost,
    /// The device is gone for good when a window is begun.
    LostEarly,
    /// No memory, once, when a window is begun.
    NoMemory,
    /// No memory, once, when a window comes back.
    NoMemoryLate,
    /// A window of which some number is none, once.
    NotANumber,
    /// Such a window, and every one after it.
    NeverANumber,
}

const FAULTS: [Fault; 6] = [
    Fault::Lost,
    Fault::LostEarly,
    Fault::NoMemory,
    Fault::NoMemoryLate,
    Fault::NotANumber,
    Fault::NeverANumber,
];

/// A real engine that fails at one window.
#[derive(Debug)]
struct Faulty {
    engine: Box<dyn Engine>,
    fault: Fault,
    at: usize,
    begun: usize,
    landed: usize,
    lost: bool,
    struck: Arc<AtomicUsize>,
}

impl Faulty {
    fn strike(&mut self, lost: bool) {
        self.lost |= lost;
        self.struck.fetch_add(1, Ordering::Relaxed);
    }

    fn gone(&self) -> Result<()> {
        if self.lost { Err(Error::Device("the device is lost".into())) } else { Ok(()) }
    }
}

impl Engine for Faulty {
    fn name(&self) -> String {
        "faulty".into()
    }

    forward!(begin footprint is_ready);

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        self.gone()?;
        self.engine.set_parameters(parameters)
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        self.gone()?;
        self.engine.prepare(phase, depth)
    }

    fn submit(&mut self, window: Window, cancel: &Cancel) -> Result<()> {
        if self.begun == self.at && matches!(self.fault, Fault::LostEarly | Fault::NoMemory) {
            self.begun += 1;
            self.strike(self.fault == Fault::LostEarly);
            self.gone()?;
            return Err(Error::OutOfMemory("no memory".into()));
        }
        self.gone()?;
        self.begun += 1;
        self.engine.submit(window, cancel)
    }

    fn collect(&mut self, cancel: &Cancel) -> Result<Made> {
        self.gone()?;
        let mut made = self.engine.collect(cancel)?;
        let now = self.landed;
        self.landed += 1;
        match self.fault {
            Fault::Lost if now == self.at => {
                self.strike(true);
                self.gone()?;
            }
            Fault::NoMemoryLate if now == self.at => {
                self.strike(false);
                return Err(Error::OutOfMemory("no memory".into()));
            }
            Fault::NotANumber if now != self.at => {}
            Fault::NeverANumber if now < self.at => {}
            Fault::NotANumber | Fault::NeverANumber => {
                self.strike(false);
                // A picture cannot hold such a number: an engine's check of its own output finds it.
                if made.picture.is_some() {
                    return Err(Error::Device("pixel (0, 0) is not a finite number".into()));
                }
                let values = &mut made.kept[0];
                let middle = values.len() / 8 * 4; // the middle pixel of a channel that is there
                values[middle] = if now.is_multiple_of(2) { f32::NAN } else { f32::NEG_INFINITY };
            }
            _ => {}
        }
        Ok(made)
    }
}

/// One run: what comes of it, the picture or as many rows as there were, and how often the fault struck.
fn run(
    engine: Box<dyn Engine>,
    (fault, at): (Fault, usize),
    model: &Model,
    picture: &Pixels,
    (tiling, cpu_fallback): (Tiling, bool),
) -> (Result<Pixels>, usize, usize) {
    let struck = Arc::new(AtomicUsize::new(0));
    let faulty = Faulty { engine, fault, at, begun: 0, landed: 0, lost: false, struck: struck.clone() };
    let mut options = Options::default();
    (options.tiling, options.cpu_fallback) = (tiling, cpu_fallback);
    let mut upscaler = Upscaler::on_engine(Box::new(faulty), model, options);
    let mut rows: Vec<Pixels> = Vec::new();
    let mut source = PixelRows::new(picture);
    let depth = source.depth();
    let outcome = upscaler.upscale_rows(&mut source, &mut rows);
    let height = rows.iter().map(Pixels::height).sum();
    let outcome = outcome.map(|_| joined(rows, depth));
    (outcome, height, struck.load(Ordering::Relaxed))
}

fn joined(rows: Vec<Pixels>, depth: Depth) -> Pixels {
    let (width, height) = (rows[0].width(), rows.iter().map(Pixels::height).sum());
    assert_eq!(depth, Depth::Eight);
    let samples = rows.iter().flat_map(|rows| match rows.samples() {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(_) => unreachable!("8 bits stay 8 bits"),
    });
    Pixels::new(width, height, Samples::U8(samples.collect())).unwrap()
}

/// The largest difference, in code values.
fn apart(found: &Pixels, expected: &Pixels) -> u32 {
    compare::apart(found, expected).worst
}

/// Every fault at every window up to `windows`; how many faults struck.
fn storm(
    name: &str,
    model: &Model,
    engine: impl Fn() -> Box<dyn Engine>,
    (windows, tiling): (usize, Tiling),
    allowed: u32,
) -> usize {
    let picture = seeded::picture(71, 58, 9);
    let expected =
        Upscaler::on_cpu(model, Options::default()).unwrap().upscale_pixels(&picture).unwrap().pixels;
    let mut strikes = 0;
    for (fault, at) in FAULTS.into_iter().flat_map(|fault| (0..windows).map(move |at| (fault, at))) {
        for fallback in [false, true] {
            let case = format!("{name}: {fault:?} at window {at}, {tiling:?}, fallback {fallback}");
            let (outcome, height, struck) = run(engine(), (fault, at), model, &picture, (tiling, fallback));
            strikes += struck;
            let for_good = matches!(fault, Fault::Lost | Fault::LostEarly | Fault::NeverANumber);
            match outcome {
                Ok(found) => {
                    assert!(struck == 0 || fallback || !for_good, "{case}: a picture out of nothing");
                    assert!(
                        apart(&found, &expected) <= allowed,
                        "{case}: {} apart",
                        apart(&found, &expected)
                    );
                }
                Err(error) => {
                    assert!(struck > 0 && !fallback, "{case}: {error}");
                    assert!(matches!(error, Error::Device(_) | Error::OutOfMemory(_)), "{case}: {error}");
                    assert!(for_good || tiling == Tiling::Whole, "{case}: not tried again: {error}");
                    assert!(height < expected.height(), "{case}: an error after a whole picture");
                }
            }
        }
    }
    strikes
}

#[test]
fn whatever_fails_the_picture_is_right_or_there_is_none() {
    let cpu = || Box::new(CpuEngine::new()) as Box<dyn Engine>;
    let edsr = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let smsr = seeded::tiny_smsr();
    let mut strikes = 0;
    // EDSR has 3 tiles in 2 rows; SMSR has that many in each of three phases. A few windows more are asked for.
    strikes += storm("EDSR", &edsr, cpu, (8, Tiling::Pixels(32)), 0);
    strikes += storm("EDSR", &edsr, cpu, (2, Tiling::Auto), 0);
    strikes += storm("EDSR", &edsr, cpu, (2, Tiling::Whole), 0);
    strikes += storm("SMSR", &smsr, cpu, (20, Tiling::Pixels(32)), 1);
    strikes += storm("SMSR", &smsr, cpu, (2, Tiling::Auto), 1);
    strikes += storm("SMSR", &smsr, cpu, (2, Tiling::Whole), 1);
    println!("{strikes} faults");
    assert!(strikes >= 300, "{strikes}");
}

#[test]
fn a_device_in_flight_recovers_too() {
    let Some(gpu) = adapter::gpu("a_device_in_flight_recovers_too") else { return };
    let engine = || Box::new(GpuEngine::new(&gpu, Sparsity::Auto, gpu.memory())) as Box<dyn Engine>;
    let smsr = seeded::tiny_smsr();
    let strikes = storm("SMSR on a GPU", &smsr, engine, (18, Tiling::Pixels(32)), 1);
    assert!(strikes >= 100, "{strikes}");
}

/// Finite weights that overflow in a mask's branch would empty the mask, and leave out work in silence.
#[test]
fn what_overflows_in_a_mask_is_an_error() {
    let huge = |name: &str| name.starts_with("body.1.spa_mask.") && name.ends_with(".weight");
    let tensor = |(name, numbers): (&str, &Parameter)| {
        let gain = if huge(name) { 1e30 } else { 1.0 };
        let values: Vec<f32> = numbers.values().iter().map(|value| gain * value).collect();
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
        (name.to_owned(), Parameter::new(numbers.dims(), values))
    };
    let weights = Weights::new("overflows", seeded::smsr(&seeded::TINY).iter().map(tensor));
    let model = Model::from_weights("overflows", weights).unwrap();
    let cpu = Box::new(CpuEngine::new()) as Box<dyn Engine>;
    let gpu = adapter::gpu("what_overflows_in_a_mask_is_an_error on a GPU");
    let gpu = gpu.map(|gpu| Box::new(GpuEngine::new(&gpu, Sparsity::Auto, gpu.memory())) as Box<dyn Engine>);
    for engine in [cpu].into_iter().chain(gpu) {
        let mut upscaler = Upscaler::on_engine(engine, &model, Options::default());
        let error = upscaler.upscale_pixels(&seeded::picture(20, 18, 9)).unwrap_err();
        let said =
            matches!(&error, Error::Device(text) if text.contains("body.1.spa_mask: not a finite number"));
        assert!(said, "{error}");
    }
}

/// Takes so many bands of rows.
struct Full(usize);

impl Sink for Full {
    fn write(&mut self, _: Pixels) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| Error::Unsupported("full".into()))?;
        Ok(())
    }
}

/// Early, when it does not listen any more, and late, when nothing more is handed to it.
#[test]
fn a_sink_that_fails_is_an_error_whenever_it_does() {
    let model = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let picture = seeded::picture(20, 75, 9);
    let mut options = Options::default();
    options.tiling = Tiling::Pixels(16);
    let mut upscaler = Upscaler::on_cpu(&model, options).unwrap();
    let bands = 75_usize.div_ceil(16);
    for room in 0..bands {
        let error = upscaler.upscale_rows(&mut PixelRows::new(&picture), &mut Full(room)).unwrap_err();
        assert_eq!(error.to_string(), "full", "room for {room} bands of {bands}");
    }
    upscaler.upscale_rows(&mut PixelRows::new(&picture), &mut Full(bands)).unwrap();
}

/// The CPU engine, and what is done to a file when its first window comes back.
#[cfg(feature = "image")]
struct Meanwhile<F>(CpuEngine, Option<F>);

#[cfg(feature = "image")]
impl<F> std::fmt::Debug for Meanwhile<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("meanwhile")
    }
}

#[cfg(feature = "image")]
impl<F: FnOnce() + Send> Engine for Meanwhile<F> {
    fn name(&self) -> String {
        "meanwhile".into()
    }

    fn begin(&mut self, parameters: &Parameters) {
        self.0.begin(parameters);
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        self.0.set_parameters(parameters)
    }

    fn footprint(&mut self, phase: &Phase, depth: Depth) -> Result<u64> {
        self.0.footprint(phase, depth)
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        self.0.prepare(phase, depth)
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn submit(&mut self, window: Window, cancel: &Cancel) -> Result<()> {
        self.0.submit(window, cancel)
    }

    fn collect(&mut self, cancel: &Cancel) -> Result<Made> {
        if let Some(happens) = self.1.take() {
            happens();
        }
        self.0.collect(cancel)
    }
}

/// A network of phases reads its picture several times; it must be the same one.
#[cfg(feature = "image")]
#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let [input, other, output] = ["in.png", "other.png", "out.png"].map(|name| folder.path().join(name));
    let save = |path: &std::path::Path, width: u32, height: u32| {
        image::RgbImage::from_pixel(width, height, image::Rgb([9, 99, 199])).save(path).unwrap();
    };
    for (width, height) in [(72, 58), (71, 57), (71, 59)] {
        save(&input, 71, 58);
        save(&other, width, height);
        let (from, to) = (other.clone(), input.clone());
        let engine = Meanwhile(CpuEngine::new(), Some(move || std::fs::rename(from, to).unwrap()));
        let mut options = Options::default();
        options.tiling = Tiling::Pixels(32);
        let mut upscaler = Upscaler::on_engine(Box::new(engine), &seeded::tiny_smsr(), options);
        let error = upscaler.upscale_file(&input, &output, &FileOptions::default()).unwrap_err();
        assert!(error.to_string().contains("changed while it was read"), "{width}x{height}: {error}");
        assert!(!output.exists());
    }
}

/// A file is there when it is whole, and only then.
#[cfg(feature = "image")]
#[test]
fn no_fault_leaves_a_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let [input, expected, output] =
        ["in.png", "expected.png", "out.png"].map(|name| folder.path().join(name));
    let Samples::U8(samples) = seeded::picture(71, 58, 9).samples().clone() else { unreachable!() };
    image::RgbImage::from_raw(71, 58, samples).unwrap().save(&input).unwrap();
    let model = seeded::tiny_smsr();
    let mut options = Options::default();
    options.tiling = Tiling::Pixels(32);
    options.scratch = Some(folder.path().to_owned());
    let mut upscaler = Upscaler::on_cpu(&model, options.clone()).unwrap();
    upscaler.upscale_file(&input, &expected, &FileOptions::default()).unwrap();
    let pixels = |path: &std::path::Path| {
        let rgb = image::open(path).unwrap().into_rgb8();
        Pixels::new(142, 116, Samples::U8(rgb.into_raw())).unwrap()
    };
    let expected = pixels(&expected);

    let mut failed = 0;
    for (fault, at) in FAULTS.into_iter().flat_map(|fault| (0..18).map(move |at| (fault, at))) {
        let struck = Arc::new(AtomicUsize::new(0));
        let engine = Box::new(CpuEngine::new());
        let faulty = Faulty { engine, fault, at, begun: 0, landed: 0, lost: false, struck };
        let mut upscaler = Upscaler::on_engine(Box::new(faulty), &model, options.clone());
        match upscaler.upscale_file(&input, &output, &FileOptions::default()) {
            Ok(_) => assert!(apart(&pixels(&output), &expected) <= 1, "{fault:?} at {at}"),
            Err(_) => failed += 1,
        }
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        left.retain(|path| *path != input && path.file_name().unwrap() != "expected.png");
        assert!(left.is_empty() || left == [output.clone()], "{fault:?} at {at}: {left:?}");
        let _none_is_there = std::fs::remove_file(&output);
    }
    assert!(failed >= 40, "{failed}");
}

/// A device that a host takes away while we use it.
#[test]
fn a_destroyed_device_is_an_error_or_the_cpu_goes_on() {
    let Some(gpu) = adapter::gpu("a_destroyed_device_is_an_error_or_the_cpu_goes_on") else { return };
    drop(gpu);
    let (model, picture) = (seeded::tiny_smsr(), seeded::picture(40, 30, 2));
    for cpu_fallback in [false, true] {
        let instance = wgpu::Instance::default();
        let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
        let (device, queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
        let gpu = Gpu::from_device(device.clone(), queue).unwrap();
        let mut options = Options::default();
        options.cpu_fallback = cpu_fallback;
        let mut upscaler = Upscaler::new(&gpu, &model, options).unwrap();
        let before = upscaler.upscale_pixels(&picture).unwrap().pixels;
        device.destroy();
        match upscaler.upscale_pixels(&picture) {
            Ok(after) => assert!(cpu_fallback && apart(&after.pixels, &before) <= 1),
            Err(error) => assert!(!cpu_fallback && matches!(error, Error::Device(_)), "{error}"),
        }
    }
}

/// Memory that is always too little for windows above a size: tiles become smaller until they fit.
#[derive(Debug)]
struct Small {
    engine: CpuEngine,
    pixels: usize,
    /// Pixels of a window that it can bind.
    binds: usize,
    largest: Arc<AtomicUsize>,
}

impl Engine for Small {
    fn name(&self) -> String {
        "small".into()
    }

    forward!(begin set_parameters is_ready submit collect);

    fn footprint(&mut self, phase: &Phase, depth: Depth) -> Result<u64> {
        let pixels = phase.graph.node(phase.graph.input()).shape.pixels();
        if pixels > self.binds {
            return Err(Error::Limits(format!("{pixels} pixels, and {} can be bound", self.binds)));
        }
        self.engine.footprint(phase, depth)
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        let pixels = phase.graph.node(phase.graph.input()).shape.pixels();
        if pixels > self.pixels {
            return Err(Error::OutOfMemory(format!(
                "{pixels} pixels, and there is room for {}",
                self.pixels
            )));
        }
        self.largest.fetch_max(pixels, Ordering::Relaxed);
        self.engine.prepare(phase, depth)
    }
}

#[test]
fn tiles_shrink_until_they_fit() {
    let picture = seeded::picture(300, 200, 4);
    let edsr = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    for (model, allowed) in [(edsr, 0), (seeded::tiny_smsr(), 1)] {
        let expected =
            Upscaler::on_cpu(&model, Options::default()).unwrap().upscale_pixels(&picture).unwrap();
        for pixels in [60_000, 20_000, 3000, 100] {
            let largest = Arc::new(AtomicUsize::new(0));
            let (engine, binds) = (CpuEngine::new(), usize::MAX);
            let engine = Small { engine, pixels, binds, largest: largest.clone() };
            let mut upscaler = Upscaler::on_engine(Box::new(engine), &model, Options::default());
            match upscaler.upscale_pixels(&picture) {
                Ok(found) => assert!(apart(&found.pixels, &expected.pixels) <= allowed, "{pixels}"),
                Err(error) => {
                    let said = "60000 pixels, and there is room for 100"; // what failed first
                    assert_eq!((pixels, error.to_string().as_str()), (100, said));
                }
            }
            assert!(
                pixels == 100 || 4 * largest.load(Ordering::Relaxed) > pixels / 2,
                "{largest:?} of {pixels}"
            );
        }
    }
}

/// What looks at the whole picture has no smaller tiles, and says so.
#[test]
fn what_cannot_be_cut_says_why() {
    let model = Model::from_weights("tiny", seeded::esrt(4, 2)).unwrap();
    let (engine, binds, largest) = (CpuEngine::new(), usize::MAX, Arc::default());
    let engine = Small { engine, pixels: 3000, binds, largest };
    let mut upscaler = Upscaler::on_engine(Box::new(engine), &model, Options::default());
    assert!(upscaler.upscale_pixels(&seeded::picture(60, 50, 3)).is_ok());
    assert_eq!(
        upscaler.upscale_pixels(&seeded::picture(60, 60, 3)).unwrap_err().to_string(),
        "3600 pixels, and there is room for 3000; this network's pictures cannot be cut, since \
         body.0.attention.atten (attention) looks at the whole"
    );
}

/// A device whose bindings are small for a wide network: what it needs is then found from smaller windows.
#[test]
fn windows_are_small_where_bindings_are() {
    let model = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let picture = seeded::picture(200, 170, 5);
    let expected =
        Upscaler::on_cpu(&model, Options::default()).unwrap().upscale_pixels(&picture).unwrap().pixels;
    for binds in [9000, 3000, 1200] {
        let (engine, largest) = (CpuEngine::new(), Arc::new(AtomicUsize::new(0)));
        let engine = Small { engine, pixels: usize::MAX, binds, largest: largest.clone() };
        let mut upscaler = Upscaler::on_engine(Box::new(engine), &model, Options::default());
        assert_eq!(upscaler.upscale_pixels(&picture).unwrap().pixels, expected);
        assert!(largest.load(Ordering::Relaxed) <= binds, "{largest:?} of {binds}");
    }
}
