//! What a configuration may say: the keys by the names that users of BasicSR, traiNNer and neosr know, and their
//! defaults. `default.toml` is the same with a comment a key; a test holds the two together.
//!
//! Where keys depend on a `type`, each is optional here: `check.rs` says which belong to which.

mod search;

pub use search::Search;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub name: String,
    pub scale: u64,
    pub manual_seed: u64,
    pub network_g: Network,
    pub path: Path,
    pub datasets: Datasets,
    pub train: Train,
    pub prune: Prune,
    pub search: Search,
    pub teacher: Teacher,
    pub val: Val,
    pub logger: Logger,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    #[serde(rename = "type")]
    pub kind: String,
    pub num_feat: Option<u64>,
    pub num_block: Option<u64>,
    pub res_scale: Option<f64>,
    pub num_module: Option<u64>,
    pub num_layer: Option<u64>,
    pub mask_feat: Option<u64>,
    pub attention_feat: Option<u64>,
    pub embed_dim: Option<u64>,
    pub depths: Option<Vec<u64>>,
    pub num_heads: Option<Vec<u64>>,
    pub window_size: Option<u64>,
    pub mlp_ratio: Option<u64>,
    pub variant: Option<String>,
    pub path: Option<Vec<u64>>,
    pub genotype: Option<Vec<Vec<u64>>>,
    pub widths: Option<Vec<Vec<u64>>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Path {
    pub experiments_root: String,
    pub pretrain_network_g: String,
    pub strict_load_g: bool,
    pub freeze: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Datasets {
    pub train: Training,
    pub val: Validation,
}

/// `datasets.train`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    #[serde(rename = "type")]
    pub kind: String,
    pub dataroot_gt: Vec<String>,
    pub dataroot_lq: Vec<String>,
    pub lq_size: u64,
    pub batch_size: u64,
    pub accum_iter: u64,
    pub use_hflip: bool,
    pub use_rot: bool,
    pub drop_flat: f64,
    pub also_shrunk_above: Option<u64>,
    pub heldout: String,
    pub cache: String,
    pub degradation: Degradation,
}

/// What a photograph went through, for `type = "degraded"`: ranges from which each picture's are drawn.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Degradation {
    pub clean_prob: f64,
    pub blur_prob: f64,
    pub blur_aniso_prob: f64,
    pub blur_sigma: [f64; 2],
    pub resize_prob: f64,
    pub resize_range: [f64; 2],
    pub noise_prob: f64,
    pub noise_range: [f64; 2],
    pub poisson_prob: f64,
    pub gray_noise_prob: f64,
    pub jpeg_prob: f64,
    pub final_jpeg_prob: f64,
    pub jpeg_range: [u8; 2],
    pub half_chroma_prob: f64,
}

/// `datasets.val`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    pub dataroot_gt: Vec<String>,
    pub dataroot_lq: Vec<String>,
    pub jpeg_quality: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    pub total_iter: u64,
    pub warmup_iter: u64,
    pub ema_decay: f64,
    pub grad_clip: Clip,
    pub unit: f64,
    pub precision: String,
    pub optim_g: Optimiser,
    pub scheduler: Scheduler,
    pub losses: Vec<Loss>,
    pub masks: Masks,
}

/// The norm that a gradient is cut to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a number or \"auto\"")]
pub enum Clip {
    Norm(f64),
    Word(String),
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimiser {
    #[serde(rename = "type")]
    pub kind: String,
    pub lr: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    pub groups: Option<Vec<Group>>,
}

/// Parameters whose rate is another.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    pub pattern: String,
    pub lr_factor: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scheduler {
    #[serde(rename = "type")]
    pub kind: String,
    pub eta_min: Option<f64>,
    pub milestones: Option<Vec<u64>>,
    pub gamma: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loss {
    #[serde(rename = "type")]
    pub kind: String,
    pub loss_weight: f64,
    pub eps: Option<f64>,
}

/// The networks that it learns from besides.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Teacher {
    pub network: Vec<String>,
    pub cache: String,
    pub losses: Vec<Loss>,
}

/// How SMSR's masks are learnt.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Masks {
    pub open: f64,
    pub gumbel: f64,
    pub spatial: f64,
    pub hard: f64,
    pub tau_from: f64,
    pub tau_to: f64,
    pub tau_share: f64,
    pub density: f64,
    pub module_density_min: f64,
    pub module_density_max: f64,
    pub sparsity_weight: f64,
    pub sparsity_warmup_iter: u64,
    pub steering_gain: f64,
    pub steering_proportion: f64,
    pub sparsity_weight_min: f64,
    pub sparsity_weight_max: f64,
    pub thresholds: String,
}

/// `prune`: what `sparsr prune` takes away, and how.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prune {
    pub method: String,
    pub keep: Option<f64>,
    pub macs: Option<Count>,
    pub params: Option<Count>,
    pub size: String,
    pub skip: Vec<String>,
    pub rank: f64,
    pub align: f64,
    pub grow: f64,
    pub settle: f64,
    pub pull: String,
    pub reg_interval: u64,
    pub reg_upper_limit: f64,
    pub lambda: f64,
    pub orthant_eps: f64,
    pub prox: f64,
    pub block: u64,
    pub rows: u64,
}

