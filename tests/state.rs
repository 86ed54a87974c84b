//! Every disk operation failed, and every one died at, in turn: the state is the old one or the new one, never between.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use iscsiswiconfig::iop::config::{
    ChapParameters, Configuration, KeystoreUse, Partition, StagedParameter, TargetIdentity,
};
use iscsiswiconfig::iop::devices::names::{DeviceKey, DeviceKind};
use iscsiswiconfig::iop::store::{ActiveConfiguration, StateError, Store};
use iscsiswiconfig::storage::{
    DirectoryHandle, FileSystem, Links, OpenFile, StorageError, SystemFileSystem,
};
use iscsiswiconfig::values::{ChapName, ChapSecret, InitiatorName, Port, Subject};
use tempfile::TempDir;

/// When an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is not carried out at all.
    Before,
    /// A write stops halfway; any other operation is not carried out.
    Halfway,
    /// It is carried out, and nothing follows.
    After,
}

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It reports a full disk.
    Fails,
    /// The process dies.
    Dies,
}

/// This machine's disk, on which the n-th operation on the state goes wrong, and which hides the machine's own ids.
struct FaultyDisk {
    directory: PathBuf,
    operations: Arc<AtomicUsize>,
    fault: Option<(usize, Moment, Fault)>,
    /// A file of the machine, and what reading it gives.
    machine: Option<(PathBuf, Result<String, io::ErrorKind>)>,
}

impl FaultyDisk {
    fn step<T>(
        &self,
        path: &Path,
        halfway: impl FnOnce(),
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if !path.starts_with(&self.directory) {
            return operation();
        }
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let Some((at, moment, fault)) = self.fault else {
            return operation();
        };
        if number != at {
            return operation();
        }
        match moment {
            Moment::Before => {}
            Moment::Halfway => halfway(),
            Moment::After => {
                let _ = operation();
            }
        }
        match fault {
            Fault::Fails => Err(io::ErrorKind::StorageFull.into()),
            Fault::Dies => std::process::abort(),
        }
    }
}

