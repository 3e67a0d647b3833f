//! Runs that stop and go on.
#![cfg(feature = "engine")]
#![cfg_attr(
    feature = "engine",
    expect(clippy::unwrap_used, reason = "a test without its files has failed")
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rad3d_train::Fault;
use rad3d_train::tasks::LmSettings;

fn settings(folder: &Path) -> LmSettings {
    let reports = folder.join("reports.csv");
    let mut csv = "id,report\n".to_owned();
    let organs = [
        "heart",
        "aorta",
        "trachea",
        "left lung",
        "right lung",
        "liver dome",
    ];
    let states = [
        "is normal",
        "is enlarged",
        "is displaced",
        "shows calcification",
    ];
    for case in 0..48 {
        let (a, b) = (organs[case % 6], organs[(case / 6 + 1) % 6]);
        let (x, y) = (states[case % 4], states[case / 12]);
        csv.push_str(&format!("scan{case},The {a} {x}. The {b} {y}.\n"));
    }
    std::fs::write(&reports, csv).unwrap();
    let text = format!(
        "reports = {reports:?}\nvalidation-share = 0.2\nvocabulary = 320\nwidth = 16\nlayers = 1\n\
         heads = 2\nmlp-width = 24\ncontext = 64\n[fit]\nepochs = 2\nbatch-size = 4\n\
         accumulation = 2\nlearning-rate = 1e-2\nwarmup-steps = 3\nschedule = \"cosine\"\n\
         clip-norm = 1.0\nlog-steps = 1\ncheckpoint-steps = 2\n"
    );
    toml::from_str(&text).unwrap()
}

fn losses(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .map(|event: serde_json::Value| {
            let loss = &event["values"]["loss"];
            let loss = if loss.is_null() {
                &event["values"]["validation_loss"]
            } else {
                loss
            };
            format!("{} {} {loss}", event["kind"], event["step"])
        })
        .collect()
}

#[test]
fn a_killed_run_resumed_makes_the_losses_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    settings.run(&whole, false, |_| {}).unwrap();
    for at in [3, 4, 8] {
        // Ended in the middle of a step's bookkeeping, as a kill would.
        let run = catch_unwind(AssertUnwindSafe(|| {
            settings.run(&killed, true, |progress| {
                assert!(progress.step != at, "killed")
            })
        }));
        assert!(run.is_err());
    }
    settings.run(&killed, true, |_| {}).unwrap();
    assert_eq!(losses(&whole), losses(&killed));
    let result = |run: &Path| std::fs::read(run.join("llm/model.safetensors")).unwrap();
    assert_eq!(result(&whole), result(&killed));
}

#[test]
fn a_run_is_not_written_over_and_not_resumed_with_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    let run = folder.path().join("run");
    settings.fit.epochs = 1;
    settings.run(&run, false, |_| {}).unwrap();
    let error = settings.run(&run, false, |_| {}).unwrap_err();
    assert_eq!(error.fault, Fault::Checkpoint);
    assert!(error.hint.contains("--resume"), "{}", error.hint);
    settings.fit.learning_rate = 1e-3;
    let error = settings.run(&run, true, |_| {}).unwrap_err();
    assert!(error.what.contains("other settings"), "{error}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_leaves_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.fit.learning_rate = 1e30;
    settings.fit.warmup_steps = 0;
    settings.fit.clip_norm = 0.0;
    settings.fit.checkpoint_steps = 1;
    let run = folder.path().join("run");
    let error = settings.run(&run, false, |_| {}).unwrap_err();
    assert_eq!(error.fault, Fault::Diverged);
    assert!(error.hint.contains("learning-rate"));
    assert!(run.join("checkpoint.safetensors").exists());
}
