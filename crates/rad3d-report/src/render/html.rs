//! A draft as one self-contained HTML page.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::agreement::{CheckedSentence, Claim, Verdict};
use crate::draft::{Draft, EmbeddingDistance, RESEARCH_NOTICE};
use crate::error::{Fault, ReportError, Result};
use crate::labeler::Status;
use crate::report::{Section, Span};

/// The grey-scale window a slice is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// -1350 to 150 HU.
    Lung,
    /// -150 to 250 HU.
    Mediastinal,
}

impl Window {
    /// The Hounsfield units shown black and white.
    #[must_use]
    pub const fn range_hu(self) -> (f32, f32) {
        match self {
            Self::Lung => (-1350.0, 150.0),
            Self::Mediastinal => (-150.0, 250.0),
        }
    }
}

/// A slice to show, as PNG.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its window.
    pub window: Window,
    /// What is under it, such as `axial, 212 mm`.
    pub caption: String,
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
}

/// The draft as one HTML page without links, scripts or outside resources. Everything shown is
/// escaped; pictures become data URIs.
///
/// # Errors
/// A picture is no PNG.
pub fn html(draft: &Draft, pictures: &[Picture]) -> Result<String> {
    let page = Page {
        draft,
        notice: RESEARCH_NOTICE,
        sections: vec![
            section_view(draft, Section::Findings, "Findings"),
            section_view(draft, Section::Impression, "Impression"),
        ],
        lists: lists(draft),
        bars: bars(draft),
        shelves: shelves(pictures)?,
        positives: draft.classified.rows().filter(|row| row.positive).count(),
        total_seconds: draft.total_seconds(),
        gauge: draft.embedding.map(Gauge::new),
    };
    page.render().map_err(|error| {
        let hint = "this is a fault of the program; please report it";
        ReportError::new(Fault::Draft, "draft", "cannot be written as HTML", hint).because(error)
    })
}

/// What the template shows; `templates/draft.html`.
#[derive(Template)]
#[template(path = "draft.html")]
struct Page<'a> {
    draft: &'a Draft,
    notice: &'a str,
    sections: Vec<SectionView<'a>>,
    lists: Vec<ListView<'a>>,
    bars: Vec<Bar<'a>>,
    shelves: Vec<Shelf<'a>>,
    positives: usize,
    total_seconds: f64,
    gauge: Option<Gauge>,
}

/// A distance on a scale that ends a third beyond the limit, or at the distance.
struct Gauge {
    embedding: EmbeddingDistance,
    percent: f64,
    typical_percent: f64,
    limit_percent: f64,
}

impl Gauge {
    fn new(embedding: EmbeddingDistance) -> Self {
        let end = (embedding.limit * 4.0 / 3.0).max(embedding.distance);
        let percent = |distance: f64| {
            if end > 0.0 {
                100.0 * distance / end
            } else {
                0.0
            }
        };
        Self {
            embedding,
            percent: percent(embedding.distance),
            typical_percent: percent(embedding.typical),
            limit_percent: percent(embedding.limit),
        }
    }
}

/// A section of the report.
struct SectionView<'a> {
    name: &'static str,
    sentences: Vec<SentenceView<'a>>,
}

/// A sentence, cut at its mentions.
struct SentenceView<'a> {
    class: &'static str,
    mark: &'static str,
    mark_says: &'static str,
    pieces: Vec<Piece<'a>>,
    chips: Vec<Chip<'a>>,
    /// Geometric mean probability of its tokens, 0 to 1.
    expected: Option<f64>,
}

/// A stretch of a sentence; marked if it is a mention.
struct Piece<'a> {
    text: &'a str,
    class: Option<&'static str>,
}

/// A disagreement or doubt, told beside its sentence.
struct Chip<'a> {
    class: &'static str,
    label: &'a str,
    says: &'static str,
    probability: f32,
}

/// One of the lists of the agreement check.
struct ListView<'a> {
    title: &'static str,
    labels: &'a [String],
}

/// A label's probability and threshold.
struct Bar<'a> {
    label: &'a str,
    probability: f32,
    percent: f32,
    threshold: f32,
    threshold_percent: f32,
    positive: bool,
}

/// The slices of one window.
struct Shelf<'a> {
    title: &'static str,
    slices: Vec<Slice<'a>>,
}

struct Slice<'a> {
    caption: &'a str,
    data_uri: String,
}

fn section_view<'a>(draft: &'a Draft, section: Section, name: &'static str) -> SectionView<'a> {
    let checked = draft
        .agreement
        .sentences
        .iter()
        .filter(|s| s.sentence.section == section);
    let text = draft.report.section(section);
    SectionView {
        name,
        sentences: checked
            .map(|checked| sentence_view(checked, text))
            .collect(),
    }
}

