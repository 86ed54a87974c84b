//! `check` while an IOP holds the session with the target.

use std::collections::BTreeMap;

use super::*;

/// Returns what each finding of the only target came to.
#[track_caller]
fn results(output: &Output) -> BTreeMap<String, String> {
    let document = output.json();
    let findings = document["targets"][0]["findings"].as_array();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .unwrap()
        .iter()
        .map(|finding| (text(&finding["id"]), text(&finding["result"])))
        .collect()
}

#[test]
fn a_check_asks_the_devices_by_way_of_the_iop() {
    let mut held = Held::new(&["--json"], &[]);
    let with = results(&held.run("--json check").assert_status(0));
    for id in [
        "login.accepted",
        "drives.block-limits",
        "library.barcodes",
        "library.type-model",
    ] {
        assert_eq!(with[id], "pass", "{id}");
    }
    assert_eq!(held.dump()["status"], "CONNECTED");
    held.iop.take().unwrap().stop();
    let without = results(&held.run("--json check").assert_status(0));
    // How fast it is depends on the machine; that it was measured does not. The rest has to be the same.
    let measured = ["network.round-trip", "speed.write-rate"];
    for (id, result) in with.iter().chain(&without) {
        match measured.contains(&id.as_str()) {
            true => assert_ne!(result, "skipped", "{id}"),
            false => assert_eq!(with[id], without[id], "{id}"),
        }
    }
    assert!(with.keys().eq(without.keys()));
    let (_, events) = held.vtl.take().unwrap().stop_and_read();
    let logins = events
        .iter()
        .filter(|line| line.contains("\"event\":\"login\""));
    assert_eq!(
        logins.count(),
        2,
        "one by the IOP, one by the check without it"
    );
}

#[test]
fn a_check_names_the_job_that_uses_a_drive() {
    let held = Held::new(&[], &[]);
    let writer = held.job_at_work(&["VOL001"]);
    held.run("--lock-timeout 0 check").assert_status(3).says(&[
        &writer.id().to_string(),
        "tape write",
        "TAP01",
    ]);
    assert_eq!(writer.finish().status.code(), Some(0));
    held.run("check").assert_status(0);
}

/// The login of the check would take the place of the held session: it is the same initiator port.
#[test]
fn a_target_that_was_edited_since_is_not_logged_in_to_beside_the_held_session() {
    let mut held = Held::new(&["--json"], &[]);
    let writer = held.job_at_work(&["VOL001"]);
    let port = held.vtl().port();
    let target = |host: &str| {
        format!(
            "-initiatorname *GENERATE -targetname {NAME} -targethostname {host} -targetport {port}"
        )
    };
    let with_chap = "-initiatorchapname NEW -initiatorchapsecret ANOTHER-SECRET-1";
    for edits in [
        vec![format!("-changetarget {} {with_chap}", target("127.0.0.1"))],
        // The same portal by another name.
        vec![
            format!("-removetarget {}", target("127.0.0.1")),
            format!("-addtarget {}", target("localhost")),
        ],
    ] {
        for edit in edits {
            held.run(&edit).assert_status(0);
        }
        held.run("check").assert_status(3).says(&[
            "as it was configured before",
            NAME,
            "-reipliscsiop",
        ]);
    }
    let refused = held.run("--json check").assert_status(3).json();
    assert_eq!(refused["error"]["code"], "second-connection");
    assert_eq!(held.status()["status"], "CONNECTED");
    assert_eq!(writer.finish().status.code(), Some(0));
    let (_, events) = held.vtl.take().unwrap().stop_and_read();
    let is_login = |line: &&String| line.contains("\"event\":\"login\"");
    assert_eq!(events.iter().filter(is_login).count(), 1, "{events:#?}");
}

#[test]
fn a_target_that_the_iop_does_not_hold_is_checked_by_a_login() {
    let environment = TestEnvironment::new();
    let portal = Vtl::start(&environment, &[]).portal();
    environment.add_with(
        NAME,
        "127.0.0.1",
        portal.port(),
        &[
            "-initiatorchapname",
            "NOBODY",
            "-initiatorchapsecret",
            "ASKS-FOR-THIS-12",
        ],
    );
    // It was not there when the IOP looked for it.
    let _iop = Iop::start(&environment, &[]);
    let _vtl = Vtl::start(&environment, &["--listen", &portal.to_string()]);
    let results = results(&environment.run_line("--json check").assert_status(0));
    assert_eq!(results["login.chap-not-asked"], "warning");
    // How fast it is depends on the machine; that it was measured does not.
    assert_ne!(results["speed.write-rate"], "skipped");
}
