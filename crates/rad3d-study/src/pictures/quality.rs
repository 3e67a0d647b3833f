//! Quality against trainable parameters.

use std::fmt::Write as _;

use super::{colour, escaped, opened};
use crate::render::count;
use crate::summary::{Row, Summary};

/// Scores that are drawn, and their titles.
const SCORES: [(&str, &str); 3] = [
    ("f1_macro", "F1 macro"),
    ("bleu_4", "BLEU-4"),
    ("rouge_l", "ROUGE-L"),
];
/// Variants in the order of the legend.
const VARIANTS: [&str; 4] = ["V-1", "V-1 + priors", "V-2", "V-3"];
/// Width and height of a panel's inside.
const PANEL: [f64; 2] = [250.0, 190.0];
/// Room left of and above a panel, and between panels.
const ROOM: [f64; 2] = [48.0, 34.0];
/// Room beneath a panel for its axis.
const BENEATH: f64 = 40.0;
/// Room for the legend.
const LEGEND: f64 = 30.0;

/// One panel a score and test: points are cells, whiskers 95 % intervals, lines join the language
/// models of a variant by size, and dashes are baselines.
#[must_use]
pub fn quality(summary: &Summary) -> String {
    let tests = summary.tests();
    let step = [PANEL[0] + ROOM[0] + 12.0, PANEL[1] + ROOM[1] + BENEATH];
    let width = step[0] * SCORES.len() as f64;
    let height = LEGEND + step[1] * tests.len() as f64;
    let mut svg = opened(width, height, "Quality against trainable parameters");
    legend(&mut svg);
    for (line, test) in tests.iter().enumerate() {
        for (column, (key, title)) in SCORES.iter().enumerate() {
            let corner = [
                column as f64 * step[0] + ROOM[0],
                LEGEND + line as f64 * step[1] + ROOM[1],
            ];
            panel(
                &mut svg,
                summary,
                test,
                key,
                &format!("{title}, {test}"),
                corner,
            );
        }
    }
    svg + "</svg>\n"
}

fn legend(svg: &mut String) {
    let mut x = ROOM[0];
    for variant in VARIANTS {
        let _ = write!(
            svg,
            "<circle cx=\"{x:.0}\" cy=\"16\" r=\"4.5\" fill=\"{}\"/>\
             <text x=\"{:.0}\" y=\"20\">{variant}</text>",
            colour(variant),
            x + 9.0
        );
        x += 90.0;
    }
    let _ = write!(
        svg,
        "<path class=\"base\" d=\"M{x:.0} 16h22\"/><text x=\"{:.0}\" y=\"20\">baseline</text>",
        x + 28.0
    );
}

/// From values to places.
struct Scale {
    /// Decimal logarithms of the parameters at both ends.
    x: [f64; 2],
    /// Scores at both ends.
    y: [f64; 2],
    corner: [f64; 2],
}

impl Scale {
    fn place(&self, parameters: f64, score: f64) -> [f64; 2] {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        [
            self.corner[0] + PANEL[0] * share(parameters.log10(), self.x),
            self.corner[1] + PANEL[1] * (1.0 - share(score, self.y)),
        ]
    }
}

