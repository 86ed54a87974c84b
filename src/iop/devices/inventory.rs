//! What one target has, as its replies said it: the result of an enumeration, before anything is named.

use super::problem::Problem;
use crate::scsi::Lun;
use crate::scsi::data::inquiry::InquiryData;
use crate::scsi::data::vpd::{CodeSet, Designator, DesignatorType, MachineTypeModel};

/// The tape devices of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetInventory {
    /// Tape drives and medium changers, by logical unit number. Other devices are left out.
    pub logical_units: Vec<InquiredUnit>,
    /// What could not be learnt about the target as a whole.
    pub problems: Vec<Problem>,
}

/// A tape drive or a medium changer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiredUnit {
    /// Its number, as REPORT LUNS gave it.
    pub lun: Lun,
    /// Its standard INQUIRY data.
    pub inquiry: InquiryData,
    /// PRODUCT SERIAL NUMBER of VPD page 80h, without the blanks and NULs around it, at most 251 bytes;
    /// empty when there is none.
    pub serial: Vec<u8>,
    /// Designators of VPD page 83h that name the logical unit, not its port or target, and are not empty; at most 16.
    pub designators: Vec<Designator>,
    /// What a medium changer says of its elements; none for a tape drive.
    pub changer: Option<InquiredChanger>,
    /// What could not be learnt about it.
    pub problems: Vec<Problem>,
}

/// What a medium changer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InquiredChanger {
    /// Type and model of VPD page D0h, when it has the page.
    pub type_model: Option<MachineTypeModel>,
    /// Number of storage elements.
    pub storage_elements: u16,
    /// Number of import/export elements.
    pub import_export_elements: u16,
    /// Number of medium transport elements.
    pub transport_elements: u16,
    /// Its data transfer elements, in the order of READ ELEMENT STATUS.
    pub drives: Vec<DriveElement>,
}

/// A data transfer element: the place of a drive in its library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveElement {
    /// ELEMENT ADDRESS.
    pub address: u16,
    /// Who the drive in it is, when the library says so.
    pub identifier: Option<DriveIdentifier>,
    /// Barcode of the cartridge in it, without the blanks and NULs around it; none when it is empty or has no
    /// barcode.
    pub volume: Option<Vec<u8>>,
}

/// The identifier of a drive, as READ ELEMENT STATUS gives it (DVCID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveIdentifier {
    /// CODE SET.
    pub code_set: CodeSet,
    /// IDENTIFIER TYPE.
    pub identifier_type: DesignatorType,
    /// IDENTIFIER, as it came.
    pub bytes: Vec<u8>,
}
