//! `d-mode`, `sql`, and edits of the configuration and of the partition, while an IOP holds the sessions.

use serde_json::json;

use super::jobs::BLOCK;
use super::*;

const D_MODE: &str = "--json d-mode --power 10 --firmware FW1060";

/// Returns the finding about the medium of a D-mode IPL.
#[track_caller]
fn media(output: &Output) -> Value {
    let document = output.json();
    let mut findings = document["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["id"] == "d-mode.media");
    found.unwrap_or_else(|| panic!("{document:#}")).clone()
}

#[test]
fn d_mode_asks_for_the_medium_by_way_of_the_iop() {
    let mut held = Held::new(&[], &[]);
    held.run("partition set --keystore-size 4096")
        .assert_status(0);
    let none = media(&held.run(D_MODE).assert_status(4));
    assert_eq!(none["result"], "failure", "{none:#}");
    // What another job has mounted is seen, and the job is not in the way: the changer is shared.
    let writer = held.job_at_work(&["VOL001", "--drive", "TAP01"]);
    let mounted = media(&held.run(D_MODE).assert_status(0));
    assert_eq!(mounted["result"], "pass", "{mounted:#}");
    assert!(mounted["seen"].as_str().unwrap().contains("VOL001"));
    assert_eq!(writer.finish().status.code(), Some(0));
    let line = format!("{D_MODE} --mount TAPMLB01 VOL002");
    let mounted = media(&held.run(&line).assert_status(0));
    assert!(mounted["seen"].as_str().unwrap().contains("VOL002"));

    let vtl = held.vtl.take().unwrap();
    vtl.signal(Signal::KILL);
    held.iop().event("lost");
    let lost = media(&held.run(D_MODE).assert_status(4));
    assert_eq!(lost["result"], "failure", "{lost:#}");
    let seen = lost["seen"].as_str().unwrap();
    assert!(
        seen.contains("the session with the target of TAPMLB01 was lost"),
        "{seen}"
    );
}

#[test]
fn d_mode_and_sql_log_in_no_second_time() {
    let held = Held::new(&["--json"], &[]);
    held.run("partition set --keystore-size 4096")
        .assert_status(0);
    held.run(&format!("{D_MODE} --mount TAPMLB01 VOL001"))
        .assert_status(0);
    for view in ["ISCSI_INFO", "MEDIA_LIBRARY_INFO"] {
        let output = held
            .environment
            .run(&["sql", &format!("SELECT * FROM QSYS2.{view}")]);
        output.assert_status(0);
    }
    let Held { vtl, iop, .. } = held;
    iop.unwrap().stop();
    let (_, events) = vtl.unwrap().stop_and_read();
    let logins = events
        .iter()
        .filter(|line| line.contains("\"event\":\"login\""));
    assert_eq!(logins.count(), 1);
}

#[test]
fn change_iop_is_a_re_ipl_of_the_iop_and_the_views_show_what_is_now() {
    let mut held = Held::new(&[], &[]);
    let sql = |held: &Held, statement: &str| held.environment.run(&["--json", "sql", statement]);
    let rows = |held: &Held, query: &str| {
        let document = sql(held, query).assert_status(0).json();
        document["results"][0]["rows"].clone()
    };
    let call = "CALL QSYS2.CHANGE_IOP('ISCSI', 'IPL')";
    sql(&held, call).assert_status(0);
    let document = held.environment.dump();
    assert_eq!(document["iop"]["ipl_count"], 2, "the IOP did it");
    assert_eq!(document["iop"]["resident"], true);
    assert_eq!(held.iop().event("re-ipl-begun")["reason"], "start");
    assert_eq!(held.iop().event("re-ipl-begun")["reason"], "asked");

    let status = "SELECT TARGET_STATUS FROM ISCSI_INFO";
    assert_eq!(rows(&held, status), json!([["ACTIVE"]]));
    let writer = held.job_at_work(&["VOL001", "--drive", "TAP01"]);
    let libraries =
        "SELECT DEVICE_NAME, DEVICE_STATUS FROM MEDIA_LIBRARY_INFO ORDER BY DEVICE_NAME";
    assert_eq!(
        rows(&held, libraries)[0],
        json!(["TAPMLB01", "ACTIVE"]),
        "a job uses its drive"
    );
    let refused = held
        .environment
        .run(&["--lock-timeout", "0", "sql", call])
        .assert_status(3);
    assert!(
        refused.stderr.contains(&writer.id().to_string()),
        "{}",
        *refused
    );
    assert_eq!(writer.finish().status.code(), Some(0));
    assert_eq!(rows(&held, libraries)[0], json!(["TAPMLB01", "VARIED ON"]));

    held.vtl().signal(Signal::KILL);
    held.iop().event("lost");
    assert_eq!(rows(&held, status), json!([["LOST"]]));
    // A target that failed is status 4, as of the macro's option.
    held.environment
        .run(&["--timeout", "1", "sql", call])
        .assert_status(4);
    assert_eq!(rows(&held, status), json!([["FAILED"]]));
}

#[test]
fn edits_wait_for_the_next_re_ipl_and_end_no_session() {
    let mut held = Held::new(&[], &[]);
    let port = held.vtl().port();
    let since = held.status()["since"].clone();
    let target = format!(
        "-initiatorname *GENERATE -targethostname 127.0.0.1 -targetname {NAME} -targetport {port}"
    );
    // A job that has begun goes on.
    let mut writer = held.job_at_work(&["VOL001"]);
    for line in [
        format!(
            "-changetarget {target} -initiatorchapname WHO -initiatorchapsecret SECRETSECRET12"
        ),
        format!("-removetarget {target}"),
        format!("-addtarget {target}"),
        "-newname -targetname iqn.2026-11.test:staged".to_owned(),
        "partition set --keystore-size 4KiB".to_owned(),
        "partition set --uuid 00112233-4455-6677-8899-aabbccddeeff".to_owned(),
    ] {
        held.run(&line).assert_status(0);
    }
    writer.give(&pattern(2, BLOCK));
    assert_eq!(writer.finish().status.code(), Some(0));
    let document = held.environment.dump();
    assert_eq!(document["iop"]["configuration_changed"], true);
    assert_eq!(document["targets"][0]["status"], "CONNECTED");
    assert!(document["targets"][0]["chap"].is_null());
    let before = document["initiators"][0]["name"].clone();
    assert_eq!(held.status()["since"], since);
    // A new job is told that its target is another one now.
    held.run("tape status TAPMLB01")
        .assert_status(1)
        .says(&["re-IPL"]);
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
    assert_eq!(report["iop"]["configuration_changed"], false);
    let name = report["initiators"][0]["name"].as_str().unwrap();
    assert!(
        name.contains("00112233445566778899aabbccddeeff"),
        "{before} became {name}"
    );
    held.run("tape status TAPMLB01").assert_status(0);
    // Without a target there is nothing to hold, and nothing that fails.
    held.run("-clearconfig").assert_status(0);
    assert_eq!(held.dump()["status"], "CONNECTED");
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"], json!([]));
    held.iop().event("logged-out");
}

#[cfg(feature = "peers")]
#[test]
fn what_is_waited_for_at_the_iop_is_told_on_a_terminal() {
    use crate::terminal::shown;
    let mut held = Held::new(&["--drives", "1"], &[]);
    let writer = held.job_at_work(&["VOL001", "--drive", "TAP01"]);
    let waiting = format!(
        "\r1 s: waiting for TAP01, used by process {} (tape write",
        writer.id()
    );
    for call in ["-reipliscsiop", "tape status TAP01"] {
        for (options, is_shown) in [("", true), ("-q", false)] {
            let line = format!("iscsiswiconfig {options} --lock-timeout 1.5 {call}");
            let line = format!("stty cols 100; {line}");
            let output = shown(&held.environment, &line).assert_status(3);
            assert_eq!(output.stdout.contains(&waiting), is_shown, "{}", *output);
            assert_eq!(output.stdout.contains('\u{1b}'), is_shown, "{}", *output);
        }
    }
    assert_eq!(writer.finish().status.code(), Some(0));

    let pid = held.iop().id();
    held.iop().signal(Signal::STOP);
    let line = "stty cols 100; iscsiswiconfig --timeout 1.5 -reipliscsiop";
    let output = shown(&held.environment, line).assert_status(3);
    held.iop().signal(Signal::CONT);
    let waiting = format!("\r1 s: waiting for the resident IOP, run by process {pid}\u{1b}[K");
    let ended = format!("{waiting}\r\u{1b}[Kiscsiswiconfig: ");
    assert!(output.stdout.contains(&ended), "{}", *output);
}
