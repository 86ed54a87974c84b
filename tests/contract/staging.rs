//! Building a target in pieces: -newname, -appendname, -setport, -setkeystore, -commit.

use serde_json::json;

use super::add;
use crate::common::TestEnvironment;

fn run_lines(environment: &TestEnvironment, lines: &[&str]) {
    for line in lines {
        environment.run_line(line).assert_status(0);
    }
}

#[test]
fn pieces_are_joined_and_committed_with_the_documented_defaults() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-newname -targetname iqn.2000-03.com",
            "-appendname -targetname .xyz:vtl-",
            "-appendname -targetname 1",
            "-newname -targethostname 127.0.",
            "-appendname -targethostname 0.1",
        ],
    );
    let committed = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    let expected = json!({
        "schema": 1,
        "option": "-commit",
        "target": {
            "target_name": "iqn.2000-03.com.xyz:vtl-1",
            "target_host_name": "127.0.0.1",
            "target_port": 3260,
            "initiator_name": environment.default_initiator(),
            "chap": null,
        },
        "changed": true,
        "warnings": [],
    });
    assert_eq!(committed, expected);
}

#[test]
fn everything_that_can_be_staged_arrives_in_the_target() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-setkeystore -chapkeystore NONE",
            "-setport -targetport 860",
            "-newname -initiatorchapsecret SECRET",
            "-appendname -initiatorchapsecret 123456",
            "-newname -initiatorchapname na",
            "-appendname -initiatorchapname me",
            "-newname -initiatorname iqn.x:",
            "-appendname -initiatorname i0",
            "-newname -targetname iqn.2026-01.a:b",
            "-newname -targethostname vtl.example.com",
        ],
    );
    let committed = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    let expected = json!({
        "target_name": "iqn.2026-01.a:b",
        "target_host_name": "vtl.example.com",
        "target_port": 860,
        "initiator_name": "iqn.x:i0",
        "chap": {"name": "NAME", "keystore": "NONE", "stored_in": "disk"},
    });
    assert_eq!(committed["target"], expected);
    // The staged set is gone.
    environment.run(&["-commit"]).assert_status(1);
}

#[test]
fn newname_replaces_only_what_it_names() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-newname -targetname iqn.2026-01.a:old",
            "-newname -targethostname 127.0.0.1",
            "-setport -targetport 5",
            "-newname -targetname iqn.2026-01.a:new",
        ],
    );
    let target = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    assert_eq!(target["target"]["target_name"], "iqn.2026-01.a:new");
    assert_eq!(target["target"]["target_host_name"], "127.0.0.1");
    assert_eq!(target["target"]["target_port"], 5);
}

#[test]
fn appending_to_nothing_is_accepted_with_a_warning() {
    let environment = TestEnvironment::new();
    environment
        .run_line("-appendname -targetname iqn.2026-01.a:b")
        .assert_status(0)
        .warns(&["staged"]);
    environment
        .run_line("-appendname -targetname c")
        .assert_status(0)
        .silent();
    environment
        .run_line("-newname -targethostname 127.0.0.1")
        .assert_status(0)
        .silent();
    let target = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    assert_eq!(target["target"]["target_name"], "iqn.2026-01.a:bc");
}

