//! `sparsr ladder`: from networks and photographs to a ladder, by what each network makes of them.

use std::path::PathBuf;
use std::process::ExitCode;

use sparsr::learn::data::{DataOptions, HeldOut, Pairs};
use sparsr::{Error, LadderFit, Model, Progress};

use crate::{Result, engine, files, terminal};

/// Make a ladder of networks: small ones for what is easy in a picture, the best for the rest
///
/// Enlarges photographs whose large version is known with every network, and fits how far each is from the truth, and what
/// it costs, to what parts of a picture look like. `sparsr upscale --ladder FILE --effort 0.5` then sends each part
/// through the network that is worth it. The file holds no networks: they are built in, or lie beside it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr ladder edsrmini-x2 smsr-x2 -o ladder.safetensors --pictures photos
  sparsr upscale photo.jpg --ladder ladder.safetensors --effort 0.7")]
pub struct Args {
    /// Two networks or more of one scale, from the cheapest to the best: built-in names, or checkpoints beside the output
    #[arg(value_name = "NAME|PATH", num_args = 2..)]
    models: Vec<String>,

    /// The file to write (.safetensors)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// A folder of large, clean photographs
    #[arg(long, value_name = "DIR", required = true)]
    pictures: Vec<PathBuf>,

    /// A file of names, one a line, of pictures that are not looked at
    #[arg(long, value_name = "FILE")]
    heldout: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    for name in &args.models {
        files::checkpoint(&args.output, name, args.force)?;
    }
    let models = args.models.iter().map(|name| network(name, args)).collect::<Result<Vec<Model>>>()?;
    let mut fit = LadderFit::new(&models)?;
    let cancel = terminal::end_on_interrupt("ends after this picture; Ctrl-C again ends it at once")?;
    let mut options = DataOptions::new(&args.pictures[..], models[0].scale());
    if let Some(names) = &args.heldout {
        options.held_out = HeldOut::read(names)?;
    }
    let pairs = Pairs::open(&options, &cancel, &Progress::default())?;
    let bar = terminal::progress(pairs.pairs().len());
    for pair in pairs.pairs() {
        cancel.check()?;
        bar.set_message(pair.name.clone());
        fit.observe(&pair.low, &pair.high)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let ladder = fit.ladder()?.to_safetensors()?;
    files::begin(&args.output, &ladder)?.finish(args.force).map_err(Error::io(&args.output))?;
    terminal::tell(&format!("{}: fitted to {} cells", args.output.display(), fit.cells()));
    Ok(ExitCode::SUCCESS)
}

/// A network, which is found again by its name alone.
fn network(name: &str, args: &Args) -> Result<Model> {
    let model = engine::model(name, None)?;
    if Model::builtin_names().contains(&name) {
        return Ok(model);
    }
    let (path, folder) = (PathBuf::from(name), files::folder(&args.output));
    if files::identity(files::folder(&path)) != files::identity(folder) {
        let reason = format!("{name}: expected it beside the ladder, in {}: copy it there", folder.display());
        return Err(reason.into());
    }
    Ok(model)
}
