//! Failures on demand: what a library does wrong, as plain data, so that an initiator's handling of it can be tested.
//!
//! What goes wrong with logins and connections is the listener's, [`crate::transport::listener::fault`]. Everything is off by
//! default.

use bytes::Bytes;

use super::barcode::Barcode;
use super::reply::{CommandRefusal, CommandResult};
use crate::iscsi::repeated::Repeated;
use crate::scsi::{AdditionalSenseCode, Lun, SenseData, SenseKey, Status};

/// Failures of the logical units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryFaults {
    /// The next so many commands, INQUIRY, REPORT LUNS and REQUEST SENSE aside, end with BUSY; counted down.
    pub busy: u32,
    /// So many commands of a new session, the same ones aside, end with BUSY.
    pub busy_at_first: Option<Repeated<u32>>,
    /// Then so many end with NOT READY 04/01, becoming ready; counted down.
    pub becoming_ready: u32,
    /// After so many commands of any kind the library loses power and comes back before the next one; once. Sessions
    /// outlive it, as behind a gateway with its own power supply: unit attention 29/00 reports it.
    pub power_cycle_after: Option<u32>,
    /// Blocks that cannot be read: MEDIUM ERROR 11/00.
    pub unreadable: Vec<BlockFault>,
    /// Positions that cannot be written: MEDIUM ERROR 0C/00.
    pub unwritable: Vec<BlockFault>,
    /// Early warning comes when a cartridge has more than so many bytes used, counted as for its capacity.
    pub early_warning_after: Option<u64>,
    /// So many commands of each drive are warned so; then early warning comes where it does without a fault. `None` for all.
    pub early_warning_times: Option<u32>,
    /// When a drive has written so many blocks that nothing has synchronized, its next WRITE or WRITE FILEMARKS ends with a
    /// deferred MEDIUM ERROR 0C/00, and they are lost from the end of the tape.
    pub deferred_error_after: Option<Repeated<u32>>,
    /// Failures of single commands; each is counted for itself, and the first that is due happens.
    pub commands: Vec<CommandFault>,
    /// What devices answer instead of what is so: a library that is made wrong. The first that fits is given.
    pub answers: Vec<AnswerFault>,
}

/// What a device answers to some commands, whatever is so. The commands are not done; unit attentions and reservations come
/// first, as for any command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFault {
    /// Which device.
    pub lun: Lun,
    /// What the CDB of such a command begins with.
    pub cdb: Vec<u8>,
    /// What it answers.
    pub answer: InjectedAnswer,
}

/// What is answered instead of what is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectedAnswer {
    /// GOOD with this data, of which as much goes out as the initiator takes.
    Data(Bytes),
    /// CHECK CONDITION with this sense data.
    CheckCondition(SenseData),
}

/// A failure of one command among many, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFault {
    /// Operation code of the commands that are counted; `None` for all but INQUIRY, REPORT LUNS and REQUEST SENSE.
    pub operation_code: Option<u8>,
    /// So many such commands are done before it; counted down.
    pub after: u32,
    /// So many of them fail; counted down.
    pub times: u32,
    /// How.
    pub failure: InjectedFailure,
}

/// What happens instead of a command, which is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFailure {
    /// A status without sense data: BUSY, TASK SET FULL.
    Status(Status),
    /// CHECK CONDITION with this sense data.
    CheckCondition(SenseData),
    /// A unit attention for every initiator, of which this one learns by this command.
    UnitAttention(AdditionalSenseCode),
    /// Blocks that were acknowledged, so many at most, are lost from the end of the tape, and a deferred MEDIUM ERROR
    /// 0C/00 reports it.
    DeferredError {
        /// How many.
        blocks: u32,
    },
    /// The library loses power and comes back: unit attention 29/00.
    PowerCycle,
}

impl LibraryFaults {
    /// Returns what a device answers to a command instead of what is so.
    pub(super) fn answer(&self, lun: Lun, cdb: &[u8; 16]) -> Option<CommandResult> {
        let mut answers = self.answers.iter();
        let fault = answers.find(|fault| fault.lun == lun && cdb.starts_with(&fault.cdb))?;
        Some(match &fault.answer {
            InjectedAnswer::Data(data) => Ok(data.clone()),
            InjectedAnswer::CheckCondition(sense) => Err((*sense).into()),
        })
    }

    /// Counts a command, and returns what happens instead of it.
    pub(super) fn take_command_failure(
        &mut self,
        operation_code: u8,
        passes_unit_attention: bool,
    ) -> Option<InjectedFailure> {
        let mut due = None;
        for fault in &mut self.commands {
            let is_counted = match fault.operation_code {
                Some(code) => code == operation_code,
                None => !passes_unit_attention,
            };
            if !is_counted || fault.times == 0 {
                continue;
            }
            match fault.after.checked_sub(1) {
                Some(left) => fault.after = left,
                None if due.is_none() => {
                    fault.times = fault.times.saturating_sub(1);
                    due = Some(fault.failure);
                }
                None => {}
            }
        }
        due
    }

    /// Counts a command down that a busy library or one that is becoming ready does not do.
    pub(super) fn hold_up(&mut self) -> Result<(), CommandRefusal> {
        if let Some(left) = self.busy.checked_sub(1) {
            self.busy = left;
            return Err(CommandRefusal::Status(Status::BUSY));
        }
        if let Some(left) = self.becoming_ready.checked_sub(1) {
            self.becoming_ready = left;
            let code = AdditionalSenseCode::BECOMING_READY;
            return Err(CommandRefusal::check(SenseKey::NOT_READY, code));
        }
        Ok(())
    }
}

/// A place on a cartridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFault {
    /// Whose.
    pub volume: Barcode,
    /// Logical object identifier: the number of blocks and filemarks before it (SSC-4 4.2.7).
    pub object: u64,
}
