//! The Platform KeyStore: every disk operation of what moves a credential failed, and died at, in turn; every byte of its
//! files flipped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use iscsiswiconfig::iop::config::{
    ChapParameters, Partition, PartitionChange, PartitionError, PartitionRecord, StagedParameter,
};
use iscsiswiconfig::iop::store::{StateError, Store};
use iscsiswiconfig::values::{ChapName, ChapSecret, IscsiName, KeystoreChoice, Subject};
use tempfile::TempDir;

use crate::common::TestEnvironment;
use crate::state::{Fault, Moment, faulty_keystore, identity};

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
    let generated = IscsiName::parse(Subject::InitiatorName, "iqn.generated").unwrap();
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
