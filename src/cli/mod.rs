//! The two languages of the command line.
//!
//! ```text
//! iscsiswiconfig [HOST-OPTIONS] -OPTION [-PARAMETER VALUE]...     the macro: IBM's words, one dash
//! iscsiswiconfig [HOST-OPTIONS] COMMAND ...                       the host side: our words, GNU style
//! ```
//!
//! Every word with one dash and more than one letter is the macro's and comes from the table in [`grammar`]; clap cannot
//! parse such words, so [`parse_macro`] does. Every other word is the host side's and comes from clap's definition in
//! [`host`]. A host option stands before the macro option, or anywhere on the line of a host command. The exceptions are
//! few: `-h`, `-q`, `-v` and `-vv` are the host side's, and `-help`, `--help` and `-h` ask for help wherever they stand
//! where a word of the grammar could.
//!
//! Parsing records what was typed and judges no value, so a usage error needs no machine. Help texts, the man page and the
//! completion scripts are generated from the same table and definition.

pub mod complete;
mod corrected;
pub mod grammar;
pub mod help;
pub mod host;
pub mod man;
pub mod man_json;
mod parse;
mod repair;
mod shell;
mod synopsis;
mod usage;

use std::ffi::{OsStr, OsString};

use thiserror::Error;
use zeroize::Zeroizing;

pub use grammar::{MacroOption, Parameter};
pub use help::Help;
pub use host::{
    ApplyOptions, Artifact, CheckOptions, DModeOptions, DiscoverOptions, FaultArgument,
    FaultOption, GenerateOptions, HostCommand, HostOptions, IopCommand, LibraryAction,
    LibraryOptions, MtxOptions, NameKind, PartitionCommand, PartitionFile, PartitionSettings,
    RequestedFault, RmtOptions, SqlOptions, Unmounted, VtlOptions,
};
pub use parse::{Invocation, MacroRequest, parse_macro};
pub use shell::quote;
pub use usage::{CRLF_HINT, Shown, UsageError, WordFault};

use crate::values::characters;

/// A command line, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The host options.
    pub host: HostOptions,
    /// What is asked for.
    pub request: Request,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A call of the macro.
    Macro(Invocation),
    /// A command of the host side.
    Host(HostCommand),
    /// Help, on standard output.
    Help(Help),
    /// The version, on standard output.
    Version,
    /// Nothing: there is neither an option nor a command. [`help::usage`] goes to standard error.
    NoArguments,
}

/// A command line that is not of the grammar.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct UsageFailure {
    /// Whether `--json` is on the line, so that the error itself is printed as JSON.
    pub json: bool,
    /// Whether the line is one of a command that has stdout for data, so that the error goes to stderr as JSON too.
    pub has_data_on_stdout: bool,
    /// What is wrong.
    pub error: UsageError,
    /// The line that was meant, where that is plain: quoted for a shell, secrets masked.
    pub corrected: Option<String>,
}

impl UsageFailure {
    /// Returns what to do about it, the most useful first.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = self.error.hints();
        if let Some(line) = &self.corrected {
            hints.insert(0, format!("did you mean: {line}"));
            // The line shows the corrected word already.
            if let UsageError::Word { .. } = self.error {
                hints.remove(1);
            }
        }
        hints
    }
}

/// Parses the arguments behind the program's name.
///
/// # Errors
///
/// The first thing that is not of the grammar; no value has been parsed.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, UsageFailure> {
    // The words as they came: lexopt's own parser would read `-commit` as six short options. It refuses to hand them out
    // only in the middle of such an option.
    let mut parser = lexopt::Parser::from_args(arguments);
    let words: Vec<OsString> = parser.raw_args().map(Iterator::collect).unwrap_or_default();
    let json = words.iter().any(|word| word == "--json");
    let split = split(&words);
    let is_host_line = matches!(split, Split::Host);
    let line = match split {
        Split::Help => Ok(CommandLine::new(Request::Help(Help::Overview))),
        Split::Version => Ok(CommandLine::new(Request::Version)),
        Split::Host => host_line(&words),
        Split::Macro(at) => {
            let (before, behind) = words.split_at_checked(at).unwrap_or((&words, &[]));
            macro_line(before, behind, at)
        }
    };
    let has_data_on_stdout = is_host_line && line.is_err() && host::has_data_on_stdout(&words);
    // One of the words may be a secret, so all of them are wiped; only a line that is text can be corrected.
    let words: Option<Vec<_>> = words
        .into_iter()
        .map(|word| word.into_string().ok().map(Zeroizing::new))
        .collect();
    line.map_err(|error| {
        let corrected = words.and_then(|words| corrected::corrected_line(&words));
        UsageFailure {
            json,
            has_data_on_stdout,
            error,
            corrected,
        }
    })
}

impl CommandLine {
    fn new(request: Request) -> Self {
        Self {
            host: HostOptions::default(),
            request,
        }
    }
}

