//! Mutual CHAP (RFC 7143 9.2.1 and 12.1.3): the library proves itself to libiscsi, which asks for it by the URL or by
//! its environment and judges the proof.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Output, TestEnvironment};
use crate::peers::judge;
use crate::peers::relay::{Conduct, Direction, Relay};
use crate::peers::vtl::{NAME, Vtl};

/// A CHAP name and its secret.
type Credentials = (&'static str, &'static str);

const INITIATOR: Credentials = ("VTLUSER", "SECRET1234567890");
const OWN: Credentials = ("TGTUSER", "TARGETSECRET1234");

/// Starts a library that asks for CHAP, and has no credentials of its own unless there are more arguments for them.
fn start(environment: &TestEnvironment, more: &[&str]) -> Vtl {
    let secret = secret_file(environment, "initiator-secret", INITIATOR.1);
    let arguments = ["--chap-name", INITIATOR.0, "--chap-secret-file", &secret];
    Vtl::start(environment, &[&arguments, more].concat())
}

/// Starts a library that asks for CHAP and has credentials of its own.
fn start_with_own(environment: &TestEnvironment, more: &[&str]) -> Vtl {
    let secret = secret_file(environment, "target-secret", OWN.1);
    let arguments = [
        "--target-chap-name",
        OWN.0,
        "--target-chap-secret-file",
        &secret,
    ];
    start(environment, &[&arguments, more].concat())
}

