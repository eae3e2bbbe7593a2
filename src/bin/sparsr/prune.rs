//! `sparsr prune`: a smaller checkpoint of a checkpoint, by taking whole channels away, or as many numbers of every block.

pub mod balanced;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use sparsr::learn::prune::{self, Cost, Target};
use sparsr::low_level::graph::{Channels, Fixed, Group, Kept, Why};
use sparsr::low_level::weights::Stored;
use sparsr::{Error, Model};

use crate::upscale::size::within;
use crate::{Result, convert, engine, files, terminal, train};

/// Make a network smaller by taking away the channels that matter least
///
/// Which channels belong together is found from the network: what is added up loses the same ones. The file that comes
/// out is a checkpoint as any other. It is worse than it was until it is trained on: `sparsr train` with
/// network_g.type=Checkpoint and path.pretrain_network_g.
///
/// Methods that learn drive channels to zero first, as a configuration of `sparsr train` and its table [prune] say; what
/// comes out is experiments/NAME/models/net_g_pruned.safetensors.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr prune edsr.pth -o edsr-half.safetensors --keep 0.5
  sparsr prune edsr.pth -o edsr-30g.safetensors --macs 30G
  sparsr prune rlfn.pth -o rlfn-200k.safetensors --params 200k --skip '*.esa.*'
  sparsr prune edsr.pth -o edsr-2of8.safetensors --method balanced --keep 0.25
  sparsr prune edsr.pth -c edsr.toml --method assl --keep 0.5

docs/compression.md says what the methods do.")]
pub struct Args {
    /// A checkpoint (.safetensors, .pth, .pt), or a built-in name
    #[arg(value_name = "NAME|PATH")]
    input: String,

    /// The file to write (.safetensors)
    #[arg(short, long, value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    output: Option<PathBuf>,

    /// What a channel is worth, or how it is driven to zero; by default l1, or what the configuration says
    #[arg(long, value_enum)]
    method: Option<Method>,

    #[command(flatten)]
    target: Targets,

    /// The size of the result that multiply-adds are counted for
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = within, conflicts_with = "config")]
    size: [u32; 2],

    /// Leave convolutions of this name alone, by patterns of * and ?
    #[arg(long, value_name = "PATTERN", conflicts_with = "config")]
    skip: Vec<glob::Pattern>,

    /// The scale, of a checkpoint that has several: the others go
    #[arg(long, value_name = "N", conflicts_with = "config")]
    scale: Option<usize>,

    /// Balanced: of how many neighbours as many stay everywhere
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with = "config")]
    block: usize,

    /// Balanced: of how many neighbouring outputs the same inputs stay; 4 is what GPUs have lists for
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "config")]
    rows: usize,

    /// What lots are drawn by
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "config")]
    seed: u64,

    /// Replace a file that exists
    #[arg(long, conflicts_with = "config")]
    force: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "config")]
    json: bool,

    /// What to learn from and how, for a method that learns
    #[arg(short, long, value_name = "CONFIG.toml")]
    config: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Methods that learn")]
    how: train::How,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The L1 norms of the filters that make it, as shares of their layers' means
    L1,
    /// Lots, drawn by --seed
    Random,
    /// Single numbers: the largest of every --block of them; with CONFIG.toml it learns
    Balanced,
    /// Learns: magnitudes under weight normalisation, aligned between layers that are added
    Assl,
    /// Learns: the same, with each layer's share found by comparing all
    Gassl,
    /// Learns: plain weights
    Srp,
    /// Learns: single numbers become zero, and each layer's density is told
    Obproxsg,
}

/// How small it becomes.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Targets {
    /// This share of the channels, such as 0.5, at least one of each group; balanced: of the numbers
    #[arg(long, value_name = "SHARE")]
    keep: Option<f64>,

    /// At most so many multiply-adds, such as 30G
    #[arg(long, value_name = "COUNT", value_parser = quantity)]
    macs: Option<u64>,

    /// At most so many parameters, such as 200k
    #[arg(long, value_name = "COUNT", value_parser = quantity)]
    params: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    model: String,
    architecture: String,
    description: [String; 2],
    size: [u32; 2],
    macs: [u64; 2],
    parameters: [u64; 2],
    groups: Vec<Row>,
    stay: Vec<Stay>,
}

/// A group, before and after.
#[derive(Serialize)]
struct Row {
    name: String,
    /// How many convolutions make its channels.
    convolutions: usize,
    channels: [usize; 2],
}

