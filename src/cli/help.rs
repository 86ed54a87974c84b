//! The help texts, from the macro's table and clap's definition.

use clap::{Arg, Command};

use super::grammar::{
    Group, HELP_WORD, MacroOption, OPTIONS, OptionSpec, PARAMETERS, Parameter, ParameterRule,
    ParameterSpec,
};
use super::host;
use super::synopsis::synopsis_words;

/// Which help is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// The options, the host options and the commands.
    Overview,
    /// One option of the macro.
    Option(MacroOption),
    /// One command of the host side: clap's text.
    Command(String),
}

/// A few calls that belong together.
pub(super) struct Example {
    /// What they do, without a full stop.
    pub title: &'static str,
    /// The calls, without the macro's name.
    pub calls: &'static [&'static str],
}

/// The longest line of a help text, in characters.
const WIDTH: usize = 80;

/// The examples of IBM's document, then ours for what it has none for.
pub(super) const EXAMPLES: &[Example] = &[
    Example {
        title: "The system generated initiator name and no CHAP authentication",
        calls: &[
            "-newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.demo-39",
            "-newname -targethostname 10.1.1.5",
            "-commit",
        ],
    },
    Example {
        title: "A user supplied initiator name and no CHAP authentication",
        calls: &[
            "-newname -initiatorname iqn.1924-02.com.ibm:ibmi:TEST-LPID-FFFFFFF-i0",
            "-newname -targetname iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1",
            "-newname -targethostname 10.1.1.5",
            "-commit",
        ],
    },
    Example {
        title: "The system generated initiator name with CHAP authentication",
        calls: &[
            "-newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.chap",
            "-newname -targethostname 10.1.1.5",
            "-newname -initiatorchapname SOMECHAPNAME",
            "-newname -initiatorchapsecret SOMECHAPSECRET",
            "-commit",
        ],
    },
    Example {
        title: "A user supplied initiator name, CHAP authentication, another port, and the CHAP credentials only in the \
                Platform KeyStore (-commit refuses this while the keystore is not enabled)",
        calls: &[
            "-newname -initiatorname iqn.1924-02.com.ibm:myinternetname.ibm.com-i0",
            "-newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.chap",
            "-newname -targethostname 10.1.1.5",
            "-newname -initiatorchapname SOMECHAPNAME",
            "-newname -initiatorchapsecret SOMECHAPSECRET",
            "-setport -targetport 860",
            "-setkeystore -chapkeystore PLATFORM",
            "-commit",
        ],
    },
    Example {
        title: "A target in one call, then the connection to it",
        calls: &[
            "-addtarget -initiatorname '*GENERATE' -targethostname 10.1.1.5 -targetname iqn.2000-03.com.xyz:vtl.demo",
            "-reipliscsiop",
        ],
    },
];

impl Help {
    /// Returns the text, with a newline at its end.
    pub fn text(&self) -> String {
        match self {
            Self::Overview => overview(),
            Self::Option(option) => option_help(option.spec()),
            Self::Command(text) => text.clone(),
        }
    }
}

/// Returns what to print when no argument is given at all.
pub fn usage() -> String {
    let mut text = String::from(USAGE);
    text.push_str("\nOptions: ");
    let words: Vec<_> = OPTIONS.iter().map(|spec| spec.word()).collect();
    let words = wrap(&words.join(", "), 9, WIDTH);
    text.push_str(words.trim_start());
    text.push_str(&format!("\nSee iscsiswiconfig {HELP_WORD}.\n"));
    text
}

/// Returns the host options and commands that are documented, in the order of the definition.
pub(super) fn host_options(definition: &Command) -> Vec<&Arg> {
    definition
        .get_arguments()
        .filter(|option| !option.is_hide_set())
        .collect()
}

/// Returns the commands that are documented, in the order of the definition.
pub(super) fn commands(definition: &Command) -> Vec<&Command> {
    definition
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .collect()
}

/// Returns a host option as it is typed: `-q, --quiet` or `--state-dir DIR`.
pub(super) fn host_option_words(option: &Arg) -> Vec<String> {
    let value = value_name(option).map_or(String::new(), |name| format!(" {name}"));
    let short = option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}{value}"));
    short.into_iter().chain(long).collect()
}

