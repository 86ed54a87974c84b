//! A partition under test: two directories, a machine id, and the secrets that must not be seen.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::search;
use crate::common::{Asserted, Output, TestEnvironment, binary, text};
use crate::peers::embedded::{Portal, Target};

/// Secrets of the right length that nothing else looks like, a half of one neither.
pub const SECRETS: [&str; 4] = [
    "MVWBQ7R2ZK5H9TXD",
    "J4GNYC8PLQ3XWS6F",
    "T9KDVZ1HRB7MUX5E",
    "W2PFHX6YJC0GNQ8S",
];

/// The default size on a real partition, which is said to be enough.
pub const USUAL_SIZE: &str = "4096";

/// An environment with a directory for the KeyStore beside the state directory.
#[derive(Debug)]
pub struct System {
    environment: TestEnvironment,
    machine: Option<PathBuf>,
    /// The secrets that no file may hold in plain text.
    sealed: RefCell<Vec<String>>,
}

impl System {
    /// Creates a system in which nothing was ever configured.
    pub fn new() -> Self {
        Self {
            environment: TestEnvironment::new(),
            machine: None,
            sealed: RefCell::new(Vec::new()),
        }
    }

    /// Creates a system whose KeyStore is enabled, with the usual size.
    pub fn enabled() -> Self {
        let system = Self::new();
        system.resize(USUAL_SIZE, 0);
        system
    }

    /// Moves this system to another machine: from now on the machine id is another one.
    #[cfg(feature = "peers")]
    pub fn on_another_machine(mut self) -> Self {
        let file = self.home().join("machine-id");
        fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        self.machine = Some(file);
        self
    }

    /// Goes back to this machine.
    #[cfg(feature = "peers")]
    pub fn on_this_machine(mut self) -> Self {
        self.machine = None;
        self
    }

    /// Returns the directory that stands for the user's home.
    pub fn home(&self) -> &Path {
        self.environment.home()
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.environment.state()
    }

    /// Returns the directory of the KeyStore.
    pub fn keystore(&self) -> PathBuf {
        self.home().join("keystore")
    }

    /// Returns the environment, for commands that are not the binary.
    pub fn environment(&self) -> &TestEnvironment {
        &self.environment
    }

