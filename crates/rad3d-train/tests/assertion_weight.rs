//! Which tokens of a report count more where sentences that assert a finding are weighted.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be read has failed the test"
)]

use rad3d_report::{Labeler, Report};
use rad3d_train::text::{asserting_spans, target_text, target_tokens, token_weights};
use rad3d_weights::{MapperTarget, Tokenizer};

fn report() -> Report {
    Report {
        findings: "The heart is of normal size. There is a right pleural effusion. No lung nodule \
                   is seen."
            .to_owned(),
        impression: "Pleural effusion. No pericardial effusion.".to_owned(),
    }
}

fn texts(target: MapperTarget) -> Vec<String> {
    let (report, labeler) = (report(), Labeler::ct_rate().unwrap());
    let text = target_text(target, &report);
    asserting_spans(target, &report, &labeler)
        .into_iter()
        .map(|span| text[span].to_owned())
        .collect()
}

#[test]
fn sentences_that_assert_are_found_in_the_text_that_is_learnt() {
    let (finding, impression) = ("There is a right pleural effusion.", "Pleural effusion.");
    assert_eq!(texts(MapperTarget::Both), [finding, impression]);
    assert_eq!(texts(MapperTarget::Findings), [finding]);
    assert_eq!(texts(MapperTarget::Impression), [impression]);
}

#[test]
fn exactly_their_tokens_weigh_more() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/demo/llm");
    let tokenizer = Tokenizer::from_folder(folder).unwrap();
    let (report, labeler) = (report(), Labeler::ct_rate().unwrap());
    let text = target_text(MapperTarget::Both, &report);
    let spans = asserting_spans(MapperTarget::Both, &report, &labeler);
    let tokens = target_tokens(&tokenizer, &text, 10_000).unwrap();
    let weights = token_weights(&tokenizer, &tokens, &spans, 3.0).unwrap();
    assert_eq!(weights.len(), tokens.len());
    // The end of the text belongs to no sentence.
    assert_eq!(weights.last(), Some(&1.0));
    let of = |wanted: f32| {
        let chosen = tokens.iter().zip(&weights).filter(|(_, w)| **w == wanted);
        let ids: Vec<u32> = chosen.map(|(id, _)| *id).collect();
        tokenizer.decode(&ids, true).unwrap()
    };
    assert!(of(3.0).contains("right pleural effusion"), "{}", of(3.0));
    assert!(!of(3.0).contains("nodule") && !of(3.0).contains("heart"));
    assert!(of(1.0).contains("No lung nodule is seen"), "{}", of(1.0));
}
