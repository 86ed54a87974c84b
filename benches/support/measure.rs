//! Running processes and timing them. Sides that are compared take turns, so that what else the machine does hits both.
#![allow(dead_code, reason = "each bench measures in its own ways")]

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions};

/// Turns before the first one that counts.
const WARM_UP: usize = 3;

/// What one run of a process took.
#[derive(Clone, Copy)]
pub struct Run {
    /// From before its start until it was gone.
    pub wall: Duration,
    /// On a processor, in user mode and in the kernel.
    pub cpu: Duration,
}

/// Runs a process to its end.
///
/// # Panics
/// When it fails: what failed is not what was to be measured.
pub fn run(command: &mut Command) -> Run {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_child(&child);
    // The process stays a zombie, whose account can still be read.
    rustix::process::waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .expect("wait for a child");
    let wall = started.elapsed();
    let cpu = processor_time(format!("/proc/{pid}"));
    let status = child.wait().expect("reap a child");
    assert!(status.success(), "{command:?}: {status}");
    Run { wall, cpu }
}

/// Returns how long this thread has run on a processor, in user mode and in the kernel.
pub fn own_processor_time() -> Duration {
    processor_time("/proc/thread-self")
}

/// Returns how long the thread with this directory below /proc has run on a processor, in user mode and in the kernel. The directory
/// of a process is that of its first thread.
pub fn processor_time(thread: impl AsRef<Path>) -> Duration {
    let account = fs::read_to_string(thread.as_ref().join("schedstat"));
    let account = account.expect("schedstat: a kernel with CONFIG_SCHED_INFO");
    let nanoseconds = account.split_whitespace().next().expect("the time run");
    Duration::from_nanos(nanoseconds.parse().expect("nanoseconds"))
}

/// Runs a process to its end and returns what it wrote to stdout.
///
/// # Panics
/// When it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the most memory that a process had resident, in KiB. `file` is written on the way.
pub fn peak_memory(command: &Command, file: &Path) -> u64 {
    let mut timed = wrapped("time", &["--format=%M", "--output"], file, command);
    output(&mut timed);
    let text = fs::read_to_string(file).expect("what time(1) wrote");
    text.trim().parse().expect("KiB")
}

/// Returns how many threads and processes a process started and how many event queues, such as a runtime has, it made.
/// `file` is written on the way.
pub fn threads_and_runtimes(command: &Command, file: &Path) -> usize {
    let calls = "trace=clone,clone3,fork,vfork,epoll_create,epoll_create1,io_uring_setup";
    let options = [
        "-f",
        "-qq",
        "--signal=none",
        "--seccomp-bpf",
        "-e",
        calls,
        "-o",
    ];
    output(&mut wrapped("strace", &options, file, command));
    let text = fs::read_to_string(file).expect("what strace wrote");
    text.lines().count()
}

fn wrapped(program: &str, options: &[&str], file: &Path, command: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(options).arg(file).arg(command.get_program());
    wrapped.args(command.get_args());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    wrapped
}

/// Lets the sides take `rounds` turns each, and returns what each of them took, in their order.
pub fn in_turn<const N: usize>(
    rounds: usize,
    mut sides: [&mut dyn FnMut() -> Duration; N],
) -> [Summary; N] {
    let mut taken = [const { Vec::new() }; N];
    for round in 0..WARM_UP + rounds {
        for (side, taken) in sides.iter_mut().zip(&mut taken) {
            let took = side();
            if round >= WARM_UP {
                taken.push(took);
            }
        }
    }
    taken.map(Summary::of)
}

/// What a number of runs took.
#[derive(Clone, Copy)]
pub struct Summary {
    pub median: Duration,
    min: Duration,
    max: Duration,
}

impl Summary {
    /// Sums up at least one run.
    pub fn of(mut taken: Vec<Duration>) -> Self {
        taken.sort_unstable();
        Self {
            median: taken[taken.len() / 2],
            min: taken[0],
            max: taken[taken.len() - 1],
        }
    }

    /// Returns how fast so many bytes went in each of the runs, in 10^6 bytes per second: median, lowest and highest.
    pub fn rate(self, bytes: usize) -> String {
        let rate = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
        format!(
            "{:.0} MB/s ({:.0}-{:.0})",
            rate(self.median),
            rate(self.max),
            rate(self.min)
        )
    }

    /// Returns how many times the other's median this one's is.
    pub fn ratio(self, other: Self) -> f64 {
        self.median.as_secs_f64() / other.median.as_secs_f64()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{} ({:.2}-{:.2})",
            milliseconds(self.median),
            self.min.as_secs_f64() * 1e3,
            self.max.as_secs_f64() * 1e3
        );
        formatter.pad(&text)
    }
}

/// Returns a time as it is printed.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
