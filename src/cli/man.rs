//! The man page, from the macro's table and clap's definition.

use clap::Arg;
use roff::{Inline, Roff, bold, italic, roman};

use super::grammar::{Group, OPTIONS, OptionSpec, PARAMETERS, Parameter, ParameterRule};
use super::help::{self, EXAMPLES};
use super::{host, shell};
use crate::values::GENERATE;

/// When the wording below last changed; the page must not differ from one build to the next.
const DATE: &str = "2026-11-26";

/// Codes under one heading.
pub struct CodeSection {
    /// What they are the codes of.
    pub heading: &'static str,
    /// Each code with its meaning, a sentence.
    pub codes: Vec<(&'static str, &'static str)>,
}

/// Returns the man page, in roff, with the codes that documents may have and the findings of `check`.
pub fn page(codes: &[CodeSection], findings: &[CodeSection]) -> String {
    let version = concat!("iscsiswiconfig ", env!("CARGO_PKG_VERSION"));
    let mut page = Roff::new();
    page.control(
        "TH",
        ["ISCSISWICONFIG", "1", DATE, version, "User Commands"],
    );
    // A hyphen that a formatter adds within an option is one that the parser refuses; ragged lines need none.
    page.control("nh", []);
    page.control("ad", ["l"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "iscsiswiconfig - configure iSCSI virtual tape libraries as the IBM i macro does",
    )]);
    synopsis(&mut page);
    description(&mut page);
    macro_options(&mut page);
    host_options(&mut page);
    commands(&mut page);
    values(&mut page);
    files(&mut page);
    environment(&mut page);
    exit_status(&mut page);
    section(&mut page, "CODES", &[CODES]);
    code_sections(&mut page, codes);
    section(&mut page, "FINDINGS", &[FINDINGS]);
    code_sections(&mut page, findings);
    examples(&mut page);
    notes(&mut page);
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("iscsiswiconfig-json"),
        roman("(5), "),
        bold("iscsiadm"),
        roman("(8), "),
        bold("tgtadm"),
        roman("(8)"),
    ]);
    page.control("PP", []);
    prose(
        &mut page,
        "IBM, \"IBM i Support for Attaching an iSCSI VTL\", version 1.7; RFC 7143, \"Internet Small Computer System \
         Interface (iSCSI) Protocol (Consolidated)\".",
    );
    page.render()
}

fn synopsis(page: &mut Roff) {
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold("iscsiswiconfig"),
        roman(" ["),
        italic("HOST-OPTIONS"),
        roman("] "),
        italic("-OPTION"),
        roman(" ["),
        italic("-PARAMETER VALUE"),
        roman("]..."),
    ]);
    page.control("br", []);
    page.text([
        bold("iscsiswiconfig"),
        roman(" ["),
        italic("HOST-OPTIONS"),
        roman("] "),
        italic("COMMAND"),
        roman(" ..."),
    ]);
}

fn description(page: &mut Roff) {
    section(
        page,
        "DESCRIPTION",
        &[
            "iscsiswiconfig takes the lines of the IBM i Advanced Analysis macro ISCSISWICONFIG, character for character, \
             on a Linux host. It keeps the configuration, logs in to the real virtual tape library (VTL) with an iSCSI \
             initiator of its own, and reports the libraries and drives that it finds under the names TAPMLBxx and TAPxx, \
             or says what has to be put right. Neither the kernel's initiator nor root is needed.",
            "Four things are kept apart. The configured targets are what -addtarget, -changetarget, -removetarget, -commit \
             and -clearconfig edit. The staged target is what -newname, -appendname, -setport and -setkeystore build up over \
             several calls. The active configuration is what the last re-IPL used, with the result for each target; the \
             dump options show this and nothing else. The device names, once given, stay with their devices.",
            "A VTL that works with this program still has to be tried on IBM i.",
        ],
    );
}

fn macro_options(page: &mut Roff) {
    section(
        page,
        "MACRO OPTIONS",
        &[
            "One call takes one option, and the option comes first. Its parameters follow in any order, each at most once, \
             each with its value as the next argument. The words are lower case and are never abbreviated. A value may begin \
             with a dash unless it is one of the macro's own words. -OPTION -help explains one option.",
        ],
    );
    for group in Group::ALL {
        page.control("SS", [group.heading()]);
        for spec in OPTIONS.iter().filter(|spec| spec.group == group) {
            macro_option(page, spec);
        }
    }
    page.control("SS", ["Parameters"]);
    for spec in PARAMETERS {
        page.control("TP", []);
        page.text([bold(spec.word), roman(" "), italic(spec.metavar)]);
        prose(page, &format!("{}.", spec.summary));
        indented(page, spec.help);
    }
}

