//! `sparsr convert`: a checkpoint as safetensors, which says what it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sparsr::low_level::weights::{Stored, Weights};
use sparsr::{Error, Model};

use crate::{Result, engine, files, terminal};

/// Write a checkpoint as safetensors
///
/// The tensors keep their names; the file's metadata tells architecture, scale and the file that they came from. It is
/// read again and compared before it appears.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr convert network.pth network.safetensors
  sparsr convert network.pth network.safetensors --f16        half the size")]
pub struct Args {
    /// A checkpoint (.safetensors, .pth, .pt), or a built-in name
    #[arg(value_name = "NAME|PATH")]
    input: String,

    /// The file to write (.safetensors)
    #[arg(value_name = "FILE")]
    output: PathBuf,

    /// Round numbers to half precision
    #[arg(long)]
    f16: bool,

    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let Args { input, output, .. } = args;
    let model = engine::model(input, None)?;
    files::checkpoint(output, input, args.force)?;
    let stored = if args.f16 { Stored::F16 } else { Stored::F32 };
    let bytes = model.to_safetensors(stored)?;
    verify(&bytes, &model, output, stored)?;
    files::begin(output, &bytes)?.finish(args.force).map_err(Error::io(output))?;
    let (name, scale, kind) = (output.display(), model.scale(), model.architecture());
    let told = if args.f16 { ", rounded to f16" } else { "" };
    terminal::tell(&format!("{input} → {name}  {kind} x{scale}, {} bytes{told}", bytes.len()));
    Ok(ExitCode::SUCCESS)
}

/// What was made of `model`, read again, is the same network with the same numbers.
pub fn verify(bytes: &[u8], model: &Model, output: &Path, stored: Stored) -> Result<()> {
    let again =
        Model::from_weights(model.name(), Weights::from_bytes(&output.display().to_string(), bytes)?)?;
    let told =
        |model: &Model| (model.architecture(), model.description(), model.scales(), model.parameters());
    let tensors = model.weights().iter().zip(again.weights().iter());
    let same = tensors.into_iter().all(|((name, expected), (other, found))| {
        let numbers = expected.values().iter().zip(found.values());
        name == other
            && expected.dims() == found.dims()
            && numbers.into_iter().all(|(a, b)| is_near(*a, *b, stored))
    });
    let count = |model: &Model| model.weights().names().count();
    if again.partitions() != model.partitions() {
        return Err(format!("{}: rounded to f16, other channels would be masked", output.display()).into());
    }
    if told(&again) != told(model) || count(&again) != count(model) || !same {
        let file = output.display().to_string();
        let reason = "what was made of the checkpoint is not the same when it is read again; this is a mistake of \
                      sparsr's, please report it";
        return Err(Error::Weights { file, reason: reason.into() }.into());
    }
    Ok(())
}

/// Equal; or as near as half precision, with 11 bits and steps of at least 2⁻²⁴, comes.
fn is_near(expected: f32, found: f32, stored: Stored) -> bool {
    match stored {
        Stored::F32 => expected.to_bits() == found.to_bits(),
        Stored::F16 => (expected - found).abs() <= (expected.abs() / 2048.0).max(f32::from_bits(0x3300_0000)),
    }
}
