//! `vtl` and `demo`: the library that is served, against our own initiator and peers that we did not write.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::{TestEnvironment, schema, targets};
use crate::peers::raw_initiator::RawInitiator;
use crate::peers::vtl::{NAME, Vtl};

/// Many connections, and initiators that guess secrets or hold data back.
#[path = "vtl/crowd.rs"]
mod crowd;
/// What a target does wrong on purpose, and what the initiator makes of it.
#[path = "vtl/faults.rs"]
mod faults;
/// What the process takes of the memory.
#[path = "vtl/memory.rs"]
mod memory;
/// The same library in the eyes of programs that we did not write.
#[cfg(feature = "peers")]
#[path = "vtl/peers.rs"]
mod peers;
/// A stderr that is not read, and what a dump of the process would hold.
#[path = "vtl/process.rs"]
mod process;
/// Tapes written and read back over the network, and the bytes on the medium.
#[path = "vtl/tape.rs"]
mod tape;

const CHAP_NAME: &str = "VTLUSER";
const SECRET: &str = "SECRET1234567890";
const INITIATOR: &str = "iqn.1924-02.com.ibm:ibmi.test-i0";
const ASYNC_MESSAGE: u8 = 0x32;

/// Writes a secret file with this mode into the environment's home.
fn secret_file(environment: &TestEnvironment, secret: &str, mode: u32) -> PathBuf {
    let path = environment.home().join("secret");
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// Starts a library with CHAP.
fn start_with_chap(environment: &TestEnvironment, secret: &str, more: &[&str]) -> Vtl {
    let file = secret_file(environment, &format!("{secret}\n"), 0o600);
    let file = file.to_str().unwrap();
    let mut arguments = vec!["--chap-name", CHAP_NAME, "--chap-secret-file", file];
    arguments.extend(more);
    Vtl::start(environment, &arguments)
}

/// Configures the library in an environment of its own, with CHAP when there is a secret.
fn configured(portal: SocketAddr, initiator: &str, secret: Option<&str>) -> TestEnvironment {
    let environment = TestEnvironment::new();
    let (host, port) = (portal.ip().to_string(), portal.port().to_string());
    let mut arguments = vec![
        "-addtarget",
        "-initiatorname",
        initiator,
        "-targethostname",
        &host,
        "-targetname",
        NAME,
        "-targetport",
        &port,
    ];
    if let Some(secret) = secret {
        arguments.extend([
            "-initiatorchapname",
            CHAP_NAME,
            "-initiatorchapsecret",
            secret,
        ]);
    }
    environment.run(&arguments).assert_status(0);
    environment
}

/// Re-IPLs with more options, expects the status, and returns the only target of the report.
#[track_caller]
fn reipl(environment: &TestEnvironment, options: &[&str], status: i32) -> Value {
    let mut arguments = vec!["--json", "--timeout", "60"];
    arguments.extend(options);
    arguments.push("-reipliscsiop");
    let document = environment.run(&arguments).assert_status(status).json();
    assert_eq!(targets(&document).len(), 1, "{document:#}");
    targets(&document)[0].clone()
}

fn drive(number: u16, volume: Option<&str>) -> Value {
    json!({
        "device": format!("TAP{number:02}"), "type_model": "3580-008", "vendor": "IBM", "product": "ULT3580-TD8",
        "revision": "0100", "serial": format!("8A1234{number:04}"), "lun": number, "element_address": 256 + number,
        "volume": volume
    })
}

#[test]
fn the_ready_line_says_what_is_served_and_where() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    assert_ne!(vtl.port(), 0);
    let expected = format!("ready: {NAME} at 127.0.0.1:{}", vtl.port());
    assert_eq!(vtl.ready(), expected);
    vtl.stop();

    let name = "iqn.2026-11.test:other";
    let vtl = Vtl::start(
        &environment,
        &["--json", "--listen", "[::1]:0", "--target-name", name],
    );
    let ready: Value = serde_json::from_str(vtl.ready()).unwrap();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["target_name"], name);
    assert_eq!(ready["portal"], format!("[::1]:{}", vtl.port()));
    let (status, lines) = vtl.stop_and_read();
    assert!(status.success());
    let stopping: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(
        (&stopping["event"], &stopping["target_name"]),
        (&json!("stopping"), &json!(name))
    );
    assert!(environment.state_listing().is_empty());
}

