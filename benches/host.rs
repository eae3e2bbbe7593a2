//! A host program beside us: what becomes of its frames while pictures pass on its device, and how soon a picture that is
//! given up is given up.
//!
//! Frames: the host draws every 5 ms on a thread of its own. In turn, the pictures go over its device and over one of ours.
//! Cancelling: at moments spread over a run, on the CPU engine and the adapter, in one piece and in tiles.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sparsr::low_level::gpu::wgpu;
use sparsr::{Control, Error, Gpu, Model, Options, Pixels, Tiling, Upscaler};
use support::seeded;

/// Between two frames.
const PAUSE: Duration = Duration::from_millis(5);

/// The picture that passes while frames are drawn.
const PICTURE: [usize; 2] = [128, 72];

fn main() {
    if !support::plain() && !support::testing() {
        return; // tables, and nothing for criterion
    }
    let (rounds, pictures, moments) = if support::testing() { (1, 1, 2) } else { (7, 3, 50) };
    frames(rounds, pictures);
    cancelling(moments);
}

/// What the host draws with.
struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
    target: wgpu::TextureView,
}

impl Host {
    fn new() -> Self {
        let instance = wgpu::Instance::default();
        let adapter = pollster::block_on(instance.request_adapter(&Default::default())).expect("an adapter");
        let wanted = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&wanted)).expect("a device");
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: 128, height: 72, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let target = texture.create_view(&Default::default());
        Self { device, queue, target }
    }

    /// Clears its picture; how long `submit` took.
    fn draw(&self) -> Duration {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let ops =
            wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLUE), store: wgpu::StoreOp::Store };
        encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.target,
                depth_slice: None,
                resolve_target: None,
                ops,
            })],
            ..Default::default()
        });
        let commands = encoder.finish();
        let begun = Instant::now();
        self.queue.submit([commands]);
        begun.elapsed()
    }

    /// Draws until it is told to stop; how long each `submit` took.
    fn frames(&self, stop: &AtomicBool) -> Vec<Duration> {
        let mut taken = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            taken.push(self.draw());
            thread::sleep(PAUSE);
        }
        taken
    }
}

/// The frames a second that a host draws beside an upscaler, how long its `submit` takes, and the pictures.
fn beside(
    host: &Host,
    upscaler: &mut Upscaler,
    picture: &Pixels,
    count: usize,
) -> (f64, Duration, Vec<Pixels>) {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let (taken, pictures) = thread::scope(|scope| {
        let drawing = scope.spawn(|| host.frames(&stop));
        let pictures = (0..count)
            .map(|_| upscaler.upscale_pixels(picture).expect("the device is there").pixels)
            .collect();
        stop.store(true, Ordering::Relaxed);
        (drawing.join().expect("the host draws"), pictures)
    });
    (taken.len() as f64 / begun.elapsed().as_secs_f64(), median(taken), pictures)
}

fn frames(rounds: usize, count: usize) {
    let (host, own) = (Host::new(), Gpu::new().expect("an adapter"));
    let model = Model::builtin("smsr-x2").expect("it is built in");
    let shared = Gpu::from_device(host.device.clone(), host.queue.clone()).expect("it computes");
    let upscaler = |gpu: &Gpu| Upscaler::new(gpu, &model, Options::default()).expect("it runs");
    let mut upscalers = [&shared, &own].map(upscaler);
    let picture = seeded::picture(PICTURE[0], PICTURE[1], 1);
    let expected = upscalers
        .each_mut()
        .map(|upscaler| upscaler.upscale_pixels(&picture).expect("the device is there").pixels);
    let mut found: Vec<[(f64, Duration); 2]> = Vec::new();
    for round in 0..rounds {
        let mut both = [(0.0, Duration::ZERO); 2];
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (rate, submit, pictures) = beside(&host, &mut upscalers[at], &picture, count);
            assert!(pictures.iter().all(|picture| *picture == expected[at]), "right while others draw");
            both[at] = (rate, submit);
        }
        found.push(both);
    }
    let of = |at: usize| {
        let rates = found.iter().map(|both| Duration::from_secs_f64(both[at].0)).collect();
        (median(rates).as_secs_f64(), median(found.iter().map(|both| both[at].1).collect()))
    };
    let ratios = found.iter().map(|[shared, own]| Duration::from_secs_f64(shared.0 / own.0)).collect();
    println!("{}: frames every 5 ms beside pictures of {}x{}", own.name(), PICTURE[0], PICTURE[1]);
    println!("\n| | frames a second | `submit`, ms |\n|---|---:|---:|");
    for (at, name) in ["one device", "two devices"].iter().enumerate() {
        let (rate, submit) = of(at);
        println!("| {name} | {rate:.0} | {:.2} |", 1e3 * submit.as_secs_f64());
    }
    println!("\none device to two, median of {rounds} rounds: {:.2}\n", median(ratios).as_secs_f64());
}

fn cancelling(moments: usize) {
    let model = Model::builtin("smsr-x2").expect("it is built in");
    let gpu = Gpu::new().expect("an adapter");
    let picture = if support::testing() { seeded::picture(64, 48, 2) } else { seeded::picture(480, 360, 2) };
    println!("| | a picture, s | given up after, ms: median | largest | of |\n|---|---:|---:|---:|---:|");
    for (name, tiling) in [("whole", Tiling::Whole), ("tiles", Tiling::Pixels(128))] {
        let mut options = Options::default();
        options.tiling = tiling;
        let on_gpu = Upscaler::new(&gpu, &model, options.clone()).expect("it runs");
        let on_cpu = Upscaler::on_cpu(&model, options).expect("it runs");
        for mut upscaler in [on_gpu, on_cpu] {
            let expected = upscaler.upscale_pixels(&picture).expect("it runs").pixels;
            let begun = Instant::now();
            upscaler.upscale_pixels(&picture).expect("it runs");
            let whole = begun.elapsed();
            let mut taken = Vec::new();
            for moment in seeded::numbers(3, moments) {
                taken.extend(given_up(&mut upscaler, &picture, whole.mul_f64(f64::from(moment.abs()))));
            }
            let again = upscaler.upscale_pixels(&picture).expect("it runs").pixels;
            assert!(again == expected, "the next one is right");
            let largest = taken.iter().max().copied().unwrap_or_default();
            let [middle, largest] = [median(taken.clone()), largest].map(|time| 1e3 * time.as_secs_f64());
            let (device, seconds) = (upscaler.device(), whole.as_secs_f64());
            println!("| {device}, {name} | {seconds:.2} | {middle:.0} | {largest:.0} | {} |", taken.len());
        }
    }
}

/// How long it takes to come back, if it was not done before.
fn given_up(upscaler: &mut Upscaler, picture: &Pixels, after: Duration) -> Option<Duration> {
    let control = Control::default();
    upscaler.set_control(&control);
    let (ended, cancelled) = thread::scope(|scope| {
        let cancelling = scope.spawn(|| {
            thread::sleep(after);
            control.cancel.cancel();
            Instant::now()
        });
        let result = upscaler.upscale_pixels(picture);
        let back = Instant::now();
        let cancelled = cancelling.join().expect("it sleeps");
        (result.map(drop).map_err(|error| (error, back)), cancelled)
    });
    upscaler.set_control(&Control::default());
    match ended {
        Ok(()) => None,
        Err((Error::Cancelled, back)) => Some(back.saturating_duration_since(cancelled)),
        Err((error, _)) => panic!("{error}"),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
