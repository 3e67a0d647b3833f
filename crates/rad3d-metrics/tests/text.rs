//! Text metrics against nltk, sacrebleu, evaluate, rouge_score and pycocoevalcap on 50 pairs
//! (`tests/golden/metrics_text.py`): empty texts, single words, entities, emoji, negations.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test without its files has failed"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use rad3d_metrics::{
    Bleu, BleuCounts, BleuStatistic, Meteor, NltkSmoothing, Protocol, Punkt, ReportText, Rouge,
    SacreSmoothing, Tokens, WordNet, cider, coco_rouge_l, porter_stem, rouge_l_sum,
};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

static FIXTURE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("fixtures/text.json")).unwrap());

struct Pair {
    id: &'static str,
    reference: &'static str,
    hypothesis: &'static str,
}

fn pairs() -> Vec<Pair> {
    let pairs = FIXTURE["pairs"].as_array().unwrap().iter();
    pairs
        .map(|pair| Pair {
            id: pair["id"].as_str().unwrap(),
            reference: pair["reference"].as_str().unwrap(),
            hypothesis: pair["hypothesis"].as_str().unwrap(),
        })
        .collect()
}

/// Those of the corpus, without the edge cases.
fn corpus() -> Vec<Pair> {
    let ids = FIXTURE["corpus_ids"].as_array().unwrap();
    let mut pairs = pairs();
    pairs.retain(|pair| ids.iter().any(|id| id == pair.id));
    assert_eq!(pairs.len(), 40);
    pairs
}

fn close(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
    assert!((got - want).abs() <= TOLERANCE, "{what}: {got} for {want}");
}

fn words(list: &Value) -> Vec<&str> {
    let words = list.as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap()).collect()
}

/// Both sides' tokens as another program made them.
fn tokens_of(tokenizer: &str, id: &str) -> (Tokens, Tokens) {
    let both = &FIXTURE["tokens"][tokenizer][id];
    (
        Tokens::new(words(&both["ref"])),
        Tokens::new(words(&both["hyp"])),
    )
}

/// `tokenize` makes the tokens that the reference made.
fn tokenizer(name: &str, tokenize: impl Fn(&str) -> Tokens) {
    for pair in pairs() {
        for (side, text) in [("ref", pair.reference), ("hyp", pair.hypothesis)] {
            let tokens = tokenize(text);
            let got: Vec<&str> = tokens.iter().collect();
            let want = words(&FIXTURE["tokens"][name][pair.id][side]);
            assert_eq!(got, want, "{name} of {} {side}", pair.id);
        }
    }
}

#[test]
fn tokenizers() {
    let punkt = Punkt::default();
    tokenizer("ws", Tokens::white_space);
    tokenizer("13a", Tokens::thirteen_a);
    tokenizer("rouge", Tokens::rouge);
    tokenizer("rouge_stem", |text| Tokens::rouge(text).stemmed());
    tokenizer("nltk_word", |text| Tokens::nltk(text, &punkt));
}

#[test]
fn sentences() {
    let punkt = Punkt::default();
    for pair in pairs() {
        for (side, text) in [("ref", pair.reference), ("hyp", pair.hypothesis)] {
            let want = words(&FIXTURE["sentences"][pair.id][side]);
            assert_eq!(punkt.sentences(text), want, "{} {side}", pair.id);
        }
    }
}

#[test]
fn stems() {
    for (word, stem) in FIXTURE["stems"].as_object().unwrap() {
        assert_eq!(porter_stem(word), stem.as_str().unwrap(), "{word}");
    }
}

