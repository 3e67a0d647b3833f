//! The tokenizer inside a GGUF file.
//!
//! GGUF stores a vocabulary, not a tokenizer: pieces, their kinds, merges or scores, and a name for
//! the rules that cut text into words. What the names mean is fixed in llama.cpp; here it is
//! written as a `tokenizer.json`, so that one engine serves both sources.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{SpecialTokens, Tokenizer, Wrap};
use crate::error::{Fault, Result, WeightsError};
use crate::gguf::{GgufMetadata, GgufValue};
use crate::{Checkpoint, Format};

/// Kinds of piece, as GGUF numbers them.
mod kind {
    pub(super) const CONTROL: i64 = 3;
    pub(super) const USER_DEFINED: i64 = 4;
}

/// SentencePiece's sign for a space.
const SPACE: &str = "\u{2581}";

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file carries: byte-level BPE (`gpt2`) or
    /// SentencePiece-style BPE (`llama`).
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if there is none, it is incomplete, or of another kind.
    pub fn from_gguf(checkpoint: &Checkpoint) -> Result<Self> {
        let path = checkpoint.path();
        if checkpoint.format() != Format::Gguf {
            return Err(fault(path, "is no GGUF file", "open a .gguf file"));
        }
        let vocabulary = Vocabulary::of(path, checkpoint.gguf())?;
        let model = vocabulary.text("tokenizer.ggml.model").unwrap_or("none");
        let (json, bos_by_default) = match model {
            "gpt2" => (byte_level(&vocabulary)?, false),
            "llama" => (sentence_piece(&vocabulary)?, true),
            other => {
                let hint = "use the model's Hugging Face folder with its tokenizer.json";
                return Err(fault(
                    path,
                    &format!("has a tokenizer of kind {other}"),
                    hint,
                ));
            }
        };
        let flag = |key, default| match vocabulary.metadata.get(key) {
            Some(GgufValue::Bool(flag)) => *flag,
            _ => default,
        };
        let wrap = Wrap {
            bos: flag("tokenizer.ggml.add_bos_token", bos_by_default),
            eos: flag("tokenizer.ggml.add_eos_token", false),
        };
        let special = vocabulary.special_tokens()?;
        Self::from_json(path, json.to_string().as_bytes(), special, wrap)
    }
}

fn fault(path: &Path, what: &str, hint: &str) -> WeightsError {
    WeightsError::new(Fault::Tokenizer, path, what, hint)
}

struct Vocabulary<'a> {
    path: &'a Path,
    metadata: &'a GgufMetadata,
    pieces: &'a [String],
    kinds: Option<&'a [i64]>,
}

impl<'a> Vocabulary<'a> {
    fn of(path: &'a Path, metadata: &'a GgufMetadata) -> Result<Self> {
        let again = "convert the model again with a current llama.cpp";
        let pieces = match metadata.get("tokenizer.ggml.tokens") {
            Some(GgufValue::Texts(pieces)) if !pieces.is_empty() => pieces,
            _ => {
                return Err(fault(
                    path,
                    "has no vocabulary (tokenizer.ggml.tokens)",
                    again,
                ));
            }
        };
        let kinds = match metadata.get("tokenizer.ggml.token_type") {
            None => None,
            Some(GgufValue::Integers(kinds)) if kinds.len() == pieces.len() => Some(&kinds[..]),
            Some(_) => {
                let what = "tokenizer.ggml.token_type has not one entry for each piece";
                return Err(fault(path, what, again));
            }
        };
        Ok(Self {
            path,
            metadata,
            pieces,
            kinds,
        })
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.metadata.get(key).and_then(GgufValue::as_str)
    }

    /// Piece to id. A piece that is there twice keeps its first id, as in llama.cpp.
    fn ids(&self) -> HashMap<&'a str, usize> {
        let mut ids = HashMap::with_capacity(self.pieces.len());
        for (id, piece) in self.pieces.iter().enumerate() {
            ids.entry(piece.as_str()).or_insert(id);
        }
        ids
    }

    fn special_tokens(&self) -> Result<SpecialTokens> {
        let id = |name: &str| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            match self.metadata.get(&key).map(|value| (value, value.as_u64())) {
                None => Ok(None),
                Some((_, Some(id))) if id < self.pieces.len() as u64 => Ok(Some(id as u32)),
                Some((value, _)) => {
                    let what = format!(
                        "{key} is {value:?}, the vocabulary has {} pieces",
                        self.pieces.len()
                    );
                    let hint = "convert the model again with a current llama.cpp";
                    Err(fault(self.path, &what, hint))
                }
            }
        };
        let mut eos: Vec<u32> = Vec::new();
        for name in ["eos", "eot", "eom"] {
            eos.extend(id(name)?.filter(|id| !eos.contains(id)));
        }
        Ok(SpecialTokens {
            bos: id("bos")?,
            eos,
            unknown: id("unknown")?,
            padding: id("padding")?,
            chat_template: self.text("tokenizer.chat_template").map(str::to_owned),
        })
    }

    /// Control and user-defined pieces are found in a text before anything else.
    fn added_tokens(&self) -> Vec<Value> {
        let kinds = self.kinds.unwrap_or_default();
        let added = kinds.iter().zip(self.pieces).enumerate();
        added
            .filter(|(_, (kind, piece))| {
                matches!(**kind, kind::CONTROL | kind::USER_DEFINED) && !piece.is_empty()
            })
            .map(|(id, (&kind, piece))| {
                json!({
                    "id": id, "content": piece, "special": kind == kind::CONTROL,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                })
            })
            .collect()
    }
}

