//! `sparsr train` as a program: what it refuses, what it leaves behind, and that a training that was interrupted ends as
//! one that was not, to the bit.

#![cfg(feature = "cli")]

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::path::Path;

use program::Folder;
use safetensors::SafeTensors;
use sparsr::learn::State;

/// A small network on small crops: twelve iterations in a second or two.
const CONFIG: &str = r#"
name = "tiny"
[network_g]
num_feat = 4
num_block = 1
[datasets.train]
dataroot_gt = ["pictures"]
lq_size = 8
batch_size = 2
[datasets.val]
dataroot_gt = ["pictures"]
[train]
total_iter = 12
warmup_iter = 2
[val]
val_freq = 6
[logger]
print_freq = 3
save_checkpoint_freq = 4
keep_checkpoints = 2
"#;

/// The same with masks, a phase every three iterations.
const MASKS: &str = r#"
[train.masks]
open = 0.25
gumbel = 0.25
spatial = 0.25
hard = 0.25
sparsity_warmup_iter = 1
"#;

/// The same with teachers, one of which has masks.
const TEACHER: &str = r#"
[teacher]
network = ["edsrmini-x2", "smsr-x2"]
cache = "taught.cache"
"#;

const SMSR: &str = "type = \"SMSR\"\nnum_feat = 4\nnum_module = 2\nnum_layer = 2\nmask_feat = 4";
const SWINIR: &str = "type = \"SwinIR\"\nembed_dim = 4\ndepths = [2]\nnum_heads = [2]\nwindow_size = 4";
const ESRT: &str = "type = \"ESRT\"\nnum_feat = 16";
const ACNET: &str = "type = \"ACNet\"\nnum_feat = 4\nnum_layer = 3";

/// The same of another network.
fn of(network: &str) -> String {
    CONFIG.replace("num_feat = 4\nnum_block = 1", network)
}

fn masked() -> String {
    of(SMSR) + MASKS
}