#[test]
fn a_re_ipl_finds_exactly_what_is_served() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let target = reipl(&configured(vtl.portal(), INITIATOR, None), &[], 0);
    assert_eq!(target["status"], "CONNECTED");
    let expected = json!([{
        "device": "TAPMLB01", "type_model": "3584-403", "derived": false, "vendor": "IBM", "product": "03584L32",
        "revision": "0100", "serial": "0000078A12340401", "lun": 0, "storage_elements": 20,
        "import_export_elements": 4, "transport_elements": 1, "drives": [drive(1, None), drive(2, None)],
        "problems": []
    }]);
    assert_eq!(target["libraries"], expected, "{target:#}");
    assert_eq!(target["drives"], json!([]));
    let line = vtl.login_line();
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    assert!(words[0].len() == 20 && words[0].ends_with('Z'), "{line}");
    assert_eq!(words[1], INITIATOR);
    assert!(words[2].starts_with("127.0.0.1:"), "{line}");
    assert_eq!(words[3], "logged in");
    vtl.stop();
}

#[test]
fn the_library_is_what_the_options_say() {
    let environment = TestEnvironment::new();
    let options = [
        "--drives",
        "3",
        "--drive-type",
        "LTO5",
        "--slots",
        "8",
        "--import-export",
        "0",
        "--cartridges",
        "1",
        "--serial",
        "13AB123",
    ];
    let vtl = Vtl::start(&environment, &options);
    let target = reipl(&configured(vtl.portal(), INITIATOR, None), &[], 0);
    let library = &target["libraries"][0];
    assert_eq!(library["serial"], "0000013AB1230401", "{library:#}");
    assert_eq!(library["storage_elements"], 8);
    assert_eq!(library["import_export_elements"], 0);
    let drives = library["drives"].as_array().unwrap();
    assert_eq!(drives.len(), 3);
    assert!(drives.iter().all(|drive| drive["type_model"] == "3580-005"));
}

#[test]
fn several_initiators_are_served_at_once() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let held = RawInitiator::login(vtl.port(), NAME);
    let environments: Vec<_> = (0..8)
        .map(|number| configured(vtl.portal(), &format!("iqn.test:i{number}"), None))
        .collect();
    let mut running: Vec<_> = environments
        .iter()
        .map(|environment| environment.start(&["--json", "-reipliscsiop"]))
        .collect();
    for run in &mut running {
        let document = run.wait().expect("its end").assert_status(0).json();
        let libraries = &targets(&document)[0]["libraries"];
        assert_eq!(libraries[0]["drives"][1], drive(2, None), "{document:#}");
    }
    held.logout();
    vtl.stop();
}

#[test]
fn chap_lets_in_who_knows_the_secret_by_every_algorithm() {
    let environment = TestEnvironment::new();
    let vtl = start_with_chap(&environment, SECRET, &[]);
    for (list, name) in [
        ("5", "MD5"),
        ("6", "SHA1"),
        ("7,5", "SHA-256"),
        ("SHA3-256", "SHA3-256"),
    ] {
        let right = configured(vtl.portal(), INITIATOR, Some(SECRET));
        let target = reipl(&right, &["--chap-algorithms", list], 0);
        assert_eq!(target["session"]["chap_algorithm"], name, "{target:#}");
        let line = vtl.login_line();
        assert!(
            line.ends_with(&format!("logged in with CHAP {name}")),
            "{line}"
        );

        let wrong = configured(vtl.portal(), INITIATOR, Some("SECRET1234567891"));
        let target = reipl(&wrong, &["--chap-algorithms", list], 4);
        assert_eq!(target["failure"]["login_status"], "0x0201", "{target:#}");
        let line = vtl.login_line();
        assert!(
            line.contains(" refused, status 0x0201 (Authentication failure): "),
            "{line}"
        );
        assert!(
            line.contains(INITIATOR) && !line.contains("SECRET"),
            "{line}"
        );
    }
    let without = configured(vtl.portal(), INITIATOR, None);
    let target = reipl(&without, &[], 4);
    assert_eq!(target["failure"]["login_status"], "0x0201", "{target:#}");
    vtl.stop();
}

