//! What a value may be, what is an error, what only a warning.

use proptest::prelude::*;
use serde_json::Value;

use super::add;
use crate::common::TestEnvironment;

/// Stages one value in an environment of its own.
fn stage(parameter: &str, value: &str) -> crate::common::Output {
    TestEnvironment::new().run(&["-newname", parameter, value])
}

fn add_host(host: &str) -> Vec<&str> {
    let mut words = add("iqn.2026-01.a:b", &[]);
    words[4] = host;
    words
}

#[track_caller]
fn refused(environment: &TestEnvironment, words: &[&str]) {
    let before = environment.snapshot();
    let output = environment.run(words).assert_status(2);
    assert!(output.stdout.is_empty(), "{words:?}:\n{}", *output);
    assert_eq!(
        environment.snapshot(),
        before,
        "{words:?} changed the state"
    );
}

#[test]
fn names_that_cannot_be_iscsi_names_are_refused() {
    let environment = TestEnvironment::new();
    let long = format!("iqn.{}", "a".repeat(220));
    for name in [
        "",
        &long,
        "iqn.a b",
        " iqn.a",
        "iqn.a\tb",
        "iqn.a\u{7f}",
        "iqn.a\u{e9}",
        "iqn.\u{1}",
    ] {
        refused(&environment, &add(name, &[]));
        let mut words = add("iqn.2026-01.a:b", &[]);
        words[2] = name;
        refused(&environment, &words);
    }
}

#[test]
fn a_name_of_223_bytes_is_accepted() {
    let environment = TestEnvironment::new();
    let name = format!("iqn.2026-01.{}", "a".repeat(211));
    environment.run(&add(&name, &[])).assert_status(0).silent();
    assert_eq!(environment.configured_targets(), [name]);
}

#[test]
fn names_that_a_console_might_refuse_are_kept_as_typed_with_a_warning() {
    for name in [
        "inftst22",
        "iqn.2000-03.com.XYZ:vtl",
        "iqn.2026-01.a:b_c",
        "vtl",
    ] {
        let environment = TestEnvironment::new();
        environment.run(&add(name, &[])).assert_status(0).warns(&[]);
        assert_eq!(environment.configured_targets(), [name]);
        environment
            .run(&[&["-q"][..], &add(&format!("{name}2"), &[])].concat())
            .assert_status(0)
            .silent();
    }
    for name in [
        "iqn.2000-03.com.xyz:vtl-1",
        "eui.02004567a425678d",
        "naa.52004567ba64678d",
    ] {
        let environment = TestEnvironment::new();
        environment.run(&add(name, &[])).assert_status(0).silent();
    }
}

#[test]
fn host_names_that_are_none_are_refused() {
    let environment = TestEnvironment::new();
    let label = format!("{}.com", "a".repeat(64));
    let long = format!("{}com", "abcdefg.".repeat(32));
    assert!(long.len() > 253);
    for host in [
        "",
        " ",
        "999.1.1.1",
        "010.1.1.5",
        "10.1.1",
        "1.2.3.4.5",
        "10.1.1.05",
        "127.1",
        "0x7f.1",
        "vtl.",
        "10.1.1.5.",
        "vtl.example.123",
        "123",
        "a..b",
        ".a",
        "-vtl",
        "vtl-",
        "under_score",
        "v tl",
        "vtl\u{e9}",
        "fe80::1%eth0",
        "fe80::1%1",
        ":::1",
        "1::2::3",
        "::g",
        "vtl:3260",
        "10.1.1.5:3260",
        "[::1]",
        "[::1]:3260",
        "[fe80::1%eth0]",
        "iscsi://vtl",
        "http://vtl/",
        "iscsi://10.1.1.5:3260/iqn.2026-01.a:b",
        "vtl/",
        "user@vtl",
        &label,
        &long,
    ] {
        refused(&environment, &add_host(host));
    }
}

#[test]
fn host_names_with_too_much_in_them_are_refused_with_a_hint() {
    let environment = TestEnvironment::new();
    for (host, words) in [
        ("10.1.1.5:860", &["-targetport", "860", "10.1.1.5"][..]),
        ("vtl.example.com:3260", &["vtl.example.com"]),
        ("[fd00::5]", &["fd00::5"]),
        ("[fd00::5]:860", &["fd00::5"]),
        ("iscsi://10.1.1.5", &["-targetport"]),
    ] {
        environment
            .run(&add_host(host))
            .assert_status(2)
            .hints(words);
    }
}

#[test]
fn host_names_are_accepted_in_all_three_forms() {
    let long = format!("{}abcde", "abcdefg.".repeat(31));
    assert_eq!(long.len(), 253);
    let label = format!("{}.com", "a".repeat(63));
    for host in [
        "10.1.1.5",
        "0.0.0.1",
        "::1",
        "fd00:0:0::5",
        "::ffff:10.1.1.5",
        "vtl",
        "VTL.Example.COM",
        "1vtl",
        "3com.com",
        "a-b.c",
        "123.example",
        &long,
        &label,
    ] {
        TestEnvironment::new()
            .run(&add_host(host))
            .assert_status(0)
            .silent();
    }
}