fn panel(
    svg: &mut String,
    summary: &Summary,
    test: &str,
    key: &str,
    title: &str,
    corner: [f64; 2],
) {
    let cells: Vec<&Row> = summary.cells().collect();
    let parameters = |row: &Row| row.finished.trainable_parameters.max(1) as f64;
    let logs = || cells.iter().map(|row| parameters(row).log10());
    let all = cells.iter().copied().chain(summary.baselines());
    let scores: Vec<_> = all.filter_map(|row| row.score(test, key)).collect();
    let low = scores
        .iter()
        .map(|score| score.low)
        .fold(f64::INFINITY, f64::min);
    let high = scores
        .iter()
        .map(|score| score.high)
        .fold(0.0_f64, f64::max);
    if cells.is_empty() || scores.is_empty() {
        return;
    }
    let room = 0.06 * (high - low).max(1e-3);
    let scale = Scale {
        x: [
            logs().fold(f64::INFINITY, f64::min) - 0.15,
            logs().fold(f64::NEG_INFINITY, f64::max) + 0.15,
        ],
        y: [(low - room).max(0.0), high + room],
        corner,
    };
    axes(svg, &scale, title);
    baselines(svg, &scale, summary, test, key);
    for variant in VARIANTS {
        let of_variant = cells.iter().filter(|row| {
            row.cell
                .mapper()
                .is_some_and(|cell| cell.variant() == variant)
        });
        let mut points: Vec<(f64, &Row)> = of_variant.map(|row| (parameters(row), *row)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        series(svg, &scale, variant, &points, test, key);
    }
}

/// A dashed line for each baseline. Their names stand above them, and above each other where lines
/// lie close.
fn baselines(svg: &mut String, scale: &Scale, summary: &Summary, test: &str, key: &str) {
    let mut lines: Vec<(f64, f64, &Row)> = summary
        .baselines()
        .filter_map(|row| {
            let value = row.score(test, key)?.value;
            Some((scale.place(1.0, value)[1], value, row))
        })
        .collect();
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let [left, _] = scale.corner;
    let mut above = f64::INFINITY;
    for (y, value, row) in lines {
        let text = (y - 2.5).min(above - 10.0);
        above = text;
        let _ = write!(
            svg,
            "<path class=\"base\" d=\"M{left:.1} {y:.1}h{}\"><title>{} {value:.3}</title></path>\
             <text class=\"small\" x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
            PANEL[0],
            escaped(&row.title),
            left + 3.0,
            escaped(&row.title)
        );
    }
}

fn axes(svg: &mut String, scale: &Scale, title: &str) {
    let [left, top] = scale.corner;
    let [right, bottom] = [left + PANEL[0], top + PANEL[1]];
    for step in 0..=4 {
        let value = scale.y[0] + (scale.y[1] - scale.y[0]) * f64::from(step) / 4.0;
        let [_, y] = scale.place(1.0, value);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
             <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.2}</text>",
            left - 4.0,
            y + 3.0
        );
    }
    for mark in marks(scale.x) {
        let [x, _] = scale.place(mark, scale.y[0]);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{x:.1} {bottom:.1}v4\"/>\
             <text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 14.0,
            count(mark as u64)
        );
    }
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{left:.1} {bottom:.1}H{right:.1}\"/>\
         <text class=\"title\" x=\"{left:.1}\" y=\"{:.1}\"{}>{}</text>\
         <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">trainable parameters\
         </text>",
        top - 10.0,
        // A long one in a smaller hand, so that it stays within its panel.
        match title.chars().count() {
            ..=28 => "",
            _ => " style=\"font-size:11px\"",
        },
        escaped(title),
        (left + right) / 2.0,
        bottom + 27.0
    );
}

/// 1, 2 and 5 times powers of ten between two logarithms; only the powers where that is many.
fn marks([low, high]: [f64; 2]) -> Vec<f64> {
    let factors: &[f64] = if high - low > 2.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let powers = low.floor() as i32..=high.ceil() as i32;
    let all = powers.flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)));
    all.filter(|mark| (low..=high).contains(&mark.log10()))
        .collect()
}

fn series(
    svg: &mut String,
    scale: &Scale,
    variant: &str,
    points: &[(f64, &Row)],
    test: &str,
    key: &str,
) {
    let colour = colour(variant);
    let (mut path, mut dots) = (String::new(), String::new());
    for (parameters, row) in points {
        let Some(score) = row.score(test, key) else {
            continue;
        };
        let [x, y] = scale.place(*parameters, score.value);
        let ends = [score.low, score.high].map(|end| scale.place(*parameters, end)[1]);
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
        let _ = write!(
            dots,
            "<path stroke=\"{colour}\" stroke-opacity=\".45\" d=\"M{x:.1} {:.1}V{:.1}\"/>\
             <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{}: {:.3} \
             ({:.3} to {:.3}), {} trainable</title></circle>",
            ends[0],
            ends[1],
            escaped(&row.title),
            score.value,
            score.low,
            score.high,
            count(row.finished.trainable_parameters)
        );
    }
    let _ = write!(
        svg,
        "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" d=\"{path}\"/>{dots}"
    );
}
