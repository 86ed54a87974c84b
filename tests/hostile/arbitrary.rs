use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use iscsiswiconfig::cli;
use iscsiswiconfig::iop::config::Configuration;
use iscsiswiconfig::iop::store::{StateError, Store};
use iscsiswiconfig::values::Subject;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::target::{NAME, Target, library};
use super::{SILENCE, assert_failed, configure, re_ipl_within};
use crate::common::{TestEnvironment, targets, text};

const WORDS: [&str; 24] = [
    "-addtarget",
    "-ADDTARGET",
    "--addtarget",
    "-newname",
    "-commit",
    "-reipliscsiop",
    "-initiatorname",
    "*GENERATE",
    "*generate",
    "-targethostname",
    "10.1.1.5",
    "-targetname",
    "iqn.2020-01.com.example:vtl",
    "-targetport",
    "-initiatorchapsecret",
    "-chapkeystore",
    "AVAIL",
    "--json",
    "--timeout",
    "--state-dir=/tmp",
    "-vv",
    "-h",
    "completions",
    "\u{2013}commit\r",
];

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        4 => prop::sample::select(&WORDS[..]).prop_map(OsString::from),
        1 => "\\PC{0,12}".prop_map(OsString::from),
        1 => "-{1,3}[a-z=]{0,12}".prop_map(OsString::from),
        1 => prop::collection::vec(1u8.., 0..12).prop_map(OsString::from_vec),
    ]
}

/// A record as the binary writes it.
fn record(name: &str) -> String {
    let text = match name {
        "config.json" => {
            concat!(
                r#"{"schema":1,"record":{"last_revision":3,"staged":{"target_port":9},"targets":["#,
                r#"{"identity":{"target_name":"iqn.a:b","target_host_name":"127.0.0.1"},"revision":1},"#,
                r#"{"identity":{"initiator_name":"iqn.a:i","target_name":"iqn.a:b","target_host_name":"127.0.0.1","#,
                r#""target_port":9},"revision":3,"keystore":"NONE","chap":{"name":"ABC","secret":"ABCDEFABCDEF"}}]}}"#,
                "\n"
            )
        }
        "active.json" => concat!(
            r#"{"schema":1,"record":{"ipl_time":"2026-11-22T05:31:00Z","ipl_count":1,"targets":[{"revision":1,"#,
            r#""generated":true,"report":{"target_name":"iqn.a:b","target_host_name":"h","target_port":9,"#,
            r#""initiator_name":"iqn.a:c","chap":null,"status":"FAILED","failure":{"phase":"connect","#,
            r#""login_status":null,"message":"No.","hint":null},"session":null,"libraries":[],"drives":[]}}]}}"#
        ),
        _ => concat!(
            r#"{"schema":1,"record":{"libraries":{"TAPMLB01":{"serial":"0000078A12340401"}},"#,
            r#""drives":{"TAP01":{"designator":"3:50"},"TAP02":{"target":"iqn.a:b","lun":3}}}}"#
        ),
    };
    text.to_owned()
}

#[test]
fn the_record_that_is_damaged_is_one_that_the_binary_writes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    fs::write(&file, record("config.json")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let store = Store::new(directory.path().to_owned(), Duration::ZERO);
    let edited = store.edit(|_, _| Ok::<_, StateError>(()));
    edited.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), record("config.json"));
}

/// Any bytes, or a record with a part of it replaced.
fn contents() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let name = prop::sample::select(&["config.json", "active.json", "devices.json"][..]);
    let part = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[\\[\\]{}0-9e\\-\",:]{0,8}".prop_map(String::into_bytes),
    ];
    (
        name,
        any::<bool>(),
        any::<prop::sample::Index>(),
        0..20usize,
        part,
    )
        .prop_map(|(name, whole, at, length, part)| {
            if whole {
                return (name, part);
            }
            let mut bytes = record(name).into_bytes();
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, part);
            (name, bytes)
        })
}

/// Returns the secrets of a configuration, which its debug form does not show.
fn secrets(configuration: &Configuration) -> Vec<&str> {
    let targets = configuration.targets.iter();
    targets
        .filter_map(|target| target.chap.as_ref()?.secret())
        .map(|secret| secret.reveal())
        .collect()
}

