//! What can be wrong with a command line, each case with its wording and its hints.

use std::fmt;

use thiserror::Error;

use super::grammar::{HELP_WORD, MacroOption, OPTIONS, Parameter, ParameterRule};
use super::shell::{self, MASK};
use super::synopsis::synopsis;
use crate::values::characters::{self, escape};

/// What to do about the carriage returns of a script.
pub const CRLF_HINT: &str =
    "the script has CRLF line ends; convert it, for example with tr -d '\\r'";

/// Why a command line is not of the grammar.
///
/// The message says what is wrong; [`UsageError::hints`] says what to do. Neither ever holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UsageError {
    /// A word of the grammar that pasting or typing has changed.
    #[error("{word} has {}", join(faults, "and"))]
    Word {
        /// The word as given.
        word: Shown,
        /// What is wrong with it, in the order in which it is seen.
        faults: Vec<WordFault>,
        /// The words that were meant; none when there is nothing to keep.
        meant: Vec<Shown>,
    },
    /// A word with a dash where the option belongs, unlike any option.
    #[error("there is no option {word}")]
    UnknownOption {
        /// The word as given.
        word: Shown,
        /// The one option that begins as the word does.
        similar: Option<&'static str>,
    },
    /// A word with a dash where a parameter belongs, unlike any parameter.
    #[error("there is no parameter {word}")]
    UnknownParameter {
        /// The word as given.
        word: Shown,
        /// The option before it.
        option: MacroOption,
        /// The one parameter of the option that begins as the word does.
        similar: Option<&'static str>,
    },
    /// A word without a dash where a parameter belongs.
    #[error("{word} is neither a parameter nor the value of one")]
    StrayWord {
        /// The word as given.
        word: Shown,
        /// The option before it.
        option: MacroOption,
    },
    /// A word without a dash that is not a command, where one belongs.
    #[error("{word} is {}", not_a_command(path))]
    UnknownCommand {
        /// The word as given.
        word: Shown,
        /// A command that is spelled like it.
        similar: Option<String>,
        /// The command before it, of which it would be one; empty for a first word.
        path: String,
    },
    /// A word or a value that is not UTF-8, hence not ASCII either.
    #[error("{} is not UTF-8 text", not_utf8(*argument, *parameter))]
    NotUtf8 {
        /// Its place behind the program's name, counted from 1.
        argument: usize,
        /// The parameter whose value it is.
        parameter: Option<Parameter>,
    },
    /// A parameter at the end, or before another word of the macro.
    #[error("{} needs a value{}", .parameter.word(), before(found))]
    MissingValue {
        /// The option before it.
        option: MacroOption,
        /// The parameter without a value.
        parameter: Parameter,
        /// The word of the macro that stands in the value's place.
        found: Option<Shown>,
    },
    /// A parameter that exists, but not for this option.
    #[error("{} does not take {}", .option.word(), .parameter.word())]
    ParameterNotTaken {
        /// The option that was given.
        option: MacroOption,
        /// The parameter that it does not take.
        parameter: Parameter,
    },
    /// A parameter given twice.
    #[error("{} is given twice", .parameter.word())]
    ParameterTwice {
        /// The option that was given.
        option: MacroOption,
        /// The parameter.
        parameter: Parameter,
    },
    /// Required parameters that are not there, all of them.
    #[error("{} needs {}", .option.word(), join_words(missing, "and"))]
    MissingParameters {
        /// The option that was given.
        option: MacroOption,
        /// What it lacks, in the order of the table.
        missing: Vec<Parameter>,
    },
    /// None of the parameters of which an option needs one.
    #[error("{} needs {} of its parameters", .option.word(), how_many(*option))]
    NoParameter {
        /// The option that was given.
        option: MacroOption,
    },
    /// Several of the parameters of which an option takes exactly one.
    #[error("{} takes one parameter, and {} are given", .option.word(), join_words(given, "and"))]
    SeveralParameters {
        /// The option that was given.
        option: MacroOption,
        /// The parameters given, in the order given.
        given: Vec<Parameter>,
    },
    /// A second option in one call.
    #[error("{} follows {}, and one call takes one option", .second.word(), .first.word())]
    SecondOption {
        /// The option that the call begins with.
        first: MacroOption,
        /// The option behind it.
        second: MacroOption,
    },
    /// A parameter where the option belongs.
    #[error("{} stands where the option belongs", .parameter.word())]
    ParameterBeforeOption {
        /// The parameter.
        parameter: Parameter,
        /// The option further back, if there is one.
        option: Option<MacroOption>,
    },
    /// A host option behind a macro option.
    #[error("the host option {word} follows {}", .option.word())]
    HostOptionBehind {
        /// The host option as given.
        word: Shown,
        /// The macro option before it.
        option: MacroOption,
    },
    /// The macro's own name as its first word.
    #[error("the macro's name is given twice")]
    MacroNameTwice,
    /// What the host side's parser found wrong.
    #[error("{message}")]
    Host {
        /// Its message, on one line.
        message: String,
        /// Its advice.
        tips: Vec<String>,
        /// The command that the line is about, where it names one.
        command: Option<String>,
    },
}

