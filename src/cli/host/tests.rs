//! The host side's lines: what each is parsed into, and what each error says.

use super::*;
use crate::cli::usage::Shown;

fn line(words: &[&str]) -> Result<Parsed, UsageError> {
    parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
}

fn options_of(words: &[&str]) -> HostOptions {
    match line(words) {
        Ok(Parsed::Line(options, None)) => options,
        other => panic!("{other:?}"),
    }
}

fn message(words: &[&str]) -> (String, Option<String>) {
    match line(words) {
        Err(UsageError::Host { message, tips, .. }) => (message, tips.into_iter().next()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    definition().debug_assert();
}

#[test]
fn nothing_typed_gives_the_defaults() {
    assert_eq!(options_of(&[]), HostOptions::default());
}

#[test]
fn every_option_is_kept_as_typed() {
    let words = [
        "--state-dir=/x",
        "--keystore-dir=/k",
        "--secret-file=-",
        "--json",
        "--timeout",
        "0.5",
        "--lock-timeout",
        "0",
        "--chap-algorithms",
        "7,5",
        "-q",
        "-vv",
        "--trace=/t",
        "--pcap",
        "/p",
    ];
    let expected = HostOptions {
        state_dir: Some(PathBuf::from("/x")),
        keystore_dir: Some(PathBuf::from("/k")),
        secret_file: Some(PathBuf::from("-")),
        json: true,
        timeout: Duration::from_millis(500),
        lock_timeout: Duration::ZERO,
        chap_algorithms: Some("7,5".to_owned()),
        quiet: true,
        verbose: 2,
        trace: Some(PathBuf::from("/t")),
        pcap: Some(PathBuf::from("/p")),
    };
    assert_eq!(options_of(&words), expected);
    assert_eq!(options_of(&["--verbose", "--verbose"]).verbose, 2);
}

#[test]
fn a_number_of_seconds_is_a_plain_decimal() {
    assert_eq!(seconds("15"), Ok(Duration::from_secs(15)));
    assert_eq!(seconds(".25"), Ok(Duration::from_millis(250)));
    assert_eq!(seconds("86400"), Ok(Duration::from_secs(86_400)));
    for typed in [
        "", ".", "-1", "+1", "1e3", "inf", "NaN", "1s", "1,5", "1.2.3", " 1",
    ] {
        assert_eq!(seconds(typed), Err(SecondsError::NotDecimal), "{typed}");
    }
    assert_eq!(seconds("86400.1"), Err(SecondsError::TooLong));
    assert_eq!(timeout("0.0"), Err(SecondsError::Zero));
    assert_eq!(timeout("0.0000000000001"), Err(SecondsError::Zero));
}

#[test]
fn an_empty_state_directory_is_refused() {
    assert!(message(&["--state-dir", ""]).0.contains("--state-dir"));
}

#[test]
fn clap_speaks_on_one_line_without_a_prefix() {
    let (text, tip) = message(&["--jsn"]);
    assert_eq!(text, "unexpected argument '--jsn' found");
    assert_eq!(tip.as_deref(), Some("a similar argument exists: '--json'"));
    let (text, _) = message(&["--timeout", "soon"]);
    assert_eq!(
        text,
        "invalid value 'soon' for '--timeout <SECONDS>': not a number of seconds such as 15 or 0.5"
    );
    let (text, _) = message(&["generate", "powershell"]);
    assert_eq!(
        text,
        "invalid value 'powershell' for '<WHAT>' [possible values: man, man-json, schema, bash, zsh, fish, rsh, systemd]"
    );
}

#[test]
fn a_message_spells_out_what_a_terminal_would_act_on() {
    let (text, _) = message(&["--timeout", "\u{1b}[31m"]);
    assert!(text.contains("<U+001B>[31m"), "{text}");
}

#[test]
fn a_misspelled_command_is_told_with_the_one_it_is_like() {
    let expected = UsageError::UnknownCommand {
        word: Shown::known("generat"),
        similar: Some("generate".to_owned()),
        path: String::new(),
    };
    assert_eq!(line(&["generat"]).unwrap_err(), expected);
    for (words, similar) in [
        (&["g"][..], Some("generate")),
        (&["v"], Some("vtl")),
        (&["partitoin"], Some("partition")),
        (&["partition", "exp"], Some("export")),
        (&["partition", "improt", "x"], Some("import")),
        (&["zzz"], None),
    ] {
        let error = line(words).unwrap_err();
        let UsageError::UnknownCommand { similar: told, .. } = error else {
            panic!("{words:?}: {error:?}");
        };
        assert_eq!(told.as_deref(), similar, "{words:?}");
    }
}

#[test]
fn of_a_host_option_that_is_given_twice_the_last_counts() {
    let words = [
        "--timeout",
        "1",
        "--json",
        "--timeout=2",
        "--json",
        "--state-dir=/a",
        "--state-dir",
        "/b",
        "-q",
        "--quiet",
    ];
    let options = options_of(&words);
    assert_eq!(options.timeout, Duration::from_secs(2));
    assert_eq!(options.state_dir, Some(PathBuf::from("/b")));
    assert!(options.json && options.quiet);
    let Ok(Parsed::Line(options, Some(HostCommand::Partition(_)))) = line(&[
        "--state-dir=/a",
        "partition",
        "--state-dir=/b",
        "show",
        "--state-dir=/c",
    ]) else {
        panic!("a command with options before and behind it");
    };
    assert_eq!(options.state_dir, Some(PathBuf::from("/c")));
}

#[test]
fn a_command_accepts_every_host_option_and_shows_those_that_it_honours() {
    let all = [
        "--state-dir=/x",
        "--keystore-dir=/k",
        "--secret-file=-",
        "--json",
        "--timeout=1",
        "--lock-timeout=1",
        "--chap-algorithms=5",
        "-q",
        "-v",
        "--trace=/t",
        "--pcap=/p",
    ];
    let definition = definition();
    for (words, honoured) in [
        (
            &["demo"][..],
            &[
                "timeout",
                "chap-algorithms",
                "quiet",
                "verbose",
                "trace",
                "pcap",
                "help",
            ][..],
        ),
        (
            &["vtl"],
            &[
                "json",
                "timeout",
                "chap-algorithms",
                "quiet",
                "verbose",
                "trace",
                "pcap",
                "help",
            ],
        ),
        (
            &["generate", "man"],
            &[
                "state-dir",
                "keystore-dir",
                "timeout",
                "lock-timeout",
                "chap-algorithms",
                "help",
            ],
        ),
        (
            &["partition"],
            &[
                "state-dir",
                "keystore-dir",
                "json",
                "lock-timeout",
                "quiet",
                "help",
            ],
        ),
        (
            &["partition", "set"],
            &[
                "state-dir",
                "keystore-dir",
                "json",
                "lock-timeout",
                "quiet",
                "help",
            ],
        ),
    ] {
        assert!(line(&[words, &all[..]].concat()).is_ok(), "{words:?}");
        let path = command_path(
            &definition,
            &words.iter().map(OsString::from).collect::<Vec<_>>(),
        );
        let mut command = &definition;
        for name in &path {
            command = command.find_subcommand(name).unwrap();
        }
        let shown: Vec<_> = command
            .get_arguments()
            .filter(|option| is_host_option(option) && !option.is_hide_set())
            .filter_map(Arg::get_long)
            .collect();
        assert_eq!(shown, honoured, "{words:?}");
    }
}

#[test]
fn help_is_of_the_command_on_the_line() {
    for (words, expected, all) in [
        (&["partition", "--help"][..], &["partition"][..], true),
        (
            &["--state-dir", "vtl", "partition", "export", "-h"],
            &["partition", "export"],
            false,
        ),
        (&["vtl", "--serial", "demo", "--help"], &["vtl"], true),
    ] {
        let Ok(Parsed::Help { path, long }) = line(words) else {
            panic!("{words:?}");
        };
        assert_eq!(
            (&path[..], long),
            (
                &expected
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>()[..],
                all
            )
        );
    }
}

#[test]
fn every_command_of_the_definition_is_known() {
    for command in definition().get_subcommands() {
        let of_one_word = |word: &str| vec![word.to_owned()];
        let lines: Vec<Vec<String>> = match (command.get_name(), command.get_positionals().next()) {
            ("tape", _) => vec![["status", "TAPMLB01"].map(str::to_owned).to_vec()],
            ("iop", _) => vec![
                of_one_word("run"),
                of_one_word("status"),
                of_one_word("stop"),
            ],
            // What follows it is another program's.
            ("rmt", _) => vec![Vec::new()],
            ("mtx", _) => vec![["-f", "TAPMLB01", "status"].map(str::to_owned).to_vec()],
            // A file name, or the name of a device.
            (_, Some(what)) if what.get_possible_values().is_empty() => vec![of_one_word("-")],
            (_, Some(what)) => what
                .get_possible_values()
                .iter()
                .map(|value| of_one_word(value.get_name()))
                .collect(),
            (_, None) => vec![of_one_word("-q")],
        };
        for words in lines {
            let mut whole = vec![command.get_name()];
            whole.extend(words.iter().map(String::as_str));
            whole.push("--json");
            let parsed = line(&whole);
            assert!(matches!(
                parsed,
                Ok(Parsed::Line(HostOptions { json: true, .. }, Some(_)))
            ));
        }
    }
}

#[test]
fn an_option_stands_anywhere_on_the_line_of_a_command_of_library() {
    let words = ["library", "mount", "TAPMLB01", "VOL001"];
    for at in 0..=words.len() {
        for option in [
            &["--json"][..],
            &["--timeout", "5"],
            &["--motion-timeout", "7"],
        ] {
            if at == 0 && option[0] == "--motion-timeout" {
                continue;
            }
            let (before, behind) = words.split_at(at);
            let typed = [before, option, behind].concat();
            let Ok(Parsed::Line(options, Some(HostCommand::Library(library)))) = line(&typed)
            else {
                panic!("{typed:?}");
            };
            assert!(
                matches!(library.action, LibraryAction::Mount { .. }),
                "{typed:?}"
            );
            let is_heeded = match option[0] {
                "--json" => options.json,
                "--timeout" => options.timeout == Duration::from_secs(5),
                _ => library.motion_timeout == Duration::from_secs(7),
            };
            assert!(is_heeded, "{typed:?}");
        }
    }
    let misplaced = line(&["library", "TAPMLB01", "mount", "TAPMLB02", "VOL001"]);
    let error = misplaced.unwrap_err();
    assert!(
        error.to_string().contains("'TAPMLB01' stands before mount"),
        "{error}"
    );
}
