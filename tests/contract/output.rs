//! Documents with their exact keys, secrets, exit statuses, broken pipes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use super::add;
use crate::common::{TestEnvironment, keys, targets, text};
use crate::peers::embedded::{Portal, Target};

const CHAP: [&str; 4] = [
    "-initiatorchapname",
    "NAME",
    "-initiatorchapsecret",
    "SECRET123456",
];

fn json(environment: &TestEnvironment, words: &[&str], status: i32) -> Value {
    environment
        .run(&[&["--json"][..], words].concat())
        .assert_status(status)
        .json()
}

#[test]
fn an_edit_prints_its_option_and_its_target() {
    let environment = TestEnvironment::new();
    let initiator = environment.default_initiator();
    let target = |chap: Value| {
        json!({
            "target_name": "iqn.2026-01.a:b",
            "target_host_name": "127.0.0.1",
            "target_port": 1,
            "initiator_name": initiator,
            "chap": chap,
        })
    };
    let document = |option: &str, target: Value| json!({"schema": 1, "option": option, "target": target, "changed": true, "warnings": []});
    let name = ["-newname", "-targetname", "iqn.2026-01.a:c"];
    assert_eq!(
        json(&environment, &name, 0),
        document("-newname", Value::Null)
    );
    let append = ["-appendname", "-targetname", "c"];
    assert_eq!(
        json(&environment, &append, 0),
        document("-appendname", Value::Null)
    );
    let port = ["-setport", "-targetport", "5"];
    assert_eq!(
        json(&environment, &port, 0),
        document("-setport", Value::Null)
    );
    let keystore = ["-setkeystore", "-chapkeystore", "NONE"];
    assert_eq!(
        json(&environment, &keystore, 0),
        document("-setkeystore", Value::Null)
    );
    let words = add("iqn.2026-01.a:b", &[]);
    assert_eq!(
        json(&environment, &words, 0),
        document("-addtarget", target(Value::Null))
    );
    let chap = json!({"name": "NAME", "keystore": "AVAIL", "stored_in": "disk"});
    let words = [&["-changetarget"][..], &words[1..], &CHAP].concat();
    assert_eq!(
        json(&environment, &words, 0),
        document("-changetarget", target(chap.clone()))
    );
    let words = [&["-removetarget"][..], &words[1..9]].concat();
    assert_eq!(
        json(&environment, &words, 0),
        document("-removetarget", target(chap))
    );
    assert_eq!(
        json(&environment, &["-clearconfig"], 0),
        document("-clearconfig", Value::Null)
    );
}

#[test]
fn an_error_is_a_document_too_and_stderr_stays_as_it_is() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let broken = TestEnvironment::new();
    fs::create_dir(broken.state()).unwrap();
    fs::set_permissions(broken.state(), fs::Permissions::from_mode(0o777)).unwrap();
    for (environment, words, status) in [
        (&environment, &add("iqn.2026-01.a:b", &[])[..], 1),
        (&environment, &["-commit"], 1),
        (&environment, &["-addtarget"], 2),
        (&environment, &["-AddTarget"], 2),
        (&environment, &["-setport", "-targetport", "0"], 2),
        (&environment, &["--nosuchoption"], 2),
        (&environment, &[], 2),
        (&broken, &["-commit"], 3),
    ] {
        let plain = environment.run(words).assert_status(status);
        assert!(plain.stdout.is_empty(), "{words:?}:\n{}", *plain);
        let output = environment
            .run(&[&["--json"][..], words].concat())
            .assert_status(status);
        assert_eq!(output.stderr, plain.stderr, "{words:?}");
        let document = output.json();
        assert_eq!(
            keys(&document),
            ["error", "schema", "warnings"],
            "{document:#}"
        );
        assert_eq!(
            keys(&document["error"]),
            ["code", "hints", "message", "status"],
            "{document:#}"
        );
        assert_eq!(document["schema"], 1);
        assert_eq!(document["error"]["status"], status);
        assert!(!text(&document["error"]["message"]).is_empty());
        assert!(
            document["error"]["hints"]
                .as_array()
                .unwrap()
                .iter()
                .all(Value::is_string)
        );
    }
}

