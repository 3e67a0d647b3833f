//! Model folders: imported from the golden checkpoints, opened, verified, and refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rad3d_weights::{
    Checkpoint, Fault, Import, LlmKind, Manifest, ModelFolder, RecipeChoice, TensorView,
    TowerConfig, write_safetensors,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

fn own_fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// CT-LiPro with a head of 18, the mapper, and a language model that is a tokenizer only.
fn import() -> Import {
    Import {
        name: "tiny".into(),
        tower: fixture("ct-clip/lipro_tiny.pt"),
        tower_licence: "CC-BY-NC-SA-4.0".into(),
        labels: (0..18).map(|index| format!("label {index}")).collect(),
        calibration: Vec::new(),
        mapper: Some((fixture("mapper/mapper_tiny.safetensors"), "MIT".into())),
        mapper_tower_sha256: None,
        llm: Some((
            own_fixture("tokenizer/bpe_smollm.gguf"),
            "Apache-2.0".into(),
        )),
        copy_llm: true,
        recipe: RecipeChoice::Named("ct-clip".into()),
        depth_and_patch: (40, 10),
    }
}

#[test]
fn an_import_holds_the_used_tensors_and_its_sizes_and_verifies() {
    let out = tempfile::tempdir().unwrap();
    let report = import().run(out.path()).unwrap();
    let source = Checkpoint::open(fixture("ct-clip/lipro_tiny.pt")).unwrap();
    assert_eq!(report.taken + report.ignored.len(), source.len());
    let reason = |name: &str| {
        report
            .ignored
            .iter()
            .find(|(ignored, _)| ignored == name)
            .map(|(_, why)| why.as_str())
    };
    assert_eq!(
        reason("temperature"),
        Some("scales image-text similarities")
    );
    assert!(
        report.notes[0].contains("trained_model."),
        "{:?}",
        report.notes
    );

    let folder = ModelFolder::open(out.path()).unwrap();
    assert_eq!(
        folder.manifest().tower.config,
        TowerConfig {
            volume_dhw: [40, 60, 60],
            patch_dhw: [10, 20, 20],
            dim: 32,
            spatial_depth: 2,
            temporal_depth: 2,
            heads: 4,
            head_dim: 8,
            codebook: Some(64),
            latent: 16,
        }
    );
    let mapper = folder.manifest().mapper.as_ref().unwrap().config;
    let sizes = (mapper.input_dim, mapper.width, mapper.layers);
    assert_eq!(
        (sizes, mapper.clip_length, mapper.prefix_length),
        ((530, 32, 2), 10, 10)
    );
    let tower = folder.tower().unwrap();
    let head = folder.head().unwrap().unwrap();
    assert_eq!(tower.len() + head.len(), report.taken);
    for part in [&tower, &head] {
        for name in part.names() {
            let (a, b) = (part.tensor(name).unwrap(), source.tensor(name).unwrap());
            assert!(
                a.shape() == b.shape() && a.data()[..] == b.data()[..],
                "{name}"
            );
        }
    }
    assert_eq!(folder.manifest().llm.as_ref().unwrap().kind, LlmKind::Gguf);
    assert!(folder.llm_path().unwrap().starts_with(out.path()));

    let hashed = AtomicU64::new(0);
    folder
        .verify(|bytes| {
            hashed.fetch_add(bytes, Ordering::Relaxed);
        })
        .unwrap();
    let total: u64 = folder.manifest().files().map(|file| file.bytes).sum();
    assert_eq!(hashed.into_inner(), total);
    let error = import().run(out.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Output, "{error}");
}

#[test]
fn a_changed_file_fails_verification_and_a_shortened_one_does_not_open() {
    let out = tempfile::tempdir().unwrap();
    let folder = import().run(out.path()).unwrap().folder;
    let file = out.path().join("mapper.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let error = folder.verify(|_| {}).unwrap_err();
    assert_eq!(error.fault, Fault::Hash);
    assert!(error.to_string().contains("mapper.safetensors"), "{error}");
    std::fs::write(&file, &bytes[..last]).unwrap();
    let error = ModelFolder::open(out.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Truncated);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        ModelFolder::open(out.path()).unwrap_err().fault,
        Fault::Unreadable
    );
}

#[test]
fn a_mapper_of_another_tower_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let mut other = import();
    other.mapper_tower_sha256 = Some("ab".repeat(32));
    let error = other.run(out.path()).unwrap_err();
    assert_eq!(error.fault, Fault::TowerMismatch, "{error}");
    assert!(!out.path().join("model.toml").exists());
}

