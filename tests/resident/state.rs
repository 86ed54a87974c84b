//! State that cannot be written any more, or that is edited, while the IOP runs.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use iscsiswiconfig::vtl::DriveType;

use super::*;
use crate::peers::embedded::{Portal, Target};

/// A user without privileges, for tests that run as root.
const NOBODY: u32 = 65534;

const KEPT: &str = "iqn.2026-11.test:kept";

/// An IOP with two targets, of an ordinary user.
struct Ordinary {
    environment: TestEnvironment,
    program: Option<PathBuf>,
    kept: Portal,
    vtl: Option<Vtl>,
}

impl Ordinary {
    /// Starts the targets; the user is another one than this where this is root, and `is_other` says so.
    fn new(is_other: bool) -> Self {
        let environment = TestEnvironment::new();
        let kept = Portal::serving([Target::new(KEPT).serial("78B0001").library(
            DriveType::Lto8,
            1,
            4,
            2,
        )]);
        let vtl = Vtl::start(&environment, &[]);
        let program = is_other.then(|| environment.copy_of_binary());
        if is_other {
            chown(environment.home(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let ordinary = Self {
            environment,
            program,
            kept,
            vtl: Some(vtl),
        };
        let lost = ordinary.vtl.as_ref().unwrap().port();
        for (name, port) in [(KEPT, ordinary.kept.port()), (NAME, lost)] {
            ordinary
                .run(&format!(
                    "-addtarget -initiatorname *GENERATE -targethostname 127.0.0.1 -targetname {name} -targetport {port}"
                ))
                .assert_status(0);
        }
        ordinary
    }

    fn command(&self) -> Command {
        match &self.program {
            None => self.environment.command(),
            Some(program) => {
                let mut command = self.environment.command_of(program);
                command.uid(NOBODY).gid(NOBODY);
                command
            }
        }
    }

    fn run(&self, line: &str) -> Output {
        let mut command = self.command();
        command.args(line.split_whitespace());
        self.environment.finish(command)
    }

    fn statuses(&self) -> Vec<Value> {
        let document = self.run("--json -dumptargets").assert_status(0).json();
        let targets = document["targets"].as_array().unwrap().iter();
        targets.map(|target| target["status"].clone()).collect()
    }
}

/// An IOP goes on while `deny` has the state directory denied to it, and writes what it could not when it ends behind `allow`.
fn goes_on(mut of: Ordinary, reason: &str, deny: impl FnOnce(&Path), allow: impl FnOnce(&Path)) {
    let mut iop = Iop::start_by(of.command(), &[]);
    deny(&of.environment.state());
    of.vtl = None;
    assert_eq!(iop.event("lost")["target_name"], NAME);
    let told = iop.event("state-failed");
    assert!(
        told["message"].as_str().unwrap().contains("state"),
        "{told:#}"
    );
    assert_eq!(of.statuses(), ["CONNECTED", "LOST"]);
    let status = of.run("--json iop status").assert_status(0).json();
    assert_eq!(status["targets"][1]["status"], "LOST");

    // The other session goes on, and so do its jobs.
    let bytes = pattern(1, 300_000);
    let input = of.environment.home().join("in");
    fs::write(&input, &bytes).unwrap();
    fs::set_permissions(&input, fs::Permissions::from_mode(0o644)).unwrap();
    of.run("tape write TAPMLB01 VOL001 in").assert_status(0);
    of.run("tape read TAPMLB01 VOL001 out").assert_status(0);
    assert!(fs::read(of.environment.home().join("out")).unwrap() == bytes);

    // There is no re-IPL without a record of it, and it ends nothing.
    iop.signal(Signal::HUP);
    let refused = iop.event("re-ipl-refused");
    assert_eq!(refused["reason"], "state-unusable", "{refused:#}");
    of.run("-reipliscsiop").assert_status(3).says(&[reason]);
    of.run("-setport -targetport 3261").assert_status(3);
    of.run("tape status TAPMLB01").assert_status(0);
    assert_eq!(of.statuses(), ["CONNECTED", "LOST"]);

    allow(&of.environment.state());
    iop.stop();
    let document = of.run("--json -dumptargets").assert_status(0).json();
    assert_eq!(document["iop"]["resident"], false);
    assert_eq!(of.statuses(), ["CONNECTED", "LOST"]);
}

#[test]
fn a_state_directory_that_becomes_read_only_is_told_and_nothing_is_lost() {
    let mode = |mode: u32| {
        move |state: &Path| {
            fs::set_permissions(state, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let is_root = rustix::process::geteuid().is_root();
    goes_on(
        Ordinary::new(is_root),
        "Permission denied",
        mode(0o500),
        mode(0o700),
    );
}

/// Nothing but a file system that is read-only keeps root from writing.
#[cfg(feature = "peers")]
#[test]
fn a_read_only_file_system_is_told_to_root_too() {
    let run = |words: &[&str], state: &Path| {
        let done = Command::new(words[0])
            .args(&words[1..])
            .arg(state)
            .status()
            .unwrap();
        assert!(done.success(), "{words:?}");
    };
    goes_on(
        Ordinary::new(false),
        "Read-only file system",
        |state| {
            let path = state.to_str().unwrap();
            run(&["mount", "--bind", path], state);
            run(&["mount", "-o", "remount,bind,ro"], state);
        },
        |state| run(&["umount"], state),
    );
}
