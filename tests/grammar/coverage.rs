//! That the transcripts leave nothing out: every variant of every error and warning, every word of both languages.

use std::fs;
use std::path::Path;

use iscsiswiconfig::cli::grammar::{OPTIONS, PARAMETERS};
use iscsiswiconfig::cli::host;
use iscsiswiconfig::values::characters;

use super::{SECRET, transcripts};
use crate::common::TestEnvironment;

/// The enums that hold what can be wrong, and the files that they are in.
const ENUMS: [(&str, &str); 13] = [
    ("UsageError", "src/cli/usage.rs"),
    ("WordFault", "src/cli/usage.rs"),
    ("SecondsError", "src/cli/host/mod.rs"),
    ("SizeError", "src/cli/host/vtl.rs"),
    ("ValueError", "src/values/error.rs"),
    ("Form", "src/values/error.rs"),
    ("ValueWarning", "src/values/error.rs"),
    ("ConfigurationError", "src/config/mod.rs"),
    ("EditWarning", "src/config/mod.rs"),
    ("PartitionError", "src/config/partition.rs"),
    ("StateError", "src/state/error.rs"),
    ("ReIplError", "src/reipl/mod.rs"),
    ("ListenError", "src/vtl/listener/mod.rs"),
];

/// Each variant, and a line of a transcript that shows it.
const SHOWN: &[(&str, &str)] = &[
    (
        "UsageError::Word",
        "! iscsiswiconfig: '-comit' has a spelling mistake",
    ),
    (
        "UsageError::UnknownOption",
        "! iscsiswiconfig: there is no option '-frobnicate'",
    ),
    (
        "UsageError::UnknownParameter",
        "! iscsiswiconfig: there is no parameter '-frobnicate'",
    ),
    (
        "UsageError::StrayWord",
        "! iscsiswiconfig: 'now' is neither a parameter nor the value of one",
    ),
    (
        "UsageError::UnknownCommand",
        "! iscsiswiconfig: 'generat' is neither an option of the macro nor a command",
    ),
    (
        "UsageError::NotUtf8",
        "! iscsiswiconfig: the value of -targetname is not UTF-8 text",
    ),
    (
        "UsageError::MissingValue",
        "! iscsiswiconfig: -targetport needs a value",
    ),
    (
        "UsageError::ParameterNotTaken",
        "! iscsiswiconfig: -newname does not take -targetport",
    ),
    (
        "UsageError::ParameterTwice",
        "! iscsiswiconfig: -targetport is given twice",
    ),
    (
        "UsageError::MissingParameters",
        "! iscsiswiconfig: -addtarget needs -initiatorname and -targethostname",
    ),
    (
        "UsageError::NoParameter",
        "! iscsiswiconfig: -appendname needs one of its parameters",
    ),
    (
        "UsageError::SeveralParameters",
        "! iscsiswiconfig: -appendname takes one parameter, and -initiatorchapname and -initiatorchapsecret are given",
    ),
    (
        "UsageError::SecondOption",
        "! iscsiswiconfig: -commit follows -newname, and one call takes one option",
    ),
    (
        "UsageError::ParameterBeforeOption",
        "! iscsiswiconfig: -targetport stands where the option belongs",
    ),
    (
        "UsageError::HostOptionBehind",
        "! iscsiswiconfig: the host option '--timeout' follows -reipliscsiop",
    ),
    (
        "UsageError::MacroNameTwice",
        "! iscsiswiconfig: the macro's name is given twice",
    ),
    (
        "UsageError::Host",
        "! iscsiswiconfig: unexpected argument '--jsn' found",
    ),
    (
        "WordFault::Dash",
        "! iscsiswiconfig: '<U+2013>commit' has U+2013 EN DASH where '-' belongs",
    ),
    (
        "WordFault::Quote",
        "! iscsiswiconfig: '-targetname<U+201D>' has U+201D RIGHT DOUBLE QUOTATION MARK in it",
    ),
    (
        "WordFault::Space",
        "! iscsiswiconfig: '<U+00A0>-commit' has U+00A0 NO-BREAK SPACE where the next word should begin",
    ),
    (
        "WordFault::CarriageReturn",
        "! iscsiswiconfig: '-commit<U+000D>' has U+000D CARRIAGE RETURN at its end",
    ),
    (
        "WordFault::Invisible",
        "! iscsiswiconfig: '-com<U+200B>mit' has U+200B ZERO WIDTH SPACE, which does not show, in it",
    ),
    (
        "WordFault::Dashes",
        "! iscsiswiconfig: '--newname' has 2 dashes where 1 should be",
    ),
    (
        "WordFault::EqualsSign",
        "! iscsiswiconfig: '-targetport=860' has '=' where a space belongs",
    ),
    (
        "WordFault::LetterCase",
        "! iscsiswiconfig: '-COMMIT' has upper case letters",
    ),
    (
        "WordFault::Spelling",
        "! iscsiswiconfig: '-dumptarget' has a spelling mistake",
    ),
    (
        "SecondsError::NotDecimal",
        "! iscsiswiconfig: invalid value 'soon' for '--timeout <SECONDS>': not a number of seconds such as 15 or 0.5",
    ),
    (
        "SecondsError::Zero",
        "! iscsiswiconfig: invalid value '0' for '--timeout <SECONDS>': it must be more than 0",
    ),
    (
        "SecondsError::TooLong",
        "! iscsiswiconfig: invalid value '86401' for '--timeout <SECONDS>': it must not be more than 86400, a day",
    ),
    (
        "ValueError::Empty",
        "! iscsiswiconfig: the target name is empty",
    ),
    (
        "ValueError::TooLong",
        "! iscsiswiconfig: the target name is 224 bytes long; the limit is 223",
    ),
    (
        "ValueError::Character",
        "! iscsiswiconfig: the target name cannot hold U+2013 EN DASH",
    ),
    (
        "ValueError::Form",
        "! iscsiswiconfig: the CHAP keystore 'PKS' is not AVAIL, NONE or PLATFORM",
    ),
    (
        "Form::NotAPort",
        "! iscsiswiconfig: the target port '65536' is not a number from 1 to 65535 in plain decimal digits",
    ),
    (
        "Form::NotAKeystore",
        "! iscsiswiconfig: the CHAP keystore 'none' is not AVAIL, NONE or PLATFORM",
    ),
    (
        "Form::GenerateCase",
        "! iscsiswiconfig: the initiator name '*generate' is *GENERATE in another letter case",
    ),
    (
        "Form::GenerateAppended",
        "! iscsiswiconfig: the initiator name '*GENERATE' is a whole name and cannot be appended",
    ),
    (
        "Form::NotAHostName",
        "! iscsiswiconfig: the target host name '-vtl.example.com' is neither an IP address nor a host name (RFC 1123)",
    ),
    (
        "Form::NotAnAddress",
        "! iscsiswiconfig: the target host name '999.1.1.1' ends in a label of digits like an IPv4 address, but is not a valid one",
    ),
    (
        "Form::TrailingDot",
        "! iscsiswiconfig: the target host name 'vtl.example.com.' ends with a dot",
    ),
    (
        "Form::ZoneId",
        "! iscsiswiconfig: the target host name 'fe80::1%eth0' has a zone id (%)",
    ),
    (
        "Form::WithPort",
        "! iscsiswiconfig: the target host name '10.1.1.5:3260' has a port in it",
    ),
    (
        "Form::Brackets",
        "! iscsiswiconfig: the target host name '[2001:db8::5]' has brackets around the address",
    ),
    (
        "Form::Url",
        "! iscsiswiconfig: the target host name 'iscsi://10.1.1.5/' is a URL",
    ),
    (
        "ValueWarning::NotIqn",
        "! iscsiswiconfig: warning: the target name does not begin with iqn., eui. or naa.",
    ),
    (
        "ValueWarning::ConsoleCharacters",
        "! iscsiswiconfig: warning: the initiator name has characters outside a-z 0-9 . : -, which VTL consoles refuse",
    ),
    (
        "ValueWarning::SecretLength",
        "! iscsiswiconfig: warning: the CHAP secret has 11 characters; RFC 7143 wants at least 12",
    ),
    (
        "ConfigurationError::Exists",
        "! iscsiswiconfig: target iqn.2000-03.com.xyz:vtl.demo-1 at 10.1.1.5 port 3260 is configured already",
    ),
    (
        "ConfigurationError::SecondPortal",
        "! iscsiswiconfig: this initiator is configured for that target already: iqn.2000-03.com.xyz:vtl.demo-1 at 10.1.1.5 port 3260",
    ),
    (
        "ConfigurationError::NoSuchTarget",
        "! iscsiswiconfig: no target iqn.2000-03.com.xyz:vtl.demo-6 at 10.1.1.5 port 3260 is configured for initiator *GENERATE",
    ),
    (
        "ConfigurationError::HalfChap",
        "! iscsiswiconfig: CHAP name and secret come together, and the CHAP name is missing",
    ),
    (
        "ConfigurationError::KeystoreNotEnabled",
        "! iscsiswiconfig: the Platform KeyStore is not enabled, and PLATFORM accepts nothing else",
    ),
    (
        "ConfigurationError::NothingStaged",
        "! iscsiswiconfig: nothing is staged",
    ),
    (
        "ConfigurationError::Incomplete",
        "! iscsiswiconfig: the staged target is not complete: the target name is missing",
    ),
    (
        "ConfigurationError::StagedForm",
        "! iscsiswiconfig: the staged target cannot be configured: the target host name '10.1.' ends with a dot",
    ),
    (
        "ConfigurationError::AppendToGenerate",
        "! iscsiswiconfig: the staged initiator name is *GENERATE, and nothing can be appended to that",
    ),
    (
        "ConfigurationError::Value",
        "! iscsiswiconfig: the target name is 251 bytes long; the limit is 223",
    ),
    (
        "EditWarning::SecondInitiator",
        "! iscsiswiconfig: warning: this target logs in as ibmi_1, another one as iqn.1924-02.com.ibm:ibmi.<uuid>-i0; IBM i has one initiator",
    ),
    (
        "StateError::Io",
        "! iscsiswiconfig: cannot create /proc/nowhere: No such file or directory (os error 2)",
    ),
    (
        "StateError::OpenRecord",
        "! iscsiswiconfig: $HOME/state/config.json is open to group or others (mode 0640)",
    ),
    (
        "StateError::SymbolicLink",
        "! iscsiswiconfig: $HOME/state/config.json is a symbolic link",
    ),
    (
        "StateError::OpenDirectory",
        "! iscsiswiconfig: the state directory $HOME/state can be written by group or others (mode 0770)",
    ),
    (
        "StateError::ForeignDirectory",
        "! iscsiswiconfig: the state directory $HOME/state belongs to user id 4711",
    ),
    (
        "StateError::Malformed",
        "! iscsiswiconfig: $HOME/state/config.json does not parse (line 1, column 47)",
    ),
    (
        "StateError::NewerSchema",
        "! iscsiswiconfig: $HOME/state/config.json has schema 2, and this version knows 1",
    ),
    (
        "ConfigurationError::KeystoreNotUsed",
        "! iscsiswiconfig: release 7.5 does not use the Platform KeyStore for CHAP, and PLATFORM accepts nothing else",
    ),
    (
        "ConfigurationError::NoGeneratedName",
        "! iscsiswiconfig: this partition has no UUID to generate an initiator name from, as on POWER7 and before",
    ),
    (
        "ConfigurationError::SecretNotHere",
        "! iscsiswiconfig: the CHAP secret of a at 10.1.1.5 port 3260 is not in this machine's Platform KeyStore, so it cannot move to disk",
    ),
    (
        "PartitionError::NotHere",
        "! iscsiswiconfig: the CHAP secret is not in this machine's Platform KeyStore, so it cannot move: a at 10.1.1.5 port 3260",
    ),
    (
        "ConfigurationError::StagedSecretNotHere",
        "! iscsiswiconfig: the staged CHAP secret is not in this machine's Platform KeyStore",
    ),
    (
        "StateError::Sealed",
        "! iscsiswiconfig: the Platform KeyStore $HOME/keystore/keystore-<uuid>.json cannot be opened: it was damaged, or sealed on another machine",
    ),
    (
        "StateError::SecretMissing",
        "! iscsiswiconfig: the Platform KeyStore $HOME/keystore/keystore-<uuid>.json cannot be opened: $HOME/keystore/machine.json is not there",
    ),
    (
        "StateError::KeystoreFull",
        "! iscsiswiconfig: the Platform KeyStore is full: 0 of 40 bytes are used, and 45 are needed",
    ),
    (
        "PartitionError::InUse",
        "! iscsiswiconfig: the Platform KeyStore holds 45 bytes of CHAP credentials, and 0 are to remain: a at 10.1.1.5 port 3260",
    ),
    (
        "PartitionError::Demanded",
        "! iscsiswiconfig: PLATFORM demands the Platform KeyStore for a at 10.1.1.5 port 3260",
    ),
    (
        "StateError::Locked",
        "! iscsiswiconfig: $HOME/state/config.lock is locked by process <pid>",
    ),
    (
        "ReIplError::State",
        "! iscsiswiconfig: $HOME/state/reipl.lock is locked by process <pid>",
    ),
    (
        "ReIplError::Network",
        "! iscsiswiconfig: cannot set up the network input and output: Too many open files (os error 24)",
    ),
    (
        "SizeError::Malformed",
        "! iscsiswiconfig: invalid value '1.5GiB' for '--cartridge-size <SIZE>': not a size such as 1GiB, 512MiB or 100MB",
    ),
    (
        "SizeError::OutOfRange",
        "! iscsiswiconfig: invalid value '0MiB' for '--cartridge-size <SIZE>': not a size from 1 byte to 8 EiB",
    ),
    (
        "ListenError::Bind",
        "! iscsiswiconfig: cannot listen on 192.0.2.1:3260: Cannot assign requested address (os error 99)",
    ),
    (
        "ListenError::Resources",
        "! iscsiswiconfig: cannot set up what a listener needs: Too many open files (os error 24)",
    ),
];