impl FileSystem for FaultyDisk {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.step(path, || (), || SystemFileSystem.make_directory(path))
    }

    fn open_directory(&self, path: &Path, links: Links) -> io::Result<Option<DirectoryHandle>> {
        let open = || SystemFileSystem.open_directory(path, links);
        self.step(path, || (), open)
    }

    fn names(&self, directory: &DirectoryHandle) -> io::Result<Vec<String>> {
        let names = || SystemFileSystem.names(directory);
        self.step(&directory.path, || (), names)
    }

    fn open(&self, directory: &DirectoryHandle, name: &str) -> io::Result<Option<OpenFile>> {
        let open = || SystemFileSystem.open(directory, name);
        self.step(&directory.path, || (), open)
    }

    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<()> {
        let read = || SystemFileSystem.read(file, bytes);
        self.step(&self.directory, || (), read)
    }

    fn read_machine_file(&self, path: &Path) -> io::Result<String> {
        match &self.machine {
            Some((of, text)) if path == of => text.clone().map_err(io::Error::from),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open_lock(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File> {
        let open = || SystemFileSystem.open_lock(directory, name);
        self.step(&directory.path, || (), open)
    }

    fn try_lock(&self, lock: &File) -> io::Result<bool> {
        let taken = self.step(&self.directory, || (), || SystemFileSystem.try_lock(lock));
        // A process that another test has just forked holds every lock of this one until it has become its own program; the
        // attempt is made again then and counts once.
        if let Ok(false) = taken {
            self.operations.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn write_over(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        let write = || SystemFileSystem.write_over(file, bytes);
        self.step(&self.directory, || (), write)
    }

    fn create_new(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File> {
        let create = || SystemFileSystem.create_new(directory, name);
        self.step(&directory.path, || (), create)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        let halfway = || {
            SystemFileSystem
                .write(file, &bytes[..bytes.len() / 2])
                .unwrap()
        };
        let write = || SystemFileSystem.write(file, bytes);
        self.step(&self.directory, halfway, write)
    }

    /// Counted and failed, but not carried out: what a process leaves behind is there for the next one without it.
    fn sync(&self, _: &File) -> io::Result<()> {
        self.step(&self.directory, || (), || Ok(()))
    }

    fn rename(&self, directory: &DirectoryHandle, from: &str, to: &str) -> io::Result<()> {
        let rename = || SystemFileSystem.rename(directory, from, to);
        self.step(&directory.path, || (), rename)
    }

    fn sync_directory(&self, directory: &DirectoryHandle) -> io::Result<()> {
        self.step(&directory.path, || (), || Ok(()))
    }

    fn remove(&self, directory: &DirectoryHandle, name: &str) -> io::Result<()> {
        let remove = || SystemFileSystem.remove(directory, name);
        self.step(&directory.path, || (), remove)
    }
}

const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

fn store(directory: &Path) -> Store {
    Store::new(directory.to_owned(), LOCK_TIMEOUT)
}

fn faulty(directory: &Path, fault: Option<(usize, Moment, Fault)>) -> (Store, Arc<AtomicUsize>) {
    let operations = Arc::new(AtomicUsize::new(0));
    let disk = FaultyDisk {
        directory: directory.to_owned(),
        operations: Arc::clone(&operations),
        fault,
        machine: None,
    };
    (
        Store::on(Box::new(disk), directory.to_owned(), LOCK_TIMEOUT),
        operations,
    )
}

/// Opens a state with a keystore directory, both below `root`, on a disk on which the n-th operation goes wrong.
pub fn faulty_keystore(
    root: &Path,
    fault: Option<(usize, Moment, Fault)>,
) -> (Store, Arc<AtomicUsize>) {
    let operations = Arc::new(AtomicUsize::new(0));
    let disk = FaultyDisk {
        directory: root.to_owned(),
        operations: Arc::clone(&operations),
        fault,
        machine: None,
    };
    let store = Store::on(Box::new(disk), root.join("state"), LOCK_TIMEOUT);
    (store.with_keystore(root.join("keystore")), operations)
}

pub fn identity(name: &str) -> TargetIdentity {
    TargetIdentity {
        initiator_name: InitiatorName::Generated,
        target_host_name: "10.1.1.5".parse().unwrap(),
        target_name: Subject::TargetName.iscsi_name(name).unwrap(),
        target_port: Port::DEFAULT,
    }
}

fn add(configuration: &mut Configuration, name: &str) {
    let generated = Subject::InitiatorName.iscsi_name("iqn.generated").unwrap();
    let partition = Partition {
        generated_name: Some(&generated),
        keystore: KeystoreUse::NotEnabled,
    };
    let chap = ChapParameters {
        name: Some(ChapName::parse("NAME").unwrap()),
        secret: Some(ChapSecret::parse("SECRETSECRET").unwrap()),
        keystore: None,
    };
    configuration.add(identity(name), chap, partition).unwrap();
}

/// The edit under test: it touches the targets and the staged set, and leaves one target alone.
fn edit(store: &Store) -> Result<(), StateError> {
    store.edit(|configuration, _| {
        add(configuration, "iqn.new");
        configuration
            .staged
            .replace(StagedParameter::TargetName, "iqn.staged")
            .unwrap();
        Ok(())
    })
}

/// The re-IPL under test: it finds a device without a name, and replaces two records.
fn record(store: &Store) -> Result<(), StateError> {
    let re_ipl = store.begin_re_ipl()?;
    let active = ActiveConfiguration {
        ipl_count: re_ipl.active.ipl_count + 1,
        ..ActiveConfiguration::default()
    };
    let mut device_names = re_ipl.device_names.clone();
    let serial = active.ipl_count.to_string();
    device_names.name(DeviceKind::Library, &DeviceKey::Serial { serial });
    re_ipl.record(&active, &device_names)
}

fn directory_with_targets(count: usize) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state");
    store(&directory)
        .edit(|configuration, _| -> Result<(), StateError> {
            (0..count).for_each(|number| add(configuration, &format!("iqn.old:{number}")));
            Ok(())
        })
        .unwrap();
    home
}

/// Returns whether the edit has happened; panics when it has happened in part.
fn is_new(directory: &Path, old: usize, context: &str) -> bool {
    let configuration = store(directory).configuration().unwrap();
    let mut targets = configuration.targets.iter();
    let mut is_next = |name: &str| {
        let next = targets.next();
        next.is_some_and(|next| next.identity.target_name.as_str() == name)
    };
    assert!(
        (0..old).all(|number| is_next(&format!("iqn.old:{number}"))),
        "{context}: an old target is not as it was"
    );
    match (is_next("iqn.new"), configuration.staged.is_empty()) {
        (false, true) => false,
        (true, false) => true,
        other => panic!("{context}: between old and new: {other:?}"),
    }
}

/// Returns how many operations are made with so many targets to begin with.
fn count(old: usize, operation: fn(&Store) -> Result<(), StateError>) -> usize {
    let home = directory_with_targets(old);
    let (store, operations) = faulty(&home.path().join("state"), None);
    operation(&store).unwrap();
    operations.load(Ordering::Relaxed)
}

#[test]
fn an_edit_that_fails_at_any_operation_leaves_the_old_state_or_the_new_one() {
    let old = 1;
    let total = count(old, edit);
    assert!(
        total >= 9,
        "an edit has at least nine operations, not {total}"
    );
    for at in 1..=total {
        for moment in [Moment::Before, Moment::Halfway, Moment::After] {
            let context = format!("operation {at} of {total}, {moment:?}");
            let home = directory_with_targets(old);
            let directory = home.path().join("state");
            let error = edit(&faulty(&directory, Some((at, moment, Fault::Fails))).0).unwrap_err();
            assert!(
                matches!(
                    error,
                    StateError::Storage(StorageError::Io { .. } | StorageError::NotDurable { .. })
                ),
                "{context}: {error}"
            );
            assert!(
                std::error::Error::source(&error).is_some(),
                "{context}: the cause is kept"
            );
            is_new(&directory, old, &context);
            assert!(
                !directory.join("config.json.new").exists(),
                "{context}: no temporary file is left behind"
            );
        }
    }
}

#[test]
fn a_failure_before_the_rename_changes_nothing_and_one_behind_it_is_told() {
    let total = count(1, edit);
    let outcomes: Vec<bool> = (1..=total)
        .map(|at| {
            let home = directory_with_targets(1);
            let directory = home.path().join("state");
            let failed = edit(&faulty(&directory, Some((at, Moment::Before, Fault::Fails))).0);
            let new = is_new(&directory, 1, &format!("operation {at}"));
            let told = matches!(
                failed,
                Err(StateError::Storage(StorageError::NotDurable { .. }))
            );
            assert_eq!(told, new, "operation {at}: {failed:?}");
            new
        })
        .collect();
    // Only the fsync of the directory comes behind the rename.
    let (last, others) = outcomes.split_last().unwrap();
    assert!(*last && others.iter().all(|new| !new), "{outcomes:?}");
}

#[test]
fn what_an_edit_asks_of_the_disk_does_not_grow_with_the_targets() {
    assert_eq!(count(1, edit), count(100, edit));
}

#[test]
fn a_re_ipl_that_names_no_new_device_leaves_the_names_alone() {
    let home = directory_with_targets(1);
    let directory = home.path().join("state");
    record(&store(&directory)).unwrap();
    let inode = || fs::metadata(directory.join("devices.json")).unwrap().ino();
    let before = inode();

    let again = store(&directory);
    let re_ipl = again.begin_re_ipl().unwrap();
    re_ipl.record(&re_ipl.active, &re_ipl.device_names).unwrap();
    assert_eq!(inode(), before);
}

#[test]
fn a_re_ipl_that_fails_at_any_operation_leaves_whole_records() {
    let total = count(1, record);
    for at in 1..=total {
        let home = directory_with_targets(1);
        let directory = home.path().join("state");
        record(&store(&directory)).unwrap();
        record(&faulty(&directory, Some((at, Moment::Before, Fault::Fails))).0).unwrap_err();
        let count = store(&directory).active().unwrap().ipl_count;
        assert!(count == 1 || count == 2, "operation {at}: {count}");
        record(&store(&directory)).unwrap();
    }
}

#[test]
fn the_first_write_of_all_fails_as_cleanly_as_any_other() {
    let count = {
        let home = tempfile::tempdir().unwrap();
        let (store, operations) = faulty(&home.path().join("a/state"), None);
        edit(&store).unwrap();
        operations.load(Ordering::Relaxed)
    };
    for at in 1..=count {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/state");
        edit(&faulty(&directory, Some((at, Moment::Before, Fault::Fails))).0).unwrap_err();
        let targets = store(&directory).configuration().unwrap().targets.len();
        assert!(targets == 0 || at == count, "operation {at}: {targets}");
    }
}

#[test]
fn a_machine_without_an_id_gets_one_name_for_good() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state");
    let first = faulty(&directory, None)
        .0
        .generated_name()
        .unwrap()
        .unwrap();
    assert_eq!(
        faulty(&directory, None)
            .0
            .generated_name()
            .unwrap()
            .unwrap(),
        first
    );
    assert!(
        first.as_str().starts_with("iqn.1924-02.com.ibm:ibmi."),
        "{first}"
    );
    assert_eq!(first.as_str().len(), 60);

    let other = home.path().join("other");
    assert_ne!(
        faulty(&other, None).0.generated_name().unwrap().unwrap(),
        first
    );
}

const KILL: &str = "ISCSISWICONFIG_TEST_KILL";

/// The child of the test below, which dies where it is told. Run by itself it is an edit without a fault.
#[test]
fn killed_child() {
    let Ok(order) = std::env::var(KILL) else {
        let home = directory_with_targets(1);
        let directory = home.path().join("state");
        edit(&faulty(&directory, None).0).unwrap();
        assert!(is_new(&directory, 1, "no fault"));
        return;
    };
    let [directory, at, moment] = order.split('|').collect::<Vec<_>>()[..] else {
        panic!("{order}");
    };
    let moment = match moment {
        "Before" => Moment::Before,
        "Halfway" => Moment::Halfway,
        _ => Moment::After,
    };
    let fault = Some((at.parse().unwrap(), moment, Fault::Dies));
    edit(&faulty(Path::new(directory), fault).0).unwrap();
}

#[test]
fn a_kill_at_any_step_leaves_the_old_state_or_the_new_one_and_no_lock() {
    let old = 1;
    let total = count(old, edit);
    let mut outcomes = Vec::new();
    for at in 1..=total {
        for moment in [Moment::Before, Moment::Halfway, Moment::After] {
            let context = format!("killed at operation {at} of {total}, {moment:?}");
            let home = directory_with_targets(old);
            let directory = home.path().join("state");
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "state::killed_child"])
                .env(KILL, format!("{}|{at}|{moment:?}", directory.display()))
                .output()
                .unwrap();
            assert!(child.status.signal().is_some(), "{context}: {child:?}");

            let new = is_new(&directory, old, &context);
            outcomes.push(new);
            // The next writer finds its way free, whatever the dead one left behind.
            if !new {
                edit(&store(&directory)).unwrap();
                assert!(is_new(&directory, old, &context));
            }
            let left: Vec<_> = fs::read_dir(&directory)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .filter(|name| name.to_string_lossy().ends_with(".new"))
                .collect();
            assert!(left.is_empty(), "{context}: {left:?}");
        }
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false));
}