/// A count: a number, or one as people write it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a count such as 200000 or \"200k\"")]
pub enum Count {
    Number(u64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Val {
    pub val_freq: u64,
    pub crop_border: Option<u64>,
    pub save_img: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logger {
    pub print_freq: u64,
    pub save_checkpoint_freq: u64,
    pub keep_checkpoints: u64,
    pub use_tb_logger: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "edsrmini-x2".into(),
            scale: 2,
            manual_seed: 10,
            network_g: Network::default(),
            path: Path::default(),
            datasets: Datasets::default(),
            train: Train::default(),
            prune: Prune::default(),
            search: Search::default(),
            teacher: Teacher::default(),
            val: Val::default(),
            logger: Logger::default(),
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            kind: "EDSR".into(),
            num_feat: None,
            num_block: None,
            res_scale: None,
            num_module: None,
            num_layer: None,
            mask_feat: None,
            attention_feat: None,
            embed_dim: None,
            depths: None,
            num_heads: None,
            window_size: None,
            mlp_ratio: None,
            variant: None,
            path: None,
            genotype: None,
            widths: None,
        }
    }
}

impl Default for Path {
    fn default() -> Self {
        Self {
            experiments_root: "experiments".into(),
            pretrain_network_g: String::new(),
            strict_load_g: true,
            freeze: ["sub_mean*", "add_mean*"].map(Into::into).into(),
        }
    }
}

impl Default for Training {
    fn default() -> Self {
        Self {
            kind: "paired".into(),
            dataroot_gt: vec![],
            dataroot_lq: vec![],
            lq_size: 48,
            batch_size: 16,
            accum_iter: 1,
            use_hflip: true,
            use_rot: true,
            drop_flat: 0.0,
            also_shrunk_above: None,
            heldout: String::new(),
            cache: String::new(),
            degradation: Degradation::default(),
        }
    }
}

impl Default for Degradation {
    fn default() -> Self {
        Self {
            clean_prob: 0.1,
            blur_prob: 0.5,
            blur_aniso_prob: 0.3,
            blur_sigma: [0.1, 0.8],
            resize_prob: 0.3,
            resize_range: [0.6, 1.2],
            noise_prob: 0.4,
            noise_range: [0.0, 8.0],
            poisson_prob: 0.5,
            gray_noise_prob: 0.4,
            jpeg_prob: 0.3,
            final_jpeg_prob: 0.7,
            jpeg_range: [40, 95],
            half_chroma_prob: 0.7,
        }
    }
}

impl Default for Train {
    fn default() -> Self {
        Self {
            total_iter: 100_000,
            warmup_iter: 300,
            ema_decay: 0.999,
            grad_clip: Clip::Word("auto".into()),
            unit: 64.0,
            precision: "f32".into(),
            optim_g: Optimiser::default(),
            scheduler: Scheduler::default(),
            losses: vec![Loss::default()],
            masks: Masks::default(),
        }
    }
}

impl Default for Optimiser {
    fn default() -> Self {
        Self { kind: "Adam".into(), lr: 1e-3, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.0, groups: None }
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self { kind: "Cosine".into(), eta_min: None, milestones: None, gamma: None }
    }
}

impl Default for Loss {
    fn default() -> Self {
        Self { kind: "L1".into(), loss_weight: 1.0, eps: None }
    }
}

impl Default for Teacher {
    fn default() -> Self {
        let multi_lap = Loss { kind: "MultiLap".into(), ..Loss::default() };
        Self { network: vec![], cache: String::new(), losses: vec![multi_lap] }
    }
}

impl Default for Masks {
    fn default() -> Self {
        Self {
            open: 0.17,
            gumbel: 0.19,
            spatial: 0.26,
            hard: 0.38,
            tau_from: 1.0,
            tau_to: 0.4,
            tau_share: 0.7,
            density: 0.45,
            module_density_min: 0.1,
            module_density_max: 0.95,
            sparsity_weight: 0.1,
            sparsity_warmup_iter: 300,
            steering_gain: 0.006,
            steering_proportion: 5.0,
            sparsity_weight_min: 0.02,
            sparsity_weight_max: 1.0,
            thresholds: "density".into(),
        }
    }
}

impl Default for Prune {
    fn default() -> Self {
        Self {
            method: "assl".into(),
            keep: None,
            macs: None,
            params: None,
            size: "1280x720".into(),
            skip: vec![],
            rank: 0.3,
            align: 0.1,
            grow: 0.6,
            settle: 0.3,
            pull: "ramp".into(),
            reg_interval: 20,
            reg_upper_limit: 0.5,
            lambda: 1e-4,
            orthant_eps: 1e-4,
            prox: 1.0,
            block: 8,
            rows: 1,
        }
    }
}

impl Default for Val {
    fn default() -> Self {
        Self { val_freq: 1000, crop_border: None, save_img: true }
    }
}

impl Default for Logger {
    fn default() -> Self {
        Self { print_freq: 100, save_checkpoint_freq: 1000, keep_checkpoints: 3, use_tb_logger: true }
    }
}
