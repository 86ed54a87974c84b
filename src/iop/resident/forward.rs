//! What serves a job: a backend that has each command carried out in the session that the IOP holds with the target.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::held::{HeldDevice, HeldTarget};
use super::service::Iop;
use super::window::WindowShare;
use crate::iop::active::LossCause;
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::unit::ForwardedKind;
use crate::iscsi::ids::Lun;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::iscsi::pdu::{Residual, TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{ReceivedCommand, ScsiReply};
use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey, Status};
use crate::transport::initiator::{
    Completed, DataDirection, Execute, ExecuteError, Initiator, Outstanding, SessionLost,
};
use crate::transport::listener::{Backend, BackendAnswer, Turn, Turns, detached};
use crate::transport::{Changes, spawn};

/// Forwards the commands of one job to one device.
pub(super) struct DeviceBackend {
    iop: Rc<Iop>,
    target: Rc<HeldTarget>,
    device: HeldDevice,
    initiator: Initiator,
    /// As many as the job's share of the target's command window, so that a job whose drive is slow never keeps another from its own;
    /// a changer takes one command at a time, of whichever job.
    turns: Turns,
    /// The share, where it is not a changer.
    _share: Option<Rc<WindowShare>>,
    unfinished: Rc<Unfinished>,
}

/// The commands of a job that may still have an effect.
#[derive(Debug, Default)]
struct Unfinished {
    commands: Cell<usize>,
    /// Those of them that are being ended.
    ending: Cell<usize>,
    changes: Changes,
}

impl Unfinished {
    /// Waits until no command has an effect any more.
    async fn none(&self) {
        let is_none = || (self.commands.get() == 0).then_some(());
        self.changes.until(is_none).await;
    }

    /// Waits until no command is being ended.
    async fn none_ending(&self) {
        let is_none = || (self.ending.get() == 0).then_some(());
        self.changes.until(is_none).await;
    }
}

/// A command's place among the unfinished ones, which it has until this is dropped.
struct UnfinishedCommand {
    of: Rc<Unfinished>,
    is_ending: bool,
}

impl UnfinishedCommand {
    fn of(unfinished: &Rc<Unfinished>) -> Self {
        let commands = &unfinished.commands;
        commands.set(commands.get().saturating_add(1));
        Self {
            of: Rc::clone(unfinished),
            is_ending: false,
        }
    }

    fn is_ended(&mut self) {
        let ending = &self.of.ending;
        ending.set(ending.get().saturating_add(1));
        self.is_ending = true;
    }
}

impl Drop for UnfinishedCommand {
    fn drop(&mut self) {
        let Unfinished {
            commands,
            ending,
            changes,
        } = &*self.of;
        commands.set(commands.get().saturating_sub(1));
        if self.is_ending {
            ending.set(ending.get().saturating_sub(1));
        }
        changes.tell();
    }
}

/// A command that was handed to the session. Dropped before it has ended, it is ended, and its turn with it.
struct Forwarded {
    initiator: Initiator,
    lun: Lun,
    /// The command, with its turn and its place among the unfinished ones; none once it has ended.
    running: Option<(Outstanding, Turn, UnfinishedCommand)>,
}

impl Forwarded {
    /// Waits for the end of the command.
    async fn result(mut self) -> Result<Completed, ExecuteError> {
        let result = match &mut self.running {
            Some((outstanding, ..)) => outstanding.await,
            None => Err(ExecuteError::Aborted),
        };
        self.running = None;
        result
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        let Some((outstanding, turn, mut place)) = self.running.take() else {
            return;
        };
        place.is_ended();
        let (initiator, lun) = (self.initiator.clone(), self.lun);
        spawn(async move {
            end(&initiator, lun, outstanding).await;
            drop((turn, place));
        });
    }
}

/// Ends a command: ABORT TASK; LOGICAL UNIT RESET where the target refuses that, since the device is one job's alone, or takes one
/// command at a time; and where it refuses that as well, the command is awaited. The end of the session ends it in any case.
async fn end(initiator: &Initiator, lun: Lun, outstanding: Outstanding) {
    use TaskManagementOutcome as Outcome;
    match initiator.abort(outstanding.id()).await {
        Ok(Outcome::FUNCTION_COMPLETE | Outcome::TASK_DOES_NOT_EXIST) => return,
        Ok(_) | Err(SessionLost::Rejected(_)) => {}
        Err(_) => return,
    }
    match initiator.reset_logical_unit(lun).await {
        Ok(Outcome::FUNCTION_COMPLETE) => {}
        // How it ends matters to nobody any more.
        Ok(_) | Err(SessionLost::Rejected(_)) => drop(outstanding.await),
        Err(_) => {}
    }
}

