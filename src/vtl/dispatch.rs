//! Dispatch: one exhaustive match from a parsed command to what answers it.

use super::changer::Elements;
use super::drive::Drive;
use super::logical_unit::{CommandContext, LogicalUnit};
use super::mode::ModeHeader;
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use crate::scsi::command::{ModeSelect, ModeSense, ReportLuns, SelectReport};
use crate::scsi::data::luns::LunList;
use crate::scsi::{AdditionalSenseCode, Command, Lun};

/// The device server that a command is for, with all that it may touch.
pub(super) enum DeviceServer<'a> {
    Changer(Elements<'a>),
    Drive(&'a mut Drive),
}

impl<'a> DeviceServer<'a> {
    /// Returns what every logical unit has.
    pub(super) fn unit(&mut self) -> &mut LogicalUnit {
        match self {
            Self::Changer(elements) => &mut elements.changer.unit,
            Self::Drive(drive) => &mut drive.unit,
        }
    }

    /// Executes a command.
    pub(super) fn execute(mut self, command: Command, call: &CommandContext<'_>) -> CommandResult {
        if let Self::Drive(drive) = &mut self
            && moves_tape(&command)
        {
            drive.unsynchronized = 0;
        }
        match command {
            Command::TestUnitReady => match self {
                Self::Changer(_) => done(),
                Self::Drive(drive) => drive.ready().map(drop).and_then(|()| done()),
            },
            Command::RequestSense(command) => Ok(self.unit().request_sense(command, call)),
            Command::Inquiry(command) => self.unit().inquiry(command),
            Command::ModeSelect(command) => self.mode_select(command, call),
            Command::ModeSense(command) => self.mode_sense(command),
            Command::Reserve(_) => self.unit().reserve(call),
            Command::Release(_) => self.unit().release(call),
            // There is nothing to test.
            Command::SendDiagnostic { .. } => done(),
            Command::PreventAllowMediumRemoval { prevent } => {
                self.unit().prevent(prevent, call);
                done()
            }
            Command::LogSense(command) => match self {
                Self::Changer(elements) => elements.log_sense(command),
                Self::Drive(drive) => drive.log_sense(command),
            },
            Command::PersistentReserveIn(command) => Ok(self.unit().persistent_reserve_in(command)),
            Command::PersistentReserveOut(command) => {
                self.unit().persistent_reserve_out(command, call)
            }
            Command::ReadAttribute(command) => self.drive()?.read_attribute(command),
            Command::WriteAttribute(command) => self.drive()?.write_attribute(command, call),
            Command::ReportLuns(command) => report_luns(command, call.drives),
            Command::ReportSupportedOperationCodes(command) => {
                self.unit().report_operation_codes(command)
            }
            Command::ReportSupportedTaskManagementFunctions(command) => {
                Ok(super::primary::report_task_management(command))
            }
            // The elements need no looking at.
            Command::InitializeElementStatus | Command::InitializeElementStatusWithRange(_) => {
                self.changer().and_then(|_| done())
            }
            Command::PositionToElement(command) => self.changer()?.position_to_element(command),
            Command::MoveMedium(command) => self.changer()?.move_medium(command),
            Command::ExchangeMedium(command) => self.changer()?.exchange(command),
            Command::ReadElementStatus(command) => self.changer()?.status(command),
            Command::Rewind { .. } => self.drive()?.rewind(),
            Command::ReadBlockLimits => self.drive()?.read_block_limits(),
            Command::Read(command) => {
                let drive = self.drive()?;
                let outcome = drive.read(command, call.faults);
                drive.noted_read(outcome)
            }
            Command::Write(command) => {
                let drive = self.drive()?;
                let outcome = drive.write(command, call.data_out, call.faults);
                drive.noted_write(outcome)
            }
            Command::WriteFilemarks(command) => {
                let drive = self.drive()?;
                let outcome = drive.write_filemarks(command, call.faults);
                drive.noted_write(outcome)
            }
            Command::Space(command) => self.drive()?.space(command),
            Command::Erase(_) => self.drive()?.erase(call.faults),
            Command::LoadUnload(command) => self.drive()?.load_unload(command, call),
            Command::Locate(command) => self.drive()?.locate(command),
            Command::ReadPosition(command) => self.drive()?.read_position(command),
            Command::ReportDensitySupport(command) => self.drive()?.report_density(command),
        }
    }

    /// Returns the changer, for a command that only a changer has. Parsing leaves no such command for a drive.
    fn changer(self) -> Result<Elements<'a>, CommandRefusal> {
        match self {
            Self::Changer(elements) => Ok(elements),
            Self::Drive(_) => Err(invalid_operation_code()),
        }
    }

    /// Returns the drive, for a command that only a drive has. Parsing leaves no such command for a changer.
    fn drive(self) -> Result<&'a mut Drive, CommandRefusal> {
        match self {
            Self::Drive(drive) => Ok(drive),
            Self::Changer(_) => Err(invalid_operation_code()),
        }
    }

    fn mode_sense(&mut self, command: ModeSense) -> CommandResult {
        let header = match self {
            Self::Changer(_) => ModeHeader::default(),
            Self::Drive(drive) => drive.mode_header(),
        };
        let data = self.unit().mode.sense(command, header)?;
        Ok(up_to(data, command.allocation_length))
    }

    fn mode_select(&mut self, command: ModeSelect, call: &CommandContext<'_>) -> CommandResult {
        let list = call.parameter_list(command.parameter_list_length.into())?;
        let selection = self.unit().mode.check(command, list)?;
        if let Some(descriptor) = selection.block_descriptor {
            match self {
                // A changer has no blocks.
                Self::Changer(_) => return Err(CommandRefusal::parameter(3)),
                Self::Drive(drive) => drive.select_block_length(descriptor)?,
            }
        }
        self.unit().select(call.nexus, selection);
        done()
    }
}

/// Returns whether a command has a drive write what it holds and move the tape.
fn moves_tape(command: &Command) -> bool {
    matches!(
        command,
        Command::Rewind { .. }
            | Command::Read(_)
            | Command::WriteFilemarks(_)
            | Command::Space(_)
            | Command::Erase(_)
            | Command::LoadUnload(_)
            | Command::Locate(_)
    )
}

/// REPORT LUNS (SPC-4 6.33).
pub(super) fn report_luns(command: ReportLuns, drives: usize) -> CommandResult {
    let luns = match command.select {
        // There are no well-known logical units.
        SelectReport::WellKnown => Vec::new(),
        SelectReport::LogicalUnits | SelectReport::All => logical_units(drives),
    };
    Ok(up_to(LunList::encode(&luns), command.allocation_length))
}

/// Returns the LUN of the changer and those of the drives.
pub(super) fn logical_units(drives: usize) -> Vec<Lun> {
    (0..=u16::try_from(drives).unwrap_or(u16::MAX))
        .filter_map(Lun::from_number)
        .collect()
}

fn invalid_operation_code() -> CommandRefusal {
    CommandRefusal::illegal(AdditionalSenseCode::INVALID_OPERATION_CODE)
}
