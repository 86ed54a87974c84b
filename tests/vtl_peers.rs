//! The embedded library against initiators that share no code with it: libiscsi's tools and its conformance suite,
//! small programs on libiscsi, tshark; and its fault settings against our own initiator.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::common::TestEnvironment;

/// What a drive and the changer answer to commands that go wrong, or that meet marks and ends.
#[path = "vtl_peers/conditions.rs"]
mod conditions;
/// What libiscsi's conformance suite finds.
#[path = "vtl_peers/conformance_suite.rs"]
mod conformance_suite;
/// The fault settings of the library, each with what the initiator makes of it.
#[path = "vtl_peers/faults.rs"]
mod faults;
/// Identity and inventory byte for byte, as libiscsi gets them.
#[path = "vtl_peers/identity.rs"]
mod identity;
/// `mtx` beside the real mtx, and under Bacula's changer script.
#[path = "vtl_peers/mtx.rs"]
mod mtx;
/// Mutual CHAP with libiscsi, and what it says on the wire.
#[path = "vtl_peers/mutual_chap.rs"]
mod mutual_chap;
/// A tape written and read back by a program on libiscsi, and its bytes on the medium.
#[path = "vtl_peers/tape.rs"]
mod tape;

const TARGET: &str = "iqn.2026-11.test:vtl";
const CHANGER: u16 = 0;
const FIRST_SLOT: u16 = 0x0401;
const FIRST_DRIVE: u16 = 0x0101;

/// A library that the binary serves on a free port of 127.0.0.1, killed when this value is dropped.
#[derive(Debug)]
struct Served {
    process: Child,
    port: u16,
}

impl Served {
    /// Starts `vtl` with more arguments and returns when it is ready.
    fn start(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        let mut command = environment.command();
        command
            .args(["vtl", "--listen", "127.0.0.1:0", "--target-name", TARGET])
            .args(arguments)
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("start vtl");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut ready = String::new();
        lines.read_line(&mut ready).expect("the ready line");
        let portal = format!("ready: {TARGET} at 127.0.0.1:");
        let port = ready
            .strip_prefix(&portal)
            .and_then(|port| port.trim_end().parse().ok());
        // What it says of logins must not fill the pipe.
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self {
            process,
            port: port.unwrap_or_else(|| panic!("not a ready line: {ready}")),
        }
    }

    /// Returns the address as libiscsi takes it.
    fn portal(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends commands, LUN:CDB:LENGTH or LUN:CDB:>DATA each, and returns a line for each as tests/peers/command.c prints
/// it.
#[track_caller]
fn send(environment: &TestEnvironment, port: u16, digest: &str, asked: &[String]) -> Vec<String> {
    let portal = format!("127.0.0.1:{port}");
    let mut command = environment.command_of(&program("command"));
    command.args([&portal, TARGET, digest]).args(asked);
    let output = environment.finish(command).assert_status(0).silent();
    output.stdout.lines().map(str::to_owned).collect()
}

/// Returns the path of tests/peers/NAME.c made into a program on libiscsi.
pub(crate) fn program(name: &'static str) -> PathBuf {
    compiled(name, &[], &["-liscsi"])
}

/// Returns the path of tests/peers/NAME.c made into a library to be loaded before all others.
fn preload(name: &'static str) -> PathBuf {
    compiled(name, &["-shared", "-fPIC"], &["-liscsi"])
}

/// Compiles tests/peers/NAME.c once. Test processes that run at the same time do not see each other's half-written
/// files.
fn compiled(name: &'static str, options: &[&str], libraries: &[&str]) -> PathBuf {
    static COMPILED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(name);
    let mut all = COMPILED.lock().unwrap();
    if all.contains(name) {
        return path;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{name}.c"));
    let fresh = directory.join(format!("{name}.{}", std::process::id()));
    let output = Command::new("gcc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1"])
        .args(options)
        .arg("-o")
        .args([&fresh, &source])
        .args(libraries)
        .output()
        .expect("run gcc");
    assert!(
        output.status.success(),
        "gcc (the headers are in Debian package libiscsi-dev): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, &path).expect("rename the program");
    all.insert(name);
    path
}