#[test]
fn a_port_is_plain_decimal_from_1_to_65535() {
    let environment = TestEnvironment::new();
    for port in [
        "",
        "0",
        "65536",
        "99999999999999999999",
        "+3260",
        "-1",
        "03260",
        "3260 ",
        " 3260",
        "0xcbc",
        "3.260e3",
        "iscsi",
        "\u{663}\u{662}",
    ] {
        refused(
            &environment,
            &add("iqn.2026-01.a:b", &["-targetport", port]),
        );
        refused(&environment, &["-setport", "-targetport", port]);
    }
    for port in ["1", "860", "65535"] {
        let environment = TestEnvironment::new();
        environment
            .run(&add("iqn.2026-01.a:b", &["-targetport", port]))
            .assert_status(0)
            .silent();
        environment
            .run(&["-setport", "-targetport", port])
            .assert_status(0)
            .silent();
    }
}

#[test]
fn chap_values_are_printable_ascii_of_at_most_255_bytes() {
    let environment = TestEnvironment::new();
    let long = "A".repeat(256);
    for value in ["", &long, "TAB\tTAB", "LINE\nLINE", "\u{7f}", "CAF\u{c9}"] {
        let name = [
            "-initiatorchapname",
            value,
            "-initiatorchapsecret",
            "SECRET123456",
        ];
        refused(&environment, &add("iqn.2026-01.a:b", &name));
        let secret = ["-initiatorchapname", "NAME", "-initiatorchapsecret", value];
        refused(&environment, &add("iqn.2026-01.a:b", &secret));
        refused(&environment, &["-newname", "-initiatorchapname", value]);
        refused(&environment, &["-newname", "-initiatorchapsecret", value]);
    }
    let all: String = (' '..='~').filter(|c| !c.is_ascii_lowercase()).collect();
    for name in [&all, &"A".repeat(255)] {
        let environment = TestEnvironment::new();
        let words = [
            "-initiatorchapname",
            name,
            "-initiatorchapsecret",
            "SECRET123456",
        ];
        let added = environment.run(&[&["--json"][..], &add("iqn.2026-01.a:b", &words)].concat());
        // The HMC takes 32 characters, which is warned of.
        let document = added.assert_status(0).warns(&["HMC"]).json();
        assert_eq!(
            document["target"]["chap"]["name"],
            Value::from(name.as_str())
        );
    }
}

#[test]
fn a_secret_of_an_unusual_length_is_accepted_with_a_warning() {
    for length in [1, 11, 33, 255] {
        let secret = "S".repeat(length);
        let words = [
            "-initiatorchapname",
            "NAME",
            "-initiatorchapsecret",
            &secret,
        ];
        TestEnvironment::new()
            .run(&add("iqn.2026-01.a:b", &words))
            .assert_status(0)
            .warns(&[]);
    }
    for length in [12, 32] {
        let secret = "S".repeat(length);
        let words = [
            "-initiatorchapname",
            "NAME",
            "-initiatorchapsecret",
            &secret,
        ];
        TestEnvironment::new()
            .run(&add("iqn.2026-01.a:b", &words))
            .assert_status(0)
            .silent();
    }
}

#[test]
fn chap_values_are_folded_to_upper_case_and_that_is_said() {
    let environment = TestEnvironment::new();
    let words = [
        "-initiatorchapname",
        "someName1",
        "-initiatorchapsecret",
        "SECRET123456",
    ];
    let added = environment.run(&[&["--json"][..], &add("iqn.2026-01.a:b", &words)].concat());
    let added = added.assert_status(0).says(&["upper case"]);
    assert_eq!(added.json()["target"]["chap"]["name"], "SOMENAME1");

    let words = [
        "-initiatorchapname",
        "NAME",
        "-initiatorchapsecret",
        "secret-12345678",
    ];
    let added = environment
        .run(&add("iqn.2026-01.a:c", &words))
        .assert_status(0)
        .says(&["upper case"]);
    let said = added.to_string().to_lowercase();
    assert!(!said.contains("secret-12345678"), "{}", *added);

    stage("-initiatorchapname", "name")
        .assert_status(0)
        .says(&["upper case"]);
    stage("-initiatorchapname", "NAME 1!")
        .assert_status(0)
        .silent();
    stage("-initiatorchapsecret", "secret123456")
        .assert_status(0)
        .says(&["upper case"]);
}

