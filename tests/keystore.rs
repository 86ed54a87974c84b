//! The Platform KeyStore: every disk operation of what moves a credential failed, and died at, in turn; every byte of its
//! files flipped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use iscsiswiconfig::iop::config::{
    ChapParameters, Partition, PartitionChange, PartitionError, PartitionRecord, StagedParameter,
};
use iscsiswiconfig::iop::store::{StateError, Store};
use iscsiswiconfig::values::{ChapName, ChapSecret, KeystoreChoice, Subject};
use tempfile::TempDir;

use crate::common::TestEnvironment;
use crate::state::{Fault, Moment, faulty_keystore, identity, on_machine, on_machine_in};

const SECRET: &str = "SOMECHAPSECRET";
const NEW_SECRET: &str = "ANOTHERSECRET1";
const TARGET: &str = "iqn.one";

fn store(home: &Path) -> Store {
    faulty_keystore(home, None).0
}

/// The operations that move a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Enable,
    Disable,
    Shrink,
    ToDisk,
    ToKeystore,
    NewSecret,
    Stage,
    Remove,
}

const OPERATIONS: [Operation; 8] = [
    Operation::Enable,
    Operation::Disable,
    Operation::Shrink,
    Operation::ToDisk,
    Operation::ToKeystore,
    Operation::NewSecret,
    Operation::Stage,
    Operation::Remove,
];

impl Operation {
    fn of(word: &str) -> Self {
        OPERATIONS
            .into_iter()
            .find(|operation| format!("{operation:?}") == word)
            .unwrap()
    }

