//! Where networks are small, as a picture: for every convolution, from left to right, a dot for each filter at its norm, and
//! below a bar for the share of its numbers that are near zero. One network above the other. Plain SVG.
//!
//! ```text
//!   10 │ ·  :  .  :          norm of a filter, of its layer's mean, on a logarithmic scale
//!    1 │ ⁞  ⁞  ⁞  ⁞
//!  0.1 │ ·     ·  .
//!      │ ▂  ▁  █  ▁          near zero
//!      └──────────── convolutions
//! ```

use std::fmt::Write as _;

use sparsr::learn::density::Layer;

use super::density::Density;
use crate::svg::{BLUE, INK, LEFT, RIGHT, WIDTH, escaped, page, put};

/// Norms from 10⁻³ to 10 of their mean; what is less lies on the lowest line.
const DECADES: [f64; 2] = [-3.0, 1.0];

const NORMS: f64 = 260.0;
const ZEROS: f64 = 70.0;
/// From the top of a network's diagram to that of the next.
const STEP: f64 = NORMS + ZEROS + 130.0;
const FIRST: f64 = 80.0;

/// Several networks, all with as many columns as the largest has convolutions.
pub fn svg(networks: &[Density]) -> String {
    let columns = networks.iter().map(|network| network.found.len()).max().unwrap_or(0).max(1);
    let mut text = String::new();
    for (number, network) in networks.iter().enumerate() {
        text += &Diagram { top: FIRST + STEP * number as f64, columns }.of(network);
    }
    let names: Vec<&str> = networks.iter().map(|network| &*network.model).collect();
    page(&names.join(", "), STEP * networks.len() as f64 + 50.0, &text)
}

struct Diagram {
    top: f64,
    columns: usize,
}

impl Diagram {
    fn of(&self, network: &Density) -> String {
        let mut text = self.frame(&network.model);
        for (column, layer) in network.found.iter().enumerate() {
            let _ = writeln!(text, "<g><title>{}</title>", escaped(&layer.name));
            text += &self.layer(column, layer);
            text += "</g>\n";
        }
        text
    }

    fn frame(&self, name: &str) -> String {
        let (top, right) = (self.top, WIDTH - RIGHT);
        let mut text = String::new();
        let title = format!("{}: norms of filters, of their layer's mean", escaped(name));
        put(&mut text, LEFT, top - 14.0, "start", &title);
        for decade in DECADES[0] as i32..=DECADES[1] as i32 {
            let y = self.y(10.0_f64.powi(decade));
            let _ = writeln!(text, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#dddddd\"/>");
            put(&mut text, LEFT - 8.0, y + 4.5, "end", &10.0_f64.powi(decade).to_string());
        }
        let [upper, lower] = [self.bars() - ZEROS, self.bars()];
        put(&mut text, LEFT, upper - 8.0, "start", "share of weights near zero");
        for (y, words) in [(upper, "100%"), (lower, "0%")] {
            put(&mut text, LEFT - 8.0, y + 4.5, "end", words);
        }
        let _ =
            writeln!(text, "<path d=\"M{LEFT} {upper}V{lower}H{right}\" fill=\"none\" stroke=\"{INK}\"/>");
        put(&mut text, (LEFT + right) / 2.0, lower + 18.0, "middle", "convolutions, in order");
        text
    }

    /// A dot a filter, and the bar.
    fn layer(&self, column: usize, layer: &Layer) -> String {
        let width = (WIDTH - LEFT - RIGHT) / self.columns as f64;
        let x = LEFT + width * (column as f64 + 0.5);
        let mut text = String::new();
        for norm in &layer.norms {
            let y = self.y(*norm);
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{BLUE}\" fill-opacity=\"0.35\"/>"
            );
        }
        let (height, bar) = (ZEROS * layer.zeros as f64 / layer.numbers().max(1) as f64, 0.7 * width);
        let (x, y) = (x - bar / 2.0, self.bars() - height);
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{bar:.1}\" height=\"{height:.1}\" fill=\"{BLUE}\"/>"
        );
        text
    }

    fn y(&self, norm: f64) -> f64 {
        let [least, most] = DECADES;
        let at = norm.max(f64::MIN_POSITIVE).log10().clamp(least, most);
        self.top + NORMS * (most - at) / (most - least)
    }

    /// Where bars stand.
    fn bars(&self) -> f64 {
        self.top + NORMS + 35.0 + ZEROS
    }
}
