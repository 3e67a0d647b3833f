//! `cargo run --release -p rad3d-report --example evaluate -- LABELLED.csv [RULES.toml [LABEL]]`
//!
//! Prints precision, recall and F1 a label; with a label's name also every report on which the
//! rules and the reference differ, with the sentences that decided: for work on the rules.

use std::io::Write;

use rad3d_report::{Evaluation, Labeler, ReportTable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let table = arguments
        .next()
        .ok_or("usage: evaluate LABELLED.csv [RULES.toml [LABEL]]")?;
    let labeler = match arguments.next() {
        Some(path) => Labeler::from_toml(&path, &std::fs::read_to_string(&path)?)?,
        None => Labeler::ct_rate()?,
    };
    let shown = arguments.next();
    let shown = shown
        .as_deref()
        .map(|name| labeler.labels().index_of(name).ok_or("no such label"));
    let shown = shown.transpose()?;

    let mut out = std::io::stdout().lock();
    let mut evaluation = Evaluation::new(labeler.labels().clone());
    let started = std::time::Instant::now();
    let mut reports = 0_u32;
    for row in ReportTable::open(&table, labeler.labels())? {
        let row = row?;
        let truth = row.truth.ok_or("the table has no label columns")?;
        let labeled = labeler.label(&row.report);
        evaluation.add(&labeled.labels, &truth)?;
        reports += 1;
        let Some(label) = shown else { continue };
        let (found, expected) = (labeled.labels.values()[label], truth.values()[label]);
        if found != expected {
            writeln!(out, "{} found {found}, reference {expected}", row.id)?;
            for sentence in &labeled.sentences {
                let text = row.report.text_of(&sentence.sentence);
                let here = sentence
                    .mentions
                    .iter()
                    .filter(|mention| mention.label == label);
                let words: Vec<_> = here
                    .map(|m| {
                        let section = row.report.section(sentence.sentence.section);
                        format!("{:?} {:?}", m.status, m.span.of(section))
                    })
                    .collect();
                if !found || !words.is_empty() {
                    writeln!(out, "    {} {text}", words.join("; "))?;
                }
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        out,
        "{:<36}{:>6}{:>7}{:>7}{:>7}",
        "", "cases", "P", "R", "F1"
    )?;
    for (name, counts) in evaluation.labels.iter() {
        let cases = counts.true_positives + counts.false_negatives;
        let (p, r, f) = (counts.precision(), counts.recall(), counts.f1());
        writeln!(out, "{name:<36}{cases:>6}{p:>7.3}{r:>7.3}{f:>7.3}")?;
    }
    let (p, r) = (evaluation.macro_precision(), evaluation.macro_recall());
    let (macro_f1, micro_f1) = (evaluation.macro_f1(), evaluation.micro_f1());
    writeln!(
        out,
        "{:<42}{p:>7.3}{r:>7.3}{macro_f1:>7.4}  micro {micro_f1:.4}",
        "macro"
    )?;
    writeln!(
        out,
        "{reports} reports, {:.0} a second",
        f64::from(reports) / seconds
    )?;
    Ok(())
}
