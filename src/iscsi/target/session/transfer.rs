//! The way of Data-Out through a session: taken, asked for, and delivered with its command.

use std::collections::VecDeque;

use super::error::CommandFailed;
use super::event::{Event, ScsiReply};
use super::outgoing::Outgoing;
use super::task::{Task, TaskPhase};
use super::{TargetSession, next_transfer_tag};
use crate::iscsi::ids::{Lun, TargetTransferTag};
use crate::iscsi::pdu::{DataOut, Pdu, RejectReason};

impl TargetSession {
    /// Takes a Data-Out (RFC 7143 11.7).
    pub(super) fn handle_data_out(&mut self, pdu: DataOut) {
        self.numbers.acknowledge(pdu.exp_stat_sn);
        let tag = pdu.target_transfer_tag;
        let issued = self.was_issued(tag);
        let task = self
            .tags
            .get(&pdu.initiator_task_tag)
            .and_then(|id| self.tasks.get_mut(id));
        match task {
            Some(task) if task.collector.expects(tag) => task.collector.receive(&pdu),
            // Unsolicited data beyond the command's own (11.4.7.2).
            Some(task) if tag == TargetTransferTag::RESERVED && task.is_collecting() => {
                task.collector
                    .fail(CommandFailed::UnexpectedUnsolicitedData);
            }
            _ if tag == TargetTransferTag::RESERVED || issued => {
                // Data of a task that was aborted comes late: it is dropped.
            }
            _ => self.reject(&Pdu::DataOut(pdu), RejectReason::INVALID_PDU_FIELD),
        }
    }

    /// Sends R2Ts for the oldest commands first, as far as the write buffer goes.
    ///
    /// The oldest may go beyond it when the owner has no data to give back: all there is waits for that command then.
    pub(super) fn request_data(&mut self) {
        let parameters = &self.settings.parameters;
        let is_held = |task: &Task| task.phase == TaskPhase::Delivered && task.reserved > 0;
        let mut exempt = !self.tasks.values().any(is_held);
        for id in &self.undelivered {
            let Some(task) = self.tasks.get_mut(id) else {
                continue;
            };
            while let Some(wanted) = task.collector.next_wanted(parameters) {
                let length = u64::from(wanted.length);
                let buffered = self.buffered.saturating_add(length);
                if buffered > self.settings.write_buffer && !exempt {
                    return;
                }
                let target_transfer_tag = self.next_transfer_tag;
                self.next_transfer_tag = next_transfer_tag(target_transfer_tag);
                self.buffered = buffered;
                task.reserved = task.reserved.saturating_add(length);
                task.collector.request(wanted, target_transfer_tag);
                let r2t_sn = task.next_r2t_sn;
                task.next_r2t_sn = r2t_sn.next();
                self.outgoing.push_back(Outgoing::R2t {
                    task: *id,
                    lun: task.lun,
                    initiator_task_tag: task.initiator_task_tag,
                    target_transfer_tag,
                    r2t_sn,
                    buffer_offset: wanted.buffer_offset,
                    length: wanted.length,
                });
            }
            exempt = exempt && task.collector.is_complete();
        }
    }

    /// Delivers the commands whose data is complete; one that waits holds up those behind it on its logical unit
    /// only.
    pub(super) fn deliver(&mut self) {
        let mut waiting: Vec<Lun> = Vec::new();
        let mut kept = VecDeque::new();
        for id in std::mem::take(&mut self.undelivered) {
            let Some(task) = self.tasks.get_mut(&id) else {
                continue;
            };
            let held_up = waiting.iter().any(|lun| task.addresses(*lun));
            let failure = task.collector.failure();
            if !task.collector.is_complete() || held_up && failure.is_none() {
                waiting.push(task.lun);
                kept.push_back(id);
            } else if let Some(failure) = failure {
                task.phase = TaskPhase::Delivered;
                self.respond(
                    id,
                    ScsiReply {
                        data_out_length: Some(0),
                        ..ScsiReply::check_condition(failure.sense())
                    },
                );
            } else {
                let command = task.deliver(id);
                self.events.push_back(Event::Command(command));
            }
        }
        self.undelivered = kept;
    }
}
