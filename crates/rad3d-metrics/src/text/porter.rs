//! Porter's stemmer with the changes that NLTK made to it by default (`NLTK_EXTENSIONS`).
//!
//! The algorithm is Porter's of 1980; NLTK adds a list of irregular words, a gentler treatment of
//! short words in `-ies` and `-ied`, of a final `y`, and of `-alli`, `-fulli` and `-logi`.

/// The stem of a word, in lower case.
pub fn porter_stem(word: &str) -> String {
    let word = word.to_lowercase();
    if let Some(stem) = irregular(&word) {
        return stem.to_owned();
    }
    let letters: Vec<char> = word.chars().collect();
    if letters.len() <= 2 {
        return word;
    }
    let mut stem = Stem(letters);
    stem.plural();
    stem.past_tense();
    stem.final_y();
    stem.double_suffix();
    stem.single_suffix();
    stem.residue();
    stem.final_e();
    stem.final_l();
    stem.0.into_iter().collect()
}

/// Words whose stem no rule finds.
fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "sky" | "skies" => "sky",
        "dying" => "die",
        "lying" => "lie",
        "tying" => "tie",
        "news" => "news",
        "innings" | "inning" => "inning",
        "outings" | "outing" => "outing",
        "cannings" | "canning" => "canning",
        "howe" => "howe",
        "proceed" => "proceed",
        "exceed" => "exceed",
        "succeed" => "succeed",
        _ => return None,
    })
}

/// A word on its way to being a stem.
struct Stem(Vec<char>);

/// When a suffix may go: always, or depending on what is left of the word.
type Condition = fn(&[char]) -> bool;

/// Suffix, what replaces it, and when.
type Rule = (&'static str, &'static str, Condition);

fn always(_: &[char]) -> bool {
    true
}

fn measured(stem: &[char]) -> bool {
    measure(stem) > 0
}

fn long(stem: &[char]) -> bool {
    measure(stem) > 1
}

impl Stem {
    /// What is left when `suffix` is taken off, if the word ends with it.
    fn without(&self, suffix: &str) -> Option<&[char]> {
        let at = self.0.len().checked_sub(suffix.chars().count())?;
        let (stem, end) = self.0.split_at(at);
        suffix.chars().eq(end.iter().copied()).then_some(stem)
    }

    /// Replaces the last `length` characters.
    fn replace(&mut self, length: usize, replacement: &str) {
        self.0.truncate(self.0.len() - length);
        self.0.extend(replacement.chars());
    }

    /// Applies the first rule whose suffix fits; none after it is tried even if its condition
    /// fails. Whether a suffix fitted.
    fn apply(&mut self, rules: &[Rule]) -> bool {
        for (suffix, replacement, condition) in rules {
            if let Some(stem) = self.without(suffix) {
                if condition(stem) {
                    self.replace(suffix.len(), replacement);
                }
                return true;
            }
        }
        false
    }

    /// Step 1a.
    fn plural(&mut self) {
        if self.0.len() == 4 && self.without("ies").is_some() {
            self.replace(3, "ie");
            return;
        }
        self.apply(&[
            ("sses", "ss", always),
            ("ies", "i", always),
            ("ss", "ss", always),
            ("s", "", always),
        ]);
    }

    /// Step 1b.
    fn past_tense(&mut self) {
        if self.without("ied").is_some() {
            let replacement = if self.0.len() == 4 { "ie" } else { "i" };
            self.replace(3, replacement);
            return;
        }
        if self.apply(&[("eed", "ee", measured)]) {
            return;
        }
        let ending = ["ed", "ing"].into_iter().find(|suffix| {
            let stem = self.without(suffix);
            stem.is_some_and(has_vowel)
        });
        let Some(ending) = ending else { return };
        self.replace(ending.len(), "");
        let repaired = self.apply(&[
            ("at", "ate", always),
            ("bl", "ble", always),
            ("iz", "ize", always),
        ]);
        if repaired {
            return;
        }
        if ends_with_double_consonant(&self.0) {
            if !matches!(self.0.last(), Some('l' | 's' | 'z')) {
                self.0.pop();
            }
        } else if measure(&self.0) == 1 && ends_short(&self.0) {
            self.0.push('e');
        }
    }