#[test]
fn the_secret_is_used_as_typed_as_on_the_console_of_a_vtl() {
    let environment = TestEnvironment::new();
    let vtl = start_with_chap(&environment, "Secret1234567890", &[]);
    // IBM i sends it in upper case.
    let target = reipl(
        &configured(vtl.portal(), INITIATOR, Some("Secret1234567890")),
        &[],
        4,
    );
    assert_eq!(target["failure"]["login_status"], "0x0201", "{target:#}");
}

#[test]
fn the_host_options_set_the_algorithms_that_are_accepted_and_the_time_for_a_login() {
    let environment = TestEnvironment::new();
    let secret = "SECRET1234567890";
    let options = ["--chap-algorithms", "SHA1", "--timeout", "2"];
    let vtl = start_with_chap(&environment, secret, &options);
    let configured = configured(vtl.portal(), INITIATOR, Some(secret));
    reipl(&configured, &[], 4);
    assert!(vtl.login_line().contains("refused"));
    let target = reipl(&configured, &["--chap-algorithms", "5,6"], 0);
    assert_eq!(target["session"]["chap_algorithm"], "SHA1");
    assert!(vtl.login_line().ends_with("logged in with CHAP SHA1"));

    let mut slow = TcpStream::connect(vtl.portal()).unwrap();
    slow.write_all(&[0x43]).unwrap();
    let line = vtl.login_line();
    assert!(line.ends_with("given up: no login within 2 s"), "{line}");
    vtl.stop();
}

#[test]
fn only_the_initiators_that_are_allowed_come_in() {
    let environment = TestEnvironment::new();
    let allow = ["--allow", "iqn.test:one", "--allow", "iqn.Test:TWO"];
    let vtl = Vtl::start(&environment, &allow);
    for (initiator, status) in [
        ("iqn.test:one", 0),
        ("iqn.test:two", 0),
        ("iqn.test:three", 4),
    ] {
        let target = reipl(&configured(vtl.portal(), initiator, None), &[], status);
        let line = vtl.login_line();
        assert!(line.contains(&format!(" {initiator} ")), "{line}");
        if status == 4 {
            assert_eq!(target["failure"]["login_status"], "0x0202", "{target:#}");
            assert!(line.contains("refused, status 0x0202"), "{line}");
        }
    }
}

#[test]
fn a_cartridge_that_is_moved_is_told_with_its_way_and_who_moved_it() {
    for json in [true, false] {
        let home = TestEnvironment::new();
        let vtl = Vtl::start(&home, if json { &["--json"] } else { &[] });
        let environment = configured(vtl.portal(), INITIATOR, None);
        environment.run(&["-reipliscsiop"]).assert_status(0);
        environment
            .run(&["library", "mount", "TAPMLB01", "VOL002"])
            .assert_status(0);
        environment
            .run(&["library", "export", "TAPMLB01", "VOL002"])
            .assert_status(0);
        let (_, lines) = vtl.stop_and_read();
        if json {
            schema::assert_documents(&lines.join("\n"));
            let documents = lines.iter().map(|line| serde_json::from_str(line).unwrap());
            let moved: Vec<Value> = documents
                .filter(|line: &Value| line["event"] == "moved")
                .collect();
            let way = |line: &Value| json!([line["volume"], line["from"], line["to"]]);
            let drive = json!({"address": 257, "type": "drive"});
            assert_eq!(
                moved.iter().map(way).collect::<Vec<_>>(),
                [
                    json!(["VOL002L8", {"address": 1026, "type": "storage"}, drive]),
                    json!(["VOL002L8", drive, {"address": 769, "type": "import_export"}]),
                ]
            );
            for line in &moved {
                assert_eq!(line["initiator_name"], INITIATOR, "{line:#}");
                assert_eq!(line["target_name"], NAME, "{line:#}");
                assert_eq!(line["address"], Value::Null, "{line:#}");
            }
        } else {
            let moved = lines.iter().filter_map(|line| line.split_once('Z'));
            let moved: Vec<_> = moved
                .map(|(_, line)| line)
                .filter(|line| line.contains(" moved "))
                .collect();
            assert_eq!(
                moved,
                [
                    format!(
                        " {INITIATOR} - moved VOL002L8 from storage element 1026 to data transfer element 257"
                    ),
                    format!(
                        " {INITIATOR} - moved VOL002L8 from data transfer element 257 to import/export element 769"
                    ),
                ]
            );
        }
    }
}

