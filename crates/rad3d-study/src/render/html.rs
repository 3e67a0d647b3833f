//! `index.html`: tables, claims and pictures on one page that needs nothing else.

use askama::Template;

use super::claim::{against_baselines, answers, caution};
use super::{COSTS, costs, figures, gaps, probability, score_name};
use crate::claims::{Claim, Finding};
use crate::error::{Fault, Result, StudyError};
use crate::pictures;
use crate::summary::{COLUMNS, Row, Summary};

#[derive(Template)]
#[template(path = "study.html")]
struct Page<'a> {
    name: &'a str,
    columns: Vec<&'static str>,
    tests: Vec<TestView<'a>>,
    costs: [&'static str; 5],
    cost_rows: Vec<(&'a str, [String; 5])>,
    claims: Vec<ClaimView>,
    caution: String,
    quality: String,
    prefixes: Vec<(String, String)>,
    gaps: Vec<String>,
}

/// A table of scores.
struct TestView<'a> {
    name: &'a str,
    rows: Vec<RowView<'a>>,
}

/// A line of it.
struct RowView<'a> {
    title: &'a str,
    is_baseline: bool,
    /// Value, interval, whether it is the most.
    figures: Vec<Option<(String, String, bool)>>,
}

/// A claim, its answers and its differences.
struct ClaimView {
    title: &'static str,
    /// Sentences, as HTML.
    answers: Vec<String>,
    rows: Vec<[String; 7]>,
}

/// The study as a page.
///
/// # Errors
/// None but those of memory.
pub fn html(summary: &Summary, findings: &[Finding]) -> Result<String> {
    let page = Page {
        name: &summary.study.name,
        columns: COLUMNS.iter().map(|(_, title)| *title).collect(),
        tests: summary
            .tests()
            .into_iter()
            .map(|test| TestView {
                name: test,
                rows: rows(summary, test),
            })
            .collect(),
        costs: COSTS,
        cost_rows: summary
            .rows
            .iter()
            .map(|row| (row.title.as_str(), costs(row)))
            .collect(),
        claims: claims(summary, findings),
        caution: caution(summary),
        quality: pictures::quality(summary),
        prefixes: pictures::prefixes(summary),
        gaps: gaps(summary),
    };
    page.render().map_err(|error| {
        StudyError::new(Fault::Output, "index.html", error.to_string(), "try again")
    })
}

fn rows<'a>(summary: &'a Summary, test: &str) -> Vec<RowView<'a>> {
    let view = |row: &'a Row| RowView {
        title: &row.title,
        is_baseline: row.is_baseline(),
        figures: figures(summary, row, test)
            .into_iter()
            .map(|figure| {
                let figure = figure?;
                let score = figure.score;
                Some((
                    format!("{:.3}", score.value),
                    format!("{:.3} to {:.3}", score.low, score.high),
                    figure.is_best,
                ))
            })
            .collect(),
    };
    summary
        .cells()
        .chain(summary.baselines())
        .map(view)
        .collect()
}

fn claims(summary: &Summary, findings: &[Finding]) -> Vec<ClaimView> {
    let rows = |claim: Option<Claim>| {
        let own = findings.iter().filter(move |f| f.claim == claim);
        own.map(difference_row).collect()
    };
    let mut views: Vec<ClaimView> = Claim::ALL
        .into_iter()
        .map(|claim| ClaimView {
            title: claim.text(),
            answers: answers(summary, claim, findings)
                .iter()
                .map(|line| bold(line))
                .collect(),
            rows: rows(Some(claim)),
        })
        .collect();
    if findings.iter().any(|finding| finding.claim.is_none()) {
        views.push(ClaimView {
            title: "The best system against the baselines",
            answers: against_baselines(summary, findings)
                .iter()
                .map(|line| bold(line))
                .collect(),
            rows: rows(None),
        });
    }
    views
}

fn difference_row(finding: &Finding) -> [String; 7] {
    let score = finding.difference.score;
    [
        finding.test.clone(),
        finding.what.clone(),
        score_name(finding.score).to_owned(),
        format!("{:+.4}", score.value),
        format!("{:+.4} to {:+.4}", score.low, score.high),
        probability(finding.difference.p),
        probability(finding.p_holm),
    ]
}

/// Markdown's `**bold**` as HTML, all else as text.
fn bold(line: &str) -> String {
    let text = line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split("**").enumerate() {
        match at % 2 {
            0 => out.push_str(part),
            _ => {
                out.push_str("<b>");
                out.push_str(part);
                out.push_str("</b>");
            }
        }
    }
    out
}