    /// Makes a home in which the operation has something to do.
    fn home(self) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        let store = store(home.path());
        let choice = match self {
            Self::ToKeystore => KeystoreChoice::None,
            _ => KeystoreChoice::Avail,
        };
        if self != Self::Enable {
            resize(&store, 4096).unwrap();
        }
        edit(&store, |configuration, partition| {
            let chap = chap(Some(SECRET), Some(choice));
            configuration
                .add(identity(TARGET), chap, partition)
                .unwrap();
        })
        .unwrap();
        home
    }

    fn run(self, store: &Store) -> Result<(), StateError> {
        let change = |parameters: ChapParameters| {
            edit(store, |configuration, partition| {
                configuration
                    .change(&identity(TARGET), parameters, partition)
                    .unwrap();
            })
        };
        match self {
            Self::Enable => resize(store, 4096),
            Self::Disable => resize(store, 0),
            Self::Shrink => resize(store, 1),
            Self::ToDisk => change(chap(None, Some(KeystoreChoice::None))),
            Self::ToKeystore => change(chap(None, Some(KeystoreChoice::Avail))),
            Self::NewSecret => change(chap(Some(NEW_SECRET), None)),
            Self::Stage => store.edit(|configuration, _| {
                let staged = &mut configuration.staged;
                staged
                    .replace(StagedParameter::ChapSecret, NEW_SECRET)
                    .unwrap();
                Ok(())
            }),
            Self::Remove => edit(store, |configuration, partition| {
                configuration.remove(&identity(TARGET), partition).unwrap();
            }),
        }
    }

    /// Holds what a fault left behind against the rule: the old secret or the new one, and all of it mended by an edit.
    fn judge(self, home: &Path, context: &str) {
        let store = store(home);
        let configuration = store.revealed_configuration().unwrap();
        match configuration.targets.first() {
            None => assert_eq!(self, Self::Remove, "{context}"),
            Some(target) => {
                let secret = target
                    .chap
                    .as_ref()
                    .unwrap()
                    .secret()
                    .expect(context)
                    .reveal();
                let is_new = secret == NEW_SECRET && self == Self::NewSecret;
                assert!(secret == SECRET || is_new, "{context}: {secret}");
            }
        }
        assert!(configuration.references().is_empty(), "{context}");

        self.mend(&store);
        let partition = store.partition().unwrap();
        let held = store.open_keystore(&partition).unwrap();
        let after = store.revealed_configuration().unwrap();
        assert_eq!(
            held.used(),
            after.keystore_used(&partition),
            "{context}: leftovers"
        );
        let text = fs::read_to_string(home.join("state/config.json")).unwrap();
        let plain = match after.targets.first() {
            None => false,
            Some(target) => partition.keystore_size == 0 || target.keystore == KeystoreChoice::None,
        };
        assert_eq!(text.contains("SECRET"), plain, "{context}: {text}");
    }

    /// The next writer, whatever it writes.
    fn mend(self, store: &Store) {
        store
            .edit(|configuration, _| -> Result<(), StateError> {
                configuration.staged = Default::default();
                Ok(())
            })
            .unwrap();
    }

    fn count(self) -> usize {
        let home = self.home();
        let (store, operations) = faulty_keystore(home.path(), None);
        self.run(&store).unwrap();
        operations.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn chap(secret: Option<&str>, keystore: Option<KeystoreChoice>) -> ChapParameters {
    ChapParameters {
        name: secret.map(|_| ChapName::parse("NAME").unwrap()),
        secret: secret.map(|secret| ChapSecret::parse(secret).unwrap()),
        keystore,
    }
}

fn edit(
    store: &Store,
    change: impl FnOnce(&mut iscsiswiconfig::iop::config::Configuration, Partition<'_>),
) -> Result<(), StateError> {
    let generated = Subject::InitiatorName.iscsi_name("iqn.generated").unwrap();
    store.edit(|configuration, record: &PartitionRecord| {
        let partition = Partition {
            generated_name: Some(&generated),
            keystore: record.keystore_use(),
        };
        change(configuration, partition);
        Ok(())
    })
}

fn resize(store: &Store, size: u64) -> Result<(), StateError> {
    let change = PartitionChange {
        keystore_size: Some(size),
        move_to_disk: true,
        ..PartitionChange::default()
    };
    store.edit_partition(|configuration, partition, _| {
        let moved: Result<usize, PartitionError> = configuration.repartition(partition, change);
        moved.unwrap();
        Ok(())
    })
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Halfway, Moment::After];

#[test]
fn a_failure_at_any_operation_leaves_every_credential_in_the_old_place_or_the_new_one() {
    for operation in OPERATIONS {
        let total = operation.count();
        for (at, moment) in (1..=total).flat_map(|at| MOMENTS.map(|moment| (at, moment))) {
            let context = format!("{operation:?}: {at} of {total}, {moment:?}");
            let home = operation.home();
            let fault = Some((at, moment, Fault::Fails));
            let outcome = operation.run(&faulty_keystore(home.path(), fault).0);
            assert!(outcome.is_err(), "{context}");
            operation.judge(home.path(), &context);
        }
    }
}

const KILL: &str = "ISCSISWICONFIG_TEST_KEYSTORE_KILL";

/// The child of the test below, which dies where it is told. Run by itself it carries each operation out.
#[test]
fn killed_child() {
    let Ok(order) = std::env::var(KILL) else {
        for operation in OPERATIONS {
            let home = operation.home();
            operation.run(&store(home.path())).unwrap();
            operation.judge(home.path(), &format!("{operation:?}"));
        }
        return;
    };
    let [home, operation, at, moment] = order.split('|').collect::<Vec<_>>()[..] else {
        panic!("{order}");
    };
    let moment = MOMENTS
        .into_iter()
        .find(|known| format!("{known:?}") == moment)
        .unwrap();
    let fault = Some((at.parse().unwrap(), moment, Fault::Dies));
    let store = faulty_keystore(Path::new(home), fault).0;
    Operation::of(operation).run(&store).unwrap();
}

#[test]
fn a_kill_at_any_operation_leaves_every_credential_in_the_old_place_or_the_new_one() {
    for operation in OPERATIONS {
        let total = operation.count();
        for (at, moment) in (1..=total).flat_map(|at| MOMENTS.map(|moment| (at, moment))) {
            let context = format!("{operation:?} killed at {at} of {total}, {moment:?}");
            let home = operation.home();
            let order = format!("{}|{operation:?}|{at}|{moment:?}", home.path().display());
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "keystore::killed_child"])
                .env(KILL, order)
                .output()
                .unwrap();
            assert!(child.status.signal().is_some(), "{context}: {child:?}");
            operation.judge(home.path(), &context);
        }
    }
}