/// Returns what stands for the value of a host option, or of a command's argument.
pub(super) fn value_name(option: &Arg) -> Option<String> {
    let takes_value = option.get_action().takes_values();
    let name = option.get_value_names().and_then(|names| names.first());
    name.filter(|_| takes_value).map(ToString::to_string)
}

/// Returns the options of a command that are its own, in the order of the definition.
pub(super) fn command_options(command: &Command) -> Vec<&Arg> {
    command
        .get_arguments()
        .filter(|option| option.get_long().is_some() && !option.is_hide_set())
        .collect()
}

/// Returns a command as it is typed: `generate man|bash|zsh|fish`.
pub(super) fn command_synopsis(command: &Command) -> String {
    let mut words = vec![command.get_name().to_owned()];
    if !command_options(command).is_empty() {
        words.push("[OPTION]...".to_owned());
    }
    for argument in command.get_positionals() {
        let values: Vec<_> = argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        match values.is_empty() {
            true => words.extend(value_name(argument)),
            false => words.push(values.join("|")),
        }
    }
    words.join(" ")
}

const USAGE: &str = "\
Usage: iscsiswiconfig [HOST-OPTIONS] -OPTION [-PARAMETER VALUE]...
       iscsiswiconfig [HOST-OPTIONS] COMMAND ...
";

fn overview() -> String {
    let mut text = String::from(
        "Configure iSCSI virtual tape libraries as the IBM i macro ISCSISWICONFIG does.\n\n",
    );
    text.push_str(USAGE);
    for group in Group::ALL {
        heading(&mut text, group.heading());
        for spec in OPTIONS.iter().filter(|spec| spec.group == group) {
            entry(&mut text, spec.word(), spec.summary);
        }
    }

    heading(&mut text, "Parameters");
    for spec in PARAMETERS {
        entry(&mut text, &parameter_words(spec), spec.summary);
    }
    let definition = host::definition();
    heading(&mut text, "Host options, before the macro option");
    for option in host_options(&definition) {
        let words = host_option_words(option).join(", ");
        entry(
            &mut text,
            &words,
            &option
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default(),
        );
    }
    entry(&mut text, "--version", "Show the version");
    heading(&mut text, "Commands");
    for command in commands(&definition) {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        entry(&mut text, &command_synopsis(command), &about);
    }

    heading(&mut text, "Examples");
    for example in EXAMPLES.iter().filter(|example| example.calls.len() < 4) {
        text.push_str(&wrap(&format!("{}:", example.title), 2, WIDTH));
        for call in example.calls {
            // A line that is to be copied stays whole.
            text.push_str(&format!("    iscsiswiconfig {call}\n"));
        }
    }
    let pointer =
        format!("iscsiswiconfig -OPTION {HELP_WORD} explains one option, man iscsiswiconfig all.");
    text.push_str(&format!("\n{pointer}\n"));
    text
}

