//! Every way in which a login ends, and what the report says about it.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{CHAP_NAME, NAME, SECRET, add_with_chap, attach, reipl_one, small, without_timings};
use crate::common::{TestEnvironment, targets, text};
use crate::peers::tgtd::{Access, Target, Tgtd, free_port};

const SECOND_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Fails unless the target failed in its login with the status, and returns message and hint in lower case.
#[track_caller]
fn assert_refused(target: &Value, login_status: &str) -> String {
    assert_eq!(target["status"], "FAILED", "{target:#}");
    assert_eq!(target["failure"]["phase"], "login", "{target:#}");
    assert_eq!(
        target["failure"]["login_status"], login_status,
        "{target:#}"
    );
    assert_eq!(target["session"], Value::Null, "{target:#}");
    let failure = &target["failure"];
    format!("{} {}", text(&failure["message"]), text(&failure["hint"])).to_lowercase()
}

#[test]
fn without_chap_the_login_reports_no_authentication() {
    let tgtd = Tgtd::serving(small(NAME));
    let session = attach(&tgtd, NAME)["session"].clone();
    assert_eq!(session["portal"], format!("127.0.0.1:{}", tgtd.port()));
    assert_eq!(session["auth_method"], "None");
    assert_eq!(session["chap_algorithm"], Value::Null);
    assert_eq!(session["header_digest"], "None");
    assert_eq!(session["data_digest"], "None");
    assert!(
        session["max_burst_length"].as_u64().unwrap() >= 512,
        "{session:#}"
    );
}

#[test]
fn the_right_chap_name_and_secret_get_in() {
    let tgtd = Tgtd::serving(small(NAME).account(CHAP_NAME, SECRET));
    let environment = TestEnvironment::new();
    // The values are folded to upper case, which is what the VTL holds.
    add_with_chap(
        &environment,
        NAME,
        tgtd.port(),
        "vtlUser",
        "secret1234567890",
    );
    let target = reipl_one(&environment, 0);
    assert_eq!(target["session"]["auth_method"], "CHAP", "{target:#}");
    assert_eq!(target["session"]["chap_algorithm"], "MD5", "{target:#}");
    assert_eq!(
        target["chap"],
        json!({"name": CHAP_NAME, "keystore": "AVAIL", "stored_in": "disk"})
    );
    assert_eq!(target["libraries"][0]["device"], "TAPMLB01");
}

#[test]
fn a_staged_target_with_chap_gets_in() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account(CHAP_NAME, SECRET));
    let environment = TestEnvironment::new();
    let port = tgtd.port().to_string();
    for words in [
        ["-newname", "-targetname", "iqn.2012-01"],
        ["-appendname", "-targetname", ".lab.vtl:ibm3584"],
        ["-newname", "-targethostname", "localhost"],
        ["-newname", "-initiatorchapname", "vtl"],
        ["-appendname", "-initiatorchapname", "user"],
        ["-newname", "-initiatorchapsecret", "Secret12"],
        ["-appendname", "-initiatorchapsecret", "34567890"],
        ["-setport", "-targetport", &port],
    ] {
        environment.run(&words).assert_status(0);
    }
    environment.run(&["-commit"]).assert_status(0);
    assert_eq!(reipl_one(&environment, 0)["session"]["auth_method"], "CHAP");
}

#[test]
fn a_changed_secret_and_a_changed_name_are_used() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account(CHAP_NAME, SECRET));
    let environment = TestEnvironment::new();
    add_with_chap(
        &environment,
        NAME,
        tgtd.port(),
        "OTHERUSER",
        "WRONGSECRET12345",
    );
    let port = tgtd.port().to_string();
    let change = [
        "-changetarget",
        "-initiatorname",
        "*GENERATE",
        "-targethostname",
        "127.0.0.1",
        "-targetname",
        NAME,
        "-targetport",
        &port,
    ];
    let _ = reipl_one(&environment, 4);
    environment
        .run(&[&change[..], &["-initiatorchapsecret", SECRET]].concat())
        .assert_status(0);
    let _ = reipl_one(&environment, 4);
    // The secret given before stays when only the name is changed.
    environment
        .run(&[&change[..], &["-initiatorchapname", CHAP_NAME]].concat())
        .assert_status(0);
    let _ = reipl_one(&environment, 0);
}

#[test]
fn a_wrong_secret_or_chap_name_is_an_authentication_failure_with_the_upper_case_hint() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account(CHAP_NAME, SECRET));
    for (user, secret) in [(CHAP_NAME, "SECRET1234567891"), ("NOBODY", SECRET)] {
        let environment = TestEnvironment::new();
        add_with_chap(&environment, NAME, tgtd.port(), user, secret);
        let said = assert_refused(&reipl_one(&environment, 4), "0x0201");
        assert!(
            said.contains("chap") && said.contains("upper case"),
            "{said}"
        );
        assert!(!said.contains("secret123456789"), "{said}");
        assert_eq!(environment.configured_targets(), [NAME]);
    }
}

