//! A hermetic environment for one test: its own home, its own state, an environment built from empty, no terminal.

pub mod schema;

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;

/// Returns the binary under test.
pub fn binary() -> &'static Path {
    cargo_bin!("iscsiswiconfig")
}

/// No run of the binary may last longer; one that does is killed and fails its test.
const LONGEST_RUN: Duration = Duration::from_secs(180);

/// A temporary home directory with the state directory inside; both are gone when this value is dropped.
#[derive(Debug)]
pub struct TestEnvironment {
    home: TempDir,
}

impl TestEnvironment {
    /// Creates an environment in which nothing was ever configured: the state directory does not exist yet.
    #[must_use]
    pub fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("iscsiswiconfig-test-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .expect("a temporary directory for the test");
        Self { home }
    }

    /// Returns the directory that stands for the user's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the state directory, which the first write of the binary creates.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.home().join("state")
    }

    /// Returns the path of a file in the state directory.
    #[must_use]
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    /// Returns a command for the binary in this environment, with no argument yet.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_of(binary())
    }

    /// Returns a command for another program that every signal ends: a test that is run in the background may have been told to
    /// ignore some.
    #[must_use]
    pub fn command_heeding_signals(&self, program: &Path) -> Command {
        let mut command = self.command_of(Path::new("/usr/bin/env"));
        command.arg("--default-signal").arg(program);
        command
    }

    /// Returns a command for another program in this environment, the binary being first on its `PATH`.
    #[must_use]
    pub fn command_of(&self, program: &Path) -> Command {
        let directory = binary().parent().expect("the binary is in a directory");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
            .env("HOME", self.home())
            .env("LC_ALL", "C")
            .env("ISCSISWICONFIG_STATE_DIR", self.state())
            .env("ISCSISWICONFIG_KEYSTORE_DIR", self.home().join("keystore"))
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        self.finish(command)
    }

    /// Runs the binary to its end behind the words of a prefix, such as one that leads into a network namespace.
    #[cfg(feature = "peers")]
    pub fn run_behind(&self, prefix: &[String], arguments: &[&str]) -> Output {
        let mut command = self.command_of(Path::new(&prefix[0]));
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(&prefix[1..]).arg(binary()).args(arguments);
        self.finish(command)
    }

    /// Runs the binary with a line of words as typed; words are split at blanks, nothing is expanded.
    pub fn run_line(&self, line: &str) -> Output {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a prepared command to its end.
    pub fn finish(&self, command: Command) -> Output {
        let described = format!("{command:?}");
        let mut running = self.start_command(command);
        running
            .wait()
            .unwrap_or_else(|| panic!("still running after {LONGEST_RUN:?}: {described}"))
    }

    /// Starts the binary and returns while it runs.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.args(arguments);
        self.start_command(command)
    }

    /// Starts a prepared command and returns while it runs.
    #[must_use]
    pub fn start_command(&self, mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::start(self, command)
    }

    /// Returns every file in the state directory with its bytes, sorted by name; lock files are left out.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = self
            .state_listing()
            .into_iter()
            .filter(|name| name.ends_with(".json"))
            .map(|name| {
                (
                    name.clone(),
                    fs::read(self.state_file(&name)).expect("a state file"),
                )
            })
            .collect();
        files.sort();
        files
    }

    /// Returns the names of the entries of the state directory; none when it does not exist.
    #[must_use]
    pub fn state_listing(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state()) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    /// Adds a target without CHAP and expects that to work.
    pub fn add(&self, target_name: &str, host: &str, port: u16) {
        self.add_with(target_name, host, port, &[]);
    }

    /// As [`TestEnvironment::add`], with more parameters.
    pub fn add_with(&self, target_name: &str, host: &str, port: u16, more: &[&str]) {
        let port = port.to_string();
        let words = [
            "-addtarget",
            "-initiatorname",
            "*GENERATE",
            "-targethostname",
            host,
            "-targetname",
            target_name,
            "-targetport",
            &port,
        ];
        self.run(&[&words, more].concat()).assert_status(0);
    }

    /// Copies the binary to where another user can reach it, wherever it was built.
    #[must_use]
    pub fn copy_of_binary(&self) -> PathBuf {
        let copy = self.home().join("iscsiswiconfig");
        // Another process copies, for a file that this one had open for writing could not be run while a child of another test
        // still has it open.
        let copied = Command::new("cp").arg(binary()).arg(&copy).status();
        assert!(copied.unwrap().success());
        copy
    }

    /// Returns the document of `-dumptargets --json`.
    #[must_use]
    pub fn dump(&self) -> Value {
        self.run(&["--json", "-dumptargets"])
            .assert_status(0)
            .json()
    }

    /// Re-IPLs with a timeout that no answer of a fixture comes near, expects the status, and returns the document.
    #[must_use]
    pub fn reipl(&self, status: i32) -> Value {
        self.reipl_within("60", status)
    }

    /// As [`TestEnvironment::reipl`], with the seconds for one phase: for a target that does not answer.
    #[must_use]
    pub fn reipl_within(&self, timeout: &str, status: i32) -> Value {
        self.run(&["--json", "--timeout", timeout, "-reipliscsiop"])
            .assert_status(status)
            .json()
    }

    /// Returns the names of the targets that are configured, in order.
    ///
    /// No option prints the configuration that is not active yet, so the record itself is read.
    #[must_use]
    pub fn configured_targets(&self) -> Vec<String> {
        let Ok(bytes) = fs::read(self.state_file("config.json")) else {
            return Vec::new();
        };
        let envelope: Value = serde_json::from_slice(&bytes).expect("config.json is JSON");
        targets(&envelope["record"])
            .iter()
            .map(|target| text(&target["identity"]["target_name"]).to_owned())
            .collect()
    }

    /// Returns the default initiator name of this environment.
    #[must_use]
    pub fn default_initiator(&self) -> String {
        let document = self
            .run(&["--json", "-dumpinitiators"])
            .assert_status(0)
            .json();
        text(&document["initiators"][0]["name"]).to_owned()
    }
}

