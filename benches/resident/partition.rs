//! A partition: a state directory with targets, and the resident IOP that runs for it, if one does.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::measure;

/// The partition's files, in memory.
pub struct Partition {
    directory: TempDir,
    iop: Option<Iop>,
}

/// A process that is killed when this is dropped.
struct Iop {
    process: Child,
    /// Kept open: whoever cannot tell its events ends.
    _events: BufReader<std::process::ChildStdout>,
}

impl Partition {
    /// Configures the targets at these portals, each with an initiator name of its own that begins with `initiator`, and re-IPLs: in
    /// an IOP that stays where it `is_resident`.
    pub fn new(initiator: &str, targets: &[(SocketAddr, &str)], is_resident: bool) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("resident-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in("/dev/shm")
            .expect("a directory in memory");
        let mut partition = Self {
            directory,
            iop: None,
        };
        let targets = targets.iter().enumerate().map(|(number, (portal, name))| {
            json!({
                "target_name": name, "target_host_name": portal.ip(), "target_port": portal.port(),
                "initiator_name": format!("iqn.2026-11.internal.iscsiswiconfig:{initiator}.{number}"),
            })
        });
        let document = json!({"schema": 1, "targets": targets.collect::<Vec<_>>()});
        let file = partition.directory.path().join("targets.json");
        fs::write(&file, document.to_string()).expect("write a file");
        let file = file.to_str().expect("a path of ASCII");
        measure::output(&mut partition.command(&["-q", "apply", file]));
        if is_resident {
            partition.iop = Some(Iop::start(partition.command(&["--json", "iop", "run"])));
        } else {
            measure::output(&mut partition.command(&["-reipliscsiop"]));
        }
        partition
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Returns a command line of the program.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"));
        command
            .env("ISCSISWICONFIG_STATE_DIR", self.state())
            .args(arguments);
        command
    }

    /// Returns what the IOP has used so far.
    ///
    /// # Panics
    /// When there is none.
    pub fn usage(&self) -> Usage {
        let iop = self.iop.as_ref().expect("an IOP");
        Usage::of(iop.process.id())
    }
}

impl Iop {
    /// Starts it and waits until its re-IPL is done.
    fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the IOP");
        let mut events = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut ready = String::new();
        events.read_line(&mut ready).expect("an event");
        assert!(ready.contains("\"ready\""), "{ready}");
        Self {
            process,
            _events: events,
        }
    }
}

impl Drop for Iop {
    fn drop(&mut self) {
        // Nothing of it is to be kept.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What all threads of a process have used since it began.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    /// In user mode and in the kernel.
    pub processor: Duration,
    /// How often they waited for something and were woken.
    pub wakings: u64,
}

impl Usage {
    fn of(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
        threads.fold(Self::default(), |sum, thread| {
            let thread = thread.expect("a thread").path();
            Self {
                processor: sum.processor + measure::processor_time(&thread),
                wakings: sum.wakings + wakings(&thread),
            }
        })
    }
}

fn wakings(thread: &Path) -> u64 {
    let status = fs::read_to_string(thread.join("status")).expect("a thread");
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("a count").trim().parse().expect("a number")
}