    /// Step 1c; NLTK's condition instead of Porter's, so that "enjoy" stays.
    fn final_y(&mut self) {
        let ready = |stem: &[char]| stem.len() > 1 && is_consonant(stem, stem.len() - 1);
        if self.without("y").is_some_and(ready) {
            self.replace(1, "i");
        }
    }

    /// Step 2.
    fn double_suffix(&mut self) {
        if self.without("alli").is_some_and(measured) {
            self.replace(4, "al");
            self.double_suffix();
            return;
        }
        self.apply(&[
            ("ational", "ate", measured),
            ("tional", "tion", measured),
            ("enci", "ence", measured),
            ("anci", "ance", measured),
            ("izer", "ize", measured),
            ("bli", "ble", measured),
            ("alli", "al", measured),
            ("entli", "ent", measured),
            ("eli", "e", measured),
            ("ousli", "ous", measured),
            ("ization", "ize", measured),
            ("ation", "ate", measured),
            ("ator", "ate", measured),
            ("alism", "al", measured),
            ("iveness", "ive", measured),
            ("fulness", "ful", measured),
            ("ousness", "ous", measured),
            ("aliti", "al", measured),
            ("iviti", "ive", measured),
            ("biliti", "ble", measured),
            ("fulli", "ful", measured),
            // The l of the suffix counts towards what is left.
            ("logi", "log", |stem| measured(&[stem, &['l']].concat())),
        ]);
    }

    /// Step 3.
    fn single_suffix(&mut self) {
        self.apply(&[
            ("icate", "ic", measured),
            ("ative", "", measured),
            ("alize", "al", measured),
            ("iciti", "ic", measured),
            ("ical", "ic", measured),
            ("ful", "", measured),
            ("ness", "", measured),
        ]);
    }

    /// Step 4.
    fn residue(&mut self) {
        self.apply(&[
            ("al", "", long),
            ("ance", "", long),
            ("ence", "", long),
            ("er", "", long),
            ("ic", "", long),
            ("able", "", long),
            ("ible", "", long),
            ("ant", "", long),
            ("ement", "", long),
            ("ment", "", long),
            ("ent", "", long),
            ("ion", "", |stem| {
                long(stem) && matches!(stem.last(), Some('s' | 't'))
            }),
            ("ou", "", long),
            ("ism", "", long),
            ("ate", "", long),
            ("iti", "", long),
            ("ous", "", long),
            ("ive", "", long),
            ("ize", "", long),
        ]);
    }

    /// Step 5a.
    fn final_e(&mut self) {
        let ready = |stem: &[char]| long(stem) || (measure(stem) == 1 && !ends_short(stem));
        if self.without("e").is_some_and(ready) {
            self.0.pop();
        }
    }

    /// Step 5b.
    fn final_l(&mut self) {
        let ready = |stem: &[char]| measure(&[stem, &['l']].concat()) > 1;
        if self.without("ll").is_some_and(ready) {
            self.0.pop();
        }
    }
}

/// Whether the letter is a consonant; a `y` is one at the start and after a vowel.
fn is_consonant(word: &[char], at: usize) -> bool {
    match word.get(at) {
        Some('a' | 'e' | 'i' | 'o' | 'u') => false,
        Some('y') => at == 0 || !is_consonant(word, at - 1),
        _ => true,
    }
}

/// How often consonants follow vowels: Porter's m.
fn measure(word: &[char]) -> usize {
    let mut count = 0;
    let mut after_vowel = false;
    let mut consonant = false;
    for (at, letter) in word.iter().enumerate() {
        consonant = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => at == 0 || !consonant,
            _ => true,
        };
        count += usize::from(after_vowel && consonant);
        after_vowel = !consonant;
    }
    count
}

fn has_vowel(word: &[char]) -> bool {
    (0..word.len()).any(|at| !is_consonant(word, at))
}

fn ends_with_double_consonant(word: &[char]) -> bool {
    matches!(word, [.., a, b] if a == b) && is_consonant(word, word.len() - 1)
}

/// Consonant, vowel, consonant at the end, the last none of `w x y`; NLTK adds vowel, consonant
/// as the whole word.
fn ends_short(word: &[char]) -> bool {
    let consonant = |back: usize| is_consonant(word, word.len() - back);
    match word {
        [_, _] => !consonant(2) && consonant(1),
        [.., _, _, last] => {
            consonant(3) && !consonant(2) && consonant(1) && !matches!(last, 'w' | 'x' | 'y')
        }
        _ => false,
    }
}