/// What stays as it is.
#[derive(Serialize)]
struct Stay {
    name: String,
    channels: usize,
    why: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(config) = &args.config {
        return train::prune(&args.input, config, &args.sets(), &args.how);
    }
    if args.how.is_asked() {
        return Err("--set and --auto-resume are a training's, which begins with -c CONFIG.toml".into());
    }
    let input = &args.input;
    let output = args.output.as_ref().ok_or("expected -o FILE")?;
    let model = engine::model(input, args.scale)?;
    let target = args.target.chosen().ok_or("expected how small: one of --keep, --macs and --params")?;
    if args.method == Some(Method::Balanced) {
        let (made, report) = balanced::prune(&model, target, args)?;
        return finish(args, output, &made, report);
    }
    let method = args.method.unwrap_or(Method::L1).at_once(args.seed)?;
    let channels = skipping(prune::channels(&model)?, &model, &args.skip)?;
    if channels.groups().is_empty() {
        return Err(refused(&model, &channels).into());
    }
    let picture = args.size.map(|side| side as usize);
    let counts = prune::counts(&model, &channels, target, picture)?;
    let kept = prune::best(&channels, &method.scores(&model, &channels)?, &counts)?;
    let made = prune::sliced(&model, &channels, &kept)?;
    let report = Report::new([&model, &made], &channels, &kept, args.size)?;
    let text = if args.json { json(&report)? } else { report.to_text() };
    finish(args, output, &made, text)
}

/// Writes the network and tells of it.
fn finish(args: &Args, output: &Path, made: &Model, report: String) -> Result<ExitCode> {
    let input = &args.input;
    files::checkpoint(output, input, args.force)?;
    let bytes = made.to_safetensors(Stored::F32)?;
    convert::verify(&bytes, made, output, Stored::F32)?;
    files::begin(output, &bytes)?.finish(args.force).map_err(Error::io(output))?;
    terminal::print(report.as_bytes())?;
    terminal::tell(&format!("{input} → {}  {} bytes", output.display(), bytes.len()));
    Ok(ExitCode::SUCCESS)
}

fn json(report: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// The channels without those whose makers are to be left alone.
pub fn skipping(channels: Channels, model: &Model, skip: &[glob::Pattern]) -> Result<Channels> {
    let named = |group: &Group, pattern: &glob::Pattern| {
        prune::makers(model, group).iter().any(|name| pattern.matches(name))
    };
    let groups = channels.groups();
    if let Some(pattern) = skip.iter().find(|pattern| !groups.iter().any(|group| named(group, pattern))) {
        let some = groups.iter().take(4).map(|group| &*group.name).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "skip: {pattern} is the name of no convolution that could be pruned; there are {some}, …"
        )
        .into());
    }
    let left = |group: &Group| skip.iter().any(|pattern| named(group, pattern)).then_some(Why::Skipped);
    Ok(channels.without(model.net().unfolded(), left))
}

/// Why nothing can be pruned.
fn refused(model: &Model, channels: &Channels) -> String {
    // What the graph says, before what a reader said of a trial.
    let is_tried = |fixed: &Fixed| matches!(fixed.why, Why::Unreadable(_));
    let inner = channels.fixed().iter().filter(|fixed| ![Why::Output, Why::Picture].contains(&fixed.why));
    let reason = inner.max_by_key(|fixed| (!is_tried(fixed), fixed.channels));
    let reason = reason.map_or_else(String::new, |Fixed { name, why, .. }| match why {
        Why::Unreadable(reason) => format!("; {reason}"),
        why => format!("; {name}: {why}"),
    });
    format!("{}: expected channels that can be taken away, found none{reason}", model.weights().source())
}