/// A student: pyramids need larger crops.
fn taught(config: &str) -> String {
    config.replace("lq_size = 8", "lq_size = 16") + TEACHER
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn state(folder: &Folder, iteration: u64) -> State {
    State::load(&folder.path(&format!("experiments/tiny/training_states/{iteration}.state"))).unwrap()
}

/// Without what tells how it came to be.
fn numbers(mut state: State) -> State {
    state.notes.remove("config");
    state
}

#[test]
fn what_cannot_be_trained_is_refused_and_leaves_nothing() {
    let folder = Folder::for_training(CONFIG);
    fs::write(folder.path("broken.toml"), "name = ").unwrap();
    fs::create_dir(folder.path("empty")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["absent.toml"], "absent.toml: "),
        (&["broken.toml"], "broken.toml:1: "),
        (
            &["tiny.toml", "--set", "train.total=5"],
            "--set train.total=5: unknown key; known here: total_iter",
        ),
        (&["tiny.toml", "--set", "scale=7"], "--set scale=7: scale: expected 2 to 4, found 7"),
        (&["tiny.toml", "--device", "absent"], "`absent`"),
        (&["tiny.toml", "--set", "datasets.train.dataroot_gt=['absent']"], "absent"),
        (&["tiny.toml", "--set", "datasets.train.dataroot_gt=['empty']"], "empty"),
        (&["tiny.toml", "--set", "datasets.val.dataroot_gt=['empty']"], "empty: there are no pictures"),
        (&["tiny.toml", "--set", "path.pretrain_network_g=absent.pth"], "absent.pth"),
        (
            &["tiny.toml", "--set", "path.pretrain_network_g=smsr-x2"],
            "smsr-x2: body.0.body.0.bias (not there) does not fit",
        ),
        (
            &["tiny.toml", "--set", "path.freeze=['tial*']"],
            "path.freeze: tial* is the name of no parameter; there are add_mean.bias",
        ),
        (&["tiny.toml", "--set", "path.freeze=['*']"], "no parameter is left to train"),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["train"], *args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    let outcome = folder.run(&["train", "tiny.toml", "--set", "datasets.train.lq_size=64"]);
    assert!(
        !outcome.success && outcome.stderr.contains("error: lq_size: none of the 1 pictures"),
        "{}",
        outcome.stderr
    );
    assert!(!folder.path("experiments").exists());
    let outcome = folder.run(&["train", "tiny.toml", "--set", "x"]);
    assert!(!outcome.success && outcome.stderr.contains("expected KEY=VALUE"), "{}", outcome.stderr);
}

#[test]
fn the_printed_configuration_trains() {
    let folder = Folder::for_training("");
    let printed = folder.succeeds(&["train", "--print-config"]);
    assert!(printed.contains("[train.optim_g]") && printed.contains("# "));
    fs::write(folder.path("default.toml"), printed).unwrap();
    let set = "datasets.train.dataroot_gt=['pictures']";
    let less =
        ["train.total_iter=1", "train.warmup_iter=0", "datasets.train.lq_size=8", "network_g.num_feat=2"];
    let sets = less.iter().chain([&set]).flat_map(|set| ["--set", set]);
    folder.succeeds(&["train", "default.toml"].into_iter().chain(sets).collect::<Vec<_>>());
}

#[test]
fn a_training_leaves_what_people_look_for() {
    let folder = Folder::for_training(CONFIG);
    folder.succeeds(&["train", "tiny.toml"]);
    let root = folder.path("experiments/tiny");
    let all = "curve.svg metrics.csv models tb tiny.toml train.log training_states visualization";
    assert_eq!(names(&root).join(" "), all);
    assert_eq!(fs::read_to_string(root.join("tiny.toml")).unwrap(), CONFIG);
    assert_eq!(names(&root.join("training_states")), ["12.state", "8.state"]);
    let networks = ["12", "8", "best", "latest"].map(|which| format!("net_g_{which}.safetensors"));
    assert_eq!(names(&root.join("models")), networks);
    assert_eq!(names(&root.join("visualization/a")), ["a_0.png", "a_12.png", "a_6.png"]);
    assert_eq!(names(&root.join("tb")).len(), 1);

    let metrics = fs::read_to_string(root.join("metrics.csv")).unwrap();
    let iterations: Vec<&str> = metrics.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(iterations, ["0", "3", "6", "6", "9", "12", "12"]);
    let log = fs::read_to_string(root.join("train.log")).unwrap();
    assert!(log.contains("INFO: [tiny..][epoch:  6, iter:       3, lr:(9.337e-04,)] [eta: "), "{log}");
    assert!(log.contains("INFO: Validation [iter: 12] psnr_y: ") && log.contains("(bicubic "), "{log}");

    let bytes = fs::read(root.join("models/net_g_latest.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let about = header.metadata().as_ref().unwrap();
    assert_eq!((&*about["architecture"], &*about["scale"], &*about["iteration"]), ("edsr", "2", "12"));
    assert!(about["config"].contains("lq_size = 8"));
    folder.succeeds(&[
        "upscale",
        "pictures/a.png",
        "-m",
        "experiments/tiny/models/net_g_best.safetensors",
        "--unusual",
    ]);
}

#[test]
fn a_name_is_taken_by_its_training() {
    let folder = Folder::for_training(CONFIG);
    folder.succeeds(&["train", "tiny.toml", "--set", "train.total_iter=4"]);
    let sentence = folder.fails(&["train", "tiny.toml"]);
    assert!(
        sentence.contains("there is a training of this name: --auto-resume goes on with it"),
        "{sentence}"
    );
}

/// Its sizes are no published network's, and the factor on its residuals stands in its metadata.
#[test]
fn a_pruned_network_is_trained_on_as_it_is() {
    let folder = Folder::for_training(&CONFIG.replace("num_feat = 4\nnum_block = 1\n", ""));
    folder.succeeds(&["prune", "edsrmini-x2", "-o", "small.safetensors", "--keep", "0.5", "--skip", "tail*"]);
    let from = ["train", "tiny.toml", "--set", "path.pretrain_network_g=small.safetensors", "--set"];
    folder.succeeds(&[&from[..], &["train.total_iter=4"]].concat());
    folder.succeeds(&[&from[..], &["train.total_iter=8", "--auto-resume"]].concat());
    for iteration in ["4", "8"] {
        let report = folder.json(&[
            "inspect",
            &format!("experiments/tiny/models/net_g_{iteration}.safetensors"),
            "--json",
        ]);
        assert_eq!(report["description"], "8 residual blocks, 8 channels, residuals times 2");
    }
    let sentence = folder.fails(&[&from[..], &["network_g.num_feat=8", "--set", "name=other"]].concat());
    assert!(
        sentence.contains("small.safetensors: tail.0.0.bias (expected [32], found [64]) does not fit"),
        "{sentence}"
    );
    folder.succeeds(&["prune", "edsrmini-x2", "-o", "even.safetensors", "--keep", "0.5"]);
    let sets = ["path.pretrain_network_g=even.safetensors", "network_g.num_feat=8", "name=even"];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let sentence = folder.fails(&[&["train", "tiny.toml"], &sets[..]].concat());
    let expected = "even.safetensors: expected 8 residual blocks, 8 channels, as network_g's sizes tell, found 8 residual blocks, \
                    8 channels, residuals times 2: without num_feat";
    assert!(sentence.contains(expected), "{sentence}");
}

#[test]
fn an_interrupted_training_ends_as_one_that_was_not() {
    let accumulated = CONFIG.replace("batch_size = 2", "batch_size = 1\naccum_iter = 2");
    let students = [taught(CONFIG), taught(&masked())];
    let networks = [CONFIG.to_owned(), masked(), accumulated, of(SWINIR), of(ESRT), of(ACNET)];
    for config in networks.into_iter().chain(students) {
        let whole = Folder::for_training(&config);
        whole.succeeds(&["train", "tiny.toml"]);
        // Phases of masks begin with the iterations behind 3, 6 and 9.
        for kept in [4, 8] {
            let halted = Folder::for_training(&config);
            halted.succeeds(&["train", "tiny.toml", "--set", "logger.keep_checkpoints=3"]);
            let left = ["4", "8", "12"].iter().filter(|iteration| iteration.parse::<u64>().unwrap() > kept);
            for iteration in left {
                let states = halted.path("experiments/tiny/training_states");
                fs::remove_file(states.join(format!("{iteration}.state"))).unwrap();
            }
            halted.succeeds(&["train", "tiny.toml", "--auto-resume"]);
            let [expected, found] = [&whole, &halted].map(|folder| numbers(state(folder, 12)));
            assert!(found == expected, "from {kept}: {config}");
            let [expected, found] = [&whole, &halted].map(rows);
            assert_eq!(found, expected, "from {kept}: {config}");
        }
    }
}

#[test]
fn a_student_is_taught_once() {
    let folder = Folder::for_training(&taught(CONFIG));
    let outcome = folder.run(&["distil", "tiny.toml", "--device", "cpu", "--progress", "json"]);
    let shares = outcome.stderr.lines().filter(|line| line.contains("\"event\":\"teacher\""));
    assert!(outcome.success && shares.count() == 2, "once each: {}", outcome.stderr);
    let log = fs::read_to_string(folder.path("experiments/tiny/train.log")).unwrap();
    assert!(log.contains("INFO: is taught by edsrmini-x2, smsr-x2"), "{log}");
    let cache = fs::read(folder.path("taught.cache")).unwrap();
    assert!(cache.len() > 3 * 64 * 48 && cache.starts_with(b"sparsr taught 1\n"));

    // Whoever reads the cache learns the same, and from other teachers something else.
    let again = ["distil", "tiny.toml", "--set", "name=tiny2"];
    folder.succeeds(&again);
    assert!(fs::read(folder.path("taught.cache")).unwrap() == cache);
    let other = ["distil", "tiny.toml", "--set", "name=tiny3", "--set", "teacher.network=['smsr-x2']"];
    folder.succeeds(&other);
    assert!(fs::read(folder.path("taught.cache")).unwrap() != cache);
    let losses =
        |name: &str| fs::read_to_string(folder.path(&format!("experiments/{name}/metrics.csv"))).unwrap();
    let losses = ["tiny", "tiny2", "tiny3"].map(losses).map(|text| column(&text, 3));
    assert!(losses[0] == losses[1] && losses[0] != losses[2], "{losses:?}");
}

#[test]
fn teachers_that_cannot_teach_are_refused_and_leave_nothing() {
    let folder = Folder::for_training(&taught(CONFIG));
    fs::write(folder.path("plain.toml"), CONFIG).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["plain.toml"],
            "plain.toml: teacher.network: expected a network to learn from, found none; `sparsr train` learns without one",
        ),
        (&["tiny.toml", "--set", "teacher.network=['absent.pth']"], "teacher.network: absent.pth: "),
        (
            &["tiny.toml", "--set", "teacher.network=['edsrmini-x3']"],
            "teacher.network: builtin:edsrmini-x3: expected a network of x2, found one of x3",
        ),
        (
            &["tiny.toml", "--set", "datasets.train.lq_size=24", "--set", "scale=3"],
            "datasets.train.lq_size: expected lq_size times scale to be a multiple of 16 and at least 32, for MultiLap, \
             found 24 times 3, which is 72",
        ),
        (
            &["tiny.toml", "--set", "datasets.train.type=degraded"],
            "datasets.train.type: expected paired with a [teacher], which sees the small pictures as they are, found `degraded`",
        ),
        (
            &["tiny.toml", "--set", "datasets.train.cache=taught.cache"],
            "teacher.cache: expected another file than datasets.train.cache, found taught.cache",
        ),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["distil"], *args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    let sentence = folder.fails(&["train", "plain.toml", "--set", "teacher.cache=a"]);
    let expected =
        "teacher.network: expected a checkpoint or a built-in name, since [teacher] says more, found none";
    assert!(sentence.contains(expected), "{sentence}");
}

#[test]
fn on_a_gpu_it_learns_the_same_and_ends_the_same_if_interrupted() {
    let Some(gpu) = adapter::gpu("sparsr train on a GPU") else { return };
    let train = |folder: &Folder, args: &[&str]| {
        let outcome = folder.run(&[&["train", "tiny.toml"], args].concat());
        assert!(outcome.success, "{}", outcome.stderr);
    };
    for config in [CONFIG.to_owned(), masked(), taught(&of(SWINIR)), of(ESRT), of(ACNET)] {
        let [by_cpu, whole, halted] = [0; 3].map(|_| Folder::for_training(&config));
        train(&by_cpu, &["--device", "cpu"]);
        train(&whole, &["--device", gpu.name()]);
        let log = fs::read_to_string(whole.path("experiments/tiny/train.log")).unwrap();
        assert!(log.contains(&format!("trains on {}: values and their gradients ", gpu.name())), "{log}");
        for (found, expected) in losses(&whole).iter().zip(losses(&by_cpu)) {
            assert!(
                (found / expected - 1.0).abs() < 1e-3,
                "{found} on the GPU, {expected} on the CPU: {config}"
            );
        }
        train(&halted, &["--device", gpu.name(), "--set", "logger.keep_checkpoints=3"]);
        for iteration in [8, 12] {
            fs::remove_file(halted.path(&format!("experiments/tiny/training_states/{iteration}.state")))
                .unwrap();
        }
        train(&halted, &["--device", gpu.name(), "--auto-resume"]);
        assert!(numbers(state(&whole, 12)) == numbers(state(&halted, 12)), "{config}");
    }
}

/// The losses that were told.
fn losses(folder: &Folder) -> Vec<f64> {
    column(&fs::read_to_string(folder.path("experiments/tiny/metrics.csv")).unwrap(), 3)
}

/// The numbers of a column of `metrics.csv`.
fn column(text: &str, at: usize) -> Vec<f64> {
    text.lines().filter_map(|line| line.split(',').nth(at)?.parse().ok()).collect()
}

/// Iterations and PSNRs.
fn rows(folder: &Folder) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.path("experiments/tiny/metrics.csv")).unwrap();
    let cells = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_owned(), cells[7].to_owned())
    };
    text.lines().map(cells).collect()
}

