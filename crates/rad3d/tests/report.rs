//! `rad3d report` end to end: a small model whose text is known, and everything that can be wrong.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;
#[path = "common/small_model.rs"]
mod small_model;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{assert_code, program, rad3d, small_scan, stderr, stdout, text, told};
use serde_json::Value;

/// Reports a small scan with `model` and more arguments.
fn report(model: &Path, more: &[&str]) -> Output {
    let (scan, table) = (small_scan("prep_a.nii.gz"), small_scan("prep_metadata.csv"));
    let fixed = ["report", text(&scan), "--metadata", text(&table), "--force"];
    let model = ["--model", text(model)];
    rad3d(&[fixed.as_slice(), &model, more].concat())
}

fn json(output: &Output) -> Value {
    assert_code(output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_scan_becomes_a_draft() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let draft = json(&report(&model, &["--format", "json"]));
    assert!(draft["notice"].as_str().unwrap().contains("no diagnosis"));
    assert_eq!(draft["scan"], "prep_a.nii.gz");
    assert_eq!(draft["model"], "small");
    let findings = "There is emphysema. No pleural effusion is seen. The spine is unremarkable.";
    assert_eq!(draft["report"]["findings"], findings);
    assert_eq!(draft["report"]["impression"], "Emphysema.");

    // The model ended the text itself; each sentence has the mean of its tokens.
    assert_eq!(draft["writing"]["tokens"], 7);
    assert_eq!(draft["writing"]["ended_by_itself"], true);
    let sentences = draft["agreement"]["sentences"].as_array().unwrap();
    assert_eq!(sentences.len(), 4);
    let weights: Vec<f64> = sentences
        .iter()
        .map(|sentence| sentence["mean_token_log_probability"].as_f64().unwrap())
        .collect();
    // Logit of the next token over 15 zeros: the norm makes 4 of a one-hot row of 16.
    let by_hand = |step: f64| {
        let logit: f64 = 4.0 * (1.0 + 0.1 * step);
        logit - (logit.exp() + 15.0).ln()
    };
    for (weight, step) in weights.iter().zip([1.0, 2.0, 3.0, 5.0]) {
        assert!(
            (weight - by_hand(step)).abs() < 1e-4,
            "{weight} {}",
            by_hand(step)
        );
    }
    let mean: f64 = (0..7).map(|step| by_hand(f64::from(step))).sum::<f64>() / 7.0;
    let told = draft["mean_token_log_probability"].as_f64().unwrap();
    assert!((told - mean).abs() < 1e-4, "{told} {mean}");

    // Provenance, timings, and what must be known first.
    let warnings = draft["warnings"].to_string();
    assert!(warnings.contains("A model for tests"), "{warnings}");
    assert!(warnings.contains("no chest CT?"), "{warnings}");
    let provenance = draft["provenance"].to_string();
    for part in [
        "Tower",
        "Head",
        "Mapper",
        "Language model",
        "Recipe",
        "Program",
        "MIT",
    ] {
        assert!(provenance.contains(part), "{part} in {provenance}");
    }
    let timings = draft["timings"].as_array().unwrap();
    assert_eq!(timings.len(), 7);
    let probabilities = draft["classified"]["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.len(), 18);
    assert_eq!(
        draft["embedding"],
        Value::Null,
        "this model has no distances"
    );
}

/// What text and classifier say of a sentence: label, status, verdict.
fn claims(draft: &Value) -> Vec<[String; 3]> {
    let sentences = draft["agreement"]["sentences"].as_array().unwrap();
    let claims = sentences
        .iter()
        .flat_map(|sentence| sentence["claims"].as_array().unwrap());
    claims
        .map(|claim| {
            ["label", "status", "verdict"].map(|key| claim[key].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn sentences_are_held_against_the_classifier_and_differences_flagged() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let draft = json(&report(&model, &["--format", "json"]));
    let agreeing = [
        ["Emphysema", "asserted", "agrees"],
        ["Pleural effusion", "denied", "agrees"],
        ["Emphysema", "asserted", "agrees"],
    ];
    assert_eq!(claims(&draft), agreeing);

    // Now the classifier sees the effusion that the text denies, and a hernia it leaves out, and
    // no emphysema.
    small_model::change(&model, |manifest| {
        for label in &mut manifest.head.as_mut().unwrap().labels {
            let seen = ["Pleural effusion", "Hiatal hernia"].contains(&label.name.as_str());
            label.threshold = if seen { 0.0 } else { 1.0 };
        }
    });
    let draft = json(&report(&model, &["--format", "json"]));
    let differing = agreeing.map(|[label, status, _]| [label, status, "disagrees"]);
    assert_eq!(claims(&draft), differing);
    let agreement = &draft["agreement"];
    assert_eq!(
        agreement["asserted_not_classified"],
        serde_json::json!(["Emphysema"])
    );
    assert_eq!(
        agreement["denied_but_classified"],
        serde_json::json!(["Pleural effusion"])
    );
    assert_eq!(
        agreement["classified_but_silent"],
        serde_json::json!(["Hiatal hernia"])
    );
    for (format, flag) in [
        ("text", "[!] There is emphysema."),
        ("markdown", "**Disagreement:**"),
        ("html", "li class=\"disagrees\""),
    ] {
        let output = report(&model, &["--format", format]);
        assert_code(&output, 0);
        assert!(
            stdout(&output).contains(flag),
            "{format}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn an_output_comes_with_its_run_and_its_name_tells_the_format() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let page = place.path().join("draft.html");
    let output = report(&model, &["--out", text(&page), "--show"]);
    assert_code(&output, 0);
    assert!(stdout(&output).starts_with("Chest CT, draft report: prep_a.nii.gz"));
    let html = fs::read_to_string(&page).unwrap();
    // Six slices in two windows, and nothing fetched from anywhere.
    assert_eq!(html.matches("data:image/png;base64,").count(), 12);
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    let run = fs::read_to_string(place.path().join("draft.html.run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["verb"], "report");
    assert_eq!(run["settings"]["generation"]["strategy"]["kind"], "greedy");
    assert_eq!(run["settings"]["manifest"]["name"], "small");
    assert_eq!(run["inputs"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(run["result"]["draft"]["report"]["impression"], "Emphysema.");
    assert!(run["peak_memory_bytes"].as_u64().unwrap() > 0);

    for (name, begins) in [
        ("d.txt", "Chest CT"),
        ("d.md", "# Chest CT"),
        ("d.json", "{"),
    ] {
        let out = place.path().join(name);
        let output = report(&model, &["--out", text(&out)]);
        assert_code(&output, 0);
        assert!(output.stdout.is_empty());
        assert!(
            fs::read_to_string(&out).unwrap().starts_with(begins),
            "{name}"
        );
    }
}

#[test]
fn a_text_that_does_not_end_is_cut_off_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let output = report(&model, &["--format", "json", "--max-tokens", "3"]);
    let draft = json(&output);
    assert_eq!(draft["writing"]["ended_by_itself"], false);
    assert_eq!(draft["writing"]["tokens"], 3);
    assert_eq!(draft["report"]["impression"], "");
    assert!(
        draft["warnings"]
            .to_string()
            .contains("cut off after 3 tokens")
    );
    assert!(stderr(&output).contains("cut off after 3 tokens"));
}

#[test]
fn a_mapper_s_prompt_stands_around_its_prefix() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    // The chain goes on from the last token before the text, which is now the prompt's.
    let prompt = format!("<ImageHere>{}", small_model::TEXT[1]);
    small_model::change(&model, |manifest| {
        manifest.mapper.as_mut().unwrap().prompt = Some(prompt);
    });
    let draft = json(&report(&model, &["--format", "json"]));
    let expected = small_model::TEXT[2..4].concat();
    assert_eq!(draft["report"]["findings"], expected.trim());
    // A prompt that has no place for the image is a fault of the model.
    small_model::change(&model, |manifest| {
        manifest.mapper.as_mut().unwrap().prompt = Some("Describe the scan.".to_owned());
    });
    let output = report(&model, &["--format", "json"]);
    assert_code(&output, 2);
    assert!(
        stderr(&output).contains("<ImageHere>"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn other_ways_of_choosing_tokens_are_there_and_recorded() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let greedy = json(&report(&model, &["--format", "json"]));
    let beams = json(&report(&model, &["--format", "json", "--beams", "3"]));
    assert_eq!(
        beams["report"], greedy["report"],
        "the chain is the likeliest text"
    );
    assert_eq!(beams["writing"]["method"], "beam search over 3 texts");
    let sample = |seed: &str| {
        let more = ["--format", "json", "--sample", "3", "--seed", seed];
        json(&report(&model, &more))["report"].to_string()
    };
    assert_eq!(sample("1"), sample("1"), "the same seed, the same text");
    let texts: std::collections::BTreeSet<String> = ["1", "2", "3", "4"]
        .iter()
        .map(|seed| sample(seed))
        .collect();
    assert!(texts.len() > 1, "{texts:?}");
}

#[test]
fn a_scan_unlike_those_of_training_is_refused_unless_insisted_on() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    small_model::add_familiarity(place.path(), &model);
    let near = json(&report(&model, &["--format", "json"]));
    let distance = near["embedding"]["distance"].as_f64().unwrap();
    assert!(distance < 1.0, "{distance}");

    small_model::change(&model, |manifest| {
        let part = manifest.familiarity.as_mut().unwrap();
        (part.typical, part.limit) = (1e-7, 1e-6);
    });
    // Another scan lies away from the centre by more than that.
    let (scan, table) = (small_scan("prep_c.nii.gz"), small_scan("prep_metadata.csv"));
    let out = place.path().join("draft.html");
    let fixed = ["report", text(&scan), "--metadata", text(&table), "--force"];
    let fixed = [
        fixed.as_slice(),
        &["--model", text(&model), "--out", text(&out)],
    ]
    .concat();
    let refused = rad3d(&fixed);
    assert_code(&refused, 2);
    assert!(!out.exists());
    let said = stderr(&refused);
    assert!(
        said.contains("is unlike the scans that the model small was trained on"),
        "{said}"
    );
    assert!(
        said.contains("hint:") && said.contains("--despite-distance"),
        "{said}"
    );

    let insisted = rad3d(&[fixed.as_slice(), &["--despite-distance"]].concat());
    assert_code(&insisted, 0);
    assert!(stderr(&insisted).contains("likely invention"));
    assert!(
        fs::read_to_string(&out)
            .unwrap()
            .contains("likely invention")
    );
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let whole = fs::read_to_string(model.join("model.toml")).unwrap();
    let write = |text: &str| fs::write(model.join("model.toml"), text).unwrap();
    let refused = |more: &[&str], words: &str| {
        let output = report(&model, more);
        assert_code(&output, 2);
        let said = stderr(&output);
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains("hint:"), "{said}");
        assert!(output.stdout.is_empty());
    };

    // A mapper of another tower, and one trained through another language model.
    let own = rad3d_weights::ModelFolder::open(&model).unwrap();
    let mapper = own.manifest().mapper.clone().unwrap();
    let (tower, llm) = (mapper.tower_sha256, mapper.llm_sha256.unwrap());
    let key = format!("tower-sha256 = \"{tower}\"");
    let foreign = "ab".repeat(32);
    write(&whole.replace(&key, &format!("tower-sha256 = \"{foreign}\"")));
    refused(&[], "trained on the tower abab");
    let key = format!("llm-sha256 = \"{llm}\"");
    write(&whole.replace(&key, &format!("llm-sha256 = \"{foreign}\"")));
    refused(&[], "trained through the language model abab");
    write(&whole);

    // A language model that lies elsewhere: the same one, another one, one of another width.
    let copy = place.path().join("copy");
    small_model::language_model(&copy, 16);
    assert_code(&report(&model, &["--llm", text(&copy)]), 0);
    let wide = place.path().join("wide");
    small_model::language_model(&wide, 32);
    refused(&["--llm", text(&wide)], "the mapper was trained through");
    refused(&["--llm-unchecked", text(&wide)], "is 32 wide");
    refused(&["--llm", text(&place.path().join("none"))], "none");

    // A file that was changed.
    let mapper = model.join("mapper.safetensors");
    let mut bytes = fs::read(&mapper).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&mapper, &bytes).unwrap();
    refused(&[], "the manifest says");
    bytes[last] ^= 1;
    fs::write(&mapper, &bytes).unwrap();

    // A folder that lacks a part.
    small_model::change(&model, |manifest| manifest.mapper = None);
    refused(&[], "has no mapper");
    write(&whole);
    small_model::change(&model, |manifest| {
        let mapper = manifest.mapper.as_mut().unwrap();
        (mapper.inputs, mapper.llm_sha256) = (None, None);
        manifest.llm = None;
    });
    refused(&[], "has no language model");
    write(&whole);
    small_model::change(&model, |manifest| {
        manifest.head = None;
        manifest.mapper.as_mut().unwrap().inputs = None;
    });
    refused(&[], "has no head");
}

/// The words of refusals, to be read as a user reads them.
#[test]
fn refusals_say_what_is_wrong_and_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let golden = small_scan("prep_a.nii.gz");
    let broken = place.path().join("broken.nii.gz");
    fs::write(&broken, "not a scan").unwrap();
    let (model, place) = (text(&model), place.path());
    let page = place.join("draft.docx");
    let (scan, folder) = (text(&golden), golden.parent().unwrap());
    let copy = place.join("scan.nii.gz");
    fs::copy(&golden, &copy).unwrap();
    let nowhere = place.join("none/draft.html");
    let cases: [(&str, Vec<&str>); 10] = [
        ("no_such_scan", vec!["/no/such/scan", "--model", model]),
        ("broken_scan", vec![text(&broken), "--model", model]),
        ("not_hounsfield", vec![scan, "--model", model]),
        ("no_such_model", vec![scan, "--model", "/no/such/model"]),
        ("no_model_folder", vec![scan, "--model", text(folder)]),
        (
            "unknown_ending",
            vec![scan, "--model", model, "--out", text(&page)],
        ),
        (
            "onto_itself",
            vec![
                text(&copy),
                "--model",
                model,
                "--format",
                "text",
                "--out",
                text(&copy),
            ],
        ),
        (
            "no_folder",
            vec![scan, "--model", model, "--out", text(&nowhere)],
        ),
        ("no_card", vec![scan, "--model", model, "--device", "cuda"]),
        ("show_without_out", vec![scan, "--model", model, "--show"]),
    ];
    let mut all = String::new();
    for (name, arguments) in cases {
        let output = rad3d(&[["report"].as_slice(), &arguments].concat());
        assert_code(&output, 2);
        let told = told(&output, &[(place, "[place]"), (folder, "[golden]")]);
        all += &format!("=== {name}\n{told}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn help_is_stable() {
    let output = rad3d(&["report", "--help"]);
    assert_code(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&rad3d(&["completions", shell]));
        assert!(script.contains("despite-distance"), "{shell}");
    }
}

/// Without `--model`: the variable first, then the working directory; else a hint.
#[test]
fn the_model_is_found_without_being_named() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let (scan, table) = (small_scan("prep_a.nii.gz"), small_scan("prep_metadata.csv"));
    // A copy of the program in a folder of its own, so that no model lies above it.
    let program_elsewhere = place.path().join("bin/rad3d");
    fs::create_dir_all(program_elsewhere.parent().unwrap()).unwrap();
    fs::copy(program().get_program(), &program_elsewhere).unwrap();
    let work = place.path().join("work");
    fs::create_dir_all(&work).unwrap();
    let run = |variable: Option<&Path>, folder: &Path| {
        let mut command = std::process::Command::new(&program_elsewhere);
        command.env_remove("RAD3D_MODEL").current_dir(folder);
        if let Some(model) = variable {
            command.env("RAD3D_MODEL", model);
        }
        let arguments = ["report", text(&scan), "--metadata", text(&table), "--force"];
        command.args(arguments).output().unwrap()
    };
    let none = run(None, &work);
    assert_code(&none, 2);
    let said = stderr(&none);
    assert!(
        said.contains("models/demo") && said.contains("RAD3D_MODEL"),
        "{said}"
    );
    let by_variable = run(Some(&model), &work);
    assert_code(&by_variable, 0);
    let said = stderr(&by_variable);
    assert!(
        said.contains(&format!("using the model in {}", model.display())),
        "{said}"
    );

    // Above the program, as in a checkout.
    let shipped = place.path().join("models");
    fs::create_dir_all(&shipped).unwrap();
    fs::rename(&model, shipped.join("demo")).unwrap();
    let above = run(None, &work);
    assert_code(&above, 0);
    assert!(stderr(&above).contains("models/demo"));
}

/// A phantom has lungs, so nothing is forced; and every output says that it shows no patient.
#[test]
fn a_phantom_is_reported_and_called_one() {
    let place = tempfile::tempdir().unwrap();
    let model = small_model::make(place.path());
    let phantoms = place.path().join("phantoms");
    assert_code(
        &rad3d(&["phantom", "--seed", "3", "--out", text(&phantoms)]),
        0,
    );
    let output = rad3d(&[
        "report",
        text(&phantoms.join("train/train_1/train_1_a/train_1_a_1.nii.gz")),
        "--model",
        text(&model),
        "--format",
        "html",
    ]);
    assert_code(&output, 0);
    assert!(stdout(&output).contains("This scan is a synthetic phantom. It shows no patient."));
    assert!(!stdout(&output).contains("no chest CT?"));
}