fn told(error: &StateError) -> bool {
    matches!(
        error,
        StateError::Malformed { .. } | StateError::NewerSchema { .. }
    )
}

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_command_line_is_parsed_or_refused(words in prop::collection::vec(word(), 0..8)) {
        if let Err(failure) = cli::parse(words) {
            let mut told = failure.hints();
            told.push(failure.to_string());
            prop_assert!(!told.iter().any(|text| text.contains(char::is_control)), "{told:?}");
        }
    }

    #[test]
    fn any_bytes_in_the_state_are_a_record_or_an_error((name, bytes) in contents()) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        fs::write(&file, &bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let store = Store::new(directory.path().to_owned(), Duration::ZERO);
        match store.configuration() {
            Ok(configuration) => {
                for target in configuration.targets.iter() {
                    let name = target.identity.target_name.as_str();
                    prop_assert!(Subject::TargetName.iscsi_name(name).is_ok());
                }
                store.edit(|_, _| Ok::<_, StateError>(())).unwrap();
                let edited = store.configuration().unwrap();
                prop_assert_eq!(format!("{edited:?}"), format!("{configuration:?}"));
                prop_assert_eq!(secrets(&edited), secrets(&configuration));
            }
            Err(error) => {
                prop_assert!(name == "config.json" && told(&error), "{error}");
                let edited = store.edit(|_, _| Ok::<_, StateError>(()));
                prop_assert!(told(&edited.unwrap_err()));
            }
        }
        if let Err(error) = store.active() {
            prop_assert!(name == "active.json" && told(&error), "{error}");
        }
        if let Err(error) = store.begin_re_ipl().map(|_| ()) {
            prop_assert!(name != "config.json" && told(&error), "{error}");
        }
        // What does not parse stays as it is.
        if name != "config.json" || store.configuration().is_err() {
            prop_assert_eq!(fs::read(&file).unwrap(), bytes);
        }
    }
}

/// How many targets one re-IPL of the next test has.
const TARGETS: usize = 100;

proptest! {
    #![proptest_config(Config { cases: 3, failure_persistence: None, max_shrink_iters: 0, ..Config::default() })]

    #[test]
    fn any_damage_to_what_a_target_sends_is_survived(seed: u64) {
        let target = Target::start(move |peer| {
            let request = peer.login_request()?;
            let name = String::from_utf8_lossy(&request.data).into_owned();
            let number: u64 = name
                .split('\0')
                .find_map(|pair| pair.strip_prefix("TargetName=")?.rsplit('-').next()?.parse().ok())
                .expect("the number is in the name");
            let damage = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if number.is_multiple_of(4) {
                peer.damage = Some(damage);
            }
            peer.send_login(peer.grant(&request, super::target::OPERATIONAL))?;
            peer.damage = Some(damage);
            if number % 4 == 1 {
                // No PDU at all, unless by chance.
                let noise: Vec<u8> = (0..2000).map(|_| peer.chance(256) as u8).collect();
                peer.stream.write_all(&noise)?;
                return peer.stay_silent();
            }
            peer.serve(library)
        });
        let configured: Vec<_> = (0..TARGETS)
            .map(|number| (format!("{NAME}-{number}"), target.port))
            .collect();
        let environment = TestEnvironment::new();
        configure(&environment, &configured);
        let output = re_ipl_within(&environment, SILENCE);
        let document = output.json();
        prop_assert_eq!(targets(&document).len(), TARGETS);
        for target in targets(&document) {
            if target["status"] == "FAILED" {
                let phase = text(&target["failure"]["phase"]);
                prop_assert!(["login", "enumerate"].contains(&phase), "{:#}", target);
                assert_failed(target, phase);
                prop_assert!(!text(&target["failure"]["message"]).contains("this program"));
            }
        }
    }
}

#[test]
fn a_record_of_a_terabyte_is_an_error() {
    for name in ["config.json", "active.json", "devices.json"] {
        let environment = TestEnvironment::new();
        environment.run(&["-reipliscsiop"]).assert_status(0);
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(environment.state_file(name))
            .unwrap();
        file.set_len(1 << 40).unwrap();
        environment
            .run(&["-reipliscsiop"])
            .assert_status(3)
            .says(&[name])
            .hints(&[]);
    }
}