fn secret_file(environment: &TestEnvironment, name: &str, secret: &str) -> String {
    let path = environment.home().join(name);
    fs::write(&path, format!("{secret}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Has iscsi-inq log in and look at the changer; it asks for a proof when there are credentials of the target.
fn inquire(
    environment: &TestEnvironment,
    port: u16,
    (name, secret): Credentials,
    target: Option<Credentials>,
) -> Output {
    let mut url = format!("iscsi://{name}%{secret}@127.0.0.1:{port}/{NAME}/0?header_digest=none");
    if let Some((name, secret)) = target {
        url += &format!("&target_user={name}&target_password={secret}");
    }
    let mut command = environment.command_of(Path::new("iscsi-inq"));
    command.arg(url);
    environment.finish(command)
}

#[track_caller]
fn assert_inquired(output: Output) {
    let output = output.assert_status(0).silent();
    assert!(output.stdout.contains("MEDIA_CHANGER"), "{}", *output);
}

#[track_caller]
fn assert_not_inquired(output: &Output, why: &str) {
    assert!(!output.status.success(), "{output}");
    assert!(!output.stdout.contains("MEDIA_CHANGER"), "{output}");
    assert!(output.to_string().contains(why), "{output}");
}

/// Returns what the console says of the next login, behind time, name and address.
#[track_caller]
fn result(vtl: &Vtl) -> String {
    let line = vtl.login_line();
    let result = line.splitn(4, ' ').nth(3);
    result.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn the_target_authenticates_to_initiators_that_ask_and_to_no_others() {
    let environment = TestEnvironment::new();
    let vtl = start_with_own(&environment, &[]);
    assert_inquired(inquire(&environment, vtl.port(), INITIATOR, Some(OWN)));
    assert_eq!(result(&vtl), "logged in with mutual CHAP MD5");
    assert_inquired(inquire(&environment, vtl.port(), INITIATOR, None));
    assert_eq!(result(&vtl), "logged in with CHAP MD5");
    vtl.stop();

    let vtl = start_with_own(&environment, &["--json"]);
    for (target, result) in [
        (Some(OWN), "logged in with mutual CHAP MD5"),
        (None, "logged in with CHAP MD5"),
    ] {
        assert_inquired(inquire(&environment, vtl.port(), INITIATOR, target));
        let lines = std::iter::repeat_with(|| serde_json::from_str(&vtl.login_line()).unwrap());
        let line: Value = lines
            .into_iter()
            .find(|line: &Value| line["event"] == "login")
            .unwrap();
        assert_eq!(line["message"], result, "{line:#}");
        assert_eq!(line["login_status"], "0x0000", "{line:#}");
    }
    vtl.stop();
}

#[test]
fn the_target_proves_itself_in_a_discovery_session_too() {
    let environment = TestEnvironment::new();
    let vtl = start_with_own(&environment, &[]);
    let list = |own: &str| {
        let mut command = environment.command_of(Path::new("iscsi-ls"));
        command
            .env("LIBISCSI_CHAP_USERNAME", INITIATOR.0)
            .env("LIBISCSI_CHAP_PASSWORD", INITIATOR.1)
            .env("LIBISCSI_CHAP_TARGET_USERNAME", OWN.0)
            .env("LIBISCSI_CHAP_TARGET_PASSWORD", own)
            .arg(format!("iscsi://127.0.0.1:{}/", vtl.port()));
        environment.finish(command)
    };
    let listed = list(OWN.1).assert_status(0).silent();
    assert!(listed.stdout.contains(NAME), "{}", *listed);
    assert_eq!(result(&vtl), "logged in for discovery with mutual CHAP MD5");

    let refused = list("TARGETSECRET1235");
    assert!(!refused.status.success(), "{refused}");
    let said = refused.to_string();
    assert!(
        said.contains("Invalid CHAP_R response from the target") && !said.contains(NAME),
        "{said}"
    );
    vtl.stop();
}

#[test]
fn an_initiator_that_expects_another_name_or_secret_turns_away() {
    let environment = TestEnvironment::new();
    let vtl = start_with_own(&environment, &[]);
    for (expected, why) in [
        (
            (OWN.0, "TARGETSECRET1235"),
            "Invalid CHAP_R response from the target",
        ),
        (
            ("OTHERUSER", OWN.1),
            "Wrong CHAP targetname received: TGTUSER",
        ),
    ] {
        let output = inquire(&environment, vtl.port(), INITIATOR, Some(expected));
        assert_not_inquired(&output, why);
        assert_eq!(
            result(&vtl),
            "given up: the initiator closed the connection on the target's proof; \
             it may expect another CHAP name or secret of the target"
        );
    }
    assert_inquired(inquire(&environment, vtl.port(), INITIATOR, Some(OWN)));
    vtl.stop();
}

#[test]
fn a_target_without_credentials_of_its_own_refuses_and_says_why() {
    let environment = TestEnvironment::new();
    let vtl = start(&environment, &[]);
    let output = inquire(&environment, vtl.port(), INITIATOR, Some(OWN));
    assert_not_inquired(&output, "Authentication failure(513)");
    assert_eq!(
        result(&vtl),
        "refused, status 0x0201 (Authentication failure): CHAP failed: the initiator asks for mutual CHAP, \
         and the target has no CHAP name and secret of its own"
    );
    assert_inquired(inquire(&environment, vtl.port(), INITIATOR, None));
    vtl.stop();
}

#[test]
fn the_initiator_has_to_prove_itself_all_the_same() {
    let environment = TestEnvironment::new();
    let vtl = start_with_own(&environment, &[]);
    for (initiator, target, why) in [
        (
            (INITIATOR.0, "SECRET1234567891"),
            OWN,
            "CHAP_R does not match the secret that is configured for the other side",
        ),
        (
            OWN,
            INITIATOR,
            "CHAP_R is made with this side's own secret: the secrets are swapped or the same, or it was sent back",
        ),
    ] {
        let output = inquire(&environment, vtl.port(), initiator, Some(target));
        assert_not_inquired(&output, "Authentication failure(513)");
        assert_eq!(
            result(&vtl),
            format!("refused, status 0x0201 (Authentication failure): CHAP failed: {why}")
        );
    }
    vtl.stop();
}

#[test]
fn a_session_is_well_formed_and_tells_no_secret() {
    let environment = TestEnvironment::new();
    let vtl = start_with_own(&environment, &["-vv"]);
    let relay = Relay::start(vtl.port(), Conduct::default());
    assert_inquired(inquire(&environment, relay.port(), INITIATOR, Some(OWN)));
    let line = vtl.login_line();
    vtl.signal(Signal::TERM);
    let (status, stderr) = vtl.wait();
    assert!(status.success(), "{stderr}");

    let session = relay.connection();
    judge::assert_wholly_well_formed(&session, environment.home());
    let mut captured = Vec::new();
    for (direction, name) in [
        (Direction::FromInitiator, INITIATOR.0),
        (Direction::FromTarget, OWN.0),
    ] {
        let key = |key| session.login_key(direction, key).expect(key);
        assert_eq!(key("CHAP_N"), name);
        assert_eq!(key("CHAP_C").len(), 2 + 2 * 32, "a challenge each way");
        let shown = format!("CHAP_N={name}, CHAP_R=********");
        assert!(stderr.contains(&shown), "{shown}: {stderr}");
        let response = key("CHAP_R").to_lowercase();
        let response = response.strip_prefix("0x").expect("a hex-constant");
        assert_eq!(response.len(), 2 * 16, "MD5");
        assert!(!stderr.to_lowercase().contains(response), "{stderr}");
        captured.extend(session.bytes(direction));
    }
    let captured = String::from_utf8_lossy(&captured);
    for (_, secret) in [INITIATOR, OWN] {
        for told in [&*captured, &stderr, &line] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}
