//! Whole command lines: what each is parsed into, and what each error says.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn line(words: &[&str]) -> Result<CommandLine, UsageFailure> {
    parse(words.iter().map(OsString::from))
}

fn request(words: &[&str]) -> Request {
    line(words)
        .unwrap_or_else(|failure| panic!("{words:?}: {failure:?}"))
        .request
}

fn failure(words: &[&str]) -> UsageFailure {
    line(words).expect_err("the line is not of the grammar")
}

/// Parses a line in which a space is a space and nothing is quoted.
fn failure_of(line: &str) -> UsageFailure {
    failure(&line.split(' ').collect::<Vec<_>>())
}

fn message(line: &str) -> String {
    failure_of(line).to_string()
}

fn corrected(line: &str) -> Option<String> {
    failure_of(line).corrected
}

fn invocation(words: &[&str]) -> Invocation {
    match request(words) {
        Request::Macro(invocation) => invocation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_argument_asks_for_nothing() {
    assert_eq!(request(&[]), Request::NoArguments);
    let only_options = line(&["--json", "-q"]).unwrap();
    assert_eq!(only_options.request, Request::NoArguments);
    assert!(only_options.host.json && only_options.host.quiet);
}

#[test]
fn an_invocation_keeps_the_values_as_typed_and_in_order() {
    let words = [
        "-addtarget",
        "-targetname",
        "iqn.X",
        "-targethostname",
        "10.1.1.5",
        "-initiatorname",
        "*GENERATE",
    ];
    let invocation = invocation(&words);
    assert_eq!(invocation.option, MacroOption::AddTarget);
    let order: Vec<_> = invocation
        .arguments
        .iter()
        .map(|(parameter, _)| *parameter)
        .collect();
    assert_eq!(
        order,
        [
            Parameter::TargetName,
            Parameter::TargetHostName,
            Parameter::InitiatorName
        ]
    );
    assert_eq!(invocation.value(Parameter::TargetName), Some("iqn.X"));
    assert_eq!(invocation.value(Parameter::TargetPort), None);
}

#[test]
fn every_option_parses_with_its_parameters_in_each_spelling() {
    for spec in grammar::OPTIONS {
        for spelling in spec.spellings {
            let mut words = vec![*spelling];
            let parameters: Vec<_> = match spec.parameters {
                grammar::ParameterRule::ExactlyOne(any) => any[..1].to_vec(),
                _ => spec.parameters().collect(),
            };
            for parameter in &parameters {
                words.extend([parameter.word(), "value"]);
            }
            let invocation = invocation(&words);
            assert_eq!(invocation.option, spec.option);
            assert_eq!(invocation.arguments.len(), parameters.len());
        }
    }
}

#[test]
fn a_value_may_begin_with_a_dash_and_may_be_empty() {
    for value in [
        "-x",
        "--json",
        "-h",
        "-vtl",
        "",
        " ",
        "commit",
        "\u{2013}x",
        "-",
    ] {
        let invocation = invocation(&["-newname", "-targetname", value]);
        assert_eq!(invocation.value(Parameter::TargetName), Some(value));
    }
}

#[test]
fn a_word_of_the_macro_is_never_a_value() {
    for value in [
        "-commit",
        "-COMMIT",
        "--commit",
        "\u{2013}commit",
        "\u{2014}Commit",
        "-targethostname",
        "-commit\r",
        "-help",
        "-reiplscsiop",
        "\u{a0}-commit",
        "\u{201c}-commit\u{201d}",
    ] {
        let failure = failure(&["-newname", "-targetname", value]);
        assert!(
            matches!(
                failure.error,
                UsageError::MissingValue {
                    parameter: Parameter::TargetName,
                    ..
                }
            ),
            "{value}: {failure:?}"
        );
    }
    assert_eq!(message("-newname -targetname"), "-targetname needs a value");
    assert_eq!(
        message("-newname -targetname -commit"),
        "-targetname needs a value, and '-commit' stands in its place"
    );
    assert_eq!(corrected("-newname -targetname -commit"), None);
}

#[test]
fn host_options_stand_before_the_macro_option() {
    let parsed = line(&[
        "--state-dir",
        "/x",
        "--timeout=0.5",
        "-vv",
        "-q",
        "--json",
        "-commit",
    ])
    .unwrap();
    assert_eq!(parsed.host.state_dir, Some(PathBuf::from("/x")));
    assert_eq!(parsed.host.timeout, Duration::from_millis(500));
    assert_eq!(parsed.host.verbose, 2);
    assert!(parsed.host.json && parsed.host.quiet);
    assert!(matches!(
        parsed.request,
        Request::Macro(Invocation {
            option: MacroOption::Commit,
            ..
        })
    ));
}

#[test]
fn host_options_stand_anywhere_on_the_line_of_a_command() {
    for words in [
        ["--json", "generate", "man"],
        ["generate", "--json", "man"],
        ["generate", "man", "--json"],
    ] {
        let parsed = line(&words).unwrap();
        assert!(parsed.host.json);
        assert_eq!(
            parsed.request,
            Request::Host(HostCommand::Generate(GenerateOptions {
                artifact: Artifact::Man,
                user: false
            }))
        );
    }
    let parsed = line(&["complete", "target-names", "--state-dir", "/x"]).unwrap();
    assert_eq!(
        parsed.request,
        Request::Host(HostCommand::Complete(NameKind::TargetNames))
    );
    assert_eq!(parsed.host.state_dir, Some(PathBuf::from("/x")));
}

#[test]
fn a_host_option_behind_the_macro_option_is_shown_in_its_place() {
    let failure = failure_of("-newname --json -targetname x");
    assert_eq!(
        failure.to_string(),
        "the host option '--json' follows -newname"
    );
    assert!(failure.json);
    assert_eq!(
        failure.hints(),
        [
            "did you mean: iscsiswiconfig --json -newname -targetname x",
            "host options stand before the option of the macro"
        ]
    );
    assert_eq!(
        corrected("-commit --state-dir /x y").as_deref(),
        None,
        "a stray word has no place"
    );
    assert_eq!(
        corrected("-commit --state-dir /x").as_deref(),
        Some("iscsiswiconfig --state-dir /x -commit")
    );
    assert_eq!(
        corrected("-commit -vv").as_deref(),
        Some("iscsiswiconfig -vv -commit")
    );
    assert_eq!(
        corrected("-commit --timeout=3").as_deref(),
        Some("iscsiswiconfig --timeout=3 -commit")
    );
}

#[test]
fn a_macro_word_is_not_the_value_of_a_host_option() {
    let failure = failure_of("--state-dir -commit");
    assert!(
        failure
            .to_string()
            .contains("a value is required for '--state-dir <DIR>'"),
        "{failure}"
    );
    let failure = failure_of("--state-dir \u{2013}commit");
    assert!(
        failure
            .to_string()
            .contains("a value is required for '--state-dir <DIR>'"),
        "{failure}"
    );
    let parsed = line(&["--state-dir=-commit", "-commit"]).unwrap();
    assert_eq!(parsed.host.state_dir, Some(PathBuf::from("-commit")));
}

#[test]
fn help_is_asked_for_in_each_spelling() {
    for word in ["-h", "-help", "--help"] {
        assert_eq!(request(&[word]), Request::Help(Help::Overview));
        assert_eq!(request(&["--json", word]), Request::Help(Help::Overview));
        let option = Request::Help(Help::Option(MacroOption::AddTarget));
        assert_eq!(request(&["-addtarget", word]), option);
        assert_eq!(
            request(&["--json", "-addtarget", "-targetname", "x", word]),
            option
        );
    }
    assert!(matches!(
        request(&["generate", "--help"]),
        Request::Help(Help::Command { path, long: true }) if path == ["generate"]
    ));
    assert_eq!(request(&["--version"]), Request::Version);
    assert_eq!(request(&["-q", "--version"]), Request::Version);
}

#[test]
fn the_version_has_two_dashes() {
    let failure = failure_of("-version");
    assert_eq!(
        failure.to_string(),
        "'-version' has 1 dash where 2 should be"
    );
    assert_eq!(failure.hints()[0], "write --version");
}

#[test]
fn a_parameter_is_refused_by_an_option_that_does_not_take_it() {
    let failure = failure_of("-setport -targetname x");
    assert_eq!(failure.to_string(), "-setport does not take -targetname");
    assert_eq!(
        failure.hints(),
        [
            "-setport takes -targetport",
            "-targetname belongs to -addtarget, -removetarget, -changetarget, -newname, -appendname"
        ]
    );
    assert_eq!(
        failure_of("-commit -targetname x").hints()[0],
        "-commit takes no parameters"
    );
}

#[test]
fn a_parameter_is_given_once() {
    let failure = failure_of("-newname -targetname x -targetname x");
    assert_eq!(failure.to_string(), "-targetname is given twice");
    assert_eq!(failure.corrected, None);
}

#[test]
fn every_missing_parameter_is_named_at_once() {
    let failure = failure_of("-addtarget -targetport 860");
    assert_eq!(
        failure.to_string(),
        "-addtarget needs -initiatorname, -targethostname and -targetname"
    );
    assert!(failure.hints()[0].starts_with("usage: iscsiswiconfig -addtarget -initiatorname NAME"));
    assert_eq!(message("-setport"), "-setport needs -targetport");
}

#[test]
fn a_choice_of_parameters_wants_one() {
    assert_eq!(
        message("-newname"),
        "-newname needs one or more of its parameters"
    );
    assert_eq!(
        message("-appendname"),
        "-appendname needs one of its parameters"
    );
    assert_eq!(
        message("-appendname -targetname x -targethostname y"),
        "-appendname takes one parameter, and -targetname and -targethostname are given"
    );
    assert_eq!(
        invocation(&["-newname", "-targetname", "x", "-targethostname", "y"])
            .arguments
            .len(),
        2
    );
}

#[test]
fn one_call_takes_one_option() {
    let failure = failure_of("-newname -targetname x -commit");
    assert_eq!(
        failure.to_string(),
        "-commit follows -newname, and one call takes one option"
    );
    assert!(failure.hints()[0].contains("one call for each option"));
    assert_eq!(failure.corrected, None);
}

#[test]
fn the_option_comes_first() {
    let failure = failure_of("-targetname x -newname");
    assert_eq!(
        failure.to_string(),
        "-targetname stands where the option belongs"
    );
    assert_eq!(
        failure.corrected.as_deref(),
        Some("iscsiswiconfig -newname -targetname x")
    );
    let failure = failure_of("-targetport 860");
    assert_eq!(
        failure.hints(),
        ["begin with the option: -addtarget, -removetarget, -changetarget, -setport"]
    );
}

#[test]
fn a_stray_word_is_no_value() {
    let failure = failure_of("-newname -targetname x y");
    assert_eq!(
        failure.to_string(),
        "'y' is neither a parameter nor the value of one"
    );
    assert!(failure.hints()[0].contains("quotes"));
    assert_eq!(
        message("-newname -nothinglikeit y"),
        "there is no parameter '-nothinglikeit'"
    );
    assert_eq!(
        message("-nothinglikeit"),
        "there is no option '-nothinglikeit'"
    );
    assert_eq!(
        message("\u{2013}nothinglikeit"),
        "there is no option '<U+2013>nothinglikeit'"
    );
    assert!(matches!(
        failure_of("nothinglikeit").error,
        UsageError::UnknownCommand { .. }
    ));
    assert!(matches!(
        line(&[""]).unwrap_err().error,
        UsageError::UnknownCommand { .. }
    ));
}

#[test]
fn a_misspelled_command_is_told_with_the_one_it_is_like() {
    let failure = failure_of("--json generat man");
    assert_eq!(
        failure.to_string(),
        "'generat' is neither an option of the macro nor a command"
    );
    assert_eq!(failure.hints()[0], "a similar command is 'generate'");
    assert!(failure.json);
}

#[test]
fn the_name_of_the_macro_is_given_once() {
    for line in ["iscsiswiconfig -commit", "ISCSISWICONFIG -commit"] {
        let failure = failure_of(line);
        assert_eq!(failure.error, UsageError::MacroNameTwice);
        assert_eq!(failure.corrected.as_deref(), Some("iscsiswiconfig -commit"));
    }
}

#[test]
fn every_dash_that_is_none_is_named() {
    for code in [
        0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212, 0xfe58, 0xfe63, 0xff0d, 0xad,
    ] {
        let dash = char::from_u32(code).unwrap();
        for line in [
            format!("{dash}newname -targetname x"),
            format!("-newname {dash}targetname x"),
        ] {
            let failure = failure_of(&line);
            let name = characters::describe(dash);
            assert!(name.len() > "U+2013 ".len(), "{name}");
            assert!(
                failure
                    .to_string()
                    .contains(&format!("has {name} where '-' belongs")),
                "{failure}"
            );
            assert_eq!(
                failure.corrected.as_deref(),
                Some("iscsiswiconfig -newname -targetname x")
            );
        }
    }
}

#[test]
fn every_space_that_is_none_is_named() {
    for code in [0xa0, 0x202f, 0x2007] {
        let space = char::from_u32(code).unwrap();
        let name = characters::describe(space);
        for line in [
            format!("-newname{space}-targetname x"),
            format!("-newname{space} -targetname x"),
            format!("{space}-newname -targetname x"),
            format!("-newname -targetname{space}x"),
            format!("-newname{space}-targetname{space}x"),
        ] {
            let failure = failure_of(&line);
            assert!(failure.to_string().contains(&name), "{failure}");
            assert_eq!(
                failure.corrected.as_deref(),
                Some("iscsiswiconfig -newname -targetname x")
            );
        }
    }
}

#[test]
fn what_does_not_show_is_named() {
    for code in [0x200b, 0x200c, 0x200d, 0xfeff] {
        let invisible = char::from_u32(code).unwrap();
        let failure = failure_of(&format!("{invisible}-new{invisible}name -targetname x"));
        let name = characters::describe(invisible);
        assert!(
            failure
                .to_string()
                .contains(&format!("{name}, which does not show")),
            "{failure}"
        );
        assert_eq!(
            failure.corrected.as_deref(),
            Some("iscsiswiconfig -newname -targetname x")
        );
    }
}

#[test]
fn every_quotation_mark_is_named() {
    for code in [0x2018, 0x2019, 0x201a, 0x201c, 0x201d, 0x201e, 0xab, 0xbb] {
        let quote = char::from_u32(code).unwrap();
        let failure = failure_of(&format!("{quote}-newname{quote} -targetname x"));
        assert!(
            failure.to_string().contains(&characters::describe(quote)),
            "{failure}"
        );
        assert_eq!(
            failure.corrected.as_deref(),
            Some("iscsiswiconfig -newname -targetname x")
        );
    }
    assert_eq!(
        message("\"-commit\""),
        "'\"-commit\"' has a quotation mark in it"
    );
}

#[test]
fn a_carriage_return_is_told_with_where_it_comes_from() {
    let failure = failure_of("-commit\r");
    assert_eq!(
        failure.to_string(),
        "'-commit<U+000D>' has U+000D CARRIAGE RETURN at its end"
    );
    assert_eq!(failure.hints()[0], "did you mean: iscsiswiconfig -commit");
    assert!(failure.hints()[1].contains("CRLF"));

    let failure = failure_of("-commit \r");
    assert_eq!(
        failure.to_string(),
        "'<U+000D>' has U+000D CARRIAGE RETURN at its end"
    );
    assert_eq!(failure.corrected.as_deref(), Some("iscsiswiconfig -commit"));
}

#[test]
fn another_number_of_dashes_is_told() {
    assert_eq!(
        message("--newname -targetname x"),
        "'--newname' has 2 dashes where 1 should be"
    );
    assert_eq!(
        message("-newname --targetname x"),
        "'--targetname' has 2 dashes where 1 should be"
    );
    assert_eq!(
        message("---commit"),
        "'---commit' has 3 dashes where 1 should be"
    );
    assert_eq!(message("commit"), "'commit' has no '-' before it");
    assert_eq!(
        message("-newname targetname x"),
        "'targetname' has no '-' before it"
    );
    assert_eq!(
        message("-json -commit"),
        "'-json' has 1 dash where 2 should be"
    );
    for line in [
        "--newname -targetname x",
        "newname -targetname x",
        "-newname targetname x",
    ] {
        assert_eq!(
            corrected(line).as_deref(),
            Some("iscsiswiconfig -newname -targetname x")
        );
    }
    assert_eq!(
        corrected("-json -commit").as_deref(),
        Some("iscsiswiconfig --json -commit")
    );
    assert_eq!(
        corrected("-state-dir /x -commit").as_deref(),
        Some("iscsiswiconfig --state-dir /x -commit")
    );
}

#[test]
fn another_letter_case_is_told() {
    assert_eq!(message("-COMMIT"), "'-COMMIT' has upper case letters");
    assert_eq!(
        corrected("-NewName -TargetName X").as_deref(),
        Some("iscsiswiconfig -newname -targetname X"),
        "a value keeps its case"
    );
}

#[test]
fn a_word_within_two_edits_is_recognised() {
    for typed in ["-comit", "-comimt", "-commmit", "-kommit", "-com"] {
        let known = typed != "-com";
        let is_misspelled = matches!(failure_of(typed).error, UsageError::Word { .. });
        assert_eq!(is_misspelled, known, "{typed}");
    }
    assert_eq!(message("-adtargte"), "'-adtargte' has a spelling mistake");
    assert_eq!(
        failure_of("-dumptarget").corrected.as_deref(),
        Some("iscsiswiconfig -dumptargets")
    );
    assert_eq!(
        corrected("-newname -tragetname x").as_deref(),
        Some("iscsiswiconfig -newname -targetname x")
    );
}

#[test]
fn an_equals_sign_is_told() {
    let failure = failure_of("-newname -targetname=iqn.x=y");
    assert_eq!(
        failure.to_string(),
        "'-targetname=iqn.x=y' has '=' where a space belongs"
    );
    assert_eq!(
        failure.hints(),
        ["did you mean: iscsiswiconfig -newname -targetname iqn.x=y"]
    );
    assert_eq!(
        failure_of("-commit=x").hints(),
        ["write -commit"],
        "an option takes no value"
    );
}

#[test]
fn a_whole_line_in_one_pair_of_quotes_is_taken_apart() {
    let failure = failure(&["-newname -targetname x"]);
    assert_eq!(
        failure.to_string(),
        "'-newname ********' has U+0020 SPACE where the next word should begin"
    );
    assert_eq!(
        failure.corrected.as_deref(),
        Some("iscsiswiconfig -newname -targetname x")
    );
}

#[test]
fn every_fault_of_a_word_is_told_and_the_whole_line_corrected() {
    let failure = failure_of(
        "\u{2013}AddTarget \u{2013}initiatorname *GENERATE \u{2013}targethostname 10.1.1.5 \u{2013}targetnam \
         iqn.2000\u{2013}03.x\r",
    );
    assert_eq!(
        failure.to_string(),
        "'<U+2013>AddTarget' has U+2013 EN DASH where '-' belongs and upper case letters"
    );
    assert_eq!(
        failure.corrected.as_deref(),
        Some(
            "iscsiswiconfig -addtarget -initiatorname '*GENERATE' -targethostname 10.1.1.5 -targetname iqn.2000-03.x"
        )
    );
}

#[test]
fn a_line_with_a_value_that_cannot_be_shown_is_not_shown() {
    assert_eq!(
        failure(&["-NEWNAME", "-targetname", "\u{1b}[31m"]).corrected,
        None
    );
    assert_eq!(
        failure(&["-NEWNAME", "-targetname", "\u{e9}"]).corrected,
        None
    );
}

#[test]
fn a_word_that_is_not_utf8_is_told_by_its_place() {
    let parse_bytes = |words: &[&[u8]]| {
        parse(words.iter().map(|word| OsString::from_vec(word.to_vec()))).unwrap_err()
    };
    let value = parse_bytes(&[b"-newname", b"-targetname", b"\x96"]);
    assert_eq!(
        value.to_string(),
        "the value of -targetname is not UTF-8 text"
    );
    let word = parse_bytes(&[b"--json", b"\x96newname"]);
    assert_eq!(word.to_string(), "argument 2 is not UTF-8 text");
    assert!(word.json);
}

#[test]
fn a_state_directory_need_not_be_utf8() {
    for words in [
        &[&b"--state-dir=/\xe9"[..], b"-commit"][..],
        &[b"--state-dir", b"/\xe9", b"-commit"],
    ] {
        let line = parse(words.iter().map(|word| OsString::from_vec(word.to_vec()))).unwrap();
        let expected = PathBuf::from(OsString::from_vec(b"/\xe9".to_vec()));
        assert_eq!(line.host.state_dir, Some(expected));
    }
}

#[test]
fn the_secret_is_in_no_error_and_no_hint() {
    const SECRET: &str = "PASSW0RD4VTL";
    let lines: &[&[&str]] = &[
        &["-newname", "-initiatorchapsecret=PASSW0RD4VTL"],
        &["-newname", "--initiatorchapsecret", SECRET],
        &["-newname", "\u{2013}initiatorchapsecret\u{a0}PASSW0RD4VTL"],
        &["-newname", "-initiatorchapsecert=PASSW0RD4VTL"],
        &["-newname", "-initiatorchapsecert", SECRET],
        &["-newname", "-initiatorchapsecretPASSW0RD4VTL"],
        &["-newname", "-chapsecret=PASSW0RD4VTL"],
        &["-newname", "-chapsecret", SECRET],
        &["-newname", "-pass=PASSW0RD4VTL"],
        &["-newname", "-initiatorchapsecret", "MY", SECRET],
        &["-newname", "-initiatorchapsecret", "MY", "-PASSW0RD4VTL"],
        &[
            "-newname",
            "-initiatorchapsecret",
            "MY",
            "\u{2013}PASSW0RD4VTL",
        ],
        &["-NEWNAME", "-initiatorchapsecret", SECRET],
        &["-newname -initiatorchapsecret PASSW0RD4VTL"],
        &["NEWNAME\u{a0}-initiatorchapsecret\u{a0}PASSW0RD4VTL"],
        &["iscsiswiconfig", "-newname", "-initiatorchapsecret", SECRET],
        &["-initiatorchapsecret", SECRET, "-newname"],
        &[SECRET, "-newname", "-initiatorchapsecret", SECRET],
        &["-newname", "-initiatorchapsecret", SECRET, "--json"],
        &[
            "-newname",
            "-initiatorchapsecret",
            SECRET,
            "-initiatorchapsecret",
            SECRET,
        ],
        &["-addtarget", "-initiatorchapsecret", SECRET],
        &["-setport", "-initiatorchapsecret", SECRET],
        &["--jsn", "-newname", "-initiatorchapsecret", SECRET],
        &["generate", "-newname", "-initiatorchapsecret", SECRET],
    ];
    for words in lines {
        let failure = failure(words);
        let mut told = format!("{failure} {failure:?}");
        told.push_str(&failure.hints().join(" "));
        assert!(!told.contains(SECRET), "{words:?}: {told}");
    }
    let masked = corrected("-NEWNAME -initiatorchapsecret PASSW0RD4VTL");
    assert_eq!(
        masked.as_deref(),
        Some("iscsiswiconfig -newname -initiatorchapsecret ********")
    );
    let parsed = line(&["-newname", "-initiatorchapsecret", SECRET]).unwrap();
    assert!(!format!("{parsed:?}").contains(SECRET));
    assert_eq!(
        message("-newname -initiatorchapsecret -commit"),
        "-initiatorchapsecret needs a value"
    );
}

#[test]
fn every_error_has_a_hint() {
    for line in [
        "-x",
        "-commit x",
        "-commit -x",
        "-newname -targetname",
        "-commit -commit",
        "--jsn",
        "x",
        "-commit --json",
    ] {
        assert!(!failure_of(line).hints().is_empty(), "{line}");
    }
}
