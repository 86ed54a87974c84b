//! Parses the macro's arguments by the table; records what was typed and judges no value.

use std::fmt;

use zeroize::Zeroizing;

use super::grammar::{MacroOption, OPTIONS, Parameter, ParameterRule};
use super::host;
use super::repair::{self, Known, Recognised};
use super::shell::MASK;
use super::usage::{Shown, UsageError};
use crate::values::characters;

/// One call of the macro, as typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The option.
    pub option: MacroOption,
    /// Its parameters in the order in which they were given, each at most once.
    pub arguments: Vec<(Parameter, Zeroizing<String>)>,
}

/// What the macro's arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroRequest {
    /// To do something.
    Call(Invocation),
    /// To explain the option, or the whole macro.
    Help(Option<MacroOption>),
}

impl Invocation {
    /// Returns the value of a parameter, as typed.
    pub fn value(&self, parameter: Parameter) -> Option<&str> {
        let (_, value) = self
            .arguments
            .iter()
            .find(|(given, _)| *given == parameter)?;
        Some(value)
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments.iter().map(|(parameter, value)| {
            let value = if parameter.spec().secret { MASK } else { value };
            (parameter.word(), value)
        });
        f.debug_struct("Invocation")
            .field("option", &self.option.word())
            .field("arguments", &arguments.collect::<Vec<_>>())
            .finish()
    }
}

/// Parses what stands behind the host options: an option, then its parameters, each followed by its value.
///
/// # Errors
///
/// The first word that is not of the grammar, or the rule of the option that the parameters break.
pub fn parse_macro(words: &[Zeroizing<String>]) -> Result<MacroRequest, UsageError> {
    parse_with(words, false)
}

/// Parses as [`parse_macro`] does; when the secret is elsewhere, a secret parameter stands without a value, which is recorded
/// as an empty one.
pub(super) fn parse_with(
    words: &[Zeroizing<String>],
    secret_elsewhere: bool,
) -> Result<MacroRequest, UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(MacroRequest::Help(None));
    };
    if is_help(first) {
        return Ok(MacroRequest::Help(None));
    }
    let Some(option) = MacroOption::from_word(first) else {
        return Err(not_an_option(first, words));
    };

    let mut arguments: Vec<(Parameter, Zeroizing<String>)> = Vec::new();
    let mut rest = rest.iter().peekable();
    while let Some(word) = rest.next() {
        if is_help(word) {
            return Ok(MacroRequest::Help(Some(option)));
        }
        let Some(parameter) = Parameter::from_word(word) else {
            return Err(not_a_parameter(word, option, words));
        };
        if !option.spec().takes(parameter) {
            return Err(UsageError::ParameterNotTaken { option, parameter });
        }
        if arguments.iter().any(|(given, _)| *given == parameter) {
            return Err(UsageError::ParameterTwice { option, parameter });
        }
        if secret_elsewhere
            && parameter.spec().secret
            && rest.peek().is_none_or(|next| repair::is_own_word(next))
        {
            arguments.push((parameter, Zeroizing::default()));
            continue;
        }
        match rest.next() {
            Some(value) if !repair::is_own_word(value) => {
                arguments.push((parameter, value.clone()))
            }
            found => {
                // A secret may be spelled like a word of the macro, so the word is not shown in its place.
                let found = found.filter(|_| !parameter.spec().secret);
                let found = found.map(|word| Shown::known(word));
                return Err(UsageError::MissingValue {
                    option,
                    parameter,
                    found,
                });
            }
        }
    }
    check_rule(option, &arguments)?;
    Ok(MacroRequest::Call(Invocation { option, arguments }))
}

fn is_help(word: &str) -> bool {
    matches!(word, "-help" | "--help" | "-h")
}

/// Holds the parameters given against the rule of the option.
fn check_rule(
    option: MacroOption,
    arguments: &[(Parameter, Zeroizing<String>)],
) -> Result<(), UsageError> {
    let is_given = |parameter: &Parameter| arguments.iter().any(|(given, _)| given == parameter);
    match option.spec().parameters {
        ParameterRule::Each { required, .. } => {
            let missing: Vec<_> = required.iter().copied().filter(|p| !is_given(p)).collect();
            if !missing.is_empty() {
                return Err(UsageError::MissingParameters { option, missing });
            }
        }
        ParameterRule::OneOrMore(_) | ParameterRule::ExactlyOne(_) if arguments.is_empty() => {
            return Err(UsageError::NoParameter { option });
        }
        ParameterRule::ExactlyOne(_) if arguments.len() > 1 => {
            let given = arguments.iter().map(|(parameter, _)| *parameter).collect();
            return Err(UsageError::SeveralParameters { option, given });
        }
        ParameterRule::OneOrMore(_) | ParameterRule::ExactlyOne(_) => {}
    }
    Ok(())
}

