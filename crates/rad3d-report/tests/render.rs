//! Drafts in every format: all of it is there, disagreements are flagged, nothing breaks out.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may fail by panicking"
)]

use rad3d_report::render::{html, json, markdown, text};
use rad3d_report::{
    Classified, Draft, Fault, LabelSet, LabelValues, Labeler, Picture, Provenance, RESEARCH_NOTICE,
    Report, Timing, Window,
};

fn draft(findings: &str, scan: &str) -> Draft {
    let labels = LabelSet::ct_rate();
    let probabilities = LabelValues::from_fn(labels.clone(), |_, name| {
        if name == "Hiatal hernia" || name == "Pleural effusion" {
            0.81
        } else {
            0.07
        }
    });
    let thresholds = LabelValues::from_fn(labels, |_, _| 0.4);
    let classified = Classified::new(probabilities, thresholds).unwrap();
    let report = Report::from_sections(findings, "Emphysema.");
    let labeler = Labeler::ct_rate().unwrap();
    let mut draft = Draft::new(scan, "demo", report, classified, &labeler).unwrap();
    draft.timings.push(Timing {
        step: "Reading".into(),
        seconds: 1.25,
    });
    draft.provenance.push(Provenance {
        name: "Input".into(),
        value: "a|b".into(),
    });
    draft.warnings.push("Shipped demo model.".into());
    draft
}

const FINDINGS: &str = "There is emphysema. No pleural effusion is seen. The trachea is open.";

#[test]
fn every_format_holds_the_report_the_probabilities_and_the_notice() {
    let draft = draft(FINDINGS, "case 1");
    let pages = [
        text(&draft),
        markdown(&draft),
        json(&draft).unwrap(),
        html(&draft, &[]).unwrap(),
    ];
    for page in pages {
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(RESEARCH_NOTICE), "{page}");
        for name in draft.classified.labels().names() {
            assert!(flat.contains(name), "{name} is missing in {page}");
        }
        assert!(flat.contains("The trachea is open"), "{page}");
        assert!(
            flat.contains("0.81") && flat.contains("Shipped demo model"),
            "{page}"
        );
    }
}

#[test]
fn disagreements_are_flagged_in_every_format() {
    let draft = draft(FINDINGS, "case 1");
    let plain = text(&draft);
    assert!(plain.contains("[!] There is emphysema."), "{plain}");
    assert!(plain.contains("not in the text: Hiatal hernia"), "{plain}");
    assert!(
        plain.contains("seen by the classifier: Pleural effusion"),
        "{plain}"
    );
    let marked = markdown(&draft);
    assert_eq!(marked.matches("**Disagreement:**").count(), 3, "{marked}");
    let page = html(&draft, &[]).unwrap();
    assert_eq!(
        page.matches("<li class=\"disagrees\">").count(),
        3,
        "{page}"
    );
    assert!(
        page.contains("<mark class=\"disagrees\">emphysema</mark>"),
        "{page}"
    );
}

#[test]
fn a_draft_survives_json() {
    let draft = draft(FINDINGS, "case 1");
    assert_eq!(
        serde_json::from_str::<Draft>(&json(&draft).unwrap()).unwrap(),
        draft
    );
}

#[test]
fn numbers_json_cannot_hold_are_refused() {
    let mut draft = draft(FINDINGS, "case 1");
    draft.mean_token_log_probability = Some(f64::NEG_INFINITY);
    assert_eq!(json(&draft).unwrap_err().fault, Fault::Draft);
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "<script>alert(1)</script> & \"nodule\" \u{1b}[2J | **bold** `code`";
    let mut draft = draft(hostile, hostile);
    draft.warnings.push(hostile.into());
    draft.provenance.push(Provenance {
        name: hostile.into(),
        value: hostile.into(),
    });
    let picture = Picture {
        window: Window::Lung,
        caption: hostile.into(),
        png: PNG_HEAD.to_vec(),
    };
    let page = html(&draft, &[picture]).unwrap();
    assert!(!page.contains("<script"), "{page}");
    assert!(!text(&draft).contains('\u{1b}'));
    let marked = markdown(&draft);
    assert!(
        !marked.contains("<script") && !marked.contains("**bold**"),
        "{marked}"
    );
}

const PNG_HEAD: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn pictures_become_data_uris_and_nothing_is_fetched() {
    let picture = Picture {
        window: Window::Lung,
        caption: "axial".into(),
        png: PNG_HEAD.to_vec(),
    };
    let page = html(&draft(FINDINGS, "case 1"), &[picture]).unwrap();
    assert!(
        page.contains("src=\"data:image/png;base64,iVBORw0KGgo=\""),
        "{page}"
    );
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );
    let other = Picture {
        window: Window::Lung,
        caption: "axial".into(),
        png: b"GIF89a".to_vec(),
    };
    assert_eq!(
        html(&draft(FINDINGS, "x"), &[other]).unwrap_err().fault,
        Fault::Draft
    );
}

#[test]
fn lines_of_text_fit_a_terminal() {
    let plain = text(&draft(
        &format!("{FINDINGS} {}", "A long sentence goes on ".repeat(20)),
        "x",
    ));
    for line in plain.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
