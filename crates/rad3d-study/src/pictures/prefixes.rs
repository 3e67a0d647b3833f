//! Prefixes of the scans on their principal components, coloured by label.

use std::fmt::Write as _;

use super::{escaped, opened};
use crate::record::{Prefixes, TestRecord};
use crate::summary::{Row, Summary};

/// Side of a panel's inside.
const SIDE: f64 = 150.0;
/// Room above a panel, and between panels.
const ROOM: [f64; 2] = [14.0, 34.0];
/// Panels in a line.
const MOST: usize = 4;
/// Labels that are shown where the settings name none.
const LABELS: usize = 3;

/// Pictures of the first test by label: a panel a cell, scans with the label in colour.
#[must_use]
pub fn prefixes(summary: &Summary) -> Vec<(String, String)> {
    let tests = summary.tests();
    let Some(test) = tests.first() else {
        return Vec::new();
    };
    let panels: Vec<(&Row, &TestRecord, &Prefixes)> = summary
        .cells()
        .filter_map(|row| {
            let record = row.finished.test(test)?;
            Some((row, record, record.prefixes.as_ref()?))
        })
        .collect();
    if panels.is_empty() {
        return Vec::new();
    }
    shown_labels(summary, test)
        .into_iter()
        .map(|(at, label)| {
            let svg = picture(&panels, at, &label, test);
            (label, svg)
        })
        .collect()
}

/// The labels of the settings, else the commonest of the test that not nearly all scans have.
fn shown_labels(summary: &Summary, test: &str) -> Vec<(usize, String)> {
    let names: Vec<&str> = summary.labels().names().collect();
    let wanted = &summary.study.pictures.labels;
    if !wanted.is_empty() {
        let at = |name: &String| Some((summary.labels().index_of(name)?, name.clone()));
        return wanted.iter().filter_map(at).collect();
    }
    let truth = summary
        .rows
        .first()
        .and_then(|row| row.judged(test))
        .map_or(&[][..], |judged| &judged.observed.truth);
    let cases = |at: usize| truth.iter().filter(|row| has(row, at)).count();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.retain(|&at| cases(at) * 10 < truth.len() * 9);
    order.sort_by_key(|&at| std::cmp::Reverse(cases(at)));
    order.truncate(LABELS);
    order
        .into_iter()
        .map(|at| (at, names[at].to_owned()))
        .collect()
}

fn has(flags: &str, label: usize) -> bool {
    flags.as_bytes().get(label) == Some(&b'1')
}

fn picture(
    panels: &[(&Row, &TestRecord, &Prefixes)],
    label: usize,
    name: &str,
    test: &str,
) -> String {
    let columns = panels.len().min(MOST);
    let lines = panels.len().div_ceil(MOST);
    let step = [SIDE + ROOM[0], SIDE + ROOM[1]];
    let width = step[0] * columns as f64 + ROOM[0];
    let height = 32.0 + step[1] * lines as f64 + ROOM[0];
    let title = format!("{name}: prefixes, {test}");
    let mut svg = opened(width, height, &title);
    let _ = write!(
        svg,
        "<text class=\"title\" x=\"{}\" y=\"20\">{}</text>\
         <circle cx=\"{:.0}\" cy=\"16\" r=\"4\" fill=\"#d55e00\"/>\
         <text class=\"small\" x=\"{:.0}\" y=\"19\">present</text>\
         <circle cx=\"{:.0}\" cy=\"16\" r=\"4\" fill=\"#b8c4cc\"/>\
         <text class=\"small\" x=\"{:.0}\" y=\"19\">absent</text>",
        ROOM[0],
        escaped(&title),
        width - 112.0,
        width - 105.0,
        width - 58.0,
        width - 51.0
    );
    for (at, (row, record, prefixes)) in panels.iter().enumerate() {
        let corner = [
            ROOM[0] + (at % MOST) as f64 * step[0],
            32.0 + (at / MOST) as f64 * step[1] + ROOM[1] - ROOM[0],
        ];
        let [first, second] = prefixes.explained.map(|share| 100.0 * share);
        let _ = write!(
            svg,
            "<rect class=\"grid\" x=\"{:.1}\" y=\"{:.1}\" width=\"{SIDE}\" height=\"{SIDE}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{first:.0} % / \
             {second:.0} %</text>",
            corner[0],
            corner[1],
            corner[0],
            corner[1] - 4.0,
            escaped(&row.title),
            corner[0] + SIDE,
            corner[1] - 4.0
        );
        points(
            &mut svg,
            prefixes,
            &record.own.observed.truth,
            label,
            corner,
        );
    }
    svg + "</svg>\n"
}

/// Scans as points, those with the label above the others.
fn points(svg: &mut String, prefixes: &Prefixes, truth: &[String], label: usize, corner: [f64; 2]) {
    let range = |axis: usize| {
        let values = prefixes.points.iter().map(|point| f64::from(point[axis]));
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        (low, (high - low).max(f64::MIN_POSITIVE))
    };
    let (x, y) = (range(0), range(1));
    let inside = SIDE - 12.0;
    for present in [false, true] {
        let fill = if present { "#d55e00" } else { "#b8c4cc" };
        let _ = write!(svg, "<g fill=\"{fill}\" fill-opacity=\".8\">");
        for (point, _) in prefixes
            .points
            .iter()
            .zip(truth)
            .filter(|(_, flags)| has(flags, label) == present)
        {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\"/>",
                corner[0] + 6.0 + inside * (f64::from(point[0]) - x.0) / x.1,
                corner[1] + 6.0 + inside * (1.0 - (f64::from(point[1]) - y.0) / y.1)
            );
        }
        svg.push_str("</g>");
    }
}
