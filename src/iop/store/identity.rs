//! The partition's own initiator name: `iqn.1924-02.com.ibm:ibmi.<uuid>-i0`.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::StateError;
use super::records::Store;
use crate::iop::config::{UuidChoice, plain_uuid};
use crate::values::{IscsiName, Subject, ValueError};

/// The partition's UUID as the Power hypervisor gives it.
pub(super) const PARTITION_UUID: &str = "/proc/device-tree/ibm,partition-uuid";
/// The machine id of machine-id(5).
pub(super) const MACHINE_ID: &str = "/etc/machine-id";
const SYSTEM: &str = "system.json";

/// A UUID that was made once, for a machine that has no id of its own: `system.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct System {
    uuid: String,
}

/// Who the partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The UUID, 32 lower-case hex digits; none when the partition was set to have none.
    pub uuid: Option<String>,
    /// Where the UUID comes from.
    pub source: UuidSource,
    /// The system generated initiator name, which is made of the UUID.
    pub generated_name: Option<IscsiName>,
}

/// Where a partition's UUID comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

impl Store {
    /// Returns the partition's UUID and the name made of it. The first call on a machine without an id of its own makes one
    /// and keeps it in the state directory.
    ///
    /// # Errors
    /// [`StateError`] when that one cannot be kept.
    pub fn identity(&self) -> Result<Identity, StateError> {
        let (uuid, source) = match self.partition()?.uuid {
            Some(UuidChoice::None) => (None, UuidSource::Set),
            Some(UuidChoice::Given(uuid)) => (Some(uuid), UuidSource::Set),
            None => match machine_uuid(|path| self.read_machine_file(path)) {
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
        Ok(Identity {
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
            getrandom::fill(&mut random).map_err(|error| StateError::Io {
                operation: "draw a random UUID for",
                path: self.directory().join(SYSTEM),
                source: error.into(),
            })?;
            Ok(System {
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

/// Returns the partition's UUID, or one derived from the machine id where there is none.
fn machine_uuid(read: impl Fn(&Path) -> Option<String>) -> Option<(String, UuidSource)> {
    let digits = |path| read(Path::new(path)).and_then(|text| hexadecimal_digits(&text));
    digits(PARTITION_UUID)
        .map(|uuid| (uuid, UuidSource::Hypervisor))
        .or_else(|| digits(MACHINE_ID).map(|id| (derive_uuid(&id), UuidSource::MachineId)))
}

fn initiator_name(uuid: &str) -> Result<IscsiName, ValueError> {
    IscsiName::parse(
        Subject::InitiatorName,
        &format!("iqn.1924-02.com.ibm:ibmi.{uuid}-i0"),
    )
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
            machine_uuid(|path| {
                let text = match path.to_str() {
                    Some("/proc/device-tree/ibm,partition-uuid") => partition,
                    Some("/etc/machine-id") => machine,
                    other => panic!("{other:?}"),
                };
                text.map(str::to_owned)
            })
            .map(|(uuid, _)| uuid)
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
        let store = Store::new(directory.path().join("state"), std::time::Duration::ZERO);
        assert_eq!(store.read_machine_file(&link).as_deref(), Some("id\n"));
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
