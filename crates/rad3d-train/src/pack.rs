//! A model folder of finished runs.

use std::path::{Path, PathBuf};

use rad3d_embeddings::{Familiarity, read_parquet};
use rad3d_report::LabelSet;
use rad3d_volume::Recipe;
use rad3d_weights::{
    FamiliarityPart, FileRecord, HeadPart, LabelPart, LlmKind, LlmPart, MANIFEST_VERSION, Manifest,
    MapperPart, RecipeChoice, TowerConfig, TowerPart,
};
use serde::Deserialize;

use crate::error::{Fault, Result, TrainError};
use crate::mapper_run::{MAPPER_FILE, MapperRun, settings_of};

/// What goes into a model folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pack {
    /// The model's name.
    pub name: String,
    /// What every reader of its drafts must know first.
    pub notice: Option<String>,
    /// Licence of everything in it.
    pub licence: String,
    /// Where the weights come from, for the record.
    pub source: String,
    /// Folder of a `train tower` run.
    pub tower_run: PathBuf,
    /// Folder of a `train mapper` run.
    pub mapper_run: Option<PathBuf>,
    /// Hugging Face folder of the language model; of a V-1 run, the folder its weights were put
    /// in.
    pub llm: Option<PathBuf>,
    /// Training embeddings, for the distance of a scan from them.
    pub training_embeddings: Option<PathBuf>,
    /// Embeddings held out, which say what distances are usual.
    pub held_out_embeddings: Option<PathBuf>,
}

/// The part of a tower run's settings that a model needs.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TowerRun {
    recipe: String,
    tower: TowerConfig,
}

/// Files of a Hugging Face folder that a model needs, and some of which there must be.
const LLM_FILES: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

impl Pack {
    /// Copies everything into `out`, the manifest last.
    ///
    /// # Errors
    /// [`Fault::Output`] if `out` holds a model already or can't be written; faults of the runs.
    pub fn write(&self, out: &Path) -> Result<Manifest> {
        let file = out.join("model.toml");
        if file.exists() {
            let hint = "give another folder, or remove this one first";
            return Err(TrainError::new(
                Fault::Output,
                file,
                "is there already",
                hint,
            ));
        }
        std::fs::create_dir_all(out).map_err(|error| TrainError::unwritable(out, error))?;
        let tower_run: TowerRun = settings_of(&self.tower_run)?;
        let recipe = Recipe::find(&tower_run.recipe)?;
        let table = toml::Table::try_from(&recipe).map_err(|e| TrainError::unwritable(&file, e))?;
        let tower = TowerPart {
            file: self.copy(&self.tower_run, "tower.safetensors", out)?,
            config: tower_run.tower,
        };
        let head = HeadPart {
            file: self.copy(&self.tower_run, "head.safetensors", out)?,
            labels: calibration(&self.tower_run.join("calibration.csv"))?,
        };
        let llm = self.llm(out)?;
        let mapper = match &self.mapper_run {
            Some(run) => Some(self.mapper(run, out, &tower, &llm)?),
            None => None,
        };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            name: self.name.clone(),
            notice: self.notice.clone(),
            recipe: RecipeChoice::Table(table),
            familiarity: self.familiarity(out, &tower)?,
            tower,
            head: Some(head),
            mapper,
            llm,
        };
        let text = manifest.to_toml()?;
        // What is written must be read again by the same checks that every model passes.
        Manifest::parse(&file, &text)?;
        std::fs::write(&file, text).map_err(|error| TrainError::unwritable(&file, error))?;
        Ok(manifest)
    }

    fn copy(&self, from: &Path, name: &str, out: &Path) -> Result<FileRecord> {
        let source = from.join(name);
        std::fs::copy(&source, out.join(name))
            .map_err(|error| TrainError::unreadable(&source, error))?;
        Ok(FileRecord::of(out, name, &self.source, &self.licence)?)
    }

    fn llm(&self, out: &Path) -> Result<Option<LlmPart>> {
        let Some(folder) = &self.llm else {
            return Ok(None);
        };
        let inner = out.join("llm");
        std::fs::create_dir_all(&inner).map_err(|error| TrainError::unwritable(&inner, error))?;
        let mut files = Vec::new();
        for name in LLM_FILES {
            let source = folder.join(name);
            std::fs::copy(&source, inner.join(name))
                .map_err(|error| TrainError::unreadable(&source, error))?;
            let record = FileRecord::of(out, format!("llm/{name}"), &self.source, &self.licence)?;
            files.push(record);
        }
        Ok(Some(LlmPart {
            kind: LlmKind::HuggingFace,
            files,
        }))
    }

    fn mapper(
        &self,
        run: &Path,
        out: &Path,
        tower: &TowerPart,
        llm: &Option<LlmPart>,
    ) -> Result<MapperPart> {
        let mapper = MapperRun::open(run)?;
        Ok(MapperPart {
            kind: mapper.kind,
            inputs: Some(mapper.inputs),
            target: mapper.target,
            prompt: mapper.prompt,
            file: self.copy(run, MAPPER_FILE, out)?,
            tower_sha256: tower.file.sha256.clone(),
            llm_sha256: llm.as_ref().map(LlmPart::sha256),
            config: mapper.config,
        })
    }

    fn familiarity(&self, out: &Path, tower: &TowerPart) -> Result<Option<FamiliarityPart>> {
        let (Some(training), Some(held_out)) =
            (&self.training_embeddings, &self.held_out_embeddings)
        else {
            return Ok(None);
        };
        let (training, held_out) = (read_parquet(training)?, read_parquet(held_out)?);
        let found = Familiarity::fit(training.rows.iter().map(|row| &*row.embedding))?;
        let limits = found.limits(held_out.rows.iter().map(|row| &*row.embedding))?;
        let name = "familiarity.safetensors";
        found.save(out.join(name))?;
        Ok(Some(FamiliarityPart {
            file: FileRecord::of(out, name, &self.source, &self.licence)?,
            tower_sha256: tower.file.sha256.clone(),
            typical: limits.typical,
            limit: limits.limit,
        }))
    }
}

/// The head's labels and their calibration.
fn calibration(path: &Path) -> Result<Vec<LabelPart>> {
    let unreadable = |error| TrainError::unreadable(path, error);
    let mut labels = Vec::new();
    #[derive(Deserialize)]
    struct Row {
        label: String,
        temperature: f32,
        threshold: f32,
    }
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    for row in reader.deserialize() {
        let Row {
            label,
            temperature,
            threshold,
        } = row.map_err(unreadable)?;
        labels.push(LabelPart {
            name: label,
            temperature,
            threshold,
        });
    }
    // Names that the labeler's rules know keep their calibration; order is the head's.
    LabelSet::new(labels.iter().map(|label| label.name.clone()))?;
    Ok(labels)
}
