//! What a configuration asks for, once it is known to be possible: every range checked, every `type` chosen.

mod degradation;
mod network;
mod pruning;
mod search;

use std::ops::RangeInclusive;

use glob::Pattern;
use sparsr::Precision;
use sparsr::learn::fresh;
use sparsr::low_level::models::trilevelnas::Genotype;

pub use pruning::{Method, Pruning, Shrinking};
pub use search::Search;

use super::config::Given;
use super::schema::{self, Clip, Config, Degradation, Group, Loss, Masks, Prune, Teacher, Training};
use crate::Result;

/// The largest of sizes and counts that are plausible.
const LARGEST: u64 = 1024;

/// A configuration that holds together.
pub struct Settings {
    pub config: Config,
    pub sizes: Sizes,
    pub rate: Rate,
    pub precision: Precision,
    pub clip: Option<Cut>,
    pub losses: Vec<Weighted>,
    /// To what the teachers make; none if there is no teacher.
    pub teacher_losses: Vec<Weighted>,
    pub freeze: Vec<Pattern>,
    pub groups: Vec<(Pattern, f64)>,
    /// Of SMSR.
    pub masks: Option<Masks>,
    /// Where channels are driven to zero.
    pub pruning: Option<Pruning>,
    /// Where a structure is searched.
    pub search: Option<Search>,
}

/// The network to train.
#[derive(Clone, Debug, PartialEq)]
pub enum Sizes {
    Edsr {
        channels: usize,
        blocks: usize,
    },
    Ledsr {
        channels: usize,
        blocks: usize,
    },
    Smsr {
        channels: usize,
        modules: usize,
        layers: usize,
        mask_channels: usize,
        attention_channels: usize,
    },
    SwinIr(fresh::SwinIr),
    Esrt {
        channels: usize,
    },
    AcNet {
        channels: usize,
        layers: usize,
    },
    TrilevelNas(Genotype),
    /// An architecture by its name, or any, as large as the checkpoint that it starts from.
    Checkpoint(Option<&'static str>),
}

impl Sizes {
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::Edsr { .. } => "edsr",
            Self::Ledsr { .. } => "ledsr",
            Self::Smsr { .. } => "smsr",
            Self::SwinIr(_) => "swinir",
            Self::Esrt { .. } => "esrt",
            Self::AcNet { .. } => "acnet",
            Self::TrilevelNas(_) => "trilevelnas",
            Self::Checkpoint(architecture) => architecture.unwrap_or_default(),
        }
    }
}

/// The norm that a gradient is cut to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    Norm(f64),
    /// Twice its running mean.
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    pub kind: LossKind,
    pub weight: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    L1,
    Charbonnier { epsilon: f64 },
    Mse,
    MultiLap,
}

/// The rate over the iterations.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    Cosine { last: f64 },
    Steps { milestones: Vec<u64>, gamma: f64 },
}

impl Settings {
    pub fn new(config: Config, given: &Given) -> Result<Self> {
        if config.prune != Prune::default() {
            let found = "it is for `sparsr prune NET -c CONFIG.toml`";
            return Check { given }.refuse("prune", found);
        }
        if config.search != schema::Search::default() {
            let found = "it is for `sparsr search CONFIG.toml`";
            return Check { given }.refuse("search", found);
        }
        Self::checked(config, given)
    }

    /// Of a training in which a structure is found.
    pub fn of_search(config: Config, given: &Given) -> Result<Self> {
        let search = Check { given }.search(&config)?;
        Ok(Self { search: Some(search), ..Self::checked(config, given)? })
    }

    /// Of a training that drives a part of a network to zero.
    pub fn of_pruning(config: Config, given: &Given) -> Result<Self> {
        let pruning = Check { given }.pruning(&config.prune)?;
        Ok(Self { pruning: Some(pruning), ..Self::checked(config, given)? })
    }

