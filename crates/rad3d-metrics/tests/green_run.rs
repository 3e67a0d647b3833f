//! GREEN's prompt, and how its completions are kept: what is asked, what a killed run leaves, and
//! what a second run does again.

#![expect(clippy::unwrap_used, reason = "a test without its files has failed")]

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;

use rad3d_metrics::{
    Completer, Completion, Fault, GreenProgress, GreenPrompt, GreenRun, MetricsError, ReportText,
    read_green,
};
use serde_json::Value;

/// Finds one match and, in the candidate `bad`, one error; fails after `fails_after` answers.
#[derive(Debug)]
struct Scripted {
    sha256: &'static str,
    context: usize,
    fails_after: Cell<usize>,
    asked: RefCell<Vec<String>>,
}

impl Scripted {
    fn new(sha256: &'static str) -> Self {
        Self {
            sha256,
            context: 4096,
            fails_after: Cell::new(usize::MAX),
            asked: RefCell::default(),
        }
    }
}

impl Completer for Scripted {
    fn path(&self) -> &Path {
        Path::new("scripted")
    }

    fn sha256(&self) -> &str {
        self.sha256
    }

    fn context(&self) -> usize {
        self.context
    }

    fn tokens(&self, text: &str) -> rad3d_metrics::Result<usize> {
        Ok(text.split_whitespace().count())
    }

    fn complete(
        &self,
        texts: &[&str],
        max_tokens: usize,
        done: &mut dyn FnMut(Completion) -> rad3d_metrics::Result<()>,
    ) -> rad3d_metrics::Result<()> {
        assert_eq!(max_tokens, self.context.min(2048));
        // Texts of a batch do not end in their order.
        for (index, text) in texts.iter().enumerate().rev() {
            if self.fails_after.get() == 0 {
                let fault = MetricsError::new(Fault::Model, "scripted", "is killed", "");
                return Err(fault);
            }
            self.fails_after.set(self.fails_after.get() - 1);
            self.asked.borrow_mut().push((*text).to_owned());
            let errors = u8::from(text.contains("bad"));
            done(Completion {
                text: index,
                written: format!(
                    "[Clinically Significant Errors]:\n(a) False: {errors}. x\n\n[Matched Findings]:\n1. y"
                ),
                ended_by_itself: !text.contains("endless"),
            })?;
        }
        Ok(())
    }
}

fn prompt() -> GreenPrompt {
    GreenPrompt::new(Path::new("p.txt"), "R: {reference} C: {candidate}").unwrap()
}

fn reports(texts: &[(&str, &str)]) -> Vec<ReportText> {
    let texts = texts.iter();
    texts
        .map(|(id, text)| ReportText::whole(*id, *text))
        .collect()
}

fn run(
    model: &Scripted,
    prompt: &GreenPrompt,
    file: &Path,
) -> rad3d_metrics::Result<GreenProgress> {
    let references = reports(&[("a", "one"), ("b", "two"), ("c", "three")]);
    let hypotheses = reports(&[("a", "good"), ("b", "bad"), ("c", "endless")]);
    let run = GreenRun { model, prompt };
    let mut told = Vec::new();
    let result = run.complete(file, &references, &hypotheses, &mut |count| {
        told.push(count)
    });
    let first = told.first().copied().unwrap_or(0);
    assert!(
        told.iter().copied().eq(first..first + told.len()),
        "{told:?}"
    );
    if result.is_ok() {
        assert_eq!(read_green(file, &references).unwrap(), [1.0, 0.5, 1.0]);
        assert_eq!(told.last(), Some(&3));
    }
    result
}

#[test]
fn the_chat_holds_the_first_words_of_both_reports() {
    let long = "w ".repeat(400);
    let chat = prompt().chat(&long, "{reference}\n  \tno {candidate} ");
    let words = vec!["w"; 300].join(" ");
    assert_eq!(
        chat,
        format!(
            "<|user|>\nR: {words} C: {{reference}} no {{candidate}}</s>\n<|assistant|>\n</s>\n<|assistant|>\n"
        )
    );
    let twice = GreenPrompt::new(Path::new("p"), "{candidate}{reference}{candidate}").unwrap();
    assert!(twice.chat("a", "b").starts_with("<|user|>\nbab</s>"));
}

