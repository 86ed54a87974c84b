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
    /// Data transfer element address in its library; none for a drive that stands alone.
    pub element_address: Option<u16>,
    /// Barcode of the cartridge in the drive, as the library reads it.
    pub volume: Option<String>,
}
