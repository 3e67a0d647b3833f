//! The labeler on sentences written for the purpose: every label asserted, denied, in doubt, in
//! a list of denials, behind a "but", resolved; and the wordings that look like denials.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may fail by panicking"
)]

use proptest::prelude::*;
use rad3d_report::{LabelSet, Labeler, Report, Status};

/// A label, and a wording of it that fits "There is …" and "No … is seen".
const WORDINGS: [(&str, &str); 18] = [
    ("Medical material", "central venous catheter"),
    (
        "Arterial wall calcification",
        "calcified plaque in the aortic arch",
    ),
    ("Cardiomegaly", "cardiomegaly"),
    ("Pericardial effusion", "pericardial effusion"),
    (
        "Coronary artery wall calcification",
        "coronary artery calcification",
    ),
    ("Hiatal hernia", "hiatal hernia"),
    ("Lymphadenopathy", "mediastinal lymphadenopathy"),
    ("Emphysema", "centrilobular emphysema"),
    ("Atelectasis", "linear atelectasis"),
    ("Lung nodule", "pulmonary nodule"),
    ("Lung opacity", "ground-glass opacity"),
    ("Pulmonary fibrotic sequela", "fibrotic sequela"),
    ("Pleural effusion", "pleural effusion"),
    ("Mosaic attenuation pattern", "mosaic attenuation"),
    ("Peribronchial thickening", "peribronchial thickening"),
    ("Consolidation", "consolidation"),
    ("Bronchiectasis", "cylindrical bronchiectasis"),
    (
        "Interlobular septal thickening",
        "interlobular septal thickening",
    ),
];

fn labeler() -> Labeler {
    Labeler::ct_rate().unwrap()
}

