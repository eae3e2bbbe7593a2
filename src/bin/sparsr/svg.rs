//! Plain SVG: the page, and words on it.

use std::fmt::Write as _;

pub const WIDTH: f64 = 900.0;
pub const LEFT: f64 = 70.0;
pub const RIGHT: f64 = 20.0;
pub const INK: &str = "#222222";
pub const BLUE: &str = "#0b62a4";

/// A white page of this height with a title.
pub fn page(title: &str, height: f64, body: &str) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    put(&mut text, LEFT, 24.0, "start", &format!("<tspan font-size=\"16\">{}</tspan>", escaped(title)));
    text + body + "</svg>\n"
}

/// Words at a place: `start`, `middle` or `end` of them.
pub fn put(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