fn macro_option(page: &mut Roff, spec: &OptionSpec) {
    page.control("TP", []);
    let mut words: Vec<Inline> = Vec::new();
    for spelling in spec.spellings {
        if !words.is_empty() {
            words.push(roman(", "));
        }
        words.push(bold(*spelling));
    }
    words.extend(parameters(spec));
    page.text(words);
    prose(page, &format!("{}.", spec.summary));
    indented(page, spec.help);
}

/// Returns the parameters of an option as its heading shows them.
fn parameters(spec: &OptionSpec) -> Vec<Inline> {
    let (open, any, between, close): (_, &[Parameter], _, _) = match spec.parameters {
        ParameterRule::Each { required, optional } => {
            let mut words = Vec::new();
            for parameter in required {
                words.push(roman(" "));
                words.extend(with_value(*parameter));
            }
            for parameter in optional {
                words.push(roman(" ["));
                words.extend(with_value(*parameter));
                words.push(roman("]"));
            }
            return words;
        }
        ParameterRule::OneOrMore(any) => (" {", any, " | ", "}..."),
        ParameterRule::ExactlyOne(any) => (" {", any, " | ", "}"),
    };
    let mut words = Vec::new();
    for parameter in any {
        words.push(roman(if words.is_empty() { open } else { between }));
        words.extend(with_value(*parameter));
    }
    words.push(roman(close));
    words
}

fn with_value(parameter: Parameter) -> [Inline; 3] {
    let spec = parameter.spec();
    [bold(spec.word), roman(" "), italic(spec.metavar)]
}

fn values(page: &mut Roff) {
    section(
        page,
        "VALUES",
        &[
            "A value that no target could take is an error. One that a VTL console or the HMC is likely to refuse, such as a \
             target name with upper case letters or a CHAP secret of fewer than 12 or more than 32 characters, is accepted \
             with a warning. Initiator name, target host name, target name and port together identify a target: names are kept and \
             sent as typed but compared in lower case, and addresses are compared by value.",
            "Text from a word processor or a web page often holds dashes, quotation marks and spaces that only look right. \
             Such a character is an error that names it and shows the line as it was meant; nothing is repaired silently.",
        ],
    );
    page.control("PP", []);
    page.text([
        roman("The word "),
        bold(GENERATE),
        roman(" has to be quoted in a shell: "),
        bold(shell::quote(GENERATE)),
        roman("."),
    ]);
}

fn host_options(page: &mut Roff) {
    section(
        page,
        "HOST OPTIONS",
        &[
            "These belong to this program and not to the macro. They stand before the macro option, or anywhere on the \
             line of a command.",
        ],
    );
    let definition = host::definition();
    for option in help::host_options(&definition) {
        page.control("TP", []);
        page.text(host_option_words(option));
        option_text(page, option);
    }
    page.control("TP", []);
    page.text([bold("--version")]);
    page.text([roman("Show the version.")]);
}

fn host_option_words(option: &Arg) -> Vec<Inline> {
    let mut words = Vec::new();
    for word in help::host_option_words(option) {
        if !words.is_empty() {
            words.push(roman(", "));
        }
        match word.split_once(' ') {
            Some((word, value)) => words.extend([bold(word), roman(" "), italic(value)]),
            None => words.push(bold(word)),
        }
    }
    words
}

fn commands(page: &mut Roff) {
    page.control("SH", ["COMMANDS"]);
    let definition = host::definition();
    for (path, command) in help::all_commands(&definition) {
        page.control("TP", []);
        page.text([bold(help::command_synopsis(&path, command))]);
        let about = command.get_long_about().or(command.get_about());
        prose(page, &help::sentence(about));
        let options = help::command_options(command);
        if options.is_empty() {
            continue;
        }
        page.control("RS", []);
        for option in options {
            page.control("TP", []);
            page.text(host_option_words(option));
            option_text(page, option);
        }
        page.control("RE", []);
    }
}

fn option_text(page: &mut Roff, option: &Arg) {
    prose(
        page,
        &help::sentence(option.get_long_help().or(option.get_help())),
    );
}

fn exit_status(page: &mut Roff) {
    const STATUSES: &[(&str, &str)] = &[
        ("0", "Done. For a re-IPL: every target connected."),
        (
            "1",
            "Refused: the request does not fit the state. No such target, it exists already, nothing is staged, the \
             Platform KeyStore is not enabled.",
        ),
        (
            "2",
            "Usage: the command line is not of the grammar, or a value is malformed.",
        ),
        (
            "3",
            "The state could not be locked, read or written. For vtl: nor its media directory, its secret file or its address \
             be used.",
        ),
        (
            "4",
            "The re-IPL ran, and at least one target did not connect. The configuration is kept. Also a command that could \
             not reach its target, and check where a finding is a failure.",
        ),
    ];

    page.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in STATUSES {
        page.control("TP", []);
        page.text([bold(*status)]);
        prose(page, meaning);
    }
}

