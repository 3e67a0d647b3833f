//! The negation probe turns what reports say into its contrary, judged by the labeler: on the
//! phantoms' phrasings here, on real reports where they lie beside the repository.

use std::path::{Path, PathBuf};

use rad3d_metrics::evaluation::{NegationCounts, negated};
use rad3d_metrics::read_reports;
use rad3d_report::{LabeledReport, Labeler, Report};

/// As the phantoms' reports have them: asserted, denied, and denied by saying what is normal.
const SENTENCES: [&str; 48] = [
    "There are several calcified atheroma plaques in the wall of the aortic arch.",
    "Moderate atherosclerotic calcification of the aorta.",
    "The heart is mildly enlarged.",
    "There is moderate cardiomegaly.",
    "Enlarged heart.",
    "A pericardial effusion of 7 mm is noted.",
    "Fluid of 9 mm is seen in the pericardial space.",
    "One sees extensive coronary calcifications, involving the LAD.",
    "The coronary arteries show mild calcification in the circumflex territory.",
    "A sliding hiatal hernia measuring 3.5 cm is seen behind the heart.",
    "Part of the stomach lies above the diaphragm, in keeping with a hiatal hernia.",
    "Enlarged right paratracheal lymph nodes of up to 14 mm are observed.",
    "Mild centrilobular emphysema is present in both upper lobes.",
    "Both upper lobes show marked paraseptal emphysematous changes.",
    "Plate-like atelectatic changes are observed in the lingula.",
    "The dependent parts of both lower lobes show mild atelectasis.",
    "A solid nodule of 7 mm is seen in the right upper lobe.",
    "Patchy ground-glass opacities are noted in both lower lobes.",
    "Marked ground-glass opacities, infection should be considered.",
    "Pleuroparenchymal scarring is seen at the apex of the left upper lobe.",
    "There is a moderate pleural effusion on the right, and atelectasis beside it.",
    "Both lungs show mild mosaic attenuation.",
    "Peribronchial cuffing, bronchitis should be considered.",
    "An extensive consolidation with air bronchograms is seen in the left lower lobe.",
    "Mild cylindrical bronchiectasis is present in the middle lobe.",
    "Interlobular septal thickening is noted in both lower lobes.",
    "A central venous catheter is present.",
    "Heart size is normal.",
    "The heart is of normal size.",
    "No pericardial effusion.",
    "Pericardial effusion was not observed.",
    "There is no pericardial effusion.",
    "No coronary artery calcification is seen.",
    "The coronary arteries show no calcification.",
    "No hiatal hernia is present.",
    "No pathologically enlarged lymph node is detected in the mediastinum, hila or axillae.",
    "Mediastinal and hilar lymphadenopathy was not detected.",
    "Aeration of both lungs is normal.",
    "No suspicious nodule or mass is seen in the lungs.",
    "There is no pulmonary nodule or mass.",
    "No nodular lesion is found in either lung.",
    "No consolidation or ground-glass opacity is detected.",
    "Consolidation was not seen in either lung.",
    "No emphysema is noted.",
    "No pleural effusion or pneumothorax is seen on either side.",
    "There is emphysema, but no consolidation or bronchiectasis.",
    "Both lungs are free of consolidation, with linear atelectasis on the left.",
    "The pleural spaces are without effusion.",
];

fn labels_of(text: &str, labeler: &Labeler) -> Vec<(usize, bool)> {
    let report = Report {
        findings: text.to_owned(),
        impression: String::new(),
    };
    let LabeledReport { sentences, .. } = labeler.label(&report);
    let mentions = sentences.into_iter().flat_map(|one| one.mentions);
    let mut found: Vec<(usize, bool)> = Vec::new();
    for mention in mentions {
        match found.iter_mut().find(|(label, _)| *label == mention.label) {
            Some((_, positive)) => *positive |= mention.counts,
            None => found.push((mention.label, mention.counts)),
        }
    }
    found.sort_unstable();
    found
}