#[test]
fn a_damaged_state_is_passed_over_and_other_settings_are_told() {
    let folder = Folder::for_training(CONFIG);
    folder.succeeds(&["train", "tiny.toml"]);
    fs::write(folder.path("experiments/tiny/training_states/12.state"), "half").unwrap();
    let args = [
        "train",
        "tiny.toml",
        "--auto-resume",
        "--set",
        "train.optim_g.lr=1e-4",
        "--set",
        "train.total_iter=14",
    ];
    let outcome = folder.run(&args);
    assert!(outcome.success, "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("warning: "), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("12.state: expected a training's state, found none"),
        "{}",
        outcome.stderr
    );
    let log = fs::read_to_string(folder.path("experiments/tiny/train.log")).unwrap();
    assert!(log.contains("goes on from iteration 8"), "{log}");
    let changes = "with other settings: train.optim_g.lr: 0.001 → 0.0001, train.total_iter: 12 → 14";
    assert!(log.contains(changes), "{log}");

    let sentence = folder.fails(&["train", "tiny.toml", "--auto-resume", "--set", "network_g.num_feat=8"]);
    assert!(sentence.contains("training state: ") && sentence.contains("expected"), "{sentence}");
}

#[test]
fn a_training_that_diverges_keeps_what_was_saved() {
    let folder = Folder::for_training(CONFIG);
    folder.succeeds(&["train", "tiny.toml", "--set", "train.total_iter=4"]);
    let hot = [
        "--set",
        "train.optim_g.lr=1e38",
        "--set",
        "train.warmup_iter=0",
        "--set",
        "train.scheduler.eta_min=1e38",
    ];
    let outcome = folder.run(&[&["train", "tiny.toml", "--auto-resume"], &hot[..]].concat());
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("error: iteration "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("; the state of iteration 4 is kept"), "{}", outcome.stderr);
    assert_eq!(names(&folder.path("experiments/tiny/training_states")), ["4.state"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_a_kill_leaves_whole_files() {
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let folder = Folder::for_training(&CONFIG.replace("total_iter = 12", "total_iter = 1000000"));
        let mut child = folder.spawn(&["train", "tiny.toml", "--set", "logger.save_checkpoint_freq=1"]);
        let states = folder.path("experiments/tiny/training_states");
        while !states.exists() || names(&states).len() < 2 {
            assert!(child.try_wait().unwrap().is_none(), "it is under way");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(
            std::process::Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        for name in names(&states).iter().filter(|name| !name.starts_with('.')) {
            State::load(&states.join(name)).unwrap();
        }
        // What a killed process was writing nobody takes back.
        for folder in
            [states.clone(), folder.path("experiments/tiny/models"), folder.path("experiments/tiny")]
        {
            let unfinished =
                names(&folder).into_iter().filter(|name| code.is_none() && name.contains(".sparsr-"));
            unfinished.for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        }
        let last = names(&states)
            .iter()
            .filter_map(|name| name.strip_suffix(".state")?.parse::<u64>().ok())
            .max()
            .unwrap();
        let total = format!("train.total_iter={}", last + 1);
        folder.succeeds(&[
            "train",
            "tiny.toml",
            "--auto-resume",
            "--set",
            &total,
            "--set",
            "val.save_img=false",
        ]);
        assert!(states.join(format!("{}.state", last + 1)).exists(), "{signal}");
    }
}

#[test]
fn progress_is_told_as_events() {
    let folder = Folder::for_training(CONFIG);
    let outcome = folder.run(&["train", "tiny.toml", "--progress", "json"]);
    assert!(outcome.success, "{}", outcome.stderr);
    let events: Vec<serde_json::Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).expect("an event a line")).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "start",
        "validation",
        "iteration",
        "saved",
        "iteration",
        "validation",
        "saved",
        "iteration",
        "iteration",
        "validation",
        "saved",
        "end",
    ];
    assert_eq!(names, expected);
    assert!(events[1]["psnr_y"].as_f64().unwrap() > 5.0 && events[2]["loss"].as_f64().unwrap() > 0.0);
}

/// A clone has no photographs.
#[test]
#[cfg(unix)]
fn without_pictures_the_script_says_what_to_get() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/continue.sh");
    let outcome = std::process::Command::new(script).env("SPARSR_TRAINING", "absent").output().unwrap();
    let told = String::from_utf8(outcome.stdout).unwrap();
    assert!(outcome.status.success() && told.starts_with("There are no pictures to learn from"), "{told}");
}
