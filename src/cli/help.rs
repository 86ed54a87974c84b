//! The help texts, from the macro's table and clap's definition.

use clap::{Arg, Command};

use super::grammar::{
    Group, HELP_WORD, MacroOption, OPTIONS, OptionSpec, PARAMETERS, Parameter, ParameterRule,
    ParameterSpec,
};
use super::host;
use super::synopsis::synopsis_words;

/// How far a line is indented that goes on with the one above.
const CONTINUED: usize = 6;

/// Which help is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// The options, the host options and the commands.
    Overview,
    /// One option of the macro.
    Option(MacroOption),
    /// One command of the host side.
    Command {
        /// The words that name it: `partition`, `export`.
        path: Vec<String>,
        /// Whether all of it is asked for, and not a line for each word.
        long: bool,
    },
}

/// A few calls that belong together.
pub(super) struct Example {
    /// What they do, without a full stop.
    pub title: &'static str,
    /// The calls, without the macro's name.
    pub calls: &'static [&'static str],
}

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
    /// Returns the text, with a newline at its end, in lines of at most so many columns; not wrapped where there are none,
    /// since what reads it then does so itself.
    pub fn text(&self, columns: Option<usize>) -> String {
        let mut page = HelpPage::new(columns);
        match self {
            Self::Overview => page.overview(),
            Self::Option(option) => page.option(option.spec()),
            Self::Command { path, long } => page.command(path, *long),
        }
        page.text
    }
}

/// Returns what to print when no argument is given at all, wrapped as [`Help::text`] is.
pub fn usage(columns: Option<usize>) -> String {
    let mut page = HelpPage::new(columns);
    page.usage();
    page.text.push_str("\nOptions: ");
    let words: Vec<_> = OPTIONS.iter().map(|spec| spec.word()).collect();
    let words = wrap(&words.join(", "), 9, page.width);
    page.text.push_str(words.trim_start());
    page.text
        .push_str(&format!("\nSee iscsiswiconfig {HELP_WORD}.\n"));
    page.text
}