/// Where a line changes from one language to the other.
enum Split {
    /// The macro's words begin at this index, which is behind the end when there are none.
    Macro(usize),
    /// The whole line is the host side's.
    Host,
    /// Help was asked for before anything else.
    Help,
    /// The version was asked for before anything else.
    Version,
}

/// Finds where the macro's words begin, without looking at what they are.
fn split(words: &[OsString]) -> Split {
    let mut at = 0;
    loop {
        let Some(word) = words.get(at) else {
            return Split::Macro(at);
        };
        // The value of `--state-dir=` need not be UTF-8.
        let word = word.to_string_lossy();
        at += match &*word {
            "-h" | "-help" | "--help" => return Split::Help,
            "--version" => return Split::Version,
            "-q" | "-v" | "-vv" | "-vvv" => 1,
            _ if word.starts_with("--") => match host_option(&word) {
                // A word that begins with a dash is never the value: the macro begins there, and clap misses the value.
                Some(true) => {
                    let value = words.get(at + 1).filter(|next| !begins_the_macro(next));
                    1 + usize::from(value.is_some())
                }
                Some(false) => 1,
                None if parse::changed_word(&word).is_some() => return Split::Macro(at),
                None if host::command_like(&word).is_some() => return Split::Macro(at),
                None => return Split::Host,
            },
            _ if !word.starts_with('-') && host::is_command(&word) => return Split::Host,
            _ => return Split::Macro(at),
        };
    }
}

/// Returns whether a word is too much like an option to be the value of a host option.
fn begins_the_macro(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    // A dash alone is standard input.
    (word.starts_with('-') && word != "-") || repair::is_own_word(&word)
}

/// Returns whether the value of a host option stands in the next word; `None` when there is no such option.
fn host_option(word: &str) -> Option<bool> {
    let name = word.strip_prefix("--")?;
    match name.split_once('=') {
        Some((name, _)) => host::takes_value(name).map(|_| false),
        None => host::takes_value(name),
    }
}

fn host_line(words: &[OsString]) -> Result<CommandLine, UsageError> {
    if let Some(error) = host::pasted_word(words) {
        return Err(error);
    }
    let secret_elsewhere = words
        .iter()
        .any(|word| word.to_string_lossy().starts_with("--secret-file"));
    let (words, parameters) = host::take_parameters(words, secret_elsewhere)?;
    let mut line = parsed(host::parse(&words)?);
    if let Request::Host(HostCommand::Discover(options)) = &mut line.request {
        options.arguments = parameters;
    }
    Ok(line)
}

fn parsed(parsed: host::Parsed) -> CommandLine {
    match parsed {
        host::Parsed::Help { path, long } => {
            CommandLine::new(Request::Help(Help::Command { path, long }))
        }
        host::Parsed::Line(host, command) => {
            let request = command.map_or(Request::NoArguments, Request::Host);
            CommandLine { host, request }
        }
    }
}

/// Parses host options and the macro's words behind them; `at` is how many words stand before those.
fn macro_line(
    before: &[OsString],
    behind: &[OsString],
    at: usize,
) -> Result<CommandLine, UsageError> {
    // The definition is only built when there is something for it to parse.
    let line = match before {
        [] => CommandLine::new(Request::NoArguments),
        words => parsed(host::parse_options(words)?),
    };
    if behind.is_empty() || line.request != Request::NoArguments {
        return Ok(line);
    }
    let words = text(behind, at)?;
    let secret_elsewhere = line.host.secret_file.is_some();
    let request = match parse::parse_with(&words, secret_elsewhere) {
        Ok(MacroRequest::Call(invocation)) => Request::Macro(invocation),
        Ok(MacroRequest::Help(option)) => {
            Request::Help(option.map_or(Help::Overview, Help::Option))
        }
        Err(UsageError::UnknownOption { word, .. }) if !has_dash(behind) => {
            // Neither language has the word; clap knows whether a command is spelled like it.
            let similar = match host_line(behind) {
                Err(UsageError::UnknownCommand { similar, .. }) => similar,
                _ => None,
            };
            let path = String::new();
            return Err(UsageError::UnknownCommand {
                word,
                similar,
                path,
            });
        }
        Err(error) => return Err(error),
    };
    Ok(CommandLine {
        host: line.host,
        request,
    })
}

/// Returns whether the first word begins with a dash of any kind.
fn has_dash(words: &[OsString]) -> bool {
    let first = words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    first.starts_with(|c| c == '-' || characters::is_dash(c))
}

fn text(words: &[OsString], at: usize) -> Result<Vec<Zeroizing<String>>, UsageError> {
    let mut texts: Vec<Zeroizing<String>> = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let Some(word) = word.to_str() else {
            let parameter = texts.last().and_then(|word| Parameter::from_word(word));
            return Err(UsageError::NotUtf8 {
                argument: at + index + 1,
                parameter,
            });
        };
        texts.push(Zeroizing::new(word.to_owned()));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests;
