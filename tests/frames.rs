//! Frames of which only what has changed is computed are those that are computed as a whole, byte for byte.

mod support;

use std::sync::Arc;

use sparsr::low_level::models::{edsr, swinir};
use sparsr::{
    Cancel, Error, FrameCounts, FrameUpscaler, Gpu, Model, Options, Pixels, Precision, Samples, Tiling,
    Upscaler,
};
use support::{adapter, golden, seeded};

/// A still picture in which something moves, with frames that are equal, changes of one pixel, and a cut.
fn clip(width: usize, height: usize) -> Vec<Arc<Pixels>> {
    let Samples::U8(still) = seeded::picture(width, height, 7).samples().clone() else { unreachable!() };
    let Samples::U8(other) = seeded::picture(width, height, 8).samples().clone() else { unreachable!() };
    let pixels = |samples: Vec<u8>| Arc::new(Pixels::new(width, height, Samples::U8(samples)).unwrap());
    let moved = |at: usize| {
        let mut samples = still.clone();
        for (y, x) in (0..height.min(9)).flat_map(|y| (0..width.min(11)).map(move |x| (y, x))) {
            let (x, y) = ((x + 5 * at) % width, (y + 3 * at) % height);
            samples[3 * (y * width + x)..][..3].fill((40 * at) as u8);
        }
        samples
    };
    let touched = |x: usize, y: usize| {
        let mut samples = still.clone();
        samples[3 * (y * width + x) + 1] ^= 1;
        samples
    };
    let mut frames = vec![still.clone(), moved(1), moved(2), moved(2), still.clone()];
    frames.extend([touched(0, 0), touched(width - 1, height - 1), touched(width / 2, height / 2)]);
    frames.extend([other.clone(), other, moved(3)]);
    frames.into_iter().map(pixels).collect()
}

/// The same of 16 bits.
fn deepened(frame: &Arc<Pixels>) -> Arc<Pixels> {
    let Samples::U8(samples) = frame.samples() else { unreachable!() };
    let samples = samples.iter().map(|sample| (257 * u16::from(*sample)) ^ 1).collect();
    Arc::new(Pixels::new(frame.width(), frame.height(), Samples::U16(samples)).unwrap())
}

fn upscaler(gpu: Option<&Gpu>, model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    (options.tiling, options.precision) = (tiling, Precision::F32);
    match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options),
        None => Upscaler::on_cpu(model, options),
    }
    .unwrap()
}

/// Holds frames against what `upscale_pixels` makes of each.
fn check(gpu: Option<&Gpu>, model: &Model, tiling: Tiling, clip: &[Arc<Pixels>]) -> FrameCounts {
    let mut whole = upscaler(gpu, model, tiling);
    let mut frames = FrameUpscaler::new(upscaler(gpu, model, tiling)).unwrap();
    for (at, frame) in clip.iter().enumerate() {
        let expected = whole.upscale_pixels(frame).unwrap().pixels;
        let found = frames.upscale(frame).unwrap();
        let size = (frame.width(), frame.height());
        assert!(*found == expected, "{} {size:?} {tiling:?}: frame {at}", model.name());
    }
    let counts = frames.counts();
    let equal = clip.windows(2).filter(|two| two[0] == two[1]).count();
    assert_eq!((counts.frames, counts.still), (clip.len() as u64, equal as u64));
    counts
}

fn tiny_edsr(scale: usize) -> Model {
    let config = edsr::Config { scale, ..seeded::TINY_EDSR };
    Model::from_weights("tiny", seeded::edsr(&config)).unwrap()
}

fn tiny_swinir() -> Model {
    let config = swinir::Config { ..seeded::tiny_swinir() };
    Model::from_weights("tiny", seeded::swinir(&config)).unwrap()
}

