use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::iop::config::{
    ChapParameters, ConfigurationError, KeystoreUse, Partition, PartitionChange, PartitionRecord,
    StagedParameter, Target, TargetIdentity,
};
use crate::iop::store::{StateError, Store, SystemFileSystem};
use crate::values::{ChapName, ChapSecret, InitiatorName, IscsiName, Port, Subject};

/// Names that differ in nothing, in letter case, by what JSON escapes, and by what stands behind.
const NAMES: [&str; 8] = [
    "iqn.x:vtl",
    "IQN.X:VTL",
    "iqn.x:vtl2",
    "iqn.x:vt",
    "iqn.x:\"\\",
    "iqn.x:\"",
    "a",
    "\",\"target_host_name\":\"",
];

fn name(name: &str) -> IscsiName {
    IscsiName::parse(Subject::TargetName, name).unwrap()
}

/// What one command line would do.
#[derive(Clone, Debug)]
enum Edit {
    Add(TargetIdentity, bool),
    Change(TargetIdentity),
    Remove(TargetIdentity),
    Stage(&'static str),
    Commit,
    Clear,
}

impl Edit {
    fn scope(&self) -> Scope<'_> {
        match self {
            Self::Add(identity, _) | Self::Change(identity) | Self::Remove(identity) => {
                Scope::Named(&identity.target_name)
            }
            Self::Stage(_) | Self::Clear => Scope::Staged,
            Self::Commit => Scope::StagedName,
        }
    }

    /// Makes the edit and returns what its user is told.
    fn make(self, configuration: &mut Configuration) -> Result<String, ConfigurationError> {
        self.make_on(configuration, KeystoreUse::NotEnabled)
    }

    fn make_on(
        self,
        configuration: &mut Configuration,
        keystore: KeystoreUse,
    ) -> Result<String, ConfigurationError> {
        let generated = name("iqn.generated");
        let partition = Partition {
            generated_name: Some(&generated),
            keystore,
        };
        let chap = |given: bool| ChapParameters {
            name: given.then(|| ChapName::parse("NAME\"").unwrap()),
            secret: given.then(|| ChapSecret::parse("SECRET\\SECRET").unwrap()),
            keystore: None,
        };
        Ok(match self {
            Self::Add(identity, with_chap) => {
                format!(
                    "{:?}",
                    configuration.add(identity, chap(with_chap), partition)?
                )
            }
            Self::Change(identity) => {
                format!(
                    "{:?}",
                    configuration.change(&identity, chap(true), partition)?
                )
            }
            Self::Remove(identity) => {
                format!("{:?}", configuration.remove(&identity, partition)?)
            }
            Self::Stage(piece) => {
                configuration
                    .staged
                    .replace(StagedParameter::TargetName, piece)?;
                configuration
                    .staged
                    .replace(StagedParameter::TargetHostName, "staged")?;
                String::new()
            }
            Self::Commit => format!("{:?}", configuration.commit(partition)?),
            Self::Clear => {
                let removed = configuration.targets.len();
                configuration.clear();
                removed.to_string()
            }
        })
    }
}

fn identities() -> impl Strategy<Value = TargetIdentity> {
    (0..NAMES.len(), any::<bool>(), 0..3_u16, any::<bool>()).prop_map(
        |(index, own_name, host, port)| TargetIdentity {
            initiator_name: match own_name {
                true => InitiatorName::Named(name("iqn.own")),
                false => InitiatorName::Generated,
            },
            target_name: name(NAMES[index]),
            target_host_name: format!("10.1.1.{host}").parse().unwrap(),
            target_port: if port {
                "860".parse().unwrap()
            } else {
                Port::DEFAULT
            },
        },
    )
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (identities(), any::<bool>()).prop_map(|(identity, chap)| Edit::Add(identity, chap)),
        2 => identities().prop_map(Edit::Change),
        2 => identities().prop_map(Edit::Remove),
        1 => (0..NAMES.len()).prop_map(|index| Edit::Stage(NAMES[index])),
        1 => Just(Edit::Commit),
        1 => Just(Edit::Clear),
    ]
}

/// A state directory.
struct Home {
    directory: TempDir,
    store: Store,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"), Duration::ZERO)
            .with_keystore(directory.path().join("keystore"));
        Self { directory, store }
    }

    fn with_targets(count: usize) -> Self {
        let home = Self::new();
        let added = home.store.edit(Scope::All, |configuration, _| {
            for number in 0..count {
                Edit::Add(numbered(number), number % 7 == 3)
                    .make(configuration)
                    .unwrap();
            }
            Ok::<_, StateError>(())
        });
        added.unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state/config.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    /// Returns what is read in a scope while the Platform KeyStore is not enabled.
    fn read(&self, scope: Scope<'_>) -> Option<Configuration> {
        read_file(&self.path(), scope, true)
    }
}

