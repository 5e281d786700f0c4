//! Lines in a picture, as SVG: a logarithmic axis to the right with a tick for each value that was measured, and a
//! linear one upwards from 0. It is readable on light and on dark pages.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

/// A picture.
#[derive(Debug, Clone, Serialize)]
pub struct Plot {
    /// Of the file.
    pub name: &'static str,
    /// What is shown.
    pub title: &'static str,
    /// What grows.
    pub x: &'static str,
    /// What is measured.
    pub y: &'static str,
    /// One or two.
    pub series: Vec<Series>,
}

/// A line.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// None yet.
    pub fn new(name: &'static str) -> Series {
        Series {
            name,
            points: Vec::new(),
        }
    }
}

/// Where the pages that show plots are.
pub const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance");

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 300.0;
/// Lines across.
const STEPS: u32 = 4;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.middle { text-anchor: middle }
.end { text-anchor: end }
.axis { stroke: #57606a }
.grid { stroke: #57606a; stroke-opacity: .25 }
.line { fill: none; stroke-width: 2 }
.s0 { stroke: #0969da } .d0 { fill: #0969da }
.s1 { stroke: #bc4c00 } .d1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .axis, .grid { stroke: #9198a1 }
  .s0 { stroke: #4493f8 } .d0 { fill: #4493f8 }
  .s1 { stroke: #f0883e } .d1 { fill: #f0883e }
}";

impl Plot {
    /// Writes it as SVG into a folder.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder for the plots");
        let path = folder.join(self.name).with_extension("svg");
        std::fs::write(path, self.svg()).expect("the plot is written");
    }

    /// As SVG.
    pub fn svg(&self) -> String {
        let mut out = String::new();
        self.draw(&mut out).expect("memory takes everything");
        out
    }

    fn draw(&self, out: &mut String) -> std::fmt::Result {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let mut ticks: Vec<f64> = points().map(|(x, _)| *x).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        let (first, last) = (place(ticks[0]), place(ticks[ticks.len() - 1]));
        let across = |x: f64| LEFT + (place(x) - first) / (last - first).max(1e-9) * (RIGHT - LEFT);
        let top = round_up(points().map(|(_, y)| *y).fold(0.0, f64::max));
        let upwards = |y: f64| BOTTOM - y / top * (BOTTOM - TOP);

        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">"#
        )?;
        writeln!(out, "<style>{STYLE}</style>")?;
        text(out, "title", LEFT, 24.0, self.title)?;
        text(out, "start", 10.0, TOP - 18.0, self.y)?;
        text(out, "middle", (LEFT + RIGHT) / 2.0, BOTTOM + 45.0, self.x)?;
        for step in 0..=STEPS {
            let value = top * f64::from(step) / f64::from(STEPS);
            let (y, class) = (upwards(value), if step == 0 { "axis" } else { "grid" });
            writeln!(out, r#"<path class="{class}" d="M{LEFT} {y:.1}H{RIGHT}"/>"#)?;
            text(out, "end", LEFT - 8.0, y + 4.0, &label(value))?;
        }
        for tick in ticks {
            let x = across(tick);
            writeln!(out, r#"<path class="axis" d="M{x:.1} {BOTTOM}v5"/>"#)?;
            text(out, "middle", x, BOTTOM + 22.0, &label(tick))?;
        }
        for (n, series) in self.series.iter().enumerate() {
            let mut path = String::new();
            for (x, y) in &series.points {
                let (x, y) = (across(*x), upwards(*y));
                let letter = if path.is_empty() { 'M' } else { 'L' };
                write!(path, "{letter}{x:.1} {y:.1}")?;
                writeln!(
                    out,
                    r#"<circle class="d{n}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#
                )?;
            }
            writeln!(out, r#"<path class="line s{n}" d="{path}"/>"#)?;
            let x = RIGHT - 150.0 * (self.series.len() - n) as f64;
            writeln!(
                out,
                r#"<path class="line s{n}" d="M{x} {}h20"/>"#,
                TOP - 22.0
            )?;
            text(out, "start", x + 26.0, TOP - 18.0, series.name)?;
        }
        writeln!(out, "</svg>")
    }
}

fn text(out: &mut String, class: &str, x: f64, y: f64, text: &str) -> std::fmt::Result {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        out,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
    )
}

/// Where a value is on the logarithmic axis; there is a place for 0.
fn place(x: f64) -> f64 {
    x.max(0.5).ln()
}

/// To 1, 2, 4 or 8 and zeros, so that the lines across have short labels.
fn round_up(most: f64) -> f64 {
    let power = 10f64.powf(most.max(1e-9).log10().floor());
    let digits = [1.0, 2.0, 4.0, 8.0, 10.0];
    let digit = digits.into_iter().find(|digit| digit * power >= most);
    digit.unwrap_or(10.0) * power
}

/// A short number: 250k.
fn label(value: f64) -> String {
    let short = |value: f64| (value * 1000.0).round() / 1000.0;
    match value {
        1e6.. => format!("{}M", short(value / 1e6)),
        1e3.. => format!("{}k", short(value / 1e3)),
        _ => short(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        let labels = [0.0, 0.25, 30.0, 2_500.0, 64_000_040.0].map(label);
        assert_eq!(labels, ["0", "0.25", "30", "2.5k", "64M"]);
        assert_eq!([0.7, 1.0, 3.2, 9.5].map(round_up), [0.8, 1.0, 4.0, 10.0]);
    }
}
