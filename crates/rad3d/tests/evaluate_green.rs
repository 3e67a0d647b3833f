//! `rad3d evaluate --green-model`: GREEN's language model on our own decoder, here a tiny random
//! one with a vocabulary of 18 words (`tests/golden/training.py`).

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{assert_code, rad3d, root, stderr, text};
use rad3d_metrics::{GreenCounts, GreenPrompt};
use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::generate::{Ended, GenerationSettings, Prompt, generate};
use rad3d_weights::Tokenizer;
use serde_json::Value;
use tempfile::TempDir;

const TEMPLATE: &str = "the {reference} is {candidate} seen\n";
const REFERENCES: [(&str, &str); 4] = [
    ("a", "small effusion left"),
    ("b", "the heart is normal"),
    ("c", "no nodule seen in the right lung"),
    ("d", ""),
];
const HYPOTHESES: [(&str, &str); 4] = [
    ("a", "no effusion"),
    ("b", "large heart"),
    ("c", "nodule"),
    ("d", "lung clear"),
];
/// Tokens that the tiny model takes.
const CONTEXT: usize = 64;

fn model() -> PathBuf {
    root().join("crates/rad3d-train/tests/fixtures/parity/llm")
}

fn table(rows: &[(&str, &str)]) -> String {
    let rows = rows.iter().map(|(id, text)| format!("{id},{text}\n"));
    format!("id,report\n{}", rows.collect::<String>())
}

fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("r.csv", &table(&REFERENCES));
    write("h.csv", &table(&HYPOTHESES));
    write(
        "b.csv",
        &table(&REFERENCES.map(|(id, _)| (id, "the lung is clear"))),
    );
    write("prompt.txt", TEMPLATE);
    write("blind.txt", "the {reference} alone");
    write(
        "long.txt",
        &format!("{{reference}} {{candidate}} {}", "the ".repeat(60)),
    );
    place
}

/// Runs the verb in `place`; names with a dot stand for files of it.
fn evaluate(place: &Path, more: &[&str]) -> Output {
    let mut arguments: Vec<String> = Vec::new();
    let common = [
        "--references",
        "r.csv",
        "--hypotheses",
        "h.csv",
        "--resamples",
        "100",
    ];
    for argument in common.iter().chain(more) {
        arguments.push(match argument.contains('.') && !argument.contains('/') {
            true => text(&place.join(argument)).to_owned(),
            false => (*argument).to_owned(),
        });
    }
    let out = place.join("out");
    arguments.extend(["--out".to_owned(), text(&out).to_owned()]);
    arguments.insert(0, "evaluate".to_owned());
    rad3d(&arguments)
}

fn completions(file: &Path) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(file).unwrap();
    let records = text.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        (record["id"].as_str().unwrap().to_owned(), record)
    });
    records.collect()
}

fn scores(place: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(place.join("out/scores.json")).unwrap()).unwrap()
}

