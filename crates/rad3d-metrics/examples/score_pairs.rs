//! Scores pairs of reports and says how long each metric took, for `benches/metrics.py`.
//!
//! ```text
//! score_pairs REFERENCES HYPOTHESES [NLTK_DATA]
//! ```
//!
//! Prints one JSON object: seconds and mean scores of BLEU, ROUGE and METEOR, and the seconds that
//! 10,000 resamples of every metric of an evaluation take, two systems compared.

#![expect(
    clippy::print_stdout,
    reason = "a program whose output is its standard output"
)]

use std::path::PathBuf;
use std::time::Instant;

use rad3d_metrics::{
    Bleu, BleuCounts, Bootstrap, Evaluation, Meteor, Protocol, Punkt, ReportText, Rouge,
    SavedScores, Settings, Subjects, Tokens, WordNet, align, read_reports,
};
use rad3d_report::Labeler;
use rayon::prelude::*;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "score_pairs REFERENCES HYPOTHESES [NLTK_DATA]";
    let references = read_reports(&arguments.next().ok_or(usage)?)?;
    let path = arguments.next().ok_or(usage)?;
    let hypotheses = align(&references, read_reports(&path)?, &path)?;
    let nltk_data = arguments.next();
    let (wordnet, punkt) = match &nltk_data {
        Some(folder) => (Some(WordNet::load(folder)?), Punkt::load(folder)?),
        None => (None, Punkt::default()),
    };
    let pairs: Vec<(&str, &str)> = references
        .iter()
        .zip(&hypotheses)
        .map(|(r, h)| (r.text.as_str(), h.text.as_str()))
        .collect();
    let (bleu_seconds, bleu) = bleu(&pairs)?;
    let (rouge_seconds, rouge) = rouge(&pairs);
    let (meteor_seconds, meteor) = meteor(&pairs, wordnet.as_ref(), &punkt);
    let mut printed = json!({
        "pairs": pairs.len(),
        "seconds": { "bleu": bleu_seconds, "rouge": rouge_seconds, "meteor": meteor_seconds },
        "scores": { "bleu": bleu, "rouge": rouge, "meteor": meteor },
    });
    let (all, drawn) = resampling(references, hypotheses, punkt)?;
    printed["seconds"]["evaluation of two systems without intervals"] = json!(all);
    printed["seconds"]["10,000 resamples of all metrics of two systems"] = json!(drawn);
    println!("{printed}");
    Ok(())
}

fn bleu(pairs: &[(&str, &str)]) -> Outcome<(f64, [f64; 4])> {
    let start = Instant::now();
    let count = |(reference, hypothesis): &(&str, &str)| {
        BleuCounts::of(
            &Tokens::thirteen_a(reference),
            &Tokens::thirteen_a(hypothesis),
        )
    };
    let counts: Vec<BleuCounts> = pairs.par_iter().map(count).collect();
    let mut sum = BleuCounts::default();
    counts.into_iter().for_each(|one| sum += one);
    let scores = Bleu::default().score(&sum).ok_or("no words")?;
    Ok((start.elapsed().as_secs_f64(), scores))
}

fn rouge(pairs: &[(&str, &str)]) -> (f64, [f64; 3]) {
    let start = Instant::now();
    let score = |(reference, hypothesis): &(&str, &str)| {
        let rouge = Rouge::of(&Tokens::rouge(reference), &Tokens::rouge(hypothesis));
        [rouge.one.f1, rouge.two.f1, rouge.l.f1]
    };
    let scores: Vec<[f64; 3]> = pairs.par_iter().map(score).collect();
    let mut means = [0.0; 3];
    for score in &scores {
        for (mean, score) in means.iter_mut().zip(score) {
            *mean += score / scores.len() as f64;
        }
    }
    (start.elapsed().as_secs_f64(), means)
}

fn meteor(pairs: &[(&str, &str)], wordnet: Option<&WordNet>, punkt: &Punkt) -> (f64, f64) {
    let start = Instant::now();
    let scores: Vec<f64> = pairs
        .par_iter()
        .map_init(
            || Meteor::new(wordnet),
            |meteor, (reference, hypothesis)| {
                let reference = Tokens::nltk(reference, punkt);
                meteor.score(&reference, &Tokens::nltk(hypothesis, punkt))
            },
        )
        .collect();
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    (start.elapsed().as_secs_f64(), mean)
}

/// Seconds of an evaluation of two systems with next to no resamples, and what 10,000 add.
fn resampling(
    references: Vec<ReportText>,
    hypotheses: Vec<ReportText>,
    punkt: Punkt,
) -> Outcome<(f64, f64)> {
    // The other system writes what the next reference says.
    let mut baseline: Vec<ReportText> = references.clone();
    let ids: Vec<String> = references.iter().map(|one| one.id.clone()).collect();
    baseline.rotate_left(1);
    for (text, id) in baseline.iter_mut().zip(ids) {
        text.id = id;
    }
    let subjects = Subjects {
        references,
        hypotheses,
        baseline: Some(baseline),
        truth: None,
        probabilities: None,
        saved: SavedScores::default(),
        baseline_saved: SavedScores::default(),
    };
    let mut settings = Settings {
        protocol: Protocol::Paper,
        bleu: None,
        bootstrap: Bootstrap {
            resamples: 1,
            ..Bootstrap::default()
        },
        labeler: Labeler::ct_rate()?,
        classifier: None,
        punkt,
        wordnet: None,
        bertscore: None,
    };
    let seconds = |settings: &Settings| -> Outcome<f64> {
        let start = Instant::now();
        Evaluation::of(&subjects, settings)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let without = seconds(&settings)?;
    settings.bootstrap = Bootstrap::default();
    Ok((without, (seconds(&settings)? - without).max(0.0)))
}