#[test]
fn a_keystore_is_one_of_three_words() {
    let environment = TestEnvironment::new();
    for keystore in ["", "none", "Avail", "*NONE", "PKS", "platform", "NONE "] {
        refused(&environment, &["-setkeystore", "-chapkeystore", keystore]);
        refused(
            &environment,
            &add("iqn.2026-01.a:b", &["-chapkeystore", keystore]),
        );
    }
    for (keystore, right) in [
        ("none", "NONE"),
        ("Avail", "AVAIL"),
        ("platform", "PLATFORM"),
    ] {
        environment
            .run(&["-setkeystore", "-chapkeystore", keystore])
            .assert_status(2)
            .hints(&[right]);
    }
}

#[test]
fn pasted_typography_is_named_and_the_right_words_are_shown() {
    let environment = TestEnvironment::new();
    for (words, name, right) in [
        (
            &["\u{2013}addtarget", "-targetname", "iqn.2026-01.a:b"][..],
            "U+2013",
            "-addtarget",
        ),
        (&["\u{2014}commit"], "U+2014", "-commit"),
        (&["\u{2212}commit"], "U+2212", "-commit"),
        (
            &["-newname", "\u{2013}targetname", "iqn.2026-01.a:b"],
            "U+2013",
            "-targetname",
        ),
        (
            &["-newname", "-targetname", "iqn.2000\u{2013}03.com.xyz:vtl"],
            "U+2013",
            "iqn.2000-03.com.xyz:vtl",
        ),
        (
            &["-newname", "-targetname", "\u{201c}iqn.2026-01.a:b\u{201d}"],
            "U+201C",
            "iqn.2026-01.a:b",
        ),
        (
            &["-newname", "-targetname", "\u{2018}iqn.2026-01.a:b\u{2019}"],
            "U+2018",
            "iqn.2026-01.a:b",
        ),
        (
            &["-newname", "-targetname\u{a0}iqn.2026-01.a:b"],
            "U+00A0",
            "-targetname iqn.2026-01.a:b",
        ),
        (
            &["-newname", "-targethostname", "10.1.1.5\u{a0}"],
            "U+00A0",
            "10.1.1.5",
        ),
        (
            &["-newname", "-targethostname", "10.1.1.5\r"],
            "U+000D",
            "10.1.1.5",
        ),
        (&["-commit\r"], "U+000D", "-commit"),
        (&["-setport", "-targetport", "860\r"], "U+000D", "860"),
        (
            &["-setkeystore", "-chapkeystore", "NONE\r"],
            "U+000D",
            "NONE",
        ),
    ] {
        let before = environment.snapshot();
        environment.run(words).assert_status(2).says(&[name, right]);
        assert_eq!(
            environment.snapshot(),
            before,
            "{words:?} changed the state"
        );
    }
}

#[test]
fn pasted_typography_in_a_secret_is_named_but_the_secret_is_not_shown() {
    let environment = TestEnvironment::new();
    for secret in [
        "SOMECHAP\u{2013}SECRET",
        "\u{201c}SOMECHAPSECRET\u{201d}",
        "SOMECHAPSECRET\r",
    ] {
        let output = environment
            .run(&["-newname", "-initiatorchapsecret", secret])
            .assert_status(2);
        assert!(output.stderr.contains("U+"), "{}", *output);
        for piece in ["SOMECHAP", "SECRET"] {
            let told = output.to_string().replace("-initiatorchapsecret", "");
            assert!(!told.contains(piece), "{}", *output);
        }
    }
}

#[test]
fn the_error_of_a_value_says_which_one_it_is() {
    let environment = TestEnvironment::new();
    environment
        .run(&add_host("999.1.1.1"))
        .assert_status(2)
        .says(&["target", "host", "name"]);
    environment
        .run(&["-setport", "-targetport", "70000"])
        .assert_status(2)
        .says(&["port", "65535"]);
    environment
        .run(&["-newname", "-targetname", "a b"])
        .assert_status(2)
        .says(&["target", "name"]);
    let secret = ["-newname", "-initiatorchapsecret", "\u{e9}"];
    environment.run(&secret).assert_status(2).says(&["secret"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is typed, the answer is done, refused or a usage error, and never a crash.
    #[test]
    fn any_value_is_answered_in_an_orderly_way(
        parameter in prop::sample::select(vec![
            "-initiatorname", "-targethostname", "-targetname", "-initiatorchapname", "-initiatorchapsecret",
        ]),
        value in "[^\0]{0,40}",
    ) {
        let output = stage(parameter, &value);
        let status = output.status.code();
        prop_assert!(matches!(status, Some(0..=2)), "{value:?}: {output}");
        prop_assert!(!output.stderr.contains("panicked"), "{value:?}: {output}");
    }
}

#[test]
fn words_that_are_not_utf_8_are_a_usage_error() {
    use std::os::unix::ffi::OsStrExt;
    let environment = TestEnvironment::new();
    for words in [
        &[&b"-newname"[..], b"-targetname", b"iqn.\xff"][..],
        &[b"\xff"],
        &[b"-comm\xfft"],
    ] {
        let mut command = environment.command();
        command.args(words.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        environment.finish(command).assert_status(2);
    }
}
