//! GREEN's language model: a local decoder as the metrics take it.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rad3d_metrics::{Completer, Completion};
use rad3d_nn::causal_lm::{CausalLm, LmOptions};
use rad3d_nn::generate::{Ended, GenerationSettings, NewToken, Prompt, Strategy, generate};
use rad3d_weights::{Checkpoint, Tokenizer, llm_sha256};

use crate::text_embedder::{of_network, of_weights};
use crate::writer::end_tokens;

/// A language model with its tokenizer, which goes on with several texts at a time.
pub(crate) struct LocalCompleter {
    path: PathBuf,
    sha256: String,
    llm: CausalLm,
    tokenizer: Tokenizer,
    ends: Vec<u32>,
    batch: NonZero<usize>,
}

impl LocalCompleter {
    /// Opens a Hugging Face folder or a GGUF file; `batch` texts are written together.
    pub(crate) fn open(path: &Path, batch: NonZero<usize>) -> anyhow::Result<Self> {
        let sha256 = llm_sha256(path)?;
        let tokenizer = Tokenizer::of_model(&Checkpoint::open(path)?)?;
        let llm = CausalLm::open(path, LmOptions::default())?;
        tokenizer.check_fits(llm.config().vocabulary)?;
        Ok(Self {
            path: path.to_owned(),
            sha256,
            ends: end_tokens(&llm, &tokenizer, path)?,
            llm,
            tokenizer,
            batch,
        })
    }

    fn encode(&self, text: &str) -> rad3d_metrics::Result<Vec<u32>> {
        self.tokenizer.encode(text, true).map_err(of_weights)
    }
}

impl std::fmt::Debug for LocalCompleter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "language model {}", self.path.display())
    }
}

impl Completer for LocalCompleter {
    fn path(&self) -> &Path {
        &self.path
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn context(&self) -> usize {
        self.llm.config().context
    }

    fn tokens(&self, text: &str) -> rad3d_metrics::Result<usize> {
        Ok(self.encode(text)?.len())
    }

    fn complete(
        &self,
        texts: &[&str],
        max_tokens: usize,
        done: &mut dyn FnMut(Completion) -> rad3d_metrics::Result<()>,
    ) -> rad3d_metrics::Result<()> {
        let settings = GenerationSettings {
            max_new_tokens: max_tokens,
            max_length: Some(max_tokens),
            stop_tokens: self.ends.clone(),
            strategy: Strategy::Greedy,
            ..GenerationSettings::default()
        };
        let batch = self.batch.get();
        for (index, texts) in texts.chunks(batch).enumerate() {
            let encoded = texts.iter().map(|text| self.encode(text));
            let ids = encoded.collect::<rad3d_metrics::Result<Vec<_>>>()?;
            let prompts: Vec<Prompt<'_>> = ids.iter().map(|ids| Prompt::ids(ids)).collect();
            let mut written = vec![Vec::new(); texts.len()];
            let mut failed = None;
            // A text is handed over when it ends, not when the longest of its batch does.
            let mut observe = |new: NewToken| {
                let tokens: &mut Vec<u32> = &mut written[new.prompt];
                tokens.push(new.token);
                let Some(ended) = new.ended else {
                    return ControlFlow::Continue(());
                };
                let decoded = self.tokenizer.decode(tokens, true).map_err(of_weights);
                let handed = decoded.and_then(|written| {
                    done(Completion {
                        text: index * batch + new.prompt,
                        written,
                        ended_by_itself: ended == Ended::StopToken,
                    })
                });
                match handed {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed.get_or_insert(error);
                        ControlFlow::Break(())
                    }
                }
            };
            generate(&self.llm, &prompts, &settings, &mut observe).map_err(of_network)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }
}
