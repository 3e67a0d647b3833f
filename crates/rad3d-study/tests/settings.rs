//! Settings, and the cells that they make.

use std::path::Path;

use proptest::prelude::*;
use rad3d_study::{Cell, Fault, Shard, Study};

const SMALL: &str = r#"
name = "small"
[training]
embeddings = "e.parquet"
reports = "r.csv"
labels = "l.csv"
[[test]]
name = "in"
embeddings = "e.parquet"
reports = "r.csv"
labels = "l.csv"
[[llm]]
name = "a"
folder = "llms/a"
[[llm]]
name = "b"
[llm.train]
width = 32
[llm.train.fit]
epochs = 3
[llm.mapper]
heads = 2
[lm]
reports = "t.csv"
width = 16
[lm.fit]
epochs = 1
seed = 5
[baselines]
cue-only = ["b"]
[mapper]
layers = 4
[mapper.fit]
learning-rate = 1e-3
epochs = 2
[trained.fit]
learning-rate = 1e-4
"#;

fn parse(text: &str) -> rad3d_study::Result<Study> {
    Study::parse(Path::new("study.toml"), text)
}

#[test]
fn every_combination_is_a_cell_and_baselines_come_last() {
    let study = parse(SMALL).unwrap();
    let names: Vec<String> = study.cells().iter().map(Cell::name).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    a_frozen_no-priors_transformer_prefix10_data100_seed1
    a_frozen_priors_transformer_prefix10_data100_seed1
    a_trained_no-priors_transformer_prefix10_data100_seed1
    a_trained_priors_transformer_prefix10_data100_seed1
    b_frozen_no-priors_transformer_prefix10_data100_seed1
    b_frozen_priors_transformer_prefix10_data100_seed1
    b_trained_no-priors_transformer_prefix10_data100_seed1
    b_trained_priors_transformer_prefix10_data100_seed1
    b_frozen_cue-only_transformer_prefix10_data100_seed1
    b_trained_cue-only_transformer_prefix10_data100_seed1
    template
    majority
    ");
}

#[test]
fn all_axes_cross_and_names_tell_them_apart() {
    let axes = "[matrix]\nprojector = [\"linear\", \"r2gengpt\"]\nprefix-length = [4, 8]\n\
        data-share = [0.125, 1.0]\nseed = [1, 2, 3]\nllm-mode = [\"trained\"]\npriors = [true]\n";
    let study = parse(&format!("{SMALL}{axes}")).unwrap();
    let mut names: Vec<String> = study.cells().iter().map(Cell::name).collect();
    assert_eq!(names.len(), 2 * 24 + 24 + 2);
    assert!(names.contains(&"a_trained_priors_r2gengpt_prefix8_data12.5_seed3".to_owned()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 74);
}

#[test]
fn settings_are_laid_over_each_other() {
    let study = parse(SMALL).unwrap();
    let lm = study.lm_settings(study.llm("b").unwrap()).unwrap();
    assert_eq!(lm["reports"].as_str(), Some("t.csv"));
    assert_eq!(lm["width"].as_integer(), Some(32));
    assert_eq!(lm["fit"]["epochs"].as_integer(), Some(3));
    assert_eq!(lm["fit"]["seed"].as_integer(), Some(5));
    assert_eq!(study.lm_settings(study.llm("a").unwrap()), None);
    let cells = study.cells();
    let settings = |at: usize| {
        let cell: &Cell = &cells[at];
        study.mapper_settings(cell.mapper().unwrap(), Path::new("llm"), Path::new("r.csv"))
    };
    let frozen = settings(0);
    assert_eq!(frozen["llm-mode"].as_str(), Some("frozen"));
    assert_eq!(frozen["priors"].as_bool(), Some(false));
    assert_eq!(frozen["fit"]["learning-rate"].as_float(), Some(1e-3));
    assert!(!frozen.contains_key("heads"));
    let trained = settings(7);
    assert_eq!(trained["fit"]["learning-rate"].as_float(), Some(1e-4));
    assert_eq!(trained["fit"]["epochs"].as_integer(), Some(2));
    assert_eq!(trained["heads"].as_integer(), Some(2));
    assert_eq!(trained["layers"].as_integer(), Some(4));
    assert_eq!(settings(8)["image"].as_bool(), Some(false));
}

#[test]
fn what_makes_no_study_is_named() {
    let cases = [
        ("unknown key", SMALL.replace("name = \"small\"", "nam = 1")),
        ("no test", SMALL.replace("[[test]]", "[test]")),
        ("no llm", SMALL.replace("folder = \"llms/a\"", "")),
        (
            "both",
            SMALL.replace("[llm.train]\n", "folder = \"b\"\n[llm.train]\n"),
        ),
        ("twice", SMALL.replace("name = \"b\"", "name = \"a\"")),
        ("odd name", SMALL.replace("name = \"b\"", "name = \"../b\"")),
        ("of the cell", SMALL.replace("layers = 4", "priors = true")),
        ("seed", SMALL.replace("learning-rate = 1e-4", "seed = 3")),
        ("cue", SMALL.replace("[\"b\"]", "[\"c\"]")),
        ("labels", SMALL.replacen("labels = \"l.csv\"\n", "", 1)),
        ("share", format!("{SMALL}[matrix]\ndata-share = [0.0]\n")),
        ("empty", format!("{SMALL}[matrix]\nseed = []\n")),
        (
            "picture",
            format!("{SMALL}[pictures]\nlabels = [\"Gout\"]\n"),
        ),
        ("draws", format!("{SMALL}[evaluation]\nresamples = 7\n")),
    ];
    let mut told = String::new();
    for (name, text) in cases {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.fault, Fault::Settings, "{name}");
        let what = error.what.lines().last().unwrap_or_default().to_owned();
        told += &format!("{name}: {what}\n");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn the_study_that_ships_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/study.toml");
    let study = Study::read(&path).unwrap();
    let seeing = study.cells().iter().filter(|c| !c.is_baseline()).count();
    assert_eq!((seeing, study.cells().len()), (12, 16));
}

#[test]
fn settings_written_are_read_alike() {
    let study = parse(SMALL).unwrap();
    let text = toml::to_string_pretty(&study).unwrap();
    assert_eq!(parse(&text).unwrap(), study);
}

proptest! {
    #[test]
    fn shards_are_all_cells_each_once(cells in 0..60_usize, count in 1..9_usize) {
        let mut all: Vec<usize> = (1..=count)
            .flat_map(|index| {
                let shard: Shard = format!("{index}/{count}").parse().unwrap();
                shard.of((0..cells).collect())
            })
            .collect();
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(0..cells));
    }
}

#[test]
fn shards_that_are_none() {
    for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}