#[test]
fn a_failed_target_has_every_key_of_the_contract() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &CHAP))
        .assert_status(0);
    let document = environment.reipl(4);
    assert_eq!(
        keys(&document["iop"]),
        [
            "configuration_changed",
            "ipl_count",
            "ipl_time",
            "resident",
            "type_model"
        ]
    );
    assert_eq!(document["iop"]["type_model"], "298A-001");
    assert_eq!(
        keys(&document["initiators"][0]),
        ["generated", "index", "name"]
    );
    let target = &targets(&document)[0];
    assert_eq!(keys(target), TARGET_KEYS);
    assert_eq!(keys(&target["chap"]), ["keystore", "name", "stored_in"]);
    assert_eq!(
        keys(&target["failure"]),
        ["code", "hint", "login_status", "message", "phase"]
    );
    assert_eq!(target["libraries"], json!([]));
    assert_eq!(target["drives"], json!([]));
}

const TARGET_KEYS: [&str; 12] = [
    "chap",
    "drives",
    "failure",
    "initiator_name",
    "libraries",
    "lost",
    "problems",
    "session",
    "status",
    "target_host_name",
    "target_name",
    "target_port",
];

#[test]
fn a_connected_target_has_every_key_of_the_contract() {
    let portal = Portal::serving([Target::new("iqn.lab:keys")]);
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:keys", "127.0.0.1", portal.port());
    let document = environment.reipl(0);
    let target = &targets(&document)[0];
    assert_eq!(keys(target), TARGET_KEYS);
    assert_eq!(target["failure"], Value::Null);
    let session = keys(&target["session"]);
    for key in [
        "auth_method",
        "chap_algorithm",
        "data_digest",
        "header_digest",
        "keys",
        "max_burst_length",
        "portal",
        "timings",
    ] {
        assert!(session.contains(&key), "no {key} in {session:?}");
    }
    let timings = &target["session"]["timings"];
    assert_eq!(keys(timings), ["connect", "enumerate", "login", "resolve"]);
    for phase in ["connect", "enumerate", "login"] {
        assert!(timings[phase].is_f64(), "{timings}");
    }
    assert_eq!(timings["resolve"], Value::Null, "an address is no name");
    let dump = environment.run(&["--json", "-dumptargets"]).json();
    assert_eq!(targets(&dump)[0]["session"]["timings"], *timings);
    assert_eq!(
        keys(&target["libraries"][0]),
        [
            "derived",
            "device",
            "drives",
            "import_export_elements",
            "lun",
            "problems",
            "product",
            "revision",
            "serial",
            "storage_elements",
            "transport_elements",
            "type_model",
            "vendor",
        ]
    );
    let drive = [
        "device",
        "element_address",
        "lun",
        "product",
        "revision",
        "serial",
        "type_model",
        "vendor",
        "volume",
    ];
    assert_eq!(keys(&target["libraries"][0]["drives"][0]), drive);
}