/// One thing that is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordFault {
    /// A look-alike of `-`.
    Dash(char),
    /// A look-alike of `-` before a command, which has no dash.
    DashBefore(char),
    /// A quotation mark that became a part of the word.
    Quote(char),
    /// A space that a shell does not split words at, or any space inside quotes.
    Space(char),
    /// The carriage return of a script with CRLF line ends.
    CarriageReturn,
    /// Another character that does not show.
    Invisible(char),
    /// Another number of dashes than the grammar wants.
    Dashes {
        /// How many there are.
        typed: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// A `=` between a parameter and its value.
    EqualsSign,
    /// Upper case letters.
    LetterCase,
    /// Up to two wrong, missing, surplus or swapped letters.
    Spelling,
}

/// A word from the command line as a message may show it: secrets masked, everything but printable ASCII spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Returns a word that the grammar knows, such as `-targetname`.
    pub(super) fn known(word: &str) -> Self {
        Self(escape(word))
    }

    /// Returns a recognised word whose first `head` bytes are its name; what follows is masked when `secret`.
    pub(super) fn recognised(word: &str, head: usize, secret: bool) -> Self {
        match word.get(..head) {
            Some(name) if secret && name.len() < word.len() => Self(escape(name) + MASK),
            _ => Self(escape(word)),
        }
    }

    /// Returns a word that was not recognised, which may be a part of a secret when `line_has_secret`.
    pub(super) fn unknown(word: &str, line_has_secret: bool) -> Self {
        let secret_word = word
            .to_ascii_lowercase()
            .find("secret")
            .map(|at| at + "secret".len());
        let name = secret_word.or_else(|| word.find('=').map(|at| at + 1));
        match name {
            Some(end) => Self::recognised(word, end, true),
            None if line_has_secret => Self(MASK.to_owned()),
            None => Self(escape(word)),
        }
    }

    /// Returns the text without quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

impl fmt::Display for WordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let describe = characters::describe;
        match *self {
            Self::Dash(c) => write!(f, "{} where '-' belongs", describe(c)),
            Self::DashBefore(c) => write!(f, "{} before it", describe(c)),
            Self::Quote('"') => write!(f, "a quotation mark in it"),
            Self::Quote('\'') => write!(f, "an apostrophe in it"),
            Self::Quote('`') => write!(f, "a backquote in it"),
            Self::Quote(c) => write!(f, "{} in it", describe(c)),
            Self::Space(c) => write!(f, "{} where the next word should begin", describe(c)),
            Self::CarriageReturn => write!(f, "{} at its end", describe('\r')),
            Self::Invisible(c) => write!(f, "{}, which does not show, in it", describe(c)),
            Self::Dashes {
                typed: 0,
                wanted: 1,
            } => write!(f, "no '-' before it"),
            Self::Dashes { typed: 0, wanted } => write!(f, "no '{}' before it", "-".repeat(wanted)),
            Self::Dashes { typed: 1, wanted } => write!(f, "1 dash where {wanted} should be"),
            Self::Dashes { typed, wanted } => write!(f, "{typed} dashes where {wanted} should be"),
            Self::EqualsSign => write!(f, "'=' where a space belongs"),
            Self::LetterCase => write!(f, "upper case letters"),
            Self::Spelling => write!(f, "a spelling mistake"),
        }
    }
}

