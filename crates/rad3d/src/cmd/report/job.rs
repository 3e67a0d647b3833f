//! The work itself: scan and model in, draft out.

use std::path::Path;
use std::time::Instant;

use rad3d_embeddings::Familiarity;
use rad3d_report::{Draft, EmbeddingDistance, Labeler, Picture, Timing, Writing};
use rad3d_volume::{Input, Prepared, prepare};
use rad3d_weights::ModelFolder;

use super::{Args, facts, generation};
use crate::encoder::{Encoded, Encoder, recipe_of};
use crate::exit::UsageError;
use crate::pictures;
use crate::run_report::{HashedInput, hashes_of};
use crate::writer::{LlmChoice, Writer};

/// What is to be reported, by what.
pub(super) struct Job<'a> {
    pub(super) args: &'a Args,
    pub(super) folder: &'a ModelFolder,
    pub(super) labeler: &'a Labeler,
    pub(super) with_pictures: bool,
}

/// What became of it.
pub(super) struct Made {
    pub(super) draft: Draft,
    pub(super) pictures: Vec<Picture>,
    /// The scan's files, hashed.
    pub(super) inputs: Vec<HashedInput>,
    pub(super) read: Read,
}

impl Job<'_> {
    /// Does the work; `tell` hears what is being done.
    pub(super) fn run(&self, tell: impl Fn(&str)) -> anyhow::Result<Made> {
        // One core inflates the scan, another loads the model meanwhile.
        std::thread::scope(|scope| {
            let loading = scope.spawn(|| Model::open(self.folder, self.args));
            let read = Read::open(self.args, self.folder)?;
            let model = || joined(loading.join());
            let (draft, pictures, inputs) = self.report(&read, model, tell)?;
            Ok(Made {
                draft,
                pictures,
                inputs,
                read,
            })
        })
    }

    /// From a scan that was read to its draft; pictures and hashes are made beside the network.
    fn report(
        &self,
        read: &Read,
        model: impl FnOnce() -> anyhow::Result<Model>,
        tell: impl Fn(&str),
    ) -> anyhow::Result<(Draft, Vec<Picture>, Vec<HashedInput>)> {
        std::thread::scope(|scope| {
            let hashing = scope.spawn(|| -> anyhow::Result<Vec<HashedInput>> {
                self.folder.verify(|_| {})?;
                Ok(hashes_of(&read.input.files(read.chosen))?)
            });
            let draw = || scope.spawn(|| pictures::of_scan(&read.prepared));
            let drawing = self.with_pictures.then(draw);
            let mut clock = Clock::since(read.started);
            clock.lap("Reading the scan");
            let tensor = read.prepared.plan.tensor(&read.prepared.volume);
            clock.lap("Making the tensor");
            let model = model()?;
            clock.lap("Waiting for the model");
            tell("encoding the scan");
            let encoded = model.encoder.encode(&tensor)?;
            drop(tensor);
            clock.lap("Image tower and classifier");
            let distance = self.distance(&model, &encoded)?;
            tell("writing");
            let mut draft = self.write(&model, read, &encoded, &mut clock)?;
            draft.embedding = distance;
            if distance.is_some_and(|distance| distance.is_beyond()) {
                let warning = "The scan is unlike those the model was trained on. Its text is \
                               likely invention.";
                draft.warnings.insert(0, warning.into());
            }
            let pictures = match drawing {
                Some(drawing) => joined(drawing.join())?,
                None => Vec::new(),
            };
            let inputs = joined(hashing.join())?;
            clock.lap("Pictures and hashes");
            draft.timings = clock.laps;
            Ok((draft, pictures, inputs))
        })
    }

    /// How far the scan lies from those of training; refused beyond the limit.
    fn distance(
        &self,
        model: &Model,
        encoded: &Encoded,
    ) -> anyhow::Result<Option<EmbeddingDistance>> {
        let manifest = self.folder.manifest();
        let (Some(fit), Some(part)) = (&model.familiarity, &manifest.familiarity) else {
            return Ok(None);
        };
        let distance = EmbeddingDistance {
            distance: fit.distance(&encoded.embedding)?,
            typical: part.typical,
            limit: part.limit,
        };
        if !distance.is_beyond() || self.args.despite_distance {
            return Ok(Some(distance));
        }
        Err(UsageError::new(
            format!(
                "{}: is unlike the scans that the model {} was trained on: distance {:.1}, limit \
                 {:.1}, typical {:.1}",
                self.args.scan.input.display(),
                manifest.name,
                distance.distance,
                distance.limit,
                distance.typical
            ),
            "its text would be invention; use a model trained on such scans, or see it all the same \
             with --despite-distance",
        )
        .into())
    }

    /// Prefix, text, and the text held against the classifier.
    fn write(
        &self,
        model: &Model,
        read: &Read,
        encoded: &Encoded,
        clock: &mut Clock,
    ) -> anyhow::Result<Draft> {
        let (args, folder, labeler) = (self.args, self.folder, self.labeler);
        let Some(head) = model.encoder.head() else {
            return Err(no_head(folder).into());
        };
        let classified = facts::classified(head, &encoded.logits, labeler.labels(), folder)?;
        let prefix = model.writer.prefix(encoded)?;
        clock.lap("Mapper");
        let settings = args.generation.settings(model.writer.room());
        let written = model.writer.write(&prefix, &settings)?;
        clock.lap("Text");
        let name = &folder.manifest().name;
        let scan = scan_name(&args.scan.input);
        let mut draft = Draft::new(scan, name, written.report, classified, labeler)?;
        draft.weigh(&written.tokens);
        draft.warnings = facts::warnings(folder, &read.input, &read.prepared);
        if !written.ended_by_itself {
            draft.warnings.push(format!(
                "The text was cut off after {} tokens; the model did not end it.",
                written.tokens.len()
            ));
        }
        if written.repeats > 0 {
            draft.warnings.push(format!(
                "The model wrote {} of its sentences a second time; that is left out.",
                written.repeats
            ));
        }
        draft.writing = Some(Writing {
            method: generation::in_words(settings.strategy),
            tokens: written.tokens.len(),
            ended_by_itself: written.ended_by_itself,
        });
        let series = &read.input.series()[read.chosen];
        let llm = llm_in_words(folder, &model.writer, args);
        draft.provenance = facts::provenance(
            folder,
            &read.input,
            series,
            &read.prepared,
            &llm,
            args.device,
        );
        Ok(draft)
    }
}