fn bleu(bleu: Bleu, counts: &BleuCounts, want: &Value, scale: f64, what: &str) {
    let got = bleu.score(counts);
    for (order, name) in ["bleu1", "bleu2", "bleu3", "bleu4"].into_iter().enumerate() {
        let what = format!("{what} {name}");
        match (got, want[name]["error"].as_str()) {
            (None, Some("ZeroDivisionError")) => {}
            (Some(got), None) => close(got[order] * scale, &want[name], &what),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// Every BLEU but coco's: its name in the fixture and the scale of its scores.
fn sacre_and_hugging_face(single: bool) -> Vec<(String, Bleu, bool, f64)> {
    let mut all = vec![
        (
            "hf_bleu.13a.nosmooth".into(),
            Bleu::HuggingFace { smooth: false },
            false,
            1.0,
        ),
        (
            "hf_bleu.13a.smooth".into(),
            Bleu::HuggingFace { smooth: true },
            false,
            1.0,
        ),
    ];
    let smoothings = [
        ("exp", SacreSmoothing::Exp),
        ("floor", SacreSmoothing::Floor),
        ("add-k", SacreSmoothing::AddK),
        ("none", SacreSmoothing::None),
    ];
    for (name, smoothing) in smoothings {
        for (case, lower) in [("cased", false), ("lc", true)] {
            let end = if single { ".eff" } else { "" };
            let bleu = Bleu::SacreBleu {
                smoothing,
                effective_order: single,
            };
            all.push((
                format!("sacrebleu.13a.{case}.{name}{end}"),
                bleu,
                lower,
                100.0,
            ));
        }
    }
    all
}

const NLTK: [(&str, NltkSmoothing); 5] = [
    ("m0", NltkSmoothing::Method0),
    ("m1", NltkSmoothing::Method1),
    ("m2", NltkSmoothing::Method2),
    ("m3", NltkSmoothing::Method3),
    ("m4", NltkSmoothing::Method4),
];

fn counts_13a(pair: &Pair, lower: bool) -> BleuCounts {
    let tokens = |text: &str| match lower {
        true => Tokens::thirteen_a(&text.to_lowercase()),
        false => Tokens::thirteen_a(text),
    };
    BleuCounts::of(&tokens(pair.reference), &tokens(pair.hypothesis))
}

fn counts_nltk(pair: &Pair, tokenizer: &str) -> BleuCounts {
    let (reference, hypothesis) = match tokenizer {
        "ws" => (
            Tokens::white_space(pair.reference),
            Tokens::white_space(pair.hypothesis),
        ),
        name => tokens_of(name, pair.id),
    };
    BleuCounts::of(&reference, &hypothesis)
}

#[test]
fn bleu_of_pairs() {
    for pair in pairs() {
        let want = &FIXTURE["scores"][pair.id];
        for (name, kind, lower, scale) in sacre_and_hugging_face(true) {
            let what = format!("{} {name}", pair.id);
            bleu(kind, &counts_13a(&pair, lower), &want[&name], scale, &what);
        }
        for tokenizer in ["ws", "nltk_word", "13a"] {
            for (name, smoothing) in NLTK {
                let want = &want[format!("nltk_bleu.{tokenizer}")][name];
                let what = format!("{} nltk {tokenizer} {name}", pair.id);
                let counts = counts_nltk(&pair, tokenizer);
                bleu(Bleu::Nltk { smoothing }, &counts, want, 1.0, &what);
            }
        }
        let raw = counts_nltk(&pair, "ws");
        bleu(Bleu::Coco, &raw, &want["coco.raw"], 1.0, pair.id);
        let (reference, hypothesis) = tokens_of("ptb", pair.id);
        let counts = BleuCounts::of(&reference, &hypothesis);
        bleu(Bleu::Coco, &counts, &want["coco.ptb"], 1.0, pair.id);
    }
}

/// The counts' sum, through the statistic that the bootstrap uses.
fn corpus_bleu(kind: Bleu, counts: Vec<BleuCounts>, want: &Value, scale: f64, what: &str) {
    let got = BleuStatistic::new(kind, counts).unwrap().corpus().unwrap();
    for (order, name) in ["bleu1", "bleu2", "bleu3", "bleu4"].into_iter().enumerate() {
        close(got[order] * scale, &want[name], &format!("{what} {name}"));
    }
}

#[test]
fn bleu_of_the_corpus() {
    let corpus = corpus();
    let want = &FIXTURE["corpus"];
    for (name, kind, lower, scale) in sacre_and_hugging_face(false) {
        let counts = corpus.iter().map(|pair| counts_13a(pair, lower));
        corpus_bleu(kind, counts.collect(), &want[&name], scale, &name);
    }
    for tokenizer in ["ws", "nltk_word", "13a"] {
        let counts: Vec<_> = corpus.iter().map(|p| counts_nltk(p, tokenizer)).collect();
        for (name, smoothing) in NLTK {
            let kind = Bleu::Nltk { smoothing };
            let of_corpus = &want[format!("nltk_corpus_bleu.{tokenizer}")][name];
            corpus_bleu(kind, counts.clone(), of_corpus, 1.0, name);
            let of_pairs = &want[format!("nltk_mean_sentence_bleu.{tokenizer}")][name];
            let sum: f64 = counts.iter().map(|one| kind.score(one).unwrap()[3]).sum();
            close(sum / 40.0, &of_pairs["bleu4"], name);
        }
    }
    for (name, tokenizer) in [("coco.raw", "ws"), ("coco.ptb", "ptb")] {
        let counts = corpus.iter().map(|pair| counts_nltk(pair, tokenizer));
        corpus_bleu(Bleu::Coco, counts.collect(), &want[name], 1.0, name);
    }
}

/// The VLM3D challenge's text, then coco's scores of it.
#[test]
fn vlm3d_protocol() {
    let pairs: Vec<(Pair, String, String)> = corpus()
        .into_iter()
        .map(|pair| {
            let text = |text| ReportText::whole("", text);
            let reference = Protocol::Vlm3d.reference(&text(pair.reference));
            let hypothesis = Protocol::Vlm3d.hypothesis(&text(pair.hypothesis));
            (pair, reference, hypothesis)
        })
        .collect();
    let tokens = |side: fn(&(Pair, String, String)) -> &String| -> Vec<Tokens> {
        pairs
            .iter()
            .map(|pair| Tokens::white_space(side(pair)))
            .collect()
    };
    let (references, hypotheses) = (tokens(|pair| &pair.1), tokens(|pair| &pair.2));
    let cider = cider(&references, &hypotheses);
    for (at, (pair, reference, hypothesis)) in pairs.iter().enumerate() {
        let want = &FIXTURE["scores"][pair.id]["coco.vlm3d"];
        close(
            coco_rouge_l(reference, hypothesis),
            &want["rougeL"],
            pair.id,
        );
        let counts = BleuCounts::of(&references[at], &hypotheses[at]);
        bleu(Bleu::Coco, &counts, want, 1.0, pair.id);
        close(cider[at], &want["cider_in_corpus"], pair.id);
    }
}

#[test]
fn rouge() {
    for stem in [false, true] {
        let name = if stem {
            "rouge_score.stem"
        } else {
            "rouge_score.nostem"
        };
        let tokens = |text: &str| match stem {
            true => Tokens::rouge(text).stemmed(),
            false => Tokens::rouge(text),
        };
        let score = |pair: &Pair| Rouge::of(&tokens(pair.reference), &tokens(pair.hypothesis));
        for pair in pairs() {
            let (got, want) = (score(&pair), &FIXTURE["scores"][pair.id][name]);
            for (got, name) in [(got.one, "rouge1"), (got.two, "rouge2"), (got.l, "rougeL")] {
                let what = format!("{} {name}", pair.id);
                close(got.precision, &want[name]["p"], &what);
                close(got.recall, &want[name]["r"], &what);
                close(got.f1, &want[name]["f"], &what);
            }
            let lines = |text: &str| -> Vec<Tokens> { text.split('\n').map(tokens).collect() };
            let got = rouge_l_sum(&lines(pair.reference), &lines(pair.hypothesis));
            let (want, what) = (&want["rougeLsum"], format!("{} rougeLsum", pair.id));
            close(got.precision, &want["p"], &what);
            close(got.recall, &want["r"], &what);
            close(got.f1, &want["f"], &what);
        }
        let sum: f64 = corpus().iter().map(|pair| score(pair).l.f1).sum();
        let want = &FIXTURE["corpus"][format!("{name}.mean")]["rougeL"]["f"];
        close(sum / 40.0, want, name);
    }
}

#[test]
fn rouge_of_coco() {
    for pair in pairs() {
        let want = &FIXTURE["scores"][pair.id];
        let got = coco_rouge_l(pair.reference, pair.hypothesis);
        close(got, &want["coco.raw"]["rougeL"], pair.id);
        let (reference, hypothesis) = tokens_of("ptb", pair.id);
        let joined = |tokens: &Tokens| tokens.iter().collect::<Vec<_>>().join(" ");
        let got = coco_rouge_l(&joined(&reference), &joined(&hypothesis));
        close(got, &want["coco.ptb"]["rougeL"], pair.id);
    }
}

#[test]
fn meteor() {
    let table: HashMap<String, Vec<String>> =
        serde_json::from_value(FIXTURE["synonyms"].clone()).unwrap();
    let wordnet = WordNet::from_table(table);
    let punkt = Punkt::default();
    let (mut with, mut without) = (Meteor::new(Some(&wordnet)), Meteor::new(None));
    for pair in pairs() {
        let want = &FIXTURE["scores"][pair.id];
        let white_space = (
            Tokens::white_space(pair.reference),
            Tokens::white_space(pair.hypothesis),
        );
        let nltk = (
            Tokens::nltk(pair.reference, &punkt),
            Tokens::nltk(pair.hypothesis, &punkt),
        );
        let ptb = tokens_of("ptb", pair.id);
        for (name, (reference, hypothesis)) in [
            ("ws", &white_space),
            ("nltk_word", &nltk),
            ("ptb_clean", &ptb),
        ] {
            let name = format!("nltk_meteor.{name}");
            let what = format!("{} {name}", pair.id);
            close(with.score(reference, hypothesis), &want[&name], &what);
        }
        let got = without.score(&nltk.0, &nltk.1);
        let name = "nltk_meteor.nltk_word.exact_stem_only";
        close(got, &want[name], pair.id);
    }
}

/// WordNet's own files against NLTK's reading of them; skipped without `RAD3D_NLTK_DATA`.
#[test]
fn synonyms_from_the_database() {
    let Some(folder) = std::env::var_os("RAD3D_NLTK_DATA") else {
        eprintln!("skipped: RAD3D_NLTK_DATA names no folder nltk_data with WordNet 3.0");
        return;
    };
    let wordnet = WordNet::load(folder.as_ref()).unwrap();
    for table in ["synonyms", "synonyms_sample"] {
        for (word, want) in FIXTURE[table].as_object().unwrap() {
            assert_eq!(wordnet.synonyms(word), words(want), "{word}");
        }
    }
    assert_eq!(wordnet.synonyms("opacities,"), ["opacities,"]);
    // A folder of WordNet alone has no table of sentences.
    if Path::new(&folder).join("tokenizers").is_dir() {
        assert!(Punkt::load(folder.as_ref()).unwrap().is_complete());
    }
}

#[test]
fn cider_of_the_corpus() {
    let corpus = corpus();
    for (name, tokenizer) in [("coco.raw", "ws"), ("coco.ptb", "ptb")] {
        let tokens = |pair: &Pair| match tokenizer {
            "ws" => (
                Tokens::white_space(pair.reference),
                Tokens::white_space(pair.hypothesis),
            ),
            name => tokens_of(name, pair.id),
        };
        let (references, hypotheses): (Vec<_>, Vec<_>) = corpus.iter().map(tokens).unzip();
        let got = cider(&references, &hypotheses);
        for (pair, got) in corpus.iter().zip(&got) {
            let want = &FIXTURE["scores"][pair.id][name]["cider_in_corpus"];
            close(*got, want, pair.id);
        }
        let mean = got.iter().sum::<f64>() / 40.0;
        close(mean, &FIXTURE["corpus"][name]["cider"], name);
        let alone = cider(&references[..1], &hypotheses[..1]);
        assert_eq!(alone, [0.0]);
    }
}
