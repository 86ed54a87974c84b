//! Writers, readers and kills on one state directory, with and without the Platform KeyStore: no acknowledged edit is lost.
//!
//! `cargo bench --bench soak -- SECONDS [SEED]` prints calls, kills and losses, and fails at a loss, at a call that ends with
//! an error, and at a state that cannot be read.
//!
//! Each writer has targets of its own, so it knows what the configuration must hold of them: what its last call that ended
//! with status 0 made, and, where a later one was killed, either that or what the killed one was to make. Kills are aimed at the
//! process that a lock file names as its holder, since that is the one in the middle of an edit.
#![allow(
    clippy::disallowed_methods,
    reason = "a soak makes its own files and takes its time"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod random;
mod state;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use iscsiswiconfig::iop::store::Store;
use random::Random;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use state::{Own, SECRET_LENGTH};
use tempfile::TempDir;

const WRITERS: u64 = 4;
const READERS: u64 = 2;

/// How many targets a writer has at most.
const TARGETS: u64 = 5;

/// Long enough for every writer in front to end.
const LOCK_TIMEOUT: &str = "120";

/// The locks whose holders are killed, in the state and the keystore directory.
const LOCKS: [&str; 2] = ["state/config.lock", "keystore/keystore.lock"];

fn main() -> ExitCode {
    // cargo bench gives options of its own.
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"));
    let mut number = |what: &str, default: u64| match words.next() {
        Some(word) => word
            .parse()
            .unwrap_or_else(|_| panic!("{what} is a number, not {word}")),
        None => default,
    };
    let seconds = number("SECONDS", 10);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = number("SEED", since.map_or(1, |time| time.as_secs()));
    println!("seed {seed}, {WRITERS} writers, {READERS} readers");
    println!(
        "{:<18}{:>10}{:>10}{:>10}{:>10}",
        "", "calls", "kills", "losses", "errors"
    );
    let mut good = true;
    for (name, keystore) in [("without KeyStore", false), ("with KeyStore", true)] {
        let soak = Soak::new(keystore);
        soak.run(Duration::from_secs(seconds) / 2, seed);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!(
            "{name:<18}{:>10}{:>10}{:>10}{:>10}",
            count(&soak.calls),
            count(&soak.kills),
            count(&soak.losses),
            count(&soak.errors)
        );
        good &= count(&soak.losses) == 0 && count(&soak.errors) == 0;
    }
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One state directory, and what is counted of its soak.
struct Soak {
    home: TempDir,
    calls: AtomicU64,
    kills: AtomicU64,
    losses: AtomicU64,
    errors: AtomicU64,
    over: AtomicBool,
    /// The calls of writers that run; one is taken out before it is reaped, so that no other process of its id is killed.
    running: Mutex<BTreeSet<i32>>,
}

impl Soak {
    fn new(keystore: bool) -> Self {
        let home = tempfile::Builder::new()
            .prefix("soak-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary directory");
        let soak = Self {
            home,
            calls: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            over: AtomicBool::new(false),
            running: Mutex::default(),
        };
        if keystore {
            let set = soak
                .command(&["partition", "set", "--keystore-size", "1MiB"])
                .output();
            assert!(
                set.is_ok_and(|set| set.status.success()),
                "the KeyStore is enabled"
            );
        }
        soak
    }

    fn run(&self, time: Duration, seed: u64) {
        thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    scope.spawn(move || self.write(writer, &mut Random::new(seed ^ writer)))
                })
                .collect();
            for _ in 0..READERS {
                scope.spawn(|| self.read());
            }
            scope.spawn(move || self.kill(&mut Random::new(!seed)));
            thread::sleep(time);
            self.over.store(true, Ordering::Relaxed);
            let own: Vec<Own> = writers
                .into_iter()
                .map(|writer| writer.join().expect("a writer"))
                .collect();
            // Nobody edits any more: the state holds what all of them made, and no temporary file is left by a dead writer.
            self.read_once();
            for own in &own {
                self.check(own);
            }
            for name in self.files() {
                if name.ends_with(".new") {
                    self.error(&format!("{name} was left behind"));
                }
            }
        });
    }

    /// Adds, changes and removes targets until the time is over.
    fn write(&self, writer: u64, random: &mut Random) -> Own {
        let mut own = Own::new(writer);
        while !self.over.load(Ordering::Relaxed) {
            let number = random.below(TARGETS);
            let secret = format!("{:0SECRET_LENGTH$X}", random.next());
            let step = own.step(number, &secret, random.below(3) == 0);
            let words = [&["--lock-timeout", LOCK_TIMEOUT, "-q"], &*step.words()].concat();
            let (status, text) = self.call(self.command(&words));
            match status.code() {
                Some(0) => own.done(&step),
                Some(status) => {
                    self.error(&format!("{words:?} ended with status {status}: {text}"));
                    own.perhaps(&step);
                }
                None => {
                    self.kills.fetch_add(1, Ordering::Relaxed);
                    own.perhaps(&step);
                }
            }
            let found = self.check(&own);
            own.settle(found);
        }
        own
    }

    /// Compares what the configuration holds of a writer's targets with what it must hold, and returns it.
    fn check(&self, own: &Own) -> state::Found {
        match self.store().revealed_configuration() {
            Ok(configuration) => {
                let found = own.find(&configuration);
                for loss in own.losses(&found) {
                    self.losses.fetch_add(1, Ordering::Relaxed);
                    eprintln!("loss: {loss}");
                }
                found
            }
            Err(error) => {
                self.error(&format!("the state cannot be read: {error}"));
                own.expected()
            }
        }
    }

    fn read(&self) {
        while !self.over.load(Ordering::Relaxed) {
            self.read_once();
        }
    }

    fn read_once(&self) {
        for words in [
            &["--json", "show"][..],
            &["--json", "partition"],
            &["-q", "-dumptargets"],
        ] {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let output = self.command(words).output().expect("the program starts");
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                self.error(&format!("{words:?}: {}: {text}", output.status));
            }
        }
    }

    /// Kills writers that hold a lock, after pauses of a few milliseconds or none.
    fn kill(&self, random: &mut Random) {
        while !self.over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_micros(random.below(8000)));
            let lock = self.path(LOCKS[usize::from(random.below(2) == 0)]);
            // A holder is soon gone: look for the next one for a moment.
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(50) {
                let text = fs::read_to_string(&lock).unwrap_or_default();
                let Some(holder) = text
                    .lines()
                    .next()
                    .and_then(|line| line.trim().parse().ok())
                else {
                    continue;
                };
                let running = self.running.lock().expect("no panic under the lock");
                if let Some(process) = Pid::from_raw(holder)
                    && running.contains(&holder)
                {
                    // It may have ended by itself: what becomes of it, its writer sees.
                    let _ = rustix::process::kill_process(process, Signal::KILL);
                    break;
                }
            }
        }
    }

    /// Runs a call that may be killed, and returns its end and what it said.
    fn call(&self, mut command: Command) -> (ExitStatus, String) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let said = self
            .home
            .path()
            .join(format!("said-{:?}", thread::current().id()));
        let stderr = fs::File::create(&said).expect("a file for stderr");
        let mut running = self.running.lock().expect("no panic under the lock");
        let mut child = command
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let process = Pid::from_child(&child);
        running.insert(process.as_raw_nonzero().get());
        drop(running);
        // It stays a zombie, and its id is nobody else's, until it is no longer in the set.
        rustix::process::waitid(
            WaitId::Pid(process),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )
        .expect("wait for a child");
        let mut running = self.running.lock().expect("no panic under the lock");
        running.remove(&process.as_raw_nonzero().get());
        drop(running);
        let status = child.wait().expect("reap a child");
        (status, fs::read_to_string(said).unwrap_or_default())
    }

    fn error(&self, text: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        eprintln!("error: {text}");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"));
        command
            .env("ISCSISWICONFIG_STATE_DIR", self.path("state"))
            .env("ISCSISWICONFIG_KEYSTORE_DIR", self.path("keystore"))
            .stdin(Stdio::null())
            .args(words);
        command
    }

    fn store(&self) -> Store {
        Store::new(self.path("state"), Duration::ZERO).with_keystore(self.path("keystore"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn files(&self) -> Vec<String> {
        let names = |directory: &Path| {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.path().display().to_string())
                .collect::<Vec<_>>()
        };
        [names(&self.path("state")), names(&self.path("keystore"))].concat()
    }
}
