//! A model folder small enough for a test, whose language model writes a text of our choice.
//!
//! Tower and head are the golden ones. The language model is a LLaMA whose attention and MLP add
//! nothing and whose head maps each token to the next of a chain: every step of a real model is
//! run, and what comes out is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rad3d_embeddings::{Familiarity, read_parquet};
use rad3d_weights::{
    FamiliarityPart, FileRecord, LlmKind, LlmPart, Manifest, MapperConfig, MapperInputs,
    MapperKind, MapperPart, MapperTarget, ModelFolder, TensorView, write_safetensors,
};

use crate::common::{assert_code, rad3d, root, small_scan, text};

/// Makes 40 × 60 × 60 voxels, what the small tower takes.
const RECIPE: &str = r#"
name = "tiny"
tensor-axes = "SLP"
spacing-mm = [1.5, 0.75, 0.75]
size = [40, 60, 60]
clip-hu = [-1000.0, 1000.0]
clip = "before-resampling"
scale = { add = 0.0, divide = 1000.0 }
pad-hu = -1000.0
"#;

/// What the small model writes, token by token.
pub(crate) const TEXT: [&str; 6] = [
    "Findings:",
    " There is emphysema.",
    " No pleural effusion is seen.",
    " The spine is unremarkable.",
    "\nImpression:",
    " Emphysema.",
];
/// Token ids of the language model: the unknown one, the end, then the text's.
const END: usize = 1;
const FIRST: usize = 2;
const VOCABULARY: usize = 16;

/// Makes the folder `model` in `place`. The head says yes to emphysema and to nothing else.
pub(crate) fn make(place: &Path) -> PathBuf {
    let recipe = place.join("tiny.toml");
    fs::write(&recipe, RECIPE).unwrap();
    let tower = root().join("tests/fixtures/ct-clip/lipro_tiny.pt");
    let model = place.join("model");
    let import = rad3d(&[
        "model",
        "import",
        "--tower",
        text(&tower),
        "--recipe",
        text(&recipe),
        "--out",
        text(&model),
        "--name",
        "small",
    ]);
    assert_code(&import, 0);
    language_model(&model.join("llm"), VOCABULARY);
    change(&model, |manifest| {
        manifest.notice = Some("A model for tests; it knows nothing.".into());
        let (latent, labels) = (manifest.tower.config.latent, 18);
        mapper(&model, latent + labels);
        let record = |path: &str| FileRecord::of(&model, path, "a test", "MIT").unwrap();
        manifest.llm = Some(LlmPart {
            kind: LlmKind::HuggingFace,
            files: ["config.json", "model.safetensors", "tokenizer.json"]
                .map(|name| record(&format!("llm/{name}")))
                .into(),
        });
        manifest.mapper = Some(MapperPart {
            kind: MapperKind::Linear,
            inputs: Some(MapperInputs::EmbeddingAndLogits),
            target: MapperTarget::Both,
            prompt: None,
            file: record("mapper.safetensors"),
            tower_sha256: manifest.tower.file.sha256.clone(),
            llm_sha256: manifest.llm.as_ref().map(LlmPart::sha256),
            config: MapperConfig {
                input_dim: latent + labels,
                width: VOCABULARY,
                clip_length: 0,
                prefix_length: 2,
                layers: 0,
                heads: 8,
            },
        });
        for label in &mut manifest.head.as_mut().unwrap().labels {
            // Every probability reaches 0, and the golden head's do not reach 1.
            label.threshold = if label.name == "Emphysema" { 0.0 } else { 1.0 };
        }
    });
    model
}

/// Rewrites the manifest.
pub(crate) fn change(model: &Path, how: impl FnOnce(&mut Manifest)) {
    let mut manifest = ModelFolder::open(model).unwrap().manifest().clone();
    how(&mut manifest);
    fs::write(model.join("model.toml"), manifest.to_toml().unwrap()).unwrap();
}

