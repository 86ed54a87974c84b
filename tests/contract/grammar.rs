//! The macro language: one option per call, its parameters, the spelling of words.

use crate::common::TestEnvironment;

const FULL_ADD: [&str; 9] = [
    "-addtarget",
    "-initiatorname",
    "*GENERATE",
    "-targethostname",
    "127.0.0.1",
    "-targetname",
    "iqn.2000-03.com.xyz:vtl",
    "-targetport",
    "1",
];

#[test]
fn parameters_may_follow_in_any_order() {
    let environment = TestEnvironment::new();
    environment
        .run_line(
            "-addtarget -chapkeystore NONE -targetport 1 -initiatorchapsecret SECRET123456 -targetname \
             iqn.2000-03.com.xyz:vtl -initiatorchapname NAME -targethostname 127.0.0.1 -initiatorname *GENERATE",
        )
        .assert_status(0);
    assert_eq!(
        environment.configured_targets(),
        ["iqn.2000-03.com.xyz:vtl"]
    );
}

#[test]
fn every_missing_required_parameter_is_named_at_once() {
    let environment = TestEnvironment::new();
    for option in ["-addtarget", "-removetarget", "-changetarget"] {
        environment.run(&[option]).assert_status(2).says(&[
            "-initiatorname",
            "-targethostname",
            "-targetname",
        ]);
        environment
            .run(&[option, "-targetname", "iqn.2000-03.com.xyz:vtl"])
            .assert_status(2)
            .says(&["-initiatorname", "-targethostname"]);
    }
    environment
        .run(&["-setport"])
        .assert_status(2)
        .says(&["-targetport"]);
    environment
        .run(&["-setkeystore"])
        .assert_status(2)
        .says(&["-chapkeystore"]);
    environment.run(&["-newname"]).assert_status(2);
    environment.run(&["-appendname"]).assert_status(2);
}

#[test]
fn a_line_that_is_not_of_the_grammar_is_refused_and_changes_nothing() {
    let environment = TestEnvironment::new();
    for line in [
        "-addtargets",
        "-addtar",
        "-ADDTARGET",
        "-AddTarget",
        "--addtarget",
        "addtarget",
        "-nosuchoption",
        "-dumptargets -targetname iqn.2026-01.a:b",
        "-dumptargets -dumptargets",
        "-commit -clearconfig",
        "-commit stray",
        "-targetname iqn.2026-01.a:b",
        "-targetname iqn.2026-01.a:b -addtarget",
        "-clearconfig -targetname iqn.2026-01.a:b",
        "-setport -targetport 1 -targetport 2",
        "-setport -targetport=860",
        "-setport -targetport",
        "-setport -chapkeystore NONE",
        "-newname -targetport 1",
        "-newname -chapkeystore NONE",
        "-newname -targetname iqn.2026-01.a:b -targetname iqn.2026-01.a:b",
        "-newname -TargetName iqn.2026-01.a:b",
        "-newname -targetn iqn.2026-01.a:b",
        "-appendname -targetname a -targethostname b",
        "-removetarget -initiatorname *GENERATE -targethostname 127.0.0.1 -targetname a -initiatorchapname b",
        "-commit --json",
        "--nosuchoption -commit",
        "--timeout -commit",
        "--timeout 0 -dumptargets",
        "--timeout soon -dumptargets",
        "--lock-timeout never -dumptargets",
        "--chap-algorithms 9 -reipliscsiop",
        "--chap-algorithms MD4 -reipliscsiop",
        "nosuchcommand",
    ] {
        let refused = environment.run_line(line).assert_status(2);
        assert!(
            refused.stderr.starts_with("iscsiswiconfig: "),
            "{line}:\n{}",
            *refused
        );
        let json = line.contains("--json");
        assert_eq!(refused.stdout.is_empty(), !json, "{line}:\n{}", *refused);
    }
    assert_eq!(environment.snapshot(), []);
}

#[test]
fn a_wrong_spelling_is_answered_with_the_right_one() {
    let environment = TestEnvironment::new();
    for (line, right) in [
        ("-addtraget", "-addtarget"),
        ("-AddTarget", "-addtarget"),
        ("--addtarget", "-addtarget"),
        ("-reiplscsiiop", "-reipl"),
        ("-setport --targetport 5", "-targetport"),
        ("-setport -targetprot 5", "-targetport"),
        ("-setport -targetport=860", "-targetport 860"),
        ("-setkeystore -chapkeystore none", "NONE"),
        ("-newname -initiatorname *generate", "*GENERATE"),
    ] {
        environment.run_line(line).assert_status(2).says(&[right]);
    }
}

