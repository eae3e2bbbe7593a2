//! Known answers: given here by every tier, and what happens where a tier gives others.

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/compare.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod compare;
#[path = "support/log.rs"]
#[allow(dead_code, reason = "here warnings come from other threads too")]
mod log;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod seeded;
#[path = "support/skip.rs"]
mod skip;

use log::Log;
use sparsr::low_level::models::smsr;
use sparsr::low_level::probe::selftest::{self, Outcome};
use sparsr::{Error, Feature, Gpu, Model, Options, Tier, Upscaler};

const SUBGROUPS: Tier = Tier::Needs(Feature::Subgroups);

/// Wide enough for Winograd's algorithm.
fn model() -> Model {
    let config = smsr::Config { channels: 20, ..seeded::TINY };
    Model::from_weights("seeded", seeded::smsr(&config)).unwrap()
}

fn upscaler(gpu: &Gpu) -> Upscaler {
    Upscaler::new(gpu, &model(), Options::default()).unwrap()
}

#[test]
fn every_tier_of_this_device_gives_the_known_answers() {
    let Some(gpu) = adapter::gpu("every_tier_of_this_device_gives_the_known_answers") else { return };
    for tier in Tier::all() {
        let tests = selftest::run(&gpu, tier).unwrap();
        assert_eq!(tests.is_empty(), selftest::absent(gpu.limits(), tier).is_some(), "{tier}");
        for test in tests {
            assert!(
                matches!(test.outcome, Outcome::Right { .. }),
                "{tier}, {}: {:?}",
                test.name,
                test.outcome
            );
        }
        let wrong = selftest::run(&gpu.clone().spoilt(tier), tier).unwrap();
        assert!(wrong.iter().all(|test| matches!(test.outcome, Outcome::Wrong { .. })), "{tier}: {wrong:?}");
    }
}

#[test]
fn a_tier_that_is_wrong_is_done_without() {
    let Some(gpu) = adapter::gpu("a_tier_that_is_wrong_is_done_without") else { return };
    if selftest::absent(gpu.limits(), SUBGROUPS).is_some() {
        skip::told(format_args!("the device has no subgroups, or is used without them"));
        return;
    }
    let picture = seeded::picture(31, 22, 3);
    let without = upscaler(&gpu.clone().without(Feature::Subgroups)).upscale_pixels(&picture).unwrap();
    let spoilt = gpu.clone().spoilt(SUBGROUPS);
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    for _ in 0..2 {
        let found = upscaler(&spoilt).upscale_pixels(&picture).unwrap();
        assert!(found.pixels == without.pixels, "as on a device without subgroups, to the bit");
    }
    let found = upscaler(&spoilt.clone()).upscale_pixels(&seeded::picture(9, 12, 4)).unwrap();
    assert_eq!(found.pixels.width(), 18);
    upscaler(&gpu).upscale_pixels(&picture).unwrap();
    let mut warnings = log.warnings();
    warnings.retain(|text| text.contains("self-test failed") && text.contains("does without"));
    let [warning] = &warnings[..] else { panic!("one warning a device, found {warnings:?}") };
    for part in [gpu.identity().as_str(), "does without subgroups", "should be", "and is"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
}

#[test]
fn a_device_that_is_wrong_makes_no_picture() {
    let Some(gpu) = adapter::gpu("a_device_that_is_wrong_makes_no_picture") else { return };
    let gpu = gpu.without(Feature::Subgroups);
    let picture = seeded::picture(31, 22, 3);
    let error = upscaler(&gpu.clone().spoilt(Tier::Portable)).upscale_pixels(&picture).unwrap_err();
    let Error::Device(reason) = error else { panic!("an error of the device, not {error:?}") };
    for part in [gpu.identity().as_str(), "its self-test failed", "should be", "and is"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let mut options = Options::default();
    options.cpu_fallback = true;
    let mut upscaler = Upscaler::new(&gpu.spoilt(Tier::Portable), &model(), options).unwrap();
    let expected = Upscaler::on_cpu(&model(), Options::default()).unwrap().upscale_pixels(&picture).unwrap();
    let found = upscaler.upscale_pixels(&picture).unwrap();
    assert!(compare::apart(&found.pixels, &expected.pixels).worst <= 1, "the CPU engine goes on");
}
