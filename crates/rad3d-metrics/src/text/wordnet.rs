//! Synonyms from WordNet 3.0 (Fellbaum 1998), read from its database files.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::error::{Fault, MetricsError, Result};

/// A dictionary of synonyms.
#[derive(Debug)]
pub struct WordNet(Source);

#[derive(Debug)]
enum Source {
    /// The database files, one part of speech each.
    Files(Vec<Part>),
    /// Words and their synonyms.
    Table(HashMap<String, Vec<String>>),
}

/// One part of speech.
#[derive(Debug)]
struct Part {
    /// `data.*`; a set of synonyms begins at the byte that the index names.
    data: String,
    /// Where the sets of a word begin.
    index: HashMap<String, Vec<u32>>,
    /// Irregular forms.
    exceptions: HashMap<String, Vec<String>>,
    /// Endings and what replaces them to get at the base form.
    endings: &'static [(&'static str, &'static str)],
}

const NOUN_ENDINGS: &[(&str, &str)] = &[
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
];
const VERB_ENDINGS: &[(&str, &str)] = &[
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
];
const ADJECTIVE_ENDINGS: &[(&str, &str)] = &[("er", ""), ("est", ""), ("er", "e"), ("est", "e")];

impl WordNet {
    /// Reads the database: a folder with `index.noun`, `data.noun` and so on, or an `nltk_data`
    /// with `corpora/wordnet` inside. Debian's package `wordnet-base` has it in
    /// `/usr/share/wordnet`. METEOR is defined on version 3.0; others give other synonyms.
    ///
    /// # Errors
    /// No such files there, or malformed ones.
    pub fn load(folder: &Path) -> Result<Self> {
        let inside = folder.join("corpora/wordnet");
        let folder: PathBuf = if inside.is_dir() {
            inside
        } else {
            folder.to_owned()
        };
        let parts = [
            ("noun", NOUN_ENDINGS),
            ("verb", VERB_ENDINGS),
            ("adj", ADJECTIVE_ENDINGS),
            ("adv", &[]),
        ];
        let parts = parts.map(|(name, endings)| Part::load(&folder, name, endings));
        Ok(Self(Source::Files(
            parts.into_iter().collect::<Result<_>>()?,
        )))
    }

    /// A dictionary of one's own: words, and the synonyms of each.
    pub fn from_table(synonyms: HashMap<String, Vec<String>>) -> Self {
        Self(Source::Table(synonyms))
    }

    /// The word and its synonyms that are single words, over all parts of speech and base forms;
    /// case as in the dictionary.
    pub fn synonyms(&self, word: &str) -> Vec<String> {
        let mut found = BTreeSet::from([word.to_owned()]);
        match &self.0 {
            Source::Files(parts) => {
                for part in parts {
                    part.add_synonyms(word, &mut found);
                }
            }
            Source::Table(table) => found.extend(table.get(word).into_iter().flatten().cloned()),
        }
        found.into_iter().collect()
    }
}