/// The labels a text is positive for.
fn positive(labeler: &Labeler, text: &str) -> Vec<String> {
    let labeled = labeler.label(&Report::parse(text));
    labeled
        .labels
        .iter()
        .filter(|(_, value)| **value)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// What a text says of one label, mention by mention.
fn statuses(labeler: &Labeler, text: &str, label: &str) -> Vec<Status> {
    let index = labeler.labels().index_of(label).unwrap();
    let labeled = labeler.label(&Report::parse(text));
    let mentions = labeled
        .sentences
        .iter()
        .flat_map(|sentence| &sentence.mentions);
    mentions
        .filter(|mention| mention.label == index)
        .map(|mention| mention.status)
        .collect()
}

#[test]
fn rules_are_for_the_ct_rate_labels_in_their_order() {
    assert_eq!(*labeler().labels(), LabelSet::ct_rate());
}

#[test]
fn every_label_is_asserted() {
    let labeler = labeler();
    for (label, words) in WORDINGS {
        for text in [
            format!("There is {words}."),
            format!("Minimal {words} is observed."),
            format!("{words} was detected, unchanged since the last examination."),
        ] {
            assert_eq!(positive(&labeler, &text), [label], "{text}");
        }
    }
}

#[test]
fn every_label_is_denied() {
    let labeler = labeler();
    for (label, words) in WORDINGS {
        for text in [
            format!("No {words} is seen."),
            format!("There is no evidence of {words}."),
            format!("The chest is without {words}."),
            format!("{words} was not observed."),
            format!("The lungs are free of {words}."),
            format!("The examination does not show {words}."),
            format!("Previously described {words} has resolved."),
            format!("{words} is no longer seen."),
            format!("Negative for {words}."),
            format!("No pneumothorax, {words} or rib fracture."),
            format!("Neither pneumothorax nor {words} is present."),
        ] {
            assert!(
                !positive(&labeler, &text).contains(&label.to_owned()),
                "{text}"
            );
            let said = statuses(&labeler, &text, label);
            assert!(said.contains(&Status::Denied), "{text}: {said:?}");
        }
    }
}

#[test]
fn every_label_can_be_in_doubt() {
    let labeler = labeler();
    for (label, words) in WORDINGS {
        for text in [
            format!("Possible {words}."),
            format!("Findings suspicious for {words}."),
            format!("{words} cannot be excluded."),
            format!("Faint density ({words}?)."),
        ] {
            assert_eq!(
                statuses(&labeler, &text, label),
                [Status::Uncertain],
                "{text}"
            );
        }
    }
}

#[test]
fn denial_ends_at_but() {
    let labeler = labeler();
    for (label, words) in WORDINGS {
        for text in [
            format!("No pneumothorax, but there is {words}."),
            format!("There is no rib fracture; {words} is seen."),
            format!("No mass was detected, and {words} is observed."),
            format!("There is no mass; however, {words} is present."),
            format!("A mass was not detected, while {words} is seen."),
        ] {
            assert_eq!(positive(&labeler, &text), [label], "{text}");
        }
    }
}

#[test]
fn a_denied_list_is_denied_to_its_end() {
    let labeler = labeler();
    for text in [
        "No pleural effusion, lymphadenopathy or consolidation.",
        "Pleural effusion, consolidation and bronchiectasis were not detected.",
        "There is no pleural or pericardial effusion.",
        "Pleural effusion-thickening was not observed.",
        "No emphysema, no nodule, no atelectasis.",
        "The lungs are clear without nodules, consolidation, or ground-glass opacity.",
    ] {
        assert!(
            positive(&labeler, text).is_empty(),
            "{text}: {:?}",
            positive(&labeler, text)
        );
    }
}

#[test]
fn words_of_negation_that_deny_nothing() {
    let labeler = labeler();
    for (text, label) in [
        ("No change in the pulmonary nodule.", "Lung nodule"),
        (
            "No significant difference was found in the size of the nodules.",
            "Lung nodule",
        ),
        (
            "The pulmonary nodule was not seen on the previous examination.",
            "Lung nodule",
        ),
        (
            "Lymph nodes not reaching pathological size are seen.",
            "Lymphadenopathy",
        ),
        ("The lungs are not free of emphysema.", "Emphysema"),
        ("The right lung is not without atelectasis.", "Atelectasis"),
        (
            "Not only emphysema but also bronchiectasis is seen.",
            "Emphysema",
        ),
        (
            "Evaluation is limited by the lack of contrast, pleural effusion is seen.",
            "Pleural effusion",
        ),
        (
            "No nodule except a subpleural nodule in the lingula.",
            "Lung nodule",
        ),
    ] {
        assert!(
            positive(&labeler, text).contains(&label.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn a_bracket_keeps_its_denial() {
    let labeler = labeler();
    let text = "A pulmonary nodule (no cavitation) is seen.";
    assert_eq!(positive(&labeler, text), ["Lung nodule"]);
}

#[test]
fn the_same_words_elsewhere_are_something_else() {
    let labeler = labeler();
    for text in [
        "Subcutaneous emphysema is seen.",
        "A hypodense nodule in the thyroid gland.",
        "There is effusion in the knee joint.",
        "An adrenal nodule of 12 mm.",
        "Healed sequela of a rib fracture.",
        "The aortic valve is calcified.",
        "The effusion, which was seen on the previous examination, is not observed.",
        "Contrast material was given.",
        "Inguinal hernia.",
    ] {
        assert!(
            positive(&labeler, text).is_empty(),
            "{text}: {:?}",
            positive(&labeler, text)
        );
    }
}

#[test]
fn normal_heart_size_denies_cardiomegaly() {
    let labeler = labeler();
    for text in [
        "Heart contour and size are normal.",
        "The cardiac silhouette is normal.",
    ] {
        assert_eq!(
            statuses(&labeler, text, "Cardiomegaly"),
            [Status::Denied],
            "{text}"
        );
    }
    for text in [
        "The heart is enlarged.",
        "Heart size has increased.",
        "The heart is larger than normal.",
    ] {
        assert_eq!(positive(&labeler, text), ["Cardiomegaly"], "{text}");
    }
}

#[test]
fn annotation_policy_of_ct_rate() {
    let labeler = labeler();
    assert_eq!(
        positive(&labeler, "A few millimetric lymph nodes are seen."),
        ["Lymphadenopathy"]
    );
    let fibro = positive(&labeler, "Fibroatelectatic bands in both lower lobes.");
    assert_eq!(fibro, ["Pulmonary fibrotic sequela"]);
    let both = positive(
        &labeler,
        "Calcific plaques in the aorta and the coronary arteries.",
    );
    assert_eq!(
        both,
        [
            "Arterial wall calcification",
            "Coronary artery wall calcification"
        ]
    );
    let coronary = positive(&labeler, "Calcific plaques in the coronary arteries.");
    assert_eq!(coronary, ["Coronary artery wall calcification"]);
}

#[test]
fn spans_hold_the_words_also_behind_other_letters() {
    let report =
        Report::parse("Ünal\u{2019}s sign \u{2013} none. Größe 5 × 3 mm: a pleural effusion.");
    let labeled = labeler().label(&report);
    let mention = labeled.sentences[1].mentions[0];
    assert_eq!(mention.span.of(&report.findings), "pleural effusion");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,400}") {
        let report = Report::parse(&text);
        for sentence in labeler_once().label(&report).sentences {
            for mention in sentence.mentions {
                let section = report.section(sentence.sentence.section);
                prop_assert!(!mention.span.of(section).is_empty());
            }
        }
    }

    #[test]
    fn shuffled_vocabulary_never_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "no", "without", "not", "was not observed", "effusion", "pleural", "(", ")", "?",
                ",", ".", ";", "but", "nodule", "thyroid", "İ", "\u{2013}", "\n", "\"", "and",
                "emphysema", "cannot be excluded", "2.5", "lung", "heart", "increased",
            ]),
            0..40,
        ),
    ) {
        let report = Report::parse(&words.join(" "));
        let labeled = labeler_once().label(&report);
        for (index, (_, &value)) in labeled.labels.iter().enumerate() {
            let mut mentions = labeled.sentences.iter().flat_map(|s| &s.mentions);
            prop_assert_eq!(value, mentions.any(|m| m.label == index && m.counts));
        }
    }
}

/// One labeler for all cases of a property: building takes longer than labeling.
fn labeler_once() -> &'static Labeler {
    static LABELER: std::sync::LazyLock<Labeler> = std::sync::LazyLock::new(labeler);
    &LABELER
}
