//! GREEN (Ostmeier 2024): what its language model wrote about a pair of reports, counted as the
//! authors' parser counts it, quirks included (spec `metrics` 6).

/// A section of a completion that lists errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GreenSection {
    /// `[Clinically Significant Errors]`
    Significant,
    /// `[Clinically Insignificant Errors]`; the score does not use it.
    Insignificant,
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
    /// Counts in a completion; the prompt may stand before it.
    pub fn of(completion: &str) -> Self {
        let text = explanation(completion);
        let matched = section(&text, "[Matched Findings]:").and_then(leading_count);
        Self {
            errors: Self::errors(completion, GreenSection::Significant),
            matched: matched.unwrap_or(0.0),
        }
    }

    /// Errors (a) to (f) of one section; (1) to (6) where there are no letters.
    pub fn errors(completion: &str, of: GreenSection) -> [f64; 6] {
        let title = match of {
            GreenSection::Significant => "[Clinically Significant Errors]:",
            GreenSection::Insignificant => "[Clinically Insignificant Errors]:",
        };
        let mut counts = [0.0; 6];
        let text = explanation(completion);
        let Some(errors) = section(&text, title) else {
            return counts;
        };
        let lettered = ["(a) ", "(b) ", "(c) ", "(d) ", "(e) ", "(f) "];
        let numbered = ["(1) ", "(2) ", "(3) ", "(4) ", "(5) ", "(6) "];
        let mut kinds = lettered;
        let mut lines = marked(errors, &lettered);
        if lines.is_empty() {
            kinds = numbered;
            lines = marked(errors, &numbered);
        }
        // In this order the last line of a kind overwrites those before it.
        lines.sort_unstable();
        for (kind, count) in kinds.iter().zip(&mut counts) {
            for line in lines.iter().filter(|line| line.starts_with(kind)) {
                let after_colon = line.match_indices(": ").map(|(at, colon)| at + colon.len());
                let mut counted =
                    after_colon.filter_map(|at| leading_count(line.get(at..).unwrap_or_default()));
                if let Some(found) = counted.next() {
                    *count = found;
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

/// What follows `[Explanation]:`, without a prompt and the language model's marks.
fn explanation(completion: &str) -> String {
    const START: &str = "[Explanation]:";
    let bare = |text: &str| text.replace("</s>", "").replace("<unk>", "");
    if !completion.contains(START) {
        return bare(completion);
    }
    let answer = completion.rsplit("<|assistant|>").next();
    let answer = bare(answer.unwrap_or(completion));
    let mut parts = answer.split(START);
    let before = parts.next().unwrap_or_default();
    parts.next().unwrap_or(before).to_owned()
}

/// A section's text up to the first blank line; `None` if there is no such section, or if it
/// begins with "No" ("None", and "Note" too).
fn section<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(title)?;
    let rest = rest.trim_start();
    let breaks = rest.match_indices('\n').map(|(at, _)| at);
    let blank = |at: &usize| {
        let after = rest.get(at + 1..).unwrap_or_default();
        let mut white = after.chars().take_while(|c| c.is_whitespace());
        white.any(|c| c == '\n')
    };
    let end = breaks.into_iter().find(blank).unwrap_or(rest.len());
    let own = rest.get(..end)?;
    (!own.starts_with("No")).then_some(own)
}

/// From the first mark of each line to the line's end.
fn marked<'a>(text: &'a str, marks: &[&str]) -> Vec<&'a str> {
    let first = |line: &'a str| {
        let places = marks.iter().filter_map(|mark| line.find(mark));
        line.get(places.min()?..)
    };
    text.split('\n').filter_map(first).collect()
}

/// The number that begins a text, if a full stop follows it.
fn leading_count(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    (rest.starts_with('.') && !number.is_empty()).then(|| number.parse().ok())?
}
