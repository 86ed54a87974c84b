//! The commands of every device (SPC-4), as far as the device type has no say in them.

use bytes::Bytes;

use super::logical_unit::{Call, LogicalUnit};
use super::nexus::NexusId;
use super::operation::{Command, Operation};
use super::reply::{Outcome, Refusal, up_to};
use crate::scsi::{SenseData, SenseKey, Status};

impl LogicalUnit {
    /// Executes a command that every device has in common; none when it is one that the device type must answer.
    pub(super) fn execute(&mut self, command: Command, call: &Call<'_>) -> Option<Outcome> {
        Some(match command {
            Command::RequestSense => Ok(self.request_sense(call)),
            Command::Inquiry => self.inquiry(call),
            Command::Reserve => self.reserve(call),
            Command::Release => self.release(call),
            Command::PersistentReserveIn => self.persistent_reserve_in(call),
            Command::PersistentReserveOut => self.persistent_reserve_out(call),
            Command::SendDiagnostic => Ok(Bytes::new()),
            Command::PreventAllowMediumRemoval => {
                self.prevent(call);
                Ok(Bytes::new())
            }
            Command::ReportSupportedOperationCodes => self.report_operation_codes(call),
            Command::ReportSupportedTaskManagementFunctions => Ok(report_task_management(call)),
            _ => return None,
        })
    }

    /// REQUEST SENSE (SPC-4 6.39): a pending unit attention, which is thereby told, or nothing.
    fn request_sense(&mut self, call: &Call<'_>) -> Bytes {
        let [_, _, _, _, allocation, ..] = *call.cdb;
        let sense = match self.attentions.take(call.nexus) {
            Some(code) => SenseData::new(SenseKey::UNIT_ATTENTION, code),
            None => SenseData::new(SenseKey::NO_SENSE, crate::scsi::AdditionalSenseCode::NONE),
        };
        up_to(sense.encode().to_vec(), allocation)
    }

    /// INQUIRY (SPC-4 6.6).
    fn inquiry(&self, call: &Call<'_>) -> Outcome {
        let [_, evpd, page_code, high, low, ..] = *call.cdb;
        let data = match (evpd & 1, page_code) {
            (0, 0) => self.identity.inquiry(),
            (0, _) => return Err(Refusal::invalid_field()),
            _ => self
                .identity
                .vital_product_data(page_code)
                .ok_or_else(Refusal::invalid_field)?,
        };
        Ok(up_to(data, u16::from_be_bytes([high, low])))
    }

    /// RESERVE(6) and (10), of the whole logical unit (SPC-2 7.21).
    fn reserve(&mut self, call: &Call<'_>) -> Outcome {
        if self.persistent.is_in_use() {
            return Err(Refusal::Status(Status::RESERVATION_CONFLICT));
        }
        self.reserved_by = Some(call.nexus);
        Ok(Bytes::new())
    }

    /// RELEASE(6) and (10): of no effect from anyone but the holder (SPC-2 7.16).
    fn release(&mut self, call: &Call<'_>) -> Outcome {
        if self.persistent.is_in_use() {
            return Err(Refusal::Status(Status::RESERVATION_CONFLICT));
        }
        if self.reserved_by == Some(call.nexus) {
            self.reserved_by = None;
        }
        Ok(Bytes::new())
    }

    /// PERSISTENT RESERVE IN (SPC-4 6.15).
    fn persistent_reserve_in(&self, call: &Call<'_>) -> Outcome {
        let [_, action, _, _, _, _, _, high, low, ..] = *call.cdb;
        let data = self
            .persistent
            .report(action & 0x1f)
            .ok_or_else(Refusal::invalid_field)?;
        Ok(up_to(data, u16::from_be_bytes([high, low])))
    }

    /// PERSISTENT RESERVE OUT (SPC-4 6.16), whose parameter list has 24 bytes.
    fn persistent_reserve_out(&mut self, call: &Call<'_>) -> Outcome {
        let [_, _, _, _, _, a, b, c, d, ..] = *call.cdb;
        let length = u32::from_be_bytes([a, b, c, d]);
        let list = call.data_out.get(..24).filter(|_| length == 24);
        let (Some(list), Some(port)) = (list, call.port()) else {
            return Err(Refusal::parameter_list_length());
        };
        let told = self.persistent.change(port, call.cdb, list)?;
        if let Some(code) = told.code {
            let is_told = |nexus: NexusId| {
                call.nexuses
                    .get(&nexus)
                    .is_some_and(|port| told.ports.contains(port))
            };
            self.attentions.raise(code, is_told);
        }
        Ok(Bytes::new())
    }

    /// PREVENT ALLOW MEDIUM REMOVAL (SPC-4 6.18): each nexus prevents for itself.
    fn prevent(&mut self, call: &Call<'_>) {
        let [_, _, _, _, prevent, ..] = *call.cdb;
        if prevent & 1 != 0 {
            self.preventing.insert(call.nexus);
        } else {
            self.preventing.remove(&call.nexus);
        }
    }

    /// REPORT SUPPORTED OPERATION CODES (SPC-4 6.35).
    fn report_operation_codes(&self, call: &Call<'_>) -> Outcome {
        let [_, _, options, code, high, low, a, b, c, d, ..] = *call.cdb;
        let with_timeouts = options & 0x80 != 0;
        let action = u16::from_be_bytes([high, low]);
        let all = Operation::all(self.identity.device_type);
        let data = match options & 0x07 {
            0 => all_commands(&all, with_timeouts),
            1 => {
                let operation = all.iter().find(|operation| operation.code == code);
                if operation.is_some_and(|operation| operation.service_action.is_some()) {
                    return Err(Refusal::invalid_field());
                }
                one_command(operation.copied(), with_timeouts)
            }
            option @ (2 | 3) => {
                let of_code = || all.iter().filter(|operation| operation.code == code);
                let has_no_actions = of_code().any(|operation| operation.service_action.is_none());
                if option == 2 && has_no_actions {
                    return Err(Refusal::invalid_field());
                }
                let operation = of_code()
                    .find(|operation| u16::from(operation.service_action.unwrap_or(0)) == action);
                one_command(operation.copied(), with_timeouts)
            }
            _ => return Err(Refusal::invalid_field()),
        };
        Ok(up_to(data, u32::from_be_bytes([a, b, c, d])))
    }
}

/// The parameter data of all commands (SPC-4 table 278).
fn all_commands(all: &[&Operation], with_timeouts: bool) -> Vec<u8> {
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
fn one_command(operation: Option<&Operation>, with_timeouts: bool) -> Vec<u8> {
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

fn cdb_length(operation: &Operation) -> [u8; 2] {
    u16::try_from(operation.usage.len())
        .unwrap_or(0)
        .to_be_bytes()
}

/// A command timeouts descriptor that names no timeout (SPC-4 6.35.4).
const NO_TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36): ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT
/// RESET, and TARGET RESET.
fn report_task_management(call: &Call<'_>) -> Bytes {
    let [_, _, options, _, _, _, a, b, c, d, ..] = *call.cdb;
    let mut data = vec![0xda, 0, 0, 0];
    if options & 0x80 != 0 {
        // REPD: timeouts, none of them named.
        data = vec![0xda, 0, 0, 12];
        data.extend([0; 12]);
    }
    up_to(data, u32::from_be_bytes([a, b, c, d]))
}
