//! What readers are asked of every report.

use std::ops::RangeInclusive;

use serde::Serialize;

/// The answers a scale allows; 5 is always the good end.
pub const POINTS: RangeInclusive<u8> = 1..=5;

/// A question with five answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scale {
    /// Its name in files.
    pub key: &'static str,
    /// Its name on pages.
    pub name: &'static str,
    /// The question.
    pub question: &'static str,
    /// What 1 means.
    pub low: &'static str,
    /// What 5 means.
    pub high: &'static str,
}

/// How many scales there are.
pub const SCALE_COUNT: usize = 4;

/// The scales, the overall one first: ranks and preferences are taken from it.
pub const SCALES: [Scale; SCALE_COUNT] = [
    Scale {
        key: "overall",
        name: "Overall quality",
        question: "How good is the report as a draft that you would correct and sign?",
        low: "useless, I would start anew",
        high: "I would sign it as it is",
    },
    Scale {
        key: "completeness",
        name: "Completeness",
        question: "Does it say everything of importance?",
        low: "most that matters is missing",
        high: "nothing that matters is missing",
    },
    Scale {
        key: "correctness",
        name: "Correctness",
        question: "Is what it says true?",
        low: "wrong in ways that could do harm",
        high: "nothing is wrong",
    },
    Scale {
        key: "readability",
        name: "Readability",
        question: "Is it clear, orderly and in a radiologist's words?",
        low: "hard to follow",
        high: "clear and orderly",
    },
];

/// An error that a reader can find in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// Its name in files.
    pub key: &'static str,
    /// Its name on pages.
    pub name: &'static str,
    /// What counts as one.
    pub about: &'static str,
}

/// The errors; [`OTHER`] among them comes with words.
pub const TAGS: [Tag; 6] = [
    Tag {
        key: "omitted",
        name: "Omitted finding",
        about: "something that matters is not said",
    },
    Tag {
        key: "hallucinated",
        name: "Hallucinated finding",
        about: "something is said that is not there",
    },
    Tag {
        key: "location",
        name: "Wrong side or place",
        about: "a true finding is put elsewhere",
    },
    Tag {
        key: "severity",
        name: "Wrong severity",
        about: "size, degree or urgency is wrong",
    },
    Tag {
        key: "contradiction",
        name: "Contradicts itself",
        about: "two statements cannot both be true",
    },
    Tag {
        key: OTHER,
        name: "Other",
        about: "say which",
    },
];

/// Key of the error that is told in words.
pub const OTHER: &str = "other";

/// Given in place of tags, says that a report was searched for errors and none was found; a report
/// without any tag is one that the reader has not answered for.
pub const NO_ERROR: &str = "none";

/// Where a scale stands in [`SCALES`].
pub(crate) fn scale_index(key: &str) -> Option<usize> {
    SCALES.iter().position(|scale| scale.key == key)
}

/// Where a tag stands in [`TAGS`].
pub(crate) fn tag_index(key: &str) -> Option<usize> {
    TAGS.iter().position(|tag| tag.key == key)
}