    /// Returns a command for the binary in this system.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.machine {
            None => self.environment.command(),
            Some(id) => {
                let mut command = self.environment.command_of(Path::new("unshare"));
                command
                    .args(["--mount", "--propagation", "private", "sh", "-c"])
                    .arg("mount --bind \"$0\" /etc/machine-id && exec \"$@\"")
                    .arg(id)
                    .arg(binary());
                command
            }
        };
        command
            .env("ISCSISWICONFIG_KEYSTORE_DIR", self.keystore())
            .args(arguments);
        command
    }

    /// Runs the binary to its end, and then looks for the secrets.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.finish(self.command(arguments))
    }

    /// Runs a prepared command to its end, and then looks for the secrets.
    #[track_caller]
    pub fn finish(&self, command: Command) -> Output {
        let described = format!("{:?}", command.get_args().collect::<Vec<_>>());
        let output = self.environment.finish(command);
        self.search(&described, &output);
        output
    }

    /// Runs the binary with what it reads from standard input.
    #[track_caller]
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let path = self.home().join("standard-input");
        fs::write(&path, input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(Stdio::from(fs::File::open(&path).unwrap()));
        let output = self.finish(command);
        fs::remove_file(path).unwrap();
        output
    }

    #[track_caller]
    fn search(&self, described: &str, output: &Output) {
        let said = output.to_string();
        for secret in SECRETS {
            let form = search::form_of(secret, said.as_bytes());
            assert!(form.is_none(), "{described} printed a secret:\n{said}");
        }
        assert!(!output.stderr.contains("panicked"), "{described}:\n{said}");
        let found = self.found();
        assert!(found.is_empty(), "{described}: {found:#?}\n{said}");
    }

    /// Returns a line for every file of both directories that holds a secret which must not rest in plain text.
    pub fn found(&self) -> Vec<String> {
        self.sealed
            .borrow()
            .iter()
            .flat_map(|secret| self.files_with(secret))
            .collect()
    }

    /// Returns a line for every file of both directories that holds the secret in any form.
    pub fn files_with(&self, secret: &str) -> Vec<String> {
        [self.state(), self.keystore()]
            .iter()
            .flat_map(|directory| search::in_files(secret, directory))
            .collect()
    }

    /// From now on no file may hold the secret in plain text.
    pub fn seal(&self, secret: &str) {
        self.sealed.borrow_mut().push(secret.to_owned());
    }

    /// From now on files may hold the secret.
    pub fn unseal(&self, secret: &str) {
        self.sealed.borrow_mut().retain(|sealed| sealed != secret);
    }

    /// Returns the files of the KeyStore with their bytes, lock files aside.
    pub fn keystore_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files: Vec<_> = search::files(&self.keystore())
            .into_iter()
            .filter(|(path, _)| !path.to_string_lossy().ends_with("lock"))
            .collect();
        assert!(!files.is_empty(), "the KeyStore has no file");
        files
    }

    /// Returns every file of both directories with its bytes, lock files aside.
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        [self.state(), self.keystore()]
            .iter()
            .flat_map(|directory| search::files(directory))
            .filter(|(path, _)| !path.to_string_lossy().ends_with("lock"))
            .collect()
    }

    /// Returns the document of `partition --json`.
    #[track_caller]
    pub fn partition(&self) -> Value {
        let document = self.run(&["--json", "partition"]).assert_status(0).json();
        assert_eq!(document["schema"], 1, "{document:#}");
        document
    }

    /// Returns how many bytes of the KeyStore are used.
    #[track_caller]
    pub fn used(&self) -> u64 {
        let document = self.partition();
        document["keystore"]["used"]
            .as_u64()
            .unwrap_or_else(|| panic!("used is no number: {document:#}"))
    }

    /// Returns whether the partition says that the target uses the KeyStore.
    #[track_caller]
    pub fn holds(&self, target_name: &str) -> bool {
        let document = self.partition();
        let targets = document["keystore"]["targets"].as_array();
        targets
            .unwrap_or_else(|| panic!("no array of targets: {document:#}"))
            .iter()
            .any(|target| target.to_string().contains(target_name))
    }

    /// Gives the KeyStore another size and expects the status.
    #[track_caller]
    pub fn resize(&self, size: &str, status: i32) -> Asserted {
        self.run(&["partition", "set", "--keystore-size", size])
            .assert_status(status)
    }

    /// Gives the KeyStore another size, lets credentials go to disk, and expects the status.
    #[track_caller]
    pub fn resize_moving(&self, size: &str, status: i32) -> Asserted {
        let set = ["partition", "set", "--keystore-size", size];
        self.run(&[&set[..], &["--move-to-disk"]].concat())
            .assert_status(status)
    }

    /// Adds a target with CHAP, on a port where nothing listens, and returns where its credential is stored.
    #[track_caller]
    pub fn add(&self, target_name: &str, secret: &str, keystore: &str) -> String {
        self.add_at(1, target_name, secret, keystore)
    }

    /// Adds a target with CHAP, served on this machine, and returns where its credential is stored.
    #[track_caller]
    pub fn add_at(&self, port: u16, target_name: &str, secret: &str, keystore: &str) -> String {
        let document = self
            .run(&add_words(&port.to_string(), target_name, secret, keystore))
            .assert_status(0)
            .json();
        assert_eq!(document["target"]["chap"]["keystore"], keystore);
        text(&document["target"]["chap"]["stored_in"]).to_owned()
    }

    /// Changes a target of [`System::add`]'s kind and returns what came of it, as JSON.
    #[track_caller]
    pub fn change_at(&self, port: u16, target_name: &str, more: &[&str]) -> Output {
        let port = port.to_string();
        self.run(
            &[
                &["--json"],
                &words("-changetarget", &port, target_name)[..],
                more,
            ]
            .concat(),
        )
    }

    /// Re-IPLs while the VTL runs, and fails unless every target is connected by CHAP.
    #[track_caller]
    pub fn assert_connects(&self) {
        let document = self
            .run(&["--json", "-reipliscsiop"])
            .assert_status(0)
            .json();
        let targets = document["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{document:#}");
        for target in targets {
            assert_eq!(target["status"], "CONNECTED", "{document:#}");
            assert_eq!(target["session"]["auth_method"], "CHAP", "{document:#}");
        }
    }

    /// Returns another system with a copy of this one's state directory, and of the KeyStore when that is asked for.
    pub fn replica(&self, with_keystore: bool) -> Self {
        let replica = Self::new();
        copy(&self.state(), &replica.state());
        if with_keystore {
            copy(&self.keystore(), &replica.keystore());
        }
        for secret in self.sealed.borrow().iter() {
            replica.seal(secret);
        }
        replica
    }

    /// Writes a file of the owner alone below the home directory and returns its path.
    pub fn private_file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home().join(name);
        fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }
}

