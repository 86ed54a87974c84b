//! The resident IOP as its users see it: what it prints, what the service manager hears of it, what the dumps say meanwhile.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
#[cfg(feature = "peers")]
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use fs2::FileExt;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::{TestEnvironment, keys, targets, text};
use crate::peers::embedded::{Portal, Target};
use crate::peers::iop::Iop;
use crate::peers::vtl::{NAME, Vtl};

/// Nothing here takes longer on a machine that is not ill.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Returns an environment with a library that is configured.
fn configured() -> (TestEnvironment, Vtl) {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    (environment, vtl)
}

/// Returns the value of the only row of that label.
#[track_caller]
fn row(page: &str, label: &str) -> Option<String> {
    let mut values = page.lines().filter_map(|line| {
        let (labelled, value) = line.split_once(":  ")?;
        let found = labelled.trim_end_matches([' ', '.']).trim_start();
        (found == label).then(|| value.to_owned())
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{label} twice: {page}");
    value
}

#[test]
fn every_line_is_a_document_and_the_first_is_ready_the_last_the_logout() {
    let (environment, _vtl) = configured();
    let mut iop = environment.start(&["--json", "iop", "run"]);
    wait_for_iop(&environment);
    environment.run(&["-reipliscsiop"]).assert_status(0);
    environment.run(&["iop", "stop"]).assert_status(0);
    // Each document is held against the schema on the way.
    let output = iop.wait().unwrap().assert_status(0).silent();
    let lines: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&str> = lines.iter().map(|line| text(&line["event"])).collect();
    assert_eq!(
        events,
        [
            "ready",
            "re-ipl-begun",
            "connected",
            "re-ipl-ended",
            "re-ipl-begun",
            "logged-out",
            "connected",
            "re-ipl-ended",
            "stopping",
            "logged-out",
        ]
    );
    assert_eq!(
        (&lines[0]["connected"], &lines[0]["targets"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&lines[4]["reason"], &lines[8]["reason"]),
        (&json!("asked"), &json!("asked"))
    );
    assert_eq!(lines[2]["target_name"], NAME);
}

#[test]
fn the_lines_of_text_begin_with_ready_and_name_the_target() {
    let (environment, vtl) = configured();
    let mut iop = environment.start(&["iop", "run"]);
    wait_for_iop(&environment);
    environment.run(&["iop", "stop"]).assert_status(0);
    let output = iop.wait().unwrap().assert_status(0).silent();
    let mut lines = output.stdout.lines();
    assert_eq!(lines.next(), Some("ready: iSCSI targets connected: 1 of 1"));
    let connected = format!(" {NAME} connected at {}", vtl.portal());
    assert!(lines.any(|line| line.ends_with(&connected)), "{}", *output);
}

/// Waits until an IOP answers.
fn wait_for_iop(environment: &TestEnvironment) {
    for _ in 0..2400 {
        if environment.run(&["iop", "status"]).status.success() {
            return;
        }
        thread::sleep(Duration::from_millis(25));
    }
    panic!("no IOP answers");
}

#[test]
fn a_signal_ends_it_with_status_0_and_says_which() {
    let environment = TestEnvironment::new();
    for (signal, reason) in [(Signal::TERM, "terminated"), (Signal::INT, "interrupted")] {
        let mut iop = Iop::start(&environment, &[]);
        iop.signal(signal);
        assert_eq!(iop.event("stopping")["reason"], reason);
        let (status, stderr) = iop.wait();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_stdout_that_is_closed_or_full_stops_nothing() {
    let (environment, _vtl) = configured();
    let closed = {
        let (_, writer) = std::io::pipe().unwrap();
        writer
    };
    let (_unread, mut full) = std::io::pipe().unwrap();
    ioctl_fionbio(&full, true).unwrap();
    while full.write(b"x").is_ok() {}
    ioctl_fionbio(&full, false).unwrap();
    for stdout in [closed, full] {
        let mut iop = environment
            .command()
            .args(["iop", "run"])
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_iop(&environment);
        for _ in 0..3 {
            environment.run(&["-q", "-reipliscsiop"]).assert_status(0);
        }
        kill_process(Pid::from_child(&iop), Signal::TERM).unwrap();
        let deadline = std::time::Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = iop.try_wait().unwrap() {
                break status;
            }
            if std::time::Instant::now() > deadline {
                iop.kill().unwrap();
                panic!("the IOP does not end");
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn the_service_manager_hears_of_every_state() {
    let (environment, vtl) = configured();
    let path = environment.home().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let receive = || {
        let mut bytes = [0; 512];
        let count = manager.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    // Signs of life come between the others.
    let next = || loop {
        let message = receive();
        if message != "WATCHDOG=1" {
            return message;
        }
    };
    let mut command = environment.command();
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let iop = Iop::start_by(command, &[]);
    assert_eq!(next(), "STATUS=first re-IPL");
    let ready = "READY=1\nSTATUS=iSCSI targets connected: 1 of 1";
    // The end of the first re-IPL, and that jobs are taken.
    let mut messages = vec![next()];
    while receive() != "WATCHDOG=1" {}
    assert_eq!(messages.pop().as_deref(), Some(ready));
    // They go on while nothing happens.
    assert_eq!([receive(), receive()], ["WATCHDOG=1", "WATCHDOG=1"]);

    iop.signal(Signal::HUP);
    let reloading = next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(next(), ready);
    drop(vtl);
    assert_eq!(next(), "STATUS=iSCSI targets connected: 0 of 1");
    iop.signal(Signal::TERM);
    assert!(next().starts_with("STOPPING=1\n"));
    assert_eq!(iop.wait().0.code(), Some(0));
}

#[test]
fn the_dumps_show_what_is_now_and_a_loss_outlives_the_iop() {
    let (environment, vtl) = configured();
    let mut iop = Iop::start(&environment, &[]);
    let page = |option: &str, status: i32| environment.run(&["-q", option]).assert_status(status);
    for option in ["-dumptargets", "-reipliscsiop"] {
        let page = page(option, 0);
        assert_eq!(row(&page.stdout, "Status").as_deref(), Some("CONNECTED"));
        assert_eq!(row(&page.stdout, "Status at last IPL"), None);
    }
    let document = environment.dump();
    assert_eq!(document["iop"]["resident"], true);
    let before = targets(&document)[0].clone();
    let portal = vtl.portal().to_string();

    drop(vtl);
    assert_eq!(iop.event("lost")["reason"], "connection-closed");
    let lost = |is_resident: bool| {
        let document = environment.dump();
        assert_eq!(document["iop"]["resident"], is_resident);
        let target = targets(&document)[0].clone();
        assert_eq!(target["status"], "LOST");
        assert_eq!(target["lost"]["code"], "connection-closed");
        // What it had is kept.
        for kept in ["session", "libraries", "drives"] {
            assert_eq!(target[kept], before[kept]);
        }
        let page = page("-dumptargets", 0);
        assert_eq!(row(&page.stdout, "Status").as_deref(), Some("LOST"));
        assert_eq!(
            row(&page.stdout, "Time of loss").as_deref(),
            target["lost"]["time"].as_str()
        );
        let sql = "SELECT TARGET_STATUS FROM ISCSI_INFO";
        let rows = environment
            .run(&["--json", "sql", sql])
            .assert_status(0)
            .json();
        assert_eq!(rows["results"][0]["rows"], json!([["LOST"]]));
        target["lost"]["time"].clone()
    };
    let time = lost(true);
    iop.signal(Signal::KILL);
    iop.wait();
    assert_eq!(lost(false), time);

    let _vtl = Vtl::start(&environment, &["--listen", &portal]);
    let page = page("-reipliscsiop", 0);
    assert_eq!(
        row(&page.stdout, "Status at last IPL").as_deref(),
        Some("CONNECTED")
    );
    assert_eq!(targets(&environment.dump())[0]["lost"], Value::Null);
}

#[test]
fn a_status_has_the_fields_of_the_contract() {
    let (environment, vtl) = configured();
    let iop = Iop::start(&environment, &[]);
    let document = environment
        .run(&["--json", "iop", "status"])
        .assert_status(0)
        .json();
    assert_eq!(
        keys(&document),
        ["pid", "schema", "started", "targets", "warnings"]
    );
    assert_eq!(document["pid"], iop.id());
    let target = &targets(&document)[0];
    assert_eq!(
        keys(target),
        [
            "bytes_received",
            "bytes_sent",
            "commands",
            "events",
            "jobs",
            "portal",
            "round_trip",
            "since",
            "status",
            "target_name",
        ]
    );
    assert_eq!(target["portal"], vtl.portal().to_string());
    assert_eq!(target["events"][0]["event"], "connected");
    assert_eq!(keys(&target["events"][0]), ["device", "event", "time"]);

    let page = environment
        .run(&["iop", "status"])
        .assert_status(0)
        .silent();
    assert_eq!(row(&page.stdout, "Process"), Some(iop.id().to_string()));
    assert_eq!(row(&page.stdout, "Target name").as_deref(), Some(NAME));
    let stopped = environment
        .run(&["--json", "iop", "stop"])
        .assert_status(0)
        .json();
    assert_eq!(
        (&stopped["stopped"], &stopped["pid"]),
        (&json!(true), &json!(iop.id()))
    );
    assert_eq!(iop.wait().0.code(), Some(0));
    environment.run(&["iop", "status"]).assert_status(1);
}

#[test]
fn a_record_that_cannot_be_written_is_told_and_the_dumps_go_on() {
    let (environment, vtl) = configured();
    let mut iop = Iop::start(&environment, &[]);
    // Nothing replaces a directory that is not empty, for whoever it is.
    let record = environment.state_file("active.json");
    fs::remove_file(&record).unwrap();
    fs::create_dir_all(record.join("in the way")).unwrap();
    drop(vtl);
    let _ = iop.event("lost");
    let told = iop.event("state-failed");
    assert!(text(&told["message"]).contains("active.json"), "{told}");
    assert_eq!(targets(&environment.dump())[0]["status"], "LOST");
    environment.run(&["iop", "stop"]).assert_status(0);
}

#[test]
fn an_iop_of_another_version_is_asked_for_nothing() {
    let environment = TestEnvironment::new();
    environment
        .run(&["-setport", "-targetport", "860"])
        .assert_status(0);
    // What is of another version: its lock, its socket, and what it answers.
    let mut lock = File::create(environment.state_file("iop.lock")).unwrap();
    lock.try_lock_exclusive().unwrap();
    write!(lock, "{}", std::process::id()).unwrap();
    let listener = UnixListener::bind(environment.state_file("iop.sock")).unwrap();
    let calls: [&[&str]; 4] = [
        &["iop", "status"],
        &["iop", "stop"],
        &["-dumptargets"],
        &["-reipliscsiop"],
    ];
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in calls {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                (&stream)
                    .write_all(b"{\"version\":\"9.9.9\",\"content\":{\"answer\":\"later\"}}\n")
                    .unwrap();
            }
        });
        for call in calls {
            let output = environment
                .run(&[&["--json"], call].concat())
                .assert_status(3);
            let error = &output.json()["error"];
            assert_eq!(error["code"], "other-version");
            let message = text(&error["message"]);
            let pid = std::process::id().to_string();
            for named in ["9.9.9", env!("CARGO_PKG_VERSION"), &pid] {
                assert!(message.contains(named), "{message}");
            }
        }
    });
    // Edits need no IOP.
    environment
        .run(&["-setport", "-targetport", "861"])
        .assert_status(0);
}

#[test]
#[cfg(feature = "peers")]
fn a_process_of_another_user_is_turned_away() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    const NOBODY: u32 = 65534;
    let (environment, _vtl) = configured();
    let copy = environment.copy_of_binary();
    let mut iop = Iop::start(&environment, &[]);
    let socket = environment.state_file("iop.sock");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    // The directory and the socket let everybody in, and the lock is one that everybody can look at.
    set(environment.home(), 0o755);
    set(&environment.state(), 0o755);
    set(&socket, 0o666);
    set(&environment.state_file("iop.lock"), 0o644);
    let ask = |words: &[&str]| {
        let mut command = environment.command_of(&copy);
        command.args(words).uid(NOBODY).gid(NOBODY);
        environment.finish(command)
    };
    for words in [&["iop", "status"][..], &["iop", "stop"]] {
        ask(words)
            .assert_status(3)
            .says(&[&iop.id().to_string(), "user"]);
        assert_eq!(iop.event("peer-refused")["uid"], NOBODY);
    }
    environment.run(&["iop", "status"]).assert_status(0);
}

#[test]
fn a_re_ipl_of_the_iop_has_its_statuses_and_its_report() {
    let environment = TestEnvironment::new();
    let iop = Iop::start(&environment, &[]);
    let document = environment.reipl(0);
    assert_eq!(document["iop"]["resident"], true);
    assert_eq!(targets(&document).len(), 0);
    let portal = Portal::serving([Target::new(NAME)]);
    environment.add(NAME, "127.0.0.1", portal.port());
    // The edit is not what runs.
    let document = environment.dump();
    assert_eq!(document["iop"]["configuration_changed"], true);
    environment.add("iqn.2026-11.test:nobody", "127.0.0.1", 1);
    let document = environment.reipl(4);
    let statuses: Vec<&Value> = targets(&document)
        .iter()
        .map(|target| &target["status"])
        .collect();
    assert_eq!(statuses, ["CONNECTED", "FAILED"]);
    assert_eq!(
        document["targets"][1]["failure"]["code"],
        "connection-refused"
    );
    assert_eq!(document["iop"]["configuration_changed"], false);
    let failed = environment.run(&["-reipliscsiop"]).assert_status(4);
    assert!(
        failed.stderr.contains("iSCSI targets connected: 1 of 2."),
        "{}",
        *failed
    );
    iop.stop();
}
