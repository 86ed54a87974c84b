//! Why a resident IOP did not do what it was asked for, in words.

use std::fmt;

use super::event::jobs_in_use;
use super::loss::loss;
use super::{Code, Words, seconds};
use crate::iop::resident::{ControlError, CutOff, IopError};
use crate::storage::quoted;

const UNRESPONSIVE: &str =
    "give it more time with --timeout, or end that process and start another one";

/// Returns why a request came to nothing; none where the error of the state has words of its own.
#[must_use]
pub fn control(error: &ControlError) -> Option<Words> {
    Some(match error {
        ControlError::State(_) => return None,
        ControlError::NoAnswer { pid, after } => Words::new(
            Code::IopUnresponsive,
            format!(
                "the resident IOP{} does not answer within {} s",
                process(*pid),
                seconds(*after)
            ),
            UNRESPONSIVE,
        ),
        ControlError::OtherVersion { pid, ours, theirs } => Words::new(
            Code::OtherVersion,
            format!(
                "the resident IOP{} has version {theirs}, and this is version {ours}",
                process(*pid)
            ),
            "stop it with its own version, or end the process, and start it with this one",
        ),
        ControlError::Gone { pid } => Words::new(
            Code::IopUnresponsive,
            format!("the resident IOP{} ended before it answered", process(*pid)),
            "see what it said at its end, and start it again",
        ),
        ControlError::Socket { path, source } => Words::new(
            Code::IopUnresponsive,
            format!(
                "cannot connect to the local socket {} of the resident IOP: {source}",
                quoted(path)
            ),
            UNRESPONSIVE,
        ),
        ControlError::Denied { pid } => Words::new(
            Code::ForeignOwner,
            format!("the resident IOP{} belongs to another user", process(*pid)),
            "ask as the owner of the state directory, or as root",
        ),
        ControlError::JobsRunning { jobs, waited } => Words::new(
            Code::DeviceInUse,
            format!(
                "no re-IPL: after {} s {}",
                seconds(*waited),
                jobs_in_use(jobs)
            ),
            "let the jobs end, or wait for them with --lock-timeout",
        ),
        ControlError::Refused { detail } => Words::new(
            Code::StateUnusable,
            format!("the resident IOP could not do it: {detail}"),
            "mend that in the state directory, and try again",
        ),
        ControlError::HeldAsBefore { target } => Words::new(
            Code::SecondConnection,
            format!(
                "the resident IOP holds a session with {target} as it was configured before, and a partition has one \
                 connection to a target"
            ),
            "-reipliscsiop has the IOP use what is configured now, and iop stop ends its sessions",
        ),
        ControlError::Stopping { pid } => Words::new(
            Code::IopStopping,
            format!(
                "the resident IOP{} is stopping, and takes nothing more",
                process(*pid)
            ),
            "try again when it has ended",
        ),
        ControlError::DeviceInUse { job, waited } => Words::new(
            Code::DeviceInUse,
            format!(
                "{} is in use: after {} s {}",
                job.device,
                seconds(*waited),
                jobs_in_use(std::slice::from_ref(job))
            ),
            "let that job end, or wait for it with --lock-timeout",
        ),
        ControlError::ReIplGoesOn { pid, waited } => Words::new(
            Code::LockHeld,
            format!(
                "after {} s the resident IOP{} still re-IPLs",
                seconds(*waited),
                process(*pid)
            ),
            "wait for it with --lock-timeout",
        ),
        ControlError::NoSuchDevice { device } => Words::new(
            Code::NoSuchDevice,
            format!("the resident IOP has no device {device} since its last re-IPL"),
            "see -dumptargets for those that it has",
        ),
        ControlError::NoSession { device, lost } => Words::new(
            Code::TargetUnreachable,
            match lost {
                Some(lost) => format!(
                    "the session with the target of {device} was lost at {}: {}",
                    lost.time,
                    loss(&lost.cause).message
                ),
                None => format!(
                    "there is no session with the target of {device}: it failed at the last re-IPL"
                ),
            },
            "look at the state and the log of the VTL, then -reipliscsiop",
        ),
        ControlError::Malformed { pid } => Words::new(
            Code::IopUnresponsive,
            format!(
                "the resident IOP{} answered what this program does not understand",
                process(*pid)
            ),
            UNRESPONSIVE,
        ),
    })
}

/// What to do about an IOP that has ended in the middle of a job.
const ENDED: &str = "run the job again, without an IOP or once iop run holds the sessions again; iop status tells whether one runs";

/// Returns why the connection of a job has ended.
#[must_use]
pub fn cut_off(cut_off: &CutOff) -> Words {
    match cut_off {
        CutOff::Ended { pid } => Words::new(
            Code::JobCutOff,
            format!(
                "the resident IOP{} has ended, and with it the connection of the job",
                process(*pid)
            ),
            ENDED,
        ),
        CutOff::Stopping { pid } => Words::new(
            Code::JobCutOff,
            format!(
                "the resident IOP{} is stopping, and closed the connection of the job",
                process(*pid)
            ),
            ENDED,
        ),
        CutOff::TargetLost {
            target,
            lost,
            is_back,
        } => Words::new(
            Code::TargetUnreachable,
            format!(
                "the resident IOP lost its session with {target} at {}: {}",
                lost.time,
                loss(&lost.cause).message.trim_end_matches('.')
            ),
            match is_back {
                true => "it has a session with the target again: run the job again",
                false => "look at the state and the log of the VTL, then -reipliscsiop",
            },
        ),
        CutOff::Closed { pid } => Words::new(
            Code::JobCutOff,
            format!(
                "the resident IOP{} closed the connection of the job",
                process(*pid)
            ),
            "see iop status for what happened to the session with the target, and run the job again",
        ),
        CutOff::Unresponsive { pid } => Words::new(
            Code::IopUnresponsive,
            format!("the resident IOP{} does not answer any more", process(*pid)),
            UNRESPONSIVE,
        ),
    }
}

