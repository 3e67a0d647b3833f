//! Tables survive the disk, kills and merges.

use std::fs;
use std::io::Write;

use rad3d_embeddings::{
    EmbeddingRow, EmbeddingTable, Fault, Journal, Provenance, read_parquet, write_parquet,
};

fn provenance() -> Provenance {
    Provenance {
        version: "0.1.0".into(),
        tower_sha256: "ab".repeat(32),
        head_sha256: None,
        recipe: "{}".into(),
        labels: vec!["Emphysema".into(), "Atelectasis".into()],
        precision: "f32".into(),
    }
}

fn row(number: usize) -> EmbeddingRow {
    let value = |index: usize| ((number * 31 + index * 7) as f32 * 0.37).sin();
    EmbeddingRow {
        id: format!("scan-{number}.nii.gz"),
        path: format!("/données/scan-{number}.nii.gz"),
        embedding: (0..512).map(value).collect(),
        logits: if number.is_multiple_of(3) {
            Vec::new()
        } else {
            vec![value(0), -value(1)]
        },
    }
}

fn table(numbers: std::ops::Range<usize>) -> EmbeddingTable {
    EmbeddingTable {
        provenance: provenance(),
        rows: numbers.map(row).collect(),
    }
}

#[test]
fn parquet_keeps_every_bit_over_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("embeddings.parquet");
    let table = table(0..9000);
    write_parquet(&path, &table).unwrap();
    assert_eq!(read_parquet(&path).unwrap(), table);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn an_empty_table_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("embeddings.parquet");
    write_parquet(&path, &table(0..0)).unwrap();
    assert_eq!(read_parquet(&path).unwrap(), table(0..0));
}

#[test]
fn other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.parquet");
    fs::write(&path, "PAR1 but nothing else").unwrap();
    let error = read_parquet(&path).unwrap_err();
    assert_eq!(error.fault, Fault::Content);
    assert!(error.to_string().contains("notes.parquet"), "{error}");
}

#[test]
fn a_journal_goes_on_where_a_kill_left_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let (mut journal, rows) = Journal::open(&path, &provenance()).unwrap();
    assert!(rows.is_empty());
    journal.push(&row(1)).unwrap();
    journal.push(&row(2)).unwrap();
    drop(journal);
    // A kill in the middle of the third row.
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"id":"scan-3.nii.gz","path":"/sc"#)
        .unwrap();
    drop(file);
    let (mut journal, rows) = Journal::open(&path, &provenance()).unwrap();
    assert_eq!(rows, [row(1), row(2)]);
    journal.push(&row(3)).unwrap();
    drop(journal);
    let (journal, rows) = Journal::open(&path, &provenance()).unwrap();
    assert_eq!(rows, [row(1), row(2), row(3)]);
    journal.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_journal_cut_at_any_byte_gives_back_its_whole_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let (mut journal, _) = Journal::open(&path, &provenance()).unwrap();
    let short = |number| EmbeddingRow {
        embedding: vec![0.5; 3],
        ..row(number)
    };
    journal.push(&short(1)).unwrap();
    journal.push(&short(2)).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (_, rows) = Journal::open(&path, &provenance()).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(rows.len(), lines.saturating_sub(1), "cut at {cut}");
    }
}

#[test]
fn provenance_of_tables_without_a_precision_counts_as_f32() {
    let mut json = serde_json::to_value(provenance()).unwrap();
    json.as_object_mut().unwrap().remove("precision");
    let old: Provenance = serde_json::from_value(json).unwrap();
    assert_eq!(old, provenance());
    let rounded = Provenance {
        precision: "bf16".into(),
        ..provenance()
    };
    assert_eq!(old.conflict(&rounded), Some("another precision"));
}

#[test]
fn rows_of_two_models_never_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    drop(Journal::open(&path, &provenance()).unwrap());
    let other = Provenance {
        tower_sha256: "cd".repeat(32),
        ..provenance()
    };
    let error = Journal::open(&path, &other).unwrap_err();
    assert_eq!(error.fault, Fault::Mismatch);
    let mut merged = table(0..2);
    let stranger = EmbeddingTable {
        provenance: other,
        rows: vec![row(5)],
    };
    assert_eq!(
        merged.append(stranger, &path).unwrap_err().fault,
        Fault::Mismatch
    );
    assert_eq!(
        merged.append(table(1..3), &path).unwrap_err().fault,
        Fault::Duplicate
    );
    merged.append(table(2..4), &path).unwrap();
    assert_eq!(merged, table(0..4));
}
