//! Recognises words that pasting or typing has changed.
//!
//! Nothing here is ever acted on: what comes out goes into an error's hints.

use clap::Command;
use zeroize::Zeroizing;

use super::grammar::{HELP_WORD, MacroOption, OPTIONS, PARAMETERS, Parameter};
use super::host;
use super::usage::WordFault;
use crate::values::characters;

/// The macro's name, and the program's.
pub(super) const MACRO_NAME: &str = "iscsiswiconfig";

/// The farthest that a spelling may be from the word that it is taken for.
const MAX_EDITS: usize = 2;

/// The word of the grammar that was meant, faults aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// An option of the macro, in the spelling recognised.
    Option(MacroOption, &'static str),
    /// A parameter of the macro.
    Parameter(Parameter),
    /// `-help`.
    Help,
    /// A host option.
    Host {
        /// The option with its dashes, without a value.
        word: String,
        /// Whether a value follows.
        takes_value: bool,
    },
    /// A command of the host side.
    Command(String),
}

/// A word recognised.
#[derive(Debug)]
pub(super) struct Recognised {
    /// What it stands for.
    pub known: Known,
    /// What is wrong with it; nothing when it is spelled as the grammar has it.
    pub faults: Vec<WordFault>,
    /// How many bytes of the argument make up the word, with the `=` or the space behind it.
    pub head: usize,
    /// The words that follow in the same argument.
    pub rest: Vec<Zeroizing<String>>,
}

impl Known {
    /// Returns the word as the grammar has it.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Option(_, spelling) => spelling,
            Self::Parameter(parameter) => parameter.word(),
            Self::Help => HELP_WORD,
            Self::Host { word, .. } | Self::Command(word) => word,
        }
    }

    /// Returns whether the word's value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Parameter(parameter) if parameter.spec().secret)
    }
}

/// Recognises a word of either language, whatever happened to it; `None` when it is like no word.
pub(super) fn recognise(argument: &str) -> Option<Recognised> {
    if let "-q" | "-v" | "-vv" | "-vvv" = argument {
        let word = argument.to_owned();
        let known = Known::Host {
            word,
            takes_value: false,
        };
        return Some(Recognised {
            known,
            faults: Vec::new(),
            head: argument.len(),
            rest: Vec::new(),
        });
    }
    recognise_by(argument, |letters| {
        let known = exactly(letters).map(|known| (known, false));
        known.or_else(|| Some((nearly(letters)?, true)))
    })
}

/// Recognises a word on the line of a command: the name of a command behind it or of an option that it has, else a word of the
/// macro. A spelling mistake is not forgiven.
pub(super) fn recognise_behind(command: &Command, argument: &str) -> Option<Recognised> {
    recognise_by(argument, |letters| {
        let known = host_word(command, letters).or_else(|| exactly_macro(letters))?;
        Some((known, false))
    })
}

fn host_word(command: &Command, letters: &str) -> Option<Known> {
    if let Some(found) = command.find_subcommand(letters) {
        return Some(Known::Command(found.get_name().to_owned()));
    }
    command.get_arguments().find_map(|option| {
        let long = option.get_long().filter(|long| *long == letters);
        let short = option.get_short().map(String::from);
        let word = match long {
            Some(long) => format!("--{long}"),
            None => format!("-{}", short.filter(|short| short == letters)?),
        };
        let takes_value = option.get_action().takes_values();
        Some(Known::Host { word, takes_value })
    })
}

/// Returns whether a word begins as an option does, with a look-alike of `-` among its dashes.
pub(super) fn has_pasted_dash(word: &str) -> bool {
    let mut dashes = word
        .chars()
        .take_while(|c| *c == '-' || characters::is_dash(*c));
    dashes.any(characters::is_dash)
}

