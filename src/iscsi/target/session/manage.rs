//! Task management (RFC 7143 4.2.3, 11.5 and 11.6), as far as it concerns the tasks of this session.

use std::time::Instant;

use super::error::CommandFailed;
use super::event::{Event, ManagementId, TaskId, TaskManagement};
use super::outgoing::Outgoing;
use super::task::{Task, TaskPhase, same_unit};
use super::{HeldRequest, TargetSession};
use crate::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome, TaskManagementRequest};

/// A task management request that has no answer yet.
#[derive(Debug)]
pub(super) struct Management {
    pub(super) initiator_task_tag: InitiatorTaskTag,
    function: TaskManagementFunction,
    lun: Lun,
    step: ManagementStep,
}

#[derive(Debug)]
enum ManagementStep {
    /// Commands that it covers have not come yet (4.2.3.3, b).
    Postponed { cmd_sn: CmdSn },
    /// Data that was asked for is on its way (4.2.3.3, a), but is not waited for longer than that.
    Draining {
        deadline: Instant,
        outstanding: Vec<TaskId>,
        ended: Vec<TaskId>,
    },
    /// The owner has it.
    Delivered,
}

impl Management {
    /// Returns when waiting ends in any case.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.step {
            ManagementStep::Draining { deadline, .. } => Some(deadline),
            ManagementStep::Postponed { .. } | ManagementStep::Delivered => None,
        }
    }
}

impl TargetSession {
    /// Answers a task management function; returns whether it was waiting for an answer.
    pub fn respond_to_management(
        &mut self,
        id: ManagementId,
        outcome: TaskManagementOutcome,
    ) -> bool {
        let Some(management) = self.managements.get(&id) else {
            return false;
        };
        let ManagementStep::Delivered = management.step else {
            return false;
        };
        self.answer(management.initiator_task_tag, outcome);
        self.managements.remove(&id);
        true
    }

    /// Ends all tasks of a logical unit, or all tasks, without an answer, for a task management function of another
    /// session; returns those that ended.
    pub fn abort_tasks(&mut self, lun: Option<Lun>) -> Vec<TaskId> {
        self.remove_tasks(|task| lun.is_none_or(|lun| task.addresses(lun)))
    }

    /// Performs a function on the tasks of this session, and hands it to the owner where there is more to do.
    pub(super) fn manage(&mut self, request: &TaskManagementRequest, now: Instant) {
        let tag = request.initiator_task_tag;
        match request.function {
            TaskManagementFunction::ABORT_TASK => self.abort_task(request),
            TaskManagementFunction::ABORT_TASK_SET
            | TaskManagementFunction::CLEAR_TASK_SET
            | TaskManagementFunction::LOGICAL_UNIT_RESET
            | TaskManagementFunction::TARGET_WARM_RESET
            | TaskManagementFunction::TARGET_COLD_RESET => {
                let id = ManagementId(self.take_id());
                self.managements.insert(
                    id,
                    Management {
                        initiator_task_tag: tag,
                        function: request.function,
                        lun: request.lun,
                        step: ManagementStep::Postponed {
                            cmd_sn: request.cmd_sn,
                        },
                    },
                );
                self.finish_drained(now);
            }
            TaskManagementFunction::TASK_REASSIGN => self.answer(
                tag,
                TaskManagementOutcome::TASK_ALLEGIANCE_REASSIGNMENT_NOT_SUPPORTED,
            ),
            _ => self.answer(tag, TaskManagementOutcome::FUNCTION_NOT_SUPPORTED),
        }
    }

    /// Takes every function that waits as far as it can go.
    pub(super) fn finish_drained(&mut self, now: Instant) {
        let ids: Vec<ManagementId> = self.managements.keys().copied().collect();
        for id in ids {
            self.start_if_due(id, now);
            self.deliver_if_drained(id, now);
        }
    }

    fn abort_task(&mut self, request: &TaskManagementRequest) {
        let tag = request.initiator_task_tag;
        let referenced = request.referenced_task_tag;
        let task = self.tags.get(&referenced).copied();
        if let Some(id) = task
            && self
                .tasks
                .get(&id)
                .is_some_and(|task| task.phase != TaskPhase::Draining)
        {
            self.remove_task(id);
            self.hand_over(tag, request.function, request.lun, vec![id]);
            return;
        }
        let is_management = |management: &Management| management.initiator_task_tag == referenced;
        let outcome = if self.managements.values().any(is_management) {
            // Task management is not to be aborted (11.5.1).
            TaskManagementOutcome::FUNCTION_REJECTED
        } else if self.numbers.in_window(request.ref_cmd_sn)
            && request.ref_cmd_sn.precedes(request.cmd_sn)
        {
            // The command has not come: it counts as received from now on (11.6.1).
            self.plug(request.ref_cmd_sn);
            TaskManagementOutcome::FUNCTION_COMPLETE
        } else {
            TaskManagementOutcome::TASK_DOES_NOT_EXIST
        };
        self.answer(tag, outcome);
    }

