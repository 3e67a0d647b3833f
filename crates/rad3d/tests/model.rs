//! `rad3d model import`, `inspect`, `verify` and `pull` as a user meets them, faults first.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

mod common;
#[path = "common/hub_server.rs"]
mod hub_server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{assert_code, program, rad3d, root, stderr, stdout, text, told};
use hub_server::{COMMIT, Server};
use rad3d_weights::{Checkpoint, TensorView, write_safetensors};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    root()
        .join("tests/fixtures")
        .join(name)
        .canonicalize()
        .unwrap()
}

fn tokenizer_model() -> PathBuf {
    let path = "crates/rad3d-weights/tests/fixtures/tokenizer/bpe_smollm.gguf";
    root().join(path).canonicalize().unwrap()
}

/// Imports the small CT-LiPro checkpoint into `place/model`, with more arguments.
fn import(place: &Path, more: &[&str]) -> Output {
    let (tower, out) = (fixture("ct-clip/lipro_tiny.pt"), place.join("model"));
    let fixed = ["model", "import", "--tower", text(&tower), "--depth", "40"];
    rad3d(&[fixed.as_slice(), &["--out", text(&out)], more].concat())
}

/// That a command failed as a fault of the input, named `place`, said `what` and how to go on.
fn assert_refused(output: &Output, place: &str, what: &str) {
    assert_code(output, 2);
    let told = stderr(output);
    for part in [place, what, "\nhint: "] {
        assert!(told.contains(part), "{part:?} is missing in:\n{told}");
    }
    assert_eq!(stdout(output), "", "data in spite of the fault");
}

/// Copies a checkpoint to a safetensors file, its tensors changed on the way.
fn changed(from: &str, to: &Path, change: impl FnOnce(&mut BTreeMap<String, TensorView>)) {
    let source = Checkpoint::open(fixture(from)).unwrap();
    let mut tensors: BTreeMap<String, TensorView> = source
        .names()
        .map(|name| (name.to_owned(), source.tensor(name).unwrap()))
        .collect();
    change(&mut tensors);
    write_safetensors(to, &tensors, &BTreeMap::new()).unwrap();
}

#[test]
fn a_whole_model_is_imported_inspected_and_verified() {
    let place = tempfile::tempdir().unwrap();
    let (mapper, llm) = (fixture("mapper/mapper_tiny.safetensors"), tokenizer_model());
    let parts = ["--mapper", text(&mapper), "--llm", text(&llm)];
    let imported = import(place.path(), &parts);
    let model = place.path().join("model");
    let inspected = rad3d(&["model", "inspect", text(&model)]);
    let verified = rad3d(&["model", "verify", text(&model)]);
    let places = [(place.path(), "[place]")];
    let all = [imported, inspected, verified].map(|output| told(&output, &places));
    insta::assert_snapshot!(all.join("\n=====\n"));
}

#[test]
fn inspect_as_json_counts_parameters_and_gives_licences() {
    let place = tempfile::tempdir().unwrap();
    let mapper = fixture("mapper/mapper_tiny.safetensors");
    let imported = import(
        place.path(),
        &["--mapper", text(&mapper), "--mapper-licence", "MIT"],
    );
    assert_code(&imported, 0);
    let model = place.path().join("model");
    let inspected = rad3d(&["model", "inspect", text(&model), "--json"]);
    assert_code(&inspected, 0);
    let json: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let parts = json["parts"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| part["part"].clone()).collect();
    assert_eq!(names, ["tower", "head", "mapper"]);
    // 18 outputs of 16 values and a bias each.
    assert_eq!(parts[1]["parameters"], 18 * 16 + 18);
    assert_eq!(parts[1]["bytes"], 4 * (18 * 16 + 18));
    assert_eq!(parts[2]["licence"], "MIT");
    assert_eq!(json["manifest"]["tower"]["config"]["codebook"], 64);
}

#[test]
fn a_single_weight_file_can_be_inspected() {
    let file = fixture("mapper/mapper_tiny.safetensors");
    let inspected = rad3d(&["model", "inspect", text(&file)]);
    assert_code(&inspected, 0);
    assert!(
        stdout(&inspected).contains("weights"),
        "{}",
        stdout(&inspected)
    );
}

