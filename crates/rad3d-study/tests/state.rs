//! A cell's folder: begun, broken off, gone on with, finished, made anew.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::fs;

use rad3d_study::{Cell, CellRecord, Fault, Outcome, StudyFolder, WorkFolder};

fn record(hash: &str) -> CellRecord {
    CellRecord {
        cell: Cell::Template,
        hash: hash.to_owned(),
        version: "0".to_owned(),
        outcome: Outcome::Failed {
            what: "lost".to_owned(),
            hint: "look".to_owned(),
        },
    }
}

fn place() -> (tempfile::TempDir, WorkFolder) {
    let place = tempfile::tempdir().unwrap();
    let work = StudyFolder::new(place.path()).cell(&Cell::Template);
    (place, work)
}

#[test]
fn what_was_begun_is_gone_on_with_and_what_changed_is_made_anew() {
    let (_place, work) = place();
    let _lock = work.try_lock().unwrap().unwrap();
    work.begin("one").unwrap();
    let run = work.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("checkpoint"), "half").unwrap();
    // A kill here: the next process finds the checkpoint.
    work.begin("one").unwrap();
    assert!(run.join("checkpoint").exists());
    work.finish(&record("one")).unwrap();
    work.begin("two").unwrap();
    assert!(!run.exists());
    assert_eq!(work.record().unwrap(), None);
}

#[test]
fn a_kill_while_writing_leaves_no_half_record() {
    let (_place, work) = place();
    let _lock = work.lock().unwrap();
    work.begin("one").unwrap();
    // What a kill between writing and renaming leaves.
    fs::write(work.path().join("cell.json.part"), "{\"cell\":").unwrap();
    assert_eq!(work.record().unwrap(), None);
    work.finish(&record("one")).unwrap();
    assert_eq!(work.record().unwrap(), Some(record("one")));
    assert!(!work.path().join("cell.json.part").exists());
}

#[test]
fn a_kill_while_clearing_is_cleared_again() {
    let (_place, work) = place();
    let _lock = work.lock().unwrap();
    work.begin("one").unwrap();
    fs::write(work.path().join("old"), "").unwrap();
    // The hash of the old work goes before its files, so that this is what a kill leaves.
    fs::remove_file(work.path().join("begun")).unwrap();
    work.begin("one").unwrap();
    assert!(!work.path().join("old").exists());
}

#[test]
fn one_process_at_a_time() {
    let (_place, work) = place();
    let lock = work.try_lock().unwrap();
    assert!(lock.is_some());
    assert!(work.try_lock().unwrap().is_none());
    drop(lock);
    assert!(work.try_lock().unwrap().is_some());
}

#[test]
fn a_record_that_is_none_is_named() {
    let (_place, work) = place();
    let _lock = work.lock().unwrap();
    fs::write(work.path().join("cell.json"), "{}").unwrap();
    let error = work.record().unwrap_err();
    assert_eq!(error.fault, Fault::Record);
    assert!(error.path.ends_with("cells/template/cell.json"));
    assert!(error.hint.contains("remove it"));
}

#[test]
fn a_folder_without_a_study_is_named() {
    let place = tempfile::tempdir().unwrap();
    let error = StudyFolder::new(place.path()).settings().unwrap_err();
    assert!(error.what.contains("no study.toml"), "{error}");
}
