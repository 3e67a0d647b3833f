//! PyTorch files of all kinds (made by tests/golden/weights.py), honest, broken and hostile.

#![expect(clippy::unwrap_used, reason = "a test helper may fail loudly")]

use std::path::{Path, PathBuf};

use rad3d_weights::{Checkpoint, Fault, Loader, WeightsError};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pytorch")
        .join(name)
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixture(name)).unwrap()
}

fn refused(name: &str) -> WeightsError {
    Checkpoint::open(fixture(name)).unwrap_err()
}

#[test]
fn each_file_reads_as_torch_reads_it() {
    let expected = open("expected.safetensors");
    for file in [
        "types.pt",
        "views.pt",
        "wrapped.pt",
        "nested.pt",
        "module.pt",
        "lipro.pt",
        "parameters.pt",
        "legacy.pt",
        "protocol4.pt",
        "cuda.pt",
        "deflated.pt",
    ] {
        let checkpoint = open(file);
        let prefix = format!("{file}::");
        let names: Vec<&str> = expected
            .names()
            .filter_map(|name| name.strip_prefix(prefix.as_str()))
            .collect();
        assert!(!names.is_empty(), "{file}");
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), names, "{file}");
        for name in names {
            let found = checkpoint.tensor(name).unwrap();
            let wanted = expected.tensor(&format!("{prefix}{name}")).unwrap();
            assert_eq!(found.shape(), wanted.shape(), "{file} {name}");
            assert_eq!(found.dtype(), wanted.dtype(), "{file} {name}");
            assert!(found.data()[..] == wanted.data()[..], "{file} {name}");
        }
    }
}

#[test]
fn what_was_unwrapped_or_left_out_is_said() {
    let wrapped = open("wrapped.pt");
    let note = "took the state dict under `model`, left out optim, epoch, loss";
    assert_eq!(wrapped.notes(), [note]);
    let notes = open("lipro.pt").notes().join("; ");
    assert!(notes.contains("`module.` off 3 names"), "{notes}");
    assert!(notes.contains("`trained_model.` off 2 names"), "{notes}");
}

#[test]
fn tensors_that_share_a_storage_share_the_mapped_file() {
    let views = open("views.pt");
    let (whole, tied) = (
        views.tensor("whole").unwrap(),
        views.tensor("tied").unwrap(),
    );
    assert_eq!(whole.data().as_ptr(), tied.data().as_ptr());
    assert!(whole.data().is_mapped());
    assert!(!views.tensor("transposed").unwrap().data().is_mapped());
}

#[test]
fn an_optimiser_state_is_named_as_one() {
    let error = refused("optimiser.pt");
    assert_eq!(error.fault, Fault::OptimiserState);
    assert!(error.to_string().contains("optimiser.pt"), "{error}");
    assert!(error.hint.contains("checkpoint_"), "{}", error.hint);
}

#[test]
fn a_hostile_pickle_is_refused_and_not_run() {
    let error = refused("evil.pt");
    assert_eq!(error.fault, Fault::ForbiddenPickle);
    let text = error.to_string();
    assert!(
        text.contains("evil.pt") && text.contains("posix.system"),
        "{text}"
    );
    assert!(!Path::new("/tmp/rad3d-was-here").exists());
}

#[test]
fn other_kinds_of_file_are_refused_for_the_right_reason() {
    let error = refused("float8.pt");
    assert_eq!(error.fault, Fault::Unsupported);
    assert!(error.to_string().contains("float8_e4m3fn"), "{error}");
    let error = refused("plain_pickle.pt");
    assert_eq!(error.fault, Fault::UnknownFormat, "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for (content, fault) in [
        (&b""[..], Fault::Truncated),
        (b"\x80\x02", Fault::Truncated),
        (b"<!DOCTYPE html>", Fault::UnknownFormat),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            Fault::UnknownFormat,
        ),
        (b"some text that is nothing", Fault::UnknownFormat),
        // GLOBAL os system, then REDUCE: a pickle without PyTorch's preamble.
        (
            b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.",
            Fault::ForbiddenPickle,
        ),
        // INST, OBJ and the extension registry may import anything.
        (b"\x80\x02(ios\nsystem\n.", Fault::ForbiddenPickle),
        (b"\x80\x02\x82\x01.", Fault::ForbiddenPickle),
        (b"\x80\x02h\x05.", Fault::Header),
        (b"\x80\x02).", Fault::UnknownFormat),
        (b"\x80\x02R.", Fault::Header),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Checkpoint::open(&path).unwrap_err();
        assert_eq!(error.fault, fault, "{content:?}: {error}");
        assert!(error.to_string().contains("model.pt"), "{error}");
    }
    let error = Checkpoint::open(folder.path().join("none.pt")).unwrap_err();
    assert_eq!(error.fault, Fault::Unreadable);
}

#[test]
fn nan_is_an_error_that_names_file_and_tensor() {
    let nan = open("nan.pt");
    let error = nan.to_f32("bad").unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::NonFinite, Some("bad"))
    );
    assert!(nan.to_f32("good").is_ok());
    let mut loader = Loader::new(&nan, Vec::new());
    loader.take("bad", &[3]);
    loader.take("good", &[3]);
    let error = loader.finish().unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::NonFinite, Some("bad"))
    );
    let text = error.to_string();
    assert!(
        text.contains("nan.pt") && text.contains("element 1"),
        "{text}"
    );
}

#[test]
fn integers_are_no_weights() {
    let error = open("types.pt").to_f32("i64").unwrap_err();
    assert_eq!(
        (error.fault, error.tensor.as_deref()),
        (Fault::ElementType, Some("i64"))
    );
}

/// Cut anywhere, a file is refused; with a byte changed anywhere, it is refused or read, and
/// never a panic.
#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pt");
    for name in ["views.pt", "legacy.pt", "deflated.pt", "wrapped.pt"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for sixteenth in 0..16 {
            std::fs::write(&path, &whole[..whole.len() * sixteenth / 16]).unwrap();
            let error = Checkpoint::open(&path).unwrap_err();
            assert!(
                error.to_string().contains("cut.pt"),
                "{name} {sixteenth}: {error}"
            );
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            if let Ok(checkpoint) = Checkpoint::from_bytes(&path, bytes.into()) {
                for name in checkpoint.names() {
                    let _ = checkpoint.tensor(name);
                }
            }
        }
    }
}
