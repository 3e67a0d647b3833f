//! `analysis.html`: the analysis for a person.

use askama::Template;
use rad3d_metrics::Estimate;

use crate::analysis::{Agreement, Analysis, Kind};
use crate::error::{ReaderStudyError, Result};
use crate::questions::{POINTS, SCALES, TAGS};

/// One page without outside resources; everything read from files is escaped.
///
/// # Errors
/// None but those of memory.
pub fn html(analysis: &Analysis) -> Result<String> {
    let page = Page {
        analysis,
        scales: SCALES
            .iter()
            .map(|scale| ScaleView::of(analysis, scale.key, scale.name))
            .collect(),
        errors: analysis
            .systems
            .iter()
            .map(|system| error_row(analysis, system))
            .collect(),
        tags: TAGS.iter().map(|tag| tag.name).chain(["Any"]).collect(),
        readers: analysis.readers.join(", "),
    };
    page.render()
        .map_err(|error| ReaderStudyError::output("analysis.html", error))
}

#[derive(Template)]
#[template(path = "analysis.html")]
struct Page<'a> {
    analysis: &'a Analysis,
    scales: Vec<ScaleView>,
    errors: Vec<(&'a str, Vec<ShareCell>)>,
    tags: Vec<&'static str>,
    readers: String,
}

/// Everything on one scale.
struct ScaleView {
    name: &'static str,
    means: Vec<MeanRow>,
    pairs: Vec<PairRow>,
    agreement: Vec<[String; 4]>,
}

/// A mean and its drawing, in hundredths of the way from 1 to 5.
struct MeanRow {
    system: String,
    value: String,
    interval: String,
    drawn: Option<[f64; 3]>,
}

struct PairRow {
    cells: [String; 8],
    /// Whether the signed-rank test stays below 0.05 after Holm.
    clear: bool,
}

struct ShareCell {
    share: String,
    about: String,
}

impl ScaleView {
    fn of(analysis: &Analysis, key: &str, name: &'static str) -> Self {
        let means = analysis.means.iter().filter(|one| one.scale == key);
        let pairs = analysis.comparisons.iter().filter(|one| one.scale == key);
        let agreement = analysis.agreement.iter().filter(|one| one.scale == key);
        Self {
            name,
            means: means
                .map(|one| MeanRow {
                    system: one.system.clone(),
                    value: one
                        .mean
                        .map_or("not rated".into(), |mean| format!("{:.2}", mean.value)),
                    interval: interval(one.mean),
                    drawn: one
                        .mean
                        .map(|mean| [mean.value, mean.low, mean.high].map(along)),
                })
                .collect(),
            pairs: pairs
                .map(|one| PairRow {
                    cells: [
                        format!("{} − {}", one.system, one.other),
                        one.cases.to_string(),
                        signed(one.difference.value),
                        format!(
                            "{} to {}",
                            signed(one.difference.low),
                            signed(one.difference.high)
                        ),
                        p_value(one.p_bootstrap),
                        p_value(one.p_bootstrap_holm),
                        p_value(one.wilcoxon.p),
                        p_value(one.p_wilcoxon_holm),
                    ],
                    clear: one.p_wilcoxon_holm < 0.05,
                })
                .collect(),
            agreement: agreement.map(agreement_row).collect(),
        }
    }
}

fn agreement_row(one: &Agreement) -> [String; 4] {
    let who = match (one.kind, one.readers.as_deref()) {
        (Kind::Inter, Some(readers)) => readers.join(" and "),
        (Kind::Inter, None) => "mean of all pairs".into(),
        (Kind::Intra, Some(readers)) => format!("{} with themselves", readers.join(" ")),
        (Kind::Intra, None) => "mean of all with themselves".into(),
    };
    let kappa = one
        .kappa
        .map_or("undefined".into(), |kappa| format!("{:.2}", kappa.value));
    [who, one.pairs.to_string(), kappa, interval(one.kappa)]
}

fn error_row<'a>(analysis: &'a Analysis, system: &'a str) -> (&'a str, Vec<ShareCell>) {
    let own = analysis.errors.iter().filter(|one| one.system == system);
    let cells = own.map(|one| match one.interval {
        Some([low, high]) => ShareCell {
            share: format!("{:.0} %", 100.0 * one.count as f64 / one.readings as f64),
            about: format!("{:.0} to {:.0}", 100.0 * low, 100.0 * high),
        },
        None => ShareCell {
            share: "–".into(),
            about: String::new(),
        },
    });
    (system, cells.collect())
}

/// How far from 1 to 5, in hundredths.
fn along(score: f64) -> f64 {
    let (low, high) = (f64::from(*POINTS.start()), f64::from(*POINTS.end()));
    100.0 * (score - low) / (high - low)
}

fn interval(estimate: Option<Estimate>) -> String {
    estimate.map_or(String::new(), |one| {
        format!("{:.2} to {:.2}", one.low, one.high)
    })
}

fn signed(value: f64) -> String {
    format!("{value:+.2}").replace('-', "−")
}

fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p => format!("{p:.3}"),
    }
}
