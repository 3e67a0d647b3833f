//! What a reader is told of scan and model beside the text: where all came from, what to beware of.

use rad3d_nn::AbnormalityHead;
use rad3d_report::{Classified, LabelSet, LabelValues, Provenance};
use rad3d_volume::{Input, Prepared, SeriesSummary};
use rad3d_weights::{FileRecord, ModelFolder};

use crate::device::Device;
use crate::exit::UsageError;

/// The head's verdict on the labels that the labeler speaks of.
///
/// # Errors
/// When the head lacks one of them: then a sentence could not be held against it.
pub(super) fn classified(
    head: &AbnormalityHead,
    logits: &[f32],
    labels: &LabelSet,
    model: &ModelFolder,
) -> anyhow::Result<Classified> {
    let scores = head.calibration().iter().zip(logits);
    let rows: Vec<_> = head
        .labels()
        .iter()
        .zip(scores)
        .map(|(name, (calibration, &logit))| {
            (
                name,
                calibration.score(logit).probability,
                calibration.threshold,
            )
        })
        .collect();
    let mut probabilities = Vec::with_capacity(labels.len());
    let mut thresholds = Vec::with_capacity(labels.len());
    for wanted in labels.names() {
        let Some((_, probability, threshold)) = rows.iter().find(|(name, ..)| *name == wanted)
        else {
            return Err(UsageError::new(
                format!(
                    "{}: its head does not know the label {wanted:?}",
                    model.path().display()
                ),
                "give rules for the head's own labels with --rules (see rad3d label --help)",
            )
            .into());
        };
        probabilities.push(*probability);
        thresholds.push(*threshold);
    }
    Ok(Classified::new(
        LabelValues::new(labels.clone(), probabilities)?,
        LabelValues::new(labels.clone(), thresholds)?,
    )?)
}

/// What a reader must know first.
pub(super) fn warnings(model: &ModelFolder, input: &Input, prepared: &Prepared) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_phantom(input, prepared) {
        warnings.push("This scan is a synthetic phantom. It shows no patient.".into());
    }
    warnings.extend(model.manifest().notice.clone());
    warnings.extend(prepared.warnings.iter().cloned());
    warnings
}

/// Whether the scan was made by `rad3d phantom`: DICOM says so itself; NIfTI lies under a folder
/// whose manifest does.
fn is_phantom(input: &Input, prepared: &Prepared) -> bool {
    if prepared.volume.facts.scanner.as_deref() == Some("rad3d phantom") {
        return true;
    }
    // DIR/train/train_1/train_1_a/train_1_a_1.nii.gz
    let Ok(path) = std::path::absolute(input.path()) else {
        return false;
    };
    path.ancestors().skip(1).take(4).any(|folder| {
        let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        manifest["generator"]
            .as_str()
            .is_some_and(|generator| generator.starts_with("rad3d-phantom"))
    })
}

/// One line each: scan, preprocessing, the model's files, the program.
pub(super) fn provenance(
    model: &ModelFolder,
    input: &Input,
    series: &SeriesSummary,
    prepared: &Prepared,
    llm: &str,
    device: Device,
) -> Vec<Provenance> {
    let geometry = &prepared.volume.geometry;
    let [i, j, k] = geometry.dims_ijk();
    let [x, y, z] = geometry.spacing_mm().map(|mm| (mm * 1e3).round() / 1e3);
    let facts = &series.facts;
    let manifest = model.manifest();
    let recipe = &prepared.plan.recipe;
    let [d, h, w] = recipe.size;
    let mut lines = vec![
        ("Scan", input.path().display().to_string()),
        (
            "Grid",
            format!(
                "{i} × {j} × {k} voxels of {x} × {y} × {z} mm, {}",
                series.format
            ),
        ),
    ];
    for (name, value) in [
        ("Series", &facts.series_description),
        ("Scanner", &facts.scanner),
        ("Kernel", &facts.kernel),
    ] {
        lines.extend(value.clone().map(|value| (name, value)));
    }
    lines.push(("Hounsfield units", prepared.hu.because.clone()));
    lines.push(("Lung seen", format!("{:.0} ml", prepared.chest.lung_ml)));
    lines.push(("Recipe", format!("{}, {d} × {h} × {w} voxels", recipe.name)));
    lines.push((
        "Model",
        format!("{} in {}", manifest.name, model.path().display()),
    ));
    let mut part = |name: &'static str, file: &FileRecord| {
        let (sha256, licence) = (&file.sha256, &file.licence);
        lines.push((name, format!("SHA-256 {sha256}, licence {licence}")));
    };
    part("Tower", &manifest.tower.file);
    if let Some(head) = &manifest.head {
        part("Head", &head.file);
    }
    if let Some(mapper) = &manifest.mapper {
        part("Mapper", &mapper.file);
    }
    if let Some(familiarity) = &manifest.familiarity {
        part("Distances", &familiarity.file);
    }
    lines.push(("Language model", llm.to_owned()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    lines.push((
        "Program",
        format!(
            "rad3d {}, {}, {threads} threads",
            env!("CARGO_PKG_VERSION"),
            device.in_words()
        ),
    ));
    let line = |(name, value): (&str, String)| Provenance {
        name: name.to_owned(),
        value,
    };
    lines.into_iter().map(line).collect()
}
