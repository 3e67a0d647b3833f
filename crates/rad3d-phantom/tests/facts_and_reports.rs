//! Facts keep to their prevalences, and reports say what the facts say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rad3d_phantom::{FactSheet, Finding, Phrasing, facts::PREVALENCE};
use rad3d_report::{CT_RATE_LABELS, Evaluation, LabelSet, Labeler};

#[test]
fn prevalences_and_correlations() {
    let count = 2_000;
    let sheets: Vec<FactSheet> = (0..count).map(FactSheet::sample).collect();
    let has = |sheet: &FactSheet, label: usize| sheet.labels().values()[label];
    let share =
        |label: usize| sheets.iter().filter(|s| has(s, label)).count() as f32 / count as f32;
    for (label, expected) in PREVALENCE.into_iter().enumerate() {
        // Four standard errors: once in some thousand test runs by chance, and seeds are fixed.
        let tolerance = 4.0 * (expected * (1.0 - expected) / count as f32).sqrt();
        let found = share(label);
        assert!(
            (found - expected).abs() < tolerance,
            "{}: {found}",
            CT_RATE_LABELS[label]
        );
    }
    let both = |a: usize, b: usize| {
        sheets.iter().filter(|s| has(s, a) && has(s, b)).count() as f32 / count as f32
    };
    // Effusion with atelectasis, cardiomegaly with effusion, aortic with coronary calcification.
    for (a, b) in [(12, 8), (2, 12), (1, 4), (10, 15)] {
        assert!(
            both(a, b) > 1.3 * share(a) * share(b),
            "{a} and {b} come together"
        );
    }
    let mean_age = |wanted: bool| {
        let ages: Vec<f32> = sheets
            .iter()
            .filter(|s| has(s, 7) == wanted)
            .map(|s| s.age as f32)
            .collect();
        ages.iter().sum::<f32>() / ages.len() as f32
    };
    assert!(
        mean_age(true) > mean_age(false) + 5.0,
        "emphysema comes with age"
    );
}

#[test]
fn facts_are_in_order_and_whole() {
    for seed in 0..500 {
        let sheet = FactSheet::sample(seed);
        let labels: Vec<usize> = sheet.findings.iter().map(Finding::label).collect();
        assert!(
            labels.is_sorted_by(|a, b| a < b),
            "one finding a label, in order: {labels:?}"
        );
        assert!((18..=90).contains(&sheet.age));
        for finding in &sheet.findings {
            if let Finding::LungNodule(nodules) = finding {
                assert!(
                    nodules
                        .iter()
                        .all(|n| (4.0..=30.0).contains(&n.diameter_mm))
                );
                assert!(nodules.is_sorted_by(|a, b| a.diameter_mm >= b.diameter_mm));
            }
        }
    }
    let all: Vec<usize> = (0..18).collect();
    assert_eq!(FactSheet::with_labels(1, &all).findings.len(), 18);
    assert!(FactSheet::with_labels(1, &[]).findings.is_empty());
}

#[test]
fn labeler_reads_the_labels_from_the_reports() {
    let labeler = Labeler::ct_rate().unwrap();
    let mut evaluation = Evaluation::new(LabelSet::ct_rate());
    let mut wrong = Vec::new();
    for seed in 10_000..10_300 {
        let sheet = FactSheet::sample(seed);
        let report = sheet.report();
        let read = labeler.label(&report).labels;
        let truth = sheet.labels();
        evaluation.add(&read, &truth).unwrap();
        for (name, read, truth) in read.zip(&truth).unwrap() {
            if read != truth {
                wrong.push(format!("{seed} {name}: {truth} read as {read}: {report:?}"));
            }
        }
    }
    let f1 = evaluation.macro_f1();
    println!(
        "macro F1 of the labeler on 300 reports: {f1:.4}, {} disagreements",
        wrong.len()
    );
    assert!(f1 >= 0.97, "macro F1 {f1}:\n{}", wrong.join("\n"));
}