    fn plug(&mut self, cmd_sn: CmdSn) {
        self.held.entry(cmd_sn).or_insert(HeldRequest::Plugged);
    }

    /// Aborts the tasks of a function as soon as all of them have come.
    fn start_if_due(&mut self, id: ManagementId, now: Instant) {
        let Some(management) = self.managements.get(&id) else {
            return;
        };
        let ManagementStep::Postponed { cmd_sn } = management.step else {
            return;
        };
        let (function, lun) = (management.function, management.lun);
        // A number from beyond the window is no promise of commands to come.
        let expected = self.numbers.expected();
        let awaited = expected.precedes(cmd_sn) && !self.numbers.max().next().precedes(cmd_sn);
        if awaited {
            return;
        }
        let covers = |task: &Task| {
            let earlier = task.immediate || task.cmd_sn.precedes(cmd_sn);
            match function {
                TaskManagementFunction::ABORT_TASK_SET | TaskManagementFunction::CLEAR_TASK_SET => {
                    earlier && same_unit(task.lun, lun)
                }
                TaskManagementFunction::LOGICAL_UNIT_RESET => same_unit(task.lun, lun),
                _ => true,
            }
        };
        let ended: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.phase != TaskPhase::Draining && covers(task))
            .map(|(id, _)| *id)
            .collect();
        let outstanding: Vec<TaskId> = ended.iter().copied().filter(|id| self.abort(*id)).collect();
        let deadline = now.checked_add(self.settings.drain_timeout).unwrap_or(now);
        if let Some(management) = self.managements.get_mut(&id) {
            management.step = ManagementStep::Draining {
                deadline,
                outstanding,
                ended,
            };
        }
    }

    /// Aborts a task; returns whether data of it is on its way, for which it stays.
    fn abort(&mut self, id: TaskId) -> bool {
        self.withdraw(id);
        match self.tasks.get_mut(&id) {
            Some(task) if task.collector.is_open() => {
                if task.phase == TaskPhase::Held {
                    self.held.insert(task.cmd_sn, HeldRequest::Plugged);
                }
                task.phase = TaskPhase::Draining;
                task.collector.fail(CommandFailed::IncorrectAmountOfData);
                self.buffered = self.buffered.saturating_sub(task.reserved);
                task.reserved = 0;
                true
            }
            _ => {
                self.remove_task(id);
                false
            }
        }
    }

    fn deliver_if_drained(&mut self, id: ManagementId, now: Instant) {
        let tasks = &self.tasks;
        let Some(Management {
            function,
            lun,
            step:
                ManagementStep::Draining {
                    deadline,
                    outstanding,
                    ended,
                },
            ..
        }) = self.managements.get_mut(&id)
        else {
            return;
        };
        let is_open = |id: &TaskId| tasks.get(id).is_some_and(|task| task.collector.is_open());
        if now < *deadline && outstanding.iter().any(is_open) {
            return;
        }
        let outstanding = std::mem::take(outstanding);
        let event = TaskManagement {
            id,
            function: *function,
            lun: *lun,
            ended: std::mem::take(ended),
        };
        for task in outstanding {
            self.remove_task(task);
        }
        if let Some(management) = self.managements.get_mut(&id) {
            management.step = ManagementStep::Delivered;
        }
        self.events.push_back(Event::TaskManagement(event));
    }

    fn hand_over(
        &mut self,
        initiator_task_tag: InitiatorTaskTag,
        function: TaskManagementFunction,
        lun: Lun,
        ended: Vec<TaskId>,
    ) {
        let id = ManagementId(self.take_id());
        self.managements.insert(
            id,
            Management {
                initiator_task_tag,
                function,
                lun,
                step: ManagementStep::Delivered,
            },
        );
        self.events.push_back(Event::TaskManagement(TaskManagement {
            id,
            function,
            lun,
            ended,
        }));
    }

    fn answer(&mut self, initiator_task_tag: InitiatorTaskTag, outcome: TaskManagementOutcome) {
        self.outgoing.push_back(Outgoing::TaskManagement {
            initiator_task_tag,
            outcome,
        });
    }
}