#[test]
fn manifests_with_unknown_keys_or_absurd_values_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let folder = import().run(out.path()).unwrap().folder;
    let text = folder.manifest().to_toml().unwrap();
    let path = Path::new("model.toml");
    assert_eq!(&Manifest::parse(path, &text).unwrap(), folder.manifest());
    for (from, to, part) in [
        ("version = 1", "version = 2", "version 2"),
        ("name = \"tiny\"", "name = \"tiny\"\ncolour = 1", "colour"),
        ("heads = 4", "heads = 4\nhaeds = 5", "haeds"),
        ("temperature = 1.0", "temperature = 0.0", "temperature"),
        ("threshold = 0.5", "threshold = 1.5", "threshold"),
        (
            "path = \"tower.safetensors\"",
            "path = \"../tower.safetensors\"",
            "leaves the folder",
        ),
    ] {
        assert!(text.contains(from), "{from} not in {text}");
        let error = Manifest::parse(path, &text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.fault, Fault::Manifest);
        assert!(error.to_string().contains(part), "{error}");
    }
    let sha256 = &folder.manifest().tower.file.sha256;
    let error = Manifest::parse(path, &text.replace(sha256.as_str(), "xyz")).unwrap_err();
    assert!(error.to_string().contains("no SHA-256"), "{error}");
}

#[test]
fn labels_must_be_as_many_as_the_heads_outputs() {
    let out = tempfile::tempdir().unwrap();
    let mut short = import();
    short.labels.pop();
    let error = short.run(out.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Manifest);
    assert!(
        error.to_string().contains("18 outputs, 17 labels"),
        "{error}"
    );
    let mut headless = import();
    headless.tower = fixture("ct-clip/ctclip_tiny.pt");
    assert_eq!(headless.run(out.path()).unwrap_err().fault, Fault::Manifest);
    headless.labels.clear();
    assert!(
        headless
            .run(out.path())
            .unwrap()
            .folder
            .manifest()
            .head
            .is_none()
    );
}

#[test]
fn a_tensor_that_no_rule_covers_stops_the_import() {
    let folder = tempfile::tempdir().unwrap();
    let tower = Checkpoint::open(fixture("ct-clip/ctclip_tiny.safetensors")).unwrap();
    let mut tensors: BTreeMap<String, TensorView> = tower
        .names()
        .map(|name| (name.to_owned(), tower.tensor(name).unwrap()))
        .collect();
    let extra = TensorView::from_f32(vec![1], &[0.0]).unwrap();
    tensors.insert("visual_decoder.weight".into(), extra);
    let file = folder.path().join("extra.safetensors");
    write_safetensors(&file, &tensors, &BTreeMap::new()).unwrap();
    let mut import = import();
    import.tower = file;
    import.labels.clear();
    let error = import.run(folder.path().join("out")).unwrap_err();
    assert_eq!(error.fault, Fault::TensorMismatch);
    assert!(
        error
            .to_string()
            .contains("unexpected visual_decoder.weight [1]"),
        "{error}"
    );
}

#[test]
fn what_is_written_reads_back_and_quantised_tensors_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/new.safetensors");
    let tensors = BTreeMap::from([
        (
            "b".to_owned(),
            TensorView::from_f32(vec![2, 0], &[]).unwrap(),
        ),
        (
            "a".to_owned(),
            TensorView::from_f32(vec![3], &[1.0, 2.0, 3.0]).unwrap(),
        ),
    ]);
    let metadata = BTreeMap::from([("note".to_owned(), "é\"".to_owned())]);
    write_safetensors(&file, &tensors, &metadata).unwrap();
    let read = Checkpoint::open(&file).unwrap();
    assert_eq!(read.metadata(), &metadata);
    assert_eq!(read.to_f32("a").unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(read.tensor("b").unwrap().shape(), [2, 0]);
    let blocks = Checkpoint::open(own_fixture("gguf/blocks.gguf")).unwrap();
    let tensors = BTreeMap::from([("q".to_owned(), blocks.tensor("Q4_1").unwrap())]);
    let error = write_safetensors(folder.path().join("q"), &tensors, &metadata).unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::ElementType, Some("q"))
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing half-written"
    );
}

/// Shards with an index, as `save_pretrained` writes them.
#[test]
fn sharded_folders_read_as_one_and_broken_promises_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let one = |name: &str, value: f32| {
        BTreeMap::from([(
            name.to_owned(),
            TensorView::from_f32(vec![1], &[value]).unwrap(),
        )])
    };
    let none = BTreeMap::new();
    write_safetensors(path("s-1.safetensors"), &one("a", 1.0), &none).unwrap();
    write_safetensors(path("s-2.safetensors"), &one("b", 2.0), &none).unwrap();
    let index = |map: &str| {
        let text = format!("{{\"weight_map\": {map}}}");
        std::fs::write(path("model.safetensors.index.json"), text).unwrap();
        Checkpoint::open(folder.path())
    };
    let both = index(r#"{"a": "s-1.safetensors", "b": "s-2.safetensors"}"#).unwrap();
    assert_eq!(both.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        (both.to_f32("b").unwrap(), both.files().len()),
        (vec![2.0], 2)
    );
    for (map, part) in [
        (
            r#"{"a": "s-1.safetensors", "c": "s-2.safetensors"}"#,
            "tensor c",
        ),
        (
            r#"{"a": "s-1.safetensors", "b": "s-3.safetensors"}"#,
            "s-3.safetensors",
        ),
        (r#"{"a": "../s-1.safetensors"}"#, "no plain file name"),
        ("{}", "names no shard"),
        ("7", "no index"),
    ] {
        let error = index(map).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
