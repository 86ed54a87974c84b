//! A resident IOP, started and ended by a test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::TestEnvironment;

/// No event, and not its end, is waited for any longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// An `iop run` that is ready; dropped before its end, it is killed.
#[derive(Debug)]
pub struct Iop {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Iop {
    /// Starts an IOP and waits until its first re-IPL is done. `arguments` are host options and those of `iop run`.
    #[must_use]
    pub fn start(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        Self::start_by(environment.command(), arguments)
    }

    /// As [`Iop::start`], by another command of the environment.
    #[must_use]
    pub fn start_by(command: Command, arguments: &[&str]) -> Self {
        let mut iop = Self::spawn(command, arguments);
        iop.event("ready");
        iop
    }

    /// As [`Iop::start_by`], without waiting for anything.
    #[must_use]
    pub fn spawn(mut command: Command, arguments: &[&str]) -> Self {
        command.args(["--json", "iop", "run"]).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the IOP");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("its stdout");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if sender.send(line.expect("a line of stdout")).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("its stderr");
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("read its stderr");
            text
        });
        Self {
            child,
            lines,
            stderr: Some(stderr),
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next event of that name, and returns its document; those before it are passed over.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true)
    }

    /// As [`Iop::event`], for the next one of that name that is as wanted.
    #[track_caller]
    pub fn event_where(&mut self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        let mut passed = Vec::new();
        loop {
            let left = TIMEOUT.saturating_sub(started.elapsed());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("no {name}, but {passed:#?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    let stderr = self.stderr.take().map(JoinHandle::join);
                    panic!("it ended ({status:?}) before {name}: {stderr:?}, {passed:#?}");
                }
            };
            let event: Value = serde_json::from_str(&line).expect("a JSON line");
            if event["event"] == name && is_wanted(&event) {
                return event;
            }
            passed.push(line);
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send a signal");
    }

    /// Waits for the end; returns the status and what it said on stderr.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the IOP") {
                break status;
            }
            assert!(started.elapsed() < TIMEOUT, "the IOP does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let stderr = self.stderr.take().expect("waited for once");
        (status, stderr.join().expect("its stderr"))
    }

    /// Ends it as a user does, and expects status 0.
    #[track_caller]
    pub fn stop(self) {
        self.signal(Signal::TERM);
        let (status, stderr) = self.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
    }

    /// Ends it as a user does, expects status 0, and returns the events that were not looked at before.
    #[track_caller]
    pub fn stop_and_read(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        let mut events = Vec::new();
        // The end of its stdout.
        while let Ok(line) = self.lines.recv_timeout(TIMEOUT) {
            events.push(serde_json::from_str(&line).expect("a JSON line"));
        }
        let status = self.child.wait().expect("wait for the IOP");
        let stderr = self.stderr.take().expect("waited for once").join();
        assert_eq!(status.code(), Some(0), "{stderr:?}");
        events
    }

    /// Returns how many files it has open, to root.
    #[cfg(feature = "peers")]
    #[must_use]
    pub fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.id()));
        files.expect("its open files").count()
    }

    /// Returns how many KiB of memory are its own: without the pages of files, such as the program.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.status_field("VmRSS:") - self.status_field("RssFile:")
    }

    /// Returns how often it was woken: its voluntary context switches.
    #[must_use]
    pub fn wake_ups(&self) -> u64 {
        self.status_field("voluntary_ctxt_switches:")
    }

    /// Returns a number of /proc/PID/status.
    fn status_field(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Iop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