impl UsageError {
    /// Returns what to do about it, the most useful first.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Word { faults, meant, .. } => {
                let is_command = faults.iter().any(|fault| matches!(fault, WordFault::DashBefore(_)));
                let mut hints = match meant.as_slice() {
                    [command] if is_command => vec![format!("the command is {}", command.as_str())],
                    meant => vec![write_instead(meant)],
                };
                hints.extend(cause_of(faults));
                hints
            }
            Self::UnknownOption { similar: Some(word), .. } => {
                vec![unabbreviated(word), ask_for_help(None)]
            }
            Self::UnknownOption { similar: None, .. } => {
                let words: Vec<_> = OPTIONS.iter().map(|spec| spec.word()).collect();
                vec![format!("the options are {}", words.join(", ")), ask_for_help(None)]
            }
            Self::UnknownParameter { option, similar: Some(word), .. } => {
                vec![unabbreviated(word), ask_for_help(Some(*option))]
            }
            Self::UnknownParameter { option, .. } => vec![takes(*option), ask_for_help(Some(*option))],
            Self::StrayWord { option, .. } => vec![
                "each parameter is followed by one value; a value with spaces in it needs quotes"
                    .to_owned(),
                usage(*option),
            ],
            Self::UnknownCommand { similar, path, .. } => {
                let similar = similar.as_ref().map(|word| format!("a similar command is '{word}'"));
                let help = match path.as_str() {
                    "" => ask_for_help(None),
                    path => format!("see iscsiswiconfig {path} --help"),
                };
                similar.into_iter().chain([help]).collect()
            }
            Self::NotUtf8 { .. } => vec![
                "the macro's words and values are ASCII; look at the encoding of the script or the terminal"
                    .to_owned(),
            ],
            Self::MissingValue { option, found, .. } => {
                let found = found.as_ref().map(|_| {
                    "a value may begin with '-' unless it is one of the macro's own words".to_owned()
                });
                found.into_iter().chain([usage(*option)]).collect()
            }
            Self::ParameterNotTaken { option, parameter } => {
                let taken_by: Vec<_> = OPTIONS
                    .iter()
                    .filter(|spec| spec.takes(*parameter))
                    .map(|spec| spec.word())
                    .collect();
                vec![
                    takes(*option),
                    format!("{} belongs to {}", parameter.word(), taken_by.join(", ")),
                ]
            }
            Self::ParameterTwice { .. } => {
                vec!["give it once; neither value was taken".to_owned()]
            }
            Self::MissingParameters { option, .. } | Self::NoParameter { option } => {
                vec![usage(*option)]
            }
            Self::SeveralParameters { option, .. } => {
                vec![format!("make one call of {} for each", option.word())]
            }
            Self::SecondOption { .. } => {
                vec!["make one call for each option, in the order in which they are to happen".to_owned()]
            }
            Self::ParameterBeforeOption { option: Some(option), .. } => vec![usage(*option)],
            Self::ParameterBeforeOption { parameter, option: None } => {
                let taken_by: Vec<_> = OPTIONS
                    .iter()
                    .filter(|spec| spec.takes(*parameter))
                    .map(|spec| spec.word())
                    .collect();
                vec![format!("begin with the option: {}", taken_by.join(", "))]
            }
            Self::HostOptionBehind { .. } => {
                vec!["host options stand before the option of the macro".to_owned()]
            }
            Self::MacroNameTwice => vec!["give it once, then the option".to_owned()],
            Self::Host { tips, command, .. } => {
                let help = match command {
                    Some(command) => format!("see iscsiswiconfig {command} --help"),
                    None => ask_for_help(None),
                };
                tips.iter().cloned().chain([help]).collect()
            }
        }
    }
}

fn not_a_command(path: &str) -> String {
    match path {
        "" => "neither an option of the macro nor a command".to_owned(),
        path => format!("not a command of {path}"),
    }
}

fn unabbreviated(word: &str) -> String {
    format!("write {word}: no word of the macro can be abbreviated")
}

fn write_instead(meant: &[Shown]) -> String {
    if meant.is_empty() {
        return "leave it out".to_owned();
    }
    let words: Vec<_> = meant
        .iter()
        .map(|word| shell::quote(word.as_str()))
        .collect();
    format!("write {}", words.join(" "))
}

/// Says where the first fault comes from whose origin is not plain from its name.
pub(super) fn cause_of(faults: &[WordFault]) -> Option<String> {
    let cause = faults.iter().find_map(|fault| cause(*fault));
    cause.map(str::to_owned)
}

fn cause(fault: WordFault) -> Option<&'static str> {
    match fault {
        WordFault::CarriageReturn => Some(CRLF_HINT),
        WordFault::Quote('"' | '\'' | '`') => None,
        WordFault::Dash(_)
        | WordFault::DashBefore(_)
        | WordFault::Quote(_)
        | WordFault::Space('\u{a0}'..)
        | WordFault::Invisible(_) => {
            Some("word processors and web pages change characters like this one; nothing was done")
        }
        _ => None,
    }
}

fn usage(option: MacroOption) -> String {
    format!("usage: iscsiswiconfig {}", synopsis(option.spec()))
}

fn takes(option: MacroOption) -> String {
    let words: Vec<_> = option.spec().parameters().map(Parameter::word).collect();
    match words.as_slice() {
        [] => format!("{} takes no parameters", option.word()),
        words => format!("{} takes {}", option.word(), words.join(", ")),
    }
}

fn ask_for_help(option: Option<MacroOption>) -> String {
    match option {
        Some(option) => format!("see iscsiswiconfig {} {HELP_WORD}", option.word()),
        None => format!("see iscsiswiconfig {HELP_WORD}"),
    }
}

fn not_utf8(argument: usize, parameter: Option<Parameter>) -> String {
    match parameter {
        Some(parameter) => format!("the value of {}", parameter.word()),
        None => format!("argument {argument}"),
    }
}

fn before(found: &Option<Shown>) -> String {
    match found {
        Some(found) => format!(", and {found} stands in its place"),
        None => String::new(),
    }
}

fn how_many(option: MacroOption) -> &'static str {
    match option.spec().parameters {
        ParameterRule::ExactlyOne(_) => "one",
        ParameterRule::OneOrMore(_) | ParameterRule::Each { .. } => "one or more",
    }
}

fn join_words(parameters: &[Parameter], last: &str) -> String {
    let words: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter.word())
        .collect();
    join(&words, last)
}

/// Joins `a`, `a and b`, `a, b and c`.
fn join<T: fmt::Display>(items: &[T], last: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., end] => {
            let first: Vec<_> = first.iter().map(ToString::to_string).collect();
            format!("{} {last} {end}", first.join(", "))
        }
    }
}
