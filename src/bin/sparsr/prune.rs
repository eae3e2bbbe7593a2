//! `sparsr prune`: a network of fewer channels.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{Result, train};

/// Take channels out of a network, by a training that drives them to zero
#[derive(clap::Args)]
pub struct Args {
    /// A built-in name, or a checkpoint
    network: String,

    /// What to learn from and how
    #[arg(short, long, value_name = "CONFIG.toml")]
    config: PathBuf,

    #[command(flatten)]
    how: train::How,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    train::prune(&args.network, &args.config, &args.how)
}