/// Writes a record of the state as it stands, mode 0600.
fn put(directory: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(directory.join(name), text).unwrap();
    fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_configuration_of_earlier_versions_is_read_and_written_in_todays_form() {
    const TODAY: &str = concat!(
        r#"{"schema":1,"record":{"last_revision":2,"staged":{"target_name":"vtl."},"targets":["#,
        r#"{"identity":{"target_name":"iqn.a:b","target_host_name":"10.1.1.5"},"revision":1},"#,
        r#"{"identity":{"target_name":"c","target_host_name":"10.1.1.6"},"revision":2,"#,
        r#""chap":{"name":"N","secret":"SECRETSECRET"}}]}}"#,
        "\n"
    );
    let lines = TODAY
        .replace("\"targets\":[", "\"targets\":[\n")
        .replace("},{\"identity", "}\n,{\"identity");
    let checked = |name: &str, value: &str| {
        let end = format!("]}},\"{name}\":{value}}}");
        lines.replace("]}}", &format!("\n{end}"))
    };
    for text in [
        TODAY.to_owned(),
        checked("xxh3", "\"5ed738080b41d531\""),
        checked("crc32c", "\"0c7d1a5e\""),
        checked("xxh3", "7"),
        TODAY.replace(",\"targets", ", \r\n \"targets"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("state");
        put(&directory, "config.json", &text);
        let nothing = store(&directory).edit(|_, _| Ok::<_, StateError>(()));
        nothing.unwrap();
        let written = fs::read_to_string(directory.join("config.json")).unwrap();
        assert_eq!(written, TODAY, "{text}");
    }
}

#[test]
fn a_field_that_a_record_lacks_has_its_default() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state");
    for name in [
        "config.json",
        "active.json",
        "devices.json",
        "partition.json",
    ] {
        put(&directory, name, "{\"schema\":1,\"record\":{}}\n");
    }
    let store = store(&directory);
    assert!(store.configuration().unwrap().targets.is_empty());
    assert_eq!(store.active().unwrap(), ActiveConfiguration::default());
    assert_eq!(store.partition().unwrap().keystore_size, 0);
    let re_ipl = store.begin_re_ipl().unwrap();
    assert!(re_ipl.device_names.drives.is_empty());
}

/// Opens a state with a keystore directory on a machine that has one file of its own.
pub fn on_machine(root: &Path, file: &str, text: Result<String, io::ErrorKind>) -> Store {
    on_machine_in(root, "state", file, text)
}

/// Opens another state directory that shares the keystore directory.
pub fn on_machine_in(
    root: &Path,
    state: &str,
    file: &str,
    text: Result<String, io::ErrorKind>,
) -> Store {
    let disk = FaultyDisk {
        directory: root.to_owned(),
        operations: Arc::default(),
        fault: None,
        machine: Some((file.into(), text)),
    };
    Store::on(Box::new(disk), root.join(state), LOCK_TIMEOUT).with_keystore(root.join("keystore"))
}

#[test]
fn a_machine_whose_identity_cannot_be_read_seals_nothing_and_has_no_other_name() {
    for file in ["/etc/machine-id", "/proc/device-tree/ibm,partition-uuid"] {
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::Other,
            io::ErrorKind::InvalidData,
        ] {
            let home = tempfile::tempdir().unwrap();
            let faulty = on_machine(home.path(), file, Err(kind));
            assert!(faulty.generated_name().is_err(), "{file} {kind:?}");
            let enabled = faulty.edit_partition(|_, partition, _| {
                partition.keystore_size = 4096;
                Ok::<_, StateError>(())
            });
            let error = enabled.unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
            let written = |name: &str| {
                let names = fs::read_dir(home.path().join(name));
                names.is_ok_and(|names| {
                    names
                        .flatten()
                        .any(|file| file.file_name().to_string_lossy().ends_with(".json"))
                })
            };
            assert!(!written("state") && !written("keystore"), "{file} {kind:?}");
        }
    }
    let home = tempfile::tempdir().unwrap();
    let without = on_machine(home.path(), "/etc/machine-id", Err(io::ErrorKind::NotFound));
    assert!(without.generated_name().unwrap().is_some());
}