/// What the generator writes for one pair by itself, and whether it ended by itself.
fn directly(
    llm: &CausalLm,
    tokenizer: &Tokenizer,
    reference: &str,
    hypothesis: &str,
) -> (String, bool) {
    let prompt = GreenPrompt::new(Path::new("p"), TEMPLATE.trim_end()).unwrap();
    let chat = prompt.chat(reference, hypothesis);
    let ids = tokenizer.encode(&chat, true).unwrap();
    let settings = GenerationSettings {
        max_new_tokens: CONTEXT - ids.len(),
        stop_tokens: tokenizer.special().eos.clone(),
        ..GenerationSettings::default()
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let text = generate(llm, &[Prompt::ids(&ids)], &settings, go_on)
        .unwrap()
        .remove(0);
    let written = tokenizer.decode(&text.tokens, true).unwrap();
    (written, text.ended == Ended::StopToken)
}

#[test]
fn completions_are_the_generator_s_and_are_written_once() {
    let place = place();
    let model = model();
    let green = [
        "--green-model",
        text(&model),
        "--green-prompt",
        "prompt.txt",
    ];
    let batch = ["--green-batch", "3"];
    let baseline = ["--baseline", "b.csv"];
    let arguments = [&green[..], &batch, &baseline].concat();
    let output = evaluate(place.path(), &arguments);
    assert_code(&output, 0);
    assert!(stderr(&output).contains("green-completions.jsonl: 4 completions written, 0 kept"));

    let llm = CausalLm::open(&model, LmOptions::default()).unwrap();
    let tokenizer = Tokenizer::from_folder(&model).unwrap();
    let mut cut = 0;
    let out = place.path().join("out");
    let files = [
        "green-completions.jsonl",
        "green-completions-baseline.jsonl",
    ];
    for (file, own) in files.into_iter().zip([true, false]) {
        let found = completions(&out.join(file));
        assert_eq!(found.len(), 4);
        for ((id, reference), (_, hypothesis)) in REFERENCES.into_iter().zip(HYPOTHESES) {
            let hypothesis = if own { hypothesis } else { "the lung is clear" };
            let (written, ended) = directly(&llm, &tokenizer, reference, hypothesis);
            assert!(!written.is_empty());
            assert_eq!(found[id]["completion"], written.as_str(), "{file} {id}");
            assert_eq!(found[id]["ended_by_itself"], ended, "{file} {id}");
            cut += usize::from(own && !ended);
        }
    }
    let warns = stderr(&output).contains(&format!("{cut} completions were cut at 64 tokens"));
    assert_eq!(warns, cut > 0, "{}", stderr(&output));

    let first = scores(place.path());
    let mean: f64 = completions(&out.join(files[0]))
        .values()
        .map(|one| GreenCounts::of(one["completion"].as_str().unwrap()).score())
        .sum();
    assert_eq!(first["corpus"]["green"], mean / 4.0);
    assert!(first["comparison"]["green"].is_object());
    let provenance = &first["protocol"]["green"];
    assert_eq!(provenance["model"], text(&model));
    let sha256 = rad3d_weights::llm_sha256(&model).unwrap();
    assert_eq!(provenance["model_sha256"], sha256);
    let prompt = GreenPrompt::new(Path::new("p"), TEMPLATE.trim_end()).unwrap();
    assert_eq!(provenance["prompt_sha256"], prompt.sha256());
    assert_eq!(provenance["max_tokens"], CONTEXT);

    // The same once more, whatever the batch: nothing is written.
    let before = files.map(|file| fs::read(out.join(file)).unwrap());
    let output = evaluate(place.path(), &[&green[..], &baseline].concat());
    assert_code(&output, 0);
    assert!(stderr(&output).contains("green-completions.jsonl: 0 completions written, 4 kept"));
    assert_eq!(files.map(|file| fs::read(out.join(file)).unwrap()), before);
    assert_eq!(scores(place.path()), first);

    // What `--green` reads is this very file, and it gives the same score.
    let file = out.join(files[0]);
    let output = evaluate(place.path(), &["--green", text(&file)]);
    assert_code(&output, 0);
    assert_eq!(
        scores(place.path())["corpus"]["green"],
        first["corpus"]["green"]
    );
}

#[test]
fn calls_that_cannot_work_say_why() {
    let place = place();
    let model = model();
    let bare = place.path().join("bare");
    fs::create_dir(&bare).unwrap();
    for (arguments, expected) in [
        (
            &["--green-model", text(&model), "--green-prompt", "blind.txt"][..],
            "PLACE/blind.txt: has no {candidate}\nhint: write {reference} and {candidate}",
        ),
        (
            &["--green-model", text(&model), "--green-prompt", "none.txt"],
            "PLACE/none.txt: cannot be read",
        ),
        (
            &["--green-model", text(&model), "--green-prompt", "long.txt"],
            "PLACE/long.txt: with both reports fills all 64 tokens that the model may take, for 4 ids: a, b, c, d",
        ),
        (
            &[
                "--green-model",
                "/no/such/folder",
                "--green-prompt",
                "prompt.txt",
            ],
            "/no/such/folder: cannot be read",
        ),
        (
            &["--green-model", text(&bare), "--green-prompt", "prompt.txt"],
            "PLACE/bare: holds no language model's weights",
        ),
        (&["--green-model", text(&model)], "--green-prompt <FILE>"),
        (
            &[
                "--green-model",
                text(&model),
                "--green-prompt",
                "prompt.txt",
                "--green",
                "r.csv",
            ],
            "cannot be used with",
        ),
    ] {
        let output = evaluate(place.path(), arguments);
        assert_code(&output, 2);
        let told = stderr(&output).replace(text(place.path()), "PLACE");
        assert!(told.contains(expected), "{told}");
        assert!(!place.path().join("out/scores.json").exists());
    }
}