#[test]
fn calibration_reaches_the_manifest_by_label() {
    let place = tempfile::tempdir().unwrap();
    let table = place.path().join("calibration.csv");
    fs::write(
        &table,
        "label,temperature,threshold\nEmphysema,1.5,0.25\nCardiomegaly,0.8,0.625\n",
    )
    .unwrap();
    let calibrated = ["--calibration", text(&table)];
    assert_code(&import(place.path(), &calibrated), 0);
    let manifest = fs::read_to_string(place.path().join("model/model.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let labels = manifest["head"]["labels"].as_array().unwrap();
    let of = |name: &str| {
        let label = labels
            .iter()
            .find(|label| label["name"].as_str() == Some(name));
        let number = |key: &str| label.unwrap()[key].as_float().unwrap();
        (number("temperature"), number("threshold"))
    };
    assert_eq!(of("Emphysema"), (1.5, 0.25));
    assert!((of("Cardiomegaly").0 - 0.8).abs() < 1e-6);
    assert_eq!(of("Medical material"), (1.0, 0.5));

    let other = tempfile::tempdir().unwrap();
    fs::write(&table, "label,temperature,threshold\nGout,1.5,0.25\n").unwrap();
    assert_refused(
        &import(other.path(), &calibrated),
        "lipro_tiny.pt",
        "\"Gout\"",
    );
    fs::write(&table, "label,temperature,threshold\nEmphysema,-1,0.25\n").unwrap();
    let refused = import(other.path(), &calibrated);
    assert_refused(&refused, "calibration.csv", "temperature -1");
    assert!(!other.path().join("model/model.toml").exists());
}

#[test]
fn files_that_are_missing_or_cut_short_are_named() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("nothing.pt");
    let out = place.path().join("model");
    let arguments = ["model", "import", "--tower", text(&missing)];
    let refused = rad3d(&[arguments.as_slice(), &["--out", text(&out)]].concat());
    assert_refused(&refused, "nothing.pt", "cannot be read");

    let cut = place.path().join("cut.safetensors");
    let whole = fs::read(fixture("mapper/mapper_tiny.safetensors")).unwrap();
    for length in [4, 100, whole.len() - 1] {
        fs::write(&cut, &whole[..length]).unwrap();
        let refused = import(place.path(), &["--mapper", text(&cut)]);
        assert_refused(&refused, "cut.safetensors", "");
        assert!(!out.join("model.toml").exists());
    }
    assert_refused(
        &rad3d(&["model", "verify", text(place.path())]),
        "model.toml",
        "cannot be read",
    );
}

#[test]
fn all_tensors_that_do_not_fit_a_mapper_are_listed_at_once() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("odd.safetensors");
    changed("mapper/mapper_tiny.safetensors", &file, |tensors| {
        tensors.remove("linear.bias");
        tensors.remove("transformer.layers.1.norm2.weight");
        let extra = TensorView::from_f32(vec![3], &[0.0; 3]).unwrap();
        tensors.insert("extra.weight".to_owned(), extra.clone());
        tensors.insert("transformer.layers.0.attn.project.bias".to_owned(), extra);
    });
    let refused = import(place.path(), &["--mapper", text(&file)]);
    for line in [
        "2 missing, 1 unexpected, 1 mis-shaped",
        "missing linear.bias [320]",
        "missing transformer.layers.1.norm2.weight [32]",
        "unexpected extra.weight [3]",
        "transformer.layers.0.attn.project.bias has shape [3], expected [32]",
    ] {
        assert_refused(&refused, "odd.safetensors", line);
    }
}

