//! `sparsr prune` by the methods that learn, as a program: what they leave is smaller, makes the same picture as the network
//! whose channels became zero, and is the same if it was interrupted.

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
use sparsr::learn::prune::balanceable;
use sparsr::learn::{State, fresh};
use sparsr::low_level::tensor::{Balance, Parameter};
use sparsr::low_level::weights::{Stored, Weights};

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
[prune]
reg_interval = 2
[val]
val_freq = 20
save_img = false
[logger]
save_checkpoint_freq = 5
keep_checkpoints = 5
"#;

/// A folder with a picture, a network, and what is to be done to it.
fn prepared() -> Folder {
    let folder = Folder::for_training(CONFIG);
    let model = Model::from_weights("dense", fresh::ledsr(8, 2, 2, 1)).unwrap();
    fs::write(folder.path("dense.safetensors"), model.to_safetensors(Stored::F32).unwrap()).unwrap();
    folder
}

/// The same with a network under weight normalisation, by PyTorch's names.
fn normalised() -> Folder {
    let folder = prepared();
    let fresh = fresh::ledsr(8, 2, 2, 1);
    let tensors = fresh.iter().flat_map(|(name, numbers)| match name.strip_suffix(".weight") {
        Some(module) if name.starts_with("body.") => {
            let filters = numbers.values().chunks(numbers.values().len() / 8);
            let norms = filters.map(|filter| filter.iter().map(|number| number * number).sum::<f32>().sqrt());
            let norms = Parameter::new([8, 1, 1, 1], norms.collect::<Vec<_>>());
            vec![(format!("{module}.weight_g"), norms), (format!("{module}.weight_v"), numbers.clone())]
        }
        _ => vec![(name.to_owned(), numbers.clone())],
    });
    let weights = Weights::new("dense", tensors.collect::<Vec<_>>());
    fs::write(folder.path("dense.safetensors"), weights.to_safetensors(Stored::F32).unwrap()).unwrap();
    folder
}

fn prune(folder: &Folder, device: &str, method: &str, sets: &[&str]) {
    let method = format!("prune.method={method}");
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args = ["prune", "dense.safetensors", "-c", "tiny.toml", "--device", device, "--set", &method];
    let outcome = folder.run(&args.into_iter().chain(sets).chain(["--auto-resume"]).collect::<Vec<_>>());
    assert!(outcome.success, "{}", outcome.stderr);
}

fn network(folder: &Folder, name: &str) -> Model {
    Model::load(&folder.path(&format!("experiments/tiny/models/net_g_{name}.safetensors"))).unwrap()
}

fn log(folder: &Folder) -> String {
    fs::read_to_string(folder.path("experiments/tiny/train.log")).unwrap()
}

/// The picture that a network makes.
fn picture(folder: &Folder, name: &str) -> Vec<u8> {
    let model = format!("experiments/tiny/models/net_g_{name}.safetensors");
    let made = format!("{name}.png");
    folder.succeeds(&["upscale", "pictures/a.png", "-o", &made, "-m", &model, "--unusual"]);
    image::open(folder.path(&made)).unwrap().to_rgb8().into_raw()
}

#[test]
fn what_is_cut_away_was_zero() {
    for method in ["assl", "gassl", "srp"] {
        let folder = prepared();
        prune(&folder, "cpu", method, &[]);
        let [whole, pruned] = ["latest", "pruned"].map(|name| network(&folder, name));
        assert_eq!(whole.description(), "2 residual blocks, 8 channels", "{method}");
        assert!(pruned.parameters() * 2 < whole.parameters(), "{method}: {}", pruned.description());
        if method != "gassl" {
            assert_eq!(pruned.description(), "2 residual blocks, 4 channels");
        }
        let [whole, pruned] = ["latest", "pruned"].map(|name| picture(&folder, name));
        let apart = whole.iter().zip(&pruned).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1), "{method}: {apart:?} of 255");
        for told in ["what went still has 0.00e0", "multiply-adds 0.9"] {
            assert!(log(&folder).contains(told), "{method}: {}", log(&folder));
        }
    }
}

#[test]
fn l2_leaves_something_and_targets_are_met() {
    let folder = prepared();
    prune(&folder, "cpu", "assl", &["prune.pull=l2", "prune.params=1200"]);
    assert!(network(&folder, "pruned").parameters() <= 1200);
    let left: Vec<_> =
        log(&folder).lines().filter(|line| line.contains("what went still has")).map(str::to_owned).collect();
    assert_eq!(left.len(), 1, "{}", log(&folder));
}

