//! getopt_long(3) as glibc's, words and all: the programs whose names goward takes use it, and scripts match what it
//! prints. Options end at the first word that is none.

/// A long option: its name, the letter it stands for, whether it takes a value.
pub(super) type Long = (&'static str, char, bool);

/// The options that a program knows, as getopt(3) takes them.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Letters, those with a value followed by a colon.
    pub(super) short: &'static str,
    /// Long options. Without any, `--x` is an unknown option `-`.
    pub(super) long: &'static [Long],
}

impl Options {
    /// Whether a letter takes a value; None if there is no such option.
    pub(super) fn letter_takes(&self, letter: char) -> Option<bool> {
        let (_, rest) = self.short.split_once(letter).filter(|_| letter != ':')?;
        Some(rest.starts_with(':'))
    }

    /// Whether a long option of just this name takes a value.
    pub(super) fn long_takes(&self, name: &str) -> bool {
        self.long.iter().any(|(long, _, takes)| *long == name && *takes)
    }
}

/// What may stand on the command line.
pub(super) struct Grammar<'a> {
    /// argv[0], which begins every message.
    pub(super) zero: &'a str,
    pub(super) options: Options,
}

/// An option that was found on the command line.
pub(super) struct Found {
    pub(super) letter: char,
    pub(super) value: String,
}

/// Takes options from the front of `words` until `each` answers, or until there are no more. Returns the answer, or the
/// number of words taken.
pub(super) fn read<T>(
    grammar: &Grammar<'_>,
    words: &[String],
    mut each: impl FnMut(Result<Found, String>) -> Option<T>,
) -> Result<usize, T> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--").filter(|_| !grammar.options.long.is_empty()) {
            let found = grammar.long_option(long, words, &mut at);
            if let Some(answer) = each(found) {
                return Err(answer);
            }
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            at -= 1;
            break;
        };
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let found = match grammar.options.letter_takes(letter) {
                None => Err(format!("{}: invalid option -- '{letter}'\n", grammar.zero)),
                Some(true) => {
                    let value = if rest.is_empty() {
                        at += 1;
                        words.get(at - 1).cloned()
                    } else {
                        Some(std::mem::take(&mut rest).to_owned())
                    };
                    value
                        .map(|value| Found { letter, value })
                        .ok_or_else(|| format!("{}: option requires an argument -- '{letter}'\n", grammar.zero))
                }
                Some(false) => Ok(Found { letter, value: String::new() }),
            };
            if let Some(answer) = each(found) {
                return Err(answer);
            }
        }
    }
    Ok(at)
}

impl Grammar<'_> {
    fn long_option(&self, word: &str, words: &[String], at: &mut usize) -> Result<Found, String> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let exact = self.options.long.iter().find(|(long, ..)| *long == name);
        let near: Vec<&Long> = self.options.long.iter().filter(|(long, ..)| long.starts_with(name)).collect();
        let zero = self.zero;
        let (long, letter, takes) = match (exact, near.as_slice()) {
            (Some(option), _) => *option,
            (None, [option]) => **option,
            (None, []) => return Err(format!("{zero}: unrecognized option '--{word}'\n")),
            (None, several) => {
                let names: String = several.iter().map(|(long, ..)| format!(" '--{long}'")).collect();
                return Err(format!("{zero}: option '--{word}' is ambiguous; possibilities:{names}\n"));
            }
        };
        match (takes, value) {
            (false, Some(_)) => Err(format!("{zero}: option '--{long}' doesn't allow an argument\n")),
            (false, None) => Ok(Found { letter, value: String::new() }),
            (true, Some(value)) => Ok(Found { letter, value }),
            (true, None) => {
                *at += 1;
                let value = words.get(*at - 1).cloned();
                value
                    .map(|value| Found { letter, value })
                    .ok_or_else(|| format!("{zero}: option '--{long}' requires an argument\n"))
            }
        }
    }
}