fn numbered(number: usize) -> TargetIdentity {
    TargetIdentity {
        initiator_name: InitiatorName::Generated,
        target_name: name(&format!("iqn.2000-03.com.example:vtl.site-{number:05}")),
        target_host_name: "10.1.1.5".parse().unwrap(),
        target_port: Port::DEFAULT,
    }
}

fn read_file(path: &Path, scope: Scope<'_>, secrets_stay: bool) -> Option<Configuration> {
    let file = SystemFileSystem.open(path).unwrap().unwrap();
    read(&SystemFileSystem, &file, scope, secrets_stay).unwrap()
}

fn edit(store: &Store, scope: Scope<'_>, edit: Edit) -> Result<Result<String, String>, StateError> {
    // A refused edit is an edit that changes nothing: the text is written once more.
    store.edit(scope, |configuration, _: &PartitionRecord| {
        Ok(edit
            .make(configuration)
            .map_err(|error| format!("{error:?}")))
    })
}

/// An edit with the Platform KeyStore about.
#[derive(Clone, Debug)]
enum KeystoreEdit {
    Edit(Edit),
    StageSecret,
    /// Sets the size of the KeyStore, zero for none.
    Resize(u64),
    /// Leaves the record as a kill between two writes does: a size, and no KeyStore yet.
    Begin,
}

impl KeystoreEdit {
    /// Makes the edit, all of the configuration in scope or only what it asks for, and returns what went wrong.
    fn make(self, home: &Home, whole: bool) -> Result<(), String> {
        let told = |error: StateError| format!("{error:?}");
        let in_scope = |scope| if whole { Scope::All } else { scope };
        match self {
            Self::Edit(made) => {
                let scope = made.clone();
                let scope = in_scope(scope.scope());
                let edited = home.store.edit(scope, |configuration, partition| {
                    let outcome = made.make_on(configuration, partition.keystore_use());
                    Ok(outcome.map(|_| ()).map_err(|error| error.to_string()))
                });
                edited.map_err(told)?
            }
            Self::StageSecret => {
                let scope = in_scope(Scope::Staged);
                let edited = home.store.edit(scope, |configuration, _| {
                    let staged = &mut configuration.staged;
                    let _ = staged.replace(StagedParameter::ChapSecret, "STAGEDSECRET");
                    let _ = staged.replace(StagedParameter::ChapName, "NAME");
                    Ok(())
                });
                edited.map_err(told)
            }
            Self::Resize(size) => {
                let change = PartitionChange {
                    keystore_size: Some(size),
                    move_to_disk: true,
                    ..PartitionChange::default()
                };
                let edited = home.store.edit_partition(|configuration, partition, _| {
                    let outcome = configuration.repartition(partition, change);
                    Ok(outcome.map(|_| ()).map_err(|error| error.to_string()))
                });
                edited.map_err(told)?
            }
            Self::Begin => {
                let path = home.directory.path().join("state/partition.json");
                if home.path().exists() && !path.exists() {
                    let record = r#"{"schema":1,"record":{"release":"7.6","keystore_size":4096}}"#;
                    fs::write(&path, record).unwrap();
                    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
                }
                Ok(())
            }
        }
    }
}

fn keystore_edits() -> impl Strategy<Value = KeystoreEdit> {
    prop_oneof![
        12 => edits().prop_map(KeystoreEdit::Edit),
        1 => Just(KeystoreEdit::StageSecret),
        2 => prop::sample::select(&[0, 48, 100, 4096][..]).prop_map(KeystoreEdit::Resize),
        1 => Just(KeystoreEdit::Begin),
    ]
}

/// Returns everything that a configuration holds, but for the ids of entries in the KeyStore, which are drawn by lot; the
/// second part is which secrets rest in plain text.
fn held(home: &Home) -> (Vec<String>, Vec<bool>) {
    let configuration = home.store.revealed_configuration().unwrap();
    let targets = configuration.targets.iter().map(|target| {
        let secret = target.chap.as_ref().and_then(|chap| chap.secret());
        let secret = secret.map(|secret| secret.reveal().to_owned());
        let Target {
            identity,
            revision,
            keystore,
            ..
        } = target;
        format!("{identity:?} {revision} {keystore:?} {secret:?}")
    });
    let plain = configuration.targets.iter();
    let plain = plain.map(|target| target.chap.as_ref().is_some_and(|chap| !chap.is_sealed()));
    let used = configuration.keystore_used(&home.store.partition().unwrap());
    (targets.chain([used.to_string()]).collect(), plain.collect())
}

