//! The words of one sentence, by the rules of the Penn Treebank as NLTK improved them
//! (`NLTKWordTokenizer`).
//!
//! NLTK runs some thirty substitutions over the sentence, each over what the one before left.
//! They are kept here in their order, each skipped when its marks do not occur.

/// `sentence` with white space wherever words are parted.
pub(super) fn spaced(sentence: &str) -> String {
    let mut line = Line(sentence.to_owned());
    line.opening_quotes();
    line.punctuation();
    line.pad(|c| "[](){}<>".contains(c));
    line.replace("--", " -- ");
    line.0.insert(0, ' ');
    line.0.push(' ');
    line.closing_quotes();
    line.contractions();
    line.0
}

/// A sentence on its way to being words.
struct Line(String);

/// The short forms after an apostrophe before which no word is parted.
const CLITICS: [&str; 8] = ["re", "ve", "ll", "m", "t", "s", "d", "n"];

impl Line {
    fn has(&self, wanted: impl Fn(char) -> bool) -> bool {
        self.0.contains(wanted)
    }

    fn replace(&mut self, from: &str, to: &str) {
        if self.0.contains(from) {
            self.0 = self.0.replace(from, to);
        }
    }

    /// Puts spaces around single characters.
    fn pad(&mut self, wanted: impl Fn(char) -> bool) {
        if self.has(&wanted) {
            let mut out = String::with_capacity(self.0.len() + 16);
            for c in self.0.chars() {
                if wanted(c) {
                    out.extend([' ', c, ' ']);
                } else {
                    out.push(c);
                }
            }
            self.0 = out;
        }
    }

    /// Puts spaces around runs of at least `least` characters `mark`.
    fn pad_runs(&mut self, mark: char, least: usize) {
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find(mark) {
            let (before, from) = rest.split_at(at);
            let after = from.trim_start_matches(mark);
            let (run, _) = from.split_at(from.len() - after.len());
            out.push_str(before);
            let pad = if run.len() >= least * mark.len_utf8() {
                " "
            } else {
                ""
            };
            out.extend([pad, run, pad]);
            rest = after;
        }
        out.push_str(rest);
        self.0 = out;
    }

    fn opening_quotes(&mut self) {
        self.pad(|c| "«“‘„".contains(c));
        if self.has(|c| c == '`') {
            self.pad_runs('`', 1);
        }
        if let Some(rest) = self.0.strip_prefix('"') {
            self.0 = format!("``{rest}");
        }
        self.replace("``", " `` ");
        if self.has(|c| c == '"' || c == '\'') {
            self.quotes_after_brackets();
            self.apostrophes_before_words();
        }
    }

