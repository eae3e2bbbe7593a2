//! How a training went, as a picture: PSNR on the validation pictures above the loss, over the iterations. Plain SVG.
//!
//! ```text
//!   │   ╭──────  network           PSNR-Y, dB
//!   │ ─╯─ ─ ─ ─  bicubic
//!   │╲__                           loss, on a logarithmic scale
//!   └──────────  iteration
//! ```

use std::fmt::Write as _;

use super::metrics::Row;
use crate::svg::{BLUE as NETWORK, INK, LEFT, RIGHT, WIDTH, page, put};

const BICUBIC: &str = "#b35900";

/// One diagram of the two.
struct Panel<'a> {
    title: &'a str,
    top: f64,
    height: f64,
    /// The largest iteration.
    last: f64,
    /// The least and the largest value, those of a logarithm if it is one.
    span: [f64; 2],
    is_log: bool,
}

pub fn svg(name: &str, rows: &[Row]) -> String {
    let last = rows.iter().map(|row| row.iter).max().unwrap_or(0).max(1) as f64;
    let points = |value: &dyn Fn(&Row) -> Option<f64>| -> Vec<[f64; 2]> {
        let points = rows.iter().filter_map(|row| Some([row.iter as f64, value(row)?]));
        points.filter(|[_, value]| value.is_finite()).collect()
    };
    let network = points(&|row| row.psnr_y);
    let bicubic = points(&|row| row.psnr_y_bicubic);
    let loss = points(&|row| row.loss.filter(|loss| *loss > 0.0));

    let (psnr_height, loss_height) = (300.0, 220.0);
    let above = Panel::new("PSNR of Y, dB", 50.0, psnr_height, last, &[&network, &bicubic], false);
    let below = Panel::new("loss", 50.0 + psnr_height + 60.0, loss_height, last, &[&loss], true);
    let height = below.top + below.height + 50.0;
    let mut text = above.frame();
    text += &above.line(&bicubic, BICUBIC, " stroke-dasharray=\"7 5\"");
    text += &above.line(&network, NETWORK, "");
    text += &above.dots(&network);
    text += &above.key(&[("network", NETWORK, &network), ("bicubic", BICUBIC, &bicubic)]);
    text += &below.frame();
    text += &below.line(&loss, NETWORK, "");
    put(&mut text, WIDTH / 2.0, height - 12.0, "middle", "iteration");
    page(name, height, &text)
}

impl<'a> Panel<'a> {
    fn new(title: &'a str, top: f64, height: f64, last: f64, lines: &[&Vec<[f64; 2]>], is_log: bool) -> Self {
        let values = lines.iter().flat_map(|line| line.iter().map(|[_, value]| *value));
        let values = values.map(|value| if is_log { value.log10() } else { value });
        let [least, most] = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], value| {
            [least.min(value), most.max(value)]
        });
        // Lines do not lie on the frame, and one value alone has a height.
        let [least, most] = if least <= most { [least, most] } else { [0.0, 1.0] };
        let room = (0.06 * (most - least)).max(0.02);
        Self { title, top, height, last, span: [least - room, most + room], is_log }
    }

    fn x(&self, iteration: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * iteration / self.last
    }

    fn y(&self, value: f64) -> f64 {
        let ([least, most], value) = (self.span, if self.is_log { value.log10() } else { value });
        self.top + self.height * (most - value) / (most - least)
    }

    fn line(&self, points: &[[f64; 2]], colour: &str, more: &str) -> String {
        let points = points.iter().map(|[x, y]| format!("{:.1},{:.1}", self.x(*x), self.y(*y)));
        let points = points.collect::<Vec<_>>().join(" ");
        format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{more}/>\n"
        )
    }

    fn dots(&self, points: &[[f64; 2]]) -> String {
        let dot = |[x, y]: &[f64; 2]| {
            format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{NETWORK}\"/>\n",
                self.x(*x),
                self.y(*y)
            )
        };
        points.iter().map(dot).collect()
    }

    /// The last value of each line, in its colour.
    fn key(&self, lines: &[(&str, &str, &Vec<[f64; 2]>)]) -> String {
        let mut text = String::new();
        let ends = lines.iter().filter_map(|(name, colour, line)| Some((name, colour, line.last()?[1])));
        for (number, (name, colour, value)) in ends.enumerate() {
            let y = self.top - 10.0;
            let words = format!("<tspan fill=\"{colour}\">{name} {value:.3}</tspan>");
            put(&mut text, WIDTH - RIGHT - 140.0 * number as f64, y, "end", &words);
        }
        text
    }

    fn frame(&self) -> String {
        let (bottom, right) = (self.top + self.height, WIDTH - RIGHT);
        let mut text = String::new();
        put(&mut text, LEFT, self.top - 10.0, "start", self.title);
        for value in self.ticks() {
            let y = self.y(value);
            let _ = writeln!(text, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#dddddd\"/>");
            put(&mut text, LEFT - 8.0, y + 4.5, "end", &number(value));
        }
        for iteration in steps(0.0, self.last, 8.0) {
            let x = self.x(iteration);
            let _ = writeln!(text, "<path d=\"M{x:.1} {bottom}v5\" stroke=\"{INK}\"/>");
            put(&mut text, x, bottom + 20.0, "middle", &number(iteration));
        }
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {}V{bottom}H{right}\" fill=\"none\" stroke=\"{INK}\"/>",
            self.top
        );
        text
    }

    fn ticks(&self) -> Vec<f64> {
        let [least, most] = self.span;
        if !self.is_log {
            return steps(least, most, 6.0);
        }
        let decades = (least.floor() as i32..=most.ceil() as i32).map(|power| 10.0_f64.powi(power));
        let marks = if most - least > 2.0 { &[1.0][..] } else { &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0] };
        let ticks = decades.flat_map(|decade| marks.iter().map(move |mark| mark * decade));
        ticks.filter(|tick| (least..=most).contains(&tick.log10())).collect()
    }
}

/// Round numbers within a span, about so many.
fn steps(least: f64, most: f64, count: f64) -> Vec<f64> {
    let rough = (most - least) / count;
    let decade = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|part| part * decade).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * decade);
    let first = (least / step).ceil() as i64;
    (first..).map(|number| number as f64 * step).take_while(|value| *value <= most).collect()
}

/// Without the zeros that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_lie_within() {
        for (least, most, expected) in [
            (0.0, 1000.0, &[0.0, 200.0, 400.0, 600.0, 800.0, 1000.0][..]),
            (33.6, 34.7, &[33.6, 33.8, 34.0, 34.2, 34.4, 34.6]),
            (-1.5, 1.5, &[-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]),
        ] {
            let found = steps(least, most, 6.0);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near && found.len() == expected.len(), "{found:?}");
        }
    }

    #[test]
    fn a_curve_is_drawn_of_whatever_there_is() {
        let row = |iter, loss, psnr_y| Row {
            iter,
            loss,
            psnr_y,
            psnr_y_bicubic: psnr_y.map(|_| 33.7),
            ..Row::default()
        };
        let whole = [row(0, None, Some(20.0)), row(100, Some(9.0), Some(34.0)), row(200, Some(3.0), None)];
        for rows in [&[][..], &whole[..1], &whole] {
            let svg = svg("a<b", rows);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a&lt;b"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        // Two points of the network and of bicubic, two of the loss.
        let svg = svg("a", &whole);
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert_eq!(svg.matches("<circle").count(), 2);
    }
}