#[test]
fn a_session_too_many_is_told_that_there_are_no_resources() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--max-sessions", "1", "--json"]);
    let held = RawInitiator::login(vtl.port(), NAME);
    let second = configured(vtl.portal(), INITIATOR, None);
    let target = reipl(&second, &[], 4);
    assert_eq!(target["failure"]["login_status"], "0x0302", "{target:#}");
    held.logout();
    reipl(&second, &[], 0);

    let lines: Vec<Value> = (0..5)
        .map(|_| serde_json::from_str(&vtl.login_line()).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| ["event", "result", "login_status", "reason"].map(|field| &line[field]))
        .map(|fields| json!(fields))
        .collect();
    let expected = [
        json!(["login", "accepted", "0x0000", null]),
        json!(["login", "refused", "0x0302", "out-of-resources"]),
        json!(["logout", null, null, null]),
        json!(["login", "accepted", "0x0000", null]),
        json!(["logout", null, null, null]),
    ];
    assert_eq!(events, expected);
    assert_eq!(lines[1]["initiator_name"], INITIATOR);
    assert_eq!(lines[1]["target_name"], NAME);
    assert_eq!(lines[1]["schema"], 1);
    vtl.stop();
}

#[test]
fn every_event_of_a_session_has_a_line() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let message = |line: &str| line.splitn(4, ' ').nth(3).unwrap().to_owned();
    let logged_out = RawInitiator::login(vtl.port(), NAME);
    let first = vtl.line();
    assert_eq!(message(&first), "logged in");
    logged_out.logout();
    let second = vtl.line();
    assert_eq!(message(&second), "logged out");
    // Initiator and address are those of the login.
    let whose = |line: &str| line.split(' ').skip(1).take(2).collect::<String>();
    assert_eq!(whose(&first), whose(&second));

    let lost = RawInitiator::login(vtl.port(), NAME);
    assert_eq!(message(&vtl.line()), "logged in");
    drop(lost);
    assert!(message(&vtl.line()).starts_with("session lost: "));
    let (status, lines) = vtl.stop_and_read();
    assert!(status.success());
    assert!(lines[0].ends_with("Z - - stopping"), "{lines:?}");
}

#[test]
fn a_login_of_the_same_port_takes_the_place_of_its_session() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--max-sessions", "1", "-v"]);
    let mut first = RawInitiator::login(vtl.port(), NAME);
    let second = RawInitiator::login(vtl.port(), NAME);
    assert_eq!(first.hear(), None, "the first connection is closed");
    second.logout();
    assert!(!vtl.login_line().contains("in place of"));
    assert!(
        vtl.login_line()
            .ends_with("logged in, in place of its earlier session")
    );
    vtl.signal(Signal::TERM);
    let (status, stderr) = vtl.wait();
    assert!(status.success());
    assert!(
        stderr.contains("session replaced by a new login"),
        "{stderr}"
    );
    assert!(stderr.contains("logged out"), "{stderr}");
}

#[test]
fn digests_are_used_as_both_sides_agree() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        for (header, data) in [("CRC32C", "None"), ("None", "CRC32C"), ("CRC32C", "CRC32C")] {
            let environment = TestEnvironment::new();
            let options = [
                "--listen",
                listen,
                "--header-digest",
                header,
                "--data-digest",
                data,
            ];
            let vtl = Vtl::start(&environment, &options);
            let target = reipl(&configured(vtl.portal(), INITIATOR, None), &[], 0);
            assert_eq!(target["session"]["header_digest"], header, "{target:#}");
            assert_eq!(target["session"]["data_digest"], data, "{target:#}");
            assert_eq!(
                target["libraries"][0]["drives"][0],
                drive(1, None),
                "{target:#}"
            );
        }
    }
}

