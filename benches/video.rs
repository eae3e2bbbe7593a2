//! A video of which parts stand still: frames of which only what has changed is computed, beside the same frames computed as a
//! whole. They are the same frames, byte for byte, which is checked before anything is timed.
//!
//! On the CPU engine, by the processor time of the process; colour conversion and pipes are not in it.

mod support;

use std::sync::Arc;

use sparsr::{FrameCounts, FrameUpscaler, Model, Options, Pixels, Samples, Upscaler};
use support::rounds::Rounds;
use support::{Clock, pictures};

/// A part of the frame that moves: columns and rows of its corner, and how many.
type Moving = [usize; 4];

/// What moves in a frame of 640×360. A tile stands still whose 32×32 pixels see, with the network's margin of 20, no change.
const CASES: [(&str, &[Moving]); 6] = [
    ("nothing", &[]),
    ("one thing, in the middle", &[[180, 84, 248, 216]]),
    ("one thing, at an edge", &[[0, 116, 268, 216]]),
    ("two things", &[[52, 52, 152, 152], [404, 148, 152, 152]]),
    (
        "eight things, all over",
        &[
            [52, 20, 56, 24],
            [212, 20, 56, 24],
            [372, 20, 56, 24],
            [532, 20, 56, 24],
            [52, 244, 56, 56],
            [212, 244, 56, 56],
            [372, 244, 56, 56],
            [532, 244, 56, 56],
        ],
    ),
    ("everything", &[[0, 0, 640, 360]]),
];

fn main() {
    if !support::plain() && !support::testing() {
        return; // a table, and nothing for criterion
    }
    let (count, rounds) = if support::testing() { (3, 0) } else { (60, 2) };
    let model = Model::builtin("edsrmini-x2").expect("the model is part of the program");
    let clips = CASES.map(|(_, moving)| clip(moving, count));
    let counts: Vec<FrameCounts> = clips.iter().map(|clip| checked(&model, clip)).collect();
    println!(
        "{count} frames of 640x360 in {} ways, each the same with and without what is left out",
        CASES.len()
    );
    if rounds == 0 {
        return;
    }
    let clock = Clock::Processor;
    println!("edsrmini-x2 on the CPU engine; {}", clock.name());
    println!(
        "\n| moves | tiles that stand still | pixels computed | whole, s | skipped, s | skipped / whole |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (((name, _), clip), counts) in CASES.iter().zip(&clips).zip(&counts) {
        let measured = Rounds::measure(2, rounds, |way, iterations| {
            let mut frames = upscaler(&model, way == 1);
            clock.time(iterations, || {
                clip.iter().for_each(|frame| drop(frames.upscale(frame).expect("it fits")))
            })
        });
        let still = 100.0 - share(counts.computed - first(counts), counts.tiles - first(counts));
        let pixels = share(counts.computed_pixels, counts.pixels);
        let [whole, skipped] = [0, 1].map(|way| measured.seconds(way));
        let ratio = measured.ratio(1, 0);
        println!("| {name} | {still:.0} % | {pixels:.0} % | {whole:.2} | {skipped:.2} | {ratio:.2} |");
    }
}

fn upscaler(model: &Model, skips: bool) -> FrameUpscaler {
    let upscaler = Upscaler::on_cpu(model, Options::default()).expect("any processor takes the model");
    FrameUpscaler::new(upscaler).expect("a network for any size").skipping(skips)
}

/// Tiles of the first frame, which has none before it.
fn first(counts: &FrameCounts) -> u64 {
    counts.tiles / counts.frames
}

fn share(part: u64, of: u64) -> f64 {
    100.0 * part as f64 / of as f64
}

/// A photograph in which some parts show another place of it in every frame.
fn clip(moving: &[Moving], count: usize) -> Vec<Arc<Pixels>> {
    let still = pictures::mirrored(&pictures::harbour(), 640, 360);
    let Samples::U8(still) = still.samples() else { unreachable!("a picture of 8 bits") };
    let frame = |at: usize| {
        let mut samples = still.clone();
        for [left, top, width, height] in moving {
            for (y, x) in (*top..top + height).flat_map(|y| (*left..left + width).map(move |x| (y, x))) {
                let from = 3 * (y * 640 + (x + 7 * at) % 640);
                samples[3 * (y * 640 + x)..][..3].copy_from_slice(&still[from..from + 3]);
            }
        }
        Arc::new(Pixels::new(640, 360, Samples::U8(samples)).unwrap())
    };
    (0..count).map(frame).collect()
}

/// What was done for the frames, which are those that are computed as a whole.
fn checked(model: &Model, clip: &[Arc<Pixels>]) -> FrameCounts {
    let [mut whole, mut skipped] = [false, true].map(|skips| upscaler(model, skips));
    for (at, frame) in clip.iter().enumerate() {
        let [expected, found] = [&mut whole, &mut skipped].map(|way| way.upscale(frame).expect("it fits"));
        assert!(found == expected, "frame {at}");
    }
    skipped.counts()
}
