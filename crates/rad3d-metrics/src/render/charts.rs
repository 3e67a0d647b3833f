//! Pictures of the page, as SVG that takes its colours from the page's style sheet.

use std::fmt::Write as _;

use crate::evaluation::DependencyBin;
use crate::labels::{CalibrationCurve, RocCurve};

/// Side of the square plots.
const SIDE: f64 = 300.0;
/// Room for axes.
const MARGIN: f64 = 42.0;

/// The frame of a square plot from (0, 0) to (1, 1) with its axes named, open for what is drawn.
fn square(title: &str, x: &str, y: &str) -> String {
    let size = SIDE + MARGIN + 12.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{title}\" class=\"plot\">"
    );
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let (at_x, at_y) = (place_x(share), place_y(share));
        let (left, right, top, bottom) = (place_x(0.0), place_x(1.0), place_y(1.0), place_y(0.0));
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{at_x:.1} {bottom:.1}V{top:.1}M{left:.1} {at_y:.1}H{right:.1}\"/>\
             <text class=\"tick\" x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{share}</text>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
            bottom + 14.0,
            left - 5.0,
            at_y + 3.5,
        );
    }
    let _ = write!(
        svg,
        "<path class=\"diagonal\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\
         <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>\
         <text class=\"axis\" transform=\"translate(11 {:.1}) rotate(-90)\" text-anchor=\"middle\">{y}</text>",
        place_x(0.0),
        place_y(0.0),
        place_x(1.0),
        place_y(1.0),
        place_x(0.5),
        place_y(0.0) + 30.0,
        place_y(0.5),
    );
    svg
}

fn place_x(share: f64) -> f64 {
    MARGIN + share * SIDE
}

fn place_y(share: f64) -> f64 {
    8.0 + (1.0 - share) * SIDE
}

/// All ROC curves in one plot; a curve's name shows when pointed at.
pub(super) fn roc(curves: &[(&str, &RocCurve)]) -> String {
    let mut svg = square("ROC curves", "false positive rate", "true positive rate");
    for (at, (name, curve)) in curves.iter().enumerate() {
        let mut path = String::new();
        for point in &curve.points {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let (x, y) = (
                place_x(point.false_positive_rate),
                place_y(point.true_positive_rate),
            );
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        let hue = at * 360 / curves.len().max(1);
        let _ = write!(
            svg,
            "<path class=\"curve\" style=\"--hue:{hue}\" d=\"{path}\"><title>{}</title></path>",
            escaped(name)
        );
    }
    svg + "</svg>"
}

/// Observed shares over probabilities; the size of a point is its number of decisions.
pub(super) fn calibration(curve: &CalibrationCurve) -> String {
    let mut svg = square("Calibration", "mean probability", "observed share");
    let most = curve.bins.iter().map(|bin| bin.reports).max().unwrap_or(1);
    let mut path = String::new();
    let mut points = String::new();
    for bin in &curve.bins {
        let (x, y) = (place_x(bin.mean_probability), place_y(bin.observed));
        let command = if path.is_empty() { 'M' } else { 'L' };
        let radius = 3.0 + 6.0 * (bin.reports as f64 / most as f64).sqrt();
        let _ = write!(path, "{command}{x:.1} {y:.1}");
        let _ = write!(
            points,
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\">\
             <title>{} decisions, mean probability {:.3}, observed {:.3}</title></circle>",
            bin.reports, bin.mean_probability, bin.observed
        );
    }
    let _ = write!(svg, "<path class=\"line\" d=\"{path}\"/>{points}</svg>");
    svg
}

/// How many reports score what, twenty bins from 0 to 1.
pub(super) fn histogram(name: &str, values: &[f64]) -> String {
    const BINS: usize = 20;
    let (width, height) = (260.0, 110.0);
    let mut counts = [0_usize; BINS];
    for value in values {
        let bin = ((value * BINS as f64) as usize).min(BINS - 1);
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {:.0}\" role=\"img\" aria-label=\"{name}\" class=\"histogram\">",
        height + 18.0
    );
    let step = width / BINS as f64;
    for (bin, &count) in counts.iter().enumerate() {
        let tall = (height - 4.0) * count as f64 / most;
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\">\
             <title>{:.2} to {:.2}: {count} reports</title></rect>",
            bin as f64 * step + 0.5,
            height - tall,
            step - 1.0,
            bin as f64 / BINS as f64,
            (bin + 1) as f64 / BINS as f64,
        );
    }
    let _ = write!(
        svg,
        "<path class=\"grid\" d=\"M0 {height}H{width}\"/>\
         <text class=\"tick\" x=\"0\" y=\"{y}\">0</text>\
         <text class=\"tick\" x=\"{width}\" y=\"{y}\" text-anchor=\"end\">1</text></svg>",
        y = height + 14.0
    );
    svg
}

/// A score between 0 and 1 as a bar, with its interval as a line.
pub(super) fn bar(value: f64, interval: Option<(f64, f64)>) -> String {
    let width = 200.0;
    let clamp = |value: f64| (value.clamp(0.0, 1.0)) * width;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} 14\" class=\"meter\" aria-hidden=\"true\">\
         <rect class=\"track\" width=\"{width}\" height=\"14\" rx=\"2\"/>\
         <rect class=\"bar\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>",
        clamp(value)
    );
    if let Some((low, high)) = interval {
        let (low, high) = (clamp(low), clamp(high));
        let _ = write!(
            svg,
            "<path class=\"whisker\" d=\"M{low:.1} 7H{high:.1}M{low:.1} 3V11M{high:.1} 3V11\"/>"
        );
    }
    svg + "</svg>"
}

/// One bin's decisions as a stacked bar.
pub(super) fn shares(bin: &DependencyBin) -> String {
    let width = 320.0;
    let all = bin.decisions().max(1) as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {width} 14\" class=\"meter\" aria-hidden=\"true\">");
    let mut from = 0.0;
    for (class, count) in [
        ("right", bin.follows_right),
        ("wrong", bin.follows_wrong),
        ("corrects", bin.corrects),
        ("contradicts", bin.contradicts),
    ] {
        let wide = width * count as f64 / all;
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.1}\" width=\"{wide:.1}\" height=\"14\"/>"
        );
        from += wide;
    }
    svg + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