#[test]
fn all_tensors_that_do_not_fit_tower_and_head_are_listed_at_once() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("odd.safetensors");
    let layer = "visual_transformer.enc_temporal_transformer.layers.1";
    changed("ct-clip/lipro_tiny.pt", &file, |tensors| {
        tensors.remove(&format!("{layer}.1.to_kv.weight"));
        tensors.remove("classifier.bias");
        let extra = TensorView::from_f32(vec![1], &[0.0]).unwrap();
        tensors.insert(format!("{layer}.1.q_scale"), extra.clone());
        tensors.insert("classifier.scale".to_owned(), extra);
    });
    let out = place.path().join("model");
    let arguments = ["model", "import", "--tower", text(&file), "--depth", "40"];
    let refused = rad3d(&[arguments.as_slice(), &["--out", text(&out)]].concat());
    for line in [
        "2 missing, 1 unexpected, 1 mis-shaped",
        &format!("missing {layer}.1.to_kv.weight [64, 32]"),
        "missing classifier.bias [18]",
        "unexpected classifier.scale [1]",
        &format!("{layer}.1.q_scale has shape [1], expected [8]"),
    ] {
        assert_refused(&refused, "odd.safetensors", line);
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mapper = fixture("mapper/mapper_tiny.safetensors");
    let other_tower = "ab".repeat(32);
    let arguments = ["--mapper", text(&mapper), "--mapper-tower", &other_tower];
    let refused = import(place.path(), &arguments);
    assert_refused(&refused, "model.toml", &other_tower);

    let labels = place.path().join("labels.txt");
    fs::write(&labels, "one\ntwo\n").unwrap();
    let refused = import(place.path(), &["--labels", text(&labels)]);
    assert_refused(&refused, "lipro_tiny.pt", "18 outputs, 2 labels");
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_vocabulary_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("llm");
    fs::create_dir(&folder).unwrap();
    let tokenizers = root().join("crates/rad3d-weights/tests/fixtures/tokenizer/folder");
    for file in fs::read_dir(tokenizers).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let rows = TensorView::from_f32(vec![2, 4], &[0.0; 8]).unwrap();
    let tensors = BTreeMap::from([("model.embed_tokens.weight".to_owned(), rows)]);
    let weights = folder.join("model.safetensors");
    write_safetensors(&weights, &tensors, &BTreeMap::new()).unwrap();
    let refused = import(place.path(), &["--llm", text(&folder)]);
    assert_refused(&refused, "tokenizer", "2");
    assert!(!place.path().join("model/model.toml").exists());
}

#[test]
fn changed_and_shortened_files_fail_verification() {
    let place = tempfile::tempdir().unwrap();
    assert_code(&import(place.path(), &[]), 0);
    let model = place.path().join("model");
    let file = model.join("head.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, &bytes).unwrap();
    let verify = || rad3d(&["model", "verify", text(&model)]);
    assert_refused(&verify(), "head.safetensors", "has SHA-256");
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_refused(&verify(), "head.safetensors", "the manifest says");
    fs::remove_file(&file).unwrap();
    assert_refused(&verify(), "head.safetensors", "cannot be read");
    let inspect = rad3d(&["model", "inspect", text(&model)]);
    assert_refused(&inspect, "head.safetensors", "cannot be read");
}

/// A pull from `server` with a cache of its own.
fn pull(server: &Server, place: &Path, more: &[&str]) -> Output {
    let mut command = program();
    for name in ["HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"] {
        command.env_remove(name);
    }
    command
        .env("HF_ENDPOINT", &server.address)
        .env("HF_HOME", place.join("hf"))
        .args(["model", "pull"])
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_pull_lists_its_files_and_a_second_one_fetches_nothing() {
    let server = Server::start();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("here");
    let arguments = ["org/model", "--out", text(&out)];
    let first = pull(&server, place.path(), &arguments);
    assert_code(&first, 0);
    let lines = [out.join("config.json"), out.join("model.safetensors")];
    let lines = lines.map(|file| file.display().to_string());
    assert_eq!(stdout(&first).lines().collect::<Vec<_>>(), lines);
    assert!(stderr(&first).contains(COMMIT), "{}", stderr(&first));
    assert_eq!(
        fs::read(out.join("model.safetensors")).unwrap(),
        hub_server::weights()
    );
    let cached = place.path().join("hf/hub/models--org--model/refs/main");
    assert_eq!(fs::read_to_string(cached).unwrap(), COMMIT);
    let fetched = server.downloads();
    assert_code(&pull(&server, place.path(), &arguments), 0);
    assert_eq!(server.downloads(), fetched, "files were fetched again");
}

#[test]
fn a_pull_of_what_is_not_there_names_it() {
    let server = Server::start();
    let place = tempfile::tempdir().unwrap();
    let refused = pull(&server, place.path(), &["org/absent"]);
    assert_refused(&refused, "org/absent", "");
    let refused = pull(&server, place.path(), &["org/model", "--file", "*.gguf"]);
    assert_refused(&refused, "org/model", "*.gguf");
}