impl Args {
    /// What is laid over a configuration.
    fn sets(&self) -> Vec<(&'static str, String)> {
        let Targets { keep, macs, params } = self.target;
        let method = self.method.and_then(|method| Some(method.to_possible_value()?.get_name().to_owned()));
        let numbers = [("keep", keep.map(|keep| keep.to_string()))].into_iter().chain(
            [("macs", macs), ("params", params)]
                .map(|(name, count)| (name, count.map(|count| count.to_string()))),
        );
        let given = [("method", method)].into_iter().chain(numbers);
        given.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl Method {
    /// The method, if it needs no training.
    fn at_once(self, seed: u64) -> Result<prune::Method> {
        match self {
            Self::L1 => Ok(prune::Method::L1),
            Self::Random => Ok(prune::Method::Random { seed }),
            _ => Err("--method: it learns, and needs to know from what: -c CONFIG.toml".into()),
        }
    }
}

impl Targets {
    fn chosen(&self) -> Option<Target> {
        let Self { keep, macs, params } = *self;
        keep.map(Target::Keep).or(macs.map(Target::Macs)).or(params.map(Target::Parameters))
    }
}

/// A count such as `30G`, `1.5M` or `200k`.
pub fn quantity(text: &str) -> Result<u64, String> {
    let units = [('k', 1e3), ('K', 1e3), ('M', 1e6), ('G', 1e9), ('T', 1e12)];
    let unit = units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (number, unit) = unit.unwrap_or((text, 1.0));
    let number = number.parse().ok().map(|number: f64| number * unit);
    number
        .filter(|number| *number >= 1.0 && *number < u64::MAX as f64)
        .map(|number| number as u64)
        .ok_or_else(|| "expected a count, such as 30G, 1.5M or 200k".into())
}

impl Report {
    fn new([before, after]: [&Model; 2], channels: &Channels, kept: &Kept, size: [u32; 2]) -> Result<Self> {
        let picture = size.map(|side| side as usize);
        let cost = |kept: &Kept| prune::cost(before, channels, kept, picture);
        let costs: [Cost; 2] = [cost(&Kept::all(channels))?, cost(kept)?];
        let row = |(group, count): (&Group, usize)| Row {
            name: group.name.clone(),
            convolutions: group.made_by.len(),
            channels: [group.channels, count],
        };
        let stay = |Fixed { name, channels, why }: &Fixed| Stay {
            name: name.clone(),
            channels: *channels,
            why: why.to_string(),
        };
        Ok(Self {
            model: before.name().into(),
            architecture: before.architecture().into(),
            description: [before, after].map(Model::description),
            size,
            macs: costs.map(|cost| cost.macs),
            parameters: costs.map(|cost| cost.parameters),
            groups: channels.groups().iter().zip(kept.counts()).map(row).collect(),
            stay: channels.fixed().iter().map(stay).collect(),
        })
    }

    fn to_text(&self) -> String {
        let [from, to] = &self.description;
        let [[macs, fewer_macs], [numbers, fewer_numbers]] = [self.macs, self.parameters];
        let [width, height] = self.size;
        let share = |[before, after]: [u64; 2]| 100.0 * after as f64 / before as f64;
        let giga = |macs: u64| macs as f64 / 1e9;
        let mut text = format!("{} {}: {from} → {to}\n\n", self.model, self.architecture);
        put(&mut text, ["channels of", "before", "after", ""]);
        for (row, like) in alike(&self.groups) {
            let name = match row.convolutions {
                1 => row.name.clone(),
                more => format!("{}, with {} more", row.name, more - 1),
            };
            let more = if like > 1 { format!("{like} such") } else { String::new() };
            put(&mut text, [&name, &row.channels[0].to_string(), &row.channels[1].to_string(), &more]);
        }
        text.push('\n');
        put(
            &mut text,
            [
                "parameters",
                &numbers.to_string(),
                &fewer_numbers.to_string(),
                &format!("{:.1}%", share(self.parameters)),
            ],
        );
        put(
            &mut text,
            [
                &format!("10⁹ multiply-adds to {width}x{height}"),
                &format!("{:.2}", giga(macs)),
                &format!("{:.2}", giga(fewer_macs)),
                &format!("{:.1}%", share(self.macs)),
            ],
        );
        text + &self.stays()
    }

    /// What stays, a line a reason.
    fn stays(&self) -> String {
        let mut reasons: Vec<(&str, &str, usize)> = Vec::new();
        for Stay { name, why, .. } in &self.stay {
            match reasons.iter_mut().find(|(other, ..)| other == why) {
                Some((_, _, count)) => *count += 1,
                None => reasons.push((why, name, 1)),
            }
        }
        let mut text = if reasons.is_empty() { String::new() } else { "\nas they were\n".to_owned() };
        for (why, name, count) in reasons {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            writeln!(text, "  {name}{more}: {why}").expect("a string takes all");
        }
        text
    }
}

fn put(text: &mut String, [name, before, after, more]: [&str; 4]) {
    let line = format!("{name:<44} {before:>10} {after:>10}  {more}");
    writeln!(text, "{}", line.trim_end()).expect("a string takes all");
}

/// Rows that differ in nothing but the numbers in their names, once, and how many they are.
fn alike(rows: &[Row]) -> Vec<(&Row, usize)> {
    let plain = |row: &Row| row.name.replace(|c: char| c.is_ascii_digit(), "");
    let mut found: Vec<(&Row, usize)> = Vec::new();
    for row in rows {
        let same = |other: &Row| {
            plain(other) == plain(row)
                && (other.convolutions, other.channels) == (row.convolutions, row.channels)
        };
        match found.iter_mut().find(|(other, _)| same(other)) {
            Some((_, count)) => *count += 1,
            None => found.push((row, 1)),
        }
    }
    found
}