/// As a cause of what a job could not do.
impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cut_off(self).message)
    }
}

/// Returns why there is no resident IOP; none where the error of the state has words of its own.
#[must_use]
pub fn start(error: &IopError) -> Option<Words> {
    Some(match error {
        IopError::State(_) => return None,
        IopError::Socket { path, source } => Words::new(
            Code::CannotListen,
            format!(
                "cannot listen on the local socket {}: {source}",
                quoted(path)
            ),
            "see that the file system of the state directory takes sockets",
        ),
        IopError::Network(error) => Words::new(
            Code::NoResources,
            format!("cannot set up the network input and output: {error}"),
            super::next_step::NO_RESOURCES,
        ),
    })
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", process {pid},"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::iop::active::{Loss, LossCause};
    use crate::iop::resident::status::JobStatus;

    #[test]
    fn a_job_that_was_cut_off_is_told_by_whom_and_what_to_do() {
        let lost = |is_back| CutOff::TargetLost {
            target: "iqn.2026-11.test:t".to_owned(),
            lost: Loss {
                time: "2026-11-22T05:31:00Z".to_owned(),
                cause: LossCause::Dropped,
            },
            is_back,
        };
        let pid = Some(4711);
        for (cause, code, message, next_step) in [
            (
                CutOff::Ended { pid },
                Code::JobCutOff,
                "the resident IOP, process 4711, has ended, and with it the connection of the job",
                "iop run",
            ),
            (
                CutOff::Stopping { pid },
                Code::JobCutOff,
                "the resident IOP, process 4711, is stopping, and closed the connection of the job",
                "iop run",
            ),
            (
                CutOff::Closed { pid: None },
                Code::JobCutOff,
                "the resident IOP closed the connection of the job",
                "iop status",
            ),
            (
                CutOff::Unresponsive { pid },
                Code::IopUnresponsive,
                "the resident IOP, process 4711, does not answer any more",
                "--timeout",
            ),
            (
                lost(false),
                Code::TargetUnreachable,
                "the resident IOP lost its session with iqn.2026-11.test:t at 2026-11-22T05:31:00Z: The target ended the session",
                "-reipliscsiop",
            ),
            (
                lost(true),
                Code::TargetUnreachable,
                "the resident IOP lost its session with iqn.2026-11.test:t at 2026-11-22T05:31:00Z: The target ended the session",
                "run the job again",
            ),
        ] {
            let words = cut_off(&cause);
            assert_eq!((words.code, cause.to_string().as_str()), (code, message));
            let told = words.next_step.unwrap();
            assert!(told.contains(next_step), "{told}");
        }
    }

    #[test]
    fn every_error_names_the_process_where_it_is_known_and_a_next_step() {
        let pid = Some(4711);
        let (after, path) = (Duration::from_secs(15), PathBuf::from("/state/iop.sock"));
        let errors = [
            ControlError::NoAnswer { pid, after },
            ControlError::OtherVersion {
                pid,
                ours: "0.3.0".to_owned(),
                theirs: "0.2.0".to_owned(),
            },
            ControlError::Gone { pid },
            ControlError::Denied { pid },
            ControlError::Stopping { pid },
            ControlError::Malformed { pid },
            ControlError::JobsRunning {
                jobs: vec![JobStatus {
                    pid: 4711,
                    purpose: "tape write TAPMLB01 VOL001".to_owned(),
                    device: "TAP01".to_owned(),
                    since: "2026-11-22T05:31:00Z".to_owned(),
                }],
                waited: after,
            },
        ];
        for error in &errors {
            let words = control(error).unwrap();
            assert!(words.message.contains("4711"), "{words:?}");
            assert!(words.next_step.is_some(), "{words:?}");
        }
        let told = control(&errors[6]).unwrap().message;
        assert_eq!(
            told,
            "no re-IPL: after 15 s process 4711 uses TAP01 (tape write TAPMLB01 VOL001)"
        );
        let lost = |cause| ControlError::NoSession {
            device: "TAP01".to_owned(),
            lost: Some(Loss {
                time: "2026-11-22T05:31:00Z".to_owned(),
                cause,
            }),
        };
        let told = control(&lost(LossCause::Dropped)).unwrap().message;
        assert_eq!(
            told,
            "the session with the target of TAP01 was lost at 2026-11-22T05:31:00Z: The target ended the session."
        );
        let unnamed = control(&ControlError::NoAnswer { pid: None, after }).unwrap();
        assert_eq!(
            unnamed.message,
            "the resident IOP does not answer within 15 s"
        );
        let source = || io::Error::from(io::ErrorKind::PermissionDenied);
        let socket = ControlError::Socket {
            path: path.clone(),
            source: source(),
        };
        assert!(
            control(&socket)
                .unwrap()
                .message
                .contains("/state/iop.sock")
        );
        let start = start(&IopError::Socket {
            path,
            source: source(),
        });
        assert!(start.unwrap().message.contains("/state/iop.sock"));
    }
}
