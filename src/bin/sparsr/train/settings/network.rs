//! Which network is trained, and how large it is.

use sparsr::learn::fresh;
use sparsr::low_level::models::architectures;
use sparsr::low_level::models::trilevelnas::{Genotype, OPERATIONS, Operation, Step, Variant};

use super::super::schema::{Config, Network};
use super::{Check, LARGEST, Sizes};
use crate::Result;

impl Check<'_> {
    pub(super) fn network(&self, config: &Config) -> Result<Sizes> {
        let network = &config.network_g;
        let lower = network.kind.to_ascii_lowercase();
        if matches!(&*lower, "smsr" | "esrt") {
            // They halve the picture.
            let (side, key) = (config.datasets.train.lq_size, "datasets.train.lq_size");
            self.ensure(side.is_multiple_of(2), key, &format!("an even number for {}", network.kind), side)?;
        }
        match &*lower {
            "edsr" => {
                self.only(network, &["num_feat", "num_block", "res_scale"])?;
                let channels = self.size("num_feat", network.num_feat, 16)?;
                let blocks = self.size("num_block", network.num_block, 8)?;
                self.res_scale(network, channels, blocks)?;
                Ok(Sizes::Edsr { channels, blocks })
            }
            "ledsr" if !is_told_by_a_checkpoint(config) => self.ledsr(network),
            "smsr" => self.smsr(network),
            "swinir" if !is_told_by_a_checkpoint(config) => self.swinir(config),
            "esrt" if !is_told_by_a_checkpoint(config) => self.esrt(network),
            "acnet" if !is_told_by_a_checkpoint(config) => self.acnet(network),
            "trilevelnas" if !is_told_by_a_checkpoint(config) => self.trilevelnas(config),
            _ => {
                let known = architectures().find(|known| known.name == lower).map(|known| known.name);
                if known.is_none() && lower != "checkpoint" {
                    let reason = format!(
                        "expected EDSR, LEDSR, SMSR, SwinIR, ESRT, ACNet, TrilevelNAS, Checkpoint or an architecture that \
                         `sparsr models` lists, found `{}`",
                        network.kind
                    );
                    return self.refuse("network_g.type", &reason);
                }
                self.only(network, &[])?;
                if config.path.pretrain_network_g.is_empty() {
                    let reason = format!(
                        "{} starts from a checkpoint: name one in path.pretrain_network_g",
                        network.kind
                    );
                    return self.refuse("network_g.type", &reason);
                }
                Ok(Sizes::Checkpoint(known))
            }
        }
    }

    fn ledsr(&self, network: &Network) -> Result<Sizes> {
        self.only(network, &["num_feat", "num_block"])?;
        Ok(Sizes::Ledsr {
            channels: self.size("num_feat", network.num_feat, 32)?,
            blocks: self.size("num_block", network.num_block, 8)?,
        })
    }

    fn smsr(&self, network: &Network) -> Result<Sizes> {
        self.only(network, &["num_feat", "num_module", "num_layer", "mask_feat", "attention_feat"])?;
        let channels = self.size("num_feat", network.num_feat, 32)?;
        let narrowed = (channels as u64 / 16).max(1);
        Ok(Sizes::Smsr {
            channels,
            modules: self.size("num_module", network.num_module, 5)?,
            layers: self.size("num_layer", network.num_layer, 4)?,
            mask_channels: self.size("mask_feat", network.mask_feat, 16)?,
            attention_channels: self.size("attention_feat", network.attention_feat, narrowed)?,
        })
    }

    fn esrt(&self, network: &Network) -> Result<Sizes> {
        self.only(network, &["num_feat"])?;
        let channels = self.size("num_feat", network.num_feat, 32)?;
        let (key, expected) = ("network_g.num_feat", "a multiple of 16 for ESRT");
        self.ensure(channels.is_multiple_of(16), key, expected, channels)?;
        Ok(Sizes::Esrt { channels })
    }

    fn acnet(&self, network: &Network) -> Result<Sizes> {
        self.only(network, &["num_feat", "num_layer"])?;
        Ok(Sizes::AcNet {
            channels: self.size("num_feat", network.num_feat, 64)?,
            layers: self.size("num_layer", network.num_layer, 17)?,
        })
    }

    fn trilevelnas(&self, config: &Config) -> Result<Sizes> {
        let network = &config.network_g;
        self.only(network, &["num_feat", "variant", "path", "genotype", "widths"])?;
        let channels = self.size("num_feat", network.num_feat, 64)?;
        let key = |name: &str| format!("network_g.{name}");
        let variant = match network.variant.as_deref().unwrap_or("B") {
            "A" => Variant::A,
            "B" => Variant::B,
            other => return self.refuse(&key("variant"), &format!("expected A or B, found `{other}`")),
        };
        let cells = network.genotype.as_deref().unwrap_or_default();
        self.ensure(
            !cells.is_empty(),
            &key("genotype"),
            "five operations for each cell, of TrilevelNAS",
            "none",
        )?;
        let operations = cells.iter().map(|cell| {
            let numbers: [u64; OPERATIONS] = self.each(&key("genotype"), cell)?;
            let all = numbers.map(|number| Operation::ALL.get(number as usize).copied());
            let whole = all.iter().all(Option::is_some);
            self.ensure(whole, &key("genotype"), "operations of 0 to 3", format!("{numbers:?}"))?;
            Ok(all.map(|operation| operation.unwrap_or(Operation::Skip)))
        });
        let operations = operations.collect::<Result<Vec<_>>>()?;
        let full = vec![vec![channels as u64; OPERATIONS - 1]; cells.len()];
        let widths = network.widths.as_ref().unwrap_or(&full);
        let expected = format!("as many lists as genotype has ({})", cells.len());
        self.ensure(widths.len() == cells.len(), &key("widths"), &expected, widths.len())?;
        let widths = widths.iter().map(|cell| {
            let numbers: [u64; OPERATIONS - 1] = self.each(&key("widths"), cell)?;
            numbers
                .iter()
                .try_for_each(|number| self.count(&key("widths"), *number, 1..=LARGEST).map(drop))?;
            Ok(numbers.map(|number| number as usize))
        });
        let widths = widths.collect::<Result<Vec<_>>>()?;
        let path = self.path(network, variant, &operations, config.scale)?;
        Ok(Sizes::TrilevelNas(Genotype { channels, variant, path, widths, scale: config.scale as usize }))
    }

    /// Numbers of which there are so many.
    fn each<const COUNT: usize>(&self, key: &str, numbers: &[u64]) -> Result<[u64; COUNT]> {
        match numbers.try_into() {
            Ok(numbers) => Ok(numbers),
            Err(_) => self
                .refuse(key, &format!("expected lists of {COUNT} numbers, found one of {}", numbers.len())),
        }
    }

    /// Cells (0) in their order, and upsampling layers (1), of which variant A has one for each doubling.
    fn path(
        &self,
        network: &Network,
        variant: Variant,
        cells: &[[Operation; OPERATIONS]],
        scale: u64,
    ) -> Result<Vec<Step>> {
        let key = "network_g.path";
        let plain = vec![0; cells.len()];
        let path = network.path.as_ref().unwrap_or(&plain);
        let [zeros, ones] = [0, 1].map(|kind| path.iter().filter(|step| **step == kind).count());
        let expected =
            format!("a 0 for each of the {} cells of genotype, and a 1 for an upsampling layer", cells.len());
        let fits = zeros == cells.len() && zeros + ones == path.len();
        self.ensure(fits, key, &expected, format!("{path:?}"))?;
        let doubles = variant == Variant::B || ones < 3 && 1 << ones == scale;
        let expected = format!("upsampling layers that double up to {scale}, of variant A");
        self.ensure(doubles, key, &expected, ones)?;
        let mut cells = cells.iter();
        let step = |step: &u64| match step {
            0 => cells.next().copied().map_or(Step::Up, Step::Cell),
            _ => Step::Up,
        };
        Ok(path.iter().map(step).collect())
    }

    fn swinir(&self, config: &Config) -> Result<Sizes> {
        let network = &config.network_g;
        self.only(network, &["embed_dim", "depths", "num_heads", "window_size", "mlp_ratio"])?;
        let sizes = fresh::SwinIr {
            channels: self.size("embed_dim", network.embed_dim, 24)?,
            depths: self.of_blocks("network_g.depths", network.depths.as_deref().unwrap_or(&[4; 3]))?,
            heads: self.of_blocks("network_g.num_heads", network.num_heads.as_deref().unwrap_or(&[6; 3]))?,
            window: self.size("window_size", network.window_size, 8)?,
            expansion: self.size("mlp_ratio", network.mlp_ratio, 2)?,
            scale: config.scale as usize,
        };
        self.heads(&sizes)?;
        Ok(Sizes::SwinIr(sizes))
    }

    fn size(&self, name: &str, value: Option<u64>, default: u64) -> Result<usize> {
        self.count(&format!("network_g.{name}"), value.unwrap_or(default), 1..=LARGEST)
    }

    fn of_blocks(&self, key: &str, values: &[u64]) -> Result<Vec<usize>> {
        self.ensure(!values.is_empty(), key, "a number for each block", "none")?;
        values.iter().map(|value| self.count(key, *value, 1..=LARGEST)).collect()
    }

    fn heads(&self, sizes: &fresh::SwinIr) -> Result<()> {
        let (key, blocks, heads) = ("network_g.num_heads", sizes.depths.len(), sizes.heads.len());
        self.ensure(heads == blocks, key, &format!("as many numbers as depths has ({blocks})"), heads)?;
        let fits = sizes.heads.iter().all(|heads| sizes.channels.is_multiple_of(*heads));
        let expected = format!("numbers that divide embed_dim, which is {}", sizes.channels);
        self.ensure(fits, key, &expected, format!("{:?}", sizes.heads))
    }

    /// Sizes of another network are a mistake.
    fn only(&self, network: &Network, own: &[&str]) -> Result<()> {
        let given = [
            ("num_feat", network.num_feat.is_some()),
            ("num_block", network.num_block.is_some()),
            ("res_scale", network.res_scale.is_some()),
            ("num_module", network.num_module.is_some()),
            ("num_layer", network.num_layer.is_some()),
            ("mask_feat", network.mask_feat.is_some()),
            ("attention_feat", network.attention_feat.is_some()),
            ("embed_dim", network.embed_dim.is_some()),
            ("depths", network.depths.is_some()),
            ("num_heads", network.num_heads.is_some()),
            ("window_size", network.window_size.is_some()),
            ("mlp_ratio", network.mlp_ratio.is_some()),
            ("variant", network.variant.is_some()),
            ("path", network.path.is_some()),
            ("genotype", network.genotype.is_some()),
            ("widths", network.widths.is_some()),
        ];
        match given.into_iter().find(|(name, is_given)| *is_given && !own.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let own = if own.is_empty() {
                    "its checkpoint tells its sizes".into()
                } else {
                    format!("it has {}", own.join(", "))
                };
                self.refuse(&format!("network_g.{name}"), &format!("no size of {}: {own}", network.kind))
            }
        }
    }

    /// A reader of the checkpoint would take another factor for it.
    fn res_scale(&self, network: &Network, channels: usize, blocks: usize) -> Result<()> {
        let told = f64::from(sparsr::low_level::models::edsr::res_scale(channels, blocks));
        let expected = format!(
            "{told} with num_feat {channels} and num_block {blocks}: no tensor tells it, so whoever reads the checkpoint takes that"
        );
        let found = network.res_scale.unwrap_or(told);
        self.ensure((found - told).abs() < 1e-6, "network_g.res_scale", &expected, found)
    }
}

/// Whether a network's sizes are left to the checkpoint that it starts from.
fn is_told_by_a_checkpoint(config: &Config) -> bool {
    let without_sizes = Network { kind: config.network_g.kind.clone(), ..Network::default() };
    !config.path.pretrain_network_g.is_empty() && config.network_g == without_sizes
}
