//! The peak is measured on the device under test, by its own clock and by others.

mod support;

use std::time::{Duration, Instant};

use sparsr::low_level::gpu::Peak;
use sparsr::{Feature, Gpu};
use support::adapter;

/// Whether each rate is there that the device should have, finite and above nothing.
#[track_caller]
fn check(peak: Option<Peak>, gpu: &Gpu) {
    let peak = peak.expect("each kernel gives its known answer");
    let limits = gpu.limits();
    assert_eq!(peak.f16.is_some(), limits.has(Feature::F16), "{peak:?}");
    assert_eq!(peak.cooperative.is_some(), limits.has(Feature::CooperativeMatrices), "{peak:?}");
    let Peak { multiply_adds_per_second, f16, cooperative, bytes_per_second, .. } = peak;
    let rates = [Some(multiply_adds_per_second), f16, cooperative, Some(bytes_per_second)];
    for rate in rates.into_iter().flatten() {
        // A microcontroller has more, and no device of this decade has so much.
        assert!(rate > 1e6 && rate < 1e16, "{peak:?}");
    }
}

#[test]
fn every_device_has_a_peak() {
    let Some(gpu) = adapter::gpu("every_device_has_a_peak") else { return };
    check(gpu.peak(), &gpu);
    assert_eq!(gpu.peak(), gpu.clone().peak(), "measured once a device");
}

#[test]
fn a_clock_of_the_callers_serves_as_well() {
    let Some(gpu) = adapter::gpu("a_clock_of_the_callers_serves_as_well") else { return };
    let mut calls = 0;
    let peak = gpu.peak_by(&mut |run| {
        calls += 1;
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    check(peak, &gpu);
    assert!(calls > 0);
}

#[test]
fn a_device_without_a_feature_has_no_peak_of_it() {
    let Some(gpu) = adapter::gpu("a_device_without_a_feature_has_no_peak_of_it") else { return };
    gpu.peak();
    let gpu = gpu.without(Feature::F16);
    check(gpu.peak(), &gpu);
}

#[test]
fn what_takes_no_time_has_no_peak() {
    let Some(gpu) = adapter::gpu("what_takes_no_time_has_no_peak") else { return };
    let peak = gpu.peak_by(&mut |run| {
        run();
        Duration::ZERO
    });
    assert_eq!(peak, None);
}
