//! GREEN (Ostmeier 2024): what its language model wrote about a pair of reports, counted as the
//! authors' parser counts it, quirks included (spec `metrics` 6).

use std::sync::LazyLock;

use regex::Regex;

/// A section of a completion that counts errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GreenSection {
    /// `[Clinically Significant Errors]`
    Significant,
    /// `[Clinically Insignificant Errors]`; GREEN does not use it.
    Insignificant,
}

impl GreenSection {
    fn title(self) -> &'static str {
        match self {
            Self::Significant => "Clinically Significant Errors",
            Self::Insignificant => "Clinically Insignificant Errors",
        }
    }
}

/// What a completion counts. As in the reference, a section that is missing counts nothing, so
/// that a completion without a section of errors scores 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GreenCounts {
    /// Clinically significant errors (a) to (f): false finding, missing finding, wrong place,
    /// wrong severity, comparison that is not there, comparison left out.
    pub errors: [f64; 6],
    /// Findings that both reports have.
    pub matched: f64,
}

impl GreenCounts {
    /// Counts in a completion; the prompt before it may be there too.
    pub fn of(completion: &str) -> Self {
        let text = explanation(completion);
        let matched = section(&text, "Matched Findings").map_or(0.0, |matched| {
            let count = capture(&MATCHED, matched);
            count.and_then(|count| count.parse().ok()).unwrap_or(0.0)
        });
        Self {
            errors: Self::errors(completion, GreenSection::Significant),
            matched,
        }
    }

    /// Errors of one section, (a) to (f).
    pub fn errors(completion: &str, of: GreenSection) -> [f64; 6] {
        let mut counts = [0.0; 6];
        let text = explanation(completion);
        let Some(errors) = section(&text, of.title()) else {
            return counts;
        };
        let lines = |pattern: &Regex| {
            let mut lines: Vec<&str> = pattern.find_iter(errors).map(|line| line.as_str()).collect();
            // In this order the last line of a kind overwrites those before it.
            lines.sort_unstable();
            lines
        };
        let lettered = lines(&LETTERED);
        let (kinds, lines) = match lettered.is_empty() {
            true => (["(1) ", "(2) ", "(3) ", "(4) ", "(5) ", "(6) "], lines(&NUMBERED)),
            false => (["(a) ", "(b) ", "(c) ", "(d) ", "(e) ", "(f) "], lettered),
        };
        for (kind, count) in kinds.into_iter().zip(&mut counts) {
            for line in lines.iter().filter(|line| line.starts_with(kind)) {
                if let Some(found) = capture(&COUNT, line) {
                    *count = found.parse().unwrap_or(0.0);
                }
            }
        }
        counts
    }

    /// Matched findings among matched findings and significant errors; 0 without a match.
    pub fn score(&self) -> f64 {
        if self.matched == 0.0 {
            return 0.0;
        }
        self.matched / (self.matched + self.errors.iter().sum::<f64>())
    }
}

/// A pattern of this file; the tests run every one.
fn pattern(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static SECTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?s)^\s*(.*?)(?:\n\s*\n|\z)"));
static MATCHED: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(\d+)\."));
static LETTERED: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\([a-f]\) [^\n]*"));
static NUMBERED: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\([1-6]\) [^\n]*"));
static COUNT: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r": (\d+)\."));
