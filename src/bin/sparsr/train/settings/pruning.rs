//! What `sparsr prune` does to a network, and how small it becomes.

use glob::Pattern;
use sparsr::learn::prune::Target;
use sparsr::low_level::tensor::Balance;

use super::super::schema::{Count, Prune};
use super::Check;
use crate::Result;
use crate::prune::quantity;
use crate::upscale::size::within;

/// What is done to a network that is pruned.
#[derive(Clone, Debug, PartialEq)]
pub struct Pruning {
    pub method: Method,
    pub target: Target,
    /// The size of the result that multiply-adds are counted for.
    pub picture: [usize; 2],
    pub skip: Vec<Pattern>,
    /// The shares of the phases.
    pub rank: f64,
    pub align: f64,
    pub grow: f64,
    pub settle: f64,
    /// Whether what goes is multiplied, and not pulled by L2.
    pub ramp: bool,
    /// Of the L2 pull: iterations between its steps, and where it ends.
    pub interval: u64,
    pub limit: f64,
    /// OBProxSG's.
    pub shrinking: Shrinking,
    /// Balanced sparsity's, if the method is that.
    pub balance: Option<Balance>,
}

/// How a network's channels, or its numbers, become zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Assl,
    Gassl,
    Srp,
    Obproxsg,
    Balanced,
}

impl Method {
    pub const ALL: [(&str, Self); 5] = [
        ("assl", Self::Assl),
        ("gassl", Self::Gassl),
        ("srp", Self::Srp),
        ("obproxsg", Self::Obproxsg),
        ("balanced", Self::Balanced),
    ];

    /// Whether filters are under weight normalisation.
    pub fn is_normalised(self) -> bool {
        matches!(self, Self::Assl | Self::Gassl)
    }
}

/// OBProxSG's settings: the weight of the L1 norm, what is zero, and the share of proximal steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrinking {
    pub weight: f64,
    pub epsilon: f64,
    pub prox: f64,
}

impl Check<'_> {
    pub(super) fn pruning(&self, prune: &Prune) -> Result<Pruning> {
        let key = |name: &str| format!("prune.{name}");
        let method = Method::ALL.iter().find(|(name, _)| *name == prune.method).map(|(_, method)| *method);
        let Some(method) = method else {
            let reason = format!("expected assl, gassl, srp, obproxsg or balanced, found `{}`", prune.method);
            return self.refuse(&key("method"), &reason);
        };
        for (name, share) in
            [("rank", prune.rank), ("align", prune.align), ("grow", prune.grow), ("settle", prune.settle)]
        {
            self.share(&key(name), share)?;
        }
        self.ensure(prune.rank < 1.0, &key("rank"), "below 1", prune.rank)?;
        self.positive(&key("grow"), prune.grow)?;
        self.share(&key("prox"), prune.prox)?;
        let is_kind = ["ramp", "l2"].contains(&&*prune.pull);
        self.ensure(is_kind, &key("pull"), "ramp or l2", format!("`{}`", prune.pull))?;
        self.count(&key("reg_interval"), prune.reg_interval, 1..=u64::from(u32::MAX))?;
        self.positive(&key("reg_upper_limit"), prune.reg_upper_limit)?;
        self.positive(&key("lambda"), prune.lambda)?;
        self.not_negative(&key("orthant_eps"), prune.orthant_eps)?;
        let target = self.target(prune)?;
        let balance = match target {
            _ if method != Method::Balanced => None,
            Target::Keep(share) => Some(self.balance(share, prune)?),
            _ => return self.refuse("prune", "balanced: expected keep, the share of numbers that stay"),
        };
        let refused = |name: &str, error: String| self.given.error(&key(name), &error);
        Ok(Pruning {
            method,
            target,
            picture: within(&prune.size).map_err(|error| refused("size", error))?.map(|side| side as usize),
            skip: self.patterns("prune.skip", &prune.skip)?,
            rank: prune.rank,
            align: prune.align,
            grow: prune.grow,
            settle: prune.settle,
            ramp: prune.pull == "ramp",
            interval: prune.reg_interval,
            limit: prune.reg_upper_limit,
            shrinking: Shrinking { weight: prune.lambda, epsilon: prune.orthant_eps, prox: prune.prox },
            balance,
        })
    }

    /// The balance of a share of numbers that stay, of blocks and rows of so many.
    fn balance(&self, share: f64, prune: &Prune) -> Result<Balance> {
        let balance = Balance::of_share(share, prune.block as usize);
        let balance = balance.map_err(|error| self.given.error("prune.block", &error.to_string()))?;
        let alike = balance.with_rows(prune.rows as usize);
        Ok(alike.map_err(|error| self.given.error("prune.rows", &error.to_string()))?)
    }

    fn target(&self, prune: &Prune) -> Result<Target> {
        let count = |name: &str, given: &Count| match given {
            Count::Number(number) => Ok(*number),
            Count::Text(text) => {
                quantity(text).map_err(|error| self.given.error(&format!("prune.{name}"), &error))
            }
        };
        match (prune.keep, &prune.macs, &prune.params) {
            (keep, None, None) => {
                let keep = keep.unwrap_or(0.5);
                self.ensure(keep > 0.0 && keep <= 1.0, "prune.keep", "above 0 and at most 1", keep)?;
                Ok(Target::Keep(keep))
            }
            (None, Some(macs), None) => Ok(Target::Macs(count("macs", macs)?)),
            (None, None, Some(params)) => Ok(Target::Parameters(count("params", params)?)),
            _ => self.refuse("prune", "expected one of keep, macs and params, found several"),
        }
    }
}