/// What stands above the codes.
const CODES: &str = "With --json, failures, problems, warnings and errors have a code beside their words. Codes stay what they are; \
     the words may be put better.";

/// What stands above the findings.
const FINDINGS: &str = "check lists a finding for each of these ids, which stay what they are: pass, warning, failure, or skipped where \
     there is nothing to look at, with what was seen, why IBM i cares and on whose word, and the next step.";

fn code_sections(page: &mut Roff, sections: &[CodeSection]) {
    for section in sections {
        page.control("SS", [section.heading]);
        for (code, meaning) in &section.codes {
            page.control("TP", []);
            page.text([bold(*code)]);
            prose(page, meaning);
        }
    }
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    page.control("TP", []);
    page.text([bold(host::STATE_DIR_VARIABLE)]);
    page.text([
        roman("The state directory, where "),
        bold("--state-dir"),
        roman(" is not given."),
    ]);
    page.control("TP", []);
    page.text([bold(host::KEYSTORE_DIR_VARIABLE)]);
    page.text([
        roman("The keystore directory, where "),
        bold("--keystore-dir"),
        roman(" is not given."),
    ]);
    for (name, what) in [
        (
            "XDG_STATE_HOME, XDG_DATA_HOME, HOME",
            "Where the directories of the user are, as FILES says.",
        ),
        (
            "TMPDIR",
            "Where demo keeps its state while it runs, /tmp unless set.",
        ),
    ] {
        page.control("TP", []);
        page.text([bold(name)]);
        prose(page, what);
    }
}

fn files(page: &mut Roff) {
    const FILES: &[(&str, &str)] = &[
        (
            "config.json",
            "The configured targets and the staged one. It holds CHAP secrets in plain text, except those \
             that the Platform KeyStore holds.",
        ),
        (
            "partition.json",
            "UUID, release and KeyStore size of the partition, where they were set.",
        ),
        (
            "active.json",
            "What the last re-IPL used and found, and which sessions a resident IOP lost since. It never holds a secret.",
        ),
        (
            "devices.json",
            "Which device name stands for which serial number.",
        ),
        (
            "system.json",
            "A UUID for the generated initiator name, where the machine has neither a partition UUID nor a machine id.",
        ),
        (
            "config.lock, reipl.lock, jobs.lock, target-*.lock",
            "Locks, never removed.",
        ),
        (
            "iop.sock, iop.lock",
            "The local socket of the resident IOP, with mode 0600, and its lock, which names its process. A socket that a killed IOP \
             left behind is replaced by the next one.",
        ),
        (
            "keystore-ID.json, machine.json, keystore.lock",
            "In the keystore directory: the sealed secrets of the partition with this id, the key of this machine that they \
             are sealed under, and a lock. The keystore directory is $XDG_DATA_HOME/iscsiswiconfig/keystore, or \
             $HOME/.local/share/iscsiswiconfig/keystore, unless --keystore-dir or the environment names another one; it has \
             mode 0700.",
        ),
        (
            "BARCODE.tap, library.json",
            "In the media directory of vtl: a cartridge each, in the format of SIMH, and which cartridge is where.",
        ),
        (
            "/proc/device-tree/ibm,partition-uuid, /etc/machine-id",
            "What the generated initiator name is made of: the first on IBM Power, else a keyed hash of the second.",
        ),
    ];

    section(
        page,
        "FILES",
        &[
            "The state directory is that of the user unless --state-dir or the environment names another one: \
             $XDG_STATE_HOME/iscsiswiconfig, or $HOME/.local/state/iscsiswiconfig. It is created with mode 0700 and its files \
             with mode 0600. A file with wider permissions, of a newer version or of another form is an error that names \
             it; it is never overwritten. A file is replaced as a whole, so that a crash leaves the old one or the new one.",
        ],
    );
    for (name, what) in FILES {
        page.control("TP", []);
        page.text([italic(*name)]);
        prose(page, what);
    }
}

fn examples(page: &mut Roff) {
    page.control("SH", ["EXAMPLES"]);
    for (index, example) in EXAMPLES.iter().enumerate() {
        if index > 0 {
            page.control("PP", []);
        }
        prose(page, &format!("{}:", example.title));
        page.control("PP", []);
        page.control("RS", ["4"]);
        page.control("nf", []);
        for line in example
            .calls
            .iter()
            .flat_map(|call| help::continued(call, 11, 80))
        {
            page.text([roman(line)]);
        }
        page.control("fi", []);
        page.control("RE", []);
    }
}

