//! The binary's own virtual tape library, started and ended by a test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::TestEnvironment;

/// The target name when a test gives none.
pub const NAME: &str = "iqn.2026-11.internal.iscsiswiconfig:vtl";

/// No line of the library, and not its end, is waited for any longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A `vtl` that is ready; dropped before its end, it is killed.
#[derive(Debug)]
pub struct Vtl {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    ready: String,
    portal: SocketAddr,
}

impl Vtl {
    /// Starts a library on a free port of 127.0.0.1 unless the arguments say where to listen, and waits until it is ready.
    #[must_use]
    pub fn start(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        Self::start_by(environment.command(), arguments)
    }

    /// As [`Vtl::start`], in a process that may have so many files open.
    #[must_use]
    pub fn start_with_open_files(
        environment: &TestEnvironment,
        limit: u32,
        arguments: &[&str],
    ) -> Self {
        let mut command = environment.command_of(Path::new("/bin/sh"));
        let line = format!("ulimit -n {limit} && exec iscsiswiconfig \"$@\"");
        command.args(["-c", &line, "sh"]);
        Self::start_by(command, arguments)
    }

    /// As [`Vtl::start`], by another command of the environment.
    #[must_use]
    pub fn start_by(mut command: Command, arguments: &[&str]) -> Self {
        command.arg("vtl").args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the library");
        let lines = read_lines(child.stdout.take().expect("its stdout"));
        let mut stderr = child.stderr.take().expect("its stderr");
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("read its stderr");
            text
        });
        let Ok(ready) = lines.recv_timeout(TIMEOUT) else {
            let status = child.wait();
            panic!("no ready line, {status:?}: {}", stderr.join().unwrap());
        };
        let portal = ready
            .trim_end_matches("\"}")
            .rsplit([' ', '"'])
            .next()
            .and_then(|portal| portal.parse().ok())
            .unwrap_or_else(|| panic!("no portal in {ready:?}"));
        Self {
            child,
            lines,
            stderr: Some(stderr),
            ready,
            portal,
        }
    }

    /// Returns the first line that it printed.
    #[must_use]
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Returns where it serves.
    #[must_use]
    pub fn portal(&self) -> SocketAddr {
        self.portal
    }

    /// Returns the port that it serves on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.portal.port()
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line about a login; with `--json`, the next line.
    #[track_caller]
    #[must_use]
    pub fn login_line(&self) -> String {
        let ended = |line: &str| {
            let message = line.splitn(4, ' ').nth(3).unwrap_or_default();
            message == "logged out" || message.starts_with("session ")
        };
        loop {
            let line = self.line();
            if line.starts_with('{') || !ended(&line) {
                return line;
            }
        }
    }

    /// Returns the next line.
    #[track_caller]
    #[must_use]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("a line")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("send a signal");
    }

    /// Waits for the end; returns the status and what it said on stderr.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the library") {
                break status;
            }
            assert!(started.elapsed() < TIMEOUT, "the library does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let stderr = self.stderr.take().expect("waited for once");
        (status, stderr.join().expect("its stderr"))
    }

    /// Ends it as a user does; returns the status and the lines that were not read before.
    pub fn stop_and_read(self) -> (ExitStatus, Vec<String>) {
        self.signal(Signal::TERM);
        let mut lines = Vec::new();
        // The end of its stdout.
        while let Ok(line) = self.lines.recv_timeout(TIMEOUT) {
            lines.push(line);
        }
        (self.wait().0, lines)
    }

    /// Ends it as a user does, and expects status 0.
    pub fn stop(self) {
        self.signal(Signal::TERM);
        let (status, stderr) = self.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
    }
}

impl Drop for Vtl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line.expect("a line of stdout")).is_err() {
                break;
            }
        }
    });
    lines
}
