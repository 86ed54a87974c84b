//! A target of the IOP, and the session that is held with it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::event::IopEvent;
use super::status::{EventStatus, HeldTargetStatus, JobStatus};
use super::window::WindowShares;
use crate::iop::active::{Loss, LossCause, TargetReport, TargetStatus};
use crate::iop::config::Target;
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::named_devices;
use crate::iop::ipl::rfc_3339;
use crate::iscsi::ids::{InitiatorTaskTag, Lun};
use crate::iscsi::initiator::SessionError;
use crate::iscsi::pdu::{AsyncEvent, AsyncMessage, Pdu};
use crate::iscsi::text::Escaped;
use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey};
use crate::storage::without_error_number;
use crate::transport::initiator::{Initiator, SessionLost};
use crate::transport::{ConnectionError, Direction, Instant, Step, now};

/// How many events of a target are kept.
const KEPT_EVENTS: usize = 32;

/// A device of a target.
#[derive(Clone, Debug)]
pub(super) struct HeldDevice {
    pub(super) name: String,
    pub(super) kind: DeviceKind,
    pub(super) lun: Lun,
}

/// A target of the active configuration, and the session that is held with it.
#[derive(Debug)]
pub(super) struct HeldTarget {
    /// Names it as long as the process lives; a re-IPL makes others.
    pub(super) number: u64,
    /// Its place in the active configuration.
    pub(super) index: usize,
    /// How it was configured at the re-IPL.
    pub(super) target: Target,
    initiator: RefCell<Option<Initiator>>,
    /// The IOP has ended the session itself.
    pub(super) is_left: Cell<bool>,
    /// Why the IOP ends the session, where the target made it unusable.
    pub(super) doom: RefCell<Option<LossCause>>,
    /// When and why a session with it was lost last. It stays when there is another session.
    last_loss: RefCell<Option<Loss>>,
    devices: RefCell<Vec<HeldDevice>>,
    /// What of its command window the jobs at its drives have.
    pub(super) shares: Rc<WindowShares>,
    since: RefCell<String>,
    portal: RefCell<Option<String>>,
    pub(super) commands: Cell<u64>,
    pub(super) bytes_sent: Cell<u64>,
    pub(super) bytes_received: Cell<u64>,
    round_trip: Cell<Option<Duration>>,
    ping_sent: Cell<Option<Instant>>,
    events: RefCell<VecDeque<EventStatus>>,
}

impl HeldTarget {
    /// Returns a target without a session.
    pub(super) fn new(number: u64, index: usize, target: Target) -> Rc<Self> {
        Rc::new(Self {
            number,
            index,
            target,
            initiator: RefCell::default(),
            is_left: Cell::default(),
            doom: RefCell::default(),
            last_loss: RefCell::default(),
            devices: RefCell::default(),
            shares: Rc::default(),
            since: RefCell::new(rfc_3339(SystemTime::now())),
            portal: RefCell::default(),
            commands: Cell::default(),
            bytes_sent: Cell::default(),
            bytes_received: Cell::default(),
            round_trip: Cell::default(),
            ping_sent: Cell::default(),
            events: RefCell::default(),
        })
    }

    /// Returns its name, as typed.
    pub(super) fn name(&self) -> &str {
        self.target.identity.target_name.as_str()
    }

    /// Takes the session that a re-IPL, or another attempt, has opened, and the devices that it found.
    pub(super) fn has(&self, initiator: Option<Initiator>, report: &TargetReport) {
        *self.devices.borrow_mut() = named_devices(report)
            .into_iter()
            .map(|(name, kind, lun)| HeldDevice { name, kind, lun })
            .collect();
        *self.portal.borrow_mut() = match &initiator {
            Some(_) => report
                .session
                .as_ref()
                .map(|session| session.portal.clone()),
            None => None,
        };
        *self.initiator.borrow_mut() = initiator;
        *self.doom.borrow_mut() = None;
        self.is_left.set(false);
        self.changed_now();
    }

    /// Gives the session up and returns it, if there is one.
    pub(super) fn take(&self) -> Option<Initiator> {
        self.portal.borrow_mut().take();
        self.initiator.borrow_mut().take()
    }

    /// Takes note that its session was lost.
    pub(super) fn lose(&self, lost: Loss) {
        *self.last_loss.borrow_mut() = Some(lost);
        self.changed_now();
    }