impl Part {
    fn load(
        folder: &Path,
        name: &str,
        endings: &'static [(&'static str, &'static str)],
    ) -> Result<Self> {
        let read = |file: String| {
            let path = folder.join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok((path, text)),
                Err(error) => Err(MetricsError::unreadable(path, error)),
            }
        };
        let (path, text) = read(format!("index.{name}"))?;
        // Lines of the licence begin with a blank.
        let lines = text.lines().enumerate();
        let index = lines
            .filter(|(_, line)| !line.starts_with(' '))
            .map(|(number, line)| {
                entry(line).ok_or_else(|| {
                    let what = format!("line {}: is no entry of an index", number + 1);
                    let hint = "use the database files of WordNet 3.0";
                    MetricsError::new(Fault::Data, &path, what, hint)
                })
            })
            .collect::<Result<_>>()?;
        let (_, text) = read(format!("{name}.exc"))?;
        let exceptions = text.lines().filter_map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.collect()))
        });
        Ok(Self {
            exceptions: exceptions.collect(),
            data: read(format!("data.{name}"))?.1,
            index,
            endings,
        })
    }

    /// Base forms of a word that the dictionary knows (WordNet's "morphy").
    fn base_forms(&self, word: &str) -> Vec<String> {
        let mut forms = vec![word.to_owned()];
        match self.exceptions.get(word) {
            Some(irregular) => forms.extend(irregular.iter().cloned()),
            None => forms.extend(self.endings.iter().filter_map(|(old, new)| {
                let stem = word.strip_suffix(old)?;
                Some(format!("{stem}{new}"))
            })),
        }
        forms.retain(|form| self.index.contains_key(form));
        forms
    }

    fn add_synonyms(&self, word: &str, found: &mut BTreeSet<String>) {
        let lower = word.to_lowercase();
        let forms = self.base_forms(&lower);
        let offsets = forms.iter().filter_map(|form| self.index.get(form));
        for &offset in offsets.flatten() {
            let line = self.data.get(offset as usize..).unwrap_or_default();
            let line = line.lines().next().unwrap_or_default();
            let words = words_of(line).filter(|word| !word.contains('_'));
            found.extend(words.map(str::to_owned));
        }
    }
}

/// The lemma of an index line and where its sets begin.
fn entry(line: &str) -> Option<(String, Vec<u32>)> {
    let mut fields = line.split_ascii_whitespace();
    let lemma = fields.next()?.to_owned();
    let sets: usize = fields.nth(1)?.parse().ok()?;
    let pointers: usize = fields.next()?.parse().ok()?;
    let offsets: Vec<u32> = fields
        .skip(pointers + 2)
        .map_while(|field| field.parse().ok())
        .collect();
    (offsets.len() == sets).then_some((lemma, offsets))
}

/// The words of a set of synonyms, without the adjectives' syntactic markers.
fn words_of(line: &str) -> impl Iterator<Item = &str> {
    let mut fields = line.split(' ').skip(3);
    let count = fields
        .next()
        .and_then(|hex| usize::from_str_radix(hex, 16).ok());
    fields
        .step_by(2)
        .take(count.unwrap_or(0))
        .map(|word| word.split('(').next().unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of two nouns and nothing else, offsets counted by hand.
    fn write(folder: &Path) {
        let licence = "  1 licence\n";
        let first = "00000012 08 n 02 lung 0 air_sac 0 000 | breathes\n";
        let second = format!(
            "{:08} 08 n 02 foot 0 Base(p) 1 000 | stands\n",
            12 + first.len()
        );
        let index = format!(
            "{licence}foot n 1 0 1 0 {:08}\nlung n 1 1 ~ 1 0 00000012\n",
            12 + first.len()
        );
        for (name, text) in [
            ("index.noun", index.as_str()),
            ("data.noun", &format!("{licence}{first}{second}")),
            ("noun.exc", "feet foot\n"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        for part in ["verb", "adj", "adv"] {
            for file in [
                format!("index.{part}"),
                format!("data.{part}"),
                format!("{part}.exc"),
            ] {
                std::fs::write(folder.join(file), "").unwrap();
            }
        }
    }

    #[test]
    fn base_forms_and_single_words() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let wordnet = WordNet::load(folder.path()).unwrap();
        assert_eq!(wordnet.synonyms("lungs"), ["lung", "lungs"]);
        assert_eq!(wordnet.synonyms("feet"), ["Base", "feet", "foot"]);
        assert_eq!(wordnet.synonyms("hand"), ["hand"]);
    }

    #[test]
    fn faults_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let error = WordNet::load(folder.path()).unwrap_err();
        assert_eq!(error.fault, Fault::Unreadable);
        write(folder.path());
        std::fs::write(folder.path().join("index.verb"), "breathe v two\n").unwrap();
        let error = WordNet::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("index.verb: line 1"), "{error}");
    }
}