#[test]
fn every_label_alone_is_read_alone() {
    let labeler = Labeler::ct_rate().unwrap();
    let mut wrong = Vec::new();
    for (label, name) in CT_RATE_LABELS.into_iter().enumerate() {
        for seed in 0..40 {
            let sheet = FactSheet::with_labels(seed, &[label]);
            let report = sheet.report();
            let read = labeler.label(&report).labels;
            if read != sheet.labels() {
                let read: Vec<&str> = read.iter().filter(|(_, v)| **v).map(|(n, _)| n).collect();
                wrong.push(format!("{}: read {read:?}: {report:?}", name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of 720:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn texts_are_whole_and_many() {
    let mut texts = BTreeSet::new();
    for seed in 0..1_000 {
        let report = FactSheet::sample(seed).report();
        for text in [&report.findings, &report.impression] {
            assert!(!text.is_empty(), "seed {seed}");
            let leftover = |c: char| "{}[]|".contains(c);
            assert!(!text.contains(leftover), "unfilled slot: {text}");
            assert!(
                text.ends_with('.') && !text.contains("..") && !text.contains("  "),
                "{text}"
            );
            for sentence in text.split(". ") {
                assert!(
                    !sentence.starts_with(char::is_lowercase),
                    "no capital: {sentence}"
                );
            }
        }
        texts.insert(report.findings);
    }
    assert!(
        texts.len() > 950,
        "{} distinct findings of 1,000",
        texts.len()
    );
    let sheet = FactSheet::sample(3);
    assert_eq!(sheet.report(), FactSheet::sample(3).report());
}

#[test]
fn two_phrasings_say_the_same_in_other_words() {
    let labeler = Labeler::ct_rate().unwrap();
    let sentences = |phrasing: Phrasing| -> BTreeSet<String> {
        // What is normal has no slots, so that its sentences show their templates.
        (0..2_000)
            .map(FactSheet::sample)
            .filter(|sheet| sheet.findings.is_empty())
            .flat_map(|sheet| {
                let report = sheet.report_in(phrasing);
                let sentences = report.sentences();
                let texts = sentences.iter().map(|s| report.text_of(s).to_owned());
                texts.collect::<Vec<_>>()
            })
            .collect()
    };
    let (first, second) = (sentences(Phrasing::First), sentences(Phrasing::Second));
    let shared = first.intersection(&second).count();
    assert!(first.len() > 20 && second.len() > 20);
    // Two templates with alternatives may still meet in a sentence.
    let fewer = first.len().min(second.len());
    assert!(shared * 5 < fewer, "{shared} of {fewer}");
    for phrasing in [Phrasing::First, Phrasing::Second] {
        let mut evaluation = Evaluation::new(LabelSet::ct_rate());
        for sheet in (0..300).map(FactSheet::sample) {
            let found = labeler.label(&sheet.report_in(phrasing)).labels;
            evaluation.add(&found, &sheet.labels()).unwrap();
        }
        assert!(evaluation.macro_f1() > 0.99, "{}", evaluation.macro_f1());
    }
}

/// `ct-rate-reports/train.csv` of the folder `data` beside the repository, or in `RAD3D_SHARED`.
fn real_labels() -> Option<Vec<Vec<bool>>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("RAD3D_SHARED").map_or_else(beside, PathBuf::from);
    let mut table = csv::Reader::from_path(shared.join("data/ct-rate-reports/train.csv")).ok()?;
    let rows = table.records().map(Result::unwrap);
    Some(
        rows.map(|row| row.iter().skip(2).map(|label| label == "1").collect())
            .collect(),
    )
}

/// The abnormalities of 800 real patients are as frequent, and come together, much as ours do.
#[test]
fn abnormalities_come_as_in_real_patients() {
    let Some(real) = real_labels() else {
        println!("skipped: no data/ct-rate-reports in ../shared or RAD3D_SHARED");
        return;
    };
    assert_eq!((real.len(), real[0].len()), (800, 18));
    let ours: Vec<Vec<bool>> = (0..8_000)
        .map(|seed| FactSheet::sample(seed).labels().values().to_vec())
        .collect();
    let share = |all: &[Vec<bool>], a: usize, b: usize| {
        all.iter().filter(|one| one[a] && one[b]).count() as f64 / all.len() as f64
    };
    // The correlation of two labels.
    let phi = |all: &[Vec<bool>], a: usize, b: usize| {
        let (p, q) = (share(all, a, a), share(all, b, b));
        (share(all, a, b) - p * q) / (p * (1.0 - p) * q * (1.0 - q)).sqrt()
    };
    let mut gaps = Vec::new();
    for (label, name) in CT_RATE_LABELS.iter().enumerate() {
        let (found, expected) = (share(&ours, label, label), share(&real, label, label));
        println!("{name}: {found:.3}, real {expected:.3}");
        gaps.push((found - expected).abs());
        // The real ones are a sample of their own, with a standard error of up to 0.018.
        assert!(
            (found - expected).abs() < 0.10,
            "{name}: {found} {expected}"
        );
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!(mean(&gaps) < 0.03, "{}", mean(&gaps));
    let pairs = (0..18).flat_map(|a| (0..a).map(move |b| (a, b)));
    let apart: Vec<f64> = pairs
        .map(|(a, b)| (phi(&ours, a, b) - phi(&real, a, b)).abs())
        .collect();
    println!("correlations {:.3} apart on average", mean(&apart));
    assert!(mean(&apart) < 0.08, "{}", mean(&apart));
}