#[test]
fn a_signal_asks_for_logout_drops_who_stays_and_ends_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let environment = TestEnvironment::new();
        let vtl = Vtl::start(&environment, &[]);
        let mut held = RawInitiator::login(vtl.port(), NAME);
        let port = vtl.port();
        vtl.signal(signal);
        let asked = held.hear().expect("an Async Message");
        assert_eq!(
            (asked[0] & 0x3f, asked[36]),
            (ASYNC_MESSAGE, 1),
            "requests logout"
        );
        let dropped = held.hear().expect("a second Async Message");
        assert_eq!(
            (dropped[0] & 0x3f, dropped[36]),
            (ASYNC_MESSAGE, 2),
            "drops the connection"
        );
        assert_eq!(held.hear(), None);
        let (status, stderr) = vtl.wait();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn who_logs_out_in_time_does_not_hold_the_end_up() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let mut held = RawInitiator::login(vtl.port(), NAME);
    vtl.signal(Signal::TERM);
    held.hear().expect("an Async Message");
    held.logout();
    assert!(vtl.wait().0.success());
}

#[test]
fn a_media_directory_keeps_what_is_where_and_is_used_by_one_library() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let options = ["--media-dir", media.to_str().unwrap(), "--cartridges", "3"];
    let vtl = Vtl::start(&environment, &options);
    let mut initiator = RawInitiator::login(vtl.port(), NAME);
    // The first storage slot is element 1025, the second drive element 258.
    initiator.move_medium(0, 1025, 258);
    initiator.logout();

    let mut arguments = vec!["vtl", "--listen", "127.0.0.1:0"];
    arguments.extend(options);
    environment
        .run(&arguments)
        .assert_status(3)
        .says(&[
            "media directory",
            "in use",
            &format!("process {}", vtl.id()),
        ])
        .hints(&["--media-dir"]);
    vtl.stop();

    let vtl = Vtl::start(&environment, &options);
    let target = reipl(&configured(vtl.portal(), INITIATOR, None), &[], 0);
    assert_eq!(
        target["libraries"][0]["drives"][1],
        drive(2, Some("VOL001L8")),
        "{target:#}"
    );
    assert!(media.join("VOL001L8.tap").exists());
}

#[test]
fn a_killed_library_comes_back_at_once_on_the_same_port() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let options = ["--media-dir", media.to_str().unwrap()];
    let vtl = Vtl::start(&environment, &options);
    let portal = vtl.portal();
    let client = configured(portal, INITIATOR, None);
    reipl(&client, &[], 0);
    let _held = RawInitiator::login(vtl.port(), NAME);
    vtl.signal(Signal::KILL);
    let _ = vtl.wait();

    let listen = portal.to_string();
    let vtl = Vtl::start(
        &environment,
        &[&options[..], &["--listen", &listen]].concat(),
    );
    assert_eq!(vtl.portal(), portal);
    let target = reipl(&client, &[], 0);
    assert_eq!(
        target["libraries"][0]["drives"][0],
        drive(1, None),
        "{target:#}"
    );
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let environment = TestEnvironment::new();
    for mode in [0o640, 0o604, 0o620] {
        let file = secret_file(&environment, SECRET, mode);
        let file = file.to_str().unwrap();
        environment
            .run(&[
                "vtl",
                "--listen",
                "127.0.0.1:0",
                "--chap-name",
                CHAP_NAME,
                "--chap-secret-file",
                file,
            ])
            .assert_status(3)
            .says(&[&format!("has mode {mode:04o}")])
            .hints(&["chmod 600"]);
    }
}

#[test]
fn an_address_in_use_is_told_before_anything_is_served() {
    let environment = TestEnvironment::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = environment
        .run(&["vtl", "--listen", &address])
        .assert_status(3);
    assert_eq!(output.stdout, "");
    output
        .says(&[&format!("cannot listen on {address}"), "in use"])
        .hints(&["--listen"]);
}

