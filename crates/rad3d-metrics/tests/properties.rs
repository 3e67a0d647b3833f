//! Whatever the texts: identical ones score the maximum, no score is NaN, order never matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot score has failed")]

use proptest::prelude::*;
use rad3d_metrics::{
    Bleu, BleuCounts, Bootstrap, Evaluation, Meteor, NltkSmoothing, Protocol, Punkt, ReportText,
    Rouge, SacreSmoothing, SavedScores, Settings, Subjects, Tokens, cider, coco_rouge_l,
    porter_stem,
};
use rad3d_report::Labeler;

/// Reports as they come: sentences of a few findings, and now and then anything at all.
fn report() -> impl Strategy<Value = String> {
    let sentence = prop::sample::select(vec![
        "There is emphysema.",
        "No pleural effusion.",
        "A 6.5 mm nodule in segment 4. ",
        "Heart size is normal!",
        "Findings:\n",
        "Impression: Hiatal hernia (sliding)...",
        "Dr. \"Who\" can't see it; isn't it?",
        "Lymph nodes of 5 x 3 mm,etc.",
    ]);
    let prose = prop::collection::vec(sentence, 0..8).prop_map(|list| list.join(" "));
    prop_oneof![4 => prose, 1 => any::<String>(), 1 => "[ .?!'\"a-c0-9(),-]{0,40}"]
}

const BLEUS: [Bleu; 6] = [
    Bleu::HuggingFace { smooth: false },
    Bleu::HuggingFace { smooth: true },
    Bleu::Coco,
    Bleu::SacreBleu {
        smoothing: SacreSmoothing::Exp,
        effective_order: true,
    },
    Bleu::SacreBleu {
        smoothing: SacreSmoothing::Floor,
        effective_order: false,
    },
    Bleu::Nltk {
        smoothing: NltkSmoothing::Method1,
    },
];

fn settings(protocol: Protocol) -> Settings {
    Settings {
        protocol,
        bleu: None,
        bootstrap: Bootstrap {
            resamples: 100,
            ..Bootstrap::default()
        },
        labeler: Labeler::ct_rate().unwrap(),
        classifier: None,
        punkt: Punkt::default(),
        wordnet: None,
        bertscore: None,
    }
}

fn evaluate(pairs: &[(String, String)], protocol: Protocol) -> Evaluation {
    let texts = |side: fn(&(String, String)) -> &String| {
        let numbered = pairs.iter().enumerate();
        // Ids keep their order of appearance out of the result's way.
        numbered
            .map(|(at, pair)| ReportText::whole(format!("{at}-{}", pair.0.len()), side(pair)))
            .collect::<Vec<_>>()
    };
    let subjects = Subjects {
        references: texts(|pair| &pair.0),
        hypotheses: texts(|pair| &pair.1),
        baseline: None,
        truth: None,
        probabilities: None,
        saved: SavedScores::default(),
        baseline_saved: SavedScores::default(),
    };
    Evaluation::of(&subjects, &settings(protocol)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn identical_texts_score_the_maximum(text in report()) {
        let tokens = Tokens::thirteen_a(&text);
        let counts = BleuCounts::of(&tokens, &tokens);
        if tokens.iter().count() >= 4 {
            for bleu in BLEUS {
                for score in bleu.score(&counts).unwrap() {
                    prop_assert!((score - 1.0).abs() < 1e-8, "{bleu:?}: {score}");
                }
            }
        }
        let words = Tokens::rouge(&text);
        let rouge = Rouge::of(&words, &words);
        if words.iter().count() >= 2 {
            prop_assert_eq!((rouge.one.f1, rouge.two.f1, rouge.l.f1), (1.0, 1.0, 1.0));
        }
        prop_assert!((coco_rouge_l(&text, &text) - 1.0).abs() < 1e-12);
        let nltk = Tokens::nltk(&text, &Punkt::default());
        let length = nltk.iter().count() as f64;
        if length > 0.0 {
            let best = 1.0 - 0.5 / length.powi(3);
            let got = Meteor::new(None).score(&nltk, &nltk);
            prop_assert!((got - best).abs() < 1e-12, "{got} for {best}");
        }
    }

    #[test]
    fn scores_are_between_nothing_and_everything(a in report(), b in report()) {
        let (x, y) = (Tokens::thirteen_a(&a), Tokens::thirteen_a(&b));
        let counts = BleuCounts::of(&x, &y);
        for bleu in BLEUS {
            for score in bleu.score(&counts).into_iter().flatten() {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&score), "{bleu:?}: {score}");
            }
        }
        let rouge = Rouge::of(&Tokens::rouge(&a), &Tokens::rouge(&b));
        prop_assert!((0.0..=1.0).contains(&rouge.l.f1));
        let meteor = Meteor::new(None).score(&x, &y);
        prop_assert!((0.0..=1.0).contains(&meteor));
        for score in cider(&[x.clone(), y.clone()], &[y, x]) {
            prop_assert!((0.0..=10.0 + 1e-9).contains(&score), "{score}");
        }
    }

    #[test]
    fn tokenizers_lose_no_letter(text in "[a-zA-Z .,;:?!'\"()-]{0,80}") {
        let letters = |text: &str| -> String { text.chars().filter(char::is_ascii_alphabetic).collect() };
        for tokens in [Tokens::thirteen_a(&text), Tokens::nltk(&text, &Punkt::default())] {
            let joined: String = tokens.iter().collect();
            prop_assert_eq!(letters(&joined), letters(&text));
        }
        prop_assert!(porter_stem(&text).chars().count() <= text.chars().count() + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_evaluation_has_a_nan(pairs in prop::collection::vec((report(), report()), 1..6)) {
        for protocol in [Protocol::Paper, Protocol::Vlm3d, Protocol::Ct2rep] {
            let evaluation = evaluate(&pairs, protocol);
            for (key, value) in &evaluation.corpus.0 {
                prop_assert!(value.is_none_or(f64::is_finite), "{key}: {value:?}");
            }
            for (key, interval) in &evaluation.intervals.0 {
                let fine = interval.is_none_or(|one| one.low <= one.high && one.low.is_finite());
                prop_assert!(fine, "{key}: {interval:?}");
            }
        }
    }

    #[test]
    fn order_does_not_matter(
        pairs in prop::collection::vec((report(), report()), 2..6),
        turn in 1_usize..5,
    ) {
        let straight = evaluate(&pairs, Protocol::Paper);
        let mut turned = pairs.clone();
        let by = turn % pairs.len();
        turned.rotate_left(by);
        let turned = evaluate(&turned, Protocol::Paper);
        for ((key, a), (_, b)) in straight.corpus.0.iter().zip(&turned.corpus.0) {
            let same = match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                (a, b) => a.is_none() && b.is_none(),
            };
            prop_assert!(same, "{key}: {a:?} and {b:?}");
        }
    }
}