/// Recognises the letters of a word by `find`, which also tells whether they are misspelled.
fn recognise_by(
    argument: &str,
    find: impl FnOnce(&str) -> Option<(Known, bool)>,
) -> Option<Recognised> {
    let head = Head::of(argument);
    let typed = head.word.trim_start_matches('-');
    let dashes = head.word.len() - typed.len();
    let letters = typed.to_ascii_lowercase();
    let mut faults = head.faults;

    let (known, misspelled) = find(&letters)?;
    let wanted = known.word().len() - known.word().trim_start_matches('-').len();
    if wanted == 0 {
        for fault in &mut faults {
            if let WordFault::Dash(dash) = *fault {
                *fault = WordFault::DashBefore(dash);
            }
        }
    } else if dashes != wanted && (dashes == 0 || dashes > 2 || known != Known::Help) {
        // Help is asked for in both languages, with one dash or with two.
        faults.push(WordFault::Dashes {
            typed: dashes,
            wanted,
        });
    }
    if letters != typed {
        faults.push(WordFault::LetterCase);
    }
    if misspelled {
        faults.push(WordFault::Spelling);
    }
    let takes_equals = matches!(
        known,
        Known::Host {
            takes_value: true,
            ..
        }
    );
    if head.end == HeadEnd::Equals && !takes_equals {
        faults.push(WordFault::EqualsSign);
    }
    let rest = argument.get(head.length..).unwrap_or_default();
    let rest = match head.end {
        HeadEnd::Equals => vec![Zeroizing::new(rest.to_owned())],
        HeadEnd::Space if known.is_secret() && !rest.is_empty() => {
            vec![Zeroizing::new(rest.to_owned())]
        }
        HeadEnd::Space | HeadEnd::Argument => words_in(rest),
    };
    faults.dedup();
    Some(Recognised {
        known,
        faults,
        head: head.length,
        rest,
    })
}

/// Returns whether a value is one of the macro's own words, letter case and the kind and number of dashes aside.
pub(super) fn is_own_word(value: &str) -> bool {
    let plain = Zeroizing::new(characters::plain(value));
    let Some(letters) = plain.trim().strip_prefix('-') else {
        return false;
    };
    let letters = letters.trim_start_matches('-').to_ascii_lowercase();
    matches!(
        exactly_macro(&letters),
        Some(Known::Option(..) | Known::Parameter(_) | Known::Help)
    )
}

/// Returns whether the word is the macro's name.
pub(super) fn is_macro_name(word: &str) -> bool {
    characters::plain(word)
        .trim()
        .eq_ignore_ascii_case(MACRO_NAME)
}

/// Returns what is wrong with a word that consists of nothing but what pasting left behind.
pub(super) fn debris(word: &str) -> Option<Vec<WordFault>> {
    let head = Head::of(word);
    let left_behind = !word.is_empty() && head.word.is_empty() && head.end == HeadEnd::Argument;
    left_behind.then_some(head.faults)
}

/// Returns whether a value may have swallowed words behind it, a secret among them, through misplaced quotes.
pub(super) fn may_hold_secret(value: &str) -> bool {
    value.contains(char::is_whitespace) || value.to_ascii_lowercase().contains("secret")
}

/// How a word of the grammar ends within its argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeadEnd {
    Argument,
    Equals,
    Space,
}

/// The first word of an argument, freed of what pasting does to words.
struct Head {
    word: String,
    faults: Vec<WordFault>,
    /// In bytes of the argument, with the `=` or the space that ends it.
    length: usize,
    end: HeadEnd,
}

impl Head {
    fn of(argument: &str) -> Self {
        let mut head = Self {
            word: String::new(),
            faults: Vec::new(),
            length: argument.len(),
            end: HeadEnd::Argument,
        };
        for (at, character) in argument.char_indices() {
            let behind = at + character.len_utf8();
            if character == '=' && !head.word.is_empty() {
                head.length = behind;
                head.end = HeadEnd::Equals;
                break;
            }
            if character == ' ' || characters::is_space(character) {
                head.note(WordFault::Space(character));
                if head.word.is_empty() {
                    continue;
                }
                head.length = behind;
                head.end = HeadEnd::Space;
                break;
            }
            head.take(character);
        }
        head
    }

    fn take(&mut self, character: char) {
        let quote = characters::is_quote(character) || matches!(character, '"' | '\'' | '`');
        if characters::is_dash(character) {
            self.note(WordFault::Dash(character));
            // A soft hyphen or a hyphen inside a word is where a page broke the line.
            if self.word.trim_start_matches('-').is_empty() {
                self.word.push('-');
            }
        } else if quote {
            self.note(WordFault::Quote(character));
        } else if character == '\r' {
            self.note(WordFault::CarriageReturn);
        } else if characters::plain(character.encode_utf8(&mut [0; 4])).is_empty() {
            self.note(WordFault::Invisible(character));
        } else {
            self.word.push(character);
        }
    }