#[test]
fn what_is_no_login_is_closed_and_listed_unless_it_says_nothing() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--timeout", "3"]);
    drop(TcpStream::connect(vtl.portal()).unwrap());
    let mut stranger = TcpStream::connect(vtl.portal()).unwrap();
    stranger.write_all(&[b'G'; 64]).unwrap();
    let mut answer = Vec::new();
    let _ = stranger.read_to_end(&mut answer);
    let line = vtl.login_line();
    assert!(line.contains(" - 127.0.0.1:"), "{line}");
    assert!(line.is_ascii(), "{line}");
    reipl(&configured(vtl.portal(), INITIATOR, None), &[], 0);
    vtl.stop();
}

#[test]
fn a_reader_that_stops_reading_does_not_hold_the_library_up() {
    let environment = TestEnvironment::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = environment.command();
    command.args(["vtl", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(writer).spawn().unwrap();
    drop(command);
    let mut first = [0; 128];
    let length = reader.read(&mut first).unwrap();
    let first = String::from_utf8_lossy(&first[..length]).into_owned();
    let portal: SocketAddr = first
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // Some 100 bytes for each, more than a pipe holds.
    for _ in 0..1200 {
        RawInitiator::login(portal.port(), NAME).logout();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    wait_until(|| child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Returns a command for the demonstration with a temporary directory of its own.
fn demo(environment: &TestEnvironment) -> (Command, PathBuf) {
    let temporary = environment.home().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = environment.command();
    command.arg("demo").env("TMPDIR", &temporary);
    (command, temporary)
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "it takes long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_empty(directory: &PathBuf) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn the_demonstration_does_the_main_job_and_leaves_nothing_behind() {
    let environment = TestEnvironment::new();
    let (command, temporary) = demo(&environment);
    let output = environment.finish(command).assert_status(0);
    let typed: Vec<&str> = output
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("$ iscsiswiconfig "))
        .collect();
    let port = typed[4].rsplit(' ').next().unwrap();
    let expected = [
        "-newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.chap",
        "-newname -targethostname 127.0.0.1",
        "-newname -initiatorchapname SOMECHAPNAME",
        "-newname -initiatorchapsecret SOMECHAPSECRET",
        &format!("-setport -targetport {port}"),
        "-commit",
        "-dumptargets",
        "-reipliscsiop",
        "-dumptargets",
    ];
    assert_eq!(typed, expected);
    let (before, after) = output
        .stdout
        .split_once("$ iscsiswiconfig -reipliscsiop")
        .unwrap();
    assert!(before.contains("No iSCSI target is active."), "{before}");
    assert!(before.contains("quirk"), "{before}");
    for line in [
        "  Status at last IPL  . . . . . . . . . :  CONNECTED",
        "  Authentication  . . . . . . . . . . . :  CHAP (MD5)",
        "  Tape library TAPMLB01",
        "    Type-model  . . . . . . . . . . . . :  3584-403",
        "    Tape drive TAP02",
        "      Element address . . . . . . . . . :  258",
    ] {
        assert_eq!(
            after.lines().filter(|shown| *shown == line).count(),
            2,
            "{line}: {after}"
        );
    }
    assert!(is_empty(&temporary));
    assert!(
        environment.state_listing().is_empty(),
        "the user's own state is not touched"
    );
    let portal = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    assert!(
        TcpStream::connect(portal).is_err(),
        "nothing listens on the port"
    );
}

#[test]
fn an_interrupted_demonstration_cleans_up() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let environment = TestEnvironment::new();
        let (mut command, temporary) = demo(&environment);
        // A pipe that is full but for a page holds the demonstration up in the middle.
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[b'.'; 60 * 1024]).unwrap();
        let mut child = command
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(command);
        // The thread that serves the library begins when signals are heeded, and a signal ends it.
        let serves = || {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
            tasks.flatten().any(|task| {
                let name = fs::read_to_string(task.path().join("comm"));
                name.is_ok_and(|name| name.trim_end() == "vtl")
            })
        };
        wait_until(|| serves() && !is_empty(&temporary));
        kill_process(Pid::from_child(&child), signal).unwrap();
        wait_until(|| !serves());
        let mut output = Vec::new();
        reader.read_to_end(&mut output).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(!String::from_utf8_lossy(&output).contains("That is all"));
        assert!(is_empty(&temporary));
    }
}