#[test]
fn a_lower_case_secret_on_the_vtl_fails_and_the_hint_says_why() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account("vtluser", "secret1234567890"));
    let environment = TestEnvironment::new();
    add_with_chap(
        &environment,
        NAME,
        tgtd.port(),
        "vtluser",
        "secret1234567890",
    );
    let said = assert_refused(&reipl_one(&environment, 4), "0x0201");
    assert!(said.contains("upper case"), "{said}");
}

#[test]
fn a_vtl_that_wants_chap_when_none_is_configured_says_authentication() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account(CHAP_NAME, SECRET));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let said = assert_refused(&reipl_one(&environment, 4), "0x0201");
    assert!(said.contains("chap"), "{said}");
}

#[test]
fn a_vtl_that_wants_no_chap_is_accepted_and_reported() {
    let tgtd = Tgtd::serving(Target::empty(NAME));
    let environment = TestEnvironment::new();
    add_with_chap(&environment, NAME, tgtd.port(), CHAP_NAME, SECRET);
    let target = reipl_one(&environment, 0);
    assert_eq!(target["session"]["auth_method"], "None", "{target:#}");
    assert_eq!(
        target["session"]["chap_algorithm"],
        Value::Null,
        "{target:#}"
    );
    assert_eq!(target["chap"]["name"], CHAP_NAME, "{target:#}");
}

#[test]
fn a_wrong_target_name_is_not_found_and_the_hint_names_both_causes() {
    let tgtd = Tgtd::serving(small(NAME));
    let environment = TestEnvironment::new();
    environment.add("iqn.2012-01.lab.vtl:other", "127.0.0.1", tgtd.port());
    let said = assert_refused(&reipl_one(&environment, 4), "0x0203");
    assert!(
        said.contains(&environment.default_initiator()),
        "no initiator name to allow: {said}"
    );
    assert!(said.contains("target name"), "{said}");
}

#[test]
fn an_initiator_that_is_not_allowed_is_told_to_be_allowed_and_then_gets_in() {
    let environment = TestEnvironment::new();
    let initiator = environment.default_initiator();
    let tgtd = Tgtd::serving(small(NAME).access(Access::InitiatorName(
        "iqn.2026-11.somebody:else".to_owned(),
    )));
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let said = assert_refused(&reipl_one(&environment, 4), "0x0203");
    assert!(
        said.contains(&initiator),
        "no initiator name to allow: {said}"
    );
    assert!(
        said.contains("re-ipl") || said.contains("reipl"),
        "no next step: {said}"
    );
    // The VTL administrator allows the name; nothing has to be configured again.
    tgtd.allow(NAME, &Access::InitiatorName(initiator));
    assert_eq!(
        reipl_one(&environment, 0)["libraries"][0]["device"],
        "TAPMLB01"
    );
}

#[test]
fn an_address_that_is_not_allowed_is_refused() {
    let tgtd = Tgtd::serving(small(NAME).access(Access::Address("192.0.2.1".to_owned())));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let _ = assert_refused(&reipl_one(&environment, 4), "0x0203");
    tgtd.allow(NAME, &Access::Address("127.0.0.0/29".to_owned()));
    let _ = reipl_one(&environment, 0);
}

#[test]
fn the_initiator_name_is_sent_as_configured() {
    let tgtd = Tgtd::serving(Target::empty(NAME).access(Access::InitiatorName(
        "iqn.1924-02.com.ibm:My.Name-i0".to_owned(),
    )));
    let environment = TestEnvironment::new();
    let port = tgtd.port().to_string();
    let words = [
        "-addtarget",
        "-initiatorname",
        "iqn.1924-02.com.ibm:My.Name-i0",
        "-targethostname",
        "127.0.0.1",
        "-targetname",
        NAME,
        "-targetport",
        &port,
    ];
    environment.run(&words).assert_status(0);
    let target = reipl_one(&environment, 0);
    assert_eq!(target["initiator_name"], "iqn.1924-02.com.ibm:My.Name-i0");
}

#[test]
fn a_target_that_is_down_is_a_failure_to_connect() {
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", free_port());
    let target = reipl_one(&environment, 4);
    assert_eq!(target["failure"]["phase"], "connect", "{target:#}");
    assert_eq!(target["failure"]["login_status"], Value::Null);
    assert_eq!(target["libraries"], json!([]));
}

#[test]
fn a_vtl_that_is_powered_off_loses_neither_configuration_nor_names() {
    let mut tgtd = Tgtd::serving(small(NAME));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let before = reipl_one(&environment, 0);
    // What a device is called, and by what it is known; for how long it was not seen is another matter.
    let names = || {
        let text = std::fs::read(environment.state_file("devices.json")).unwrap();
        let record: Value = serde_json::from_slice(&text).unwrap();
        ["libraries", "drives"].map(|kind| record["record"][kind].clone())
    };
    let devices = names();
    assert_eq!(devices[1].as_object().map(|drives| drives.len()), Some(2));
    tgtd.kill();
    assert_eq!(reipl_one(&environment, 4)["failure"]["phase"], "connect");
    assert_eq!(environment.configured_targets(), [NAME]);
    assert_eq!(names(), devices);
    tgtd.restart();
    tgtd.add(small(NAME));
    let after = reipl_one(&environment, 0);
    assert_eq!(without_timings(after), without_timings(before));
}