#[test]
fn the_secret_is_never_printed_and_is_in_one_file_only() {
    let environment = TestEnvironment::new();
    let secret = "SECRETXYZ12345";
    let chap = ["-initiatorchapname", "NAME", "-initiatorchapsecret", secret];
    let mut said = String::new();
    let mut run = |words: &[&str]| {
        for options in [&[][..], &["--json"], &["-vv"]] {
            said += &environment.run(&[options, words].concat()).to_string();
        }
    };
    run(&add("iqn.2026-01.a:b", &chap));
    run(&add(
        "iqn.2026-01.a:b",
        &[&chap[..], &["-chapkeystore", "PLATFORM"]].concat(),
    ));
    run(&add(
        "iqn.2026-01.a:b",
        &[&chap[..], &["-chapkeystore", "none"]].concat(),
    ));
    run(&[&["-addtarget"][..], &chap].concat());
    run(&[&add("iqn.2026-01.a:b", &chap)[..], &chap].concat());
    run(&["-initiatorchapsecret", secret, "-addtarget"]);
    run(&["-newname", "-initiatorchapsecrt", secret]);
    run(&["-newname", "\u{2013}initiatorchapsecret", secret]);
    run(&["-newname", &format!("-initiatorchapsecret={secret}")]);
    run(&["-newname", &format!("-initiatorchapsecret\u{a0}{secret}")]);
    run(&["-newname", "-initiatorchapsecret", secret, secret]);
    run(&[
        "-newname",
        "-initiatorchapsecret",
        &format!("{secret}\u{e9}"),
    ]);
    run(&["-newname", "-initiatorchapsecret", secret]);
    run(&["-commit"]);
    run(&["--timeout", "1", "-reipliscsiop"]);
    run(&["-dumptargets"]);
    run(&["-dumpinitiators"]);
    assert!(
        !said.to_uppercase().contains("SECRETXYZ"),
        "the secret was printed:\n{said}"
    );
    for (name, bytes) in environment.snapshot() {
        let holds = String::from_utf8_lossy(&bytes).contains(secret);
        assert_eq!(holds, name == "config.json", "{name}");
    }
}

#[test]
fn warnings_and_hints_have_their_prefixes() {
    let environment = TestEnvironment::new();
    for words in [
        &add("inftst22", &CHAP[..2])[..],
        &["-AddTarget"],
        &["-commit"],
        &add("inftst22", &[]),
    ] {
        let output = environment.run(words);
        for line in output.stderr.lines() {
            assert!(
                line.starts_with("iscsiswiconfig: ") || line.starts_with("  "),
                "{line:?} in:\n{output}"
            );
        }
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn quiet_keeps_errors_and_drops_warnings() {
    let environment = TestEnvironment::new();
    for quiet in ["-q", "--quiet"] {
        environment
            .run(&[quiet, "-appendname", "-targetname", "X"])
            .assert_status(0)
            .silent();
        environment.run(&["-clearconfig"]).assert_status(0);
        environment
            .run(&[quiet, "-commit"])
            .assert_status(1)
            .says(&["staged"]);
    }
}

#[test]
fn there_is_no_progress_without_a_terminal_and_no_escape_sequence() {
    let environment = TestEnvironment::new();
    let _ = environment.reipl(0);
    environment
        .run(&["-reipliscsiop"])
        .assert_status(0)
        .silent();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    for words in [
        &["--timeout", "1", "-reipliscsiop"][..],
        &["-dumptargets"],
        &["-help"],
        &["-AddTarget"],
    ] {
        let output = environment.run(words).to_string();
        assert!(
            !output.contains('\u{1b}') && !output.contains('\r'),
            "{output:?}"
        );
    }
}

#[test]
fn a_broken_pipe_on_stdout_is_success() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    for words in [
        &["-help"][..],
        &["-dumptargets"],
        &["--json", "-dumptargets"],
        &["-dumpinitiators"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = environment.command();
        command
            .args(words)
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
        assert!(
            !said.contains("panicked") && !said.contains("roken pipe"),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_full_disk_behind_stdout_is_not_success() {
    let environment = TestEnvironment::new();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = environment.command();
    command
        .arg("-help")
        .stdout(Stdio::from(full))
        .stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn a_document_ends_with_one_newline() {
    let environment = TestEnvironment::new();
    for (words, status) in [
        (&["--json", "-dumptargets"][..], 0),
        (&["--json", "-commit"], 1),
    ] {
        let output = environment.run(words).assert_status(status);
        assert!(
            output.stdout.ends_with("}\n") && !output.stdout.ends_with("\n\n"),
            "{}",
            *output
        );
    }
}