    /// Returns when and why its session was lost last; none when none was.
    pub(super) fn last_loss(&self) -> Option<Loss> {
        self.last_loss.borrow().clone()
    }

    /// Returns the session.
    pub(super) fn initiator(&self) -> Option<Initiator> {
        self.initiator.borrow().clone()
    }

    /// Returns the device of that name.
    pub(super) fn device(&self, name: &str) -> Option<HeldDevice> {
        let devices = self.devices.borrow();
        let mut devices = devices.iter();
        devices.find(|device| device.name == name).cloned()
    }

    /// Returns how many devices it has.
    pub(super) fn device_count(&self) -> usize {
        self.devices.borrow().len()
    }

    fn device_at(&self, lun: Lun) -> Option<String> {
        let devices = self.devices.borrow();
        let mut devices = devices.iter();
        devices
            .find(|device| device.lun == lun)
            .map(|device| device.name.clone())
    }

    /// Takes note that its status has changed just now.
    pub(super) fn changed_now(&self) {
        *self.since.borrow_mut() = rfc_3339(SystemTime::now());
    }

    /// Keeps an event for the status.
    pub(super) fn note(&self, event: &IopEvent) {
        let name = match event {
            IopEvent::UnitAttention { asc, ascq, .. } => unit_attention(*asc, *ascq),
            event => event.code().to_owned(),
        };
        let mut events = self.events.borrow_mut();
        if events.len() == KEPT_EVENTS {
            events.pop_front();
        }
        events.push_back(EventStatus {
            time: rfc_3339(SystemTime::now()),
            event: name,
            device: event.device().map(str::to_owned),
        });
    }

    /// Returns what is said of it.
    pub(super) fn status(&self, status: TargetStatus, jobs: Vec<JobStatus>) -> HeldTargetStatus {
        HeldTargetStatus {
            target_name: self.name().to_owned(),
            status,
            since: self.since.borrow().clone(),
            portal: self.portal.borrow().clone(),
            commands: self.commands.get(),
            bytes_sent: self.bytes_sent.get(),
            bytes_received: self.bytes_received.get(),
            round_trip: self
                .round_trip
                .get()
                .map(|round_trip| (round_trip.as_secs_f64() * 1e6).round() / 1e6),
            jobs,
            events: self.events.borrow().iter().cloned().collect(),
        }
    }

    /// Looks at a step of its session, and returns the event that it makes.
    pub(super) fn observe(&self, step: &Step<'_>) -> Option<IopEvent> {
        match step {
            Step::Pdu(passing) => match (passing.direction, passing.pdu) {
                (Direction::Sent, Ok(Pdu::NopOut(ping)))
                    if ping.initiator_task_tag != InitiatorTaskTag::RESERVED =>
                {
                    self.ping_sent.set(Some(now()));
                    None
                }
                (Direction::Received, Ok(Pdu::NopIn(pong)))
                    if pong.initiator_task_tag != InitiatorTaskTag::RESERVED =>
                {
                    let sent = self.ping_sent.take();
                    self.round_trip.set(sent.map(|sent| sent.elapsed()));
                    None
                }
                (Direction::Received, Ok(Pdu::AsyncMessage(message))) => {
                    Some(self.of_message(message))
                }
                _ => None,
            },
            Step::WindowClosed(since) => Some(IopEvent::WindowClosed {
                target_name: self.name().to_owned(),
                seconds: since.as_secs(),
            }),
            _ => None,
        }
    }

    fn of_message(&self, message: &AsyncMessage) -> IopEvent {
        let target_name = self.name().to_owned();
        match message.async_event {
            AsyncEvent::LOGOUT_REQUEST => IopEvent::LogoutRequested {
                target_name,
                seconds: message.parameter3,
            },
            AsyncEvent::NEGOTIATION_REQUEST => IopEvent::NegotiationRequested {
                target_name,
                seconds: message.parameter3,
            },
            AsyncEvent::DROP_CONNECTION | AsyncEvent::DROP_ALL_CONNECTIONS => IopEvent::Dropped {
                target_name,
                code: message.async_event.0,
                time2wait: message.parameter2,
            },
            event => {
                // Sense data behind its length (RFC 7143 11.9.4).
                let sense = message.data.get(2..).map(SenseData::decode);
                match sense {
                    Some(Ok(sense)) if event == AsyncEvent::SCSI => {
                        self.attention(message.lun, sense.code)
                    }
                    _ => IopEvent::AsyncMessage {
                        target_name,
                        code: event.0,
                        vendor_code: message.async_vcode,
                    },
                }
            }
        }
    }