#[test]
fn one_target_that_fails_does_not_stop_the_other() {
    let mut tgtd = Tgtd::serving(small(NAME));
    tgtd.add(Target::empty("iqn.lab:shut").access(Access::Nobody));
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:shut", "127.0.0.1", tgtd.port());
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let document = environment.reipl(4);
    let targets = targets(&document);
    assert_eq!(targets[0]["target_name"], "iqn.lab:shut");
    let _ = assert_refused(&targets[0], "0x0203");
    assert_eq!(targets[1]["status"], "CONNECTED");
    assert_eq!(
        targets[1]["libraries"][0]["drives"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_target_is_reached_by_ipv6_and_by_name() {
    let tgtd = Tgtd::serving_ipv6(small(NAME));
    let environment = TestEnvironment::new();
    environment.add(NAME, "::1", tgtd.port());
    let target = reipl_one(&environment, 0);
    assert_eq!(
        target["session"]["portal"],
        format!("[::1]:{}", tgtd.port())
    );
    assert_eq!(target["target_host_name"], "::1");

    let tgtd = Tgtd::serving(small(NAME));
    let environment = TestEnvironment::new();
    environment.add(NAME, "localhost", tgtd.port());
    assert_eq!(reipl_one(&environment, 0)["target_host_name"], "localhost");
}

#[test]
fn an_offline_target_is_a_target_error() {
    let tgtd = Tgtd::serving(Target::empty(NAME).setting("state", "offline"));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let said = assert_refused(&reipl_one(&environment, 4), "0x0300");
    assert!(!said.contains("authentication"), "{said}");
    tgtd.set(NAME, "state", "ready");
    let _ = reipl_one(&environment, 0);
}

/// A daemon on 127.0.0.1 whose target sends every initiator to a portal.
fn redirecting(address: &str, port: u16, reason: &str) -> Tgtd {
    let tgtd = Tgtd::serving(Target::empty(NAME));
    redirect(&tgtd, address, port, reason);
    tgtd
}

fn redirect(tgtd: &Tgtd, address: &str, port: u16, reason: &str) {
    tgtd.set(NAME, "RedirectAddress", address);
    tgtd.set(NAME, "RedirectPort", &port.to_string());
    tgtd.set(NAME, "RedirectReason", reason);
}

#[test]
fn a_redirection_is_followed() {
    let mut real = Tgtd::start_on(&[SECOND_ADDRESS]);
    real.add(small(NAME));
    for reason in ["Temporary", "Permanent"] {
        let first = redirecting("127.0.0.2", real.port(), reason);
        let target = attach(&first, NAME);
        assert_eq!(
            target["session"]["portal"],
            format!("127.0.0.2:{}", real.port()),
            "{reason}"
        );
        // What is configured stays as it was.
        assert_eq!(target["target_host_name"], "127.0.0.1", "{reason}");
        assert_eq!(target["target_port"], first.port(), "{reason}");
        assert_eq!(target["libraries"][0]["device"], "TAPMLB01", "{reason}");
    }
}

#[test]
fn a_redirection_to_nowhere_fails_and_says_where() {
    let tgtd = redirecting("127.0.0.2", free_port(), "Temporary");
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let target = reipl_one(&environment, 4);
    assert_eq!(target["status"], "FAILED", "{target:#}");
    assert!(
        target["failure"].to_string().contains("127.0.0.2"),
        "{target:#}"
    );
}

#[test]
fn a_target_that_redirects_to_itself_ends_with_an_error() {
    let mut tgtd = Tgtd::start_on(&[SECOND_ADDRESS]);
    tgtd.add(Target::empty(NAME));
    redirect(&tgtd, "127.0.0.2", tgtd.port(), "Permanent");
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.2", tgtd.port());
    let target = reipl_one(&environment, 4);
    assert_eq!(target["status"], "FAILED", "{target:#}");
    assert!(
        target["failure"]
            .to_string()
            .to_lowercase()
            .contains("redirect"),
        "{target:#}"
    );
}

#[test]
fn an_algorithm_that_the_target_does_not_know_is_reported_and_not_retried() {
    let tgtd = Tgtd::serving(Target::empty(NAME).account(CHAP_NAME, SECRET));
    let environment = TestEnvironment::new();
    add_with_chap(&environment, NAME, tgtd.port(), CHAP_NAME, SECRET);
    let output = environment.run(&["--json", "--chap-algorithms", "SHA3-256", "-reipliscsiop"]);
    let document = output.assert_status(4).json();
    assert_eq!(
        targets(&document)[0]["failure"]["phase"],
        "login",
        "{document:#}"
    );
    // tgtd passes over 6 and 8, and takes 5 wherever it stands.
    for list in ["5", "MD5", "6,5", "SHA1,MD5", "5,7", "SHA3-256,MD5"] {
        let output = environment.run(&["--json", "--chap-algorithms", list, "-reipliscsiop"]);
        let document = output.assert_status(0).json();
        assert_eq!(
            targets(&document)[0]["session"]["chap_algorithm"],
            "MD5",
            "{list}"
        );
    }
}
