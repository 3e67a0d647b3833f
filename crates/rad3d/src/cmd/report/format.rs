//! The draft on paper: which format, and the draft in it.

use std::path::Path;

use clap::ValueEnum;
use rad3d_report::{Draft, Picture, render};

use crate::exit::UsageError;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    Text,
    /// For a program
    Json,
    /// For notes and tickets
    Markdown,
    /// One page with pictures, for a browser
    Html,
}

impl Format {
    /// What was asked for; else what the output's name says; else text.
    pub(super) fn choose(asked: Option<Self>, out: Option<&Path>) -> Result<Self, UsageError> {
        let Some(out) = out.filter(|_| asked.is_none()) else {
            return Ok(asked.unwrap_or(Self::Text));
        };
        let ending = out.extension().unwrap_or_default().to_string_lossy();
        match ending.to_lowercase().as_str() {
            "txt" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "md" | "markdown" => Ok(Self::Markdown),
            "html" | "htm" => Ok(Self::Html),
            _ => Err(UsageError::new(
                format!(
                    "{}: cannot tell what to write from this name",
                    out.display()
                ),
                "end it with .html, .txt, .md or .json, or give --format",
            )),
        }
    }

    /// The draft in this format; pictures go into HTML only.
    pub(super) fn render(self, draft: &Draft, pictures: &[Picture]) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => render::text(draft),
            Self::Json => {
                let mut json = render::json(draft)?;
                json.push('\n');
                json
            }
            Self::Markdown => render::markdown(draft),
            Self::Html => render::html(draft, pictures)?,
        })
    }
}
