//! The commands of every device (SPC-4), as far as the device type has no say in them.

use bytes::Bytes;

use super::logical_unit::{CommandContext, LogicalUnit};
use super::operation::CommandDescriptor;
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use crate::iscsi::nexus::NexusId;
use crate::scsi::command::{
    Inquiry, PersistentReserveIn, PersistentReserveOut, ReportSupportedOperationCodes,
    ReportSupportedTaskManagementFunctions, ReportingOptions, RequestSense,
};
use crate::scsi::data::reservation::ReserveOutParameters;
use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey, Status};

impl LogicalUnit {
    /// REQUEST SENSE (SPC-4 6.39): a pending unit attention, which is thereby told, or nothing.
    pub(super) fn request_sense(
        &mut self,
        command: RequestSense,
        call: &CommandContext<'_>,
    ) -> Bytes {
        let sense = match self.attentions.take(call.nexus) {
            Some(code) => SenseData::new(SenseKey::UNIT_ATTENTION, code),
            None => SenseData::new(SenseKey::NO_SENSE, AdditionalSenseCode::NONE),
        };
        up_to(sense.encode().to_vec(), command.allocation_length)
    }

    /// INQUIRY (SPC-4 6.6).
    pub(super) fn inquiry(&self, command: Inquiry) -> CommandResult {
        let data = match command.page_code {
            None => self.identity.inquiry(),
            Some(page_code) => self
                .identity
                .vital_product_data(page_code)
                .ok_or_else(|| CommandRefusal::field(2, 7))?,
        };
        Ok(up_to(data, command.allocation_length))
    }

    /// RESERVE(6) and (10), of the whole logical unit (SPC-2 7.21).
    pub(super) fn reserve(&mut self, call: &CommandContext<'_>) -> CommandResult {
        if self.persistent.is_in_use() {
            return Err(CommandRefusal::Status(Status::RESERVATION_CONFLICT));
        }
        self.reserved_by = Some(call.nexus);
        done()
    }

    /// RELEASE(6) and (10): of no effect from anyone but the holder (SPC-2 7.16).
    pub(super) fn release(&mut self, call: &CommandContext<'_>) -> CommandResult {
        if self.persistent.is_in_use() {
            return Err(CommandRefusal::Status(Status::RESERVATION_CONFLICT));
        }
        if self.reserved_by == Some(call.nexus) {
            self.reserved_by = None;
        }
        done()
    }

    /// PERSISTENT RESERVE IN (SPC-4 6.15).
    pub(super) fn persistent_reserve_in(&self, command: PersistentReserveIn) -> Bytes {
        up_to(
            self.persistent.report(command.action),
            command.allocation_length,
        )
    }

    /// PERSISTENT RESERVE OUT (SPC-4 6.16), whose parameter list has 24 bytes.
    pub(super) fn persistent_reserve_out(
        &mut self,
        command: PersistentReserveOut,
        call: &CommandContext<'_>,
    ) -> CommandResult {
        let list = call.parameter_list(command.parameter_list_length)?;
        let parameters = ReserveOutParameters::decode(list)
            .ok()
            .filter(|_| command.parameter_list_length == ReserveOutParameters::LENGTH);
        let (Some(parameters), Some(port)) = (parameters, call.port()) else {
            return Err(CommandRefusal::parameter_list_length());
        };
        let told = self.persistent.change(port, command, parameters)?;
        if let Some(code) = told.code {
            let is_told = |nexus: NexusId| {
                call.nexuses
                    .get(&nexus)
                    .is_some_and(|port| told.ports.contains(port))
            };
            self.attentions.raise(code, is_told);
        }
        done()
    }

    /// PREVENT ALLOW MEDIUM REMOVAL (SPC-4 6.18): each nexus prevents for itself.
    pub(super) fn prevent(&mut self, prevent: bool, call: &CommandContext<'_>) {
        if prevent {
            self.preventing.insert(call.nexus);
        } else {
            self.preventing.remove(&call.nexus);
        }
    }

    /// REPORT SUPPORTED OPERATION CODES (SPC-4 6.35).
    pub(super) fn report_operation_codes(
        &self,
        command: ReportSupportedOperationCodes,
    ) -> CommandResult {
        let (code, timeouts) = (command.operation_code, command.timeouts);
        let all = CommandDescriptor::all(self.identity.device_type);
        let of_code = || all.iter().filter(|operation| operation.code == code);
        let has_actions = of_code().any(|operation| operation.service_action.is_some());
        let is_known = of_code().next().is_some();
        let data = match command.options {
            ReportingOptions::All => all_commands(&all, timeouts),
            ReportingOptions::OperationCode if has_actions => {
                return Err(CommandRefusal::field(2, 2));
            }
            ReportingOptions::ServiceAction if is_known && !has_actions => {
                return Err(CommandRefusal::field(2, 2));
            }
            ReportingOptions::OperationCode => one_command(of_code().next().copied(), timeouts),
            ReportingOptions::ServiceAction | ReportingOptions::Either => {
                let operation = of_code().find(|operation| {
                    u16::from(operation.service_action.unwrap_or(0)) == command.service_action
                });
                one_command(operation.copied(), timeouts)
            }
        };
        Ok(up_to(data, command.allocation_length))
    }
}

/// The parameter data of all commands (SPC-4 table 278).
fn all_commands(all: &[&CommandDescriptor], with_timeouts: bool) -> Vec<u8> {
    let mut descriptors = Vec::new();
    for operation in all {
        let flags = u8::from(with_timeouts) << 1 | u8::from(operation.service_action.is_some());
        descriptors.extend([operation.code, 0, 0]);
        descriptors.push(operation.service_action.unwrap_or(0));
        descriptors.extend([0, flags]);
        descriptors.extend(cdb_length(operation));
        if with_timeouts {
            descriptors.extend(NO_TIMEOUTS);
        }
    }
    let length = u32::try_from(descriptors.len()).unwrap_or(u32::MAX);
    let mut data = length.to_be_bytes().to_vec();
    data.extend(descriptors);
    data
}

/// The parameter data of one command (SPC-4 table 281).
fn one_command(operation: Option<&CommandDescriptor>, with_timeouts: bool) -> Vec<u8> {
    let Some(operation) = operation else {
        // SUPPORT 001b: not supported.
        return vec![0, 0x01, 0, 0];
    };
    // SUPPORT 011b: supported as the standard has it.
    let mut data = vec![0, u8::from(with_timeouts) << 7 | 0x03];
    data.extend(cdb_length(operation));
    data.extend(operation.usage_data());
    if with_timeouts {
        data.extend(NO_TIMEOUTS);
    }
    data
}

fn cdb_length(operation: &CommandDescriptor) -> [u8; 2] {
    u16::try_from(operation.usage.len())
        .unwrap_or(0)
        .to_be_bytes()
}

/// A command timeouts descriptor that names no timeout (SPC-4 6.35.4).
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36): ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT
/// RESET, and TARGET RESET.
pub(super) fn report_task_management(command: ReportSupportedTaskManagementFunctions) -> Bytes {
    let mut data = vec![0xda, 0, 0, 0];
    if command.extended {
        // Timeouts, none of them named.
        data = vec![0xda, 0, 0, 12];
        data.extend([0; 12]);
    }
    up_to(data, command.allocation_length)
}