#[test]
fn a_value_may_begin_with_a_dash_but_not_be_one_of_the_macros_words() {
    let environment = TestEnvironment::new();
    environment
        .run_line("-newname -initiatorchapname -NAME")
        .assert_status(0);
    environment
        .run_line("-newname -targetname -vtl")
        .assert_status(0);
    for word in [
        "-targetname",
        "--targetname",
        "-TargetName",
        "\u{2013}targetname",
        "-commit",
        "-REIPLSCSIOP",
    ] {
        let refused = environment.run(&["-newname", "-initiatorname", word]);
        refused.assert_status(2).says(&["-initiatorname"]);
    }
    environment
        .run_line("-addtarget -initiatorname -targethostname 127.0.0.1 -targetname a")
        .assert_status(2)
        .says(&["-initiatorname"]);
}

#[test]
fn both_spellings_of_the_re_ipl_option_are_accepted() {
    let environment = TestEnvironment::new();
    environment.run(&["-reipliscsiop"]).assert_status(0);
    environment.run(&["-reiplscsiop"]).assert_status(0);
    assert_eq!(environment.dump()["iop"]["ipl_count"], 2);
}

#[test]
fn several_names_in_one_newname_are_accepted_with_a_warning() {
    let environment = TestEnvironment::new();
    environment
        .run_line("-newname -targetname iqn.2026-01.a:b")
        .assert_status(0)
        .silent();
    environment
        .run_line("-newname -targetname iqn.2026-01.a:b -targethostname 127.0.0.1")
        .assert_status(0)
        .warns(&[]);
    environment.run(&["-commit"]).assert_status(0);
    assert_eq!(environment.configured_targets(), ["iqn.2026-01.a:b"]);
}

#[test]
fn help_is_given_in_every_spelling() {
    let environment = TestEnvironment::new();
    for line in ["-h", "-help", "--help"] {
        let help = environment.run_line(line).assert_status(0).silent();
        for option in [
            "-addtarget",
            "-dumpinitiators",
            "-reipliscsiop",
            "-clearconfig",
            "-appendname",
            "--json",
        ] {
            assert!(
                help.stdout.contains(option),
                "{line} does not name {option}:\n{}",
                *help
            );
        }
    }
    for line in [
        "-addtarget -help",
        "-addtarget -h",
        "-addtarget --help",
        "--json -addtarget -help",
    ] {
        let help = environment.run_line(line).assert_status(0);
        assert!(
            help.stdout.contains("-initiatorchapsecret"),
            "{line}:\n{}",
            *help
        );
        assert!(
            !help.stdout.trim_start().starts_with('{'),
            "{line}:\n{}",
            *help
        );
    }
    let version = environment.run(&["--version"]).assert_status(0);
    assert!(
        version.stdout.contains(env!("CARGO_PKG_VERSION")),
        "{}",
        *version
    );
    assert_eq!(environment.state_listing(), [""; 0], "help needs no state");
}

#[test]
fn no_argument_at_all_prints_the_usage() {
    let environment = TestEnvironment::new();
    let usage = environment.run(&[]).assert_status(2);
    assert!(usage.stdout.is_empty(), "{}", *usage);
    assert!(usage.stderr.to_lowercase().contains("usage"), "{}", *usage);
}

#[test]
fn the_state_directory_option_overrules_the_environment() {
    let environment = TestEnvironment::new();
    let elsewhere = environment.home().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    environment
        .run(&[&["--state-dir", elsewhere][..], &FULL_ADD].concat())
        .assert_status(0);
    assert_eq!(environment.state_listing(), [""; 0]);
    let equals = format!("--state-dir={elsewhere}");
    environment
        .run(&[&[equals.as_str()][..], &FULL_ADD].concat())
        .assert_status(1);
    environment
        .run(&["--state-dir", "-commit"])
        .assert_status(2);

    let mut command = environment.command();
    command
        .env_remove("ISCSISWICONFIG_STATE_DIR")
        .args(FULL_ADD);
    environment.finish(command).assert_status(0);
    let default = environment
        .home()
        .join(".local/state/iscsiswiconfig/config.json");
    assert!(default.exists(), "no {}", default.display());
}