fn sentence_view<'a>(checked: &'a CheckedSentence, text: &'a str) -> SentenceView<'a> {
    let (class, mark, mark_says) = match checked.verdict() {
        Some(Verdict::Disagrees) => ("disagrees", "!", "disagrees with the classifier"),
        Some(Verdict::Open) => ("open", "?", "left open by the text"),
        Some(Verdict::Agrees) => ("agrees", "\u{2713}", "agrees with the classifier"),
        None => ("silent", "", ""),
    };
    let mut pieces = Vec::new();
    let Span { start: mut at, end } = checked.sentence.span;
    for claim in &checked.claims {
        // Mentions of two labels may overlap; the words are shown once.
        let (start, stop) = (claim.span.start.max(at), claim.span.end.min(end));
        if start >= stop {
            continue;
        }
        pieces.push(Piece {
            text: Span {
                start: at,
                end: start,
            }
            .of(text),
            class: None,
        });
        let marked = Span { start, end: stop }.of(text);
        pieces.push(Piece {
            text: marked,
            class: Some(class_of(claim)),
        });
        at = stop;
    }
    pieces.push(Piece {
        text: Span { start: at, end }.of(text),
        class: None,
    });
    let mut chips: Vec<Chip<'_>> = Vec::new();
    for claim in checked
        .claims
        .iter()
        .filter(|claim| claim.verdict != Verdict::Agrees)
    {
        let chip = Chip {
            class: class_of(claim),
            label: &claim.label,
            says: match (claim.verdict, claim.status) {
                (Verdict::Open, _) => "left open, classifier",
                (_, Status::Denied) => "denied, but classifier",
                _ => "asserted, but classifier only",
            },
            probability: claim.probability,
        };
        if !chips
            .iter()
            .any(|known| known.label == chip.label && known.says == chip.says)
        {
            chips.push(chip);
        }
    }
    SentenceView {
        class,
        mark,
        mark_says,
        pieces,
        chips,
        expected: checked.mean_token_log_probability.map(f64::exp),
    }
}

fn class_of(claim: &Claim) -> &'static str {
    match claim.verdict {
        Verdict::Agrees => "agrees",
        Verdict::Disagrees => "disagrees",
        Verdict::Open => "open",
    }
}

fn lists(draft: &Draft) -> Vec<ListView<'_>> {
    let agreement = &draft.agreement;
    let lists = [
        (
            "In the text, not seen by the classifier",
            &agreement.asserted_not_classified,
        ),
        (
            "Denied in the text, seen by the classifier",
            &agreement.denied_but_classified,
        ),
        (
            "Seen by the classifier, missing in the text",
            &agreement.classified_but_silent,
        ),
    ];
    let lists = lists.into_iter().filter(|(_, labels)| !labels.is_empty());
    lists
        .map(|(title, labels)| ListView { title, labels })
        .collect()
}

/// Positive labels first, the surest on top.
fn bars(draft: &Draft) -> Vec<Bar<'_>> {
    let mut bars: Vec<_> = draft
        .classified
        .rows()
        .map(|row| Bar {
            label: row.label,
            probability: row.probability,
            percent: row.probability * 100.0,
            threshold: row.threshold,
            threshold_percent: row.threshold * 100.0,
            positive: row.positive,
        })
        .collect();
    bars.sort_by(|a, b| {
        b.positive
            .cmp(&a.positive)
            .then(b.probability.total_cmp(&a.probability))
    });
    bars
}

fn shelves(pictures: &[Picture]) -> Result<Vec<Shelf<'_>>> {
    let mut shelves = Vec::new();
    for (window, title) in [(Window::Lung, "Lung"), (Window::Mediastinal, "Mediastinal")] {
        let mut slices = Vec::new();
        for picture in pictures.iter().filter(|picture| picture.window == window) {
            if !picture.png.starts_with(b"\x89PNG\r\n\x1a\n") {
                return Err(ReportError::new(
                    Fault::Draft,
                    &picture.caption,
                    "the picture is no PNG file",
                    "encode slices as PNG before they go into the page",
                ));
            }
            let data_uri = format!("data:image/png;base64,{}", STANDARD.encode(&picture.png));
            slices.push(Slice {
                caption: &picture.caption,
                data_uri,
            });
        }
        if !slices.is_empty() {
            shelves.push(Shelf { title, slices });
        }
    }
    Ok(shelves)
}
