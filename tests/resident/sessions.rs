//! Sessions that are lost, and had again.

use super::*;

#[test]
fn a_target_that_ends_is_lost_until_the_next_re_ipl() {
    let mut held = Held::new(&[], &[]);
    held.vtl().signal(Signal::KILL);
    let lost = held.iop().event("lost");
    assert_eq!(lost["target_name"], NAME, "{lost:#}");
    let target = held.dump();
    assert_eq!(target["status"], "LOST", "{target:#}");
    assert_eq!(target["libraries"][0]["device"], "TAPMLB01");
    assert!(target["lost"]["time"].is_string());
    held.run("--timeout 2 tape status TAPMLB01")
        .assert_status(4);
    held.restart_vtl();
    assert_eq!(held.dump()["status"], "LOST", "nothing but a re-IPL");
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
    held.run("tape status TAPMLB01").assert_status(0);
    // The record outlives the IOP.
    held.vtl().signal(Signal::KILL);
    held.iop().event("lost");
    let _ = held.dump();
    held.kill_iop();
    assert_eq!(held.dump()["status"], "LOST");
}

#[test]
fn a_target_that_falls_silent_is_pinged_and_lost() {
    let mut held = Held::new(&[], &["--timeout", "2"]);
    let first = held.status()["round_trip"].clone();
    assert!(first.is_number(), "{first}");
    // The next ping comes after five seconds of silence, and is answered.
    let is_answered = (0..1200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        held.status()["round_trip"] != first
    });
    assert!(is_answered);
    held.vtl().signal(Signal::STOP);
    held.iop().event("lost");
    let target = held.dump();
    assert_eq!(target["status"], "LOST");
    assert!(target["lost"]["code"].is_string(), "{target:#}");
    held.vtl().signal(Signal::CONT);
}

#[test]
fn a_target_that_comes_back_is_had_again_where_that_is_wanted() {
    let mut held = Held::new(&[], &["--reconnect", "--timeout", "3"]);
    held.vtl().signal(Signal::KILL);
    held.iop().event("lost");
    held.iop().event("recovery-failed");
    held.restart_vtl();
    held.iop().event("recovered");
    let target = held.dump();
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    assert!(target["lost"].is_null());
    assert_eq!(target["libraries"][0]["drives"][0]["device"], "TAP01");
    held.run("tape status TAPMLB01").assert_status(0);
}

#[test]
fn a_target_that_failed_is_had_when_it_is_there() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let portal = vtl.portal();
    environment.add(NAME, "127.0.0.1", portal.port());
    drop(vtl);
    let mut iop = Iop::start(&environment, &["--reconnect", "--timeout", "3"]);
    assert_eq!(environment.dump()["targets"][0]["status"], "FAILED");
    let _vtl = Vtl::start(&environment, &["--listen", &portal.to_string()]);
    iop.event("recovered");
    let target = environment.dump()["targets"][0].clone();
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    environment
        .run_line("tape status TAPMLB01")
        .assert_status(0);
}

#[test]
fn a_target_that_asks_for_a_logout_is_obeyed() {
    let mut held = Held::new(&[], &[]);
    // A library that is stopped asks its initiators to log out, and gives them two seconds.
    held.vtl().signal(Signal::TERM);
    let asked = held.iop().event("logout-requested");
    assert_eq!(asked["seconds"], 2.0, "{asked:#}");
    let lost = held.iop().event("lost");
    assert_eq!(lost["target_name"], NAME);
    let (status, stderr) = held.vtl.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let events = held.status()["events"].clone();
    let names: Vec<_> = events.as_array().unwrap().iter().collect();
    assert!(
        names
            .iter()
            .any(|event| event["event"] == "logout-requested")
    );
}

#[test]
fn a_job_of_a_target_that_ends_is_told_so() {
    let mut held = Held::new(&[], &[]);
    let mut writer = held.writer(&["VOL001", "--block-size", "64KiB"]);
    writer.give(&pattern(1, 200_000));
    held.iop()
        .event_where("job-begun", |begun| begun["device"] == "TAP01");
    held.vtl().signal(Signal::KILL);
    let ended = held.iop().event("job-ended");
    assert_eq!(ended["pid"], writer.id(), "{ended:#}");
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_target_named(&output.stdout, &["-reipliscsiop"]);
}

/// Fails unless the error of a job names the target that the IOP lost, and one of these next steps.
#[track_caller]
fn assert_target_named(document: &[u8], next_steps: &[&str]) {
    let document: Value = serde_json::from_slice(document).unwrap();
    let error = &document["error"];
    assert_eq!(error["code"], "target-unreachable", "{document:#}");
    let message = error["message"].as_str().unwrap();
    let named = format!("the resident IOP lost its session with {NAME} at ");
    assert!(message.contains(&named), "{document:#}");
    // A connection that is closed with data unread is reset.
    let why = [
        "The target closed the connection",
        "The connection was lost",
    ];
    assert!(why.iter().any(|why| message.contains(why)), "{document:#}");
    let hints = error["hints"].to_string();
    assert!(
        next_steps.iter().any(|step| hints.contains(step)),
        "{document:#}"
    );
}

#[test]
fn a_job_does_not_go_on_where_the_iop_has_its_target_again() {
    let mut held = Held::new(&[], &["--reconnect", "--timeout", "3"]);
    let writer = held.job_at_work(&["VOL001"]);
    held.vtl().signal(Signal::KILL);
    held.iop()
        .event_where("job-ended", |ended| ended["device"] == "TAP01");
    held.restart_vtl();
    held.iop().event("recovered");
    assert_eq!(held.status()["status"], "CONNECTED");
    // Its input ends now: there is all that it takes to go on.
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    // What comes next depends on whether it saw its connection end before or behind the new login.
    assert_target_named(&output.stdout, &["-reipliscsiop", "run the job again"]);
    let jobs = held.status()["jobs"].clone();
    assert_eq!(jobs.as_array().unwrap().len(), 0, "{jobs:#}");
    held.file("in", b"once more");
    held.run("tape write TAPMLB01 VOL001 in --overwrite")
        .assert_status(0);
}

#[test]
fn a_medium_that_has_changed_is_an_event_of_its_drive() {
    let mut held = Held::new(&["--drives", "2"], &[]);
    held.run("library mount TAPMLB01 VOL001 --drive TAP02")
        .assert_status(0);
    held.run("tape status TAP02").assert_status(0);
    let changed = held.iop().event("unit-attention");
    assert_eq!(changed["device"], "TAP02", "{changed:#}");
    let status = held.status();
    let mut events = status["events"].as_array().unwrap().iter();
    let is_change =
        |event: &Value| event["event"] == "medium-may-have-changed" && event["device"] == "TAP02";
    assert!(events.any(is_change), "{status:#}");
}
