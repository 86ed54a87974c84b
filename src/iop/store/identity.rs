//! The partition's own initiator name: `iqn.1924-02.com.ibm:ibmi.<uuid>-i0`.

use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::StateError;
use super::records::Store;
use crate::iop::config::{UuidChoice, plain_uuid};
use crate::iscsi::name::IscsiName;
use crate::storage::{FileSystem, StorageError};
use crate::values::{Subject, ValueError};

/// The partition's UUID as the Power hypervisor gives it.
const PARTITION_UUID: &str = "/proc/device-tree/ibm,partition-uuid";
/// The machine id of machine-id(5).
const MACHINE_ID: &str = "/etc/machine-id";
const SYSTEM: &str = "system.json";

/// A UUID that was made once, for a machine without a machine id: `system.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemRecord {
    uuid: String,
}

/// The UUID of the partition and the name generated of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionIdentity {
    /// The UUID, 32 lower-case hex digits; none when the partition was set to have none.
    pub uuid: Option<String>,
    /// Where the UUID comes from.
    pub source: UuidSource,
    /// The system generated initiator name, which is made of the UUID.
    pub generated_name: Option<IscsiName>,
}

/// Where a partition's UUID comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UuidSource {
    /// It was set with `partition set`, to be one or none.
    Set,
    /// The Power hypervisor gives it.
    Hypervisor,
    /// It is derived from the machine id.
    MachineId,
    /// It was made once, and is kept in the state directory.
    Random,
}

/// What the machine says of itself: the texts of its files, where they exist. They are read once, so that one call never acts
/// on two answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    partition_uuid: Option<String>,
    machine_id: Option<String>,
}

impl Machine {
    /// Reads the files. Only one that does not exist is none: with another one's absence a KeyStore would be sealed that
    /// never opens again, and the generated initiator name would be another one.
    fn read(disk: &dyn FileSystem) -> Result<Self, StorageError> {
        let text = |path: &str| match disk.read_machine_file(Path::new(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StorageError::Io {
                operation: "read",
                path: path.into(),
                source,
            }),
        };
        Ok(Self {
            partition_uuid: text(PARTITION_UUID)?,
            machine_id: text(MACHINE_ID)?,
        })
    }

    /// Returns what a KeyStore is sealed with of the machine: whichever of the two it has. The sealed form must not open where
    /// one of them differs.
    pub(super) fn sealed_with(&self) -> String {
        [&self.partition_uuid, &self.machine_id]
            .map(|text| text.as_deref().unwrap_or_default())
            .join("\n")
    }
}

impl Store {
    /// Returns what the machine says of itself.
    pub(super) fn machine(&self) -> Result<&Machine, StorageError> {
        if let Some(machine) = self.machine.get() {
            return Ok(machine);
        }
        let machine = Machine::read(self.state.disk.as_ref())?;
        Ok(self.machine.get_or_init(|| machine))
    }

    /// Returns the partition's UUID and the name made of it. The first call on a machine without an id of its own makes one
    /// and keeps it in the state directory.
    ///
    /// # Errors
    /// [`StateError`] when that one cannot be kept.
    pub fn identity(&self) -> Result<PartitionIdentity, StateError> {
        let (uuid, source) = match self.partition()?.uuid {
            Some(UuidChoice::None) => (None, UuidSource::Set),
            Some(UuidChoice::Given(uuid)) => (Some(uuid), UuidSource::Set),
            None => match machine_uuid(self.machine()?) {
                Some((uuid, source)) => (Some(uuid), source),
                None => (Some(self.kept_uuid()?), UuidSource::Random),
            },
        };
        let generated_name = uuid
            .as_deref()
            .map(initiator_name)
            .transpose()
            .map_err(|_| StateError::Malformed {
                path: self.directory().join(SYSTEM),
                line: 1,
                column: 1,
            })?;
        Ok(PartitionIdentity {
            uuid,
            source,
            generated_name,
        })
    }

    /// Returns the system generated initiator name; none when the partition has no UUID.
    ///
    /// # Errors
    /// As [`Store::identity`].
    pub fn generated_name(&self) -> Result<Option<IscsiName>, StateError> {
        Ok(self.identity()?.generated_name)
    }

    fn kept_uuid(&self) -> Result<String, StateError> {
        let system = self.read_or_make(SYSTEM, || {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|error| StorageError::Io {
                operation: "draw a random UUID for",
                path: self.directory().join(SYSTEM),
                source: error.into(),
            })?;
            Ok(SystemRecord {
                uuid: uuid_version_4(random),
            })
        })?;
        hexadecimal_digits(&system.uuid).ok_or_else(|| StateError::Malformed {
            path: self.directory().join(SYSTEM),
            line: 1,
            column: 1,
        })
    }
}

