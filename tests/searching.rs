//! `sparsr search` as a program: it ends decided, in a configuration that `sparsr train` takes as it is, and in the same one if
//! it was interrupted; and it draws networks of the same cost.

#![cfg(feature = "cli")]

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::fs;

use program::Folder;
use sparsr::Model;
use sparsr::learn::State;

const CONFIG: &str = r#"
name = "tiny"
[datasets.train]
dataroot_gt = ["pictures"]
lq_size = 8
batch_size = 2
[datasets.val]
dataroot_gt = ["pictures"]
[train]
total_iter = 20
warmup_iter = 2
[search]
num_feat = 6
num_cell = 2
widths = [2, 4, 6]
macs = "0.5G"
arch_lr = 1e-2
[val]
val_freq = 20
save_img = false
[logger]
print_freq = 5
save_checkpoint_freq = 5
keep_checkpoints = 5
"#;

/// A folder with two pictures, one for each half.
fn prepared() -> Folder {
    let folder = Folder::for_training(CONFIG);
    let picture = image::open(folder.path("pictures/a.png")).unwrap();
    picture.rotate90().save(folder.path("pictures/b.png")).unwrap();
    folder
}

fn search(folder: &Folder, device: &str) {
    let outcome = folder.run(&["search", "tiny.toml", "--device", device, "--auto-resume"]);
    assert!(outcome.success, "{}", outcome.stderr);
}

fn found(folder: &Folder) -> String {
    fs::read_to_string(folder.path("experiments/tiny/found.toml")).unwrap()
}

fn network(folder: &Folder, training: &str) -> Model {
    Model::load(&folder.path(&format!("experiments/{training}/models/net_g_latest.safetensors"))).unwrap()
}

#[test]
fn what_is_found_is_trained_as_it_is() {
    let folder = prepared();
    search(&folder, "cpu");
    let log = fs::read_to_string(folder.path("experiments/tiny/train.log")).unwrap();
    for told in [
        "a search among",
        "networks of 1 to 2 cells, 6 channels",
        "radius: 1.0000e+00",
        "cell 0: ",
        "every choice is decided",
        "the configuration is in",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    let outcome = folder.run(&["train", "experiments/tiny/found.toml", "--device", "cpu"]);
    assert!(outcome.success, "{}\n{}", outcome.stderr, found(&folder));
    let [supernet, trained] = ["tiny", "tiny-found"].map(|name| network(&folder, name));
    assert_eq!(supernet.architecture(), "trilevelnas");
    assert_eq!(
        (trained.description(), trained.parameters()),
        (supernet.description(), supernet.parameters())
    );
    let told = format!("# {} parameters, ", trained.parameters());
    assert!(found(&folder).contains(&told), "{told}: {}", found(&folder));
}

#[test]
fn an_interrupted_search_ends_as_one_that_was_not() {
    let gpu = adapter::gpu("sparsr search on a GPU").map(|gpu| gpu.name().to_owned());
    for (device, kept) in [("cpu", 5), ("cpu", 10)].into_iter().chain(gpu.iter().map(|gpu| (&**gpu, 10))) {
        let [whole, halted] = [0; 2].map(|_| prepared());
        search(&whole, device);
        search(&halted, device);
        for iteration in [10, 15, 20].into_iter().filter(|iteration| *iteration > kept) {
            let state = format!("experiments/tiny/training_states/{iteration}.state");
            fs::remove_file(halted.path(&state)).unwrap();
        }
        fs::remove_file(halted.path("experiments/tiny/found.toml")).unwrap();
        search(&halted, device);
        let [expected, state] = [&whole, &halted].map(|folder| {
            let mut state = State::load(&folder.path("experiments/tiny/training_states/20.state")).unwrap();
            state.notes.remove("config");
            state
        });
        assert!(state == expected, "{device}, from {kept}");
        assert_eq!(found(&halted), found(&whole));
    }
}

#[test]
fn networks_of_a_cost_are_drawn() {
    let folder = prepared();
    let drawn = |seed: &str| folder.succeeds(&["search", "tiny.toml", "--random", seed]);
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
    fs::write(folder.path("drawn.toml"), drawn("1")).unwrap();
    let args = [
        "train",
        "drawn.toml",
        "--device",
        "cpu",
        "--set",
        "train.total_iter=2",
        "--set",
        "train.warmup_iter=1",
    ];
    let outcome = folder.run(&args);
    assert!(outcome.success, "{}", outcome.stderr);
    let graph = network(&folder, "tiny-random-1").net().unfolded().clone();
    let large = graph.resized(&[sparsr::low_level::tensor::Shape::new(1, 3, 360, 640)]).unwrap();
    let giga = large.macs().total() as f64 / 1e9;
    assert!((0.485..=0.515).contains(&giga), "{giga}");
}

#[test]
fn one_picture_has_no_halves() {
    let folder = Folder::for_training(CONFIG);
    let sentence = folder.fails(&["search", "tiny.toml"]);
    assert!(
        sentence.contains("expected two pictures at least, one for each half, found fewer"),
        "{sentence}"
    );
}
