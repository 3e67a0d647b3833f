//! What a manifest says of mapper, language model and familiarity, and what it must not say.

use std::path::Path;

use rad3d_weights::{
    Fault, FileRecord, LlmKind, LlmPart, Manifest, MapperInputs, MapperKind, MapperTarget,
    llm_sha256,
};

const PATH: &str = "model.toml";

/// A whole manifest with one thing put in the place of another.
fn with(from: &str, to: &str) -> String {
    let (tower, other) = ("a1".repeat(32), "b2".repeat(32));
    let file = |path: &str, sha256: &str| {
        format!(
            "{{ path = {path:?}, sha256 = {sha256:?}, bytes = 1, source = \"test\", licence = \"MIT\" }}"
        )
    };
    let text = format!(
        r#"
version = 1
name = "small"
recipe = "ct-clip"

[tower]
file = {tower_file}
config = {{ volume-dhw = [40, 60, 60], patch-dhw = [10, 20, 20], dim = 32, spatial-depth = 2, temporal-depth = 2, heads = 4, head-dim = 8, latent = 16 }}

[head]
file = {head}
labels = [{{ name = "Emphysema", temperature = 1.0, threshold = 0.5 }}, {{ name = "Nodule", temperature = 1.0, threshold = 0.5 }}]

[mapper]
file = {mapper}
tower-sha256 = "{tower}"
config = {{ input-dim = 18, width = 32, clip-length = 10, prefix-length = 10, layers = 2 }}

[llm]
kind = "gguf"
files = [{llm}]

[familiarity]
file = {familiarity}
tower-sha256 = "{tower}"
typical = 4.0
limit = 9.0
"#,
        tower_file = file("tower.safetensors", &tower),
        head = file("head.safetensors", &other),
        mapper = file("mapper.safetensors", &other),
        llm = file("llm.gguf", &"c3".repeat(32)),
        familiarity = file("familiarity.safetensors", &other),
    );
    assert!(text.contains(from), "{from} not in {text}");
    text.replacen(from, to, 1)
}

fn parse(text: &str) -> Result<Manifest, rad3d_weights::WeightsError> {
    Manifest::parse(Path::new(PATH), text)
}

#[test]
fn what_a_mapper_leaves_out_is_the_papers_and_its_width_tells_its_inputs() {
    let manifest = parse(&with("", "")).unwrap();
    let mapper = manifest.mapper.as_ref().unwrap();
    assert_eq!(mapper.kind, MapperKind::Transformer);
    assert_eq!(mapper.target, MapperTarget::Both);
    assert_eq!(mapper.config.heads, 8);
    assert_eq!(mapper.llm_sha256, None);
    let inputs = |width: usize| {
        let text = with("input-dim = 18", &format!("input-dim = {width}"));
        parse(&text).unwrap().mapper_inputs()
    };
    assert_eq!(inputs(16), Some(MapperInputs::Embedding));
    assert_eq!(inputs(18), Some(MapperInputs::EmbeddingAndLogits));
    assert_eq!(inputs(2), Some(MapperInputs::Logits));
    assert_eq!(inputs(17), None);
}

#[test]
fn every_setting_survives_writing() {
    let text = with(
        "[mapper]",
        &format!(
            "[mapper]\nkind = \"r2gengpt\"\ninputs = \"embedding-and-logits\"\n\
             target = \"findings\"\nllm-sha256 = \"{}\"",
            "c3".repeat(32)
        ),
    )
    .replace("clip-length = 10, ", "")
    .replace(", layers = 2", "")
    .replace(
        "name = \"small\"",
        "name = \"small\"\nnotice = \"phantoms only\"",
    );
    let manifest = parse(&text).unwrap();
    let mapper = manifest.mapper.as_ref().unwrap();
    assert_eq!(mapper.kind, MapperKind::R2GenGpt);
    assert_eq!(mapper.target, MapperTarget::Findings);
    assert_eq!(manifest.notice.as_deref(), Some("phantoms only"));
    assert_eq!(manifest.familiarity.as_ref().unwrap().limit, 9.0);
    assert_eq!(manifest.files().count(), 5);
    assert_eq!(parse(&manifest.to_toml().unwrap()).unwrap(), manifest);
}

