//! `rad3d study table DIR`: what the finished cells say.

use std::io::Write as _;

use rad3d_study::folder::write_whole;
use rad3d_study::{StudyFolder, Summary, findings, pictures, render};

use super::TableArgs;
use crate::exit::{Outcome, UsageError};
use crate::talk;

/// Makes tables and pictures in `DIR/tables`; the Markdown goes to stdout too.
pub(super) fn run(args: &TableArgs) -> anyhow::Result<Outcome> {
    let summary = Summary::read(&StudyFolder::new(&args.study))?;
    let waiting = talk::spinner("drawing reports again for the differences");
    let found = findings(&summary)?;
    waiting.finish_and_clear();
    let markdown = render::markdown(&summary);
    let mut files = vec![
        ("table.md".to_owned(), markdown.clone()),
        ("table.csv".to_owned(), render::csv(&summary)?),
        ("table.tex".to_owned(), render::latex(&summary)),
        ("claim.md".to_owned(), render::claim(&summary, &found)),
        ("quality.svg".to_owned(), pictures::quality(&summary)),
        ("index.html".to_owned(), render::html(&summary, &found)?),
    ];
    for (label, picture) in pictures::prefixes(&summary) {
        let label = label.to_lowercase().replace(' ', "-");
        files.push((format!("prefixes-{label}.svg"), picture));
    }
    let out = args.study.join("tables");
    std::fs::create_dir_all(&out).map_err(|error| {
        let what = format!("{}: cannot be made a folder ({error})", out.display());
        UsageError::new(what, "check the folder's permissions")
    })?;
    for (name, text) in &files {
        write_whole(&out.join(name), text.as_bytes())?;
    }
    std::io::stdout().lock().write_all(markdown.as_bytes())?;
    let (failed, missing) = (summary.failed.len(), summary.missing.len());
    talk::note(&format!(
        "wrote {}: {} systems, {failed} failed, {missing} not done yet",
        out.display(),
        summary.rows.len()
    ));
    Ok(match failed + missing {
        0 => Outcome::Done,
        _ => Outcome::DoneWithFailures,
    })
}
