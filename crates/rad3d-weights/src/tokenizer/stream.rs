//! Text of tokens as they come.

use super::Tokenizer;
use crate::error::Result;

/// Decodes a growing list of tokens, giving only whole characters.
///
/// A character may be spread over several tokens, and a decoder may look at its neighbours (the
/// first space is often stripped), so the last piece of text is decoded again with each token.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// Tokens since a point where the text was whole; the first `settled` were printed.
    ids: Vec<u32>,
    settled: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self {
            tokenizer,
            skip_special,
            ids: Vec::new(),
            settled: 0,
        }
    }

    /// Adds a token; gives the text that it completes, which may be empty.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let text = self.unsettled()?;
        // A character cut in two decodes to U+FFFD: wait for the rest.
        if text.is_empty() || text.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        self.ids.drain(..self.settled);
        self.settled = self.ids.len();
        Ok(text)
    }

    /// The text of tokens held back at the end, such as half a character.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<String> {
        self.unsettled()
    }

    fn unsettled(&self) -> Result<String> {
        let printed = self
            .tokenizer
            .decode(&self.ids[..self.settled], self.skip_special)?;
        let all = self.tokenizer.decode(&self.ids, self.skip_special)?;
        Ok(all.strip_prefix(&printed).unwrap_or(&all).to_owned())
    }
}