/// Says what is wrong with a first word that is not an option.
pub(super) fn not_an_option(word: &str, words: &[Zeroizing<String>]) -> UsageError {
    if let Some(parameter) = Parameter::from_word(word) {
        let option = words.iter().find_map(|word| MacroOption::from_word(word));
        return UsageError::ParameterBeforeOption { parameter, option };
    }
    if repair::is_macro_name(word) {
        return UsageError::MacroNameTwice;
    }
    if repair::has_pasted_dash(word)
        && let Some(recognised) = repair::recognise_behind(&host::definition(), word)
        && let Known::Command(_) = recognised.known
    {
        return changed(word, &recognised);
    }
    if let Some(command) = host::command_like(word) {
        return UsageError::UnknownCommand {
            word: Shown::known(word),
            similar: Some(command),
            path: String::new(),
        };
    }
    changed_word(word).unwrap_or_else(|| UsageError::UnknownOption {
        word: unknown(word, words),
        similar: unique_beginning(word, OPTIONS.iter().map(|spec| spec.word())),
    })
}

/// Returns the one word that begins as the typed one does, which has a dash and two letters at least.
fn unique_beginning(
    typed: &str,
    words: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let mut begun = words.filter(|word| typed.len() > 2 && word.starts_with(typed));
    match (begun.next(), begun.next()) {
        (Some(word), None) => Some(word),
        _ => None,
    }
}

/// Says what is wrong with a word that stands where a parameter belongs.
fn not_a_parameter(word: &str, option: MacroOption, words: &[Zeroizing<String>]) -> UsageError {
    if let Some(second) = MacroOption::from_word(word) {
        return UsageError::SecondOption {
            first: option,
            second,
        };
    }
    match repair::recognise(word) {
        Some(recognised) if recognised.faults.is_empty() => {
            let word = Shown::known(recognised.known.word());
            return UsageError::HostOptionBehind { word, option };
        }
        _ => {}
    }
    if let Some(error) = changed_word(word) {
        return error;
    }
    let shown = unknown(word, words);
    if word.starts_with(|c| c == '-' || characters::is_dash(c)) {
        return UsageError::UnknownParameter {
            word: shown,
            option,
            similar: unique_beginning(word, option.spec().parameters().map(Parameter::word)),
        };
    }
    UsageError::StrayWord {
        word: shown,
        option,
    }
}

/// Returns the error for a word of the grammar that pasting or typing has changed, or for what pasting left behind.
pub(super) fn changed_word(word: &str) -> Option<UsageError> {
    if let Some(faults) = repair::debris(word) {
        return Some(UsageError::Word {
            word: Shown::known(word),
            faults,
            meant: Vec::new(),
        });
    }
    let recognised = repair::recognise(word)?;
    (!recognised.faults.is_empty()).then(|| changed(word, &recognised))
}

/// Returns the error for a recognised word that is not as it should be.
pub(super) fn changed(word: &str, recognised: &Recognised) -> UsageError {
    let hidden = |value: &String| recognised.known.is_secret() || repair::may_hold_secret(value);
    let mut meant = vec![Shown::known(recognised.known.word())];
    if let Known::Host {
        takes_value: true, ..
    }
    | Known::Parameter(_) = recognised.known
    {
        meant.extend(recognised.rest.iter().map(|value| match hidden(value) {
            true => Shown::known(MASK),
            false => Shown::known(value),
        }));
    }
    UsageError::Word {
        word: shown(word, recognised),
        faults: recognised.faults.clone(),
        meant,
    }
}

/// Returns a recognised word as a message may show it.
pub(super) fn shown(word: &str, recognised: &Recognised) -> Shown {
    let hidden = |value: &String| recognised.known.is_secret() || repair::may_hold_secret(value);
    // Quotes around a whole line make one word of it, and then a secret may stand anywhere behind the first.
    let hide_rest = recognised.rest.len() > 1 || recognised.rest.iter().any(|value| hidden(value));
    Shown::recognised(word, recognised.head, hide_rest)
}

fn unknown(word: &str, words: &[Zeroizing<String>]) -> Shown {
    let has_secret = words
        .iter()
        .any(|word| repair::recognise(word).is_some_and(|recognised| recognised.known.is_secret()));
    Shown::unknown(word, has_secret)
}