/// Returns the UUID that the machine has: the partition's, else one derived from the machine id.
fn machine_uuid(machine: &Machine) -> Option<(String, UuidSource)> {
    let digits = |text: &Option<String>| text.as_deref().and_then(hexadecimal_digits);
    digits(&machine.partition_uuid)
        .map(|uuid| (uuid, UuidSource::Hypervisor))
        .or_else(|| digits(&machine.machine_id).map(|id| (derive_uuid(&id), UuidSource::MachineId)))
}

fn initiator_name(uuid: &str) -> Result<IscsiName, ValueError> {
    Subject::InitiatorName.iscsi_name(&format!("iqn.1924-02.com.ibm:ibmi.{uuid}-i0"))
}

/// Returns the 32 digits of a UUID in lower case, with or without hyphens and a final NUL or line end.
fn hexadecimal_digits(text: &str) -> Option<String> {
    plain_uuid(text.trim_end_matches(['\0', '\n']))
}

/// Derives a UUID from the machine id, which itself must not leave the machine (machine-id(5)).
fn derive_uuid(machine_id: &str) -> String {
    let mut uuid = [0; 16];
    // A key of any length is fine for HMAC (RFC 2104 section 2).
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(machine_id.as_bytes()) {
        mac.update(b"iscsiswiconfig partition uuid");
        let digest = mac.finalize().into_bytes();
        uuid.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
    }
    uuid_version_4(uuid)
}

/// Marks 16 bytes as a UUID of version 4, variant 1 (RFC 9562 section 5.4), and spells them without hyphens.
fn uuid_version_4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_name_is_made_of_its_uuid() {
        let uuid = hexadecimal_digits("4520920E-FDC3-454D-B06B-96A56D912AA5\0").unwrap();
        assert_eq!(
            initiator_name(&uuid).unwrap().as_str(),
            "iqn.1924-02.com.ibm:ibmi.4520920efdc3454db06b96a56d912aa5-i0"
        );
    }

    #[test]
    fn the_partitions_uuid_goes_before_the_machine_id_and_neither_may_be_there() {
        const PARTITION: &str = "4520920e-fdc3-454d-b06b-96a56d912aa5\0";
        const MACHINE: &str = "0123456789abcdef0123456789abcdef\n";
        let uuid = |partition: Option<&str>, machine: Option<&str>| {
            let machine = Machine {
                partition_uuid: partition.map(str::to_owned),
                machine_id: machine.map(str::to_owned),
            };
            machine_uuid(&machine).map(|(uuid, _)| uuid)
        };
        let derived = derive_uuid(MACHINE.trim_end());
        let own = "4520920efdc3454db06b96a56d912aa5";
        assert_eq!(uuid(Some(PARTITION), Some(MACHINE)).as_deref(), Some(own));
        assert_eq!(uuid(Some("no UUID"), Some(MACHINE)), Some(derived.clone()));
        assert_eq!(uuid(None, Some(MACHINE)), Some(derived));
        assert_eq!(uuid(None, Some("uninitialized\n")), None);
        assert_eq!(uuid(None, None), None);
    }

    #[test]
    fn a_machine_id_may_be_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("machine-id");
        std::fs::write(directory.path().join("kept"), "id\n").unwrap();
        std::os::unix::fs::symlink("kept", &link).unwrap();
        let text = crate::storage::SystemFileSystem.read_machine_file(&link);
        assert_eq!(text.unwrap(), "id\n");
    }

    #[test]
    fn what_is_no_uuid_is_not_taken_for_one() {
        for text in [
            "",
            "uninitialized\n",
            "4520920efdc3454db06b96a56d912aa",
            "x520920efdc3454db06b96a56d912aa5",
        ] {
            assert_eq!(hexadecimal_digits(text), None, "{text}");
        }
    }

    #[test]
    fn a_derived_uuid_is_stable_and_hides_the_machine_id() {
        let id = "0123456789abcdef0123456789abcdef";
        let uuid = derive_uuid(id);
        assert_eq!(uuid, derive_uuid(id));
        assert_ne!(uuid, derive_uuid("0123456789abcdef0123456789abcdee"));
        assert!(!uuid.contains(&id[..8]));
        assert_eq!(&uuid[12..13], "4");
    }
}