/// Returns a call in lines of at most so many columns, each but the last continued as a shell continues it; a line is broken
/// before a word with a dash only, so that no name is.
pub(super) fn continued(call: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::from("iscsiswiconfig");
    let mut words = call.split(' ').peekable();
    while let Some(word) = words.next() {
        let mut piece = format!(" {word}");
        while let Some(value) = words.next_if(|next| !next.starts_with('-')) {
            piece.push_str(&format!(" {value}"));
        }
        let end = if words.peek().is_some() { 2 } else { 0 };
        if indent + line.len() + piece.len() + end > width {
            lines.push(format!("{line} \\"));
            line = String::from("   ");
        }
        line.push_str(&piece);
    }
    lines.push(line);
    lines
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
    let names = option.get_value_names().filter(|_| takes_value)?;
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// Returns the options of a command that are its own, in the order of the definition.
pub(super) fn command_options(command: &Command) -> Vec<&Arg> {
    command
        .get_arguments()
        .filter(|option| option.get_long().is_some() && !option.is_hide_set())
        .filter(|option| !host::is_host_option(option))
        .collect()
}

/// Returns the documented commands with the words that name each, those of a command behind it.
pub(super) fn all_commands(definition: &Command) -> Vec<(String, &Command)> {
    let mut all = Vec::new();
    for command in commands(definition) {
        all.push((command.get_name().to_owned(), command));
        for nested in commands(command) {
            all.push((
                format!("{} {}", command.get_name(), nested.get_name()),
                nested,
            ));
        }
    }
    all
}

/// Returns a command as it is typed: `generate man|bash|zsh|fish`.
pub(super) fn command_synopsis(path: &str, command: &Command) -> String {
    let mut words = vec![path.to_owned()];
    let nested: Vec<_> = commands(command)
        .into_iter()
        .map(Command::get_name)
        .collect();
    if !nested.is_empty() {
        // Options and arguments are told where each of them is explained.
        words.push(format!("[{}]", nested.join("|")));
        return words.join(" ");
    }
    if !command_options(command).is_empty() {
        words.push("[OPTION]...".to_owned());
    }
    let macro_parameters = host::macro_parameters(path);
    for argument in command.get_positionals() {
        let values: Vec<_> = argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        let takes_many = argument
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
        match values.is_empty() {
            true if takes_many => {
                words.extend(value_name(argument).map(|name| format!("[{name}]...")));
            }
            true if argument.is_required_set() => words.extend(value_name(argument)),
            true => words.extend(value_name(argument).map(|name| format!("[{name}]"))),
            false => words.push(values.join("|")),
        }
    }
    if !macro_parameters.is_empty() {
        words.push("[-PARAMETER VALUE]...".to_owned());
    }
    words.join(" ")
}

/// Returns the text of a definition as sentences.
pub(super) fn sentence(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    match text.is_empty() || text.ends_with('.') {
        true => text,
        false => format!("{text}."),
    }
}

/// A help text as it grows.
struct HelpPage {
    text: String,
    /// The longest line, in columns.
    width: usize,
}

impl HelpPage {
    fn new(columns: Option<usize>) -> Self {
        Self {
            text: String::new(),
            width: columns.unwrap_or(usize::MAX),
        }
    }

    fn overview(&mut self) {
        self.paragraph(
            "Configure iSCSI virtual tape libraries as the IBM i macro ISCSISWICONFIG does.",
        );
        self.text.push('\n');
        self.usage();
        for group in Group::ALL {
            self.heading(group.heading());
            for spec in OPTIONS.iter().filter(|spec| spec.group == group) {
                self.entry(spec.word(), spec.summary);
            }
        }

        self.heading("Parameters");
        for spec in PARAMETERS {
            self.entry(&parameter_words(spec), spec.summary);
        }
        let definition = host::definition();
        self.heading("Host options, before the macro option");
        for option in host_options(&definition) {
            self.option_line(option);
        }
        self.entry("--version", "Show the version");
        self.heading("Commands");
        for command in commands(&definition) {
            self.command_line(command.get_name(), command);
        }

        self.heading("Examples");
        for example in EXAMPLES.iter().filter(|example| example.calls.len() < 4) {
            self.text
                .push_str(&wrap(&format!("{}:", example.title), 2, self.width));
            for call in example.calls {
                for line in continued(call, 4, self.width) {
                    self.text.push_str(&format!("    {line}\n"));
                }
            }
        }
        self.text.push('\n');
        self.paragraph(&format!(
            "iscsiswiconfig -OPTION {HELP_WORD} explains one option, iscsiswiconfig COMMAND --help one command, man \
             iscsiswiconfig all."
        ));
    }

    fn option(&mut self, spec: &OptionSpec) {
        self.paragraph(&format!("{}.", spec.summary));
        self.text.push('\n');
        self.usage_line(&synopsis_words(spec));
        let others = spec.spellings.get(1..).unwrap_or_default();
        if !others.is_empty() {
            self.paragraph(&format!("Also spelled {}.", others.join(", ")));
        }
        for paragraph in spec.help {
            self.text.push('\n');
            self.paragraph(paragraph);
        }
        let lists: [(&str, &[Parameter]); 2] = match spec.parameters {
            ParameterRule::Each { required, optional } => [
                ("Required parameters", required),
                ("Optional parameters", optional),
            ],
            ParameterRule::OneOrMore(any) => [("Parameters, one or more of these", any), ("", &[])],
            ParameterRule::ExactlyOne(any) => {
                [("Parameters, exactly one of these", any), ("", &[])]
            }
        };
        for (title, parameters) in lists
            .into_iter()
            .filter(|(_, parameters)| !parameters.is_empty())
        {
            self.heading(title);
            for parameter in parameters {
                let spec = parameter.spec();
                let summary = format!("{}.", spec.summary);
                self.explained(
                    &parameter_words(spec),
                    std::iter::once(summary.as_str()).chain(spec.help.iter().copied()),
                );
            }
        }
    }

    fn command(&mut self, path: &[String], long: bool) {
        let definition = host::definition();
        let mut command = &definition;
        for name in path {
            command = command.find_subcommand(name).unwrap_or(command);
        }
        let about = match long {
            true => command.get_long_about().or(command.get_about()),
            false => command.get_about(),
        };
        self.paragraph(&sentence(about));
        self.text.push('\n');
        let synopsis = command_synopsis(&path.join(" "), command);
        let words: Vec<_> = synopsis.split(' ').map(str::to_owned).collect();
        self.usage_line(&words);
        let nested = commands(command);
        if !nested.is_empty() {
            self.heading("Commands");
            for nested in nested {
                self.command_line(nested.get_name(), nested);
            }
        }
        let (host, own): (Vec<_>, Vec<_>) = host_options(command)
            .into_iter()
            .partition(|option| host::is_host_option(option));
        let (arguments, own): (Vec<_>, Vec<_>) = own
            .into_iter()
            .partition(|argument| argument.is_positional());
        let macro_parameters = host::macro_parameters(&path.join(" "));
        if !macro_parameters.is_empty() {
            self.heading("Parameters of the macro");
        }
        for parameter in macro_parameters {
            self.entry(&parameter_words(parameter.spec()), parameter.spec().summary);
        }
        for (title, options) in [
            ("Arguments", arguments),
            ("Options", own),
            ("Host options", host),
        ] {
            if options.is_empty() {
                continue;
            }
            self.heading(title);
            for option in options {
                match long {
                    true => self.explained(
                        &argument_words(option),
                        [sentence(option.get_long_help().or(option.get_help())).as_str()]
                            .into_iter(),
                    ),
                    false => self.option_line(option),
                }
            }
        }
        if !long {
            self.text.push('\n');
            self.paragraph(&format!(
                "iscsiswiconfig {} --help says more.",
                path.join(" ")
            ));
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.text.push_str(&wrap(text, 0, self.width));
    }

    /// Adds how something is called, broken between its words only.
    fn usage_line(&mut self, words: &[String]) {
        self.call("Usage: iscsiswiconfig ", words);
    }

    /// Adds how the program is called, in both languages.
    fn usage(&mut self) {
        let words =
            |line: &[&str]| -> Vec<String> { line.iter().map(|word| (*word).to_owned()).collect() };
        let macro_words = words(&["[HOST-OPTIONS]", "-OPTION", "[-PARAMETER VALUE]..."]);
        self.call("Usage: iscsiswiconfig ", &macro_words);
        self.call(
            "       iscsiswiconfig ",
            &words(&["[HOST-OPTIONS]", "COMMAND", "..."]),
        );
    }

    fn call(&mut self, lead: &str, words: &[String]) {
        self.text.push_str(lead);
        let mut column = lead.len();
        for (index, words) in words.iter().enumerate() {
            if index > 0 && column + 1 + words.len() > self.width {
                self.text.push_str("\n           ");
                column = 11;
            } else if index > 0 {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(words);
            column += words.len();
        }
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.text.push_str(&format!("\n{title}:\n"));
    }

    fn option_line(&mut self, option: &Arg) {
        let help = option.get_help().map(ToString::to_string);
        self.entry(&argument_words(option), &help.unwrap_or_default());
    }

    fn command_line(&mut self, path: &str, command: &Command) {
        let about = command.get_about().map(ToString::to_string);
        self.entry(&command_synopsis(path, command), &about.unwrap_or_default());
    }

    /// Adds a word and what it does, side by side where the word is short enough and the line is not.
    fn entry(&mut self, word: &str, summary: &str) {
        const COLUMN: usize = 28;
        const NARROW: usize = 60;

        if self.width < NARROW {
            self.explained(word, [summary].into_iter());
            return;
        }
        let summary = wrap(summary, COLUMN, self.width);
        let text = match word.len() + 2 < COLUMN - 1 {
            true => format!(
                "  {word:width$}{}",
                summary.trim_start(),
                width = COLUMN - 2
            ),
            false => format!("{}\n{summary}", break_synopsis(word, self.width)),
        };
        self.text.push_str(&text);
    }

    /// Adds a word, and what there is to know about it below.
    fn explained<'a>(&mut self, word: &str, paragraphs: impl Iterator<Item = &'a str>) {
        self.text.push_str(&break_synopsis(word, self.width));
        self.text.push('\n');
        for paragraph in paragraphs {
            self.text.push_str(&wrap(paragraph, CONTINUED, self.width));
        }
    }
}

/// Indents a synopsis, and breaks it at blanks and behind the bars between alternatives where it is wider than `width`.
fn break_synopsis(synopsis: &str, width: usize) -> String {
    let mut text = "  ".to_owned();
    let mut column = text.len();
    for part in synopsis.split_inclusive(['|', ' ']) {
        if column + part.trim_end().len() > width && column > CONTINUED {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n{:CONTINUED$}", ""));
            column = CONTINUED;
        }
        text.push_str(part);
        column += part.len();
    }
    text
}

fn parameter_words(spec: &ParameterSpec) -> String {
    format!("{} {}", spec.word, spec.metavar)
}

/// Returns an option as it is typed, or what stands for an argument.
fn argument_words(argument: &Arg) -> String {
    match argument.is_positional() {
        true => value_name(argument).unwrap_or_default(),
        false => host_option_words(argument).join(", "),
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
        let text = Help::Overview.text(None);
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
        assert!(text.contains("man|man-json|schema|bash|zsh|fish|rsh|systemd"));
        assert!(
            !text.contains("target-names"),
            "a hidden command is not documented"
        );
    }

    /// Every help text there is.
    fn texts(columns: Option<usize>) -> Vec<String> {
        let mut texts = vec![Help::Overview.text(columns), usage(columns)];
        texts.extend(
            OPTIONS
                .iter()
                .map(|spec| Help::Option(spec.option).text(columns)),
        );
        for (path, _) in all_commands(&host::definition()) {
            for long in [false, true] {
                let path = path.split(' ').map(str::to_owned).collect();
                texts.push(Help::Command { path, long }.text(columns));
            }
        }
        texts
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        for width in [40, 60, 80, 120] {
            for line in texts(Some(width)).iter().flat_map(|text| text.lines()) {
                let parts = line.trim_start().split(' ').count();
                let whole = parts <= 3
                    || line.starts_with("Usage")
                    || line.trim_start().starts_with("iscsiswiconfig");
                assert!(
                    line.len() <= width || (width < 80 && whole),
                    "{width}: {line}"
                );
                assert!(line.is_ascii() && line == line.trim_end(), "{line:?}");
            }
        }
    }

    #[test]
    fn wrapping_breaks_no_word_and_changes_none() {
        let words = |text: &str| -> Vec<String> {
            // Alternatives stand together where the line is long enough.
            text.replace("|\n      ", "|")
                .split_whitespace()
                .filter(|word| *word != "\\")
                .map(str::to_owned)
                .collect()
        };
        for (wide, narrow) in texts(None).iter().zip(texts(Some(60))) {
            assert_eq!(words(wide), words(&narrow));
        }
    }

    #[test]
    fn what_goes_to_a_pipe_is_not_wrapped() {
        for spec in OPTIONS {
            let text = Help::Option(spec.option).text(None);
            for paragraph in spec.help {
                assert!(text.lines().any(|line| line == *paragraph), "{paragraph}");
            }
        }
    }

    #[test]
    fn the_short_help_of_a_command_has_a_line_for_each_option_and_the_long_one_all() {
        let help = |long| {
            let path = ["partition", "set"].map(str::to_owned).to_vec();
            Help::Command { path, long }.text(Some(80))
        };
        let (short, long) = (help(false), help(true));
        assert!(
            short.contains("Usage: iscsiswiconfig partition set [OPTION]...\n"),
            "{short}"
        );
        assert!(
            short.contains("--release RELEASE") && !short.contains("Before 7.6"),
            "{short}"
        );
        assert!(
            short.ends_with("partition set --help says more.\n"),
            "{short}"
        );
        assert!(long.contains("Before 7.6"), "{long}");
        for text in [short, long] {
            assert!(
                text.contains("--lock-timeout") && !text.contains("--timeout SECONDS\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_example_is_broken_before_a_word_with_a_dash_and_parses_in_a_shell() {
        for call in EXAMPLES.iter().flat_map(|example| example.calls) {
            let lines = continued(call, 11, 80);
            assert!(lines.iter().all(|line| line.len() + 11 <= 80), "{lines:?}");
            let joined: Vec<_> = lines
                .iter()
                .map(|line| line.trim_end_matches('\\').trim())
                .collect();
            assert_eq!(joined.join(" "), format!("iscsiswiconfig {call}"));
        }
    }

    #[test]
    fn the_help_of_an_option_explains_each_of_its_parameters_and_no_other() {
        for spec in OPTIONS {
            let text = Help::Option(spec.option).text(None);
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
            Help::Option(MacroOption::ReIplIscsiIop)
                .text(None)
                .contains("Also spelled -reiplscsiop.")
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
