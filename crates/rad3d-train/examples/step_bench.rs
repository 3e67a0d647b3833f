//! Times steps of V-3 through a frozen language model: `step_bench MODEL STEPS` prints JSON. Called
//! by benches/train_step.py, which holds the other side.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, Provenance, write_parquet};
use rad3d_train::tasks::MapperSettings;

/// Sequences of a step.
const BATCH: usize = 4;
/// Values of an embedding, as CT-CLIP's.
const EMBEDDING: usize = 512;
/// Logits behind it.
const LABELS: usize = 18;

#[expect(clippy::print_stdout, reason = "the figures are its output")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(steps)) = (arguments.next(), arguments.next()) else {
        return Err("step_bench MODEL STEPS".into());
    };
    let steps: usize = steps.parse()?;
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path(), &model, steps)?;
    let mut ends = Vec::with_capacity(steps);
    let mut losses = Vec::with_capacity(steps);
    // The first step ends the set-up.
    settings.run(&folder.path().join("run"), false, |progress| {
        ends.push(Instant::now());
        losses.push(progress.loss);
    })?;
    let seconds: Vec<f64> = ends
        .windows(2)
        .map(|two| (two[1] - two[0]).as_secs_f64())
        .collect();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next());
    let peak: f64 = peak.unwrap_or("0").parse()?;
    let told = serde_json::json!({ "step_s": seconds, "losses": losses, "peak_mb": peak / 1024.0 });
    println!("{told}");
    Ok(())
}

/// One epoch of `steps` batches of reports that fill 160 tokens.
fn settings(folder: &Path, model: &str, steps: usize) -> Result<MapperSettings, Box<dyn Error>> {
    let text = "The lungs are clear and the heart is of normal size. ".repeat(40);
    let mut csv = "id,report\n".to_owned();
    let mut rows = Vec::new();
    let cases = BATCH * steps;
    for case in 0..=cases {
        let wave = |index: usize| ((case * 31 + index * 7) as f32 * 0.37).sin() * 0.06;
        rows.push(EmbeddingRow {
            id: format!("scan{case}"),
            path: String::new(),
            embedding: (0..EMBEDDING).map(wave).collect(),
            logits: (0..LABELS).map(|label| 30.0 * wave(label)).collect(),
        });
        if case < cases {
            csv.push_str(&format!("scan{case},{text}\n"));
        }
    }
    let place = |name: &str| folder.join(name);
    std::fs::write(place("reports.csv"), csv)?;
    std::fs::write(
        place("aside.csv"),
        format!("id,report\nscan{cases},{text}\n"),
    )?;
    let provenance = Provenance {
        version: String::new(),
        tower_sha256: "0".repeat(64),
        head_sha256: None,
        recipe: "{}".to_owned(),
        labels: (0..LABELS).map(|label| format!("label {label}")).collect(),
        precision: "f32".to_owned(),
    };
    write_parquet(
        &place("table.parquet"),
        &EmbeddingTable { provenance, rows },
    )?;
    let settings = format!(
        "embeddings = {:?}\nreports = {:?}\nvalidation-reports = {:?}\nllm = {model:?}\n\
         target = \"findings\"\nmax-tokens = 160\n[fit]\nepochs = 1\nbatch-size = {BATCH}\n\
         checkpoint-steps = 100000\n",
        place("table.parquet"),
        place("reports.csv"),
        place("aside.csv"),
    );
    Ok(toml::from_str(&settings)?)
}