fn notes(page: &mut Roff) {
    section(
        page,
        "NOTES",
        &[
            "The options, their rules and their examples are those of IBM's document. What is printed is this program's own: \
             no sample of the original's output is public.",
            "There is no Platform KeyStore on a new system. AVAIL therefore stores CHAP credentials as plain text in a file \
             that only the user can read, and PLATFORM is refused. \"partition set --keystore-size 4096\" enables one: \
             secrets are then sealed under a key of this machine, which protects copies and backups of the directories, and \
             not against root or a copy of the whole system disk.",
            "A secret on a command line can be seen by other users of the host while the command runs, and may be kept in \
             the history of the shell; --secret-file takes it from elsewhere.",
            "CHAP names and secrets are translated to upper case, as on IBM i: the VTL must hold them in upper case. The \
             initiator proves itself to the target; the macro has no parameter for the reverse.",
            "A login that the VTL refuses is a normal step of attaching: the consoles of many VTLs list an initiator only \
             after its first attempt. Allow the name there, and re-IPL again.",
            "Each session uses one connection and error recovery level 0. Without a resident IOP it lasts as long as the re-IPL or \
             the job; iop run holds one with each target, and pings it every 5 seconds while it is idle. A re-IPL sends no device a \
             command that changes its state.",
        ],
    );
}

pub(super) fn section(page: &mut Roff, title: &str, paragraphs: &[&str]) {
    page.control("SH", [title]);
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            page.control("PP", []);
        }
        prose(page, paragraph);
    }
}

/// Adds paragraphs that belong to the entry above.
fn indented(page: &mut Roff, paragraphs: &[&str]) {
    for paragraph in paragraphs {
        page.control("IP", []);
        prose(page, paragraph);
    }
}

/// Adds text in lines of a length that people can edit.
pub(super) fn prose(page: &mut Roff, text: &str) {
    // Escapes make some lines longer, so this leaves room below the 80 that mandoc wants.
    for line in help::wrap(text, 0, 72).lines() {
        page.text([roman(line)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_both_languages_is_on_the_page() {
        let page = page(&[], &[]);
        let in_roff = |word: &str| word.replace('-', "\\-");
        for word in OPTIONS.iter().flat_map(|spec| spec.spellings) {
            assert!(
                page.contains(&format!("\\fB{}\\fR", in_roff(word))),
                "{word}"
            );
        }
        for spec in PARAMETERS {
            assert!(
                page.contains(&format!("\\fB{}\\fR", in_roff(spec.word))),
                "{}",
                spec.word
            );
        }
        for option in help::host_options(&host::definition()) {
            let word = option.get_long().unwrap();
            assert!(
                page.contains(&format!("\\fB\\-\\-{}\\fR", in_roff(word))),
                "{word}"
            );
        }
    }

    #[test]
    fn every_option_that_the_prose_names_exists() {
        let definition = host::definition();
        let mut words: Vec<String> = definition
            .get_arguments()
            .chain(
                help::all_commands(&definition)
                    .into_iter()
                    .flat_map(|(_, command)| command.get_arguments()),
            )
            .filter_map(Arg::get_long)
            .map(|long| format!("--{long}"))
            .collect();
        words.extend(
            OPTIONS
                .iter()
                .flat_map(|spec| spec.spellings)
                .map(|word| (*word).to_owned()),
        );
        words.extend(PARAMETERS.iter().map(|spec| spec.word.to_owned()));
        words.extend(
            [
                "-help",
                "--version",
                "-OPTION",
                "-PARAMETER",
                "-vv",
                "-vvv",
                "-h",
                "-q",
                "-v",
                // Of tar, cpio and mt.
                "--rsh-command",
            ]
            .map(str::to_owned),
        );
        let page = page(&[], &[])
            .replace("\\-", "-")
            .replace("\\fB", "")
            .replace("\\fI", "")
            .replace("\\fR", "");
        let text = page.replace(['[', ']', '{', '}', ',', '.', ':', ';'], " ");
        for word in text
            .split_whitespace()
            .filter(|word| word.starts_with('-') && word.len() > 1)
        {
            assert!(words.iter().any(|known| known == word), "{word}");
        }
    }

    #[test]
    fn the_page_is_ascii_and_names_its_version() {
        let page = page(&[], &[]);
        assert!(page.is_ascii());
        assert!(page.contains(env!("CARGO_PKG_VERSION")));
    }
}
