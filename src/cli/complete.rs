//! The completion scripts, from the macro's table and clap's definition.
//!
//! The scripts in `complete/` are written by hand; only the words, which stand between `@` signs there, are filled in.

use clap::{Arg, Command, ValueHint};

use super::grammar::{
    HELP_WORD, OPTIONS, OptionSpec, PARAMETERS, Parameter, ParameterRule, ValueCompletion,
};
use super::host::{self, NameKind};
use super::{help, shell};
use crate::values::GENERATE;

/// Returns the completion script for bash.
pub fn bash() -> String {
    fill(include_str!("complete/bash.in"), &Bash)
}

/// Returns the completion script for zsh.
pub fn zsh() -> String {
    fill(include_str!("complete/zsh.in"), &Zsh)
}

/// Returns the completion script for fish.
pub fn fish() -> String {
    fill(include_str!("complete/fish.in"), &Fish)
}

/// A word that a script offers, and what it says about it.
struct Suggestion {
    word: String,
    description: String,
}

/// How one shell spells what all of them need.
trait Shell {
    /// A pattern that matches each of the words.
    fn pattern(&self, words: &[String]) -> String;
    /// The words of the first position, as lines or as words.
    fn first_words(&self, candidates: &[Suggestion]) -> String;
    /// The case for a command, which takes these words, and in its places files or names that the program prints.
    fn command_case(&self, command: &str, candidates: &[Suggestion], places: &[&str]) -> String;
    /// The case for an option, which takes these parameters.
    fn option_case(&self, spec: &OptionSpec, candidates: &[Suggestion]) -> String;
    /// The case for the value of a parameter: fixed words, then the names that the program prints.
    fn value_case(&self, word: &str, fixed: &[&str], names: Option<&str>) -> String;
}

fn fill(template: &str, shell: &dyn Shell) -> String {
    let definition = host::definition();
    let options: Vec<_> = OPTIONS
        .iter()
        .flat_map(|spec| spec.spellings)
        .map(|word| (*word).to_owned())
        .collect();
    let parameters: Vec<_> = PARAMETERS.iter().map(|spec| spec.word.to_owned()).collect();
    let with_value = value_options(&definition);
    let hinted = |hint| -> Vec<String> {
        let options = with_value.iter();
        options
            .filter(|option| option.get_value_hint() == hint)
            .filter_map(|option| word_of(option))
            .collect()
    };
    let directories = hinted(ValueHint::DirPath);
    let files = hinted(ValueHint::FilePath);
    let with_value_words: Vec<_> = with_value
        .iter()
        .filter_map(|option| word_of(option))
        .collect();
    let two_values: Vec<_> = with_value
        .iter()
        .filter(|option| {
            option
                .get_num_args()
                .is_some_and(|values| values.min_values() == 2)
        })
        .filter_map(|option| word_of(option))
        .collect();
    // What stands before a command's own word, then that word: nothing before the first.
    let commands: Vec<_> = help::all_commands(&definition)
        .into_iter()
        .map(|(path, _)| match path.contains(' ') {
            true => format!("'{path}'"),
            false => format!("' {path}'"),
        })
        .collect();

    let lines = |cases: Vec<String>| cases.join("\n");
    let replacements = [
        ("@OPTION_PATTERN@", shell.pattern(&options)),
        ("@OPTION_WORDS@", shell.pattern(&options)),
        ("@PARAMETER_PATTERN@", shell.pattern(&parameters)),
        ("@PARAMETER_WORDS@", shell.pattern(&parameters)),
        ("@HOST_VALUE_PATTERN@", shell.pattern(&with_value_words)),
        ("@HOST_VALUE_WORDS@", shell.pattern(&with_value_words)),
        ("@TWO_VALUES_PATTERN@", shell.pattern(&two_values)),
        ("@TWO_VALUES_WORDS@", shell.pattern(&two_values)),
        ("@DIRECTORY_PATTERN@", shell.pattern(&directories)),
        ("@DIRECTORY_WORDS@", shell.pattern(&directories)),
        ("@FILE_PATTERN@", shell.pattern(&files)),
        ("@FILE_WORDS@", shell.pattern(&files)),
        ("@COMMAND_PATTERN@", shell.pattern(&commands)),
        ("@COMMAND_WORDS@", shell.pattern(&commands)),
        (
            "@FIRST_WORDS@",
            shell.first_words(&first_words(&definition)),
        ),
        (
            "@COMMAND_CASES@",
            lines(
                help::all_commands(&definition)
                    .into_iter()
                    .map(|(path, command)| {
                        shell.command_case(&path, &command_words(&path, command), &places(command))
                    })
                    .collect(),
            ),
        ),
        (
            "@PARAMETER_CASES@",
            lines(
                OPTIONS
                    .iter()
                    .map(|spec| {
                        let candidates: Vec<_> = spec.parameters().map(parameter).collect();
                        shell.option_case(spec, &candidates)
                    })
                    .collect(),
            ),
        ),
        (
            "@VALUE_CASES@",
            lines(
                PARAMETERS
                    .iter()
                    .filter_map(|spec| value_case(shell, spec.parameter))
                    .chain(
                        with_value
                            .iter()
                            .filter_map(|option| choice_case(shell, option)),
                    )
                    .chain(
                        with_value
                            .iter()
                            .filter_map(|option| second_value_case(shell, option)),
                    )
                    .collect(),
            ),
        ),
    ];
    let mut script = template.to_owned();
    for (name, text) in replacements {
        script = script.replace(name, &text);
    }
    script
}