    fn attention(&self, lun: Lun, code: AdditionalSenseCode) -> IopEvent {
        IopEvent::UnitAttention {
            target_name: self.name().to_owned(),
            device: self.device_at(lun),
            asc: code.asc,
            ascq: code.ascq,
        }
    }

    /// Returns the event that the sense data of an answer makes: a unit attention.
    pub(super) fn of_sense(&self, lun: Lun, sense: &[u8]) -> Option<IopEvent> {
        let sense = SenseData::decode(sense).ok()?;
        (sense.key == SenseKey::UNIT_ATTENTION).then(|| self.attention(lun, sense.code))
    }
}

/// Returns the name of a unit attention in the status.
fn unit_attention(asc: u8, ascq: u8) -> String {
    match (asc, ascq) {
        (0x29, _) => "power-on-or-reset".to_owned(),
        (0x28, 0x00) => "medium-may-have-changed".to_owned(),
        (0x3f, 0x0e) => "reported-luns-changed".to_owned(),
        (asc, ascq) => format!("unit-attention-{asc:02X}-{ascq:02X}"),
    }
}

/// Returns why a session has ended, for the record.
pub(super) fn loss_cause(lost: &SessionLost) -> LossCause {
    match lost {
        SessionLost::Connection(error) => match &**error {
            ConnectionError::Closed | ConnectionError::ClosedUnanswered => {
                LossCause::ConnectionClosed
            }
            ConnectionError::Io(error) => LossCause::ConnectionFailed {
                detail: without_error_number(&error.to_string()).to_owned(),
            },
            error => LossCause::TargetProtocolError {
                detail: escaped(&error.to_string()),
            },
        },
        SessionLost::Protocol(SessionError::NoAnswer { request, after, .. }) => {
            LossCause::NoAnswer {
                request: request.to_string(),
                after: *after,
            }
        }
        SessionLost::Protocol(error) => LossCause::TargetProtocolError {
            detail: escaped(&error.to_string()),
        },
        SessionLost::LogoutRequested => LossCause::LogoutRequested,
        SessionLost::Dropped => LossCause::Dropped,
        SessionLost::Rejected(reason) => LossCause::PduRejected {
            reason: escaped(&reason.to_string()),
        },
        // The IOP logs out, or drops its driver, only where it says so itself.
        SessionLost::LoggedOut | SessionLost::GivenUp => LossCause::GivenUp,
    }
}

fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::iop::active::{DriveReport, LibraryReport};
    use crate::iscsi::ids::{CmdSn, StatSn};
    use crate::iscsi::pdu::Opcode;

    fn held() -> Rc<HeldTarget> {
        let target = serde_json::from_value(serde_json::json!({
            "identity": {
                "initiator_name": "iqn.2026-11.test:i", "target_host_name": "127.0.0.1",
                "target_name": "iqn.2026-11.test:t", "target_port": 3260
            },
            "keystore": "AVAIL", "revision": 1
        }));
        let held = HeldTarget::new(1, 0, target.unwrap());
        let report = TargetReport {
            libraries: vec![LibraryReport {
                device: "TAPMLB01".to_owned(),
                lun: 0,
                drives: vec![DriveReport {
                    device: "TAP01".to_owned(),
                    lun: 1,
                    ..DriveReport::default()
                }],
                ..LibraryReport::default()
            }],
            ..TargetReport::default()
        };
        held.has(None, &report);
        held
    }

    fn message(
        async_event: AsyncEvent,
        lun: Lun,
        parameters: [u16; 3],
        data: &[u8],
    ) -> AsyncMessage {
        let [parameter1, parameter2, parameter3] = parameters;
        AsyncMessage {
            lun,
            stat_sn: StatSn(1),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(1),
            async_event,
            async_vcode: 9,
            parameter1,
            parameter2,
            parameter3,
            data: Bytes::copy_from_slice(data),
        }
    }

    #[test]
    fn each_asynchronous_message_is_an_event() {
        let held = held();
        let target_name = || held.name().to_owned();
        let lun = Lun::default();
        for (async_event, expected) in [
            (
                AsyncEvent::LOGOUT_REQUEST,
                IopEvent::LogoutRequested {
                    target_name: target_name(),
                    seconds: 3,
                },
            ),
            (
                AsyncEvent::NEGOTIATION_REQUEST,
                IopEvent::NegotiationRequested {
                    target_name: target_name(),
                    seconds: 3,
                },
            ),
            (
                AsyncEvent::DROP_CONNECTION,
                IopEvent::Dropped {
                    target_name: target_name(),
                    code: 2,
                    time2wait: 2,
                },
            ),
            (
                AsyncEvent::DROP_ALL_CONNECTIONS,
                IopEvent::Dropped {
                    target_name: target_name(),
                    code: 3,
                    time2wait: 2,
                },
            ),
            (
                AsyncEvent(255),
                IopEvent::AsyncMessage {
                    target_name: target_name(),
                    code: 255,
                    vendor_code: 9,
                },
            ),
        ] {
            let message = message(async_event, lun, [1, 2, 3], &[]);
            assert_eq!(held.of_message(&message), expected);
        }
    }

    #[test]
    fn a_unit_attention_names_its_device_and_what_has_happened() {
        let held = held();
        for (code, name) in [
            (
                AdditionalSenseCode {
                    asc: 0x29,
                    ascq: 0x00,
                },
                "power-on-or-reset",
            ),
            (
                AdditionalSenseCode {
                    asc: 0x28,
                    ascq: 0x00,
                },
                "medium-may-have-changed",
            ),
            (
                AdditionalSenseCode {
                    asc: 0x3f,
                    ascq: 0x0e,
                },
                "reported-luns-changed",
            ),
            (
                AdditionalSenseCode {
                    asc: 0x2a,
                    ascq: 0x01,
                },
                "unit-attention-2A-01",
            ),
        ] {
            let sense = SenseData::new(SenseKey::UNIT_ATTENTION, code).encode();
            let mut data = vec![0, 18];
            data.extend_from_slice(&sense);
            let lun = held.device("TAP01").unwrap().lun;
            let event = held.of_message(&message(AsyncEvent::SCSI, lun, [0; 3], &data));
            assert_eq!(event.device(), Some("TAP01"));
            held.note(&event);
            let status = held.status(TargetStatus::Connected, Vec::new());
            let last = status.events.last().unwrap();
            assert_eq!(
                (last.event.as_str(), last.device.as_deref()),
                (name, Some("TAP01"))
            );
            assert_eq!(held.of_sense(lun, &sense), Some(event));
        }
        let sense =
            SenseData::new(SenseKey::NOT_READY, AdditionalSenseCode { asc: 4, ascq: 1 }).encode();
        assert_eq!(held.of_sense(Lun::default(), &sense), None);
    }

    #[test]
    fn the_last_events_are_kept() {
        let held = held();
        for seconds in 0..100 {
            held.note(&IopEvent::WindowClosed {
                target_name: held.name().to_owned(),
                seconds,
            });
        }
        let status = held.status(TargetStatus::Connected, Vec::new());
        assert_eq!(status.events.len(), KEPT_EVENTS);
    }

    #[test]
    fn the_end_of_a_session_has_a_cause() {
        let after = Duration::from_secs(15);
        let silent = SessionLost::Protocol(SessionError::NoAnswer {
            request: Opcode::NOP_OUT,
            after,
            last_received: None,
        });
        let request = Opcode::NOP_OUT.to_string();
        assert_eq!(loss_cause(&silent), LossCause::NoAnswer { request, after });
        let closed = SessionLost::Connection(std::sync::Arc::new(ConnectionError::Closed));
        assert_eq!(loss_cause(&closed), LossCause::ConnectionClosed);
        let reset = std::io::Error::from_raw_os_error(104);
        let reset = SessionLost::Connection(std::sync::Arc::new(reset.into()));
        let detail = "Connection reset by peer".to_owned();
        assert_eq!(loss_cause(&reset), LossCause::ConnectionFailed { detail });
        assert_eq!(loss_cause(&SessionLost::Dropped), LossCause::Dropped);
        assert_eq!(
            loss_cause(&SessionLost::LogoutRequested),
            LossCause::LogoutRequested
        );
    }
}
