//! The resident IOP against the embedded library, over the network: what it holds, whom it serves, what it leaves behind.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Output as ProcessOutput, Stdio};

use rustix::process::Signal;
use serde_json::Value;

/// What becomes of the commands of a job that dies.
#[path = "resident/aborts.rs"]
mod aborts;
/// `check` while it holds the session with the target.
#[path = "resident/check.rs"]
mod check;
/// `d-mode`, `sql`, and edits while it runs.
#[path = "resident/commands.rs"]
mod commands;
/// What it costs: memory, descriptors, wake-ups.
#[path = "resident/cost.rs"]
mod cost;
/// Jobs by way of it, and how they end.
#[path = "resident/jobs.rs"]
mod jobs;
/// The IOP killed at each phase of a job.
#[path = "resident/kills.rs"]
mod kills;
/// Asynchronous messages of a target.
#[path = "resident/messages.rs"]
mod messages;
/// A peer that vanishes.
#[cfg(feature = "peers")]
#[path = "resident/network.rs"]
mod network;
/// Sessions that are lost, and had again.
#[path = "resident/sessions.rs"]
mod sessions;
/// Signals at each phase.
#[path = "resident/signals.rs"]
mod signals;
/// Peers of the local socket that mean harm.
#[path = "resident/socket.rs"]
mod socket;
/// State that cannot be written any more.
#[path = "resident/state.rs"]
mod state;

/// The same against tgtd.
#[cfg(feature = "peers")]
#[path = "resident/tgtd.rs"]
mod tgtd;

use crate::common::{Output, TestEnvironment};
use crate::peers::interposer::Interposer;
use crate::peers::iop::Iop;
use crate::peers::vtl::{NAME, Vtl};

/// A library that is served, and an IOP that holds a session with it.
struct Held {
    environment: TestEnvironment,
    vtl: Option<Vtl>,
    iop: Option<Iop>,
}

impl Held {
    fn new(of_vtl: &[&str], of_iop: &[&str]) -> Self {
        let environment = TestEnvironment::new();
        let vtl = Vtl::start(&environment, of_vtl);
        let port = vtl.port();
        Self::at(environment, vtl, port, of_iop)
    }

    /// Starts the IOP for a library that is reached at this port.
    fn at(environment: TestEnvironment, vtl: Vtl, port: u16, of_iop: &[&str]) -> Self {
        environment.add(NAME, "127.0.0.1", port);
        let iop = Iop::start(&environment, of_iop);
        Self {
            environment,
            vtl: Some(vtl),
            iop: Some(iop),
        }
    }

    /// As [`Held::new`], with a relay that knows PDUs between the two.
    fn behind_interposer(of_vtl: &[&str], of_iop: &[&str]) -> (Self, Interposer) {
        let environment = TestEnvironment::new();
        let vtl = Vtl::start(&environment, of_vtl);
        let interposer = Interposer::start(vtl.port());
        let held = Self::at(environment, vtl, interposer.port(), of_iop);
        (held, interposer)
    }

    fn iop(&mut self) -> &mut Iop {
        self.iop.as_mut().unwrap()
    }

    /// Kills the IOP and waits until it is gone.
    fn kill_iop(&mut self) {
        self.iop().signal(Signal::KILL);
        self.iop.take().unwrap().wait();
    }

    fn vtl(&self) -> &Vtl {
        self.vtl.as_ref().unwrap()
    }