#[test]
fn local_networks_compute_what_has_changed_on_the_cpu() {
    for model in [tiny_edsr(2), tiny_edsr(3), tiny_swinir()] {
        for (width, height) in [(12, 9), (61, 47), (151, 100)] {
            for tiling in [Tiling::Auto, Tiling::Pixels(40)] {
                let counts = check(None, &model, tiling, &clip(width, height));
                let less = counts.computed < counts.tiles && counts.computed_pixels < counts.pixels;
                assert!(less, "{counts:?}");
            }
        }
    }
    let counts = check(None, &Model::builtin("edsrmini-x2").unwrap(), Tiling::Auto, &clip(151, 100));
    assert!(3 * counts.computed < 2 * counts.tiles, "{counts:?}");
    let deep: Vec<Arc<Pixels>> = clip(101, 60).iter().map(deepened).collect();
    check(None, &tiny_edsr(2), Tiling::Auto, &deep);
}

#[test]
fn networks_that_see_everything_compute_all_or_nothing() {
    let model = seeded::tiny_smsr();
    let mut frames = FrameUpscaler::new(upscaler(None, &model, Tiling::Auto)).unwrap();
    assert!(!frames.skips_tiles([61, 47]));
    frames.upscale(&clip(61, 47)[0]).unwrap();
    let counts = check(None, &model, Tiling::Auto, &clip(61, 47));
    assert_eq!((counts.tiles, counts.computed), (11, 9));
    assert_eq!((counts.pixels, counts.computed_pixels), (11 * 61 * 47, 9 * 61 * 47));
}

#[test]
fn every_family_gives_the_same_on_the_cpu() {
    for golden in golden::all() {
        check(None, &golden.model, Tiling::Auto, &clip(50, 37)[1..5]);
    }
}

/// In tiles, what a device gives for a window is the same wherever the other windows are; in one piece nothing is left out.
#[test]
fn a_device_gives_the_same_in_tiles() {
    let Some(gpu) = adapter::gpu("a_device_gives_the_same_in_tiles") else { return };
    for model in [tiny_edsr(2), tiny_swinir()] {
        let counts = check(Some(&gpu), &model, Tiling::Pixels(32), &clip(99, 65));
        assert!(counts.computed < counts.tiles, "{counts:?}");
    }
    // 16 bits show what 8 round away.
    let deep: Vec<Arc<Pixels>> = clip(99, 65).iter().take(5).map(deepened).collect();
    check(Some(&gpu), &tiny_edsr(2), Tiling::Pixels(32), &deep);
    let counts = check(Some(&gpu), &tiny_edsr(2), Tiling::Auto, &clip(61, 47));
    assert_eq!((counts.tiles, counts.computed), (11, 9));
    check(Some(&gpu), &seeded::tiny_smsr(), Tiling::Pixels(32), &clip(61, 47)[2..5]);
}

#[test]
fn without_skipping_everything_is_computed() {
    let clip = clip(61, 47);
    let mut frames = FrameUpscaler::new(upscaler(None, &tiny_edsr(2), Tiling::Auto)).unwrap().skipping(false);
    assert!(!frames.skips_tiles([61, 47]));
    clip.iter().for_each(|frame| drop(frames.upscale(frame).unwrap()));
    let counts = frames.counts();
    assert_eq!((counts.still, counts.computed), (0, counts.tiles));
}

#[test]
fn another_size_or_depth_is_another_video() {
    let model = tiny_edsr(2);
    let mut frames = FrameUpscaler::new(upscaler(None, &model, Tiling::Auto)).unwrap();
    let small = clip(40, 30).swap_remove(0);
    for frame in [small.clone(), clip(41, 30).swap_remove(0), deepened(&small), small] {
        let expected = upscaler(None, &model, Tiling::Auto).upscale_pixels(&frame).unwrap().pixels;
        assert!(*frames.upscale(&frame).unwrap() == expected);
    }
    assert_eq!(frames.counts().still, 0);
}

#[test]
fn a_frame_that_was_not_enlarged_is_not_the_one_before() {
    let (model, clip, cancel) = (tiny_edsr(2), clip(61, 47), Cancel::default());
    let mut options = Options::default();
    options.control.cancel = cancel.clone();
    let mut frames = FrameUpscaler::new(Upscaler::on_cpu(&model, options).unwrap()).unwrap();
    let first = frames.upscale(&clip[0]).unwrap();
    cancel.cancel();
    for _ in 0..2 {
        assert!(matches!(frames.upscale(&clip[1]), Err(Error::Cancelled)));
    }
    assert!(Arc::ptr_eq(&frames.upscale(&clip[0]).unwrap(), &first), "what is known takes no work");
}