/// Returns what may stand first: an option, a request for help, a command, a host option.
fn first_words(definition: &Command) -> Vec<Suggestion> {
    let options = OPTIONS
        .iter()
        .map(|spec| candidate(spec.word(), spec.summary));
    let help_word = candidate(HELP_WORD, "Show help");
    let commands = help::commands(definition).into_iter().map(|command| {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        candidate(command.get_name(), &about)
    });
    let host_options = help::host_options(definition)
        .into_iter()
        .filter_map(host_option);
    let version = candidate("--version", "Show the version");
    options
        .chain([help_word])
        .chain(commands)
        .chain(host_options)
        .chain([version])
        .collect()
}

/// Returns the host options, and the options of all documented commands, that take a value, each word once.
fn value_options(definition: &Command) -> Vec<&Arg> {
    let own = help::all_commands(definition)
        .into_iter()
        .flat_map(|(_, command)| own_options(command));
    let mut options: Vec<&Arg> = Vec::new();
    for option in help::host_options(definition).into_iter().chain(own) {
        let known = options
            .iter()
            .any(|known| word_of(known) == word_of(option));
        if option.get_action().takes_values() && !known {
            options.push(option);
        }
    }
    options
}

/// Returns the options of a command that are not host options.
fn own_options(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_opts()
        .filter(|option| !option.is_hide_set() && !host::is_host_option(option))
}

/// Returns the word of an option: the long one, where it has one.
fn word_of(option: &Arg) -> Option<String> {
    let short = || option.get_short().map(|short| format!("-{short}"));
    option
        .get_long()
        .map(|long| format!("--{long}"))
        .or_else(short)
}

/// Returns what may follow a command: its own commands, the values of its argument and the words that are usual there, its
/// options, and the host options that it honours.
fn command_words(path: &str, command: &Command) -> Vec<Suggestion> {
    let nested = help::commands(command).into_iter().map(|nested| {
        let about = nested.get_about().map(ToString::to_string);
        candidate(nested.get_name(), &about.unwrap_or_default())
    });
    let values = command
        .get_positionals()
        .flat_map(Arg::get_possible_values)
        .map(|value| candidate(value.get_name(), ""));
    let usual = command
        .get_positionals()
        .flat_map(host::suggestions)
        .map(|word| candidate(word, ""));
    let options = own_options(command).filter_map(host_option);
    let host_options = help::host_options(command)
        .into_iter()
        .filter(|option| host::is_host_option(option))
        .filter_map(host_option);
    let macro_parameters = host::macro_parameters(path).iter().copied().map(parameter);
    nested
        .chain(values)
        .chain(macro_parameters)
        .chain(usual)
        .chain(options)
        .chain(host_options)
        .collect()
}

/// Returns what the arguments of a command are, in their order: files, names that the program prints, or neither.
fn places(command: &Command) -> Vec<&'static str> {
    let mut places: Vec<_> = command
        .get_positionals()
        .map(
            |argument| match (host::names_of(argument), argument.get_value_hint()) {
                (Some(names), _) => names.word(),
                (None, ValueHint::FilePath) => "files",
                (None, _) => "none",
            },
        )
        .collect();
    while places.last() == Some(&"none") {
        places.pop();
    }
    places
}

fn host_option(option: &Arg) -> Option<Suggestion> {
    let about = option
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    word_of(option).map(|word| candidate(&word, &about))
}

fn parameter(parameter: Parameter) -> Suggestion {
    let spec = parameter.spec();
    candidate(spec.word, spec.summary)
}

fn candidate(word: &str, description: &str) -> Suggestion {
    Suggestion {
        word: word.to_owned(),
        description: description.to_owned(),
    }
}

