//! How sure the language model was of its own words, sentence by sentence.
//!
//! It says how usual a text is to the model, not whether it is true; a sentence that the model
//! itself hardly expected is still worth a second look.

use serde::{Deserialize, Serialize};

use crate::draft::Draft;

/// A token as it reads, and how likely the model held it.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenToken {
    /// The text it added; empty for one that only ends the text.
    pub text: String,
    /// Natural-log probability.
    pub log_probability: f64,
}

/// How the text was generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// How tokens were chosen, in words.
    pub method: String,
    /// Tokens written, the one that ended the text included.
    pub tokens: usize,
    /// Whether the model ended the text; otherwise it was cut off.
    pub ended_by_itself: bool,
}

impl Draft {
    /// Fills in the mean log-probability a token, of the whole text and of each sentence.
    ///
    /// `tokens` are those the report was parsed from, in order. A sentence that can't be found in
    /// their text, or a text without tokens, is left without.
    pub fn weigh(&mut self, tokens: &[WrittenToken]) {
        let mut text = String::new();
        let mut ends = Vec::with_capacity(tokens.len());
        for token in tokens {
            text.push_str(&token.text);
            ends.push(text.len());
        }
        let mean = |tokens: &mut dyn Iterator<Item = &WrittenToken>| {
            let (mut sum, mut count) = (0.0, 0_u32);
            for token in tokens {
                sum += token.log_probability;
                count += 1;
            }
            (count > 0).then(|| sum / f64::from(count))
        };
        self.mean_token_log_probability = mean(&mut tokens.iter());
        let mut from = 0;
        for checked in &mut self.agreement.sentences {
            let sentence = self.report.text_of(&checked.sentence);
            let Some(found) = text[from..].find(sentence) else {
                continue;
            };
            let (start, end) = (from + found, from + found + sentence.len());
            let starts = std::iter::once(0).chain(ends.iter().copied());
            // Tokens that share a character with the sentence; empty ones belong to none.
            let inside = tokens
                .iter()
                .zip(starts.zip(&ends))
                .filter(|(_, (first, last))| *first < end && **last > start && *first < **last)
                .map(|(token, _)| token);
            checked.mean_token_log_probability = mean(&mut inside.into_iter());
            from = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classified, LabelSet, LabelValues, Labeler, Report};

    fn draft(text: &str) -> Draft {
        let labels = LabelSet::ct_rate();
        let probabilities = LabelValues::from_fn(labels.clone(), |_, _| 0.1);
        let thresholds = LabelValues::from_fn(labels, |_, _| 0.5);
        let classified = Classified::new(probabilities, thresholds).unwrap();
        let labeler = Labeler::ct_rate().unwrap();
        Draft::new("scan", "model", Report::parse(text), classified, &labeler).unwrap()
    }

    fn token(text: &str, log_probability: f64) -> WrittenToken {
        WrittenToken {
            text: text.into(),
            log_probability,
        }
    }

    #[test]
    fn each_sentence_gets_the_mean_of_its_tokens() {
        let tokens = [
            token("Findings:", -8.0),
            token(" The heart", -1.0),
            token(" is normal.", -3.0),
            token(" No", -2.0),
            token(" effusion.\n", -4.0),
            token("Impression: ", -8.0),
            token("Normal.", -0.5),
            token("", -6.0),
        ];
        let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
        let mut draft = draft(&text);
        draft.weigh(&tokens);
        let sentences = &draft.agreement.sentences;
        let means: Vec<_> = sentences
            .iter()
            .map(|checked| checked.mean_token_log_probability)
            .collect();
        assert_eq!(means, [Some(-2.0), Some(-3.0), Some(-0.5)]);
        assert_eq!(draft.mean_token_log_probability, Some(-32.5 / 8.0));
    }

    /// Sentences that read the same are told apart by their order.
    #[test]
    fn the_same_sentence_twice_is_weighed_twice() {
        let tokens = [
            token("Normal.", -1.0),
            token("\nImpression: ", -9.0),
            token("Normal.", -3.0),
        ];
        let mut draft = draft("Normal.\nImpression: Normal.");
        draft.weigh(&tokens);
        let sentences = &draft.agreement.sentences;
        assert_eq!(sentences[0].mean_token_log_probability, Some(-1.0));
        assert_eq!(sentences[1].mean_token_log_probability, Some(-3.0));
    }

    #[test]
    fn no_tokens_leave_no_numbers() {
        let mut draft = draft("Normal.");
        draft.weigh(&[]);
        assert_eq!(draft.mean_token_log_probability, None);
        assert_eq!(
            draft.agreement.sentences[0].mean_token_log_probability,
            None
        );
    }
}
