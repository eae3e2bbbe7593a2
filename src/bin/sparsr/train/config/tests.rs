mod structures;

use super::super::schema::Config;
use super::super::settings::{Cut, LossKind, Rate, Settings, Sizes};
use super::*;
use sparsr::learn::fresh;

/// What a configuration needs at least.
const LEAST: &str = "[datasets.train]\ndataroot_gt = [\"photographs\"]\n";

fn sets(texts: &[&str]) -> Vec<Set> {
    texts.iter().map(|text| Set::parse(text).unwrap()).collect()
}

fn read(text: &str, laid: &[&str]) -> Result<Settings> {
    let (config, given) = parse("a.toml", text, &sets(laid))?;
    Settings::new(config, &given)
}

#[test]
fn the_printed_configuration_is_the_default() {
    let (config, given) = parse("default.toml", DEFAULT, &[]).unwrap();
    assert_eq!(config, Config::default());
    // What is there for other types does not stand in the way.
    let sentence = Settings::new(config, &given).err().unwrap().to_string();
    assert!(sentence.contains("datasets.train.dataroot_gt: expected a folder of pictures"), "{sentence}");
    // Every key is there, those without a value as a comment.
    let mut keys = Vec::new();
    let parts = [include_str!("../schema.rs"), include_str!("../schema/search.rs")];
    let lines = parts.iter().flat_map(|part| part.split("impl Default").next().unwrap().lines());
    for line in lines {
        let field = line.trim().strip_prefix("pub ").and_then(|line| line.split_once(": "));
        keys.extend(field.map(|(name, _)| if name == "kind" { "type" } else { name }));
    }
    assert!(keys.len() > 60, "{keys:?}");
    let words: Vec<&str> = DEFAULT.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let absent: Vec<&str> = keys.into_iter().filter(|key| !words.contains(key)).collect();
    assert_eq!(absent, Vec::<&str>::new());
}

#[test]
fn recipes_hold_together() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/recipes");
    let recipes = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for recipe in recipes {
        let settings = read(&std::fs::read_to_string(&recipe).unwrap(), &[]);
        let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", recipe.display()));
        assert_eq!(Some(&*settings.config.name), recipe.file_stem().and_then(|name| name.to_str()));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let settings = read(LEAST, &[]).unwrap();
    assert_eq!(settings.sizes, Sizes::Edsr { channels: 16, blocks: 8 });
    assert_eq!(settings.rate, Rate::Cosine { last: 1e-5 });
    assert_eq!((settings.clip, settings.border()), (Some(Cut::Auto), 2));
    assert!(settings.masks.is_none() && settings.groups.is_empty() && settings.freeze.len() == 2);
}

#[test]
fn a_swinir_is_the_checkpoints_or_of_the_sizes_that_are_given() {
    let sizes = |network: &str, laid: &[&str]| {
        read(&format!("{LEAST}[network_g]\ntype = \"SwinIR\"\n{network}"), laid).unwrap().sizes
    };
    let (depths, heads) = (vec![4; 3], vec![6; 3]);
    let mini = fresh::SwinIr { channels: 24, depths, heads, window: 8, expansion: 2, scale: 2 };
    assert_eq!(sizes("", &[]), Sizes::SwinIr(mini.clone()));
    let from = ["path.pretrain_network_g=a.pth"];
    assert_eq!(sizes("", &from), Sizes::Checkpoint(Some("swinir")));
    let other = fresh::SwinIr { depths: vec![2, 6], heads: vec![2, 12], window: 4, ..mini };
    let given = "depths = [2, 6]\nnum_heads = [2, 12]\nwindow_size = 4";
    assert_eq!(sizes(given, &from), Sizes::SwinIr(other));
}