#[test]
fn what_a_killed_writer_left_is_removed_by_the_next_call_unless_a_writer_is_at_work() {
    const LEFT: [&str; 2] = ["config.json.new", "partition.json.new"];
    let home = directory_with_targets(1);
    let directory = home.path().join("state");
    let left = || -> Vec<&str> {
        let is_there = |name: &&str| directory.join(name).exists();
        LEFT.into_iter().filter(is_there).collect()
    };
    let calls: [fn(&Store); 4] = [
        |store| drop(store.configuration().unwrap()),
        |store| drop(store.active().unwrap()),
        |store| drop(store.partition().unwrap()),
        |store| drop(store.begin_re_ipl().unwrap()),
    ];
    for call in calls {
        for name in LEFT {
            put(&directory, name, "SECRETSECRET");
        }
        call(&store(&directory));
        assert!(left().is_empty(), "{:?}", left());
    }
    let writer = store(&directory);
    let edited = writer.edit(|_, _| {
        put(&directory, LEFT[1], "of the writer");
        drop(store(&directory).configuration());
        assert_eq!(left(), [LEFT[1]]);
        Ok::<_, StateError>(())
    });
    edited.unwrap();
}

#[test]
fn a_record_that_could_not_be_read_again_is_not_written() {
    let home = directory_with_targets(1);
    let directory = home.path().join("state");
    let before = fs::read(directory.join("config.json")).unwrap();
    let edited = store(&directory).edit(|configuration, _| {
        let mut target = configuration.targets[0].clone();
        target.chap = None;
        target.identity = identity(&format!("iqn.{}", "x".repeat(219)));
        let label = "x".repeat(63);
        let host_name = [&label[..], &label, &label, &label[..61]].join(".");
        target.identity.target_host_name = host_name.parse().unwrap();
        configuration.targets = vec![target; 130_000];
        Ok::<_, StateError>(())
    });
    assert!(matches!(
        edited,
        Err(StateError::Storage(StorageError::TooLong { .. }))
    ));
    assert_eq!(fs::read(directory.join("config.json")).unwrap(), before);
}

