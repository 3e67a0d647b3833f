//! The tokenizer of a Hugging Face folder.

use std::path::Path;

use serde_json::Value;

use super::{SpecialTokens, Tokenizer, Wrap};
use crate::error::{Fault, Result, WeightsError};

impl Tokenizer {
    /// Reads `tokenizer.json`, and the special tokens from `tokenizer_config.json`,
    /// `generation_config.json` and `config.json` as far as they are there.
    ///
    /// # Errors
    /// [`Fault::Tokenizer`] if there is no `tokenizer.json`, or a file is broken.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            let hint = "write one with transformers: AutoTokenizer.from_pretrained(NAME)\
                        .save_pretrained(FOLDER)";
            let what = "has no tokenizer.json";
            return Err(WeightsError::new(Fault::Tokenizer, folder, what, hint));
        }
        let mut tokenizer = Self::from_file(&path)?;
        tokenizer.wrap = Wrap::default();
        tokenizer.special = special_tokens(folder, &tokenizer)?;
        let settings = json(&folder.join("tokenizer_config.json"))?;
        // Where no one knows, files say 1e30, which is no whole number to JSON.
        tokenizer.longest = settings["model_max_length"]
            .as_u64()
            .and_then(|longest| longest.try_into().ok());
        Ok(tokenizer)
    }
}

fn special_tokens(folder: &Path, tokenizer: &Tokenizer) -> Result<SpecialTokens> {
    let settings = json(&folder.join("tokenizer_config.json"))?;
    let named = |key: &str| {
        // A plain text, or an object with the text as `content`.
        let token = &settings[key];
        let text = token.as_str().or_else(|| token["content"].as_str())?;
        tokenizer.id_of(text)
    };
    let mut special = SpecialTokens {
        bos: named("bos_token"),
        eos: named("eos_token").into_iter().collect(),
        unknown: named("unk_token"),
        padding: named("pad_token"),
        chat_template: settings["chat_template"].as_str().map(str::to_owned),
    };
    for file in ["generation_config.json", "config.json"] {
        let settings = json(&folder.join(file))?;
        special.bos = special
            .bos
            .or_else(|| ids(&settings["bos_token_id"]).next());
        special.padding = special
            .padding
            .or_else(|| ids(&settings["pad_token_id"]).next());
        for id in ids(&settings["eos_token_id"]) {
            if !special.eos.contains(&id) {
                special.eos.push(id);
            }
        }
    }
    Ok(special)
}

/// A number or a list of numbers.
fn ids(value: &Value) -> impl Iterator<Item = u32> {
    let many = value.as_array().into_iter().flatten();
    let one = value.as_u64();
    one.into_iter()
        .chain(many.filter_map(Value::as_u64))
        .filter_map(|id| id.try_into().ok())
}

/// A JSON file; null if there is none.
fn json(path: &Path) -> Result<Value> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let text = std::fs::read(path).map_err(|source| WeightsError::unreadable(path, source))?;
    serde_json::from_slice(&text).map_err(|source| {
        let hint = "fetch the file again";
        WeightsError::new(Fault::Tokenizer, path, "is no valid JSON", hint).because(source)
    })
}