impl DeviceBackend {
    /// Returns what forwards to a device by a session; `changer` has the turns of all jobs at it, where it is one.
    pub(super) fn new(
        iop: Rc<Iop>,
        target: Rc<HeldTarget>,
        device: HeldDevice,
        initiator: Initiator,
        changer: Option<Turns>,
    ) -> Self {
        let (turns, share) = match changer {
            Some(turns) => (turns, None),
            None => {
                let window = usize::try_from(initiator.command_window()).unwrap_or(usize::MAX);
                let share = target.shares.join(window, target.device_count());
                (share.turns.clone(), Some(Rc::new(share)))
            }
        };
        Self {
            iop,
            target,
            device,
            initiator,
            turns,
            _share: share,
            unfinished: Rc::default(),
        }
    }

    fn count(&self, sent: usize, completed: &Completed) {
        let add = |counter: &Cell<u64>, count: usize| {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            counter.set(counter.get().saturating_add(count));
        };
        add(&self.target.commands, 1);
        add(&self.target.bytes_sent, sent);
        add(&self.target.bytes_received, completed.data.len());
        if Status(completed.status) == Status::CHECK_CONDITION
            && let Some(event) = self.target.of_sense(self.device.lun, &completed.sense)
        {
            self.iop.tell(&event);
        }
    }
}

impl Backend for DeviceBackend {
    fn nexus_added(&self, _nexus: NexusId, _port: InitiatorPort) {}

    fn nexus_lost(&self, _nexus: NexusId) {}

    fn has_logical_unit(&self, lun: Lun) -> bool {
        lun == self.device.lun
    }

    fn execute(&self, _nexus: NexusId, command: ReceivedCommand) -> BackendAnswer<ScsiReply> {
        if !self.has_logical_unit(command.lun) {
            let reply = check(
                SenseKey::ILLEGAL_REQUEST,
                AdditionalSenseCode::LOGICAL_UNIT_NOT_SUPPORTED,
            );
            return Box::pin(async move { reply });
        }
        let kind = ForwardedKind::of(self.device.kind, &command.cdb);
        let length = command.data_out.len();
        let expected = match command.expected_data_out_length {
            0 => command.expected_data_in_length,
            expected => expected,
        };
        let data = match (
            command.expected_data_out_length,
            command.expected_data_in_length,
        ) {
            (0, 0) => DataDirection::None,
            (0, length) => DataDirection::In(length),
            _ => DataDirection::Out(command.data_out),
        };
        let mut execute = Execute::new(self.device.lun, &command.cdb, data);
        execute.suppresses_pings = kind.suppresses_pings;
        let this = Self {
            iop: Rc::clone(&self.iop),
            target: Rc::clone(&self.target),
            device: self.device.clone(),
            initiator: self.initiator.clone(),
            turns: self.turns.clone(),
            _share: self._share.clone(),
            unfinished: Rc::clone(&self.unfinished),
        };
        Box::pin(async move {
            let turn = this.turns.clone().take().await;
            let place = UnfinishedCommand::of(&this.unfinished);
            let outstanding = match this.initiator.submit(execute).await {
                Ok(outstanding) => outstanding,
                Err(error) => {
                    drop((turn, place));
                    return this.failed(error).await;
                }
            };
            let forwarded = Forwarded {
                initiator: this.initiator.clone(),
                lun: this.device.lun,
                running: Some((outstanding, turn, place)),
            };
            let result = forwarded.result().await;
            match result {
                Ok(completed) => {
                    this.count(length, &completed);
                    match kind.is_block && contradicts(expected, &completed) {
                        // What the block holds is not known, and no residual count can say so.
                        true => check(
                            SenseKey::ABORTED_COMMAND,
                            AdditionalSenseCode::DATA_PHASE_ERROR,
                        ),
                        false => reply(length, completed),
                    }
                }
                Err(error) => this.failed(error).await,
            }
        })
    }