    fn checked(config: Config, given: &Given) -> Result<Self> {
        let check = Check { given };
        check.whole(&config)?;
        check.data(&config.datasets.train)?;
        check.rates(&config)?;
        let sizes = check.network(&config)?;
        let is_smsr = matches!(sizes, Sizes::Smsr { .. });
        if is_smsr {
            check.masks(&config.train.masks)?;
        } else if config.train.masks != Masks::default() {
            return check.refuse("train.masks", "masks are SMSR's, and network_g.type is another");
        }
        Ok(Self {
            sizes,
            rate: check.scheduler(&config)?,
            precision: check.precision(&config)?,
            clip: check.clip(&config.train.grad_clip)?,
            losses: check.losses("train.losses", &config.train.losses, &config)?,
            teacher_losses: check.teacher(&config)?,
            freeze: check.patterns("path.freeze", &config.path.freeze)?,
            groups: check.groups(&config, is_smsr)?,
            masks: is_smsr.then(|| config.train.masks.clone()),
            pruning: None,
            search: None,
            config,
        })
    }

    pub fn border(&self) -> usize {
        self.config.val.crop_border.unwrap_or(self.config.scale) as usize
    }
}

/// Refuses keys by name and line.
struct Check<'a> {
    given: &'a Given,
}

impl Check<'_> {
    fn refuse<T>(&self, key: &str, reason: &str) -> Result<T> {
        Err(self.given.error(key, reason).into())
    }

    fn ensure(&self, is_so: bool, key: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
        if is_so { Ok(()) } else { self.refuse(key, &format!("expected {expected}, found {found}")) }
    }

    fn count(&self, key: &str, value: u64, range: RangeInclusive<u64>) -> Result<usize> {
        let expected = format!("{} to {}", range.start(), range.end());
        self.ensure(range.contains(&value), key, &expected, value)?;
        Ok(value as usize)
    }

    fn share(&self, key: &str, value: f64) -> Result<()> {
        self.ensure((0.0..=1.0).contains(&value), key, "0 to 1", value)
    }

    fn positive(&self, key: &str, value: f64) -> Result<()> {
        self.ensure(value > 0.0 && value.is_finite(), key, "a number above 0", value)
    }

    fn not_negative(&self, key: &str, value: f64) -> Result<()> {
        self.ensure(value >= 0.0 && value.is_finite(), key, "0 or more", value)
    }

    fn whole(&self, config: &Config) -> Result<()> {
        let name = &config.name;
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
        self.ensure(plain, "name", "a name for a folder", format!("`{name}`"))?;
        self.count("scale", config.scale, 2..=4)?;
        self.ensure(!config.path.experiments_root.is_empty(), "path.experiments_root", "a folder", "``")?;
        let (val, logger) = (&config.val, &config.logger);
        let often = 1..=u64::from(u32::MAX);
        self.count("val.val_freq", val.val_freq, often.clone())?;
        self.count("val.crop_border", val.crop_border.unwrap_or(0), 0..=LARGEST)?;
        self.count("logger.print_freq", logger.print_freq, often.clone())?;
        self.count("logger.save_checkpoint_freq", logger.save_checkpoint_freq, often)?;
        self.count("logger.keep_checkpoints", logger.keep_checkpoints, 1..=LARGEST)?;
        let roots = &config.datasets.val;
        for quality in &roots.jpeg_quality {
            self.count("datasets.val.jpeg_quality", *quality, 1..=100)?;
        }
        self.folders("datasets.val.dataroot_lq", &roots.dataroot_gt, &roots.dataroot_lq)
    }

    fn folders(&self, key: &str, large: &[String], small: &[String]) -> Result<()> {
        let fits = small.is_empty() || small.len() == large.len();
        let expected = format!("none, or as many folders as dataroot_gt has ({})", large.len());
        self.ensure(fits, key, &expected, small.len())
    }

    fn data(&self, data: &Training) -> Result<()> {
        let key = |name: &str| format!("datasets.train.{name}");
        let is_kind = ["paired", "degraded"].contains(&&*data.kind);
        self.ensure(is_kind, &key("type"), "paired or degraded", format!("`{}`", data.kind))?;
        self.ensure(!data.dataroot_gt.is_empty(), &key("dataroot_gt"), "a folder of pictures", "none")?;
        self.folders(&key("dataroot_lq"), &data.dataroot_gt, &data.dataroot_lq)?;
        self.count(&key("lq_size"), data.lq_size, 8..=LARGEST)?;
        self.count(&key("batch_size"), data.batch_size, 1..=LARGEST)?;
        self.count(&key("accum_iter"), data.accum_iter, 1..=LARGEST)?;
        self.count(&key("also_shrunk_above"), data.also_shrunk_above.unwrap_or(1), 1..=u64::from(u32::MAX))?;
        let below_one = (0.0..1.0).contains(&data.drop_flat);
        self.ensure(below_one, &key("drop_flat"), "0 or more and below 1", data.drop_flat)?;
        if data.kind == "degraded" {
            self.ensure(
                data.dataroot_lq.is_empty(),
                &key("dataroot_lq"),
                "none: small pictures are made",
                data.dataroot_lq.len(),
            )?;
            self.degradation(data)
        } else if data.degradation != Degradation::default() {
            self.refuse(&key("degradation"), "it is for type = \"degraded\"")
        } else {
            Ok(())
        }
    }

    fn rates(&self, config: &Config) -> Result<()> {
        let (train, optim) = (&config.train, &config.train.optim_g);
        self.count("train.total_iter", train.total_iter, 1..=u64::from(u32::MAX))?;
        self.count("train.warmup_iter", train.warmup_iter, 0..=train.total_iter)?;
        let decays = (0.0..1.0).contains(&train.ema_decay);
        self.ensure(decays, "train.ema_decay", "0 or more and below 1", train.ema_decay)?;
        self.positive("train.unit", train.unit)?;
        let is_kind = ["Adam", "AdamW"].contains(&&*optim.kind);
        self.ensure(is_kind, "train.optim_g.type", "Adam or AdamW", format!("`{}`", optim.kind))?;
        self.positive("train.optim_g.lr", optim.lr)?;
        let below_one = optim.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        self.ensure(
            below_one,
            "train.optim_g.betas",
            "two of 0 or more and below 1",
            format!("{:?}", optim.betas),
        )?;
        self.positive("train.optim_g.eps", optim.eps)?;
        self.not_negative("train.optim_g.weight_decay", optim.weight_decay)?;
        let decays = optim.kind == "AdamW" || optim.weight_decay == 0.0;
        self.ensure(
            decays,
            "train.optim_g.weight_decay",
            "0 with Adam: it is AdamW that decays weights",
            optim.weight_decay,
        )
    }

    fn precision(&self, config: &Config) -> Result<Precision> {
        let found = &config.train.precision;
        let known = [Precision::F32, Precision::F16].into_iter().find(|known| known.to_string() == *found);
        self.ensure(known.is_some(), "train.precision", "f32 or f16", format!("`{found}`"))?;
        Ok(known.unwrap_or_default())
    }

    fn scheduler(&self, config: &Config) -> Result<Rate> {
        let (scheduler, lr) = (&config.train.scheduler, config.train.optim_g.lr);
        let is_given = [
            ("eta_min", scheduler.eta_min.is_some(), "Cosine"),
            ("milestones", scheduler.milestones.is_some(), "MultiStepLR"),
            ("gamma", scheduler.gamma.is_some(), "MultiStepLR"),
        ];
        let is_kind = ["Cosine", "MultiStepLR"].contains(&&*scheduler.kind);
        self.ensure(
            is_kind,
            "train.scheduler.type",
            "Cosine or MultiStepLR",
            format!("`{}`", scheduler.kind),
        )?;
        if let Some((name, _, whose)) =
            is_given.into_iter().find(|(_, given, whose)| *given && *whose != scheduler.kind)
        {
            return self.refuse(
                &format!("train.scheduler.{name}"),
                &format!("it is {whose}'s, and the type is {}", scheduler.kind),
            );
        }
        if scheduler.kind == "Cosine" {
            let last = scheduler.eta_min.unwrap_or(lr / 100.0);
            let expected = format!("0 to lr, which is {lr}");
            self.ensure((0.0..=lr).contains(&last), "train.scheduler.eta_min", &expected, last)?;
            return Ok(Rate::Cosine { last });
        }
        let milestones = scheduler.milestones.clone().unwrap_or_default();
        let rise = !milestones.is_empty() && milestones.windows(2).all(|pair| pair[0] < pair[1]);
        self.ensure(rise, "train.scheduler.milestones", "iterations that rise", format!("{milestones:?}"))?;
        let gamma = scheduler.gamma.unwrap_or(0.5);
        self.ensure(
            gamma > 0.0 && gamma <= 1.0,
            "train.scheduler.gamma",
            "a number above 0, 1 at most",
            gamma,
        )?;
        Ok(Rate::Steps { milestones, gamma })
    }

    fn clip(&self, clip: &Clip) -> Result<Option<Cut>> {
        match clip {
            Clip::Word(word) if word == "auto" => Ok(Some(Cut::Auto)),
            Clip::Word(word) if word == "none" => Ok(None),
            Clip::Norm(norm) if *norm > 0.0 && norm.is_finite() => Ok(Some(Cut::Norm(*norm))),
            other => {
                let found = match other {
                    Clip::Word(word) => format!("`{word}`"),
                    Clip::Norm(norm) => norm.to_string(),
                };
                self.refuse(
                    "train.grad_clip",
                    &format!("expected a number above 0, auto or none, found {found}"),
                )
            }
        }
    }

    fn losses(&self, key: &str, losses: &[Loss], config: &Config) -> Result<Vec<Weighted>> {
        self.ensure(!losses.is_empty(), key, "a loss", "none")?;
        let read = |(number, loss): (usize, &Loss)| {
            let weighted = self.loss(&format!("{key}.{number}"), loss)?;
            if weighted.kind == LossKind::MultiLap {
                self.room_for_pyramids(config)?;
            }
            Ok(weighted)
        };
        losses.iter().enumerate().map(read).collect()
    }

    fn loss(&self, at: &str, loss: &Loss) -> Result<Weighted> {
        let key = |name: &str| format!("{at}.{name}");
        self.positive(&key("loss_weight"), loss.loss_weight)?;
        let epsilon = loss.eps.unwrap_or(1e-6);
        let kind = match loss.kind.trim_end_matches("Loss") {
            "L1" => LossKind::L1,
            "MSE" => LossKind::Mse,
            "Charbonnier" => LossKind::Charbonnier { epsilon },
            "MultiLap" => LossKind::MultiLap,
            kind => {
                let known = "L1, Charbonnier, MSE and MultiLap are";
                let is_later = ["perceptual", "gan"].contains(&&*kind.to_lowercase());
                let reason = match is_later {
                    true => format!("`{}` is not made in this version: {known}", loss.kind),
                    false => format!("expected L1, Charbonnier, MSE or MultiLap, found `{}`", loss.kind),
                };
                return self.refuse(&key("type"), &reason);
            }
        };
        self.positive(&key("eps"), epsilon)?;
        let takes = loss.eps.is_none() || matches!(kind, LossKind::Charbonnier { .. });
        self.ensure(takes, &key("eps"), "none: it is Charbonnier's", epsilon)?;
        Ok(Weighted { kind, weight: loss.loss_weight })
    }

    /// Each of MultiLap's levels has half the side of the one before.
    fn room_for_pyramids(&self, config: &Config) -> Result<()> {
        let (small, scale) = (config.datasets.train.lq_size, config.scale);
        let side = small * scale;
        let expected = "lq_size times scale to be a multiple of 16 and at least 32, for MultiLap";
        let found = format!("{small} times {scale}, which is {side}");
        self.ensure(side >= 32 && side.is_multiple_of(16), "datasets.train.lq_size", expected, found)
    }

    /// What is asked of the network beside its teachers' pictures.
    fn teacher(&self, config: &Config) -> Result<Vec<Weighted>> {
        let (teacher, data) = (&config.teacher, &config.datasets.train);
        if teacher.network.is_empty() {
            let expected = "a checkpoint or a built-in name, since [teacher] says more";
            self.ensure(*teacher == Teacher::default(), "teacher.network", expected, "none")?;
            return Ok(vec![]);
        }
        let expected = "paired with a [teacher], which sees the small pictures as they are";
        self.ensure(data.kind == "paired", "datasets.train.type", expected, format!("`{}`", data.kind))?;
        let other = teacher.cache.is_empty() || teacher.cache != data.cache;
        self.ensure(other, "teacher.cache", "another file than datasets.train.cache", &teacher.cache)?;
        self.losses("teacher.losses", &teacher.losses, config)
    }

    fn patterns(&self, key: &str, patterns: &[String]) -> Result<Vec<Pattern>> {
        patterns.iter().map(|pattern| self.pattern(key, pattern)).collect()
    }

    fn pattern(&self, key: &str, pattern: &str) -> Result<Pattern> {
        let refused = |error: glob::PatternError| {
            self.given.error(
                key,
                &format!("expected a pattern such as *.spa_mask.*, found `{pattern}`: {}", error.msg),
            )
        };
        Ok(Pattern::new(pattern).map_err(refused)?)
    }

    fn groups(&self, config: &Config, is_smsr: bool) -> Result<Vec<(Pattern, f64)>> {
        let read = |(number, group): (usize, &Group)| {
            let key = |name: &str| format!("train.optim_g.groups.{number}.{name}");
            self.ensure(
                !group.pattern.is_empty(),
                &key("pattern"),
                "a pattern such as *.spa_mask.*",
                "none",
            )?;
            self.positive(&key("lr_factor"), group.lr_factor)?;
            Ok((self.pattern(&key("pattern"), &group.pattern)?, group.lr_factor))
        };
        // Masks must travel far in a short run.
        let group = |pattern: &str, lr_factor: f64| Group { pattern: pattern.into(), lr_factor };
        let usual =
            || if is_smsr { vec![group("*.spa_mask.*", 2.0), group("*.ch_mask", 10.0)] } else { vec![] };
        let groups = config.train.optim_g.groups.clone().unwrap_or_else(usual);
        groups.iter().enumerate().map(read).collect()
    }

    fn masks(&self, masks: &Masks) -> Result<()> {
        let key = |name: &str| format!("train.masks.{name}");
        for (name, share) in [
            ("open", masks.open),
            ("gumbel", masks.gumbel),
            ("spatial", masks.spatial),
            ("hard", masks.hard),
            ("tau_share", masks.tau_share),
            ("density", masks.density),
            ("module_density_min", masks.module_density_min),
            ("module_density_max", masks.module_density_max),
        ] {
            self.share(&key(name), share)?;
        }
        let sum = masks.open + masks.gumbel + masks.spatial + masks.hard;
        let expected = "open, gumbel, spatial and hard that add up to 1";
        self.ensure((sum - 1.0).abs() < 1e-6, "train.masks", expected, sum)?;
        self.positive(&key("tau_from"), masks.tau_from)?;
        self.positive(&key("tau_to"), masks.tau_to)?;
        self.not_negative(&key("steering_gain"), masks.steering_gain)?;
        self.not_negative(&key("steering_proportion"), masks.steering_proportion)?;
        self.not_negative(&key("sparsity_weight_min"), masks.sparsity_weight_min)?;
        let (least, most) = (masks.sparsity_weight_min, masks.sparsity_weight_max);
        let within = format!("{least} (sparsity_weight_min) to {most} (sparsity_weight_max)");
        let weight = masks.sparsity_weight;
        self.ensure((least..=most).contains(&weight), &key("sparsity_weight"), &within, weight)?;
        let is_kind = ["density", "zero"].contains(&&*masks.thresholds);
        self.ensure(is_kind, &key("thresholds"), "density or zero", format!("`{}`", masks.thresholds))?;
        let (least, most) = (masks.module_density_min, masks.module_density_max);
        let within = format!("{least} (module_density_min) to {most} (module_density_max)");
        self.ensure((least..=most).contains(&masks.density), &key("density"), &within, masks.density)
    }
}
