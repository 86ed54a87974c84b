//! What every logical unit has: its identification, pending unit attentions, reservations and mode pages.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::fault::LibraryFaults;
use super::media::CartridgeStore;
use super::mode::{ModePages, Selection};
use super::operation::Access;
use super::persistent_reservation::PersistentReservations;
use super::reply::CommandRefusal;
use super::unit_attention::UnitAttentions;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::scsi::AdditionalSenseCode;
use crate::scsi::data::inquiry::{InquiryData, PeripheralDeviceType};
use crate::scsi::data::vpd::{
    CodeSet, DEVICE_IDENTIFICATION, Designator, DesignatorType, IBM_TYPE_MODEL, MachineTypeModel,
    SUPPORTED_PAGES, UNIT_SERIAL_NUMBER, VpdPage,
};

/// What comes with a command, and what it may look at beside its logical unit.
#[derive(Clone, Copy)]
pub(super) struct CommandContext<'a> {
    pub(super) nexus: NexusId,
    pub(super) nexuses: &'a BTreeMap<NexusId, InitiatorPort>,
    pub(super) data_out: &'a Bytes,
    pub(super) faults: &'a LibraryFaults,
    pub(super) cartridge_store: &'a CartridgeStore,
    /// The number of drives, which are LUNs from 1 on.
    pub(super) drives: usize,
}

impl<'a> CommandContext<'a> {
    /// Returns the initiator port behind the nexus; none when the nexus was never announced.
    pub(super) fn port(&self) -> Option<&'a InitiatorPort> {
        self.nexuses.get(&self.nexus)
    }

    /// Returns the parameter list of a command that announces so many bytes.
    ///
    /// # Errors
    /// PARAMETER LIST LENGTH ERROR when fewer came.
    pub(super) fn parameter_list(&self, length: u32) -> Result<&'a [u8], CommandRefusal> {
        usize::try_from(length)
            .ok()
            .and_then(|length| self.data_out.get(..length))
            .ok_or_else(CommandRefusal::parameter_list_length)
    }
}

/// A logical unit without what its device type adds.
#[derive(Debug)]
pub(super) struct LogicalUnit {
    pub(super) identity: Identity,
    pub(super) attentions: UnitAttentions,
    /// The I_T nexus that holds the reservation of RESERVE(6) or RESERVE(10).
    pub(super) reserved_by: Option<NexusId>,
    pub(super) persistent: PersistentReservations,
    pub(super) mode: ModePages,
    /// The I_T nexuses that prevent medium removal.
    pub(super) preventing: BTreeSet<NexusId>,
}

impl LogicalUnit {
    pub(super) fn new(identity: Identity, mode: ModePages) -> Self {
        Self {
            identity,
            attentions: UnitAttentions::default(),
            reserved_by: None,
            persistent: PersistentReservations::default(),
            mode,
            preventing: BTreeSet::new(),
        }
    }

    /// Returns whether a reservation of another I_T nexus conflicts with the command.
    pub(super) fn conflicts(&self, call: &CommandContext<'_>, access: Access) -> bool {
        let by_another = self.reserved_by.is_some_and(|holder| holder != call.nexus);
        access != Access::Free && (by_another || self.persistent.conflicts(call.port(), access))
    }

    /// Puts a mode selection into force, and tells the other initiators.
    pub(super) fn select(&mut self, nexus: NexusId, selection: Selection) {
        if !selection.changes_nothing() {
            self.attentions
                .raise_for_others(nexus, AdditionalSenseCode::MODE_PARAMETERS_CHANGED);
        }
        self.mode.apply(selection);
    }

    pub(super) fn nexus_lost(&mut self, nexus: NexusId) {
        self.attentions.remove_nexus(nexus);
        self.preventing.remove(&nexus);
        if self.reserved_by == Some(nexus) {
            self.reserved_by = None;
        }
    }

