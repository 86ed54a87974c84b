//! The lines of `iop run --json`: one JSON document for each event.

use std::borrow::Cow;
use std::time::SystemTime;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;

use crate::iop::ipl::rfc_3339;
use crate::iop::resident::status::JobStatus;
use crate::iop::resident::{IopEvent, ReIplReason};
use crate::render::words::event::{EVENTS, EventWords, event};

/// An event of a resident IOP. Which of the fields that are absent at times are there depends on the event.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "IopLine")]
pub(super) struct IopLine<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// What happened.
    event: EventName,
    /// When it happened, RFC 3339.
    time: String,
    /// The target that it is about; null for an event of the IOP.
    target_name: Option<&'a str>,
    /// The device that it is about; null where it is about none.
    device: Option<&'a str>,
    /// Why it happened, words with hyphens; null where there is no more to say.
    reason: Option<&'static str>,
    /// What happened, in words.
    message: String,
    /// What to do next, a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The process: of the IOP in ready, of the job, or of the one that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// How many targets are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    connected: Option<usize>,
    /// How many targets there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<usize>,
    /// How many re-IPLs there have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    ipl_count: Option<u64>,
    /// The jobs that did not end in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<&'a [JobStatus]>,
    /// Address and port of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<&'a str>,
    /// Seconds that the target gives or asks for, until the next attempt, or since the target has taken no command.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// AsyncEvent of the asynchronous message (RFC 7143 11.9.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    async_event: Option<u8>,
    /// AsyncVCode of the asynchronous message.
    #[serde(skip_serializing_if = "Option::is_none")]
    async_vcode: Option<u8>,
    /// Additional sense code and qualifier, as 29/00.
    #[serde(skip_serializing_if = "Option::is_none")]
    sense: Option<String>,
    /// What the job does.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'a str>,
    /// Number of the user who was turned away.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
}

impl<'a> IopLine<'a> {
    /// Makes the document of an event that happened at a time.
    pub(super) fn new(of: &'a IopEvent, time: SystemTime) -> Self {
        let EventWords {
            reason,
            message,
            hint,
        } = event(of);
        let line = Self {
            schema: 1,
            event: EventName(of.code()),
            time: rfc_3339(time),
            target_name: of.target_name(),
            device: of.device(),
            reason,
            message,
            hint,
            ..Self::default()
        };
        match of {
            IopEvent::Ready {
                pid,
                connected,
                targets,
            } => Self {
                pid: Some(*pid),
                connected: Some(*connected),
                targets: Some(*targets),
                ..line
            },
            IopEvent::ReIplBegun { reason } => Self {
                pid: asked_by(*reason),
                ..line
            },
            IopEvent::ReIplEnded {
                ipl_count,
                connected,
                targets,
            } => Self {
                ipl_count: Some(*ipl_count),
                connected: Some(*connected),
                targets: Some(*targets),
                ..line
            },
            IopEvent::ReIplRefused { reason, jobs, .. } => Self {
                pid: asked_by(*reason),
                jobs: Some(jobs),
                ..line
            },
            IopEvent::Connected { portal, .. } | IopEvent::Recovered { portal, .. } => Self {
                portal: Some(portal),
                ..line
            },
            IopEvent::RecoveryFailed { next, .. } => Self {
                seconds: Some(next.as_secs_f64()),
                ..line
            },
            IopEvent::LogoutRequested { seconds, .. }
            | IopEvent::NegotiationRequested { seconds, .. } => Self {
                seconds: Some(f64::from(*seconds)),
                ..line
            },
            IopEvent::Dropped {
                code, time2wait, ..
            } => Self {
                async_event: Some(*code),
                seconds: Some(f64::from(*time2wait)),
                ..line
            },
            IopEvent::AsyncMessage {
                code, vendor_code, ..
            } => Self {
                async_event: Some(*code),
                async_vcode: Some(*vendor_code),
                ..line
            },
            IopEvent::UnitAttention { asc, ascq, .. } => Self {
                sense: Some(format!("{asc:02X}/{ascq:02X}")),
                ..line
            },
            IopEvent::WindowClosed { seconds, .. } => Self {
                // A number of seconds that a float does not hold is beyond the life of any session.
                seconds: Some(*seconds as f64),
                ..line
            },
            IopEvent::JobBegun { pid, purpose, .. } | IopEvent::JobEnded { pid, purpose, .. } => {
                Self {
                    pid: Some(*pid),
                    purpose: Some(purpose),
                    ..line
                }
            }
            IopEvent::PeerRefused { uid } => Self {
                uid: Some(*uid),
                ..line
            },
            IopEvent::Failed { .. }
            | IopEvent::Lost { .. }
            | IopEvent::LoggedOut { .. }
            | IopEvent::StateFailed { .. }
            | IopEvent::Stopping { .. }
            | IopEvent::Alive => line,
        }
    }

    /// Returns the event on one line of JSON.
    pub(super) fn json(&self) -> String {
        // Plain data with text keys always has a form in JSON.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Returns the event on one line of text: time, target or IOP, and words; the first of all lines begins with `ready`.
    pub(super) fn text(&self) -> String {
        let Self { time, message, .. } = self;
        match (self.event.0, self.target_name) {
            ("ready", _) => format!("ready: {message}\n"),
            (_, Some(target_name)) => format!("{time} {target_name} {message}\n"),
            (_, None) => format!("{time} - {message}\n"),
        }
    }
}

fn asked_by(reason: ReIplReason) -> Option<u32> {
    match reason {
        ReIplReason::Asked { pid } => Some(pid),
        ReIplReason::Start | ReIplReason::Hangup => None,
    }
}

/// The name of an event, one of [`EVENTS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct EventName(&'static str);

impl JsonSchema for EventName {
    fn schema_name() -> Cow<'static, str> {
        "IopEventName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = EVENTS
            .iter()
            .map(|(name, meaning)| json!({"const": name, "description": meaning}))
            .collect();
        json_schema!({"description": "The events of a resident IOP.", "oneOf": names})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::iop::active::{Failure, LossCause, Phase, TargetReport};
    use crate::iop::cause::Cause;
    use crate::iop::resident::StopReason;
    use crate::iop::resident::event::JobEnd;

