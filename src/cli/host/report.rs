//! What clap finds wrong with a line of the host side, in one message and a tip.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::super::grammar::{MacroOption, Parameter};
use super::super::usage::{Shown, UsageError};
use super::definition;
use crate::values::characters::escape;

/// Names a word of the macro whole, which clap takes for short options one behind the other and names by the first of them.
pub(super) fn macro_word_behind(
    error: &clap::Error,
    words: &[OsString],
    path: &[String],
) -> Option<UsageError> {
    if error.kind() != ErrorKind::UnknownArgument || path.is_empty() {
        return None;
    }
    let word = words
        .iter()
        .filter_map(|word| word.to_str())
        .filter(|word| !word.starts_with("--"))
        .find(|word| {
            MacroOption::from_word(word).is_some() || Parameter::from_word(word).is_some()
        })?;
    let tip = match MacroOption::from_word(word) {
        Some(_) => format!("an option of the macro stands alone: iscsiswiconfig {word}"),
        None => "a parameter of the macro follows an option of the macro".to_owned(),
    };
    Some(UsageError::Host {
        message: format!(
            "'{word}' is a word of the macro, and follows {}",
            path.join(" ")
        ),
        tip: Some(tip),
        command: Some(path.join(" ")),
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
        tip: tip.map(one_line),
        command: Some(path.join(" ")).filter(|path| !path.is_empty()),
    }
}

/// Returns the one command behind `path` that begins as the word does.
fn unique_beginning(word: &str, path: &[String]) -> Option<String> {
    let definition = definition();
    let mut command = &definition;
    for name in path {
        command = command.find_subcommand(name)?;
    }
    let mut names = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name)
        .filter(|name| !word.is_empty() && name.starts_with(word));
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.lines().map(str::trim).collect();
    escape(words.join(" ").trim())
}
