//! The choice of kernels, measured: what is tried, what is chosen, what is kept on disk.

#[cfg(feature = "cli")]
#[allow(dead_code, reason = "the tests of the command line take the rest")]
#[path = "support/program.rs"]
mod program;
mod support;

use std::fs;
use std::time::Duration;

use sparsr::low_level::plan::{Candidate, Choices, Class, Density};
use sparsr::low_level::probe::tune::{Outcome, file_name, measured_on, tune};
use sparsr::{Error, Feature};
use support::adapter;
use tempfile::TempDir;

fn smallest(listed: bool) -> Class {
    Class::of(3, [3, 3], 1, listed)
}

#[test]
fn what_is_measured_is_right_and_what_is_fastest_is_chosen() {
    let Some(gpu) = adapter::gpu("what_is_measured_is_right") else { return };
    let gpu = gpu.without(Feature::Subgroups);
    let classes = [smallest(false), smallest(true)];
    let tuned = tune(&gpu, &classes, None).unwrap();
    assert!(tuned.unreached.is_empty() && tuned.measured.len() == 2);
    for measured in &tuned.measured {
        assert!(measured.trials.len() > 1, "{measured:?}");
        let mut least = f64::INFINITY;
        for trial in &measured.trials {
            let Outcome::Nanoseconds(time) = trial.outcome else { panic!("{trial:?}") };
            least = least.min(time);
        }
        let cost = f64::from(measured.ranking[0].cost.unwrap());
        assert!(cost <= 1.04 * least, "{measured:?}");
        assert_eq!(tuned.choices.ranking(measured.class), measured.ranking);
    }
}

#[test]
fn lists_are_measured_for_sparse_weights_alone() {
    let Some(gpu) = adapter::gpu("lists_are_measured_for_sparse_weights") else { return };
    let gpu = gpu.without(Feature::Subgroups);
    let dense = Class::of(1, [12, 12], 1, false);
    let tuned = tune(&gpu, &[dense, dense.with_density(Density::Quarter)], None).unwrap();
    let by_lists = |at: usize| {
        let trials = tuned.measured[at].trials.iter();
        trials.filter(|trial| matches!(trial.candidate, Candidate::Pruned(_))).collect::<Vec<_>>()
    };
    assert!(by_lists(0).is_empty() && !by_lists(1).is_empty());
    assert!(
        by_lists(1).iter().all(|trial| matches!(trial.outcome, Outcome::Nanoseconds(_))),
        "{:?}",
        by_lists(1)
    );
}

#[test]
fn what_is_not_reached_is_left_as_shipped() {
    let Some(gpu) = adapter::gpu("what_is_not_reached") else { return };
    let tuned = tune(&gpu, &[smallest(false)], Some(Duration::ZERO)).unwrap();
    assert_eq!((tuned.choices, tuned.unreached), (Choices::default(), vec![smallest(false)]));
    assert!(tuned.measured.is_empty());
}

#[test]
fn a_file_is_read_on_the_device_that_it_was_measured_on() {
    let Some(gpu) = adapter::gpu("a_file_is_read") else { return };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("below").join(file_name(&gpu));
    assert_eq!(Choices::load(&path, &gpu).unwrap(), None);
    let choices = Choices::only(Candidate::PLAIN);
    choices.save(&path, &gpu).unwrap();
    choices.save(&path, &gpu).unwrap();
    assert_eq!(Choices::load(&path, &gpu).unwrap(), Some(choices));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    let whole = fs::read_to_string(&path).unwrap();
    let measured_on = measured_on(&gpu);
    let foreign = whole.replace(&measured_on, "another device");
    let unknown = whole.replacen("product", "prodigy", 1);
    for (text, expected) in [
        (&whole[..whole.len() / 2], "EOF"),
        ("", "EOF"),
        ("[]", "measured on null"),
        (&foreign, "measured on \"another device\""),
        (&unknown, "prodigy"),
    ] {
        fs::write(&path, text).unwrap();
        match Choices::load(&path, &gpu) {
            Err(Error::Unsupported(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?} of a file with {text}"),
        }
    }
}

#[cfg(feature = "cli")]
mod on_the_command_line {
    use std::path::PathBuf;

    use super::program::Folder;
    use super::*;

    /// A picture, and the files in the cache after a run that must succeed, with what it said.
    fn upscale(folder: &Folder, more: &[&str]) -> (Vec<PathBuf>, String) {
        image::RgbImage::new(8, 8).save(folder.path("a.png")).unwrap();
        let args = [&["upscale", "a.png", "--force", "--device", "0"], more].concat();
        let outcome = folder.run_with_cache(&args, "cache");
        assert!(outcome.success, "{}", outcome.stderr);
        let files = fs::read_dir(folder.path("cache"))
            .map_or(vec![], |files| files.map(|file| file.unwrap().path()).collect());
        (files, outcome.stderr)
    }

    #[test]
    fn a_device_has_one_file() {
        let Some(_) = adapter::gpu("a_device_has_one_file") else { return };
        let folder = Folder::new();
        let (first, _) = upscale(&folder, &["--tune=0"]);
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(upscale(&folder, &["--tune=0"]).0, first);
        assert!(folder.path("a-x2.png").exists());
    }

    #[test]
    fn a_damaged_file_is_told_of_and_written_anew() {
        let Some(gpu) = adapter::gpu("a_damaged_file") else { return };
        let folder = Folder::new();
        fs::create_dir(folder.path("cache")).unwrap();
        let path = folder.path("cache").join(file_name(&gpu));
        fs::write(&path, "damaged").unwrap();
        let (_, said) = upscale(&folder, &["--no-tune"]);
        assert_eq!((said.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("", "damaged"));
        let (_, said) = upscale(&folder, &["--tune=0"]);
        assert!(said.starts_with("warning: ") && said.contains("written anew"), "{said}");
        assert!(Choices::load(&path, &gpu).unwrap().is_some());
        assert_eq!(upscale(&folder, &["--tune=0"]).1, "");
    }

    #[test]
    fn a_folder_that_takes_no_files_is_no_failure() {
        let Some(_) = adapter::gpu("a_folder_that_takes_no_files") else { return };
        let folder = Folder::new();
        fs::write(folder.path("cache"), "a file in the folder's place").unwrap();
        let (_, said) = upscale(&folder, &["--tune=0"]);
        assert_eq!(said, "");
    }

    #[test]
    fn tune_shows_what_it_measured() {
        let Some(_) = adapter::gpu("tune_shows") else { return };
        let folder = Folder::new();
        let args = ["tune", "--size", "16x16", "--seconds", "0.2", "--device", "0"];
        let outcome = folder.run_with_cache(&args, "cache");
        assert!(outcome.success, "{}", outcome.stderr);
        let text = outcome.text();
        for expected in ["chosen", "shipped", "not reached", "remembered in"] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