/// Returns a text without its last line's checksum, which is the part that the checksum covers and the line's begin.
fn without_checksum(text: &str) -> &str {
    text.split_once(",\"xxh3\"").unwrap().0
}

/// Returns a text with the checksum that its lines have.
fn with_checksum(covered: &str) -> String {
    let (lines, _) = covered.rsplit_once('\n').unwrap();
    let sum = lines
        .split('\n')
        .map(|line| checksum(line.strip_prefix(',').unwrap_or(line).as_bytes()))
        .fold(0, u64::wrapping_add);
    format!("{covered},\"xxh3\":\"{sum:016x}\"}}\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_edit_in_its_scope_moves_the_credentials_that_an_edit_of_all_moves(
        edits in proptest::collection::vec(keystore_edits(), 1..20)
    ) {
        let (whole, scoped) = (Home::new(), Home::new());
        for made in edits {
            let of_all = made.clone().make(&whole, true);
            let in_scope = made.clone().make(&scoped, false);
            prop_assert_eq!(of_all, in_scope, "{:?}", &made);
            prop_assert_eq!(held(&whole), held(&scoped), "{:?}", made);
        }
    }

    #[test]
    fn an_edit_in_its_scope_does_what_an_edit_of_all_does(
        edits in proptest::collection::vec(edits(), 1..24)
    ) {
        let (whole, scoped) = (Home::new(), Home::new());
        for made in edits {
            let of_all = edit(&whole.store, Scope::All, made.clone()).unwrap();
            let in_scope = edit(&scoped.store, made.scope(), made.clone()).unwrap();
            prop_assert_eq!(of_all, in_scope, "{:?}", made);
            prop_assert_eq!(whole.text(), scoped.text(), "{:?}", made);
        }
    }
}

#[test]
fn the_text_is_a_line_for_each_target_with_a_checksum_of_what_stands_before() {
    let home = Home::with_targets(2);
    let stage = Edit::Stage("vtl.");
    edit(&home.store, stage.scope(), stage.clone())
        .unwrap()
        .unwrap();
    let covered = "{\"schema\":1,\"record\":{\"last_revision\":2,\
         \"staged\":{\"target_host_name\":\"staged\",\"target_name\":\"vtl.\"},\"targets\":[\n\
         {\"identity\":{\"target_name\":\"iqn.2000-03.com.example:vtl.site-00000\",\
         \"target_host_name\":\"10.1.1.5\"},\"revision\":1}\n\
         ,{\"identity\":{\"target_name\":\"iqn.2000-03.com.example:vtl.site-00001\",\
         \"target_host_name\":\"10.1.1.5\"},\"revision\":2}\n\
         ]}";
    assert_eq!(home.text(), with_checksum(covered));
    // By another implementation of XXH3.
    assert!(home.text().ends_with("\"xxh3\":\"533538a31ee2b044\"}\n"));
}

#[test]
fn nothing_staged_takes_no_place_in_the_text() {
    let text = Home::with_targets(1).text();
    assert!(text.starts_with("{\"schema\":1,\"record\":{\"last_revision\":1,\"targets\":[\n"));
}

#[test]
fn the_longest_values_make_lines_that_are_known_again() {
    let home = Home::new();
    // JSON escapes each of these characters.
    let (name, value) = ("\"".repeat(223), "\\".repeat(255));
    let identity = TargetIdentity {
        initiator_name: InitiatorName::Named(self::name(&name)),
        target_name: self::name(&name),
        target_host_name: "a.".repeat(126).strip_suffix('.').unwrap().parse().unwrap(),
        target_port: "65535".parse().unwrap(),
    };
    let edited = home.store.edit(Scope::All, |configuration, _| {
        configuration.last_revision = u64::MAX - 1;
        for (parameter, value) in [
            (StagedParameter::InitiatorName, &name),
            (StagedParameter::TargetName, &name),
            (StagedParameter::TargetHostName, &"h".repeat(253)),
            (StagedParameter::ChapName, &value),
            (StagedParameter::ChapSecret, &value),
        ] {
            configuration.staged.replace(parameter, value).unwrap();
        }
        let partition = Partition {
            generated_name: None,
            keystore: KeystoreUse::NotEnabled,
        };
        let chap = ChapParameters {
            name: Some(ChapName::parse(&value).unwrap()),
            secret: Some(ChapSecret::parse(&value).unwrap()),
            keystore: Some("NONE".parse().unwrap()),
        };
        configuration
            .add(identity.clone(), chap, partition)
            .unwrap();
        Ok::<_, StateError>(())
    });
    edited.unwrap();
    let longest = home.text().lines().map(str::len).max().unwrap();
    assert!((2000..LONGEST_LINE).contains(&longest), "{longest}");
    assert!(home.read(Scope::Staged).is_some());
}

