//! BERTScore's encoder: a Hugging Face folder as the metrics take it.

use std::path::Path;

use rad3d_metrics::{Fault, MetricsError, TokenEmbedder};
use rad3d_nn::text_encoder::EncoderFamily;
use rad3d_nn::{NnError, TextEncoder};
use rad3d_weights::WeightsError;

use crate::encoder_tokenizer::EncoderTokenizer;
use crate::exit::UsageError;

/// An encoder with its tokenizer, cut off after one of its layers.
#[derive(Debug)]
pub(crate) struct TextEmbedder {
    name: String,
    encoder: TextEncoder,
    tokenizer: EncoderTokenizer,
    layer: usize,
}

impl TextEmbedder {
    /// Opens `folder`; without a `layer`, the one that `bert-score` takes for an encoder of this
    /// size.
    pub(crate) fn open(folder: &Path, layer: Option<usize>) -> anyhow::Result<Self> {
        let encoder = TextEncoder::open(folder)?;
        let config = encoder.config();
        let tokenizer = EncoderTokenizer::open(folder, config)?;
        let place = folder.display();
        let layers = config.layers;
        let layer = match layer.or_else(|| usual_layer(&encoder)) {
            Some(layer) if (1..=layers).contains(&layer) => layer,
            Some(layer) => {
                let what = format!("{place}: has {layers} layers, not {layer}");
                let hint = format!("give --bertscore-layer 1 to {layers}");
                return Err(UsageError::new(what, hint).into());
            }
            None => {
                let what = format!(
                    "{place}: no layer is customary for an encoder of {layers} layers and width {}",
                    config.width
                );
                let hint = format!(
                    "give --bertscore-layer 1 to {layers}, and compare only with scores of the same"
                );
                return Err(UsageError::new(what, hint).into());
            }
        };
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            encoder,
            tokenizer,
            layer,
        })
    }

    /// The layer whose states are compared.
    pub(crate) fn layer(&self) -> usize {
        self.layer
    }
}

/// The layer that `bert-score` 0.3.13 takes for roberta-large, roberta-base, bert-large,
/// bert-base and distilbert-base; other encoders of the same size have none of their own.
fn usual_layer(encoder: &TextEncoder) -> Option<usize> {
    let config = encoder.config();
    match (config.family, config.layers, config.width) {
        (EncoderFamily::Roberta, 24, 1024) => Some(17),
        (EncoderFamily::Roberta, 12, 768) => Some(10),
        (EncoderFamily::Bert, 24, 1024) => Some(18),
        (EncoderFamily::Bert, 12, 768) => Some(9),
        (EncoderFamily::DistilBert, 6, 768) => Some(5),
        _ => None,
    }
}

impl TokenEmbedder for TextEmbedder {
    fn describe(&self) -> String {
        let (name, layer) = (&self.name, self.layer);
        format!("{name}, layer {layer} of {}", self.encoder.config().layers)
    }

    fn ends(&self) -> [u32; 2] {
        self.tokenizer.ends()
    }

    fn tokens(&self, text: &str) -> rad3d_metrics::Result<Vec<u32>> {
        // RoBERTa tells a word at the start of a text from one within it by the blank before.
        let spaced = match self.encoder.config().family {
            EncoderFamily::Roberta if !text.is_empty() => Some(format!(" {text}")),
            _ => None,
        };
        let text = spaced.as_deref().unwrap_or(text);
        self.tokenizer.encode(text).map_err(of_weights)
    }

    fn embed(&self, texts: &[&[u32]]) -> rad3d_metrics::Result<Vec<Vec<f32>>> {
        self.encoder.encode(texts, self.layer).map_err(of_network)
    }
}

/// A fault of a model's files as the metrics tell it.
pub(crate) fn of_weights(error: WeightsError) -> MetricsError {
    MetricsError::new(Fault::Model, &error.path, &error.what, &error.hint)
}

/// A fault of a network as the metrics tell it.
pub(crate) fn of_network(error: NnError) -> MetricsError {
    MetricsError::new(Fault::Model, &error.place, &error.what, &error.hint)
}