#[test]
fn a_file_size_limit_is_an_error_and_not_a_death() {
    let environment = crate::common::TestEnvironment::new();
    let add = "-addtarget -initiatorname iqn.i -targethostname 10.1.1.5 -targetname iqn.one";
    let mut shell = environment.command_of(Path::new("sh"));
    shell.args(["-c", &format!("ulimit -f 0; exec iscsiswiconfig {add}")]);
    let output = environment.finish(shell).assert_status(3);
    assert!(output.stderr.contains("ulimit -f"), "{}", *output);
    assert_eq!(environment.run_line(add).status.code(), Some(0));
}

#[test]
fn devices_that_were_long_not_seen_are_forgotten_when_asked() {
    let environment = crate::common::TestEnvironment::new();
    let store = store(&environment.state());
    // The first re-IPL finds a device, and the two behind it do not.
    for re_ipl_number in 1..=3 {
        let re_ipl = store.begin_re_ipl().unwrap();
        let mut names = re_ipl.device_names.clone();
        let mut seen = std::collections::BTreeSet::new();
        if re_ipl_number == 1 {
            let serial = "A".to_owned();
            names.name(DeviceKind::Library, &DeviceKey::Serial { serial });
            seen.insert("TAPMLB01");
        }
        names.note_seen(&seen, re_ipl_number);
        let active = ActiveConfiguration {
            ipl_count: re_ipl_number,
            ..ActiveConfiguration::default()
        };
        re_ipl.record(&active, &names).unwrap();
    }
    let names = || {
        let re_ipl = store.begin_re_ipl().unwrap();
        re_ipl
            .device_names
            .libraries
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let forget = |count: &str| {
        let output = environment.run(&["--json", "partition", "set", "--forget-devices", count]);
        let document = output.assert_status(0).json();
        (
            document["changed"].clone(),
            document["forgotten_devices"].clone(),
        )
    };
    assert_eq!(forget("3"), (false.into(), serde_json::json!([])));
    assert_eq!(names(), ["TAPMLB01"]);
    assert_eq!(forget("2"), (true.into(), serde_json::json!(["TAPMLB01"])));
    assert!(names().is_empty());
}