    fn note(&mut self, fault: WordFault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

fn exactly(letters: &str) -> Option<Known> {
    exactly_macro(letters).or_else(|| {
        let takes_value = host::takes_value(letters)?;
        Some(Known::Host {
            word: format!("--{letters}"),
            takes_value,
        })
    })
}

fn exactly_macro(letters: &str) -> Option<Known> {
    macro_words().find(|known| known.word().trim_start_matches('-') == letters)
}

/// Returns the macro word closest to `letters`, within [`MAX_EDITS`].
fn nearly(letters: &str) -> Option<Known> {
    // A fault in a word as short as `help` leaves too little to tell it from a value.
    let long = macro_words().filter(|known| *known != Known::Help);
    long.map(|known| {
        // Insertions, deletions, substitutions and swaps of neighbours.
        let word = known.word().trim_start_matches('-');
        (strsim::osa_distance(letters, word), known)
    })
    .filter(|(edits, _)| *edits <= MAX_EDITS)
    .min_by_key(|(edits, _)| *edits)
    .map(|(_, known)| known)
}

pub(super) fn macro_words() -> impl Iterator<Item = Known> {
    let options = OPTIONS.iter().flat_map(|spec| {
        spec.spellings
            .iter()
            .map(|spelling| Known::Option(spec.option, spelling))
    });
    let parameters = PARAMETERS
        .iter()
        .map(|spec| Known::Parameter(spec.parameter));
    options.chain(parameters).chain([Known::Help])
}

fn words_in(text: &str) -> Vec<Zeroizing<String>> {
    let plain = Zeroizing::new(characters::plain(text));
    plain
        .split_whitespace()
        .map(|word| Zeroizing::new(word.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word_of(argument: &str) -> Option<String> {
        recognise(argument).map(|recognised| recognised.known.word().to_owned())
    }

    #[test]
    fn every_word_is_recognised_as_itself_without_a_fault() {
        let host = [
            "--json",
            "--state-dir",
            "--timeout=5",
            "--version",
            "-q",
            "-v",
            "-vv",
            "-vvv",
            "--help",
        ];
        let words: Vec<String> = macro_words().map(|known| known.word().to_owned()).collect();
        for word in words.iter().map(String::as_str).chain(host) {
            let recognised = recognise(word).unwrap();
            assert_eq!(recognised.faults, [], "{word}");
        }
    }

    #[test]
    fn no_two_words_are_so_close_that_a_swap_of_letters_confuses_them() {
        let words: Vec<String> = macro_words()
            .map(|known| known.word().trim_start_matches('-').to_owned())
            .collect();
        for a in &words {
            for b in words.iter().filter(|b| *b != a && !a.starts_with("reipl")) {
                assert!(strsim::osa_distance(a, b) > 1, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_soft_hyphen_inside_a_word_is_where_the_line_was_broken() {
        assert_eq!(
            word_of("-initia\u{ad}torname").as_deref(),
            Some("-initiatorname")
        );
        assert_eq!(
            word_of("-initia\u{2010}torname").as_deref(),
            Some("-initiatorname")
        );
    }

    #[test]
    fn a_word_of_the_macro_wants_a_dash_to_be_one() {
        assert!(is_own_word("--Commit\r"));
        assert!(!is_own_word("commit"));
        assert!(!is_own_word("-commitment"));
        assert!(!is_own_word("--json"));
        assert!(!is_own_word(""));
    }

    #[test]
    fn debris_is_what_holds_nothing_but_what_pasting_leaves() {
        for debris_word in ["\r", "\u{a0}", "\u{feff}", "\u{201d}", "\u{a0}\r"] {
            assert!(debris(debris_word).is_some(), "{debris_word:?}");
        }
        for word in ["", "x", "-", "\u{2013}", "=\r"] {
            assert_eq!(debris(word), None, "{word:?}");
        }
    }
}
