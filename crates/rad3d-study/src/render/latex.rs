//! Tables in LaTeX, for `booktabs`.

use std::fmt::Write as _;

use super::{Figure, figures};
use crate::summary::{COLUMNS, Row, Summary};

/// One table a test: systems, then the baselines under a rule. Needs `\usepackage{booktabs}`.
#[must_use]
pub fn latex(summary: &Summary) -> String {
    let mut text = String::new();
    for test in summary.tests() {
        let _ = write!(
            text,
            "\\begin{{table}}\n\\centering\\small\n\\begin{{tabular}}{{l{}}}\n\\toprule\n",
            "c".repeat(COLUMNS.len())
        );
        for (_, title) in COLUMNS {
            let _ = write!(text, " & {title}");
        }
        text.push_str(" \\\\\n\\midrule\n");
        for row in summary.cells() {
            line(&mut text, summary, row, test);
        }
        text.push_str("\\midrule\n");
        for row in summary.baselines() {
            line(&mut text, summary, row, test);
        }
        let _ = write!(
            text,
            "\\bottomrule\n\\end{{tabular}}\n\\caption{{{}, {}. Small: 95\\,\\% intervals of the \
             paired bootstrap. Bold: the most among systems that see the image.}}\n\
             \\end{{table}}\n\n",
            escaped(&summary.study.name),
            escaped(test)
        );
    }
    text
}

fn line(text: &mut String, summary: &Summary, row: &Row, test: &str) {
    text.push_str(&escaped(&row.title));
    for figure in figures(summary, row, test) {
        let _ = write!(text, " & {}", figure.map_or("--".to_owned(), shown));
    }
    text.push_str(" \\\\\n");
}

fn shown(Figure { score, is_best }: Figure) -> String {
    let value = match is_best {
        true => format!("\\textbf{{{:.3}}}", score.value),
        false => format!("{:.3}", score.value),
    };
    format!("{value} {{\\tiny[{:.3}, {:.3}]}}", score.low, score.high)
}

/// Text in which LaTeX's own characters are letters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}
