//! What `iop status` and `iop stop` print.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::SCHEMA;
use super::text::Page;
use crate::iop::active::TargetStatus;
use crate::iop::resident::IopStatus;
use crate::iop::resident::status::HeldTargetStatus;

/// The document of `iop status`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IopStatus")]
pub struct IopStatusDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The IOP's process.
    pid: u32,
    /// When it started, RFC 3339.
    started: &'a str,
    /// The targets of the active configuration, in its order.
    targets: &'a [HeldTargetStatus],
}

impl<'a> IopStatusDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(status: &'a IopStatus) -> Self {
        Self {
            schema: SCHEMA,
            pid: status.pid,
            started: &status.started,
            targets: &status.targets,
        }
    }
}

/// The document of `iop stop`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IopStopped")]
pub struct IopStoppedDocument {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The process of the IOP that has stopped; null where it was not known.
    pid: Option<u32>,
    /// Always true.
    stopped: bool,
}

impl IopStoppedDocument {
    /// Makes the document.
    #[must_use]
    pub const fn new(pid: Option<u32>) -> Self {
        Self {
            schema: SCHEMA,
            pid,
            stopped: true,
        }
    }
}

/// Returns the status in the manner of the dumps.
#[must_use]
pub fn status(status: &IopStatus) -> String {
    let mut page = Page::default();
    page.title("Resident iSCSI IOP");
    page.line("Process", status.pid);
    page.line("Started", &status.started);
    if status.targets.is_empty() {
        page.heading("No iSCSI target is active.");
    }
    let count = status.targets.len();
    for (index, target) in status.targets.iter().enumerate() {
        page.heading(&format!("iSCSI target {} of {count}", index + 1));
        page.line("Target name", &target.target_name);
        let words = match target.status {
            TargetStatus::Connected => "CONNECTED",
            TargetStatus::Failed => "FAILED",
            TargetStatus::Lost => "LOST",
        };
        page.line("Status", words);
        page.line("Since", &target.since);
        if let Some(portal) = &target.portal {
            page.line("Portal", portal);
        }
        page.line("Commands", target.commands);
        page.line("Bytes sent", target.bytes_sent);
        page.line("Bytes received", target.bytes_received);
        if let Some(round_trip) = target.round_trip {
            page.line(
                "Round trip of a ping",
                format!("{:.3} ms", round_trip * 1e3),
            );
        }
        for job in &target.jobs {
            page.line(
                &format!("Job on {}", job.device),
                format!("{}, process {}, since {}", job.purpose, job.pid, job.since),
            );
        }
        for event in &target.events {
            let device = event.device.as_ref();
            let device = device.map_or_else(String::new, |device| format!(" {device}"));
            page.line("Event", format!("{} {}{device}", event.time, event.event));
        }
    }
    page.into_text()
}

/// Returns that the IOP has stopped, a line.
#[must_use]
pub fn stopped(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("The resident IOP, process {pid}, has stopped.\n"),
        None => "The resident IOP has stopped.\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iop::resident::status::{EventStatus, JobStatus};

    #[test]
    fn a_status_has_a_row_for_each_job_and_each_event() {
        let held = HeldTargetStatus {
            target_name: "iqn.a".to_owned(),
            status: TargetStatus::Connected,
            since: "2026-11-22T05:31:00Z".to_owned(),
            portal: Some("10.1.1.5:3260".to_owned()),
            commands: 47,
            bytes_sent: 1024,
            bytes_received: 11,
            round_trip: Some(0.000_25),
            jobs: vec![JobStatus {
                pid: 4711,
                purpose: "tape write TAPMLB01 VOL001".to_owned(),
                device: "TAP01".to_owned(),
                since: "2026-11-22T05:32:00Z".to_owned(),
            }],
            events: vec![EventStatus {
                time: "2026-11-22T05:33:00Z".to_owned(),
                event: "medium-may-have-changed".to_owned(),
                device: Some("TAP02".to_owned()),
            }],
        };
        let lost = HeldTargetStatus {
            target_name: "iqn.b".to_owned(),
            status: TargetStatus::Lost,
            portal: None,
            round_trip: None,
            jobs: Vec::new(),
            events: Vec::new(),
            ..held.clone()
        };
        let text = status(&IopStatus {
            pid: 4710,
            started: "2026-11-22T05:30:00Z".to_owned(),
            targets: vec![held, lost],
        });
        let expected = "\
Resident iSCSI IOP
  Process . . . . . . . . . . . . . . . :  4710
  Started . . . . . . . . . . . . . . . :  2026-11-22T05:30:00Z

iSCSI target 1 of 2
  Target name . . . . . . . . . . . . . :  iqn.a
  Status  . . . . . . . . . . . . . . . :  CONNECTED
  Since . . . . . . . . . . . . . . . . :  2026-11-22T05:31:00Z
  Portal  . . . . . . . . . . . . . . . :  10.1.1.5:3260
  Commands  . . . . . . . . . . . . . . :  47
  Bytes sent  . . . . . . . . . . . . . :  1024
  Bytes received  . . . . . . . . . . . :  11
  Round trip of a ping  . . . . . . . . :  0.250 ms
  Job on TAP01  . . . . . . . . . . . . :  tape write TAPMLB01 VOL001, process 4711, since 2026-11-22T05:32:00Z
  Event . . . . . . . . . . . . . . . . :  2026-11-22T05:33:00Z medium-may-have-changed TAP02

iSCSI target 2 of 2
  Target name . . . . . . . . . . . . . :  iqn.b
  Status  . . . . . . . . . . . . . . . :  LOST
  Since . . . . . . . . . . . . . . . . :  2026-11-22T05:31:00Z
  Commands  . . . . . . . . . . . . . . :  47
  Bytes sent  . . . . . . . . . . . . . :  1024
  Bytes received  . . . . . . . . . . . :  11
";
        assert_eq!(text, expected);
        let none = IopStatus {
            pid: 1,
            started: String::new(),
            targets: Vec::new(),
        };
        assert!(super::status(&none).contains("\nNo iSCSI target is active.\n"));
    }
}