#[test]
fn an_interrupted_pruning_ends_as_one_that_was_not() {
    let gpu = adapter::gpu("sparsr prune on a GPU").map(|gpu| gpu.name().to_owned());
    let by_cpu = [("gassl", "ramp", 5), ("assl", "ramp", 10), ("srp", "l2", 15), ("obproxsg", "ramp", 10)];
    let by_cpu = by_cpu.into_iter().chain([("balanced", "ramp", 10), ("balanced", "ramp", 15)]);
    let by_cpu = by_cpu.map(|(method, pull, kept)| ("cpu", method, pull, kept));
    for (device, method, pull, kept) in by_cpu.chain(gpu.iter().map(|gpu| (&**gpu, "gassl", "ramp", 5))) {
        let sets = [&*format!("prune.pull={pull}"), "prune.prox=0.5", "prune.block=8"];
        let [whole, halted] = [0; 2].map(|_| if method == "assl" { normalised() } else { prepared() });
        prune(&whole, device, method, &sets);
        prune(&halted, device, method, &sets);
        for iteration in [10, 15, 20].into_iter().filter(|iteration| *iteration > kept) {
            let state = format!("experiments/tiny/training_states/{iteration}.state");
            fs::remove_file(halted.path(&state)).unwrap();
        }
        prune(&halted, device, method, &sets);
        let [expected, found] = [&whole, &halted].map(|folder| {
            let mut state = State::load(&folder.path("experiments/tiny/training_states/20.state")).unwrap();
            state.notes.remove("config");
            state
        });
        assert!(found == expected, "{method} on {device}, from {kept}");
        if method != "obproxsg" {
            let [expected, found] = [&whole, &halted].map(|folder| network(folder, "pruned"));
            assert_eq!(
                found.to_safetensors(Stored::F32).unwrap(),
                expected.to_safetensors(Stored::F32).unwrap()
            );
        }
    }
}

#[test]
fn obproxsg_tells_what_is_left_of_each_layer() {
    let folder = prepared();
    prune(&folder, "cpu", "obproxsg", &["prune.lambda=1e-1", "prune.prox=0.5", "train.optim_g.lr=1e-3"]);
    let log = log(&folder);
    assert!(log.contains("phase orthant begins with iteration 11"), "{log}");
    let densities: Vec<f64> = log
        .lines()
        .filter_map(|line| line.split_once(".weight: density ")?.1.split(',').next()?.parse().ok())
        .collect();
    assert_eq!(densities.len(), 4, "{log}");
    assert!(densities.iter().all(|density| *density < 0.999), "{densities:?}");
    assert!(log.contains("a compact network: num_feat = "), "{log}");
}

#[test]
fn what_cannot_be_pruned_is_refused() {
    let folder = prepared();
    for (sets, expected) in [
        (
            vec!["prune.method=magic"],
            "prune.method: expected assl, gassl, srp, obproxsg or balanced, found `magic`",
        ),
        (
            vec!["prune.keep=0.5", "prune.macs=1G"],
            "prune: expected one of keep, macs and params, found several",
        ),
        (vec!["prune.keep=0"], "prune.keep: expected above 0 and at most 1, found 0"),
        (vec!["prune.params=3"], "expected at least"),
        (vec!["prune.skip=['nothing*']"], "nothing*"),
        (vec!["prune.size=big"], "prune.size: "),
        (
            vec!["prune.method=balanced", "prune.block=16"],
            "expected convolutions of at least 16 channels, found none",
        ),
        (vec!["prune.method=balanced", "prune.macs=1G"], "balanced: expected keep"),
        (vec!["prune.method=balanced", "prune.block=64"], "prune.block: expected blocks of 2 to 32"),
        (
            vec!["prune.method=balanced", "prune.rows=0"],
            "prune.rows: expected 1 to 64 rows that are alike, found 0",
        ),
    ] {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args = ["prune", "dense.safetensors", "-c", "tiny.toml"].into_iter().chain(sets);
        let sentence = folder.fails(&args.collect::<Vec<_>>());
        assert!(sentence.contains(expected), "{sentence}");
    }
    for (args, expected) in [
        (&["--method", "srp", "--keep", "0.5"][..], "it learns, and needs to know from what: -c CONFIG.toml"),
        (&["--keep", "0.5", "--set", "name=a"], "--set and --auto-resume are a training's"),
        (&["--method", "l1"], "expected how small: one of --keep, --macs and --params"),
    ] {
        let args = [&["prune", "dense.safetensors", "-o", "small.safetensors"], args].concat();
        assert!(folder.fails(&args).contains(expected), "{args:?}");
    }
    let sentence = folder.fails(&["train", "tiny.toml", "--set", "prune.keep=0.5"]);
    assert!(sentence.contains("it is for `sparsr prune NET -c CONFIG.toml`"), "{sentence}");
}