#[test]
fn a_template_needs_both_places() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("p.txt");
    for (text, lacks) in [
        ("{reference}", "has no {candidate}"),
        (
            "{candidates} {reference }",
            "has no {reference} and no {candidate}",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let error = GreenPrompt::read(&file).unwrap_err();
        assert_eq!((error.fault, error.what.as_str()), (Fault::Data, lacks));
        assert!(error.hint.contains("{reference} and {candidate}"));
    }
    // The line break at a file's end is the editor's.
    fs::write(&file, "R: {reference} C: {candidate}\n").unwrap();
    let read = GreenPrompt::read(&file).unwrap();
    assert_eq!(read.sha256(), prompt().sha256());
    assert_eq!(
        GreenPrompt::read(place.path()).unwrap_err().fault,
        Fault::Unreadable
    );
}

#[test]
fn a_killed_run_loses_nothing_and_a_second_does_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("green.jsonl");
    let model = Scripted::new("m");
    model.fails_after.set(2);
    assert_eq!(run(&model, &prompt(), &file).unwrap_err().what, "is killed");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
    // As if the kill had come in the middle of a line.
    let mut halved = fs::read(&file).unwrap();
    halved.truncate(halved.len() - 20);
    fs::write(&file, halved).unwrap();

    let model = Scripted::new("m");
    let progress = run(&model, &prompt(), &file).unwrap();
    let expected = GreenProgress {
        kept: 1,
        written: 2,
        cut: 1,
    };
    assert_eq!(progress, expected);
    assert_eq!(model.asked.borrow().len(), 2);
    let after = fs::read(&file).unwrap();

    let model = Scripted::new("m");
    let progress = run(&model, &prompt(), &file).unwrap();
    let expected = GreenProgress {
        kept: 3,
        written: 0,
        cut: 1,
    };
    assert_eq!(progress, expected);
    assert!(model.asked.borrow().is_empty());
    assert_eq!(fs::read(&file).unwrap(), after);
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn answers_to_another_question_are_set_aside() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("green.jsonl");
    run(&Scripted::new("m"), &prompt(), &file).unwrap();
    let first = fs::read_to_string(&file).unwrap();
    // Another model, and another prompt.
    let other = GreenPrompt::new(Path::new("p.txt"), "{reference} {candidate}").unwrap();
    for (model, prompt) in [(Scripted::new("n"), prompt()), (Scripted::new("n"), other)] {
        let before = fs::read_to_string(&file).unwrap();
        let progress = run(&model, &prompt, &file).unwrap();
        assert_eq!((progress.kept, progress.written), (0, 3));
        let old = fs::read_to_string(place.path().join("green.jsonl.old")).unwrap();
        assert_eq!(old, before);
        assert_ne!(fs::read_to_string(&file).unwrap(), first);
    }
    // One text has changed: its answer alone is made anew.
    let line = first
        .lines()
        .next()
        .unwrap()
        .replace("\"made_from\":\"", "\"made_from\":\"0");
    let rest = first.split_once('\n').unwrap().1;
    fs::write(&file, format!("{line}\n{rest}")).unwrap();
    let progress = run(&Scripted::new("m"), &prompt(), &file).unwrap();
    assert_eq!((progress.kept, progress.written), (2, 1));
    for line in fs::read_to_string(&file).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["made_from"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn prompts_without_room_are_listed_before_anything_is_run() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("green.jsonl");
    let mut model = Scripted::new("m");
    model.context = 8;
    let error = run(&model, &prompt(), &file).unwrap_err();
    let what = "with both reports fills all 8 tokens that the model may take, for 3 ids: a, b, c";
    assert_eq!((error.fault, error.what.as_str()), (Fault::Model, what));
    assert!(model.asked.borrow().is_empty() && !file.exists());
}