#[test]
fn parts_of_another_tower_or_language_model_are_refused() {
    let foreign = "d4".repeat(32);
    let (of_tower, of_llm) = (
        format!("[familiarity]\ntower-sha256 = {foreign:?}"),
        format!("[mapper]\nllm-sha256 = {foreign:?}"),
    );
    let distances = with("[familiarity]", &of_tower);
    let (head, tail) = distances.split_once(&of_tower).unwrap();
    let tail = tail
        .lines()
        .filter(|line| !line.starts_with("tower-sha256"))
        .collect::<Vec<_>>()
        .join("\n");
    let error = parse(&format!("{head}{of_tower}{tail}")).unwrap_err();
    assert_eq!(error.fault, Fault::TowerMismatch, "{error}");
    let error = parse(&with("[mapper]", &of_llm)).unwrap_err();
    assert_eq!(error.fault, Fault::LlmMismatch, "{error}");
}

#[test]
fn contradictions_are_refused() {
    for (from, to, words) in [
        ("[mapper]", "[mapper]\nkind = \"linear\"", "Linear"),
        (
            "[mapper]",
            "[mapper]\nkind = \"convolution\"",
            "convolution",
        ),
        ("layers = 2", "layers = 0", "Transformer"),
        ("layers = 2", "layers = 2, heads = 0", "sizes"),
        ("[mapper]", "[mapper]\ninputs = \"logits\"", "18 values"),
        ("[mapper]", "[mapper]\ninputs = \"voxels\"", "voxels"),
        ("limit = 9.0", "limit = 3.0", "typical"),
        ("limit = 9.0", "limit = inf", "typical"),
        ("typical = 4.0", "typical = nan", "typical"),
    ] {
        let error = parse(&with(from, to)).unwrap_err();
        assert_eq!(error.fault, Fault::Manifest, "{from} {to}");
        assert!(error.to_string().contains(words), "{to}: {error}");
    }
}

/// The hash of a folder is what `sha256sum` twice over makes of it; other files don't count.
#[test]
fn a_language_model_is_known_by_weights_settings_and_tokenizer() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("llm");
    std::fs::create_dir(&folder).unwrap();
    let names = ["config.json", "model.safetensors", "tokenizer.json"];
    for name in names {
        std::fs::write(folder.join(name), format!("this is {name}")).unwrap();
    }
    // printf 'this is %s' of each, then `sha256sum config.json model.safetensors tokenizer.json |
    // sha256sum` of coreutils 9.1.
    let expected = "6a422127c7bb86a4148a2b402aaf45ff3560f79e998563462721db8a19023495";
    assert_eq!(llm_sha256(&folder).unwrap(), expected);
    std::fs::write(folder.join("README.md"), "not part of it").unwrap();
    assert_eq!(llm_sha256(&folder).unwrap(), expected);
    let record = |name: &str| FileRecord::of(place.path(), format!("llm/{name}"), "test", "MIT");
    let part = LlmPart {
        kind: LlmKind::HuggingFace,
        files: [
            "tokenizer.json",
            "README.md",
            "model.safetensors",
            "config.json",
        ]
        .map(|name| record(name).unwrap())
        .into(),
    };
    assert_eq!(part.sha256(), expected);
    assert_eq!(part.files[1].bytes, 14);
    std::fs::write(folder.join("tokenizer.json"), "another").unwrap();
    assert_ne!(llm_sha256(&folder).unwrap(), expected);

    let gguf = place.path().join("llm.gguf");
    std::fs::write(&gguf, "weights").unwrap();
    let of_file = llm_sha256(&gguf).unwrap();
    let record = FileRecord::of(place.path(), "llm.gguf", "test", "MIT").unwrap();
    assert_eq!(of_file, record.sha256);
    let part = LlmPart {
        kind: LlmKind::Gguf,
        files: vec![record],
    };
    assert_eq!(part.sha256(), of_file);

    let empty = tempfile::tempdir().unwrap();
    let error = llm_sha256(empty.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Manifest, "{error}");
}
