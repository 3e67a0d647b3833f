//! A tokenizer of our own: byte-level BPE learnt from reports.

use std::path::Path;

use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder,
};

use crate::error::{Fault, Result, TrainError};

/// Begins a text of pre-training.
pub const BEGIN: &str = "<|begin|>";
/// Ends a report.
pub const END: &str = "<|end|>";

/// Learns `pieces` pieces from `texts` and writes `tokenizer.json` and `tokenizer_config.json`
/// into `folder`. The same texts give the same files.
///
/// # Errors
/// [`Fault::Settings`] for fewer than 300 pieces (256 are bytes), [`Fault::Output`].
pub fn train_tokenizer(texts: &[String], pieces: usize, folder: &Path) -> Result<()> {
    if pieces < 300 {
        let what = format!("a vocabulary of {pieces} pieces holds little more than bytes");
        let hint = "give 2000 to 4000 pieces";
        return Err(TrainError::new(Fault::Settings, "vocabulary", what, hint));
    }
    let fault = |error: Box<dyn std::error::Error + Send + Sync>| {
        let what = format!("the tokenizer cannot be made: {error}");
        TrainError::new(Fault::Output, folder, what, "check texts and folder")
    };
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(pieces)
        .min_frequency(2)
        .special_tokens(
            [BEGIN, END]
                .map(|token| AddedToken::from(token, true))
                .to_vec(),
        )
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let bytes = ByteLevel::default().add_prefix_space(false);
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(PreTokenizerWrapper::from(bytes)))
    .with_decoder(Some(DecoderWrapper::from(ByteLevel::default())))
    .build()
    .map_err(fault)?;
    tokenizer
        .train(&mut trainer, texts.iter().map(String::as_str))
        .map_err(fault)?;
    std::fs::create_dir_all(folder).map_err(|e| TrainError::unwritable(folder, e))?;
    tokenizer
        .save(folder.join("tokenizer.json"), true)
        .map_err(fault)?;
    let config = json!({ "bos_token": BEGIN, "eos_token": END, "tokenizer_class": "PreTrainedTokenizerFast" });
    let path = folder.join("tokenizer_config.json");
    std::fs::write(&path, format!("{config:#}\n")).map_err(|e| TrainError::unwritable(&path, e))
}
