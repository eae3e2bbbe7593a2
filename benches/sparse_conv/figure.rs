//! A line chart as SVG, on a ground of its own so that it reads in light and dark pages alike. `Display` is the file.

use std::fmt;

/// Lines over 0 … 1.
#[derive(Debug)]
pub struct Figure {
    pub title: String,
    pub subtitle: String,
    pub x: String,
    pub y: String,
    pub lines: Vec<Line>,
}

/// One of them, and its name in the legend.
#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 440.0;
/// The plot's edges.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 380.0;

/// Colour and dashes by turns. Colours are Okabe and Ito's, which differ for the colour-blind too.
const STYLES: &[(&str, &str)] = &[
    ("#3c4043", "7 4"),
    ("#8a8f94", "7 4"),
    ("#d55e00", ""),
    ("#0072b2", ""),
    ("#009e73", ""),
    ("#cc79a7", "2 4"),
    ("#e69f00", "2 4"),
    ("#56b4e9", "1 5"),
];

impl Figure {
    /// What the vertical axis ends at, and the step between its labels.
    fn scale(&self) -> (f64, f64) {
        let largest =
            self.lines.iter().flat_map(|line| &line.points).fold(1.0, |a: f64, point| a.max(point.1));
        let step = [0.2, 0.5, 1.0, 2.0].into_iter().find(|step| largest / step <= 10.0).unwrap_or(5.0);
        (step * (largest / step).ceil(), step)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (top, step) = self.scale();
        let at_x = |x: f64| LEFT + x * (RIGHT - LEFT);
        let at_y = |y: f64| BOTTOM - y / top * (BOTTOM - TOP);
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img">"#
        )?;
        writeln!(f, "<title>{}</title>", escaped(&self.title))?;
        writeln!(f, r#"<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{GROUND}"/>"#)?;
        text(f, (LEFT, 30.0), r#"font-size="16" font-weight="600""#, &self.title)?;
        text(f, (LEFT, 50.0), &format!(r#"fill="{FAINT}""#), &self.subtitle)?;

        for tick in 0..=5 {
            let x = f64::from(tick) / 5.0;
            rule(f, (at_x(x), TOP), (at_x(x), BOTTOM))?;
            text(f, (at_x(x), BOTTOM + 20.0), r#"text-anchor="middle""#, &format!("{x:.1}"))?;
        }
        for tick in 0..=(top / step).round() as u32 {
            let y = f64::from(tick) * step;
            rule(f, (LEFT, at_y(y)), (RIGHT, at_y(y)))?;
            text(f, (LEFT - 10.0, at_y(y) + 4.0), r#"text-anchor="end""#, &format!("{y:.1}"))?;
        }
        text(f, (at_x(0.5), HEIGHT - 18.0), r#"text-anchor="middle""#, &self.x)?;
        let middle = TOP + (BOTTOM - TOP) / 2.0;
        let turned = format!(r#"text-anchor="middle" transform="rotate(-90 22 {middle})""#);
        text(f, (22.0, middle), &turned, &self.y)?;

        for (at, (line, (colour, dashes))) in self.lines.iter().zip(STYLES.iter().cycle()).enumerate() {
            let style =
                format!(r#"fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dashes}""#);
            let points = line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y)));
            writeln!(f, r#"<polyline {style} points="{}"/>"#, points.collect::<Vec<_>>().join(" "))?;
            for (x, y) in &line.points {
                let (x, y) = (at_x(*x), at_y(*y));
                writeln!(f, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)?;
            }
            let y = TOP + 12.0 + 24.0 * at as f64;
            let (from, to) = (RIGHT + 20.0, RIGHT + 52.0);
            writeln!(f, r#"<polyline {style} points="{from},{y} {to},{y}"/>"#)?;
            text(f, (to + 8.0, y + 4.0), "", &line.name)?;
        }
        writeln!(f, "</svg>")
    }
}

const GROUND: &str = "#ffffff";
const INK: &str = "#1f2328";
const FAINT: &str = "#59636e";

fn rule(f: &mut fmt::Formatter<'_>, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> fmt::Result {
    writeln!(f, r##"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="#e3e6ea"/>"##)
}

fn text(f: &mut fmt::Formatter<'_>, (x, y): (f64, f64), style: &str, text: &str) -> fmt::Result {
    writeln!(f, r#"<text x="{x:.1}" y="{y:.1}" {style}>{}</text>"#, escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
