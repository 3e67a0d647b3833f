//! Tables, claims and pictures of records whose scores are known.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::path::Path;

use rad3d_metrics::{LabelMatrix, Matrix, Protocol, ReportText};
use rad3d_report::{LabelSet, Labeler};
use rad3d_study::{
    Cell, CellRecord, Claim, Finding, Finished, Judged, MapperCell, Mode, Observed, Outcome,
    Prefixes, Score, Study, StudyFolder, Summary, TestRecord, Verdict, findings, pictures, render,
};

const STUDY: &str = r#"
name = "Fixture & co."
[training]
embeddings = "e"
reports = "r"
labels = "l"
[[test]]
name = "in domain"
embeddings = "e"
reports = "r"
labels = "l"
[[test]]
name = "elsewhere"
embeddings = "e"
reports = "r"
labels = "l"
[[llm]]
name = "small"
folder = "s"
[[llm]]
name = "large"
folder = "l"
[evaluation]
resamples = 3000
"#;

/// Sentences that the labeler reads as one label each, and the labels.
const SENTENCES: [(&str, &str); 3] = [
    ("Cardiomegaly", "The heart is enlarged."),
    (
        "Pleural effusion",
        "There is a pleural effusion on the left.",
    ),
    ("Emphysema", "Emphysema is seen in both lungs."),
];
const REPORTS: usize = 60;

/// Whether report `at` has label `label`: a pattern without an order.
fn has(at: usize, label: usize) -> bool {
    (at * 7 + label * 5 + at / 3).is_multiple_of(3)
}

/// Whether a system that is right `right` of ten times is right here.
fn is_right(at: usize, label: usize, right: usize) -> bool {
    (at * 13 + label * 29 + at / 7) % 10 < right
}

fn text(at: usize, found: impl Fn(usize) -> bool) -> ReportText {
    let sentences = (0..SENTENCES.len()).filter(|&label| found(label));
    let text: Vec<&str> = sentences.map(|label| SENTENCES[label].1).collect();
    let text = match text.is_empty() {
        true => "The chest is normal.".to_owned(),
        false => text.join(" "),
    };
    ReportText::sections(format!("scan{at}"), &text, "")
}

fn judged(right: usize) -> Judged {
    let labels = LabelSet::ct_rate();
    let index: Vec<usize> = SENTENCES
        .iter()
        .map(|(name, _)| labels.index_of(name).unwrap())
        .collect();
    let mut truth = vec![false; REPORTS * labels.len()];
    for at in 0..REPORTS {
        for (label, place) in index.iter().enumerate() {
            truth[at * labels.len() + place] = has(at, label);
        }
    }
    let truth: LabelMatrix = Matrix::new(labels, truth).unwrap();
    let references: Vec<_> = (0..REPORTS).map(|at| text(at, |l| has(at, l))).collect();
    let written = |at: usize| text(at, |l| has(at, l) == is_right(at, l, right));
    let hypotheses: Vec<_> = (0..REPORTS).map(written).collect();
    let labeler = Labeler::ct_rate().unwrap();
    let observed =
        Observed::of(&references, &hypotheses, &truth, &labeler, Protocol::Paper).unwrap();
    let value = right as f64 / 10.0;
    let score = |value: f64| Score {
        value,
        low: value - 0.05,
        high: value + 0.05,
    };
    Judged {
        scores: [
            ("f1_macro".to_owned(), score(value)),
            ("bleu_4".to_owned(), score(value / 2.0)),
            ("rouge_l".to_owned(), score(value / 1.5)),
        ]
        .into(),
        observed,
    }
}

fn finished(right: [usize; 2], trainable: u64, total: u64) -> Finished {
    let test = |name: &str, right: usize| TestRecord {
        name: name.to_owned(),
        labels: LabelSet::ct_rate().names().map(str::to_owned).collect(),
        seconds_a_report: 0.0125,
        ended_by_themselves: REPORTS,
        own: judged(right),
        shuffled: Some(judged(1)),
        prefixes: Some(Prefixes {
            explained: [0.5, 0.25],
            points: (0..REPORTS)
                .map(|at| [at as f32, (at % 7) as f32])
                .collect(),
        }),
    };
    Finished {
        trainable_parameters: trainable,
        total_parameters: total,
        llm_parameters: total / 2,
        training_seconds: 61.5,
        peak_memory_bytes: Some(512_000_000),
        tests: vec![test("in domain", right[0]), test("elsewhere", right[1])],
    }
}

/// How many of ten a cell gets right, in domain and elsewhere; `None` for one that failed.
type Rightness = fn(&Cell) -> Option<[usize; 2]>;

/// Training helps the small model and harms the large; priors help both.
fn as_in_the_paper(cell: &Cell) -> Option<[usize; 2]> {
    let Some(MapperCell {
        llm, mode, priors, ..
    }) = cell.mapper()
    else {
        return Some([4, 4]);
    };
    let base = match (&**llm, mode) {
        ("small", Mode::Frozen) => 4,
        ("small", Mode::Trained) => 7,
        (_, Mode::Frozen) => 7,
        (_, Mode::Trained) => 5,
    };
    Some([base + 2 * usize::from(*priors), 6])
}