    fn every_event() -> Vec<IopEvent> {
        let target_name = || "iqn.a".to_owned();
        let device = || "TAP01".to_owned();
        let portal = || "10.1.1.5:3260".to_owned();
        let purpose = || "tape write TAPMLB01 VOL001".to_owned();
        let failed = || {
            Box::new(TargetReport {
                target_name: target_name(),
                target_host_name: "10.1.1.5".to_owned(),
                target_port: 3260,
                failure: Some(Failure {
                    phase: Phase::Connect,
                    redirected_to: None,
                    cause: Cause::ConnectionRefused { portal: portal() },
                }),
                ..TargetReport::default()
            })
        };
        let job = JobStatus {
            pid: 12,
            purpose: purpose(),
            device: device(),
            since: "2026-11-22T05:31:00Z".to_owned(),
        };
        vec![
            IopEvent::Ready {
                pid: 47,
                connected: 1,
                targets: 2,
            },
            IopEvent::ReIplBegun {
                reason: ReIplReason::Asked { pid: 12 },
            },
            IopEvent::ReIplEnded {
                ipl_count: 3,
                connected: 2,
                targets: 2,
            },
            IopEvent::ReIplRefused {
                reason: ReIplReason::Hangup,
                jobs: vec![job],
                detail: None,
            },
            IopEvent::Failed { target: failed() },
            IopEvent::Connected {
                target_name: target_name(),
                portal: portal(),
            },
            IopEvent::Lost {
                target_name: target_name(),
                cause: LossCause::ConnectionClosed,
            },
            IopEvent::Recovered {
                target_name: target_name(),
                portal: portal(),
            },
            IopEvent::RecoveryFailed {
                target: failed(),
                next: Duration::from_secs(2),
            },
            IopEvent::LoggedOut {
                target_name: target_name(),
            },
            IopEvent::LogoutRequested {
                target_name: target_name(),
                seconds: 3,
            },
            IopEvent::NegotiationRequested {
                target_name: target_name(),
                seconds: 3,
            },
            IopEvent::Dropped {
                target_name: target_name(),
                code: 3,
                time2wait: 2,
            },
            IopEvent::AsyncMessage {
                target_name: target_name(),
                code: 255,
                vendor_code: 7,
            },
            IopEvent::UnitAttention {
                target_name: target_name(),
                device: Some(device()),
                asc: 0x28,
                ascq: 0,
            },
            IopEvent::WindowClosed {
                target_name: target_name(),
                seconds: 30,
            },
            IopEvent::JobBegun {
                target_name: target_name(),
                device: device(),
                pid: 12,
                purpose: purpose(),
            },
            IopEvent::JobEnded {
                target_name: target_name(),
                device: device(),
                pid: 12,
                purpose: purpose(),
                end: JobEnd::Died,
            },
            IopEvent::PeerRefused { uid: 1000 },
            IopEvent::StateFailed {
                detail: "cannot write /state/active.json: Read-only file system".to_owned(),
            },
            IopEvent::Stopping {
                reason: StopReason::Terminated,
            },
        ]
    }

    fn json(event: &IopEvent) -> Value {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        serde_json::from_str(&IopLine::new(event, time).json()).unwrap()
    }

    #[test]
    fn every_event_has_its_line_and_every_name_is_described_once() {
        let mut names = BTreeSet::new();
        for event in every_event() {
            let line = json(&event);
            assert_eq!(line["event"], event.code());
            assert!(
                line["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{line}"
            );
            assert!(names.insert(event.code()), "{line}");
        }
        let described: BTreeSet<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, described);
        assert_eq!(described.len(), EVENTS.len());
    }

    #[test]
    fn a_line_is_what_a_script_takes_apart() {
        let lost = IopEvent::Lost {
            target_name: "iqn.a".to_owned(),
            cause: LossCause::ConnectionClosed,
        };
        let line = IopLine::new(&lost, SystemTime::UNIX_EPOCH);
        assert_eq!(
            line.text(),
            "1970-01-01T00:00:00Z iqn.a lost: The target closed the connection, as a VTL does that is restarted.\n"
        );
        let document = json(&lost);
        assert_eq!(document["reason"], "connection-closed");
        assert_eq!(document["target_name"], "iqn.a");
        assert_eq!(document["device"], Value::Null);
        assert!(
            document["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("-reipliscsiop"))
        );
        assert!(document.get("pid").is_none());

        let events = every_event();
        let ready = IopLine::new(&events[0], SystemTime::UNIX_EPOCH);
        assert_eq!(ready.text(), "ready: iSCSI targets connected: 1 of 2\n");
        let attention = json(&events[14]);
        assert_eq!(
            (&attention["sense"], &attention["device"]),
            (&"28/00".into(), &"TAP01".into())
        );
        assert_eq!(json(&events[3])["reason"], "device-in-use");
        assert_eq!(json(&events[17])["reason"], "died");
        let failed = json(&events[4]);
        assert_eq!(failed["reason"], "connection-refused");
        assert!(
            failed["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("port 3260")),
            "{failed}"
        );
    }
}
