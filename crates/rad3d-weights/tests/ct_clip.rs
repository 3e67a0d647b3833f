//! The CT-CLIP and CT-LiPro files: read from `.pt` and safetensors alike, and accounted for.

#![expect(clippy::unwrap_used, reason = "a test helper may fail loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_weights::{Checkpoint, DType, Fault, Format, Loader, TensorView, ct_clip_ignores};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixture(name)).unwrap()
}

#[test]
fn the_pt_file_holds_what_the_safetensors_file_holds_bit_for_bit() {
    let pt = open("ct-clip/ctclip_tiny.pt");
    let safetensors = open("ct-clip/ctclip_tiny.safetensors");
    assert_eq!(
        (pt.format(), safetensors.format()),
        (Format::Pytorch, Format::Safetensors)
    );
    assert!(safetensors.len() > 80);
    for name in safetensors.names() {
        let (a, b) = (pt.tensor(name).unwrap(), safetensors.tensor(name).unwrap());
        assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
        assert!(a.data()[..] == b.data()[..], "{name}");
        assert!(a.elements() == 0 || a.data().is_mapped(), "{name}");
    }
    // Empty storage, scalar, and the integers that old transformers wrote.
    let null = "visual_transformer.enc_spatial_transformer.layers.0.1.null_kv";
    assert_eq!(pt.tensor(null).unwrap().shape(), [4, 0, 8]);
    assert_eq!(pt.tensor("temperature").unwrap().shape(), [0usize; 0]);
    let ids = pt
        .tensor("text_transformer.embeddings.position_ids")
        .unwrap();
    assert_eq!(ids.dtype(), DType::I64);
    assert_eq!(ids.to_i64().unwrap(), (0..64).collect::<Vec<_>>());
}

#[test]
fn lipro_loses_its_prefix_and_keeps_its_head() {
    let lipro = open("ct-clip/lipro_tiny.pt");
    assert_eq!(lipro.notes().len(), 1, "{:?}", lipro.notes());
    assert!(
        lipro.notes()[0].contains("`trained_model.`"),
        "{:?}",
        lipro.notes()
    );
    assert_eq!(lipro.info("classifier.weight").unwrap().shape, [18, 16]);
    let tower = open("ct-clip/ctclip_tiny.safetensors");
    for name in tower.names() {
        assert!(lipro.contains(name), "{name}");
    }
}

/// Takes every tensor that no rule covers, in the shape it has.
fn take_the_rest(loader: &mut Loader<'_>) {
    let checkpoint = loader.checkpoint();
    let rules = ct_clip_ignores();
    for name in checkpoint.names() {
        if !rules.iter().any(|rule| rule.matches(name)) {
            let shape = checkpoint.info(name).unwrap().shape;
            loader.take(name, &shape);
        }
    }
}

#[test]
fn each_tensor_of_the_file_is_used_or_ignored_by_rule() {
    let pt = open("ct-clip/ctclip_tiny.pt");
    let mut loader = Loader::new(&pt, ct_clip_ignores());
    take_the_rest(&mut loader);
    let loaded = loader.finish().unwrap();
    assert_eq!(loaded.taken.len() + loaded.ignored.len(), pt.len());
    let used = open("ct-clip/ctclip_tiny.safetensors");
    assert!(loaded.taken.iter().all(|name| used.contains(name)));
}

/// The published layout (spec section 4): 122 tensors and 178,616,136 values are used for a
/// latent, all other names of the file are covered by a rule.
#[test]
fn the_rules_split_the_published_layout_exactly() {
    let text = std::fs::read(fixture("ct-clip/full_state_dict_layout.json")).unwrap();
    let layout: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let tower = layout["image_tower_state_dict"].as_object().unwrap();
    let shapes: BTreeMap<&str, Vec<u64>> = tower
        .iter()
        .map(|(name, entry)| {
            let axes = entry[0].as_array().unwrap();
            (
                name.as_str(),
                axes.iter().map(|axis| axis.as_u64().unwrap()).collect(),
            )
        })
        .collect();
    let rules = ct_clip_ignores();
    let is_ignored = |name: &str| rules.iter().any(|rule| rule.matches(name));
    let used: Vec<_> = shapes
        .iter()
        .filter(|(name, _)| !is_ignored(name))
        .collect();
    assert_eq!(used.len(), 122);
    let elements: u64 = used
        .iter()
        .map(|(_, shape)| shape.iter().product::<u64>())
        .sum();
    assert_eq!(elements, 178_616_136);
    for name in layout["text_transformer_keys"].as_object().unwrap().keys() {
        assert!(is_ignored(name), "{name}");
    }
    assert!(is_ignored("text_transformer.embeddings.position_ids"));
    // No rule is dead, but those for files of other library versions.
    let text = layout["text_transformer_keys"].as_object().unwrap();
    let names = || {
        shapes
            .keys()
            .copied()
            .chain(text.keys().map(String::as_str))
    };
    let dead: Vec<_> = rules
        .iter()
        .filter(|rule| !names().any(|name| rule.matches(name)))
        .map(|rule| rule.pattern.as_ref())
        .collect();
    assert_eq!(
        dead,
        [
            "visual_transformer.vq._codebook.embed_avg",
            "visual_transformer.vq.zero"
        ]
    );
}

#[test]
fn one_error_lists_all_that_does_not_fit() {
    let pt = open("ct-clip/ctclip_tiny.pt");
    let mut loader = Loader::new(&pt, Vec::new());
    let zeros: TensorView = loader.take("no.such.tensor", &[2, 3]);
    assert_eq!((zeros.shape(), zeros.elements()), (&[2, 3][..], 6));
    loader.take("to_visual_latent.weight", &[1, 1]);
    loader.take("text_transformer.embeddings.position_ids", &[1, 64]);
    let error = loader.finish().unwrap_err();
    assert_eq!(error.fault, Fault::TensorMismatch);
    let text = error.to_string();
    for part in [
        "ctclip_tiny.pt",
        "1 missing",
        "1 mis-shaped",
        "missing no.such.tensor [2, 3]",
        "expected [1, 1]",
        "position_ids has element type I64",
        "unexpected temperature []",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
}

#[test]
fn a_network_that_takes_nothing_is_an_error() {
    let pt = open("ct-clip/ctclip_tiny.pt");
    let all = vec![rad3d_weights::IgnoreRule::new("*", "test")];
    let error = Loader::new(&pt, all).finish().unwrap_err();
    assert!(error.to_string().contains("no tensor at all"), "{error}");
}