fn value_case(shell: &dyn Shell, parameter: Parameter) -> Option<String> {
    let spec = parameter.spec();
    let (fixed, names): (&[&str], _) = match spec.completion {
        ValueCompletion::Nothing => return None,
        ValueCompletion::Choices(choices) => (choices, None),
        ValueCompletion::InitiatorNames => (&[GENERATE], Some(NameKind::InitiatorNames)),
        ValueCompletion::TargetNames => (&[], Some(NameKind::TargetNames)),
        ValueCompletion::HostNames => (&[], Some(NameKind::HostNames)),
    };
    let names = names.map(NameKind::word);
    Some(shell.value_case(spec.word, fixed, names))
}

/// Returns the case for the value of an option that takes one of a few words or names, or for which some words are usual.
fn choice_case(shell: &dyn Shell, option: &Arg) -> Option<String> {
    let values = option.get_possible_values();
    let mut choices: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    choices.extend(host::suggestions(option));
    let names = host::names_of(option).map(NameKind::word);
    let word = word_of(option).filter(|_| !choices.is_empty() || names.is_some())?;
    Some(shell.value_case(&word, &choices, names))
}

/// Returns the case for the second value of an option that takes two; the scripts call it by the option and a 2.
fn second_value_case(shell: &dyn Shell, option: &Arg) -> Option<String> {
    let names = host::second_names_of(option)?.word();
    let word = format!("'{} 2'", word_of(option)?);
    Some(shell.value_case(&word, &[], Some(names)))
}

/// Returns whether a second parameter is never offered.
fn takes_only_one(spec: &OptionSpec) -> bool {
    matches!(spec.parameters, ParameterRule::ExactlyOne(_))
}

struct Bash;
struct Zsh;
struct Fish;

impl Shell for Bash {
    fn pattern(&self, words: &[String]) -> String {
        words.join(" | ")
    }

    fn first_words(&self, candidates: &[Suggestion]) -> String {
        plain_words(candidates)
    }

    fn command_case(&self, command: &str, candidates: &[Suggestion], places: &[&str]) -> String {
        let places = match places {
            [] => String::new(),
            places => format!(" places=({})", places.join(" ")),
        };
        format!(
            "                '{command}') candidates=({}){places} ;;",
            plain_words(candidates)
        )
    }

    fn option_case(&self, spec: &OptionSpec, candidates: &[Suggestion]) -> String {
        let pattern = spec.spellings.join(" | ");
        let words = plain_words(candidates);
        let indent = " ".repeat(16);
        match takes_only_one(spec) {
            true => format!("{indent}{pattern}) [[ $given != ' ' ]] || parameters=({words}) ;;"),
            false => format!("{indent}{pattern}) parameters=({words}) ;;"),
        }
    }

    fn value_case(&self, word: &str, fixed: &[&str], names: Option<&str>) -> String {
        let fixed: Vec<_> = fixed.iter().map(|word| shell::quote(word)).collect();
        let mut sets = Vec::new();
        if !fixed.is_empty() {
            // A comma in a word of an array is likely a mistake, unless it is quoted.
            let quoted: Vec<String> = fixed
                .iter()
                .map(|word| match word.contains(',') && !word.starts_with('\'') {
                    true => format!("'{word}'"),
                    false => word.to_string(),
                })
                .collect();
            sets.push(format!("candidates=({})", quoted.join(" ")));
        }
        sets.extend(names.map(|names| format!("names={names}")));
        format!("        {word}) {} ;;", sets.join(" "))
    }
}

impl Shell for Zsh {
    fn pattern(&self, words: &[String]) -> String {
        words.join(" | ")
    }

    fn first_words(&self, candidates: &[Suggestion]) -> String {
        described(candidates, 20)
    }

    fn command_case(&self, command: &str, candidates: &[Suggestion], places: &[&str]) -> String {
        let list = zsh_list(&format!("'{command}'"), "described", candidates);
        match places {
            [] => list,
            places => {
                let places = format!("places=({})", places.join(" "));
                list.replacen(
                    "described=(",
                    &format!("{places}\n                described=("),
                    1,
                )
            }
        }
    }

    fn option_case(&self, spec: &OptionSpec, candidates: &[Suggestion]) -> String {
        let list = zsh_list(&spec.spellings.join(" | "), "parameters", candidates);
        match takes_only_one(spec) {
            true => list.replacen("parameters=(", "(($#given)) || parameters=(", 1),
            false => list,
        }
    }

