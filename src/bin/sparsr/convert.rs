//! `sparsr convert`: a checkpoint as safetensors, which says what it is, or as a network of ncnn's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sparsr::low_level::cpu;
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::low_level::weights::{Stored, Weights};
use sparsr::{Error, Model};

use crate::{Result, engine, files, terminal};

/// Write a checkpoint as safetensors, or for ncnn
///
/// In safetensors the tensors keep their names; the file's metadata tells architecture, scale and the file that they came from.
/// A name that ends in .param makes the two files of ncnn, with the layers as they are computed. What was written is read again
/// and compared before it appears.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr convert network.pth network.safetensors
  sparsr convert network.pth network.safetensors --f16        half the size
  sparsr convert network.pth network.param                    for ncnn, with network.bin")]
pub struct Args {
    /// A checkpoint (.safetensors, .pth, .pt), or a built-in name
    #[arg(value_name = "NAME|PATH")]
    input: String,

    /// The file to write (.safetensors, .param)
    #[arg(value_name = "FILE")]
    output: PathBuf,

    /// Round numbers to half precision, in safetensors
    #[arg(long)]
    f16: bool,

    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let Args { input, output, .. } = args;
    let model = engine::model(input, None)?;
    if output.extension().is_some_and(|extension| extension == "param") {
        return for_ncnn(&model, args);
    }
    if model.told_by_graph() {
        let reason =
            "expected a network of a known architecture, found a graph, which safetensors has no place for";
        return Err(format!("{input}: {reason}").into());
    }
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

/// The two files of ncnn, once they make the same picture when they are read again.
fn for_ncnn(model: &Model, Args { input, output, f16, force }: &Args) -> Result<ExitCode> {
    if *f16 {
        return Err("--f16 is for safetensors: numbers for ncnn are f32".into());
    }
    let bin = output.with_extension("bin");
    for file in [output, &bin] {
        files::prepare(file, *force)?;
    }
    let [param, numbers] = model.to_ncnn()?;
    let again = Model::from_ncnn(&output.display().to_string(), &param, &numbers)?;
    let apart = apart(model, &again)?;
    // Numbers are multiplied by white and divided by it.
    if apart.is_nan() || apart > 1e-4 || again.scale() != model.scale() {
        let reason = format!(
            "what was made of the network differs by {apart:.1e} when it is read again; this is a mistake"
        );
        return Err(format!("{}: {reason} of sparsr's, please report it", output.display()).into());
    }
    let files = [files::begin(&bin, &numbers)?, files::begin(output, &param)?];
    for (file, path) in files.into_iter().zip([&bin, output]) {
        file.finish(*force).map_err(Error::io(path))?;
    }
    let (name, beside, scale) = (output.display(), bin.display(), model.scale());
    terminal::tell(&format!(
        "{input} → {name}, {beside}  {} x{scale}, {} bytes",
        model.architecture(),
        numbers.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// How far the pictures that two networks make of one are apart at most, in shares of white.
fn apart(a: &Model, b: &Model) -> Result<f32> {
    const SIDE: usize = 48;
    let side = SIDE.max(a.net().facts().smallest().width).next_multiple_of(a.alignment() * b.alignment());
    let shape = Shape::new(1, 3, side, side);
    let made = |model: &Model| {
        let graph = model.graph(shape)?;
        let wave =
            |at: usize| graph.range() * (0.5 + 0.4 * (at as f32 * 0.37).sin() * (at as f32 * 0.011).cos());
        let picture = Tensor::new(shape, (0..shape.len()).map(wave).collect());
        let made = cpu::run(&graph, model.net().numbers(), &picture)?;
        Ok::<Vec<f32>, Error>(made.values().iter().map(|number| number / graph.range()).collect())
    };
    let (a, b) = (made(a)?, made(b)?);
    if a.len() != b.len() {
        return Ok(f32::NAN);
    }
    Ok(a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max))
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
