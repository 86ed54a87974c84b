//! The process that serves and the one that re-IPLs: with a stderr that is not read, and out of the reach of core dumps.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{INITIATOR, configured};
use crate::common::TestEnvironment;
use crate::peers::vtl::Vtl;

const NOBODY: u32 = 65534;

/// Nothing here takes longer on a machine that is not ill.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a pipe that takes no byte more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while writer.write(b"x").map_err(|error| error.kind()) != Err(ErrorKind::WouldBlock) {}
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

fn wait(mut child: Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > TIMEOUT {
            child.kill().unwrap();
            panic!("the process does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stderr_that_is_not_read_stops_neither_a_library_nor_a_command() {
    let home = TestEnvironment::new();
    let (_unread, stderr) = full_pipe();
    let mut library = home
        .command()
        .args(["-vv", "vtl", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(library.stdout.take().unwrap()).lines();
    let ready = lines.next().unwrap().unwrap();
    let portal = ready.rsplit(' ').next().unwrap().parse().unwrap();

    let environment = configured(portal, INITIATOR, None);
    let (_unread_too, stderr) = full_pipe();
    let re_ipl = environment
        .command()
        .args(["-vv", "-reipliscsiop"])
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    assert_eq!(wait(re_ipl).code(), Some(0));
    // Its lock is free, and the library served it and serves on.
    environment.run(&["-reipliscsiop"]).assert_status(0);
    let commands: [&[&str]; 4] = [
        &["library"],
        &["tape", "status", "TAP01"],
        &["library", "mount", "TAPMLB01", "VOL001"],
        &["mtx", "-f", "TAPMLB01", "status"],
    ];
    for command in commands {
        let (_unread, stderr) = full_pipe();
        let command = environment
            .command()
            .arg("-vv")
            .args(command)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        assert_eq!(wait(command).code(), Some(0));
    }

    let failing: [(&[&str], i32); 5] = [
        (&["--state-dir", "/dev/null/state", "show"], 3),
        (&["apply", "/dev/null/targets.json"], 3),
        (&["partition", "import", "/dev/null/credentials"], 3),
        (&["sql", "SELECT"], 2),
        (&["-vv", "rmt"], 0),
    ];
    for (arguments, status) in failing {
        let (_unread, stderr) = full_pipe();
        let mut command = environment
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        // What rmt is asked for; the others ask for nothing, and may have ended.
        let mut requests = command.stdin.take().unwrap();
        let _ = requests.write_all(b"OTAP01\n2\nC\n");
        drop(requests);
        assert_eq!(wait(command).code(), Some(status), "{arguments:?}");
    }

    kill_process(Pid::from_child(&library), Signal::TERM).unwrap();
    assert_eq!(wait(library).code(), Some(0));
}

#[test]
fn no_core_dump_is_made_of_the_process() {
    let environment = TestEnvironment::new();
    let library = Vtl::start(&environment, &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", library.id())).unwrap();
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap();
    let core: Vec<&str> = core.split_whitespace().take(2).collect();
    assert_eq!(core, ["0", "0"]);
    library.stop();
}

/// The files in /proc of a process that is not dumpable are root's, of whatever user it is (proc(5)).
#[test]
fn the_process_is_not_dumpable() {
    let environment = TestEnvironment::new();
    let copy = environment.copy_of_binary();
    let mut command = environment.command_of(&copy);
    if geteuid().is_root() {
        chown(environment.home(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut library = command
        .args(["vtl", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(library.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let owner = fs::metadata(format!("/proc/{}/environ", library.id()))
        .unwrap()
        .uid();
    kill_process(Pid::from_child(&library), Signal::TERM).unwrap();
    assert_eq!(wait(library).code(), Some(0));
    assert_eq!(owner, 0);
}