    fn value_case(&self, word: &str, fixed: &[&str], names: Option<&str>) -> String {
        let fixed: Vec<_> = fixed.iter().map(|word| shell::quote(word)).collect();
        let mut steps = Vec::new();
        if !fixed.is_empty() {
            steps.push(format!("compadd -- {}", fixed.join(" ")));
        }
        steps.extend(names.map(|names| format!("names={names}")));
        format!("    {word}) {} ;;", steps.join("; "))
    }
}

impl Shell for Fish {
    fn pattern(&self, words: &[String]) -> String {
        words.join(" ")
    }

    fn first_words(&self, candidates: &[Suggestion]) -> String {
        fish_print(candidates, 20)
    }

    fn command_case(&self, command: &str, candidates: &[Suggestion], places: &[&str]) -> String {
        let places = match places {
            [] => String::new(),
            places => format!("                    set places {}\n", places.join(" ")),
        };
        format!(
            "                case '{command}'\n{places}{}",
            fish_print(candidates, 20)
        )
    }

    fn option_case(&self, spec: &OptionSpec, candidates: &[Suggestion]) -> String {
        let words: Vec<_> = candidates.iter().map(fish_word).collect();
        let condition = if takes_only_one(spec) {
            "test -z \"$given\"; and "
        } else {
            ""
        };
        let set = match words.is_empty() {
            true => String::new(),
            false => format!(
                "\n                    {condition}set parameters {}",
                words.join(" ")
            ),
        };
        format!("                case {}{set}", spec.spellings.join(" "))
    }

    fn value_case(&self, word: &str, fixed: &[&str], names: Option<&str>) -> String {
        let indent = " ".repeat(12);
        let mut lines = vec![format!("        case {word}")];
        lines.extend(
            fixed
                .iter()
                .map(|word| format!("{indent}echo {}", shell::quote(word))),
        );
        lines.extend(names.map(|names| format!("{indent}set names {names}")));
        lines.join("\n")
    }
}

fn plain_words(candidates: &[Suggestion]) -> String {
    let words: Vec<_> = candidates
        .iter()
        .map(|candidate| candidate.word.as_str())
        .collect();
    words.join(" ")
}

fn zsh_list(pattern: &str, array: &str, candidates: &[Suggestion]) -> String {
    let indent = " ".repeat(12);
    match candidates.is_empty() {
        true => format!("{indent}{pattern}) ;;"),
        false => format!(
            "{indent}{pattern})\n{indent}    {array}=(\n{}\n{indent}    )\n{indent}    ;;",
            described(candidates, 20)
        ),
    }
}

/// Returns `'word:description'` lines for `_describe`.
fn described(candidates: &[Suggestion], indent: usize) -> String {
    let line = |candidate: &Suggestion| {
        let Suggestion { word, description } = candidate;
        let text = if description.is_empty() {
            word.clone()
        } else {
            format!("{word}:{description}")
        };
        format!("{:indent$}'{}'", "", text.replace('\'', "'\\''"))
    };
    candidates.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn fish_print(candidates: &[Suggestion], indent: usize) -> String {
    let line = |candidate: &Suggestion| format!("{:indent$}echo {}", "", fish_word(candidate));
    candidates.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns `word\t'description'`, one word to fish.
fn fish_word(candidate: &Suggestion) -> String {
    let Suggestion { word, description } = candidate;
    match description.is_empty() {
        true => word.clone(),
        false => format!(
            "{word}\\t'{}'",
            description.replace('\\', "\\\\").replace('\'', "\\'")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        for script in [bash(), zsh(), fish()] {
            // A placeholder is @NAME@; an @ alone may be of a help text.
            let left: Vec<&str> = script
                .split('@')
                .filter(|part| {
                    !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                })
                .collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }

    #[test]
    fn every_word_is_in_every_script() {
        for script in [bash(), zsh(), fish()] {
            for word in OPTIONS.iter().flat_map(|spec| spec.spellings) {
                assert!(script.contains(word), "{word}");
            }
            for spec in PARAMETERS {
                assert!(script.contains(spec.word), "{}", spec.word);
            }
            for candidate in first_words(&host::definition()) {
                assert!(script.contains(&candidate.word), "{}", candidate.word);
            }
            assert!(script.contains("'*GENERATE'"), "a shell would expand it");
            assert!(script.is_ascii());
        }
    }

    #[test]
    fn no_script_offers_a_hidden_command() {
        for word in first_words(&host::definition()) {
            assert_ne!(word.word, "complete");
        }
    }

    #[test]
    fn a_description_cannot_end_the_quotes_around_it() {
        let word = candidate("-x", "it's");
        assert_eq!(fish_word(&word), "-x\\t'it\\'s'");
        assert_eq!(described(&[word], 0), "'-x:it'\\''s'");
    }
}