/// The warnings that commands give by themselves: the file of each, and a line that shows it.
const WARNINGS: &[(&str, &str)] = &[
    (
        "configure.rs",
        "! iscsiswiconfig: warning: the CHAP secret has 17 characters; many VTLs take at most 16",
    ),
    (
        "configure.rs",
        "! iscsiswiconfig: warning: the target name has characters outside a-z 0-9 . : -, which VTL consoles refuse",
    ),
    (
        "configure.rs",
        "! iscsiswiconfig: warning: this target logs in as ibmi_1, another one as iqn.1924-02.com.ibm:ibmi.<uuid>-i0; IBM i has one initiator",
    ),
    (
        "dump.rs",
        "! iscsiswiconfig: warning: the configuration has changed since the last re-IPL; -reipliscsiop makes it the active one",
    ),
    (
        "dump.rs",
        "! iscsiswiconfig: warning: the CHAP secret is not in this machine's Platform KeyStore, which storage replication does not copy, of a at 10.1.1.5 port 3260. Recreate the CHAP configuration here with -changetarget -initiatorchapsecret, or store it as plain text by adding -chapkeystore NONE, or remove CHAP with -removetarget and -addtarget without it.",
    ),
    (
        "mod.rs",
        "! iscsiswiconfig: warning: the CHAP secret was changed to upper case; the VTL must hold it in upper case",
    ),
    (
        "partition.rs",
        "! iscsiswiconfig: warning: 1 CHAP credential(s) went to disk, in plain text",
    ),
    (
        "partition.rs",
        "! iscsiswiconfig: warning: target iqn.a:b at 10.1.1.6 port 3260 logs in under the same initiator name as another entry for it now, and IBM i has one connection for both; -removetarget one of them",
    ),
    (
        "partition.rs",
        "! iscsiswiconfig: warning: targets log in as *GENERATE, and this partition has no UUID to generate a name from",
    ),
    (
        "reipl.rs",
        "! iscsiswiconfig: warning: iqn.2000-03.com.xyz:vtl.empty: it shows this initiator no tape device: assign a library to this initiator on the VTL",
    ),
    (
        "stage.rs",
        "! iscsiswiconfig: warning: no -initiatorchapsecret was staged to append to, so this is its first piece",
    ),
    (
        "stage.rs",
        "! iscsiswiconfig: warning: several parameters on one -newname are not accepted everywhere; a portable script gives one",
    ),
    (
        "vtl.rs",
        "! iscsiswiconfig: warning: the CHAP secret is shorter than 12 characters; initiators may refuse to use it",
    ),
];

