//! What `sparsr search` chooses among, and what it costs.

use sparsr::low_level::models::trilevelnas::{Operation, Space};

use super::super::schema::{Config, Count, Network, Search as Table};
use super::{Check, LARGEST};
use crate::Result;
use crate::prune::quantity;
use crate::upscale::size::within;

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub space: Space,
    /// Multiply-adds that the network shall have, for each small pixel.
    pub target: f64,
    /// Small pixels of the result that multiply-adds are counted for.
    pub pixels: u64,
    /// That result's size, as it was given.
    pub size: String,
    /// The first iteration in which choices learn.
    pub start: u64,
    pub rate: f64,
    pub macs_weight: f64,
}

impl Search {
    /// Whether choices learn in an iteration: in every other one from the first on.
    pub fn is_of_choices(&self, iteration: u64) -> bool {
        iteration >= self.start && (iteration - self.start) % 2 == 1
    }

    /// In words.
    pub fn description(&self) -> String {
        let Space { channels, cells, .. } = self.space;
        let networks = self.space.len();
        let cells = if self.space.fewer { format!("1 to {cells}") } else { cells.to_string() };
        format!("a search among {networks:.1e} networks of {cells} cells, {channels} channels")
    }
}

impl Check<'_> {
    pub(super) fn search(&self, config: &Config) -> Result<Search> {
        let table = &config.search;
        let key = |name: &str| format!("search.{name}");
        let is_other = config.network_g != Network::default() || !config.path.pretrain_network_g.is_empty();
        if is_other {
            let reason =
                "a search begins with a supernet of its own: expected no network_g and no pretrain_network_g";
            return self.refuse("network_g", reason);
        }
        let space = self.space(table, config.scale)?;
        self.share(&key("warmup"), table.warmup)?;
        self.ensure(table.warmup < 1.0, &key("warmup"), "below 1", table.warmup)?;
        self.positive(&key("arch_lr"), table.arch_lr)?;
        self.not_negative(&key("macs_weight"), table.macs_weight)?;
        let size = within(&table.size).map_err(|error| self.given.error(&key("size"), &error))?;
        let pixels: u64 = size.iter().map(|side| u64::from(*side).div_ceil(config.scale)).product();
        let macs = match &table.macs {
            Count::Number(number) => *number,
            Count::Text(text) => quantity(text).map_err(|error| self.given.error(&key("macs"), &error))?,
        };
        let [least, most] = [false, true].map(|is_most| self.extreme(&space, is_most) * pixels);
        let expected = format!(
            "{:.3}G to {:.3}G, what networks of the space have at {}",
            least as f64 / 1e9,
            most as f64 / 1e9,
            table.size
        );
        self.ensure(
            (least..=most).contains(&macs),
            &key("macs"),
            &expected,
            format!("{:.3}G", macs as f64 / 1e9),
        )?;
        let start = (table.warmup * config.train.total_iter as f64).round() as u64;
        Ok(Search {
            space,
            target: macs as f64 / pixels.max(1) as f64,
            pixels,
            size: table.size.clone(),
            start: start.min(config.train.total_iter.saturating_sub(2)),
            rate: table.arch_lr,
            macs_weight: table.macs_weight,
        })
    }

    fn space(&self, table: &Table, scale: u64) -> Result<Space> {
        let key = |name: &str| format!("search.{name}");
        let channels = self.count(&key("num_feat"), table.num_feat, 1..=LARGEST)?;
        let operation = |number: &u64| {
            let known = Operation::ALL.get(*number as usize).copied();
            known.ok_or_else(|| {
                self.given.error(&key("operations"), &format!("expected 0 to 3, found {number}"))
            })
        };
        let operations: Vec<Operation> = table.operations.iter().map(operation).collect::<Result<_, _>>()?;
        let once = (1..operations.len()).all(|at| !operations[..at].contains(&operations[at]));
        self.ensure(
            once && !operations.is_empty(),
            &key("operations"),
            "each operation once, one at least",
            format!("{:?}", table.operations),
        )?;
        // The authors' twelfths.
        let twelfths = || [4, 6, 8, 10, 12].map(|part| (channels as u64 * part).div_ceil(12)).to_vec();
        let mut widths = table.widths.clone().unwrap_or_else(twelfths);
        if table.widths.is_none() {
            widths.dedup();
        }
        let rise =
            widths.windows(2).all(|pair| pair[0] < pair[1]) && widths.first().is_some_and(|least| *least > 0);
        let fits = rise && widths.last() == Some(&(channels as u64)) && widths.len() <= 16;
        let expected = format!("up to 16 numbers that rise from 1 or more to num_feat, which is {channels}");
        self.ensure(fits, &key("widths"), &expected, format!("{widths:?}"))?;
        Ok(Space {
            channels,
            cells: self.count(&key("num_cell"), table.num_cell, 1..=16)?,
            fewer: table.fewer_cells,
            operations,
            widths: widths.into_iter().map(|width| width as usize).collect(),
            scale: scale as usize,
        })
    }

    /// Multiply-adds of the smallest or the largest network, for each small pixel.
    fn extreme(&self, space: &Space, is_most: bool) -> u64 {
        let options = 0..space.operations.len();
        let of = |operation: usize| {
            let last = |count: usize| if is_most { count - 1 } else { 0 };
            let option = |name: &str| match name {
                "gamma" => last(space.cells),
                name if name.ends_with(".alpha") => operation,
                _ => last(space.widths.len()),
            };
            sparsr::learn::search::macs(&space.at(&option))
        };
        let all = options.map(of);
        // Every place may be another operation; the extremes have one everywhere.
        let extreme = if is_most { all.max() } else { all.min() };
        extreme.unwrap_or_default()
    }
}