    /// Starts a library again where the first one was.
    fn restart_vtl(&mut self) {
        let portal = self.vtl().portal().to_string();
        self.vtl = None;
        self.vtl = Some(Vtl::start(&self.environment, &["--listen", &portal]));
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.environment.home().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.environment.home().join(name)).unwrap()
    }

    fn run(&self, line: &str) -> Output {
        self.environment.run_line(line)
    }

    /// Returns the only target of `iop status`.
    #[track_caller]
    fn status(&self) -> Value {
        let document = self.run("--json iop status").assert_status(0).json();
        let targets = document["targets"].as_array().unwrap();
        assert_eq!(targets.len(), 1, "{document:#}");
        targets[0].clone()
    }

    /// Returns the only target of `-dumptargets`.
    #[track_caller]
    fn dump(&self) -> Value {
        self.environment.dump()["targets"][0].clone()
    }

    /// Fails unless TAP01 is free at once, what is written to the volume then is what is read, and the session is the one that has
    /// been held `since`.
    #[track_caller]
    fn assert_usable(&self, volume: &str, since: &Value) {
        self.run("--timeout 10 tape rewind TAP01").assert_status(0);
        self.file("in", b"behind the dead");
        self.run(&format!("tape write TAPMLB01 {volume} in --overwrite"))
            .assert_status(0);
        self.run(&format!("tape read TAPMLB01 {volume} out"))
            .assert_status(0);
        assert_eq!(self.read("out"), b"behind the dead");
        let status = self.status();
        assert_eq!(status["status"], "CONNECTED", "{status:#}");
        assert_eq!(status["since"], *since, "{status:#}");
    }

    /// Starts a `tape write` from a pipe.
    fn writer(&self, arguments: &[&str]) -> Writer {
        let mut command = self.environment.command();
        command
            .args(["--json", "--timeout", "600", "tape", "write", "TAPMLB01"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Writer {
            input: child.stdin.take(),
            child: Some(child),
        }
    }
}

/// A `tape write` that takes what a test gives it; killed when dropped.
struct Writer {
    child: Option<Child>,
    input: Option<ChildStdin>,
}

impl Writer {
    fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    fn give(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn kill(&mut self) {
        self.child.as_mut().unwrap().kill().unwrap();
    }

    /// Ends its input and waits for it.
    fn finish(mut self) -> ProcessOutput {
        drop(self.input.take());
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Bytes that repeat nowhere near: a linear congruential sequence.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn one_iop_runs_for_a_state_directory_and_the_next_takes_what_a_kill_left() {
    let mut held = Held::new(&[], &[]);
    let pid = held.iop().id().to_string();
    held.run("--lock-timeout 0 iop run")
        .assert_status(3)
        .says(&[&pid]);
    let socket = held.environment.state_file("iop.sock");
    assert!(socket.exists());
    held.kill_iop();
    assert!(socket.exists(), "a kill leaves it");
    held.run("iop status").assert_status(1);
    assert_eq!(held.dump()["status"], "CONNECTED");

    held.iop = Some(Iop::start(&held.environment, &[]));
    assert_eq!(held.status()["status"], "CONNECTED");
    held.run("iop stop").assert_status(0);
    let (status, stderr) = held.iop.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(!socket.exists());
    held.run("iop stop").assert_status(1);
}

#[test]
fn an_iop_that_does_not_answer_is_named_and_one_that_is_stopped_leaves_the_jobs_to_themselves() {
    let mut held = Held::new(&[], &[]);
    let pid = held.iop().id().to_string();
    held.iop().signal(Signal::STOP);
    for line in [
        "--timeout 1 iop status",
        "--timeout 1 -dumptargets",
        "--timeout 1 -reipliscsiop",
        "--timeout 1 tape status TAPMLB01",
    ] {
        held.run(line).assert_status(3).says(&[&pid]);
    }
    // Edits need no IOP.
    held.run("-setport -targetport 3261").assert_status(0);
    held.iop().signal(Signal::CONT);
    held.run("tape status TAPMLB01").assert_status(0);
    held.iop.take().unwrap().stop();
    held.run("tape status TAPMLB01").assert_status(0);
}

#[test]
fn a_state_directory_that_is_removed_is_told_and_ends_nothing() {
    let mut held = Held::new(&[], &[]);
    fs::remove_dir_all(held.environment.state()).unwrap();
    held.vtl = None;
    held.iop().event("lost");
    held.iop().event("state-failed");
    held.iop().signal(Signal::HUP);
    let refused = held.iop().event("re-ipl-refused");
    assert_eq!(refused["reason"], "state-unusable", "{refused:#}");
    assert!(!held.environment.state().exists(), "it is not made anew");
    held.iop.take().unwrap().stop();
}

#[test]
fn requests_of_another_version_or_of_none_are_refused_with_the_version() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;
    let held = Held::new(&[], &[]);
    for request in [
        r#"{"version":"0.0.1","content":{"request":"stop"}}"#,
        r#"{"version":"none"}"#,
        "what?",
    ] {
        let mut socket = UnixStream::connect(held.environment.state_file("iop.sock")).unwrap();
        writeln!(socket, "{request}").unwrap();
        let mut answer = String::new();
        BufReader::new(&socket).read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["content"]["answer"], "not-understood", "{request}");
        assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(held.status()["status"], "CONNECTED");
}

#[test]
fn an_iop_of_another_version_is_refused_with_both() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    let environment = TestEnvironment::new();
    let _ = environment.run(
        "-setport -targetport 3260"
            .split(' ')
            .collect::<Vec<_>>()
            .as_slice(),
    );
    let lock = File::create(environment.state_file("iop.lock")).unwrap();
    fs::set_permissions(
        environment.state_file("iop.lock"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let socket = UnixListener::bind(environment.state_file("iop.sock")).unwrap();
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut client, _) = socket.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&client).read_line(&mut request).unwrap();
            assert!(request.contains(env!("CARGO_PKG_VERSION")));
            writeln!(
                client,
                r#"{{"version":"9.9.9","content":{{"answer":"sing"}}}}"#
            )
            .unwrap();
        }
    });
    for line in ["iop status", "-dumptargets"] {
        environment
            .run_line(line)
            .assert_status(3)
            .says(&["9.9.9", env!("CARGO_PKG_VERSION")]);
    }
    served.join().unwrap();
}

/// Only root can have another user connect: the socket is its owner's in a directory of its owner's.
#[cfg(feature = "peers")]
#[test]
fn a_peer_of_another_user_is_turned_away() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let mut held = Held::new(&[], &[]);
    // As a mistake of its administrator would have it.
    for path in [
        held.environment.home().to_owned(),
        held.environment.state(),
        held.environment.state_file("iop.sock"),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let script = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{}'); print(s.recv(4096).decode())",
        held.environment.state_file("iop.sock").display()
    );
    let output = std::process::Command::new("python3")
        .args(["-c", &script])
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("denied"), "{answer}");
    assert_eq!(held.iop().event("peer-refused")["uid"], 65534);
    // What belongs to root is not to be used by others.
    fs::set_permissions(held.environment.state(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(held.status()["status"], "CONNECTED");
}

#[test]
fn signals_re_ipl_and_end_it() {
    let mut held = Held::new(&[], &[]);
    held.iop().signal(Signal::HUP);
    assert_eq!(held.iop().event("re-ipl-ended")["connected"], 1);
    let report = held.environment.reipl(0);
    assert_eq!(report["iop"]["ipl_count"], 3);
    assert_eq!(report["iop"]["resident"], true);
    held.iop().signal(Signal::INT);
    let (status, stderr) = held.iop.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let report = held.environment.reipl(0);
    assert_eq!(report["iop"]["ipl_count"], 4);
    assert_eq!(report["iop"]["resident"], false);
}