#[test]
fn every_variant_of_every_error_and_warning_is_shown() {
    let mut variants: Vec<String> = ENUMS
        .iter()
        .flat_map(|(name, file)| variants_of(name, file))
        .collect();
    let mut shown: Vec<_> = SHOWN
        .iter()
        .map(|(variant, _)| (*variant).to_owned())
        .collect();
    variants.sort();
    shown.sort();
    assert_eq!(
        variants, shown,
        "the enums have other variants than the table above"
    );
    let text = all_text();
    for (variant, line) in SHOWN {
        assert!(
            text.lines().any(|shown| shown == *line),
            "no transcript shows {variant}: {line}"
        );
    }
}

#[test]
fn every_warning_of_the_commands_is_shown() {
    let mut places: Vec<String> = Vec::new();
    for entry in fs::read_dir(in_repository("src/commands")).unwrap() {
        let entry = entry.unwrap();
        let source = fs::read_to_string(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        places.extend(source.matches("terminal.warn(").map(|_| name.clone()));
    }
    places.sort();
    let shown: Vec<_> = WARNINGS
        .iter()
        .map(|(file, _)| (*file).to_owned())
        .collect();
    assert_eq!(
        places, shown,
        "the commands warn in other places than the table above"
    );
    let text = all_text();
    for (file, line) in WARNINGS {
        assert!(
            text.lines().any(|shown| shown == *line),
            "no transcript shows a warning of {file}: {line}"
        );
    }
}

#[test]
fn every_word_of_both_languages_is_used() {
    let text = all_text();
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    let used = |words: &str| {
        commands
            .iter()
            .any(|command| format!("{command} ").contains(&format!(" {words} ")))
    };
    for spec in OPTIONS {
        for spelling in spec.spellings {
            for form in [
                (*spelling).to_owned(),
                format!("--json {spelling}"),
                format!("{} -help", spec.word()),
            ] {
                assert!(used(&form), "{form}");
            }
        }
        for parameter in spec.parameters() {
            let word = parameter.word();
            let with = |command: &&&str| {
                command.contains(spec.word()) && command.contains(&format!(" {word} "))
            };
            assert!(
                commands.iter().find(with).is_some(),
                "{} {word}",
                spec.word()
            );
        }
    }
    for option in host::definition().get_arguments() {
        let long = option
            .get_long()
            .expect("every host option has a long form");
        assert!(
            used(&format!("--{long}")) || text.contains(&format!(" --{long}=")),
            "--{long}"
        );
        let short = option.get_short();
        assert!(
            short.is_none_or(|short| used(&format!("-{short}"))),
            "{short:?}"
        );
    }
    for command in host::definition().get_subcommands() {
        assert!(used(command.get_name()), "{}", command.get_name());
    }
    assert_eq!(PARAMETERS.len(), 7, "the options above take them all");
}

#[test]
fn every_character_that_pasting_leaves_behind_is_named() {
    let pasted = fs::read_to_string(in_repository("tests/golden/pasted.txt")).unwrap();
    for character in ('\0'..=char::MAX).filter(|character| characters::name(*character).is_some()) {
        let described = characters::describe(character);
        assert!(pasted.contains(&described), "{described}");
    }
}

#[test]
fn every_line_that_a_hint_shows_is_of_the_grammar() {
    let text = all_text();
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("!   hint: did you mean: "))
        .collect();
    assert!(lines.len() > 50, "the transcripts are full of such lines");
    for line in lines {
        let environment = TestEnvironment::new();
        let mut command = environment.command_of(Path::new("sh"));
        command.args(["-c", &line.replace("********", SECRET)]);
        let output = environment.finish(command);
        assert!(output.status.code() != Some(2), "{line}\n{output}");
    }
}

#[test]
fn the_secret_stands_on_command_lines_only() {
    let text = all_text().to_ascii_lowercase();
    let secret = SECRET.to_ascii_lowercase();
    let (first, second) = secret.split_at(7);
    for line in text.lines().filter(|line| !line.starts_with("$ ")) {
        assert!(!line.contains(first) && !line.contains(second), "{line}");
    }
}

/// Returns the variants of an enum by the text of its source: `Enum::Variant`.
fn variants_of(name: &str, file: &str) -> Vec<String> {
    let source = fs::read_to_string(in_repository(file)).unwrap();
    let (_, body) = source
        .split_once(&format!("pub enum {name} {{\n"))
        .expect("the enum");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let variants = body.lines().filter_map(|line| {
        let line = line
            .strip_prefix("    ")
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))?;
        Some(
            line.split(|c: char| !c.is_ascii_alphanumeric())
                .next()?
                .to_owned(),
        )
    });
    let variants: Vec<_> = variants
        .map(|variant| format!("{name}::{variant}"))
        .collect();
    assert!(!variants.is_empty(), "{name}");
    variants
}

fn all_text() -> String {
    transcripts()
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
