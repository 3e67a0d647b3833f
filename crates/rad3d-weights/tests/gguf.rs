//! GGUF files (made by tests/golden/weights.py with the package `gguf`): metadata, every
//! quantisation, absurd counts, damage.

use std::path::{Path, PathBuf};

use rad3d_weights::{Checkpoint, DType, Fault, GgufValue, Loader};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/gguf")
        .join(name)
}

#[test]
fn metadata_of_every_type_is_read() {
    let file = Checkpoint::open(fixture("blocks.gguf")).unwrap();
    let unsigned = GgufValue::Unsigned;
    let signed = GgufValue::Signed;
    for (key, value) in [
        ("u8", unsigned(200)),
        ("i8", signed(-100)),
        ("u16", unsigned(60000)),
        ("i16", signed(-30000)),
        ("u32", unsigned(4_000_000_000)),
        ("i32", signed(-2_000_000_000)),
        ("u64", unsigned(1 << 60)),
        ("i64", signed(-(1 << 60))),
        ("f32", GgufValue::Float(0.5)),
        ("f64", GgufValue::Float(0.1)),
        ("bool", GgufValue::Bool(true)),
        ("text", GgufValue::Text("Lunge é".into())),
        ("texts", GgufValue::Texts(vec!["a".into(), "bc".into()])),
        ("integers", GgufValue::Integers(vec![1, -2, 3])),
        ("floats", GgufValue::Floats(vec![0.5, 1.5])),
        ("truths", GgufValue::Integers(vec![1, 0])),
    ] {
        assert_eq!(
            file.gguf().get(&format!("value.{key}")),
            Some(&value),
            "{key}"
        );
    }
    assert_eq!(file.gguf()["general.architecture"].as_str(), Some("llama"));
}

/// The package computes in float32 as we do; only the order of a multiplication differs.
#[test]
fn every_quantisation_expands_as_in_the_reference() {
    let file = Checkpoint::open(fixture("blocks.gguf")).unwrap();
    let expected = Checkpoint::open(fixture("expected.safetensors")).unwrap();
    assert_eq!(file.len(), 11);
    for (name, dtype) in [
        ("Q4_0", DType::Q4_0),
        ("Q4_1", DType::Q4_1),
        ("Q5_0", DType::Q5_0),
        ("Q5_1", DType::Q5_1),
        ("Q8_0", DType::Q8_0),
        ("Q4_K", DType::Q4K),
        ("Q5_K", DType::Q5K),
        ("Q6_K", DType::Q6K),
        ("F16", DType::F16),
        ("BF16", DType::BF16),
        ("F32", DType::F32),
    ] {
        let info = file.info(name).unwrap();
        assert_eq!(info.dtype, dtype);
        assert_eq!(info.shape, expected.info(name).unwrap().shape, "{name}");
        let (found, wanted) = (file.to_f32(name).unwrap(), expected.to_f32(name).unwrap());
        assert_eq!(found.len(), wanted.len());
        for (index, (a, b)) in found.iter().zip(&wanted).enumerate() {
            let tolerance = 1e-6 * b.abs().max(1e-3);
            assert!((a - b).abs() <= tolerance, "{name} {index}: {a} {b}");
        }
        // A row stays quantised and is the same numbers.
        let row = file.tensor(name).unwrap().row(1).unwrap();
        assert_eq!(row.dtype(), dtype);
        assert_eq!(
            row.to_f32().unwrap(),
            found[info.shape[1]..2 * info.shape[1]],
            "{name}"
        );
    }
    let mut loader = Loader::new(&file, vec![]);
    for name in file.names() {
        loader.take(name, &file.info(name).unwrap().shape);
    }
    assert_eq!(loader.finish().unwrap().taken.len(), 11);
}

/// Positions in the header: counts at 8 and 16, the first key's length at 24.
#[test]
fn absurd_counts_are_refused_before_anything_is_allocated() {
    let whole = std::fs::read(fixture("blocks.gguf")).unwrap();
    for (at, what) in [
        (8, "tensors"),
        (16, "metadata entries"),
        (24, "bytes of text"),
    ] {
        for count in [u64::MAX, 1 << 40, whole.len() as u64] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let error = Checkpoint::from_bytes("absurd.gguf", bytes.into()).unwrap_err();
            assert_eq!(error.fault, Fault::Header, "{error}");
            let text = error.to_string();
            assert!(
                text.contains(what) && text.contains("absurd.gguf"),
                "{text}"
            );
        }
    }
}

#[test]
fn versions_and_types_that_are_not_read_are_named() {
    let whole = std::fs::read(fixture("blocks.gguf")).unwrap();
    for (version, text) in [
        (1_u32, "version 1"),
        (4, "version 4"),
        (3 << 24, "big-endian"),
    ] {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        let error = Checkpoint::from_bytes("v.gguf", bytes.into()).unwrap_err();
        assert_eq!(error.fault, Fault::Unsupported);
        assert!(error.to_string().contains(text), "{error}");
    }
    // Row of the tensor table: name, axes (u32), two u64, then the type. Q4_0 becomes Q2_K.
    let name = [&4_u64.to_le_bytes()[..], b"Q4_0", &2_u32.to_le_bytes()].concat();
    let at = whole
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    let mut bytes = whole.clone();
    bytes[at + name.len() + 16] = 10;
    let error = Checkpoint::from_bytes("t.gguf", bytes.into()).unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::ElementType, Some("Q4_0"))
    );
    assert!(error.to_string().contains("Q2_K"), "{error}");
    // A first axis of 511 is no whole number of blocks.
    let mut bytes = whole;
    bytes[at + name.len()..at + name.len() + 8].copy_from_slice(&511_u64.to_le_bytes());
    let error = Checkpoint::from_bytes("t.gguf", bytes.into()).unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::Header, Some("Q4_0"))
    );
}

#[test]
fn a_nan_scale_names_the_tensor() {
    let file = Checkpoint::open(fixture("blocks.gguf")).unwrap();
    let blocks = file.tensor("Q6_K").unwrap().data().to_vec();
    let mut whole = std::fs::read(fixture("blocks.gguf")).unwrap();
    let at = whole
        .windows(blocks.len())
        .position(|window| window == blocks)
        .unwrap();
    whole[at + 210 + 208..at + 210 + 210].copy_from_slice(&[0xff, 0x7f]);
    let damaged = Checkpoint::from_bytes("nan.gguf", whole.into()).unwrap();
    let error = damaged.to_f32("Q6_K").unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::NonFinite, Some("Q6_K"))
    );
    assert!(error.to_string().contains("element 256"), "{error}");
}

#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let whole = std::fs::read(fixture("blocks.gguf")).unwrap();
    for sixteenth in 0..16 {
        let cut = whole[..whole.len() * sixteenth / 16].to_vec();
        let error = Checkpoint::from_bytes("cut.gguf", cut.into()).unwrap_err();
        assert!(error.to_string().contains("cut.gguf"), "{error}");
    }
    for at in 0..2000 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = Checkpoint::from_bytes("bent.gguf", bytes.into());
    }
}