#[test]
fn what_an_edit_does_not_ask_for_stays_unread_whatever_its_size() {
    // Several pieces of text, and runs that end within one.
    let home = Home::with_targets(2000);
    assert!(home.text().len() > 3 * READ_PIECE);
    let unread = home.read(Scope::Staged).unwrap().targets;
    assert_eq!(unread.len(), 2000);
    assert_eq!(unread.slots().len(), 1);
    let wanted = numbered(1234);
    let targets = home
        .read(Scope::Named(&wanted.target_name))
        .unwrap()
        .targets;
    let counts: Vec<_> = targets
        .slots()
        .iter()
        .map(|slot| match slot {
            Slot::Target(target) => {
                assert_eq!(target.identity.target_name, wanted.target_name);
                1
            }
            Slot::Unread(run) => run.count,
        })
        .collect();
    assert_eq!(counts, [1234, 1, 765]);

    let before = home.text();
    let remove = Edit::Remove(wanted);
    edit(&home.store, remove.scope(), remove.clone())
        .unwrap()
        .unwrap();
    let line = before.lines().nth(1 + 1234).unwrap();
    let expected = before.replace(&format!("{line}\n"), "");
    assert_eq!(home.text(), with_checksum(without_checksum(&expected)));
}

#[test]
fn secrets_that_may_move_are_read_whatever_the_scope() {
    let home = Home::with_targets(20);
    let targets = read_file(&home.path(), Scope::Staged, false)
        .unwrap()
        .targets;
    assert_eq!(targets.len(), 20);
    assert_eq!(
        targets
            .iter()
            .filter(|target| target.chap.is_some())
            .count(),
        3
    );
    assert!(targets.iter().all(|target| target.chap.is_some()));
}

#[test]
fn text_that_is_damaged_anywhere_is_not_taken_for_ours() {
    let home = Home::with_targets(5);
    let text = fs::read(home.path()).unwrap();
    let copy = home.directory.path().join("copy");
    let taken = |text: &[u8]| {
        fs::write(&copy, text).unwrap();
        read_file(&copy, Scope::Staged, true).is_some()
    };
    assert!(taken(&text));
    for at in 0..text.len() {
        for flipped in [0x01, 0x20, 0x80] {
            let mut damaged = text.clone();
            damaged[at] ^= flipped;
            assert!(!taken(&damaged), "byte {at} flipped by {flipped:#04x}");
        }
        assert!(!taken(&text[..at]), "cut off at {at}");
    }
    for behind in [&b"\n"[..], b"}", b" ", &text] {
        assert!(!taken(&[&text[..], behind].concat()));
        let last_line = text.strip_suffix(b"\n").unwrap();
        assert!(!taken(&[last_line, behind, b"\n"].concat()));
    }
}