#[test]
fn every_bit_flipped_in_a_keystore_file_is_an_error_that_shows_nothing() {
    let home = Operation::Disable.home();
    let directory = home.path().join("keystore");
    let store = store(home.path());
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        files += 1;
        let whole = fs::read(&path).unwrap();
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut broken = whole.clone();
            broken[at] ^= 1 << bit;
            fs::write(&path, &broken).unwrap();
            // White space for other white space changes nothing.
            match store.revealed_configuration() {
                Err(error) => assert!(!error.to_string().contains(SECRET)),
                Ok(configuration) => {
                    assert!(whole[at].is_ascii_whitespace(), "{} {at}", path.display());
                    assert!(configuration.references().is_empty());
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(files, 2);
    assert!(store.revealed_configuration().is_ok());
}

const ADD: &str = "-addtarget -initiatorname iqn.i -targethostname 10.1.1.5 -targetname iqn.one \
                   -initiatorchapname NAME -initiatorchapsecret SOMECHAPSECRET";

#[test]
fn a_keystore_directory_that_others_may_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let environment = TestEnvironment::new();
    assert_eq!(
        status(&environment, "partition set --keystore-size 4096"),
        0
    );
    assert_eq!(status(&environment, ADD), 0);
    let directory = environment.home().join("keystore");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
    assert_eq!(status(&environment, "-dumptargets"), 3);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(status(&environment, "-dumptargets"), 0);
}

#[test]
fn a_partition_goes_to_another_machine_with_its_passphrase_only() {
    let environment = TestEnvironment::new();
    assert_eq!(
        status(&environment, "partition set --keystore-size 4096"),
        0
    );
    assert_eq!(status(&environment, ADD), 0);
    for (name, text) in [("right", "a passphrase\n"), ("wrong", "another\n")] {
        let path = environment.home().join(name);
        fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let export = "partition export moved.age --passphrase-file right";
    assert_eq!(status(&environment, export), 0);
    assert_eq!(status(&environment, export), 3, "it exists");
    fs::rename(
        environment.home().join("keystore"),
        environment.home().join("old"),
    )
    .unwrap();
    let output = environment.run_line("-dumptargets");
    assert!(output.stderr.contains("iqn.one"), "{output}");
    for remedy in ["-changetarget", "NONE", "remove CHAP"] {
        assert!(output.stderr.contains(remedy), "{output}");
    }
    let wrong = "partition import moved.age --passphrase-file wrong";
    assert_eq!(status(&environment, wrong), 3);
    let right = "partition import moved.age --passphrase-file right";
    assert_eq!(status(&environment, right), 0);
    let output = environment.run_line("-dumptargets");
    assert!(!output.stderr.contains("NONE"), "{output}");
}

fn status(environment: &TestEnvironment, line: &str) -> i32 {
    environment.run_line(line).status.code().unwrap()
}

/// Copies a directory with the modes and contents of its files.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Opens a state directory that shares the keystore directory of `home`.
fn beside(home: &Path, name: &str) -> Store {
    let id = Ok("0123456789abcdef0123456789abcdef\n".to_owned());
    on_machine_in(home, name, MACHINE_ID, id)
}

/// Returns the secrets that a state finds in their places, by target name; none for one that is not here.
fn secrets(store: &Store) -> Vec<(String, Option<String>)> {
    let configuration = store.revealed_configuration().unwrap();
    let secret = |target: &iscsiswiconfig::iop::config::Target| {
        let secret = target.chap.as_ref()?.secret()?;
        Some(secret.reveal().to_owned())
    };
    let targets = configuration.targets.iter();
    targets
        .map(|target| (target.identity.target_name.to_string(), secret(target)))
        .collect()
}

fn one(secret: &str) -> Vec<(String, Option<String>)> {
    vec![(TARGET.to_owned(), Some(secret.to_owned()))]
}

#[test]
fn a_copy_of_a_state_directory_gets_a_keystore_of_its_own_and_drops_nothing_of_the_originals() {
    let home = tempfile::tempdir().unwrap();
    let original = beside(home.path(), "state");
    resize(&original, 4096).unwrap();
    edit(&original, |configuration, partition| {
        let chap = chap(Some(SECRET), None);
        configuration
            .add(identity(TARGET), chap, partition)
            .unwrap();
    })
    .unwrap();
    for (name, operation) in [
        ("clear", Operation::Remove),
        ("change", Operation::NewSecret),
        ("disable", Operation::Disable),
        ("stage", Operation::Stage),
    ] {
        copy(&home.path().join("state"), &home.path().join(name));
        let copied = beside(home.path(), name);
        assert_eq!(secrets(&copied), one(SECRET), "{name}: before a write");
        operation.run(&copied).unwrap();
        assert_eq!(secrets(&original), one(SECRET), "{name}: the original's");
        let expected = match operation {
            Operation::Remove => Vec::new(),
            Operation::NewSecret => one(NEW_SECRET),
            _ => one(SECRET),
        };
        assert_eq!(secrets(&copied), expected, "{name}: the copy's");
        let ids = [&original, &copied].map(|store| store.partition().unwrap().keystore);
        assert_ne!(ids[0], ids[1], "{name}");
    }
    // The owner drops what it no longer refers to.
    Operation::Remove.run(&original).unwrap();
    let held = original.open_keystore(&original.partition().unwrap());
    assert!(held.unwrap().is_empty());
}

#[test]
fn references_that_were_swapped_by_hand_are_an_error_and_give_no_target_anothers_secret() {
    let home = Operation::Remove.home();
    let store = store(home.path());
    edit(&store, |configuration, partition| {
        let chap = chap(Some(NEW_SECRET), None);
        configuration
            .add(identity("iqn.two"), chap, partition)
            .unwrap();
    })
    .unwrap();
    let path = home.path().join("state/config.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let targets = document["record"]["targets"].as_array_mut().unwrap();
    let references = [0, 1].map(|index: usize| targets[index]["chap"]["sealed"].clone());
    for (target, reference) in targets.iter_mut().zip(references.into_iter().rev()) {
        target["chap"]["sealed"] = reference;
    }
    fs::write(&path, document.to_string()).unwrap();
    for error in [
        store.revealed_configuration().map(|_| ()).unwrap_err(),
        Operation::NewSecret.run(&store).unwrap_err(),
    ] {
        assert!(matches!(error, StateError::Misplaced(_)), "{error:?}");
        assert!(error.to_string().contains(TARGET), "{error}");
    }
    fs::write(&path, text).unwrap();
    assert_eq!(secrets(&store).len(), 2);
}

const MACHINE_ID: &str = "/etc/machine-id";

fn here(home: &Path) -> Store {
    let id = "0123456789abcdef0123456789abcdef\n";
    on_machine(home, MACHINE_ID, Ok(id.to_owned()))
}

fn elsewhere(home: &Path) -> Store {
    let id = "fedcba9876543210fedcba9876543210\n";
    on_machine(home, MACHINE_ID, Ok(id.to_owned()))
}

/// Returns the files of the keystore directory with what they hold.
fn keystore_files(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(home.join("keystore")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_keystore_of_another_machine_is_one_that_is_not_here_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let original = here(home.path());
    resize(&original, 4096).unwrap();
    let add = |store: &Store, name: &str, secret: &str| {
        edit(store, |configuration, partition| {
            let chap = chap(Some(secret), None);
            configuration.add(identity(name), chap, partition).unwrap();
        })
        .unwrap();
    };
    add(&original, TARGET, SECRET);
    let files = keystore_files(home.path());

    let moved = elsewhere(home.path());
    assert_eq!(secrets(&moved), [(TARGET.to_owned(), None)]);
    resize(&moved, 8192).unwrap();
    Operation::Stage.mend(&moved);
    assert_eq!(keystore_files(home.path()), files);
    // Without a secret that was given here, the original finds its own again.
    assert_eq!(secrets(&here(home.path())), one(SECRET));

    add(&moved, "iqn.two", NEW_SECRET);
    Operation::NewSecret.run(&moved).unwrap();
    let both = vec![
        (TARGET.to_owned(), Some(NEW_SECRET.to_owned())),
        ("iqn.two".to_owned(), Some(NEW_SECRET.to_owned())),
    ];
    assert_eq!(secrets(&moved), both);
    let after = keystore_files(home.path());
    for file in files {
        assert!(after.contains(&file), "{} has changed", file.0.display());
    }
    assert_eq!(after.len(), 3);
}

#[test]
fn damage_is_told_apart_from_another_machine() {
    let home = tempfile::tempdir().unwrap();
    let original = here(home.path());
    resize(&original, 4096).unwrap();
    edit(&original, |configuration, partition| {
        let chap = chap(Some(SECRET), None);
        configuration
            .add(identity(TARGET), chap, partition)
            .unwrap();
    })
    .unwrap();
    let (path, bytes) = keystore_files(home.path()).remove(0);
    let text = String::from_utf8(bytes).unwrap();
    let (front, back) = text.split_once("\"sealed\":\"").unwrap();
    let other = if back.starts_with('A') { "B" } else { "A" };
    fs::write(&path, format!("{front}\"sealed\":\"{other}{}", &back[1..])).unwrap();
    let damaged = original.revealed_configuration().unwrap_err();
    assert!(
        damaged.to_string().contains("cannot be opened"),
        "{damaged}"
    );
    assert!(elsewhere(home.path()).revealed_configuration().is_ok());
}

#[test]
fn a_keystore_directory_that_is_or_is_in_the_state_directory_is_refused() {
    let environment = TestEnvironment::new();
    assert_eq!(status(&environment, "-setport -targetport 5"), 0);
    std::os::unix::fs::symlink("state", environment.home().join("link")).unwrap();
    for directory in ["state", "state/keystore", "state/a/b", "link/keystore"] {
        let line = format!("--keystore-dir {directory} partition set --keystore-size 4096");
        let output = environment.run_line(&line).assert_status(3);
        assert!(output.stderr.contains("inside"), "{}", *output);
    }
    assert!(!environment.state_file("partition.json").exists());
    assert!(!environment.state_file("keystore").exists());
}

#[test]
fn an_export_is_validated_whole_before_anything_changes() {
    use iscsiswiconfig::iop::keystore::{Salts, seal_export};
    use std::os::unix::fs::PermissionsExt;

    let environment = TestEnvironment::new();
    assert_eq!(
        status(&environment, "partition set --keystore-size 4096"),
        0
    );
    assert_eq!(status(&environment, ADD), 0);
    let private = |name: &str, bytes: &[u8]| {
        let path = environment.home().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    private("passphrase", b"a passphrase\n");
    let import = |size: &str, entries: &str| {
        let partition = format!(r#"{{"release":"7.6","keystore_size":{size}}}"#);
        let text = format!(r#"{{"schema":1,"partition":{partition},"entries":[{entries}]}}"#);
        let salts = Salts {
            file_key: zeroize::Zeroizing::new([1; 16]),
            scrypt: [2; 16],
            payload: [3; 16],
        };
        // A byte that is not UTF-8 stands where the text has a tilde.
        let bytes: Vec<u8> = text
            .bytes()
            .map(|b| if b == b'~' { 0xff } else { b })
            .collect();
        private(
            "export",
            &seal_export(&bytes, "a passphrase", 1, &salts).unwrap(),
        );
        status(
            &environment,
            "partition import export --passphrase-file passphrase",
        )
    };
    let entry = |id: char, secret: &str| {
        let id = id.to_string().repeat(32);
        format!(r#"{{"id":"{id}","secret":"{secret}"}}"#)
    };
    let before = environment.snapshot();
    let files = keystore_files(environment.home());
    let long = "A".repeat(256);
    for (size, entries) in [
        ("1048577", entry('1', "SECRET")),
        ("-1", entry('1', "SECRET")),
        ("37", entry('1', "SECRET")),
        ("0", entry('1', "SECRET")),
        ("4096", entry('1', "")),
        ("4096", entry('1', "~")),
        ("4096", entry('1', "\\u0007")),
        ("4096", entry('1', &long)),
        ("4096", [entry('1', "A"), entry('1', "B")].join(",")),
    ] {
        assert_eq!(import(size, &entries), 3, "{size} {entries}");
        assert_eq!(environment.snapshot(), before, "{size} {entries}");
        assert_eq!(
            keystore_files(environment.home()),
            files,
            "{size} {entries}"
        );
    }
    assert_eq!(import("4096", &entry('1', "SECRET")), 0);
}

#[test]
fn a_secret_may_come_from_a_pipe() {
    let environment = TestEnvironment::new();
    let line = "iscsiswiconfig --secret-file <(sleep 0.1; echo SOMECHAPSECRET) \
                -newname -initiatorchapsecret";
    let mut shell = environment.command_of(Path::new("bash"));
    shell.args(["-c", line]);
    let output = environment.finish(shell);
    assert_eq!(output.status.code(), Some(0), "{output}");
    let text = fs::read_to_string(environment.state_file("config.json")).unwrap();
    assert!(text.contains("SOMECHAPSECRET"), "{text}");
}
