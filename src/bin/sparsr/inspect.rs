//! `sparsr inspect`: what a network is, and where its work lies.

mod density;
mod plot;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use sparsr::low_level::cpu;
use sparsr::low_level::plan::{Phase, uncut};
use sparsr::low_level::tensor::Shape;
use sparsr::{Error, Model, Partition};

use self::density::Density;
use crate::{Result, engine, files, terminal};

/// A side of the picture that the work is counted on: large, so that what is done once a picture vanishes.
const SIDE: usize = 256;

/// Explain a network: architecture, scale, parameters, work, channel partitions
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr inspect smsr-x2
  sparsr inspect network.pth --json
  sparsr inspect network.pth --density --plot network.svg --beside pruned.safetensors")]
pub struct Args {
    /// A built-in name, a checkpoint (.safetensors, .pth, .pt) or a graph (.onnx; .param or .bin of ncnn)
    model: String,

    /// The scale, of a checkpoint that has several
    #[arg(long, value_name = "N")]
    scale: Option<usize>,

    /// Tell of every convolution how many of its weights are near zero, and how small its filters are
    #[arg(long)]
    density: bool,

    /// Draw that (.svg)
    #[arg(long, value_name = "FILE", requires = "density")]
    plot: Option<PathBuf>,

    /// Another network beside it, such as the one that it was pruned to
    #[arg(long, value_name = "NAME|PATH", requires = "density")]
    beside: Option<String>,

    /// Replace a file that exists
    #[arg(long, requires = "plot")]
    force: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    architecture: String,
    description: String,
    /// Of several networks in the file, which this is.
    taken: Option<String>,
    scale: usize,
    /// Every scale of the checkpoint.
    scales: Vec<usize>,
    alignment: usize,
    smallest_side: usize,
    /// Pixels that are put around pictures, at the left and the top, and at the right and the bottom.
    border: [usize; 2],
    parameters: usize,
    macs_per_input_pixel: Macs,
    tiles: Tiles,
    modules: Vec<Module>,
}

/// Whether a picture passes in tiles.
#[derive(Serialize)]
struct Tiles {
    /// How often each tile is computed a part of.
    passes: usize,
    /// What looks at the whole picture, if something does.
    whole_picture: Option<String>,
    /// What a million pixels take in one piece, by the CPU engine, if they pass in no other way.
    bytes_a_megapixel: Option<u64>,
}

/// Multiply-adds.
#[derive(Serialize)]
struct Macs {
    total: f64,
    /// Spent on every pixel.
    always: f64,
    /// Spent where a module's mask is set.
    masked: f64,
}

#[derive(Serialize)]
struct Module {
    name: String,
    channels: usize,
    /// Channels of each layer that are computed everywhere.
    dense: Vec<usize>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.density {
        return densities(args);
    }
    let report = Report::new(&engine::model(&args.model, args.scale)?)?;
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Where the network is small, and the one beside it.
fn densities(args: &Args) -> Result<ExitCode> {
    let own = engine::model(&args.model, args.scale)?;
    let beside = args.beside.as_deref().map(|name| engine::model(name, None)).transpose()?;
    let networks = std::iter::once(&own).chain(&beside).map(Density::of).collect::<Result<Vec<_>>>()?;
    if let Some(path) = &args.plot {
        draw(path, &networks, args.force)?;
    }
    let texts: Vec<String> = networks.iter().map(Density::to_text).collect();
    let text = if args.json { serde_json::to_string_pretty(&networks)? + "\n" } else { texts.join("\n") };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn draw(path: &Path, networks: &[Density], force: bool) -> Result<()> {
    if path.extension().is_none_or(|extension| extension != "svg") {
        return Err(format!("{}: expected a name that ends in .svg", path.display()).into());
    }
    files::prepare(path, force)?;
    files::begin(path, plot::svg(networks).as_bytes())?.finish(force).map_err(Error::io(path))?;
    Ok(())
}

impl Report {
    fn new(model: &Model) -> Result<Self> {
        let side = SIDE.next_multiple_of(model.alignment());
        let graph = model.graph(Shape::new(1, 3, side, side))?;
        let macs = graph.macs();
        let phases = Phase::all(graph.clone());
        let uncut = uncut(&phases);
        let bytes = uncut.map(|_| cpu::bytes_a_megapixel(&graph, model.alignment())).transpose()?;
        let tiles = Tiles {
            passes: phases.len(),
            whole_picture: uncut.map(|node| format!("{} ({})", node.name, node.op.operator().name())),
            bytes_a_megapixel: bytes,
        };
        let a_pixel = |macs: u64| macs as f64 / (side * side) as f64;
        let module = |Partition { module, channels, dense }| Module { name: module, channels, dense };
        Ok(Self {
            model: model.name().into(),
            architecture: model.architecture().into(),
            description: model.description(),
            taken: model.weights().taken().map(ToString::to_string),
            scale: model.scale(),
            scales: model.scales(),
            alignment: model.alignment(),
            smallest_side: model.smallest_side(),
            border: model.net().facts().border,
            parameters: model.parameters(),
            macs_per_input_pixel: Macs {
                total: a_pixel(macs.total()),
                always: a_pixel(macs.always),
                masked: a_pixel(macs.masked),
            },
            tiles,
            modules: model.partitions().into_iter().map(module).collect(),
        })
    }

    fn to_text(&self) -> String {
        let Macs { total, masked, .. } = self.macs_per_input_pixel;
        let only = if masked > 0.0 {
            format!(", {masked:.0} of them only where masks are set")
        } else {
            String::new()
        };
        let sizes = match (self.alignment, self.smallest_side) {
            (1, 1) => "any".to_owned(),
            (1, least) => format!("{least} pixels a side and more; smaller ones are extended and cropped"),
            (alignment, _) => format!("multiples of {alignment}; others are extended and cropped"),
        };
        let sizes = match self.border {
            [0, 0] => sizes,
            [before, behind] => {
                format!("{sizes}; {before} pixels of the edge before and {behind} behind are seen too")
            }
        };
        let tiles = match (&self.tiles.whole_picture, self.tiles.passes) {
            (Some(node), _) => format!(
                "no: {node} looks at the whole picture, which takes {:.2} GB a megapixel",
                self.tiles.bytes_a_megapixel.unwrap_or_default() as f64 / 1e9
            ),
            (None, 1) => "yes".to_owned(),
            (None, passes) => format!("yes, in {passes} passes over the picture"),
        };
        let scales: Vec<String> = self.scales.iter().map(|scale| format!("x{scale}")).collect();
        let mut text = format!(
            "{}  {} x{}: {}\n\n\
             parameters  {}\n\
             work        {total:.0} multiply-adds an input pixel{only}\n\
             sizes       {sizes}\n\
             tiles       {tiles}\n",
            self.model, self.architecture, self.scale, self.description, self.parameters
        );
        if let Some(taken) = &self.taken {
            writeln!(text, "taken       {taken}").expect("a string takes all");
        }
        if self.scales.len() > 1 {
            writeln!(text, "scales      {}; --scale chooses", scales.join(", ")).expect("a string takes all");
        }
        if let Some(first) = self.modules.first() {
            writeln!(
                text,
                "partition   channels of {} that are computed everywhere, by layer",
                first.channels
            )
            .expect("a string takes all");
        }
        for module in &self.modules {
            let dense: String = module.dense.iter().map(|channels| format!("{channels:>5}")).collect();
            writeln!(text, "  {:<10}{dense}", module.name).expect("a string takes all");
        }
        text
    }
}
