//! `sparsr convert`: a checkpoint as safetensors, which says what it is, or as a graph for other programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sparsr::low_level::cpu;
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::low_level::weights::{Stored, Weights};
use sparsr::{Error, Model};

use crate::{Result, engine, files, terminal};

/// Write a checkpoint as safetensors, or as a graph for ONNX Runtime or ncnn
///
/// In safetensors the tensors keep their names; the file's metadata tells architecture, scale and the file that they came from.
/// A name that ends in .onnx makes a model, one in .param the two files of ncnn, with the layers as they are computed. What was
/// written is read again and compared before it appears; what of ONNX is not read here is not compared, with a warning.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr convert network.pth network.safetensors
  sparsr convert network.pth network.safetensors --f16        half the size
  sparsr convert network.pth network.onnx
  sparsr convert network.pth network.param                    for ncnn, with network.bin")]
pub struct Args {
    /// A checkpoint (.safetensors, .pth, .pt), or a built-in name
    #[arg(value_name = "NAME|PATH")]
    input: String,

    /// The file to write (.safetensors, .onnx, .param)
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
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("param") => return graph(&model, args, Kind::Ncnn),
        Some("onnx") => return graph(&model, args, Kind::Onnx),
        _ => {}
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

/// Files of a network's graph, the one that was asked for last.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// A graph for other programs, once it makes the same picture when it is read again.
fn graph(model: &Model, Args { input, output, f16, force }: &Args, kind: Kind) -> Result<ExitCode> {
    if *f16 {
        return Err("--f16 is for safetensors: graphs have numbers of f32".into());
    }
    let name = output.display().to_string();
    let (files, again): (Files, Result<Model, Error>) = match kind {
        Kind::Ncnn => {
            let [param, bin] = model.to_ncnn()?;
            let again = Model::from_ncnn(&name, &param, &bin);
            (vec![(output.with_extension("bin"), bin), (output.clone(), param)], again)
        }
        Kind::Onnx => {
            let bytes = model.to_onnx()?;
            let again = Model::from_bytes(&name, &bytes);
            (vec![(output.clone(), bytes)], again)
        }
    };
    for (file, _) in &files {
        files::prepare(file, *force)?;
    }
    match again {
        Ok(again) => check_same(model, &again, &name)?,
        // More is written than is read: masks, deviations.
        Err(error) if kind == Kind::Onnx => tracing::warn!("what is written is not compared: {error}"),
        Err(error) => return Err(error.into()),
    }
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let begun: Vec<_> = files.iter().map(|(path, bytes)| files::begin(path, bytes)).collect::<Result<_>>()?;
    for (file, (path, _)) in begun.into_iter().zip(&files) {
        file.finish(*force).map_err(Error::io(path))?;
    }
    let (architecture, scale) = (model.architecture(), model.scale());
    terminal::tell(&format!("{input} → {name}  {architecture} x{scale}, {bytes} bytes"));
    Ok(ExitCode::SUCCESS)
}

/// Whether two networks make one picture.
fn check_same(model: &Model, again: &Model, name: &str) -> Result<()> {
    let apart = apart(model, again)?;
    // Numbers are multiplied by white and divided by it.
    if apart <= 1e-4 && again.scale() == model.scale() {
        return Ok(());
    }
    let reason = format!("what was made of the network differs by {apart:.1e} when it is read again");
    Err(format!("{name}: {reason}; this is a mistake of sparsr's, please report it").into())
}

/// Who reads a graph.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ncnn,
    Onnx,
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