#[test]
fn a_piece_that_cannot_belong_is_refused_and_what_was_staged_stays() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-newname -targetname iqn.2026-01.a:b",
            "-newname -targethostname 127.0.0.1",
        ],
    );
    let before = environment.snapshot();
    let long = "a".repeat(220);
    let long_host = "abcdefg.".repeat(32);
    for words in [
        ["-newname", "-targetname", ""],
        ["-appendname", "-targetname", ""],
        ["-newname", "-targetname", "a b"],
        ["-appendname", "-targetname", "a b"],
        ["-appendname", "-targetname", &long],
        ["-appendname", "-targethostname", &long_host],
        ["-appendname", "-targethostname", "under_score"],
        ["-newname", "-targethostname", "vtl/"],
        ["-appendname", "-initiatorchapname", "\u{e9}"],
        ["-appendname", "-initiatorname", "*GENERATE"],
    ] {
        environment.run(&words).assert_status(2);
        assert_eq!(
            environment.snapshot(),
            before,
            "{words:?} changed the state"
        );
    }
    let secret = "S".repeat(200);
    environment
        .run(&["-q", "-newname", "-initiatorchapsecret", &secret])
        .assert_status(0);
    let before = environment.snapshot();
    environment
        .run(&["-appendname", "-initiatorchapsecret", &secret])
        .assert_status(2);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn an_address_with_a_port_is_answered_with_the_two_lines_to_type() {
    let environment = TestEnvironment::new();
    let words = [
        "-newname -targethostname fd00::5, then -setport -targetport 860",
        "-newname -targethostname vtl, then -setport -targetport 860",
    ];
    environment
        .run(&["-newname", "-targethostname", "[fd00::5]:860"])
        .assert_status(2)
        .hints(&words[..1]);
    environment
        .run_line("-newname -targetname iqn.2026-01.a:b -targethostname vtl:860")
        .assert_status(0);
    environment
        .run(&["-commit"])
        .assert_status(1)
        .hints(&words[1..]);
}

#[test]
fn honest_pieces_are_checked_for_their_form_at_commit_only() {
    for (host, whole) in [
        ("10.1.", false),
        ("vtl-", false),
        ("10.1.1.999", false),
        ("10.1.1.5", true),
    ] {
        let environment = TestEnvironment::new();
        environment
            .run_line("-newname -targetname iqn.2026-01.a:b")
            .assert_status(0);
        environment
            .run(&["-newname", "-targethostname", host])
            .assert_status(0);
        let before = environment.snapshot();
        if whole {
            environment.run(&["-commit"]).assert_status(0);
        } else {
            environment
                .run(&["-commit"])
                .assert_status(1)
                .says(&["host name"]);
            assert_eq!(
                environment.snapshot(),
                before,
                "a refused -commit changed the state"
            );
        }
    }
}

#[test]
fn commit_names_what_is_missing_and_keeps_what_is_staged() {
    let environment = TestEnvironment::new();
    environment
        .run(&["-commit"])
        .assert_status(1)
        .says(&["staged"]);

    environment
        .run_line("-newname -targetname iqn.2026-01.a:b")
        .assert_status(0);
    let refused = environment
        .run(&["-commit"])
        .assert_status(1)
        .says(&["-targethostname"]);
    assert!(!refused.stderr.contains("-initiatorname"), "{}", *refused);

    let environment = TestEnvironment::new();
    environment
        .run_line("-newname -targethostname 127.0.0.1")
        .assert_status(0);
    environment
        .run(&["-commit"])
        .assert_status(1)
        .says(&["-targetname"]);
    environment
        .run_line("-newname -targetname iqn.2026-01.a:b")
        .assert_status(0);
    environment.run(&["-commit"]).assert_status(0);
}

#[test]
fn commit_wants_chap_name_and_secret_together() {
    for (staged, missing) in [
        ("-newname -initiatorchapname NAME", "-initiatorchapsecret"),
        (
            "-newname -initiatorchapsecret SECRET123456",
            "-initiatorchapname",
        ),
    ] {
        let environment = TestEnvironment::new();
        run_lines(
            &environment,
            &[
                "-newname -targetname iqn.2026-01.a:b",
                "-newname -targethostname 127.0.0.1",
                staged,
            ],
        );
        let before = environment.snapshot();
        environment
            .run(&["-commit"])
            .assert_status(1)
            .says(&[missing]);
        assert_eq!(environment.snapshot(), before);
    }
}

#[test]
fn commit_warns_of_the_whole_secret_and_not_of_its_pieces() {
    for (second, warned) in [("7890", false), ("", true)] {
        let environment = TestEnvironment::new();
        run_lines(
            &environment,
            &[
                "-newname -targetname iqn.2026-01.a:b",
                "-newname -targethostname 127.0.0.1",
                "-newname -initiatorchapname NAME",
            ],
        );
        let piece = ["-newname", "-initiatorchapsecret", "SECRET12"];
        environment.run(&piece).assert_status(0).silent();
        if !second.is_empty() {
            let piece = ["-appendname", "-initiatorchapsecret", second];
            environment.run(&piece).assert_status(0).silent();
        }
        let committed = environment.run(&["-commit"]).assert_status(0);
        assert_eq!(
            committed.stderr.contains("warning: "),
            warned,
            "{}",
            *committed
        );
    }
}