/// Adds distances fitted around the embedding of `prep_a.nii.gz`, which lies within the limit.
pub(crate) fn add_familiarity(place: &Path, model: &Path) {
    let table = place.join("one.parquet");
    let output = rad3d(&[
        "encode",
        text(&small_scan("prep_a.nii.gz")),
        "--model",
        text(model),
        "--metadata",
        text(&small_scan("prep_metadata.csv")),
        "--force",
        "--out",
        text(&table),
    ]);
    assert_code(&output, 0);
    let centre = &read_parquet(&table).unwrap().rows[0].embedding;
    // A step of ±0.1 along each axis in turn.
    let around: Vec<Vec<f32>> = (0..2 * centre.len())
        .map(|index| {
            let mut row = centre.clone();
            row[index / 2] += if index % 2 == 0 { 0.1 } else { -0.1 };
            row
        })
        .collect();
    let fit = Familiarity::fit(around.iter().map(Vec::as_slice)).unwrap();
    fit.save(model.join("familiarity.safetensors")).unwrap();
    change(model, |manifest| {
        let file = FileRecord::of(model, "familiarity.safetensors", "a test", "MIT").unwrap();
        manifest.familiarity = Some(FamiliarityPart {
            file,
            tower_sha256: manifest.tower.file.sha256.clone(),
            typical: 4.0,
            limit: 8.0,
        });
    });
}

/// A mapper without slopes: its two vectors are those of the unknown and of the first token,
/// whatever the scan.
fn mapper(model: &Path, inputs: usize) {
    let mut bias = vec![0.0; 2 * VOCABULARY];
    bias[0] = 1.0;
    bias[VOCABULARY] = 1.0;
    let outputs = 2 * VOCABULARY;
    let tensors = BTreeMap::from([
        (
            "linear.weight".to_owned(),
            tensor(&[outputs, inputs], &vec![0.0; outputs * inputs]),
        ),
        ("linear.bias".to_owned(), tensor(&[outputs], &bias)),
    ]);
    write_safetensors(model.join("mapper.safetensors"), &tensors, &BTreeMap::new()).unwrap();
}

fn tensor(shape: &[usize], values: &[f32]) -> TensorView {
    TensorView::from_f32(shape.to_vec(), values).unwrap()
}

/// The chain: token 0 is followed by the first of [`TEXT`], the last by the end.
pub(crate) fn language_model(folder: &Path, width: usize) {
    fs::create_dir_all(folder).unwrap();
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": width, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
        "head_dim": width / 2, "max_position_embeddings": 64, "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": END,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut vocabulary = BTreeMap::from([("<unk>", 0), ("</s>", END)]);
    vocabulary.extend(
        TEXT.iter()
            .enumerate()
            .map(|(index, &token)| (token, FIRST + index)),
    );
    let special = |id: usize, content: &str| {
        serde_json::json!({
            "id": id, "content": content, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false,
        })
    };
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "added_tokens": [special(0, "<unk>"), special(END, "</s>")],
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();

    let one_hot = |row: usize| (0..width).map(move |column| f32::from(u8::from(row == column)));
    let table: Vec<f32> = (0..VOCABULARY).flat_map(one_hot).collect();
    let mut head = vec![0.0; VOCABULARY * width];
    let chain: Vec<usize> = std::iter::once(0)
        .chain(FIRST..FIRST + TEXT.len())
        .chain([END])
        .collect();
    for (step, pair) in chain.windows(2).enumerate() {
        // The norm makes 4 of the 1; the further on, the surer the next token.
        head[pair[1] * width + pair[0]] = 1.0 + 0.1 * step as f32;
    }
    let none = |rows: usize, columns: usize| tensor(&[rows, columns], &vec![0.0; rows * columns]);
    let ones = || tensor(&[width], &vec![1.0; width]);
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let tensors = BTreeMap::from([
        (
            "model.embed_tokens.weight".into(),
            tensor(&[VOCABULARY, width], &table),
        ),
        ("lm_head.weight".into(), tensor(&[VOCABULARY, width], &head)),
        ("model.norm.weight".into(), ones()),
        (layer("input_layernorm"), ones()),
        (layer("post_attention_layernorm"), ones()),
        (layer("self_attn.q_proj"), none(width, width)),
        (layer("self_attn.k_proj"), none(width, width)),
        (layer("self_attn.v_proj"), none(width, width)),
        (layer("self_attn.o_proj"), none(width, width)),
        (layer("mlp.gate_proj"), none(8, width)),
        (layer("mlp.up_proj"), none(8, width)),
        (layer("mlp.down_proj"), none(width, 8)),
    ]);
    write_safetensors(folder.join("model.safetensors"), &tensors, &BTreeMap::new()).unwrap();
}