/// Byte-level BPE, as GPT-2 began it.
fn byte_level(vocabulary: &Vocabulary<'_>) -> Result<Value> {
    let Some(GgufValue::Texts(merges)) = vocabulary.metadata.get("tokenizer.ggml.merges") else {
        let hint = "convert the model again with a current llama.cpp";
        return Err(fault(vocabulary.path, "has no tokenizer.ggml.merges", hint));
    };
    let rules = vocabulary.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let Some(words) = WordRules::named(rules) else {
        let hint = "use the model's Hugging Face folder with its tokenizer.json";
        let what = format!("cuts words by the rules {rules:?}, which are not known");
        return Err(fault(vocabulary.path, &what, hint));
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": words.normaliser(),
        "pre_tokenizer": words.pre_tokenizer(),
        "post_processor": null,
        "decoder": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        },
        "model": {
            "type": "BPE", "vocab": vocabulary.ids(), "merges": merges,
            "ignore_merges": matches!(words, WordRules::Llama3),
        },
    }))
}

/// How a text is cut into the words within which pairs are merged.
#[derive(Debug, Clone, Copy)]
enum WordRules {
    /// GPT-2's expression.
    Gpt2,
    /// Each digit by itself, then GPT-2's expression.
    SingleDigits,
    /// LLaMA 3's expression: digits in threes.
    Llama3,
    /// Qwen 2's: LLaMA 3's with single digits.
    Qwen2,
}

impl WordRules {
    /// The rules behind the names that llama.cpp uses.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gpt-2" | "gpt2" | "default" | "phi-2" | "jina-es" | "jina-de" | "mpt" | "olmo"
            | "jais" | "exaone" => Self::Gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => Self::SingleDigits,
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" => Self::Llama3,
            "qwen2" | "deepseek-r1-qwen" | "stablelm2" => Self::Qwen2,
            _ => return None,
        })
    }

    fn normaliser(self) -> Value {
        match self {
            Self::Qwen2 => json!({"type": "NFC"}),
            _ => Value::Null,
        }
    }

    fn pre_tokenizer(self) -> Value {
        let bytes = |use_regex: bool| {
            json!({
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": use_regex,
            })
        };
        let expression = |digits: &str| {
            let pattern = [
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
                r"[^\r\n\p{L}\p{N}]?\p{L}+",
                digits,
                r" ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            ]
            .join("|");
            json!({
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
                        "invert": false,
                    },
                    bytes(false),
                ],
            })
        };
        match self {
            Self::Gpt2 => bytes(true),
            Self::SingleDigits => json!({
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": true}, bytes(true)],
            }),
            Self::Llama3 => expression(r"\p{N}{1,3}"),
            Self::Qwen2 => expression(r"\p{N}"),
        }
    }
}

/// SentencePiece-style BPE: the pair whose union has the highest score is merged first; what is
/// not in the vocabulary is spelt in bytes.
fn sentence_piece(vocabulary: &Vocabulary<'_>) -> Result<Value> {
    let scores = match vocabulary.metadata.get("tokenizer.ggml.scores") {
        Some(GgufValue::Floats(scores)) if scores.len() == vocabulary.pieces.len() => scores,
        _ => {
            let what = "tokenizer.ggml.scores has not one entry for each piece";
            let hint = "convert the model again with a current llama.cpp";
            return Err(fault(vocabulary.path, what, hint));
        }
    };
    let ids = vocabulary.ids();
    let prefix = match vocabulary.metadata.get("tokenizer.ggml.add_space_prefix") {
        Some(GgufValue::Bool(prefix)) => *prefix,
        _ => true,
    };
    let mut normalisers = Vec::new();
    if prefix {
        normalisers.push(json!({"type": "Prepend", "prepend": SPACE}));
    }
    normalisers.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE}));
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let unknown = vocabulary.special_tokens()?.unknown.unwrap_or(0);
    Ok(json!({
        "version": "1.0",
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": {"type": "Sequence", "normalizers": normalisers},
        "pre_tokenizer": null,
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "merges": merges_from_scores(&ids, scores), "vocab": ids,
            "unk_token": vocabulary.pieces.get(unknown as usize),
            "fuse_unk": true, "byte_fallback": true,
        },
    }))
}

/// All pairs of pieces whose union is a piece, best score of the union first.
fn merges_from_scores<'a>(
    ids: &HashMap<&'a str, usize>,
    scores: &[f32],
) -> Vec<(&'a str, &'a str)> {
    let mut merges = Vec::new();
    for (&piece, &id) in ids {
        for (cut, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(cut);
            if let (Some(&first), Some(&second)) = (ids.get(left), ids.get(right)) {
                merges.push((scores[id], id, first, second, (left, right)));
            }
        }
    }
    merges.sort_by(|a, b| {
        let by_score = b.0.total_cmp(&a.0);
        by_score.then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3)))
    });
    merges.into_iter().map(|(.., pair)| pair).collect()
}