/// What the probe claims about each text, checked label by label.
fn turn(texts: &[String], labeler: &Labeler) -> NegationCounts {
    let mut all = NegationCounts::default();
    for text in texts {
        let report = Report {
            findings: text.clone(),
            impression: String::new(),
        };
        // Sentence by sentence, since a report may say the same twice.
        for sentence in labeler.label(&report).sentences {
            let sentence = sentence.sentence.span.of(text);
            let report = Report {
                findings: sentence.to_owned(),
                impression: String::new(),
            };
            let (contrary, counts) = negated(&report, labeler);
            all += counts;
            if counts.turned_sentences == 0 {
                assert_eq!(contrary, report);
                continue;
            }
            let turned = labels_of(&contrary.findings, labeler);
            for (label, positive) in labels_of(sentence, labeler) {
                let wanted = (label, !positive);
                assert!(
                    turned.contains(&wanted),
                    "{sentence}\n{}",
                    contrary.findings
                );
            }
        }
    }
    all
}

#[test]
fn findings_are_denied_and_denials_affirmed() {
    let labeler = Labeler::ct_rate().unwrap();
    for (sentence, wanted) in [
        ("Hiatal hernia.", "No hiatal hernia."),
        ("Emphysema is seen.", "Emphysema is not seen."),
        (
            "There is a pleural effusion.",
            "There is no pleural effusion.",
        ),
        (
            "There is no pericardial effusion.",
            "There is pericardial effusion.",
        ),
        (
            "Pericardial effusion was not observed.",
            "Pericardial effusion was observed.",
        ),
        ("No consolidation is seen.", "Consolidation is seen."),
        ("Heart size is normal.", "Heart size is increased."),
        // Nothing to judge, so nothing is touched.
        ("The spine is unremarkable.", "The spine is unremarkable."),
    ] {
        let (contrary, _) = negated(&Report::parse(sentence), &labeler);
        assert_eq!(contrary.findings, wanted);
    }
}

#[test]
fn a_report_keeps_what_is_not_judged() {
    let labeler = Labeler::ct_rate().unwrap();
    let text = "Findings: Trachea is open. Emphysema is seen. Vertebrae are normal.\n\
                Impression: Emphysema.";
    let (contrary, counts) = negated(&Report::parse(text), &labeler);
    assert_eq!(
        contrary.findings,
        "Trachea is open. Emphysema is not seen. Vertebrae are normal."
    );
    assert_eq!(contrary.impression, "No emphysema.");
    assert_eq!((counts.judged_sentences, counts.turned_sentences), (2, 2));
    assert_eq!((counts.denied_sentences, counts.affirmed_sentences), (2, 0));
}

#[test]
fn phantoms_sentences_are_turned() {
    let labeler = Labeler::ct_rate().unwrap();
    let mut all = NegationCounts::default();
    for sentence in SENTENCES {
        let own = turn(&[sentence.to_owned()], &labeler);
        let (contrary, _) = negated(&Report::parse(sentence), &labeler);
        println!("{own:?}\n  {sentence}\n  {}", contrary.findings);
        all += own;
    }
    println!("{all:?}");
    assert!(all.judged_sentences >= 45, "{all:?}");
    assert!(
        100 * all.turned_sentences >= 95 * all.judged_sentences,
        "{all:?}"
    );
    // By an edit, not from scratch.
    let edited = all.turned_sentences - all.rewritten_sentences;
    assert!(100 * edited >= 90 * all.judged_sentences, "{all:?}");
}

/// `ct-rate-reports/train.csv` of the folder `data` beside the repository, or in `RAD3D_SHARED`.
fn real_reports() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("RAD3D_SHARED").map_or_else(beside, PathBuf::from);
    let path = shared.join("data/ct-rate-reports/train.csv");
    path.is_file().then_some(path)
}

#[test]
fn real_reports_sentences_are_turned() {
    let Some(path) = real_reports() else {
        println!("skipped: no data/ct-rate-reports in ../shared or RAD3D_SHARED");
        return;
    };
    let labeler = Labeler::ct_rate().unwrap();
    let reports = read_reports(&path).unwrap();
    let texts: Vec<String> = reports.into_iter().map(|one| one.report.findings).collect();
    let all = turn(&texts, &labeler);
    println!("{all:?}");
    assert!(
        100 * all.turned_sentences >= 95 * all.judged_sentences,
        "{all:?}"
    );
    let edited = all.turned_sentences - all.rewritten_sentences;
    assert!(100 * edited >= 90 * all.judged_sentences, "{all:?}");
}
