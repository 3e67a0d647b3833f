//! Tables in Markdown.

use std::fmt::Write as _;

use super::{COSTS, Figure, costs, figures, gaps};
use crate::summary::{COLUMNS, Row, Summary};

/// A table of scores a test, one of costs, and what is missing.
#[must_use]
pub fn markdown(summary: &Summary) -> String {
    let mut text = format!("# {}\n", summary.study.name);
    for test in summary.tests() {
        let reports = summary
            .rows
            .first()
            .and_then(|row| row.judged(test))
            .map_or(0, |judged| judged.observed.ids.len());
        let _ = write!(text, "\n## {test} ({reports} reports)\n\n| |");
        for (_, title) in COLUMNS {
            let _ = write!(text, " {title} |");
        }
        let _ = write!(text, "\n|---|{}\n", "---|".repeat(COLUMNS.len()));
        for row in summary.cells() {
            line(&mut text, summary, row, test, &row.title);
        }
        for row in summary.baselines() {
            line(&mut text, summary, row, test, &format!("*{}*", row.title));
        }
    }
    text.push_str(
        "\nBrackets hold 95 % intervals of the paired bootstrap over the reports. Bold: the most \
         of a column among systems that see the image. In italics, beneath: the baselines.\n",
    );
    let _ = write!(
        text,
        "\n## Cost\n\n| | {} |\n|---|{}\n",
        COSTS.join(" | "),
        "---|".repeat(COSTS.len())
    );
    for row in summary.rows.iter() {
        let _ = writeln!(text, "| {} | {} |", row.title, costs(row).join(" | "));
    }
    text.push_str("\nParameters are those of projector and language model, without the tower.\n");
    for gap in gaps(summary) {
        let _ = write!(text, "\n- {gap}");
    }
    if !gaps(summary).is_empty() {
        text.push('\n');
    }
    text
}

fn line(text: &mut String, summary: &Summary, row: &Row, test: &str, title: &str) {
    let _ = write!(text, "| {title} |");
    for figure in figures(summary, row, test) {
        let _ = write!(text, " {} |", figure.map_or("–".to_owned(), shown));
    }
    text.push('\n');
}

fn shown(figure: Figure) -> String {
    let Figure { score, is_best } = figure;
    let value = match is_best {
        true => format!("**{:.3}**", score.value),
        false => format!("{:.3}", score.value),
    };
    format!("{value} [{:.3}, {:.3}]", score.low, score.high)
}
