//! A profile accounts for the whole run: every multiply-add that the masks leave, every value that must be moved.

mod support;

use sparsr::low_level::tensor::Shape;
use sparsr::{Error, Options, Profile, ProfileRow, Sparsity, Upscaler};
use support::{adapter, seeded};

const WIDTH: usize = 34;
const HEIGHT: usize = 10;

/// Of the tiny network on the device, by every sparsity.
fn profiles(test: &str) -> Vec<(Sparsity, Profile)> {
    let Some(gpu) = adapter::gpu(test) else { return vec![] };
    let profile = |sparsity| {
        let mut options = Options::default();
        options.sparsity = sparsity;
        let mut upscaler = Upscaler::new(&gpu, &seeded::tiny_smsr(), options).unwrap();
        upscaler.profile(&seeded::picture(WIDTH, HEIGHT, 1))
    };
    let profile = |sparsity| match profile(sparsity) {
        Ok(profile) => Some((sparsity, profile)),
        Err(Error::Unsupported(reason)) => {
            assert!(reason.contains("no timestamp queries"), "{reason}");
            support::skip::told(format_args!("{test}, since {reason}"));
            None
        }
        Err(error) => panic!("{error}"),
    };
    Sparsity::ALL.into_iter().filter_map(profile).collect()
}

fn row<'a>(profile: &'a Profile, name: &str) -> &'a ProfileRow {
    let rows: Vec<&ProfileRow> = profile.rows.iter().filter(|row| row.name == name).collect();
    assert_eq!(rows.len(), 1, "{name} has one row");
    rows[0]
}

#[test]
fn rows_make_up_the_network() {
    let model = seeded::tiny_smsr();
    let macs = model.graph(Shape::new(1, 3, HEIGHT, WIDTH)).unwrap().macs().total() as f64;
    let mut cpu = Upscaler::on_cpu(&model, Options::default()).unwrap();
    let kept = cpu.upscale_pixels(&seeded::picture(WIDTH, HEIGHT, 1)).unwrap().macs_kept;
    assert!(kept < 0.95, "the masks leave something out");
    for (sparsity, profile) in profiles("rows_make_up_the_network") {
        let total = profile.total();
        assert!((profile.macs_kept - kept).abs() < 1e-9, "{sparsity}");
        assert!((total.macs / (kept * macs) - 1.0).abs() < 1e-9, "{sparsity}: {} of {macs}", total.macs);
        assert!(profile.rows.is_sorted_by(|a, b| a.time >= b.time), "{sparsity}");
        assert!(total.time.as_nanos() > 0 && total.dispatches >= profile.rows.len(), "{sparsity}");
        for row in profile.rows.iter().chain([&total]) {
            let sum: std::time::Duration = row.kernels.iter().map(|(_, time)| *time).sum();
            assert_eq!(sum, row.time, "{sparsity}: {}", row.name);
        }
    }
}

#[test]
fn a_row_moves_what_crosses_its_border() {
    let pixels = WIDTH * HEIGHT;
    let c = seeded::TINY.channels;
    for (sparsity, profile) in profiles("a_row_moves_what_crosses_its_border") {
        let cases = [
            ("input", pixels + 3 * pixels, "words, planes"),
            ("head.0", (3 + c) * pixels + 9 * 3 * c + c, "input, output with its relu, weights, bias"),
            ("collect.0", (2 * c + c) * pixels + 2 * c * c + c, "both modules, but not their concatenation"),
            ("collect.2", (2 * c + c) * pixels + 9 * c * c + c, "input and residual"),
            ("output", (3 + 1) * 4 * pixels, "planes, words"),
        ];
        for (name, numbers, what) in cases {
            assert_eq!(row(&profile, name).bytes, 4 * numbers as u64, "{sparsity}, {name}: {what}");
        }
    }
}

#[test]
fn shares_of_the_peak_are_rates_over_rates() {
    for (sparsity, profile) in profiles("shares_of_the_peak_are_rates_over_rates") {
        let peak = profile.peak.expect("the device's peak is known");
        for row in profile.rows.iter().chain([&profile.total()]) {
            let Some(roofline) = row.roofline(&peak) else {
                assert!(row.time.is_zero(), "{sparsity}, {}: what took time has a rate", row.name);
                continue;
            };
            let seconds = row.time.as_secs_f64();
            let macs = roofline.multiply_adds * peak.multiply_adds_per_second * seconds;
            let bytes = roofline.bytes * peak.bytes_per_second * seconds;
            assert!((macs - row.macs).abs() <= 1e-9 * row.macs, "{sparsity}, {}: {roofline:?}", row.name);
            assert!((bytes / row.bytes as f64 - 1.0).abs() < 1e-9, "{sparsity}, {}: {roofline:?}", row.name);
            assert_eq!(roofline.multiply_adds > 0.0, row.macs > 0.0, "{sparsity}, {}", row.name);
        }
        assert_eq!(ProfileRow::default().roofline(&peak), None, "what took no time has no rate");
    }
}

#[test]
fn the_option_decides_what_runs() {
    for (sparsity, profile) in profiles("the_option_decides_what_runs") {
        let listed = profile.total().kernels.iter().any(|(kernel, _)| *kernel == "mask_compact");
        assert_eq!(listed, sparsity != Sparsity::Dense, "{sparsity}: masks become lists");
    }
}

#[test]
fn the_cpu_engine_says_that_it_has_none() {
    let mut cpu = Upscaler::on_cpu(&seeded::tiny_smsr(), Options::default()).unwrap();
    let error = cpu.profile(&seeded::picture(2, 2, 1)).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(reason) if reason.contains("the CPU engine")), "{error}");
}
