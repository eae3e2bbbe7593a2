//! What was measured, in the forms that papers and programs take.

use std::fmt::Write as _;
use std::path::Path;

use clap::ValueEnum;

use super::{Run, Score};
use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Csv,
    Markdown,
    Latex,
}

/// A row a network; a data set's cell has PSNR and SSIM of Y.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// `sets` is how many data sets each network has in turn.
pub fn print(runs: &[Run], sets: usize, format: Format) -> Result<String> {
    Ok(match format {
        Format::Text => runs.iter().map(text).collect::<Vec<_>>().join("\n"),
        Format::Json => match runs {
            [run] => serde_json::to_string_pretty(run)? + "\n",
            runs => serde_json::to_string_pretty(runs)? + "\n",
        },
        Format::Csv => csv(runs),
        Format::Markdown => Table::new(runs, sets).markdown(),
        Format::Latex => Table::new(runs, sets).latex(),
    })
}

fn text(run: &Run) -> String {
    let width = run.images.iter().map(|score| score.name.chars().count()).max().unwrap_or(0).max(4);
    let Run { model, device, precision, set, scale, parameters, .. } = run;
    let mut text =
        format!("{model} on {device} in {precision}\n{set}, x{scale}, {parameters} parameters\n\n");
    let masks = if run.mean.densities.is_empty() { "" } else { "  mask densities" };
    writeln!(text, "{:<width$}  PSNR-Y  SSIM-Y  PSNR-RGB  SSIM-RGB     GMAC  work{masks}", "")
        .expect("a string takes all");
    for score in run.images.iter().chain([&run.mean]) {
        let name = if score.name.is_empty() { "mean" } else { &score.name };
        let Score { psnr_y, ssim_y, psnr_rgb, ssim_rgb, macs, .. } = score;
        let (work, giga) = (100.0 * score.macs_kept, macs / 1e9);
        let densities: String = score.densities.iter().map(|density| format!("  {density:.2}")).collect();
        writeln!(
            text,
            "{name:<width$}  {psnr_y:>6.3}  {ssim_y:.4}  {psnr_rgb:>8.3}  {ssim_rgb:>8.4}  {giga:>7.3}  {work:>3.0}%{densities}"
        )
        .expect("a string takes all");
    }
    text
}

/// A line a picture; the mean is called so.
fn csv(runs: &[Run]) -> String {
    let mut text =
        "version,model,scale,parameters,set,device,precision,image,width,height,psnr_y,ssim_y,psnr_rgb,\
                    ssim_rgb,macs,macs_kept,seconds\n"
            .to_owned();
    for run in runs {
        for score in run.images.iter().chain([&run.mean]) {
            let name = if score.name.is_empty() { "mean" } else { &score.name };
            let [width, height] =
                score.size.map_or_else(Default::default, |size| size.map(|side| side.to_string()));
            let Score { psnr_y, ssim_y, psnr_rgb, ssim_rgb, macs, macs_kept, seconds, .. } = score;
            let words =
                [run.version, &run.model, &run.scale.to_string(), &run.parameters.to_string(), &run.set];
            let words = words.into_iter().chain([&*run.device, &run.precision, name, &width, &height]);
            let numbers = [psnr_y, ssim_y, psnr_rgb, ssim_rgb, macs, macs_kept, seconds];
            let cells = words.map(quoted).chain(numbers.iter().map(ToString::to_string));
            text += &(cells.collect::<Vec<_>>().join(",") + "\n");
        }
    }
    text
}

/// A word of CSV.
fn quoted(word: &str) -> String {
    if word.contains([',', '"', '\n']) {
        format!("\"{}\"", word.replace('"', "\"\""))
    } else {
        word.to_owned()
    }
}

impl Table {
    fn new(runs: &[Run], sets: usize) -> Self {
        let name = |set: &str| {
            let path = Path::new(set);
            let name = match path.file_name() {
                // Set5/HR and its like are called Set5.
                Some(name) if name.eq_ignore_ascii_case("hr") => path.parent().and_then(Path::file_name),
                name => name,
            };
            name.map_or_else(|| set.to_owned(), |name| name.to_string_lossy().into_owned())
        };
        let names: Vec<String> = runs[..sets].iter().map(|run| name(&run.set)).collect();
        let mut head = vec!["Model".into(), "Scale".into(), "Parameters".into(), "Multiply-adds".into()];
        head.extend(names.iter().map(|set| format!("{set} PSNR")));
        head.extend(names.iter().map(|set| format!("{set} SSIM")));
        let row = |runs: &[Run]| {
            let mut row = vec![
                runs[0].model.clone(),
                format!("x{}", runs[0].scale),
                format!("{:.1}K", runs[0].parameters as f64 / 1e3),
                format!("{:.2}G", runs[0].mean.macs / 1e9),
            ];
            row.extend(runs.iter().map(|run| format!("{:.2}", run.mean.psnr_y)));
            row.extend(runs.iter().map(|run| format!("{:.4}", run.mean.ssim_y)));
            row
        };
        Self { head, rows: runs.chunks(sets).map(row).collect() }
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|---|{}\n", "---:|".repeat(self.head.len() - 1));
        let escaped = |row: &Vec<String>| row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>();
        [line(&escaped(&self.head)), rule]
            .into_iter()
            .chain(self.rows.iter().map(|row| line(&escaped(row))))
            .collect()
    }

    fn latex(&self) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("{} \\\\\n", cells.join(" & "))
        };
        let rows: String = self.rows.iter().map(line).collect();
        let columns = "r".repeat(self.head.len() - 1);
        let head = line(&self.head);
        format!("\\begin{{tabular}}{{l{columns}}}\n\\hline\n{head}\\hline\n{rows}\\hline\n\\end{{tabular}}\n")
    }
}

/// A word of LaTeX.
fn escaped(word: &str) -> String {
    let escape = |letter: char| match letter {
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{letter}"),
        '\\' => "\\textbackslash{}".into(),
        '~' => "\\textasciitilde{}".into(),
        '^' => "\\textasciicircum{}".into(),
        letter => letter.into(),
    };
    word.chars().map(escape).collect()
}