/// Returns the targets of a document.
#[must_use]
pub fn targets(document: &Value) -> &Vec<Value> {
    document["targets"]
        .as_array()
        .unwrap_or_else(|| panic!("no array of targets: {document:#}"))
}

/// Returns the text of a JSON string.
#[must_use]
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a string: {value}"))
}

/// Returns the keys of a JSON object in alphabetical order.
#[must_use]
pub fn keys(value: &Value) -> Vec<&str> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("not an object: {value}"));
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A process that was started; dropped before its end, it is killed and reaped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    home: PathBuf,
    readers: Option<[thread::JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    fn start(environment: &TestEnvironment, mut command: Command) -> Self {
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = read_to_end(child.stdout.take());
        let stderr = read_to_end(child.stderr.take());
        Self {
            child,
            home: environment.home().to_owned(),
            readers: Some([stdout, stderr]),
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL, as a power failure of one process.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
    }

    /// Waits for the end; `None` when it does not come in time, and then the process is killed.
    #[must_use]
    pub fn wait(&mut self) -> Option<Output> {
        let started = Instant::now();
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the process") {
                break status;
            }
            if started.elapsed() > LONGEST_RUN {
                self.child.kill().expect("SIGKILL");
                self.child.wait().expect("reap");
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        let [stdout, stderr] = self.readers.take().expect("a process is waited for once");
        let output = Output {
            stdout: self.readable(stdout),
            stderr: self.readable(stderr),
            status,
        };
        schema::assert_documents(&output.stdout);
        schema::assert_documents(&output.stderr);
        Some(output)
    }

    fn readable(&self, reader: thread::JoinHandle<Vec<u8>>) -> String {
        let bytes = reader.join().expect("a reader of a pipe");
        let text = String::from_utf8(bytes).expect("the output is UTF-8");
        text.replace(&self.home.display().to_string(), "$TEST_ENV")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_to_end(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).expect("read a pipe");
        }
        bytes
    })
}

/// What a process printed and how it ended, the path of its environment replaced by `$TEST_ENV`.
#[derive(Debug)]
#[must_use]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub status: ExitStatus,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stdout, self.stderr)?;
        match self.status.code() {
            Some(code) => writeln!(f, "[exit status: {code}]"),
            None => writeln!(f, "[{}]", self.status),
        }
    }
}

impl Output {
    /// Returns this output when it ended with the status, and fails otherwise with all that was printed.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "asserting is use enough")]
    pub fn assert_status(self, expected: i32) -> Asserted {
        assert!(
            self.status.code() == Some(expected),
            "expected exit status {expected}:\n{self}"
        );
        Asserted(self)
    }

    /// Returns the one JSON document on stdout.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document ({error}):\n{self}"))
    }
}

/// An output whose status was what the test expected; it may be dropped.
#[derive(Debug)]
pub struct Asserted(Output);

impl std::ops::Deref for Asserted {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.0
    }
}

impl Asserted {
    /// Fails unless stderr holds each of the words, letter case aside.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let said = self.0.stderr.to_lowercase();
        for word in words {
            assert!(
                said.contains(&word.to_lowercase()),
                "stderr does not say {word:?}:\n{}",
                self.0
            );
        }
        self
    }

    /// Fails unless there is a hint on stderr that holds each of the words, letter case aside.
    #[track_caller]
    pub fn hints(self, words: &[&str]) -> Self {
        let hints: String = self
            .0
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("  hint: "))
            .collect::<Vec<_>>()
            .join("\n")
            .to_lowercase();
        assert!(
            !hints.is_empty(),
            "no line begins with \"  hint: \":\n{}",
            self.0
        );
        for word in words {
            assert!(
                hints.contains(&word.to_lowercase()),
                "no hint says {word:?}:\n{}",
                self.0
            );
        }
        self
    }

    /// Fails unless a warning is on stderr that holds each of the words, letter case aside.
    #[track_caller]
    pub fn warns(self, words: &[&str]) -> Self {
        let warnings: String = self
            .0
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("iscsiswiconfig: warning: "))
            .collect::<Vec<_>>()
            .join("\n")
            .to_lowercase();
        assert!(!warnings.is_empty(), "no warning:\n{}", self.0);
        for word in words {
            assert!(
                warnings.contains(&word.to_lowercase()),
                "no warning says {word:?}:\n{}",
                self.0
            );
        }
        self
    }

    /// Fails when anything at all was printed on stderr.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.0.stderr.is_empty(), "stderr is not empty:\n{}", self.0);
        self
    }
}