    /// A logical unit reset (SAM-5 6.3.3): persistent reservations stay.
    pub(super) fn reset(&mut self, code: AdditionalSenseCode) {
        self.attentions.reset(code);
        self.reserved_by = None;
        self.preventing.clear();
        self.mode.reset();
    }
}

/// What INQUIRY data and VPD pages identify a logical unit by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device_type: PeripheralDeviceType,
    pub(super) product: [u8; 16],
    /// PRODUCT SERIAL NUMBER of VPD page 80h.
    pub(super) serial: String,
    /// What stands at byte 36 of the standard INQUIRY data.
    pub(super) vendor_specific: [u8; 20],
    /// Type and model of VPD page D0h, for a library.
    pub(super) type_model: Option<MachineTypeModel>,
}

const VENDOR: [u8; 8] = *b"IBM     ";
const REVISION: [u8; 4] = *b"0100";
/// SPC-4.
const VERSION: u8 = 0x06;

impl Identity {
    /// Returns the standard INQUIRY data.
    pub(super) fn inquiry(&self) -> Vec<u8> {
        let device_standard = match self.device_type {
            // SMC-3 and SSC-4, no version claimed.
            PeripheralDeviceType::MEDIUM_CHANGER => 0x0480,
            _ => 0x0520,
        };
        // SAM-5, SPC-4 and iSCSI, no version claimed (SPC-4 table 142).
        let versions = [0x00a0, 0x0460, device_standard, 0x0960];
        InquiryData {
            peripheral_qualifier: 0,
            device_type: self.device_type,
            removable: true,
            version: VERSION,
            vendor: VENDOR,
            product: self.product,
            revision: REVISION,
        }
        .encode(&self.vendor_specific, &versions)
    }

    /// Returns a vital product data page; none when the logical unit has no such page.
    pub(super) fn vital_product_data(&self, page_code: u8) -> Option<Vec<u8>> {
        let contents = match page_code {
            SUPPORTED_PAGES => {
                let mut pages = vec![SUPPORTED_PAGES, UNIT_SERIAL_NUMBER, DEVICE_IDENTIFICATION];
                pages.extend(self.type_model.map(|_| IBM_TYPE_MODEL));
                pages
            }
            UNIT_SERIAL_NUMBER => self.serial.as_bytes().to_vec(),
            DEVICE_IDENTIFICATION => [
                self.designator(),
                self.naa_designator(),
                relative_target_port(),
            ]
            .iter()
            .flat_map(Designator::encode)
            .collect(),
            IBM_TYPE_MODEL => self.type_model?.encode(),
            _ => return None,
        };
        Some(VpdPage::encode(self.device_type, page_code, &contents))
    }

    /// Returns the designator after the T10 vendor identification: by it READ ELEMENT STATUS names a drive.
    pub(super) fn designator(&self) -> Designator {
        Designator {
            code_set: CodeSet::ASCII,
            association: Designator::OF_LOGICAL_UNIT,
            designator_type: DesignatorType::T10_VENDOR_ID,
            bytes: [&VENDOR[..], &self.product, self.serial.as_bytes()].concat(),
        }
    }

    /// An NAA designator of the locally assigned form, 3h: there is no registered company identifier to use.
    fn naa_designator(&self) -> Designator {
        // FNV-1a, 64 bits.
        let hash = self
            .designator()
            .bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let naa = 0x3 << 60 | hash >> 4;
        Designator {
            code_set: CodeSet::BINARY,
            association: Designator::OF_LOGICAL_UNIT,
            designator_type: DesignatorType::NAA,
            bytes: naa.to_be_bytes().to_vec(),
        }
    }
}

fn relative_target_port() -> Designator {
    Designator {
        code_set: CodeSet::BINARY,
        association: Designator::OF_TARGET_PORT,
        designator_type: DesignatorType::RELATIVE_TARGET_PORT,
        bytes: vec![0, 0, 0, 1],
    }
}