/// Whether so many neighbouring outputs of every one of these tensors need the same inputs.
fn are_alike(model: &Model, names: &[&str], rows: usize) -> bool {
    names.iter().all(|name| {
        let weight = model.weights().get(name).unwrap();
        let a_row = weight.values().len() / weight.dims()[0];
        let needed: Vec<Vec<bool>> =
            weight.values().chunks(a_row).map(|row| row.iter().map(|own| *own != 0.0).collect()).collect();
        needed.chunks(rows).all(|alike| alike.iter().all(|row| *row == alike[0]))
    })
}

/// Sparsity rises while the network learns, of four outputs together; the others of a block stay zero.
#[test]
fn balanced_pruning_of_rows_that_are_alike() {
    let folder = prepared();
    prune(&folder, "cpu", "balanced", &["prune.keep=0.25", "prune.block=8", "prune.rows=4"]);
    let pruned = network(&folder, "pruned");
    let balance = Balance::new(2, 8).unwrap();
    let names = balanceable(&pruned, balance);
    assert!(names.iter().all(|name| balance.holds(pruned.weights().get(name).unwrap())));
    assert!(are_alike(&pruned, &names, 4));
    assert!(log(&folder).contains("of 4 outputs alike"), "{}", log(&folder));
}

/// Sparsity rises while the network learns; the file has what is left, and is read as the network.
#[test]
fn balanced_pruning_leaves_as_many_of_every_block() {
    let folder = prepared();
    prune(&folder, "cpu", "balanced", &["prune.keep=0.25", "prune.block=8"]);
    let (latest, pruned) = (network(&folder, "latest"), network(&folder, "pruned"));
    assert_eq!(pruned.weights().metadata()[Weights::BALANCE], "2 of 8");
    let balance = Balance::new(2, 8).unwrap();
    let names = balanceable(&pruned, balance);
    assert!(names.contains(&"body.0.body.0.weight") && !names.contains(&"head.0.weight"), "{names:?}");
    for (name, numbers) in pruned.weights().iter() {
        assert_eq!(names.contains(&name) && balance.holds(numbers), names.contains(&name), "{name}");
        assert_eq!(numbers, latest.weights().get(name).unwrap(), "{name} was so before");
    }
    let sizes = ["latest", "pruned"].map(|name| {
        let file = folder.path(&format!("experiments/tiny/models/net_g_{name}.safetensors"));
        fs::metadata(file).unwrap().len()
    });
    assert!(sizes[1] < sizes[0], "{sizes:?}");
    assert!(log(&folder).contains("2 of 8 in "), "{}", log(&folder));
}

#[test]
fn balanced_pruning_at_once_needs_no_pictures() {
    let folder = prepared();
    let args = ["prune", "dense.safetensors", "--method", "balanced", "--block", "8", "--keep", "0.25"];
    let told = folder.json(&[&args[..], &["-o", "balanced.safetensors", "--json"]].concat());
    assert_eq!(told["balance"], "2 of 8");
    assert_eq!(told["numbers"][0].as_u64().unwrap(), 4 * told["numbers"][1].as_u64().unwrap());
    let alike = folder.json(&[&args[..], &["--rows", "4", "-o", "alike.safetensors", "--json"]].concat());
    assert_eq!(
        (&alike["rows"], &alike["balance"], &alike["numbers"]),
        (&4.into(), &told["balance"], &told["numbers"])
    );
    for (file, rows, is_alike) in [("alike", 4, true), ("balanced", 4, false)] {
        let model = Model::load(&folder.path(&format!("{file}.safetensors"))).unwrap();
        assert_eq!(
            are_alike(&model, &balanceable(&model, Balance::new(2, 8).unwrap()), rows),
            is_alike,
            "{file}"
        );
    }
    let skipped =
        folder.json(&[&args[..], &["-o", "b.safetensors", "--json", "--skip", "body.0.*"]].concat());
    let left = skipped["convolutions"].as_array().unwrap().len();
    assert_eq!(left + 2, told["convolutions"].as_array().unwrap().len());
    folder.succeeds(&["upscale", "pictures/a.png", "-o", "a.png", "-m", "balanced.safetensors", "--unusual"]);
    let refused = folder.fails(&[&args[..6], &["--params", "10k", "-o", "c.safetensors"]].concat());
    assert!(refused.contains("expected --keep"), "{refused}");
}
