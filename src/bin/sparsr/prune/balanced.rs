//! Single numbers that go, as many of every block, without learning.

use serde::Serialize;
use sparsr::Model;
use sparsr::learn::prune::{Target, balanceable, balanced};
use sparsr::low_level::tensor::Balance;

use super::{Args, json};
use crate::Result;

#[derive(Serialize)]
struct Report {
    model: String,
    architecture: String,
    balance: String,
    /// Neighbouring outputs of which the same inputs stay.
    rows: usize,
    /// Those of the convolutions below, and how many of them stay.
    numbers: [usize; 2],
    convolutions: Vec<String>,
}

/// The network and what is told of it.
pub fn prune(model: &Model, target: Target, args: &Args) -> Result<(Model, String)> {
    let Target::Keep(share) = target else {
        return Err("--method balanced: expected --keep, the share of numbers that stay".into());
    };
    let balance = Balance::of_share(share, args.block)?.with_rows(args.rows)?;
    let names = skipping(balanceable(model, balance), &args.skip);
    let made = balanced(model, &names, balance)?;
    let report = Report {
        model: model.name().into(),
        architecture: model.architecture().into(),
        balance: balance.to_string(),
        rows: balance.rows(),
        numbers: numbers(&made, &names),
        convolutions: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    Ok((made, if args.json { json(&report)? } else { report.to_text() }))
}

/// How many numbers these tensors have, and how many of them are not zero.
pub fn numbers(model: &Model, names: &[&str]) -> [usize; 2] {
    let values = || names.iter().filter_map(|name| Some(model.weights().get(name)?.values())).flatten();
    [values().count(), values().filter(|value| **value != 0.0).count()]
}

/// The names without those that are to be left alone, by a tensor's name or its convolution's.
pub fn skipping<'n>(names: Vec<&'n str>, skip: &[glob::Pattern]) -> Vec<&'n str> {
    let convolution = |name: &'n str| name.rsplit_once('.').map_or(name, |(convolution, _)| convolution);
    let is_skipped = |name: &'n str| {
        skip.iter().any(|pattern| pattern.matches(name) || pattern.matches(convolution(name)))
    };
    names.into_iter().filter(|name| !is_skipped(name)).collect()
}

impl Report {
    fn to_text(&self) -> String {
        let Self { model, architecture, balance, rows, numbers: [all, left], convolutions } = self;
        let share = 100.0 * *left as f64 / (*all).max(1) as f64;
        let count = convolutions.len();
        let alike = if *rows > 1 { format!(", {rows} outputs alike") } else { String::new() };
        format!(
            "{model} {architecture}: {balance} of {count} convolutions{alike}, {left} of {all} numbers ({share:.1}%)\n"
        )
    }
}