/// A scan, read and decided on.
pub(super) struct Read {
    started: Instant,
    pub(super) input: Input,
    pub(super) chosen: usize,
    pub(super) prepared: Prepared,
}

impl Read {
    fn open(args: &Args, folder: &ModelFolder) -> anyhow::Result<Self> {
        let started = Instant::now();
        let recipe = recipe_of(folder)?;
        let options = args.scan.options()?;
        let input = Input::open(&args.scan.input)?;
        let (chosen, volume) = args.scan.read_from(&input)?;
        let prepared = prepare(volume, &recipe, &options)?;
        Ok(Self {
            started,
            input,
            chosen,
            prepared,
        })
    }
}

/// Everything of a model that writes.
struct Model {
    encoder: Encoder,
    writer: Writer,
    familiarity: Option<Familiarity>,
}

impl Model {
    fn open(folder: &ModelFolder, args: &Args) -> anyhow::Result<Self> {
        let llm = match (&args.llm, &args.llm_unchecked) {
            (Some(path), _) => LlmChoice::At(path),
            (None, Some(path)) => LlmChoice::Unchecked(path),
            (None, None) => LlmChoice::Own,
        };
        let encoder = Encoder::of_model(folder, args.device)?;
        if encoder.head().is_none() {
            return Err(no_head(folder).into());
        }
        let familiarity = folder
            .familiarity_path()
            .map(Familiarity::load)
            .transpose()?;
        Ok(Self {
            writer: Writer::open(folder, llm)?,
            encoder,
            familiarity,
        })
    }
}

fn no_head(folder: &ModelFolder) -> UsageError {
    let what = format!(
        "{}: has no head, so nothing could be held against its text",
        folder.path().display()
    );
    UsageError::new(what, "import CT-LiPro's file, or train a head")
}

/// What a reader knows the scan by: the last part of its path.
fn scan_name(input: &Path) -> String {
    let whole = std::path::absolute(input).unwrap_or_else(|_| input.to_owned());
    let name = whole.file_name().unwrap_or(input.as_os_str());
    name.to_string_lossy().into_owned()
}

fn llm_in_words(folder: &ModelFolder, writer: &Writer, args: &Args) -> String {
    let path = writer.llm_path.display();
    match (&args.llm_unchecked, &folder.manifest().llm) {
        (Some(_), _) => format!("{path}, not checked against the mapper's"),
        (None, Some(llm)) => {
            let licence = llm.files.first().map_or("", |file| &file.licence);
            format!("SHA-256 {}, licence {licence}", llm.sha256())
        }
        (None, None) => path.to_string(),
    }
}

/// Wall-clock time, step by step.
struct Clock {
    last: Instant,
    laps: Vec<Timing>,
}

impl Clock {
    fn since(last: Instant) -> Self {
        Self {
            last,
            laps: Vec::new(),
        }
    }

    /// Ends a step.
    fn lap(&mut self, step: &str) {
        let now = Instant::now();
        self.laps.push(Timing {
            step: step.to_owned(),
            seconds: now.duration_since(self.last).as_secs_f64(),
        });
        self.last = now;
    }
}

/// What a thread made; that it panicked is a fault of ours.
fn joined<T>(result: std::thread::Result<anyhow::Result<T>>) -> anyhow::Result<T> {
    result.map_err(|_| anyhow::anyhow!("a thread panicked"))?
}