#[test]
fn esrt_and_acnet_are_the_checkpoints_or_of_the_sizes_that_are_given() {
    let sizes = |network: &str, laid: &[&str]| {
        read(&format!("{LEAST}[network_g]\ntype = {network}"), laid).unwrap().sizes
    };
    let from = ["path.pretrain_network_g=a.pth"];
    assert_eq!(sizes("\"ESRT\"", &[]), Sizes::Esrt { channels: 32 });
    assert_eq!(sizes("\"ESRT\"", &from), Sizes::Checkpoint(Some("esrt")));
    assert_eq!(sizes("\"ESRT\"\nnum_feat = 48", &from), Sizes::Esrt { channels: 48 });
    assert_eq!(sizes("\"ACNet\"", &[]), Sizes::AcNet { channels: 64, layers: 17 });
    assert_eq!(sizes("\"ACNet\"", &from), Sizes::Checkpoint(Some("acnet")));
    assert_eq!(sizes("\"ACNet\"\nnum_layer = 5", &from), Sizes::AcNet { channels: 64, layers: 5 });
}

#[test]
fn a_configuration_says_what_it_means() {
    let text = r#"
name = "smsr-x3"
scale = 3
network_g = { type = "SMSR", num_feat = 64 }
[datasets.train]
dataroot_gt = ["a", "b"]
lq_size = 24
[train]
grad_clip = 1
optim_g = { type = "AdamW", weight_decay = 1e-2, groups = [{ pattern = "*.ch_mask", lr_factor = 10 }] }
scheduler = { type = "MultiStepLR", milestones = [10, 20] }
[[train.losses]]
type = "CharbonnierLoss"
eps = 1e-3
[[train.losses]]
type = "MSE"
loss_weight = 0.5
[teacher]
network = ["a.pth", "smsr-x2"]
losses = [{ type = "L1" }, { type = "MultiLapLoss", loss_weight = 2 }]
"#;
    let settings =
        read(text, &["datasets.train.lq_size=32", "train.losses.1.loss_weight=2", "train.masks.density=0.5"])
            .unwrap();
    let (modules, layers, mask_channels, attention_channels) = (5, 4, 16, 4);
    assert_eq!(
        settings.sizes,
        Sizes::Smsr { channels: 64, modules, layers, mask_channels, attention_channels }
    );
    assert_eq!(settings.rate, Rate::Steps { milestones: vec![10, 20], gamma: 0.5 });
    assert_eq!((settings.clip, settings.border()), (Some(Cut::Norm(1.0)), 3));
    assert_eq!(settings.masks.map(|masks| masks.density), Some(0.5));
    let [(pattern, factor)] = &settings.groups[..] else { panic!("one group") };
    assert!(pattern.matches("body.0.body.ch_mask") && *factor == 10.0);
    let kinds = [LossKind::Charbonnier { epsilon: 1e-3 }, LossKind::Mse];
    let losses: Vec<_> = settings.losses.iter().map(|loss| (loss.kind, loss.weight)).collect();
    assert_eq!(losses, [(kinds[0], 1.0), (kinds[1], 2.0)]);
    let losses: Vec<_> = settings.teacher_losses.iter().map(|loss| (loss.kind, loss.weight)).collect();
    assert_eq!(losses, [(LossKind::L1, 1.0), (LossKind::MultiLap, 2.0)]);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let cases: &[(&str, &str)] = &[
        // What is no TOML, no key or no kind.
        ("name = ", "a.toml:1: "),
        ("scale = 2\nscale = 3", "a.toml:2: duplicate key"),
        ("nam = \"a\"", "a.toml:1: nam: unknown key; known here: name, scale, manual_seed, network_g, path,"),
        (
            "[train]\ntotal_it = 5",
            "a.toml:2: train.total_it: unknown key; known here: total_iter, warmup_iter,",
        ),
        (
            "[train.optim_g]\n\nlr = \"fast\"",
            "a.toml:3: train.optim_g.lr: expected a number, found string \"fast\"",
        ),
        ("scale = -2", "a.toml:1: scale: expected a whole number of 0 or more, found integer -2"),
        ("scale = 2.5", "a.toml:1: scale: expected a whole number of 0 or more, found floating point 2.5"),
        (
            "datasets.train.use_rot = 1",
            "a.toml:1: datasets.train.use_rot: expected true or false, found integer 1",
        ),
        ("[path]\nfreeze = \"a\"", "a.toml:2: path.freeze: expected a list, found string \"a\""),
        ("train = 5", "a.toml:1: train: expected a table, found integer 5"),
        ("[train.optim_g]\nbetas = [0.9]", "a.toml:2: train.optim_g.betas: expected a list of two, found 1"),
        ("[train]\ngrad_clip = true", "a.toml:2: train.grad_clip: expected a number or \"auto\""),
        ("[[train.losses]]\n[[train.losses]]\ntyp = 1", "a.toml:3: train.losses.1.typ: unknown key"),
        // Ranges.
        ("name = \"a/b\"", "a.toml:1: name: expected a name for a folder, found `a/b`"),
        ("name = \"\"", "a.toml:1: name: expected a name for a folder"),
        ("scale = 5", "a.toml:1: scale: expected 2 to 4, found 5"),
        ("[path]\nexperiments_root = \"\"", "a.toml:2: path.experiments_root: expected a folder"),
        ("[val]\nval_freq = 0", "a.toml:2: val.val_freq: expected 1 to "),
        ("[val]\ncrop_border = 5000", "a.toml:2: val.crop_border: expected 0 to 1024, found 5000"),
        ("[logger]\nprint_freq = 0", "a.toml:2: logger.print_freq: expected 1 to "),
        ("[logger]\nsave_checkpoint_freq = 0", "logger.save_checkpoint_freq: expected 1 to "),
        ("[logger]\nkeep_checkpoints = 0", "logger.keep_checkpoints: expected 1 to 1024, found 0"),
        (
            "[datasets.val]\ndataroot_lq = [\"a\"]",
            "a.toml:2: datasets.val.dataroot_lq: expected none, or as many folders as dataroot_gt has (0), found 1",
        ),
        (
            "[datasets.train]\ndataroot_gt = []",
            "a.toml:2: datasets.train.dataroot_gt: expected a folder of pictures, found none",
        ),
        (
            "[datasets.train]\ntype = \"otf\"",
            "a.toml:2: datasets.train.type: expected paired or degraded, found `otf`",
        ),
        ("[train]\ntotal_iter = 0", "a.toml:2: train.total_iter: expected 1 to "),
        ("[train]\ntotal_iter = 5\nwarmup_iter = 6", "a.toml:3: train.warmup_iter: expected 0 to 5, found 6"),
        ("[train]\nema_decay = 1.0", "a.toml:2: train.ema_decay: expected 0 or more and below 1, found 1"),
        (
            "[train]\ngrad_clip = 0",
            "a.toml:2: train.grad_clip: expected a number above 0, auto or none, found 0",
        ),
        ("[train]\ngrad_clip = \"x\"", "train.grad_clip: expected a number above 0, auto or none, found `x`"),
        ("[train]\nunit = 0", "a.toml:2: train.unit: expected a number above 0, found 0"),
        ("[train]\nprecision = \"half\"", "a.toml:2: train.precision: expected f32 or f16, found `half`"),
        ("[train]\nlosses = []", "a.toml:2: train.losses: expected a loss, found none"),
        (
            "[train.optim_g]\ntype = \"SGD\"",
            "a.toml:2: train.optim_g.type: expected Adam or AdamW, found `SGD`",
        ),
        ("[train.optim_g]\nlr = 0", "a.toml:2: train.optim_g.lr: expected a number above 0, found 0"),
        ("[train.optim_g]\nlr = nan", "a.toml:2: train.optim_g.lr: expected a number above 0, found NaN"),
        (
            "[train.optim_g]\nbetas = [0.9, 1]",
            "train.optim_g.betas: expected two of 0 or more and below 1, found [0.9, 1.0]",
        ),
        ("[train.optim_g]\neps = 0", "train.optim_g.eps: expected a number above 0, found 0"),
        (
            "[train.optim_g]\nweight_decay = 0.1",
            "train.optim_g.weight_decay: expected 0 with Adam: it is AdamW that decays weights, found 0.1",
        ),
        (
            "[train.optim_g]\ntype = \"AdamW\"\nweight_decay = -1",
            "a.toml:3: train.optim_g.weight_decay: expected 0 or more, found -1",
        ),
        (
            "[train.optim_g]\ngroups = [{ lr_factor = 2 }]",
            "a.toml:2: train.optim_g.groups.0.pattern: expected a pattern such as *.spa_mask.*, found none",
        ),
        (
            "[[train.optim_g.groups]]\npattern = \"a\"\nlr_factor = 0",
            "a.toml:3: train.optim_g.groups.0.lr_factor: expected a number above 0, found 0",
        ),
        (
            "[path]\nfreeze = [\"a***b\"]",
            "a.toml:2: path.freeze: expected a pattern such as *.spa_mask.*, found `a***b`",
        ),
        // Keys of another type.
        (
            "[train.scheduler]\ntype = \"Step\"",
            "a.toml:2: train.scheduler.type: expected Cosine or MultiStepLR, found `Step`",
        ),
        (
            "[train.scheduler]\ngamma = 0.5",
            "a.toml:2: train.scheduler.gamma: it is MultiStepLR's, and the type is Cosine",
        ),
        (
            "[train.scheduler]\neta_min = 1.0",
            "a.toml:2: train.scheduler.eta_min: expected 0 to lr, which is 0.001, found 1",
        ),
        (
            "[train.scheduler]\ntype = \"MultiStepLR\"\nmilestones = [2, 2]",
            "a.toml:3: train.scheduler.milestones: expected iterations that rise, found [2, 2]",
        ),
        (
            "[train.scheduler]\ntype = \"MultiStepLR\"",
            "a.toml:1: train.scheduler.milestones: expected iterations that rise, found []",
        ),
        (
            "[train.scheduler]\ntype = \"MultiStepLR\"\nmilestones = [2]\ngamma = 2",
            "a.toml:4: train.scheduler.gamma: expected a number above 0, 1 at most, found 2",
        ),
        (
            "[[train.losses]]\ntype = \"L3\"",
            "a.toml:2: train.losses.0.type: expected L1, Charbonnier, MSE or MultiLap, found `L3`",
        ),
        (
            "[[train.losses]]\ntype = \"perceptual\"",
            "a.toml:2: train.losses.0.type: `perceptual` is not made in this version",
        ),
        (
            "[[train.losses]]\ntype = \"GANLoss\"",
            "a.toml:2: train.losses.0.type: `GANLoss` is not made in this version",
        ),
        (
            "[[train.losses]]\nloss_weight = 0",
            "a.toml:2: train.losses.0.loss_weight: expected a number above 0, found 0",
        ),
        (
            "[[train.losses]]\neps = 1e-3",
            "a.toml:2: train.losses.0.eps: expected none: it is Charbonnier's, found 0.001",
        ),
        (
            "[network_g]\ntype = \"ResNet\"",
            "a.toml:2: network_g.type: expected EDSR, LEDSR, SMSR, SwinIR, ESRT, ACNet, TrilevelNAS, Checkpoint or an architecture that `sparsr models` lists, found `ResNet`",
        ),
        (
            "[network_g]\ntype = \"RLFN\"",
            "a.toml:2: network_g.type: RLFN starts from a checkpoint: name one in path.pretrain_network_g",
        ),
        (
            "[network_g]\nnum_layer = 4",
            "a.toml:2: network_g.num_layer: no size of EDSR: it has num_feat, num_block, res_scale",
        ),
        (
            "[network_g]\ntype = \"RLFN\"\nnum_feat = 4",
            "a.toml:3: network_g.num_feat: no size of RLFN: its checkpoint tells its sizes",
        ),
        ("[network_g]\nnum_feat = 0", "a.toml:2: network_g.num_feat: expected 1 to 1024, found 0"),
        (
            "[network_g]\nnum_feat = 64\nres_scale = 0.5",
            "a.toml:3: network_g.res_scale: expected 1 with num_feat 64 and num_block 8: no tensor tells it",
        ),
        (
            "[network_g]\ntype = \"SwinIR\"\nnum_feat = 60",
            "a.toml:3: network_g.num_feat: no size of SwinIR: it has embed_dim, depths, num_heads, window_size, mlp_ratio",
        ),
        (
            "[network_g]\ntype = \"SwinIR\"\ndepths = [6]",
            "a.toml:1: network_g.num_heads: expected as many numbers as depths has (1), found 3",
        ),
        (
            "[network_g]\ntype = \"SwinIR\"\nnum_heads = [6, 5, 6]",
            "a.toml:3: network_g.num_heads: expected numbers that divide embed_dim, which is 24, found [6, 5, 6]",
        ),
        (
            "[network_g]\ntype = \"SwinIR\"\ndepths = []",
            "a.toml:3: network_g.depths: expected a number for each block, found none",
        ),
        (
            "[network_g]\ntype = \"ESRT\"\nnum_feat = 24",
            "a.toml:3: network_g.num_feat: expected a multiple of 16 for ESRT, found 24",
        ),
        (
            "[network_g]\ntype = \"ACNet\"\nnum_block = 4",
            "a.toml:3: network_g.num_block: no size of ACNet: it has num_feat, num_layer",
        ),
        // Teachers.
        (
            "[teacher]\nnetworks = []",
            "a.toml:2: teacher.networks: unknown key; known here: network, cache, losses",
        ),
        (
            "[teacher]\ncache = \"a\"",
            "a.toml:1: teacher.network: expected a checkpoint or a built-in name, since [teacher] says more, found none",
        ),
        (
            "[teacher]\nnetwork = [\"a\"]\nlosses = []",
            "a.toml:3: teacher.losses: expected a loss, found none",
        ),
        (
            "[teacher]\nnetwork = [\"a\"]\n[[teacher.losses]]\ntype = \"L3\"",
            "a.toml:4: teacher.losses.0.type: expected L1, Charbonnier, MSE or MultiLap, found `L3`",
        ),
        (
            "scale = 3\n[datasets.train]\ndataroot_gt = [\"a\"]\nlq_size = 24\n[[train.losses]]\ntype = \"MultiLap\"",
            "a.toml:4: datasets.train.lq_size: expected lq_size times scale to be a multiple of 16 and at least 32, for MultiLap",
        ),
        // Masks.
        (
            "[train.masks]\ndensity = 0.5",
            "a.toml:1: train.masks: masks are SMSR's, and network_g.type is another",
        ),
    ];
    for (text, expected) in cases {
        let laid = if text.contains("dataroot_gt") {
            vec![]
        } else {
            vec![Set::parse("datasets.train.dataroot_gt=['a']").unwrap()]
        };
        let parsed = parse("a.toml", text, &laid);
        let sentence = parsed.and_then(|(config, given)| Settings::new(config, &given)).err();
        let sentence = sentence.unwrap_or_else(|| panic!("{text:?} is taken")).to_string();
        assert!(
            sentence.starts_with(expected) || !expected.starts_with("a.toml") && sentence.contains(expected),
            "{text:?}: {sentence}"
        );
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn mistakes_in_data_and_masks_are_named_too() {
    let data = |rest: &str| format!("{LEAST}{rest}\n[datasets.train.degradation]\n");
    let smsr = |rest: &str| format!("{LEAST}[network_g]\ntype = \"SMSR\"\n[train.masks]\n{rest}");
    let plain = |rest: &str| format!("{LEAST}{rest}");
    let cases: &[(String, &str)] = &[
        (
            plain("dataroot_lq = [\"a\", \"b\"]"),
            "a.toml:3: datasets.train.dataroot_lq: expected none, or as many folders as dataroot_gt has (1), found 2",
        ),
        (plain("lq_size = 4"), "a.toml:3: datasets.train.lq_size: expected 8 to 1024, found 4"),
        (plain("batch_size = 0"), "a.toml:3: datasets.train.batch_size: expected 1 to 1024, found 0"),
        (plain("accum_iter = 0"), "a.toml:3: datasets.train.accum_iter: expected 1 to 1024, found 0"),
        (
            plain("drop_flat = 1.0"),
            "a.toml:3: datasets.train.drop_flat: expected 0 or more and below 1, found 1",
        ),
        (data("") + "blur_prob = 0.2", "a.toml:4: datasets.train.degradation: it is for type = \"degraded\""),
        (
            data("type = \"degraded\"\ndataroot_lq = [\"a\"]"),
            "a.toml:4: datasets.train.dataroot_lq: expected none: small pictures are made, found 1",
        ),
        (
            data("type = \"degraded\"") + "blur_prob = 2",
            "a.toml:5: datasets.train.degradation.blur_prob: expected 0 to 1, found 2",
        ),
        (
            data("type = \"degraded\"") + "jpeg_range = [0, 50]",
            "a.toml:5: datasets.train.degradation.jpeg_range: expected [from, to] within 1 to 100, found [0, 50]",
        ),
        (
            data("type = \"degraded\"") + "blur_sigma = [2, 1]",
            "a.toml:5: datasets.train.degradation.blur_sigma: expected [from, to] within 0 to 2.5, found [2, 1]",
        ),
        (
            smsr("").replace("gt = [\"photographs\"]", "gt = [\"photographs\"]\nlq_size = 25"),
            "a.toml:3: datasets.train.lq_size: expected an even number for SMSR, found 25",
        ),
        (
            plain("lq_size = 25\n[network_g]\ntype = \"ESRT\""),
            "a.toml:3: datasets.train.lq_size: expected an even number for ESRT, found 25",
        ),
        (
            smsr("open = 0.5"),
            "a.toml:5: train.masks: expected open, gumbel, spatial and hard that add up to 1, found 1.33",
        ),
        (smsr("open = -1"), "a.toml:6: train.masks.open: expected 0 to 1, found -1"),
        (smsr("tau_to = 0"), "a.toml:6: train.masks.tau_to: expected a number above 0, found 0"),
        (smsr("steering_gain = -1"), "a.toml:6: train.masks.steering_gain: expected 0 or more, found -1"),
        (
            smsr("thresholds = \"none\""),
            "a.toml:6: train.masks.thresholds: expected density or zero, found `none`",
        ),
        (
            smsr("sparsity_weight = 2"),
            "a.toml:6: train.masks.sparsity_weight: expected 0.02 (sparsity_weight_min) to 1 (sparsity_weight_max), found 2",
        ),
        (
            smsr("density = 0.05"),
            "a.toml:6: train.masks.density: expected 0.1 (module_density_min) to 0.95 (module_density_max), found 0.05",
        ),
    ];
    for (text, expected) in cases {
        let sentence = read(text, &[]).err().unwrap_or_else(|| panic!("{text:?} is taken")).to_string();
        assert!(sentence.starts_with(expected), "{text:?}: {sentence}");
    }
}

#[test]
fn what_is_laid_over_is_named_as_it_was_given() {
    let cases: &[(&str, &str)] = &[
        ("train.total_iter=0", "--set train.total_iter=0: train.total_iter: expected 1 to "),
        ("train.totl=1", "--set train.totl=1: unknown key; known here: total_iter"),
        (
            "train.total_iter=x",
            "--set train.total_iter=x: expected a whole number of 0 or more, found string \"x\"",
        ),
        ("name.x=1", "--set name.x=1: name has a value and no keys"),
        (
            "train.losses.1.eps=1",
            "--set train.losses.1.eps=1: losses is a list of 1: expected a number below that after it",
        ),
    ];
    let text = format!("name = \"a\"\n{LEAST}[[train.losses]]\ntype = \"L1\"\n");
    for (set, expected) in cases {
        let sentence = read(&text, &[set]).err().unwrap_or_else(|| panic!("{set} is taken")).to_string();
        assert!(sentence.starts_with(expected), "{set}: {sentence}");
    }
    for (set, expected) in
        [("train.total_iter", "expected KEY=VALUE"), ("=1", "expected a key"), ("a..b=1", "expected a key")]
    {
        assert!(Set::parse(set).unwrap_err().starts_with(expected), "{set}");
    }
}

#[test]
fn the_copy_of_a_configuration_reads_as_what_was_trained() {
    let text = format!("# mine\n{LEAST}");
    let (config, given) = parse("a.toml", &text, &[]).unwrap();
    assert_eq!(given.copy(&config).unwrap(), text);
    let (config, given) = parse("a.toml", &text, &sets(&["train.optim_g.lr=0.5", "name=b"])).unwrap();
    let copy = given.copy(&config).unwrap();
    assert!(copy.starts_with("# a.toml --set train.optim_g.lr=0.5 --set name=b\n"), "{copy}");
    assert_eq!(parse("b.toml", &copy, &[]).unwrap().0, config);
    assert_eq!((config.train.optim_g.lr, &*config.name), (0.5, "b"));
}