#[test]
fn commit_obeys_the_rules_of_addtarget() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    run_lines(
        &environment,
        &[
            "-newname -targetname IQN.2026-01.A:B",
            "-newname -targethostname 127.0.0.1",
            "-setport -targetport 1",
        ],
    );
    let before = environment.snapshot();
    environment.run(&["-commit"]).assert_status(1);
    assert_eq!(environment.snapshot(), before);
    // Another port is a second connection to the same target, which the document does not allow.
    environment
        .run_line("-setport -targetport 2")
        .assert_status(0);
    environment.run(&["-commit"]).assert_status(1);
    // Another name is another target.
    environment
        .run_line("-newname -targetname iqn.2026-01.a:c")
        .assert_status(0);
    environment.run(&["-commit"]).assert_status(0);
    assert_eq!(
        environment.configured_targets(),
        ["iqn.2026-01.a:b", "iqn.2026-01.a:c"]
    );
}

#[test]
fn nothing_can_be_appended_to_generate() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-newname -initiatorname *GENERATE",
            "-newname -targetname iqn.2026-01.a:b",
            "-newname -targethostname 127.0.0.1",
        ],
    );
    let before = environment.snapshot();
    environment
        .run_line("-appendname -initiatorname x")
        .assert_status(1);
    assert_eq!(environment.snapshot(), before);
    environment
        .run_line("-appendname -initiatorname *GENERATE")
        .assert_status(2);
    environment
        .run_line("-newname -initiatorname *Generate")
        .assert_status(2)
        .hints(&["*GENERATE"]);
    let target = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    assert_eq!(
        target["target"]["initiator_name"],
        environment.default_initiator().as_str()
    );
}

#[test]
fn a_platform_keystore_is_staged_and_refused_at_commit() {
    let environment = TestEnvironment::new();
    run_lines(
        &environment,
        &[
            "-newname -targetname iqn.2026-01.a:b",
            "-newname -targethostname 127.0.0.1",
            "-newname -initiatorchapname NAME",
            "-newname -initiatorchapsecret SECRET123456",
            "-setkeystore -chapkeystore PLATFORM",
        ],
    );
    let before = environment.snapshot();
    environment
        .run(&["-commit"])
        .assert_status(1)
        .says(&["keystore", "give -setkeystore -chapkeystore"]);
    assert_eq!(environment.snapshot(), before);
    environment
        .run_line("-setkeystore -chapkeystore NONE")
        .assert_status(0);
    environment.run(&["-commit"]).assert_status(0);
}

#[test]
fn two_staged_flows_that_interleave_never_corrupt_the_state() {
    let environment = TestEnvironment::new();
    std::thread::scope(|scope| {
        for flow in 0..2 {
            let environment = &environment;
            scope.spawn(move || {
                for round in 0..10 {
                    let name = format!("iqn.2026-01.a:flow{flow}-{round}");
                    let host = format!("10.0.{flow}.{round}");
                    environment
                        .run(&["-newname", "-targetname", &name])
                        .assert_status(0);
                    environment
                        .run(&["-newname", "-targethostname", &host])
                        .assert_status(0);
                    // The other flow may have committed the set, or have changed one half of it.
                    let committed = environment.run(&["-commit"]);
                    assert!(
                        matches!(committed.status.code(), Some(0 | 1)),
                        "{committed}"
                    );
                }
            });
        }
    });
    for name in environment.configured_targets() {
        assert!(name.starts_with("iqn.2026-01.a:flow"), "{name}");
    }
    environment.run(&["-clearconfig"]).assert_status(0);
    run_lines(
        &environment,
        &[
            "-newname -targetname iqn.2026-01.a:b",
            "-newname -targethostname 127.0.0.1",
            "-commit",
        ],
    );
    assert_eq!(environment.configured_targets(), ["iqn.2026-01.a:b"]);
}