    /// A double quote after a blank or an opening bracket opens.
    fn quotes_after_brackets(&mut self) {
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            out.push(c);
            if !" ([{<".contains(c) {
                continue;
            }
            let rest = self.0.get(at + c.len_utf8()..).unwrap_or_default();
            let skip = match rest.strip_prefix('"') {
                Some(_) => 1,
                None if rest.starts_with("''") => 2,
                None => continue,
            };
            out.push_str(" `` ");
            chars.nth(skip - 1);
        }
        self.0 = out;
    }

    /// An apostrophe before a word, and after none, is parted unless a short form follows.
    fn apostrophes_before_words(&mut self) {
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut before = None;
        for (at, c) in self.0.char_indices() {
            out.push(c);
            if c == '\'' && !before.is_some_and(is_word) {
                let rest = self.0.get(at + 1..).unwrap_or_default();
                if rest.starts_with(is_word) && !CLITICS.iter().any(|word| begins(rest, word)) {
                    out.push(' ');
                }
            }
            before = Some(c);
        }
        self.0 = out;
    }

    fn punctuation(&mut self) {
        self.final_stop();
        if self.has(|c| c == ':' || c == ',') {
            self.colons_and_commas();
        }
        if self.0.contains("..") {
            self.pad_runs('.', 2);
        }
        self.pad(|c| ";@#$%&".contains(c) || ('\u{2012}'..='\u{2015}').contains(&c));
        self.pad(|c| c == '?' || c == '!');
        if self.0.contains("' ") {
            self.apostrophes_before_blanks();
        }
        self.pad(|c| c == '*');
    }

    /// Parts the full stop that ends the sentence, and what closes after it.
    fn final_stop(&mut self) {
        let bare = self.0.trim_end_matches(super::tokens::is_white_space);
        let stem = bare.trim_end_matches(|c| "])}>\"' »”’".contains(c));
        let Some(before) = stem.strip_suffix('.') else {
            return;
        };
        if before.is_empty() || before.ends_with('.') {
            return;
        }
        let marks = bare.get(stem.len()..).unwrap_or_default();
        self.0 = format!("{before} . {marks} ");
    }

    /// A colon or comma is parted unless a digit follows.
    fn colons_and_commas(&mut self) {
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut chars = self.0.chars().peekable();
        while let Some(c) = chars.next() {
            if c != ':' && c != ',' {
                out.push(c);
                continue;
            }
            match chars.next_if(|next| !next.is_ascii_digit()) {
                Some(next) => {
                    out.extend([' ', c, ' ', next]);
                    // Two in a row are taken together; the second, last of all, stands alone.
                    if (next == ':' || next == ',') && chars.peek().is_none() {
                        out.pop();
                        out.extend([' ', next, ' ']);
                    }
                }
                None if chars.peek().is_none() => out.extend([' ', c, ' ']),
                None => out.push(c),
            }
        }
        self.0 = out;
    }

    /// An apostrophe that ends a word is parted.
    fn apostrophes_before_blanks(&mut self) {
        let mut out = String::with_capacity(self.0.len() + 16);
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find("' ") {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let parts = before.ends_with(|c| c != '\'');
            out.push_str(if parts { " ' " } else { "'" });
            let taken = if parts { 2 } else { 1 };
            rest = from.get(taken..).unwrap_or_default();
        }
        out.push_str(rest);
        self.0 = out;
    }

    fn closing_quotes(&mut self) {
        self.pad(|c| "»”’".contains(c));
        self.replace("''", " '' ");
        self.replace("\"", " '' ");
        if !self.has(|c| c == '\'') {
            return;
        }
        self.0 = self
            .0
            .split(super::tokens::is_white_space)
            .filter(|word| !word.is_empty())
            .flat_map(|word| [" ", word])
            .chain([" "])
            .collect();
        self.endings(&["'s", "'S", "'m", "'M", "'d", "'D", "'"]);
        self.endings(&["'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"]);
    }

    /// Parts endings from words; words stand between single blanks.
    fn endings(&mut self, endings: &[&str]) {
        let mut out = String::with_capacity(self.0.len() + 16);
        for word in self.0.split(' ').filter(|word| !word.is_empty()) {
            let cut = endings.iter().find_map(|ending| {
                let stem = word.strip_suffix(ending)?;
                stem.ends_with(|c| c != '\'').then_some((stem, ending))
            });
            match cut {
                Some((stem, ending)) => out.extend([" ", stem, " ", ending]),
                None => out.extend([" ", word]),
            }
        }
        out.push(' ');
        self.0 = out;
    }

    /// Words that are written as one and counted as two.
    fn contractions(&mut self) {
        /// First part, second part, and what must follow: the word's end, or white space.
        const PAIRS: [(&str, &str); 8] = [
            ("can", "not"),
            ("d", "'ye"),
            ("gim", "me"),
            ("gon", "na"),
            ("got", "ta"),
            ("lem", "me"),
            ("more", "'n"),
            ("wan", "na"),
        ];
        let lower = self.0.to_ascii_lowercase();
        let written = |first: &str, second: &str| lower.contains(&[first, second].concat());
        for (first, second) in PAIRS.into_iter().filter(|(a, b)| written(a, b)) {
            let before_blank = first == "wan";
            self.contraction(first, second, |before, after| {
                let starts = !before.is_some_and(is_word);
                let ends = match after {
                    Some(c) if before_blank => super::tokens::is_white_space(c),
                    None => !before_blank,
                    Some(c) => !is_word(c),
                };
                starts && ends
            });
        }
        for second in ["is", "was"]
            .into_iter()
            .filter(|second| written("'t", second))
        {
            self.contraction("'t", second, |before, after| {
                before == Some(' ') && !after.is_some_and(is_word)
            });
        }
    }

    /// Parts every `first` and `second` written together, in whatever case, where `fits` says so
    /// of the characters before and after.
    fn contraction(
        &mut self,
        first: &str,
        second: &str,
        fits: impl Fn(Option<char>, Option<char>) -> bool,
    ) {
        let whole = first.len() + second.len();
        let found: Vec<usize> = self
            .0
            .char_indices()
            .map(|(at, _)| at)
            .filter(|&at| {
                let rest = self.0.get(at..).unwrap_or_default();
                let matches = starts_without_case(rest, first)
                    && starts_without_case(rest.get(first.len()..).unwrap_or_default(), second);
                let before = || self.0.get(..at).and_then(|text| text.chars().next_back());
                let after = || rest.get(whole..).and_then(|text| text.chars().next());
                matches && fits(before(), after())
            })
            .collect();
        for at in found.into_iter().rev() {
            self.0.insert(at + whole, ' ');
            self.0.insert(at + first.len(), ' ');
            self.0.insert(at, ' ');
        }
    }
}

/// `\w` of Python: letters, digits, underscore.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `text` begins with the ASCII `prefix`, in whatever case.
fn starts_without_case(text: &str, prefix: &str) -> bool {
    let head = text.as_bytes().get(..prefix.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Whether `text` begins with the whole word `word`, in whatever case.
fn begins(text: &str, word: &str) -> bool {
    let after = text.get(word.len()..).unwrap_or_default();
    starts_without_case(text, word) && !after.starts_with(is_word)
}