    fn manage(
        &self,
        _nexus: NexusId,
        function: TaskManagementFunction,
        lun: Lun,
    ) -> BackendAnswer<TaskManagementOutcome> {
        let unfinished = Rc::clone(&self.unfinished);
        let initiator = self.initiator.clone();
        let is_changer = self.device.kind == DeviceKind::Library;
        let work = async move {
            match function {
                TaskManagementFunction::LOGICAL_UNIT_RESET if !is_changer => {
                    match initiator.reset_logical_unit(lun).await {
                        Ok(outcome) => outcome,
                        Err(_) => TaskManagementOutcome::FUNCTION_REJECTED,
                    }
                }
                // The commands that it ends are being aborted.
                TaskManagementFunction::ABORT_TASK
                | TaskManagementFunction::ABORT_TASK_SET
                | TaskManagementFunction::CLEAR_TASK_SET => {
                    unfinished.none_ending().await;
                    TaskManagementOutcome::FUNCTION_COMPLETE
                }
                _ => TaskManagementOutcome::FUNCTION_NOT_SUPPORTED,
            }
        };
        let work = detached(work);
        Box::pin(async move {
            work.await
                .unwrap_or(TaskManagementOutcome::FUNCTION_REJECTED)
        })
    }

    fn settle(&self) -> BackendAnswer<()> {
        let unfinished = Rc::clone(&self.unfinished);
        Box::pin(async move { unfinished.none().await })
    }
}

impl DeviceBackend {
    /// Returns what is answered to a command without a status.
    async fn failed(&self, error: ExecuteError) -> ScsiReply {
        match error {
            // The job is cut off as soon as the loss is noticed, so there is nobody to answer.
            ExecuteError::Lost { .. } => std::future::pending().await,
            ExecuteError::Rejected(reason) => {
                // Its CmdSN stays open, which holds up every later command of the session.
                let reason = reason.to_string();
                self.iop
                    .doom(&self.target, LossCause::PduRejected { reason });
                std::future::pending().await
            }
            ExecuteError::Aborted => ScsiReply {
                status: Status::TASK_ABORTED.0,
                ..ScsiReply::default()
            },
            ExecuteError::TargetFailure(_)
            | ExecuteError::Timeout { .. }
            | ExecuteError::Submit(_) => check(
                SenseKey::HARDWARE_ERROR,
                AdditionalSenseCode::INTERNAL_TARGET_FAILURE,
            ),
        }
    }
}

fn check(key: SenseKey, code: AdditionalSenseCode) -> ScsiReply {
    let sense = SenseData::new(key, code).encode();
    ScsiReply::check_condition(Bytes::copy_from_slice(&sense))
}

/// Returns whether a READ or WRITE that ended GOOD does not account for all of its data.
fn contradicts(expected: u32, completed: &Completed) -> bool {
    let missing = match completed.residual {
        Residual::None => Some(0),
        Residual::Underflow(count) => Some(count),
        Residual::Overflow(_) => None,
    };
    let accounted = missing.and_then(|missing| completed.transferred.checked_add(missing));
    Status(completed.status) == Status::GOOD && accounted != Some(expected)
}

fn reply(sent: usize, completed: Completed) -> ScsiReply {
    let sent = u32::try_from(sent).unwrap_or(u32::MAX);
    let wanted = match completed.residual {
        _ if sent == 0 => None,
        Residual::None => None,
        Residual::Underflow(count) => Some(sent.saturating_sub(count)),
        Residual::Overflow(count) => Some(sent.saturating_add(count)),
    };
    ScsiReply {
        status: completed.status,
        sense: completed.sense,
        data_in: completed.data,
        data_out_length: wanted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{block_on_paused, within};

    #[test]
    fn what_is_being_ended_is_awaited_apart_from_what_goes_on() {
        block_on_paused(async {
            let wait = Duration::from_secs(1);
            let unfinished = Rc::<Unfinished>::default();
            let goes_on = UnfinishedCommand::of(&unfinished);
            let mut ends = UnfinishedCommand::of(&unfinished);
            ends.is_ended();
            assert!(within(wait, unfinished.none_ending()).await.is_none());
            drop(ends);
            assert!(within(wait, unfinished.none_ending()).await.is_some());
            assert!(within(wait, unfinished.none()).await.is_none());
            drop(goes_on);
            assert!(within(wait, unfinished.none()).await.is_some());
        });
    }
}
