//! Where our state lies, and how it comes to hold what is measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use iscsiswiconfig::iop::config::{
    ChapParameters, Configuration, KeystoreUse, Partition, TargetIdentity,
};
use iscsiswiconfig::iop::store::{StateError, Store};
use iscsiswiconfig::values::{InitiatorName, Subject};
use tempfile::TempDir;

use crate::measure;

const PROGRAM: &str = "iscsiswiconfig";

/// A directory of a file system that a comparison is made on; both sides keep their files in it.
pub struct Home {
    /// The file system's type.
    pub file_system: String,
    directory: TempDir,
    /// The program that is measured, which stays on disk.
    program: TempDir,
}

impl Home {
    /// Returns a directory where the build keeps its files.
    pub fn on_disk() -> Self {
        Self::under(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// Returns a directory that no disk stands behind, so that waiting for one takes no time; none where there is none.
    pub fn in_memory() -> Option<Self> {
        let memory = Path::new("/dev/shm");
        memory.is_dir().then(|| Self::under(memory))
    }

    fn under(parent: &Path) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("speed-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .expect("a temporary directory");
        let file_system = measure::output(
            Command::new("stat")
                .args(["--file-system", "--format=%T"])
                .arg(directory.path()),
        );
        Self {
            // The three have one number between them.
            file_system: file_system.trim().replace("ext2/ext3", "ext4"),
            directory,
            program: installed(Path::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))),
        }
    }

    /// Returns whether a disk has to be waited for.
    pub fn is_on_disk(&self) -> bool {
        self.file_system != "tmpfs"
    }

    /// Returns a path in this directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Waits until the disk has nothing left to write of what went before.
    pub fn settle(&self) {
        let directory = fs::File::open(self.directory.path()).expect("the directory");
        rustix::fs::syncfs(&directory).expect("syncfs");
    }

    /// Returns a command line of the program that is measured.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.path().join(PROGRAM));
        command
            .env("ISCSISWICONFIG_STATE_DIR", self.state())
            .args(arguments);
        command
    }

    /// Makes a state with these targets and nothing else, and returns a copy to restore it from.
    pub fn configure(&self, targets: impl Iterator<Item = Address>) -> Saved {
        let _ = fs::remove_dir_all(self.state());
        self.edit(|configuration, partition| {
            for target in targets {
                configuration
                    .add(target.identity(), ChapParameters::default(), partition)
                    .expect("a new target");
            }
        });
        self.save("config.saved")
    }

    /// Returns how many targets are configured.
    pub fn configured(&self) -> usize {
        let store = Store::new(self.state(), Duration::ZERO);
        store.configuration().expect("the state").targets.len()
    }

    /// Copies the configuration as it is, under a name.
    pub fn save(&self, name: &str) -> Saved {
        let saved = Saved {
            record: self.state().join("config.json"),
            copy: self.path(name),
        };
        fs::copy(&saved.record, &saved.copy).expect("copy the record");
        saved
    }

    fn edit(&self, change: impl FnOnce(&mut Configuration, Partition<'_>)) {
        let store = Store::new(self.state(), Duration::ZERO);
        let generated_name = store.generated_name().expect("the generated name");
        let partition = Partition {
            generated_name: generated_name.as_ref(),
            keystore: KeystoreUse::NotEnabled,
        };
        let edited = store.edit(|configuration, _| -> Result<(), StateError> {
            change(configuration, partition);
            Ok(())
        });
        edited.expect("the state");
    }
}

/// Returns a directory with a copy of the program that was built. The peers are programs that were installed, and start from
/// large folios of the page cache; one that the linker has just written lies there page by page, and starts an eighth slower.
fn installed(built: &Path) -> TempDir {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    fs::copy(built, directory.path().join(PROGRAM)).expect("a copy of the program");
    directory
}

/// A copy of the configuration.
pub struct Saved {
    record: PathBuf,
    copy: PathBuf,
}

impl Saved {
    /// Puts the copy in the record's place. It is linked, not written: the disk is left with nothing to catch up on,
    /// and the program replaces the record by another file.
    pub fn restore(&self) {
        let link = self.copy.with_extension("link");
        let _ = fs::remove_file(&link);
        fs::hard_link(&self.copy, &link).expect("link the copy");
        fs::rename(&link, &self.record).expect("restore the record");
    }

    /// Returns the bytes of the record.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.copy).expect("the copy")
    }
}

/// A target as both sides are told of it.
pub struct Address {
    pub host: String,
    pub port: String,
    pub name: String,
}

impl Address {
    /// Returns one of many targets of a site.
    pub fn number(number: usize) -> Self {
        Self {
            host: format!("10.1.{}.{}", number / 250, number % 250 + 1),
            port: "3260".to_owned(),
            name: format!("iqn.2000-03.com.example:vtl.site-{number:05}"),
        }
    }

    /// Returns the parameters that name it.
    pub fn words(&self) -> [&str; 8] {
        [
            "-initiatorname",
            "*GENERATE",
            "-targethostname",
            &self.host,
            "-targetname",
            &self.name,
            "-targetport",
            &self.port,
        ]
    }

    fn identity(&self) -> TargetIdentity {
        TargetIdentity {
            initiator_name: InitiatorName::Generated,
            target_host_name: self.host.parse().expect("a host name"),
            target_name: Subject::TargetName.iscsi_name(&self.name).expect("a name"),
            target_port: self.port.parse().expect("a port"),
        }
    }
}
