//! Tokenizers against the programs that define them: `tokenizers`, SentencePiece, llama.cpp.
//!
//! The 200 strings and the expected ids are made by tests/golden/weights.py.

#![expect(clippy::unwrap_used, reason = "a test helper may fail loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rad3d_weights::{Checkpoint, Fault, Tokenizer};
use serde::de::DeserializeOwned;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tokenizer")
        .join(name)
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

fn of_gguf(path: impl AsRef<Path>) -> Tokenizer {
    Tokenizer::of_model(&Checkpoint::open(path).unwrap()).unwrap()
}

/// Compares the ids of all strings, and that decoding gives the string back, whole and in a
/// stream.
fn check(name: &str, tokenizer: &Tokenizer, expected: &[Vec<u32>], gives_back: fn(&str) -> bool) {
    let strings: Vec<String> = json("strings.json");
    assert_eq!((strings.len(), expected.len()), (200, 200));
    for (text, expected) in strings.iter().zip(expected) {
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(&ids, expected, "{name}: {text:?}");
        let whole = tokenizer.decode(&ids, false).unwrap();
        if gives_back(text) {
            assert_eq!(&whole, text, "{name}");
        }
        let mut stream = tokenizer.stream(false);
        let mut pieces: String = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        pieces.push_str(&stream.finish().unwrap());
        assert_eq!(pieces, whole, "{name}: {text:?} in a stream");
    }
}

#[test]
fn byte_level_vocabularies_give_the_ids_of_the_tokenizer_they_come_from() {
    let expected: BTreeMap<String, Vec<Vec<u32>>> = json("bpe_ids.json");
    assert_eq!(expected.len(), 4);
    for (rules, expected) in &expected {
        let tokenizer = of_gguf(fixture(&format!("bpe_{rules}.gguf")));
        // Qwen's rules compose accents first, so such strings come back composed.
        let gives_back = match rules.as_str() {
            "qwen2" => |text: &str| !text.contains('\u{301}'),
            _ => |_: &str| true,
        };
        check(rules, &tokenizer, expected, gives_back);
    }
}

#[test]
fn the_rules_for_words_differ() {
    let expected: BTreeMap<String, Vec<Vec<u32>>> = json("bpe_ids.json");
    let digits = |rules: &str| of_gguf(fixture(&format!("bpe_{rules}.gguf")));
    let single = digits("smollm").encode("1234567890", false).unwrap();
    assert_eq!(single.len(), 10);
    assert!(
        digits("llama-bpe")
            .encode("1234567890", false)
            .unwrap()
            .len()
            <= 10
    );
    assert_ne!(expected["gpt-2"], expected["smollm"]);
}

#[test]
fn sentencepiece_vocabularies_give_sentencepieces_ids() {
    let tokenizer = of_gguf(fixture("sentencepiece.gguf"));
    let expected: Vec<Vec<u32>> = json("sentencepiece_ids.json");
    check("sentencepiece", &tokenizer, &expected, |_| true);
    // LLaMA's vocabularies want a BOS unless the file says otherwise.
    let ids = tokenizer.encode("No effusion.", true).unwrap();
    assert_eq!(ids[0], tokenizer.special().bos.unwrap());
    assert_eq!(ids[1..], tokenizer.encode("No effusion.", false).unwrap());
}

#[test]
fn a_folder_gives_the_same_ids_and_all_ends_of_text() {
    let folder = Tokenizer::from_folder(fixture("folder")).unwrap();
    let expected: BTreeMap<String, Vec<Vec<u32>>> = json("bpe_ids.json");
    check("folder", &folder, &expected["smollm"], |_| true);
    let special = folder.special();
    assert_eq!((special.bos, &special.eos[..]), (Some(1), &[2, 0][..]));
    assert_eq!(special.chat_template.as_deref(), Some("{{ x }}"));
    let gguf = of_gguf(fixture("bpe_smollm.gguf"));
    assert_eq!(
        (gguf.special().bos, &gguf.special().eos[..]),
        (Some(0), &[2][..])
    );
    assert_eq!(gguf.vocabulary_size(), folder.vocabulary_size());
    assert_eq!(folder.decode(&[1, 2], true).unwrap(), "");
    assert_eq!(
        folder.decode(&[1, 2], false).unwrap(),
        "<|im_start|><|im_end|>"
    );
}

#[test]
fn a_tokenizer_for_another_vocabulary_is_refused() {
    let tokenizer = of_gguf(fixture("bpe_smollm.gguf"));
    let size = tokenizer.vocabulary_size();
    tokenizer.check_fits(size).unwrap();
    tokenizer.check_fits(size + 40).unwrap();
    let error = tokenizer.check_fits(size - 1).unwrap_err();
    assert_eq!(error.fault, Fault::Tokenizer);
    assert!(error.to_string().contains("bpe_smollm.gguf"), "{error}");
}

#[test]
fn a_model_without_a_usable_tokenizer_is_refused() {
    let blocks = fixture("../gguf/blocks.gguf");
    let error = Tokenizer::of_model(&Checkpoint::open(blocks).unwrap()).unwrap_err();
    assert_eq!(error.fault, Fault::Tokenizer, "{error}");
    let whole = std::fs::read(fixture("bpe_smollm.gguf")).unwrap();
    // Another name for the rules, of the same length.
    let at = whole
        .windows(6)
        .position(|window| window == b"smollm")
        .unwrap();
    let mut bytes = whole;
    bytes[at..at + 6].copy_from_slice(b"xxxxxx");
    let error = Tokenizer::from_gguf(&Checkpoint::from_bytes("x.gguf", bytes.into()).unwrap());
    assert!(error.unwrap_err().to_string().contains("xxxxxx"));
    let folder = tempfile::tempdir().unwrap();
    let error = Tokenizer::from_folder(folder.path()).unwrap_err();
    assert_eq!(error.fault, Fault::Tokenizer);
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert_eq!(
        Tokenizer::from_folder(folder.path()).unwrap_err().fault,
        Fault::Tokenizer
    );
}

/// The real SmolLM2-135M-Instruct against llama.cpp's ids. Skipped, and said so, until
/// tests/golden/fetch_smollm2.sh has fetched the model.
#[test]
fn smollm2_agrees_with_llama_cpp() {
    let cached = "../../.cache/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(cached);
    if !path.exists() {
        eprintln!(
            "skipped: run tests/golden/fetch_smollm2.sh to fetch {}",
            path.display()
        );
        return;
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.len(), 272);
    let tokenizer = Tokenizer::of_model(&checkpoint).unwrap();
    let rows = checkpoint.info("token_embd.weight").unwrap().shape[0];
    tokenizer.check_fits(rows).unwrap();
    let expected: Vec<Vec<u32>> = json("smollm2_ids.json");
    check("smollm2", &tokenizer, &expected, |_| true);
}
