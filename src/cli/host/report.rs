//! What clap finds wrong with a line of the host side, in one message and a tip.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::super::parse::{changed, shown};
use super::super::repair::{self, Known, Recognised};
use super::super::usage::{Shown, UsageError, WordFault, cause_of};
use super::{definition, macro_parameters};
use crate::values::characters::escape;

/// Returns the error for a word on the line of a command that has a look-alike of `-` before it and is otherwise a word that
/// could stand there, or one of the macro.
pub(in crate::cli) fn pasted_word(words: &[OsString]) -> Option<UsageError> {
    let words = || words.iter().filter_map(|word| word.to_str());
    if !words().any(repair::has_pasted_dash) {
        return None;
    }
    let definition = definition();
    let mut command = &definition;
    let mut path = Vec::new();
    for word in words() {
        if let Some(found) = command.find_subcommand(word) {
            path.push(word.to_owned());
            command = found;
            continue;
        }
        if !repair::has_pasted_dash(word) {
            continue;
        }
        let recognised = repair::recognise_behind(command, word).filter(is_one_word);
        if let Some(recognised) = recognised {
            let error = macro_word(word, &recognised, &path);
            return Some(error.unwrap_or_else(|| changed(word, &recognised)));
        }
    }
    None
}

/// Names a word of the macro, or a command with dashes before it, whole: clap takes such a word for short options one behind the
/// other and names the first of them, or knows nothing about it.
pub(super) fn known_word_behind(
    error: &clap::Error,
    words: &[OsString],
    path: &[String],
) -> Option<UsageError> {
    if error.kind() != ErrorKind::UnknownArgument || path.is_empty() {
        return None;
    }
    let is_told = error.get(ContextKind::SuggestedArg).is_some();
    let definition = definition();
    let command = command_at(&definition, path)?;
    let words = words.iter().filter_map(|word| word.to_str());
    words.filter(|word| word.starts_with('-')).find_map(|word| {
        let recognised = repair::recognise_behind(command, word).filter(is_one_word)?;
        match &recognised.known {
            Known::Command(name) => Some(UsageError::UnknownCommand {
                word: Shown::known(word),
                similar: Some(name.clone()),
                path: path.join(" "),
            }),
            // An option of the command that is spelled like the word is what was meant.
            _ if is_told && word.starts_with("--") => None,
            _ => macro_word(word, &recognised, path),
        }
    })
}

/// Returns whether nothing but a value stands in the same argument: a statement of SQL, for one, may begin like an option.
fn is_one_word(recognised: &Recognised) -> bool {
    let mut faults = recognised.faults.iter();
    !faults.any(|fault| matches!(fault, WordFault::Space(_)))
}

/// Returns the error for a word of the macro behind a command that does not take it.
fn macro_word(word: &str, recognised: &Recognised, path: &[String]) -> Option<UsageError> {
    if path.is_empty() {
        return None;
    }
    let path = path.join(" ");
    let tip = match recognised.known {
        Known::Option(_, option) => {
            format!("an option of the macro stands alone: iscsiswiconfig {option}")
        }
        Known::Parameter(parameter) if !macro_parameters(&path).contains(&parameter) => {
            "a parameter of the macro follows an option of the macro".to_owned()
        }
        _ => return None,
    };
    let cause = cause_of(&recognised.faults);
    Some(UsageError::Host {
        message: format!(
            "{} is a word of the macro, and follows {path}",
            shown(word, recognised)
        ),
        tips: std::iter::once(tip).chain(cause).collect(),
        command: Some(path),
    })
}

/// Turns clap's report, paragraphs with a prefix each, into a message on one line and a tip.
pub(super) fn usage_error(error: &clap::Error, path: &[String]) -> UsageError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(word) = context(ContextKind::InvalidSubcommand)
    {
        let similar =
            unique_beginning(&word, path).or_else(|| context(ContextKind::SuggestedSubcommand));
        return UsageError::UnknownCommand {
            word: Shown::known(&word),
            similar,
            path: path.join(" "),
        };
    }
    let report = error.to_string();
    let mut paragraphs = report.split("\n\n");
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let tip = paragraphs
        .find_map(|paragraph| paragraph.trim_start().strip_prefix("tip: "))
        // No argument of a command is a free value that could begin with a dash.
        .filter(|tip| !tip.starts_with("to pass "));
    UsageError::Host {
        message: one_line(message),
        tips: tip.map(one_line).into_iter().collect(),
        command: Some(path.join(" ")).filter(|path| !path.is_empty()),
    }
}

/// Returns the one command behind `path` that begins as the word does.
fn unique_beginning(word: &str, path: &[String]) -> Option<String> {
    let definition = definition();
    let mut names = command_at(&definition, path)?
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name)
        .filter(|name| !word.is_empty() && name.starts_with(word));
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
    }
}

fn command_at<'a>(definition: &'a Command, path: &[String]) -> Option<&'a Command> {
    path.iter()
        .try_fold(definition, |command, name| command.find_subcommand(name))
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.lines().map(str::trim).collect();
    escape(words.join(" ").trim())
}