fn option_help(spec: &OptionSpec) -> String {
    let mut text = wrap(&format!("{}.", spec.summary), 0, WIDTH);
    text.push_str("\nUsage: iscsiswiconfig ");
    let mut column = "Usage: iscsiswiconfig ".len();
    for (index, words) in synopsis_words(spec).iter().enumerate() {
        if index > 0 && column + 1 + words.len() > WIDTH {
            text.push_str("\n           ");
            column = 11;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(words);
        column += words.len();
    }
    text.push('\n');
    let others = spec.spellings.get(1..).unwrap_or_default();
    if !others.is_empty() {
        text.push_str(&format!("Also spelled {}.\n", others.join(", ")));
    }
    for paragraph in spec.help {
        text.push('\n');
        text.push_str(&wrap(paragraph, 0, WIDTH));
    }
    let lists: [(&str, &[Parameter]); 2] = match spec.parameters {
        ParameterRule::Each { required, optional } => [
            ("Required parameters", required),
            ("Optional parameters", optional),
        ],
        ParameterRule::OneOrMore(any) => [("Parameters, one or more of these", any), ("", &[])],
        ParameterRule::ExactlyOne(any) => [("Parameters, exactly one of these", any), ("", &[])],
    };
    for (title, parameters) in lists
        .into_iter()
        .filter(|(_, parameters)| !parameters.is_empty())
    {
        heading(&mut text, title);
        for parameter in parameters {
            let spec = parameter.spec();
            text.push_str(&format!("  {}\n", parameter_words(spec)));
            text.push_str(&wrap(&format!("{}.", spec.summary), 6, WIDTH));
            for paragraph in spec.help {
                text.push_str(&wrap(paragraph, 6, WIDTH));
            }
        }
    }
    text
}

fn parameter_words(spec: &ParameterSpec) -> String {
    format!("{} {}", spec.word, spec.metavar)
}

fn heading(text: &mut String, title: &str) {
    text.push_str(&format!("\n{title}:\n"));
}

/// Adds a word and what it does, side by side where the word is short enough.
fn entry(text: &mut String, word: &str, summary: &str) {
    const COLUMN: usize = 28;

    let summary = wrap(summary, COLUMN, WIDTH);
    match word.len() + 2 < COLUMN - 1 {
        true => text.push_str(&format!(
            "  {word:width$}{}",
            summary.trim_start(),
            width = COLUMN - 2
        )),
        false => text.push_str(&format!("  {word}\n{summary}")),
    }
}

/// Breaks a paragraph into lines of at most `width` characters that begin with `indent` spaces, each with a newline.
pub(super) fn wrap(paragraph: &str, indent: usize, width: usize) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for word in paragraph.split(' ') {
        if !line.is_empty() && indent + line.len() + 1 + word.len() > width {
            text.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&format!("{:indent$}{line}\n", ""));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{MacroRequest, parse_macro};
    use zeroize::Zeroizing;

    #[test]
    fn the_overview_names_every_word_of_both_languages() {
        let text = overview();
        for spec in OPTIONS {
            assert!(
                text.contains(&format!("  {} ", spec.word())),
                "{}",
                spec.word()
            );
        }
        for spec in PARAMETERS {
            assert!(text.contains(&parameter_words(spec)), "{}", spec.word);
        }
        for option in host_options(&host::definition()) {
            assert!(
                text.contains(&host_option_words(option).join(", ")),
                "{option}"
            );
        }
        assert!(text.contains("generate man|bash|zsh|fish"));
        assert!(
            !text.contains("target-names"),
            "a hidden command is not documented"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_screen_except_one_to_be_copied() {
        let mut texts = vec![overview(), usage()];
        texts.extend(OPTIONS.iter().map(|spec| option_help(spec)));
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(
                line.len() <= WIDTH || line.starts_with("    iscsiswiconfig -"),
                "{line}"
            );
            assert!(line.is_ascii() && line == line.trim_end(), "{line:?}");
        }
    }

    #[test]
    fn the_help_of_an_option_explains_each_of_its_parameters_and_no_other() {
        for spec in OPTIONS {
            let text = option_help(spec);
            for parameter in PARAMETERS {
                let entry = format!("\n  {}\n", parameter_words(parameter));
                assert_eq!(
                    text.contains(&entry),
                    spec.takes(parameter.parameter),
                    "{}",
                    parameter.word
                );
            }
        }
    }

    #[test]
    fn the_help_of_the_re_ipl_option_names_its_other_spelling() {
        assert!(
            option_help(MacroOption::ReIplIscsiIop.spec()).contains("Also spelled -reiplscsiop.")
        );
    }

    #[test]
    fn every_example_parses() {
        for call in EXAMPLES.iter().flat_map(|example| example.calls) {
            let words: Vec<_> = call
                .split(' ')
                .map(|word| Zeroizing::new(word.trim_matches('\'').to_owned()))
                .collect();
            assert!(
                matches!(parse_macro(&words), Ok(MacroRequest::Call(_))),
                "{call}"
            );
        }
    }

    #[test]
    fn a_paragraph_is_broken_at_words() {
        assert_eq!(wrap("aa bb cc", 2, 7), "  aa bb\n  cc\n");
        assert_eq!(
            wrap("a-word-that-is-too-long b", 0, 10),
            "a-word-that-is-too-long\nb\n"
        );
    }
}