fn summary(place: &Path, rightness: Rightness) -> Summary {
    let folder = StudyFolder::new(place);
    let study = Study::parse(Path::new("study.toml"), STUDY).unwrap();
    folder.save_settings(&study).unwrap();
    for cell in study.cells() {
        let work = folder.cell(&cell);
        let _lock = work.lock().unwrap();
        let trainable = match cell.mapper() {
            Some(cell) if cell.mode == Mode::Trained => 400_000 * cell.llm.len() as u64,
            Some(cell) => 90_000 * cell.llm.len() as u64,
            None => 0,
        };
        let outcome = match rightness(&cell) {
            Some(right) => Outcome::Done(Box::new(finished(right, trainable, 2_000_000))),
            None => Outcome::Failed {
                what: "no room".to_owned(),
                hint: "make some".to_owned(),
            },
        };
        work.finish(&CellRecord {
            cell,
            hash: "h".to_owned(),
            version: "0".to_owned(),
            outcome,
        })
        .unwrap();
    }
    Summary::read(&folder).unwrap()
}

fn decisive(found: &[Finding], claim: Claim, test: &str, score: &str) -> Verdict {
    let fits = |f: &&Finding| {
        f.claim == Some(claim) && f.is_decisive && f.test == test && f.score == score
    };
    found.iter().find(fits).unwrap().verdict()
}

#[test]
fn tables_of_a_study() {
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), as_in_the_paper);
    insta::assert_snapshot!("markdown", render::markdown(&summary));
    insta::assert_snapshot!("latex", render::latex(&summary));
    let csv = render::csv(&summary).unwrap();
    // 8 cells with their shuffled reports and 2 baselines with theirs, on 2 tests.
    assert_eq!(csv.lines().count(), 1 + 2 * 20);
    insta::assert_snapshot!(
        "csv_head",
        csv.lines().take(3).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn claims_follow_the_numbers() {
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), as_in_the_paper);
    let found = findings(&summary).unwrap();
    for claim in Claim::ALL {
        assert_eq!(
            decisive(&found, claim, "in domain", "f1_macro"),
            Verdict::Shows
        );
        // All cells are alike there.
        assert_eq!(
            decisive(&found, claim, "elsewhere", "f1_macro"),
            Verdict::Unclear
        );
    }
    let text = render::claim(&summary, &found);
    assert!(text.contains("**yes, it reverses** by F1 macro"), "{text}");
    insta::assert_snapshot!("claim", text);
}

#[test]
fn the_other_way_round_is_said_too() {
    fn reversed(cell: &Cell) -> Option<[usize; 2]> {
        let cell = cell.mapper()?;
        let trained = cell.mode == Mode::Trained;
        let base = match (&*cell.llm, trained) {
            ("small", true) => 4,
            ("small", false) => 6,
            (_, true) => 9,
            (_, false) => 5,
        };
        Some([base - 2 * usize::from(cell.priors), 5])
    }
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), reversed);
    let found = findings(&summary).unwrap();
    for claim in Claim::ALL {
        assert_eq!(
            decisive(&found, claim, "in domain", "f1_macro"),
            Verdict::Reverse
        );
    }
    let text = render::claim(&summary, &found);
    assert!(text.contains("**the other way: it grows**"), "{text}");
    assert!(text.contains("template failed: no room"), "{text}");
}

#[test]
fn a_difference_is_that_of_the_scores() {
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), as_in_the_paper);
    let value = |title: &str| {
        let row = summary.cells().find(|row| row.title == title).unwrap();
        summary.draws(row, "in domain").unwrap().unwrap().values[0]
    };
    let expected = (value("small V-1") - value("small V-2") + value("small V-1 + priors")
        - value("small V-3"))
        / 2.0;
    let found = findings(&summary).unwrap();
    let gain = found
        .iter()
        .find(|f| f.what == "small: trained minus frozen" && f.score == "f1_macro")
        .unwrap();
    let score = gain.difference.score;
    assert!((score.value - expected).abs() < 1e-12);
    assert!(score.low < score.value && score.value < score.high);
}

#[test]
fn a_study_of_one_cell_has_tables_and_no_claims() {
    fn one(cell: &Cell) -> Option<[usize; 2]> {
        let cell = cell.mapper()?;
        (cell.llm == "small" && cell.mode == Mode::Frozen && cell.priors).then_some([5, 5])
    }
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), one);
    let found = findings(&summary).unwrap();
    assert!(found.iter().all(|finding| finding.claim.is_none()));
    let text = render::claim(&summary, &found);
    assert!(text.contains("the cells that would tell are not there"));
    assert!(
        render::html(&summary, &found)
            .unwrap()
            .contains("small V-3")
    );
}

#[test]
fn pictures_show_every_cell() {
    let place = tempfile::tempdir().unwrap();
    let summary = summary(place.path(), as_in_the_paper);
    let quality = pictures::quality(&summary);
    // 8 cells in 3 panels a test, and the legend's 4.
    assert_eq!(quality.matches("<circle").count(), 8 * 3 * 2 + 4);
    assert!(!quality.contains("NaN"));
    let prefixes = pictures::prefixes(&summary);
    let names: Vec<&str> = prefixes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3);
    for (_, svg) in &prefixes {
        assert_eq!(svg.matches("<circle").count(), 8 * REPORTS + 2);
        assert!(!svg.contains("NaN"));
    }
    let found = findings(&summary).unwrap();
    let page = render::html(&summary, &found).unwrap();
    assert!(page.contains("Fixture &#38; co.") || page.contains("Fixture &amp; co."));
    assert!(!page.contains("<script") && !page.contains("http://localhost"));
}

#[test]
fn cells_of_other_reports_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut summary = summary(place.path(), as_in_the_paper);
    let row = summary.rows.first_mut().unwrap();
    row.finished.tests[0].own.observed.ids[0] = "another".to_owned();
    let error = findings(&summary).unwrap_err();
    assert!(error.what.contains("other reports"), "{error}");
}