/// Returns the words that name a target on this machine.
pub fn words<'a>(option: &'a str, port: &'a str, target_name: &'a str) -> Vec<&'a str> {
    vec![
        option,
        "-initiatorname",
        "*GENERATE",
        "-targethostname",
        "127.0.0.1",
        "-targetport",
        port,
        "-targetname",
        target_name,
    ]
}

/// Returns the words of an -addtarget with CHAP, as JSON.
pub fn add_words<'a>(
    port: &'a str,
    target_name: &'a str,
    secret: &'a str,
    keystore: &'a str,
) -> Vec<&'a str> {
    let chap = [
        "-initiatorchapname",
        target_name,
        "-initiatorchapsecret",
        secret,
        "-chapkeystore",
        keystore,
    ];
    [
        &["--json"],
        &words("-addtarget", port, target_name)[..],
        &chap,
    ]
    .concat()
}

/// Starts a VTL that knows the targets and their secrets; a target's CHAP name is its own in upper case.
pub fn vtl(targets: &[(&str, &str)]) -> Portal {
    let targets = targets
        .iter()
        .map(|(name, secret)| Target::new(name).account(&name.to_ascii_uppercase(), secret));
    Portal::serving(targets)
}

/// Copies a directory with the permissions of what is in it.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .args(["-a", "--"])
        .args([from, to])
        .status()
        .unwrap();
    assert!(status.success(), "{} to {}", from.display(), to.display());
}

/// Returns the permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .mode()
        & 0o7777
}

/// Sets the permission bits of a file.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_secret_in_plain_text_is_found_and_a_wrong_one_does_not_connect() {
    let system = System::new();
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let stored = system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "NONE");
    assert_eq!(stored, "disk");
    let found = system.files_with(SECRETS[0]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("config.json"), "{found:?}");
    system.assert_connects();

    let wrong = ["-initiatorchapsecret", SECRETS[1]];
    system
        .change_at(portal.port(), "iqn.lab:a", &wrong)
        .assert_status(0);
    system.run(&["-reipliscsiop"]).assert_status(4);
}

#[test]
#[cfg(feature = "peers")]
fn another_machine_has_another_id() {
    let here = System::new();
    let there = System::new().on_another_machine();
    let name = |system: &System| {
        let document = system
            .run(&["--json", "-dumpinitiators"])
            .assert_status(0)
            .json();
        text(&document["initiators"][0]["name"]).to_owned()
    };
    assert_ne!(name(&here), name(&there));
    assert_eq!(name(&here), name(&there.on_this_machine()));
}