#[test]
fn a_newer_schema_in_our_form_is_refused_and_kept() {
    let home = Home::with_targets(3);
    let text = home.text().replace("\"schema\":1", "\"schema\":2");
    let newer = with_checksum(without_checksum(&text));
    fs::write(home.path(), &newer).unwrap();
    let stage = Edit::Stage("vtl.");
    match edit(&home.store, stage.scope(), stage.clone()) {
        Err(StateError::NewerSchema { schema: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(home.text(), newer);
}

#[test]
fn unread_targets_without_the_file_that_they_were_read_from_are_not_written() {
    let home = Home::with_targets(3);
    let configuration = home.read(Scope::Staged).unwrap();
    assert!(!configuration.targets.is_empty());
    let file = tempfile::tempfile().unwrap();
    let mut writer = PieceWriter::new(&SystemFileSystem, &file, 1);
    assert!(write(&mut writer, &configuration, None).is_err());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_made_the_configuration() {
    let home = Home::with_targets(3);
    let (wanted, ours) = (numbered(1).target_name, home.text());
    let changes = [
        ours.replace("site-00000", "site-00000-of-an-editor"),
        ours.replace("site-00000", "site-98765"),
        ours.replace("vtl.site", "vtl"),
        String::new(),
    ];
    // As some editors do, at a time that is another one whatever the clock's steps.
    let write_into = |text: &str| {
        fs::write(home.path(), text).unwrap();
        let file = fs::File::options().write(true).open(home.path()).unwrap();
        let later = SystemTime::now() + Duration::from_secs(1);
        file.set_modified(later).unwrap();
    };
    // As others do, at the same time.
    let replace = |text: &str| {
        let (copy, time) = (
            home.path().with_extension("editor"),
            fs::metadata(home.path()),
        );
        fs::write(&copy, text).unwrap();
        let file = fs::File::options().write(true).open(&copy).unwrap();
        file.set_modified(time.unwrap().modified().unwrap())
            .unwrap();
        fs::rename(copy, home.path()).unwrap();
    };
    let editors: [&dyn Fn(&str); 2] = [&write_into, &replace];
    for changed in changes {
        for editor in editors {
            for scope in [Scope::Staged, Scope::Named(&wanted), Scope::All] {
                fs::write(home.path(), &ours).unwrap();
                fs::set_permissions(home.path(), Permissions::from_mode(0o600)).unwrap();
                let outcome = home.store.edit(scope, |_, _| {
                    editor(&changed);
                    Ok::<_, StateError>(())
                });
                match outcome {
                    Err(StateError::Io { source, .. }) => {
                        assert_eq!(source.kind(), io::ErrorKind::InvalidData, "{source}");
                    }
                    other => panic!("{scope:?}: {other:?}"),
                }
                assert_eq!(home.text(), changed);
            }
        }
    }
}

#[test]
fn text_in_another_form_is_not_taken_for_ours_even_with_a_checksum() {
    let home = Home::with_targets(3);
    let text = home.text();
    let covered = without_checksum(&text);
    let copy = home.directory.path().join("copy");
    let taken = |covered: &str| {
        fs::write(&copy, with_checksum(covered)).unwrap();
        read_file(&copy, Scope::Staged, true).is_some()
    };
    assert!(taken(covered));
    for (from, to) in [("}\n,", "},\n"), ("[\n{", "[\n,{"), ("\n,{", "\n{")] {
        assert!(covered.contains(from));
        assert!(!taken(&covered.replace(from, to)), "{to:?} for {from:?}");
    }
}

#[test]
fn text_of_an_editor_is_parsed_as_a_whole_and_written_in_our_form_again() {
    let home = Home::with_targets(3);
    let ours = home.text();
    let value: serde_json::Value = serde_json::from_str(&ours).unwrap();
    let checksum_of_another_kind = format!("{},\"xxh3\":7}}\n", without_checksum(&ours));
    let no_checksum = format!("{}}}\n", without_checksum(&ours));
    let older_checksum = format!("{},\"crc32c\":\"0c7d1a5e\"}}\n", without_checksum(&ours));
    let long_line = ours.replace("\n{", &format!("\n{}{{", " ".repeat(2 * READ_PIECE)));
    for edited in [
        serde_json::to_string_pretty(&value).unwrap(),
        serde_json::to_string(&value).unwrap(),
        no_checksum,
        checksum_of_another_kind,
        older_checksum,
        long_line,
        ours.replace('\n', "\r\n"),
        ours.replace(":[\n", ":[\n\n"),
    ] {
        fs::write(home.path(), &edited).unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o600)).unwrap();
        let scope = numbered(1).target_name;
        assert!(home.read(Scope::Named(&scope)).is_none(), "{edited}");
        let refused = Edit::Add(numbered(1), false);
        let told = edit(&home.store, refused.scope(), refused.clone()).unwrap();
        assert!(told.unwrap_err().starts_with("Exists"));
        assert_eq!(home.text(), ours, "{edited}");
    }
}

#[test]
fn an_edit_of_text_that_does_not_parse_names_the_line_of_the_target() {
    let home = Home::with_targets(5);
    let damaged = home.text().replace("site-00003\"", "site-00003");
    fs::write(home.path(), &damaged).unwrap();
    let add = Edit::Add(numbered(9), false);
    match edit(&home.store, add.scope(), add.clone()) {
        Err(StateError::Malformed { line: 5, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(home.text(), damaged);
}
