//! Secrets in memory: no core dump holds one, and a passphrase that takes more memory than there is is no crash.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use crate::common::TestEnvironment;

const NOBODY: u32 = 65534;

/// A bound for a broken program; a process makes itself ready in a moment.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Less than scrypt takes for an export, and more than the program itself.
const KIBIBYTES: u32 = 120_000;

fn put(environment: &TestEnvironment, name: &str, text: &str) {
    let file = environment.home().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_passphrase_that_takes_more_memory_than_there_is_is_an_error_and_changes_nothing() {
    let environment = TestEnvironment::new();
    put(&environment, "passphrase", "a passphrase");
    environment
        .run_line("partition set --keystore-size 4096")
        .assert_status(0);
    environment
        .run_line("partition export there.age --passphrase-file passphrase")
        .assert_status(0);
    let before = environment.snapshot();
    for call in [
        "partition export new.age --passphrase-file passphrase",
        "partition import there.age --passphrase-file passphrase",
    ] {
        let limited = |words: &str| {
            let line = format!("ulimit -v {KIBIBYTES} && exec iscsiswiconfig {words}");
            let mut shell = environment.command_of(Path::new("sh"));
            shell.args(["-c", &line]);
            environment.finish(shell)
        };
        // It is scrypt that the limit is too low for.
        limited("partition").assert_status(0);
        let output = limited(&format!("--json {call}"))
            .assert_status(3)
            .says(&["128 MiB of memory"])
            .hints(&["ulimit -v"]);
        assert_eq!(output.json()["error"]["code"], "no-resources");
        assert!(!environment.home().join("new.age").exists());
        assert_eq!(environment.snapshot(), before);
    }
}

/// A process that waits for a secret; killed when dropped.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files in /proc of a process that is not dumpable are root's, whoever runs it (proc(5)).
#[test]
fn a_process_that_waits_for_a_secret_makes_no_core_dump() {
    let identity = "-initiatorname x -targethostname 127.0.0.1 -targetname y";
    let chap = "-initiatorchapname N -initiatorchapsecret";
    let environment = TestEnvironment::new();
    let copy = environment.copy_of_binary();
    put(&environment, "there.age", "no export");
    if geteuid().is_root() {
        for path in [environment.home(), &environment.home().join("there.age")] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    for call in [
        format!("--secret-file - -addtarget {identity} {chap}"),
        format!("--secret-file - -changetarget {identity} {chap}"),
        "--secret-file - -newname -initiatorchapsecret".to_owned(),
        "--secret-file - -appendname -initiatorchapsecret".to_owned(),
        "apply -".to_owned(),
        "partition export new.age --passphrase-file -".to_owned(),
        "partition import there.age --passphrase-file -".to_owned(),
    ] {
        let mut command = environment.command_of(&copy);
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
            .args(call.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = Waiting(command.spawn().unwrap());
        let proc = |file: &str| format!("/proc/{}/{file}", process.0.id());
        let started = Instant::now();
        // It is its user's until it has begun.
        while fs::metadata(proc("environ")).unwrap().uid() != 0 {
            assert!(started.elapsed() < LONGEST_WAIT, "{call}");
            thread::sleep(Duration::from_millis(1));
        }
        let limits = fs::read_to_string(proc("limits")).unwrap();
        let core = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max core file size"))
            .unwrap();
        let core: Vec<&str> = core.split_whitespace().take(2).collect();
        assert_eq!(core, ["0", "0"], "{call}");
        assert!(process.0.try_wait().unwrap().is_none(), "{call}");
    }
}
