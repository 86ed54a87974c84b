//! What a re-IPL found, as plain data: the records that `--json` prints and that the active configuration keeps.
//!
//! Field names are part of the released JSON. Nothing here holds a secret.

use serde::{Deserialize, Serialize};

/// A medium changer with its drives: on IBM i a tape media library, TAPMLBxx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Device name, `TAPMLB01` and up; it stays with the serial number.
    pub device: String,
    /// IBM i type and model, `3584-403`; a model that the library does not tell is `***`.
    pub type_model: String,
    /// True when the type came from the product identification, not from VPD page D0h.
    pub derived: bool,
    /// VENDOR IDENTIFICATION of the standard INQUIRY data (SPC-4 6.4.2), escaped and trimmed.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, escaped and trimmed.
    pub product: String,
    /// PRODUCT REVISION LEVEL, escaped and trimmed.
    pub revision: String,
    /// Unit serial number (VPD page 80h), escaped and trimmed; empty when the device has none.
    pub serial: String,
    /// Logical unit number.
    pub lun: u64,
    /// The eight bytes of the logical unit number in hexadecimal (SAM-5 4.7), `0x4005000000000000`, where they are not the
    /// usual ones of that number: flat space addressing below 256, and every form that has no number of its own, where
    /// `lun` is the first six bytes. A JSON reader may not hold more than 53 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun_address: Option<String>,
    /// Number of storage elements (MODE SENSE page 1Dh).
    pub storage_elements: u16,
    /// Number of import/export elements.
    pub import_export_elements: u16,
    /// Number of medium transport elements.
    pub transport_elements: u16,
    /// The drives that the library's element status names, by element address.
    pub drives: Vec<Drive>,
    /// What IBM i would stumble over, a sentence each.
    pub problems: Vec<String>,
}

/// A tape drive: TAPxx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Device name, `TAP01` and up; it stays with the serial number.
    pub device: String,
    /// IBM i type and model, `3580-005`; unknown digits are `*`.
    pub type_model: String,
    /// VENDOR IDENTIFICATION, escaped and trimmed.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, escaped and trimmed.
    pub product: String,
    /// PRODUCT REVISION LEVEL, escaped and trimmed.
    pub revision: String,
    /// Unit serial number (VPD page 80h), escaped and trimmed.
    pub serial: String,
    /// Logical unit number.
    pub lun: u64,
    /// The eight bytes of the logical unit number in hexadecimal (SAM-5 4.7), `0x4005000000000000`, where they are not the
    /// usual ones of that number: flat space addressing below 256, and every form that has no number of its own, where
    /// `lun` is the first six bytes. A JSON reader may not hold more than 53 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun_address: Option<String>,
    /// Data transfer element address in its library; none for a drive that stands alone.
    pub element_address: Option<u16>,
    /// Barcode of the cartridge in the drive, as the library reads it.
    pub volume: Option<String>,
}

/// What became of one target at a re-IPL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReport {
    /// The target, as typed.
    pub target_name: String,
    /// Its host, as typed.
    pub target_host_name: String,
    /// Its port.
    pub target_port: u16,
    /// The initiator name used, `*GENERATE` resolved.
    pub initiator_name: String,
    /// How it is to be logged in to; none without CHAP.
    pub chap: Option<ChapReport>,
    /// The outcome.
    pub status: TargetStatus,
    /// Why it failed; none when it did not.
    pub failure: Option<Failure>,
    /// What the login came to; none when there was none.
    pub session: Option<SessionReport>,
    /// Its medium changers, in order of LUN.
    pub libraries: Vec<Library>,
    /// The drives that no library of it claims, in order of LUN.
    pub drives: Vec<Drive>,
}

/// The CHAP parameters of a target, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChapReport {
    /// The CHAP name, upper-cased.
    pub name: String,
    /// AVAIL, NONE or PLATFORM.
    pub keystore: String,
    /// Where the credentials are.
    pub stored_in: StoredIn,
}

/// Where credentials are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredIn {
    /// In `config.json`, as plain text.
    Disk,
    /// In the Platform KeyStore.
    Platform,
}

/// The outcome of a target at a re-IPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetStatus {
    /// Logged in, and every device was asked.
    Connected,
    /// Not reached, refused, or lost before its devices were known.
    Failed,
}

/// Why a target failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How far it got.
    pub phase: Phase,
    /// Class and detail of the login response (RFC 7143 section 11.13.5) as `0x0201`, when the target gave one.
    pub login_status: Option<String>,
    /// What happened, a sentence.
    pub message: String,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

/// The phases of attaching a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Finding the host's addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The login phase (RFC 7143 section 6).
    Login,
    /// Finding the devices.
    Enumerate,
}

/// What a login came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// The address and port that answered, `10.1.1.5:3260`; another than the configured one after a redirection.
    pub portal: String,
    /// `CHAP` or `None`.
    pub auth_method: String,
    /// `MD5`, `SHA1`, `SHA-256` or `SHA3-256`.
    pub chap_algorithm: Option<String>,
    /// `None` or `CRC32C`.
    pub header_digest: String,
    /// `None` or `CRC32C`.
    pub data_digest: String,
    /// Negotiated value (RFC 7143 section 13.13), bytes.
    pub max_burst_length: u32,
    /// Negotiated value (section 13.14), bytes.
    pub first_burst_length: u32,
    /// The most that the target takes in one PDU (section 13.12), bytes.
    pub target_max_recv_data_segment_length: u32,
    /// The most that this initiator takes in one PDU, bytes.
    pub initiator_max_recv_data_segment_length: u32,
    /// Negotiated value (section 13.10).
    pub initial_r2t: bool,
    /// Negotiated value (section 13.11).
    pub immediate_data: bool,
    /// Negotiated value (section 13.17).
    pub max_outstanding_r2t: u32,
    /// Negotiated value (section 13.20).
    pub error_recovery_level: u8,
    /// The target's name for itself (section 13.6), escaped.
    pub target_alias: Option<String>,
    /// Target portal group tag (section 13.9).
    pub target_portal_group_tag: Option<u16>,
}
