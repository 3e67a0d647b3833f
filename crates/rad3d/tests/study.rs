//! `rad3d study`: calls that cannot work; with the engine, a tiny matrix from nothing to tables.
//!
//! The latter is run by hand: `cargo nextest run --release -p rad3d --features train --test study`.

mod common;

use std::fs;

use common::{assert_code, rad3d, text, told};

#[test]
fn a_folder_without_a_study_is_named() {
    let place = tempfile::tempdir().unwrap();
    let output = rad3d(&["study", "table", text(place.path())]);
    assert_code(&output, 2);
    insta::assert_snapshot!(told(&output, &[(place.path(), "[place]")]), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: [place]: is the folder of no study: it has no study.toml
    hint: give the folder of rad3d study run --out
    ");
    fs::write(place.path().join("study.toml"), "name = 3\n").unwrap();
    let output = rad3d(&["study", "table", text(place.path())]);
    assert_code(&output, 2);
    assert!(common::stderr(&output).contains("docs/reference-study.md"));
}

#[cfg(feature = "train")]
#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
mod with_the_engine {
    use std::path::Path;
    use std::process::Output;

    use rad3d_embeddings::{EmbeddingRow, EmbeddingTable, Provenance, write_parquet};
    use rad3d_report::LabelSet;

    use super::*;

    const LATENT: usize = 8;
    const SENTENCES: [(&str, &str, &str); 3] = [
        (
            "Cardiomegaly",
            "The heart is enlarged.",
            "The heart has a normal size.",
        ),
        (
            "Pleural effusion",
            "There is a pleural effusion.",
            "There is no pleural effusion.",
        ),
        ("Emphysema", "Emphysema is seen.", "No emphysema is seen."),
    ];

    fn has(scan: usize, label: usize) -> bool {
        (scan >> label) & 1 == 1
    }

    /// Reports, labels and embeddings of scans: the embedding tells the labels plainly.
    fn data(place: &Path, name: &str, scans: std::ops::Range<usize>) {
        let labels = LabelSet::ct_rate();
        let names: Vec<String> = labels.names().map(str::to_owned).collect();
        let mut reports = "id,findings,impression\n".to_owned();
        let mut table = format!("id,{}\n", names.join(","));
        let mut rows = Vec::new();
        for scan in scans {
            let said: Vec<&str> = SENTENCES
                .iter()
                .enumerate()
                .map(|(label, (_, yes, no))| if has(scan, label) { *yes } else { *no })
                .collect();
            reports += &format!("scan{scan},{},As above.\n", said.join(" "));
            let present: Vec<bool> = names
                .iter()
                .map(|name| {
                    let at = SENTENCES.iter().position(|(label, ..)| label == name);
                    at.is_some_and(|at| has(scan, at))
                })
                .collect();
            let flags: Vec<&str> = present.iter().map(|p| if *p { "1" } else { "0" }).collect();
            table += &format!("scan{scan},{}\n", flags.join(","));
            let sign = |present: bool| if present { 1.0 } else { -1.0 };
            let values = (0..LATENT).map(|at| 0.35 * sign(has(scan, at % SENTENCES.len())));
            rows.push(EmbeddingRow {
                id: format!("scan{scan}"),
                path: String::new(),
                embedding: values.collect(),
                logits: present.iter().map(|present| 2.0 * sign(*present)).collect(),
            });
        }
        let provenance = Provenance {
            version: "0".to_owned(),
            tower_sha256: "t".to_owned(),
            head_sha256: Some("h".to_owned()),
            recipe: "{}".to_owned(),
            precision: "f32".to_owned(),
            labels: names,
        };
        fs::write(place.join(format!("{name}.csv")), reports).unwrap();
        fs::write(place.join(format!("{name}-labels.csv")), table).unwrap();
        let table = EmbeddingTable { provenance, rows };
        write_parquet(&place.join(format!("{name}.parquet")), &table).unwrap();
    }

    fn settings(place: &Path, more: &str) {
        let at = |name: &str| place.join(name).display().to_string();
        let text = format!(
            "name = \"Tiny\"\n\
             [training]\nembeddings = {:?}\nreports = {:?}\nlabels = {:?}\n\
             [[test]]\nname = \"in domain\"\nembeddings = {:?}\nreports = {:?}\nlabels = {:?}\n\
             [[llm]]\nname = \"tiny\"\n[llm.train]\nwidth = 16\nlayers = 1\nheads = 2\n\
             mlp-width = 24\n\
             [lm]\nreports = {:?}\nvalidation-share = 0.2\nvocabulary = 320\ncontext = 96\n\
             [lm.fit]\nepochs = 2\nlearning-rate = 1e-2\n\
             [baselines]\ncue-only = [\"tiny\"]\n\
             [mapper]\ntarget = \"findings\"\nvalidation-share = 0.2\nlayers = 1\nheads = 2\n\
             clip-length = 2\n\
             [mapper.fit]\nepochs = 2\nlearning-rate = 1e-2\ncheckpoint-steps = 2\n\
             [matrix]\nprefix-length = [2]\n\
             [generation]\nmax-tokens = 40\nbatch = 5\n\
             [evaluation]\nresamples = 200\n{more}",
            at("train.parquet"),
            at("train.csv"),
            at("train-labels.csv"),
            at("test.parquet"),
            at("test.csv"),
            at("test-labels.csv"),
            at("train.csv"),
        );
        fs::write(place.join("study.toml"), text).unwrap();
    }

    fn run(place: &Path, more: &[&str]) -> Output {
        let (study, out) = (place.join("study.toml"), place.join("study"));
        let call = ["study", "run", text(&study), "--out", text(&out)];
        rad3d(&[call.as_slice(), more].concat())
    }

    #[test]
    fn a_tiny_matrix_from_nothing_to_tables() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        data(place, "train", 0..48);
        data(place, "test", 48..64);
        settings(place, "");
        for shard in ["1/2", "2/2"] {
            assert_code(&run(place, &["--shard", shard]), 0);
        }
        let again = run(place, &[]);
        assert_code(&again, 0);
        let told = common::stderr(&again);
        assert!(
            told.contains("8 cells, 8 done before, 0 done now"),
            "{told}"
        );
        let cells = place.join("study/cells");
        let one = cells.join("tiny_trained_priors_transformer_prefix2_data100_seed1");
        let record = fs::read_to_string(one.join("cell.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert!(record["trainable_parameters"].as_u64() == record["total_parameters"].as_u64());
        assert_eq!(
            record["tests"][0]["own"]["observed"]["ids"]
                .as_array()
                .unwrap()
                .len(),
            16
        );
        assert!(!one.join("run/checkpoint.safetensors").exists());
        assert!(one.join("in-domain.csv").exists());

        // A cell that lost its record is made again from its finished training; others are not.
        fs::remove_file(one.join("cell.json")).unwrap();
        let told = common::stderr(&run(place, &[]));
        assert!(told.contains("7 done before, 1 done now"), "{told}");
        let second = fs::read_to_string(one.join("cell.json")).unwrap();
        let second: serde_json::Value = serde_json::from_str(&second).unwrap();
        assert_eq!(record["training_seconds"], second["training_seconds"]);
        assert_eq!(record["tests"][0]["own"], second["tests"][0]["own"]);

        let out = place.join("study");
        let table = rad3d(&["study", "table", text(&out)]);
        assert_code(&table, 0);
        assert!(common::stdout(&table).contains("| tiny V-1 + priors |"));
        for file in [
            "table.csv",
            "table.tex",
            "claim.md",
            "quality.svg",
            "index.html",
        ] {
            assert!(out.join("tables").join(file).exists(), "{file}");
        }
    }

    #[test]
    fn a_cell_that_fails_is_recorded_and_the_rest_goes_on() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        data(place, "train", 0..48);
        data(place, "test", 48..64);
        // No loss stays finite at this rate.
        let more = "[trained.fit]\nlearning-rate = 1e30\n";
        settings(place, more);
        let output = run(place, &[]);
        assert_code(&output, 1);
        let told = common::stderr(&output);
        assert!(told.contains("lower fit.learning-rate"), "{told}");
        let out = place.join("study");
        let table = rad3d(&["study", "table", text(&out)]);
        assert_code(&table, 1);
        let told = common::stdout(&table);
        assert!(
            told.contains("| tiny V-3 |") && told.contains("failed: "),
            "{told}"
        );
        // Other settings of these cells make them anew, and leave the others as they are.
        settings(place, "[trained.fit]\nlearning-rate = 1e-3\n");
        let output = run(place, &[]);
        assert_code(&output, 0);
        let told = common::stderr(&output);
        assert!(told.contains("5 done before, 3 done now"), "{told}");
    }

    #[test]
    fn settings_that_make_no_training_stop_the_study_at_once() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        data(place, "train", 0..48);
        data(place, "test", 48..64);
        settings(place, "[trained]\nlayer = 3\n");
        let output = run(place, &[]);
        assert_code(&output, 2);
        let told = common::stderr(&output);
        assert!(
            told.contains("layer") && told.contains("reference-training"),
            "{told}"
        );
        assert!(!place.join("study/cells").exists());
    }
}
