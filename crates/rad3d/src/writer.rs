//! The part of a model that turns numbers into a report: mapper, language model, tokenizer.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rad3d_nn::causal_lm::{CausalLm, LmOptions, SegmentInput};
use rad3d_nn::generate::{Ended, Generated, GenerationSettings, Prompt, generate};
use rad3d_nn::projector::{
    ImagePrompt, LinearConfig, LinearProjector, MapperConfig, PrefixMapper, Projector, R2GenGpt,
    join_priors,
};
use rad3d_report::{Report, WrittenToken};
use rad3d_weights::{
    Checkpoint, Loader, MapperInputs, MapperKind, MapperPart, MapperTarget, ModelFolder, Tokenizer,
    llm_sha256,
};

use crate::encoder::Encoded;
use crate::exit::UsageError;

/// Which language model to take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LlmChoice<'a> {
    /// The model folder's own.
    Own,
    /// One that lies elsewhere; it must be the one that the mapper was trained through.
    At(&'a Path),
    /// One that lies elsewhere, whatever it is.
    Unchecked(&'a Path),
}

/// A model's mapper, language model and tokenizer, ready to write.
pub(crate) struct Writer {
    /// Where the language model was taken from.
    pub(crate) llm_path: PathBuf,
    mapper: Box<dyn Projector>,
    inputs: MapperInputs,
    target: MapperTarget,
    /// Tokens before and after the prefix.
    around: [Vec<u32>; 2],
    llm: CausalLm,
    tokenizer: Tokenizer,
}

/// What a writer is made of, besides the mapper's weights.
pub(crate) struct WriterParts {
    /// Which mapper it is.
    pub(crate) kind: MapperKind,
    /// Its sizes.
    pub(crate) config: rad3d_weights::MapperConfig,
    /// What it takes.
    pub(crate) inputs: MapperInputs,
    /// What it writes.
    pub(crate) target: MapperTarget,
    /// The text around the prefix.
    pub(crate) prompt: Option<String>,
    /// Where the language model lies.
    pub(crate) llm_path: PathBuf,
}

/// A report, and how it came about.
pub(crate) struct Written {
    /// The text, parted into its sections, no sentence twice in one.
    pub(crate) report: Report,
    /// Its tokens in order, the one that ended it included.
    pub(crate) tokens: Vec<WrittenToken>,
    /// Whether the model ended it.
    pub(crate) ended_by_itself: bool,
    /// Sentences that were left out, since the section had them already.
    pub(crate) repeats: usize,
}

impl Writer {
    /// Loads what `folder` writes with.
    pub(crate) fn open(folder: &ModelFolder, llm: LlmChoice<'_>) -> anyhow::Result<Self> {
        let place = folder.path().display();
        let manifest = folder.manifest();
        let (Some(part), Some(weights)) = (&manifest.mapper, folder.mapper()?) else {
            let what = format!("{place}: has no mapper, so it writes no reports");
            let hint = "import one with rad3d model import --mapper, or train one";
            return Err(UsageError::new(what, hint).into());
        };
        let Some(inputs) = manifest.mapper_inputs() else {
            let (takes, latent) = (part.config.input_dim, manifest.tower.config.latent);
            let labels = manifest.head.as_ref().map_or(0, |head| head.labels.len());
            return Err(UsageError::new(
                format!(
                    "{place}: the mapper takes {takes} values; an embedding has {latent}, the \
                     head gives {labels} logits"
                ),
                "use the mapper with the tower and the head that it was trained with",
            )
            .into());
        };
        let parts = WriterParts {
            kind: part.kind,
            config: part.config,
            inputs,
            target: part.target,
            prompt: part.prompt.clone(),
            llm_path: llm_path(folder, part, llm)?,
        };
        Self::of_parts(parts, &weights, &place.to_string())
    }

    /// Loads a mapper's `weights`, and the language model of `parts`; `place` is the mapper's, for
    /// errors.
    pub(crate) fn of_parts(
        parts: WriterParts,
        weights: &Checkpoint,
        place: &str,
    ) -> anyhow::Result<Self> {
        let mapper = load_mapper(parts.kind, parts.config, weights)?;
        let llm_path = parts.llm_path;
        let llm = CausalLm::open(&llm_path, LmOptions::default())?;
        let tokenizer = Tokenizer::of_model(&Checkpoint::open(&llm_path)?)?;
        let config = llm.config();
        tokenizer.check_fits(config.vocabulary)?;
        if config.embedding_width != mapper.width() {
            return Err(UsageError::new(
                format!(
                    "{}: is {} wide, the mapper of {place} writes to a width of {}",
                    llm_path.display(),
                    config.embedding_width,
                    mapper.width()
                ),
                "give the language model that the mapper was trained through",
            )
            .into());
        }
        let around = match &parts.prompt {
            Some(prompt) => {
                let prompt = ImagePrompt::new(prompt)?;
                [
                    tokenizer.encode(&prompt.before, false)?,
                    tokenizer.encode(&prompt.after, false)?,
                ]
            }
            None => [Vec::new(), Vec::new()],
        };
        Ok(Self {
            llm_path,
            mapper,
            inputs: parts.inputs,
            target: parts.target,
            around,
            llm,
            tokenizer,
        })
    }

    /// The prefix `[prefix, width]` of a scan; raw logits are its priors.
    pub(crate) fn prefix(&self, encoded: &Encoded) -> anyhow::Result<Vec<f32>> {
        let Encoded { embedding, logits } = encoded;
        Ok(match self.inputs {
            MapperInputs::Embedding => self.mapper.project(embedding)?,
            MapperInputs::EmbeddingAndLogits => {
                self.mapper.project(&join_priors(embedding, logits, 1)?)?
            }
            MapperInputs::Logits => self.mapper.project(logits)?,
        })
    }

    /// Most tokens that fit behind a prefix and the text around it.
    pub(crate) fn room(&self) -> usize {
        let context = self.llm.config().context;
        let [before, after] = &self.around;
        context.saturating_sub(before.len() + self.mapper.prefix_length() + after.len())
    }

    /// Writes the report of a prefix. The model's own end tokens are added to `settings`.
    pub(crate) fn write(
        &self,
        prefix: &[f32],
        settings: &GenerationSettings,
    ) -> anyhow::Result<Written> {
        let written = self.write_all(&[prefix], settings)?;
        written
            .into_iter()
            .next()
            .ok_or_else(|| anyhow::anyhow!("one prompt gave no text"))
    }

    /// Writes the reports of several prefixes at once.
    pub(crate) fn write_all(
        &self,
        prefixes: &[&[f32]],
        settings: &GenerationSettings,
    ) -> anyhow::Result<Vec<Written>> {
        let ends = end_tokens(&self.llm, &self.tokenizer, &self.llm_path)?;
        let settings = GenerationSettings {
            stop_tokens: ends,
            ..settings.clone()
        };
        let prompts: Vec<Prompt<'_>> = prefixes.iter().map(|prefix| self.prompt(prefix)).collect();
        let texts = generate(&self.llm, &prompts, &settings, &mut |_| {
            ControlFlow::Continue(())
        })?;
        texts.iter().map(|text| self.decoded(text)).collect()
    }

    /// The prefix between the texts around it.
    fn prompt<'a>(&'a self, prefix: &'a [f32]) -> Prompt<'a> {
        let [before, after] = &self.around;
        let inputs = [
            SegmentInput::Ids(before),
            SegmentInput::Embeddings(prefix),
            SegmentInput::Ids(after),
        ];
        let is_empty = |input: &SegmentInput<'_>| matches!(input, SegmentInput::Ids([]));
        Prompt(
            inputs
                .into_iter()
                .filter(|input| !is_empty(input))
                .collect(),
        )
    }

    fn decoded(&self, text: &Generated) -> anyhow::Result<Written> {
        let mut stream = self.tokenizer.stream(true);
        let mut tokens = Vec::with_capacity(text.tokens.len());
        for (&id, &log_probability) in text.tokens.iter().zip(&text.log_probabilities) {
            tokens.push(WrittenToken {
                text: stream.push(id)?,
                log_probability: f64::from(log_probability),
            });
        }
        let rest = stream.finish()?;
        if let Some(last) = tokens.last_mut() {
            last.text.push_str(&rest);
        }
        let whole: String = tokens.iter().map(|token| token.text.as_str()).collect();
        let (report, repeats) = self.parted(&whole).without_repeats();
        Ok(Written {
            report,
            repeats,
            tokens,
            ended_by_itself: text.ended == Ended::StopToken,
        })
    }

    /// The text as a report. A mapper trained on impressions alone may write no heading.
    fn parted(&self, text: &str) -> Report {
        let report = Report::parse(text);
        match self.target {
            MapperTarget::Impression if report.impression.is_empty() => Report {
                findings: String::new(),
                impression: report.findings,
            },
            _ => report,
        }
    }
}

/// The tokens with which a language model ends a text; `path` is the model's, for errors.
pub(crate) fn end_tokens(
    llm: &CausalLm,
    tokenizer: &Tokenizer,
    path: &Path,
) -> Result<Vec<u32>, UsageError> {
    let mut ends = tokenizer.special().eos.clone();
    ends.extend(&llm.config().stop_tokens);
    ends.sort_unstable();
    ends.dedup();
    if ends.is_empty() {
        return Err(UsageError::new(
            format!("{}: names no token that ends a text", path.display()),
            "set eos_token_id in its config.json",
        ));
    }
    Ok(ends)
}

/// The language model's place, checked against what the mapper was trained through.
fn llm_path(
    folder: &ModelFolder,
    mapper: &MapperPart,
    choice: LlmChoice<'_>,
) -> anyhow::Result<PathBuf> {
    match choice {
        // Whether it is the mapper's, the manifest was checked for.
        LlmChoice::Own => folder.llm_path().ok_or_else(|| {
            let what = format!("{}: has no language model", folder.path().display());
            UsageError::new(what, "name one with --llm").into()
        }),
        LlmChoice::Unchecked(path) => Ok(path.to_owned()),
        LlmChoice::At(path) => {
            let trained = match (&mapper.llm_sha256, &folder.manifest().llm) {
                (Some(sha256), _) => sha256.clone(),
                (None, Some(own)) => own.sha256(),
                (None, None) => return Ok(path.to_owned()),
            };
            let found = llm_sha256(path)?;
            if found == trained {
                return Ok(path.to_owned());
            }
            Err(UsageError::new(
                format!(
                    "{}: is the language model {found}, the mapper was trained through {trained}",
                    path.display()
                ),
                "give that one; --llm-unchecked takes another form of it, such as a GGUF file \
                 made of it",
            )
            .into())
        }
    }
}

fn load_mapper(
    kind: MapperKind,
    sizes: rad3d_weights::MapperConfig,
    weights: &Checkpoint,
) -> anyhow::Result<Box<dyn Projector>> {
    let mut loader = Loader::new(weights, Vec::new());
    let linear = LinearConfig {
        input_dim: sizes.input_dim,
        width: sizes.width,
        prefix_length: sizes.prefix_length,
    };
    let mapper: Box<dyn Projector> = match kind {
        MapperKind::Transformer => {
            let config = MapperConfig {
                input_dim: sizes.input_dim,
                width: sizes.width,
                prefix_length: sizes.prefix_length,
                clip_length: sizes.clip_length,
                layers: sizes.layers,
                heads: sizes.heads,
            };
            Box::new(PrefixMapper::load(&config, &mut loader)?)
        }
        MapperKind::Linear => Box::new(LinearProjector::load(&linear, &mut loader)?),
        MapperKind::R2GenGpt => Box::new(R2GenGpt::load(&linear, &mut loader)?),
    };
    loader.finish()?;
    Ok(mapper)
}
