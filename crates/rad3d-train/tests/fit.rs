//! Runs that stop and go on.
#![cfg(feature = "engine")]
#![cfg_attr(
    feature = "engine",
    expect(clippy::unwrap_used, reason = "a test without its files has failed")
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// Names the folder of the run that a child process makes.
const CHILD: &str = "RAD3D_TEST_RUN";

/// Many short epochs, so that there is time to interfere.
fn long_settings(folder: &Path) -> LmSettings {
    let mut settings = settings(folder);
    settings.fit.epochs = 60;
    settings
}

/// A process of its own, for the tests below, which start it by this name.
#[test]
#[ignore = "started by other tests"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let folder = Path::new(&folder);
    let settings = long_settings(folder);
    if let Err(error) = settings.run(&folder.join("run"), true, |_| {}) {
        eprintln!("{error}; hint: {}", error.hint);
        std::process::exit(9);
    }
}

/// The command that starts [`child`], behind a line of shell.
fn start(folder: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell}exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::null());
    command
}

/// The step of the checkpoint in `run`.
fn step_of(run: &Path) -> u64 {
    let file = rad3d_weights::Checkpoint::open(run.join("checkpoint.safetensors")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&file.metadata()["rad3d.train"]).unwrap();
    state["step"].as_u64().unwrap()
}

/// Starts a run in a process of its own and kills it once it has a checkpoint.
#[cfg(unix)]
fn kill_nine(folder: &Path) {
    use std::os::unix::process::ExitStatusExt;
    let mut child = start(folder, "").spawn().unwrap();
    let checkpoint = folder.join("run/checkpoint.safetensors");
    for _ in 0..6_000 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it ended before");
}

#[test]
#[cfg(unix)]
fn kill_nine_loses_at_most_one_interval() {
    let folder = tempfile::tempdir().unwrap();
    let settings = long_settings(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("run"));
    kill_nine(folder.path());
    let kept = step_of(&killed);
    let made = losses(&killed).len() as u64;
    // Events are told before the checkpoint of their step; an epoch's line is one more.
    assert!(kept >= 2 && made <= kept + 2 + 2, "{kept} of {made}");
    settings.run(&killed, true, |_| {}).unwrap();
    settings.run(&whole, false, |_| {}).unwrap();
    assert_eq!(losses(&whole), losses(&killed));
    let result = |run: &Path| std::fs::read(run.join("llm/model.safetensors")).unwrap();
    assert_eq!(result(&whole), result(&killed));
}

/// Files may not grow beyond a limit, which a checkpoint exceeds: writing fails halfway, as on a
/// full disk, without needing one.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_the_last_checkpoint_whole() {
    let folder = tempfile::tempdir().unwrap();
    let settings = long_settings(folder.path());
    let run = folder.path().join("run");
    kill_nine(folder.path());
    let before = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let blocks = before.len() / 512 / 2;
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; ");
    let out = start(folder.path(), &limit)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(9), "{said}");
    assert!(said.contains("checkpoint.safetensors"), "{said}");
    assert!(said.contains("hint:"), "{said}");
    let after = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    assert!(before == after, "the checkpoint was touched");
    let left = std::fs::read_dir(&run).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
    // With room again it goes on to the end.
    settings.run(&run, true, |_| {}).unwrap();
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
