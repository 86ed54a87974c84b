//! A connection as a trace shows it: every PDU by name, as text, as a line of JSON and as packets for Wireshark.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@pcapng`] | made-up TCP/IP packets around the PDUs, as pcapng |
//!
//! What could be a CHAP response is masked in each of them, in the bytes of a PDU too.

pub mod pcapng;

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;

use crate::iscsi::describe::{describe, mask_malformed, mask_secrets};
use crate::iscsi::ids::{InitiatorTaskTag, Lun};
use crate::iscsi::pdu::{DataIn, Opcode, Pdu, ScsiCommand, ScsiResponse, ServiceResponse};
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{SenseData, Status, names};
use crate::transport::{Direction, Endpoints, NoPdu, PduOnWire};
use crate::values::amount;

/// The most commands of a connection whose names are kept for their answers; more are outstanding nowhere.
const MAX_COMMANDS: usize = 4096;

/// The most connections that are told apart; the oldest trace of a server forgets what it knew beyond.
const MAX_CONNECTIONS: usize = 4096;

/// The most bytes of a PDU in a dump: lines wait in memory for whoever reads them.
const MAX_DUMP: usize = 4096;

/// Bytes in a row of a dump.
const ROW: usize = 16;

/// What the PDUs of each connection have told so far: the device type of each logical unit, and the commands that wait for
/// their status.
#[derive(Debug, Default)]
pub struct Dissector {
    connections: HashMap<Option<Endpoints>, KnownUnits>,
}

#[derive(Debug, Default)]
struct KnownUnits {
    types: HashMap<Lun, PeripheralDeviceType>,
    commands: HashMap<InitiatorTaskTag, TracedCommand>,
}

#[derive(Debug)]
struct TracedCommand {
    lun: Lun,
    name: String,
    /// INQUIRY: its data begins with the device type, that of a VPD page too.
    tells_type: bool,
}

/// A PDU by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The PDU; none for bytes that are no PDU.
    pub pdu: Option<Opcode>,
    /// Why the bytes are no PDU, in words.
    pub malformed: Option<String>,
    /// The SCSI command that it is, or belongs to.
    pub command: Option<String>,
    /// The status that it brings: of a SCSI command with its sense data, of a login, of any other request.
    pub status: Option<String>,
}

impl Dissector {
    /// Names a PDU that passes, and learns from it.
    pub fn name(&mut self, passing: &PduOnWire<'_>) -> Named {
        if self.connections.len() >= MAX_CONNECTIONS
            && !self.connections.contains_key(&passing.endpoints)
        {
            self.connections.clear();
        }
        let known = self.connections.entry(passing.endpoints).or_default();
        let pdu = match passing.pdu {
            Ok(pdu) => pdu,
            Err(no_pdu) => {
                return Named {
                    pdu: None,
                    malformed: Some(malformed_words(no_pdu)),
                    command: None,
                    status: None,
                };
            }
        };
        let (command, status) = match pdu {
            Pdu::ScsiCommand(command) => (Some(known.begin(command)), None),
            Pdu::ScsiResponse(response) => (
                known.end(response.initiator_task_tag),
                Some(response_status(response)),
            ),
            Pdu::DataIn(data) => (
                known.data_in(data),
                data.status.map(|end| Status(end.status).to_string()),
            ),
            Pdu::DataOut(data) => (known.command(data.initiator_task_tag), None),
            Pdu::R2t(r2t) => (known.command(r2t.initiator_task_tag), None),
            Pdu::LoginResponse(response) => {
                let status = response.status;
                let name = status.name().map(|name| format!("{status} {name}"));
                (None, Some(name.unwrap_or_else(|| status.to_string())))
            }
            Pdu::TaskManagementResponse(response) => (None, Some(response.response.to_string())),
            Pdu::LogoutResponse(response) => (None, Some(response.response.to_string())),
            Pdu::Reject(reject) => (None, Some(reject.reason.to_string())),
            // The tags and logical units of an earlier connection between the same ports mean nothing any more.
            Pdu::LoginRequest(_) => {
                *known = KnownUnits::default();
                (None, None)
            }
            _ => (None, None),
        };
        Named {
            pdu: Some(pdu.opcode()),
            malformed: None,
            command,
            status,
        }
    }
}

fn malformed_words(no_pdu: NoPdu) -> String {
    match no_pdu {
        NoPdu::Malformed(error) => error.to_string(),
        NoPdu::NotIscsi => "not iSCSI".to_owned(),
    }
}

impl KnownUnits {
    fn begin(&mut self, command: &ScsiCommand) -> String {
        let device_type = self.types.get(&command.lun).copied();
        let device_type = device_type.unwrap_or(PeripheralDeviceType::UNKNOWN);
        let name = names::command(device_type, &command.cdb);
        if self.commands.len() >= MAX_COMMANDS {
            self.commands.clear();
        }
        let outstanding = TracedCommand {
            lun: command.lun,
            name: name.clone(),
            tells_type: command.cdb.first() == Some(&0x12),
        };
        self.commands
            .insert(command.initiator_task_tag, outstanding);
        name
    }

    fn command(&self, tag: InitiatorTaskTag) -> Option<String> {
        self.commands.get(&tag).map(|command| command.name.clone())
    }

    fn end(&mut self, tag: InitiatorTaskTag) -> Option<String> {
        self.commands.remove(&tag).map(|command| command.name)
    }

    fn data_in(&mut self, data: &DataIn) -> Option<String> {
        let tag = data.initiator_task_tag;
        if let Some(command) = self.commands.get(&tag)
            && command.tells_type
            && data.buffer_offset == 0
            && let Some(first) = data.data.first()
        {
            let device_type = PeripheralDeviceType(first & 0x1f);
            self.types.insert(command.lun, device_type);
        }
        match data.status {
            Some(_) => self.end(tag),
            None => self.command(tag),
        }
    }
}

fn response_status(response: &ScsiResponse) -> String {
    if response.response != ServiceResponse::COMMAND_COMPLETED {
        return response.response.to_string();
    }
    let status = Status(response.status);
    let sense = response.sense().ok();
    match sense.and_then(|sense| SenseData::decode(&sense.data).ok()) {
        Some(sense) => format!("{status}, {}", sense_words(&sense)),
        None => status.to_string(),
    }
}

/// Returns sense data as `UNIT ATTENTION 29/00, power on, reset, or bus device reset occurred`.
fn sense_words(sense: &SenseData) -> String {
    let code = sense.code;
    let mut words = format!("{} {:02X}/{:02X}", sense.key, code.asc, code.ascq);
    if let Some(name) = code.meaning() {
        words.push_str(", ");
        words.push_str(name);
    }
    for (set, name) in [
        (sense.filemark, "FILEMARK"),
        (sense.end_of_medium, "EOM"),
        (sense.incorrect_length, "ILI"),
        (sense.deferred, "of an earlier command"),
    ] {
        if set {
            words.push_str(", ");
            words.push_str(name);
        }
    }
    words
}

/// Returns the bytes of a PDU as they were on the wire, but that what could be a CHAP response is overwritten by asterisks.
pub fn wire_bytes(passing: &PduOnWire<'_>) -> Vec<u8> {
    let [header, data, trailer] = passing.parts;
    let Ok(pdu) = passing.pdu else {
        return mask_malformed(header);
    };
    let masked = mask_secrets(pdu);
    let data = masked.as_deref().unwrap_or(data);
    [header, data, trailer].concat()
}

/// Returns the time since the start as it stands before a line: `[0.012]`.
pub fn elapsed(since_start: Duration) -> String {
    format!("[{:.3}]", since_start.as_secs_f64())
}

/// Returns a PDU as one line for people: `->` before what this side sends, `<-` before what it receives, whatever the opcode.
pub fn line(passing: &PduOnWire<'_>, named: &Named) -> String {
    let arrow = match passing.direction {
        Direction::Sent => "->",
        Direction::Received => "<-",
    };
    let mut line = match passing.pdu {
        Ok(pdu) => format!("{arrow} {}", describe(pdu)),
        Err(no_pdu) => {
            let length: usize = passing.parts.iter().map(|part| part.len()).sum();
            let bytes = amount(length, "byte");
            return format!("{arrow} malformed, {bytes}: {}", malformed_words(no_pdu));
        }
    };
    for name in [&named.command, &named.status].into_iter().flatten() {
        // What a logout or a task management request came to is in words already.
        if !line.contains(name.as_str()) {
            line.push_str("; ");
            line.push_str(name);
        }
    }
    line
}

/// Returns bytes in rows of sixteen with their offset, each with a line end before it. Of a longer PDU than 4,096 bytes the
/// beginning is shown, and how much is not: `--trace` has it all.
pub fn dump(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_DUMP).unwrap_or(bytes);
    let mut text = String::new();
    for (number, row) in shown.chunks(ROW).enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:06x} ", number.saturating_mul(ROW));
        for byte in row {
            let _ = write!(text, " {byte:02x}");
        }
    }
    let rest = bytes.len().saturating_sub(shown.len());
    if rest > 0 {
        let _ = write!(text, "\n  and {} more", amount(rest, "byte"));
    }
    text
}

/// A line of --trace: a PDU that passed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TraceLine")]
pub struct TraceLine<'a> {
    /// The schema of the line.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// What the line is about: pdu.
    #[schemars(extend("const" = "pdu"))]
    event: &'static str,
    /// When the PDU passed, RFC 3339 to the microsecond, UTC.
    time: String,
    /// Seconds since the start of the program, to the microsecond.
    elapsed: f64,
    /// The target of the connection.
    target_name: &'a str,
    /// Which way it went: sent or received.
    #[schemars(extend("enum" = ["sent", "received"]))]
    direction: &'static str,
    /// The kind of PDU, as RFC 7143 names it; null for bytes that are no PDU, behind which nothing more of the connection is read.
    pdu: Option<String>,
    /// Why the bytes are no PDU; absent for a PDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<&'a str>,
    /// The SCSI command that it carries or answers, by name; null for other PDUs.
    command: Option<&'a str>,
    /// The SCSI status and the sense that it carries, by name; null for other PDUs.
    status: Option<&'a str>,
    /// The PDU as it was on the wire, in hexadecimal, CHAP responses overwritten by asterisks (2a). Of a PDU whose header is wrong
    /// only the header is read, of a peer that does not speak iSCSI at most 32 bytes.
    bytes: String,
}

impl<'a> TraceLine<'a> {
    /// Returns the line of a PDU that passed then; `wire` is what [`wire_bytes`] says.
    pub fn new(
        (time, since_start): (SystemTime, Duration),
        target_name: &'a str,
        direction: Direction,
        named: &'a Named,
        wire: &[u8],
    ) -> Self {
        let mut bytes = String::with_capacity(wire.len().saturating_mul(2));
        for byte in wire {
            let _ = write!(bytes, "{byte:02x}");
        }
        Self {
            schema: 1,
            event: "pdu",
            time: humantime::format_rfc3339_micros(time).to_string(),
            elapsed: (since_start.as_secs_f64() * 1e6).round() / 1e6,
            target_name,
            direction: match direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
            },
            pdu: named.pdu.map(|pdu| pdu.to_string()),
            malformed: named.malformed.as_deref(),
            command: named.command.as_deref(),
            status: named.status.as_deref(),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::iscsi::ids::{
        Cid, CmdSn, DataSn, Isid, LoginStatus, StatSn, TargetTransferTag, Tsih,
    };
    use crate::iscsi::pdu::{
        DataInStatus, LoginRequest, LoginResponse, Residual, Stage, TaskAttribute,
    };

    fn passing<'a>(pdu: &'a Pdu, parts: [&'a [u8]; 3]) -> PduOnWire<'a> {
        PduOnWire {
            direction: match pdu.opcode().0 < 0x20 {
                true => Direction::Sent,
                false => Direction::Received,
            },
            pdu: Ok(pdu),
            parts,
            endpoints: None,
            is_first: false,
        }
    }

    fn command(tag: u32, cdb: &[u8]) -> Pdu {
        let mut padded = [0; 16];
        padded[..cdb.len()].copy_from_slice(cdb);
        Pdu::ScsiCommand(ScsiCommand {
            immediate: false,
            final_bit: true,
            read: true,
            write: false,
            attribute: TaskAttribute::SIMPLE,
            lun: Lun::from_number(1).unwrap(),
            initiator_task_tag: InitiatorTaskTag(tag),
            expected_data_transfer_length: 255,
            cmd_sn: CmdSn(tag),
            exp_stat_sn: StatSn(1),
            cdb: padded,
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: Bytes::new(),
        })
    }

    fn data_in(tag: u32, data: &'static [u8], status: Option<u8>) -> Pdu {
        Pdu::DataIn(DataIn {
            final_bit: true,
            acknowledge: false,
            status: status.map(|status| DataInStatus {
                residual: Residual::None,
                status,
                stat_sn: StatSn(1),
            }),
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(tag),
            target_transfer_tag: TargetTransferTag::RESERVED,
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(8),
            data_sn: DataSn(0),
            buffer_offset: 0,
            data: Bytes::from_static(data),
        })
    }

    fn response(tag: u32, status: u8, sense: &[u8]) -> Pdu {
        let length = u16::try_from(sense.len()).unwrap().to_be_bytes();
        Pdu::ScsiResponse(ScsiResponse {
            bidirectional_read_residual: Residual::None,
            residual: Residual::None,
            response: ServiceResponse::COMMAND_COMPLETED,
            status,
            initiator_task_tag: InitiatorTaskTag(tag),
            snack_tag: TargetTransferTag(0),
            stat_sn: StatSn(1),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(8),
            exp_data_sn: DataSn(0),
            data: match sense {
                [] => Bytes::new(),
                sense => [&length, sense].concat().into(),
            },
        })
    }

    fn login_request(data: &'static [u8]) -> Pdu {
        Pdu::LoginRequest(LoginRequest {
            transit: false,
            continues: false,
            current_stage: Stage::SecurityNegotiation,
            next_stage: Stage::default(),
            version_max: 0,
            version_min: 0,
            isid: Isid::random([1, 2, 3, 4, 5]),
            tsih: Tsih(0),
            initiator_task_tag: InitiatorTaskTag(1),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            exp_stat_sn: StatSn(0),
            data: Bytes::from_static(data),
        })
    }

    /// Names PDUs that pass one after the other.
    fn names(pdus: &[Pdu]) -> Vec<(Option<String>, Option<String>)> {
        let mut dissector = Dissector::default();
        pdus.iter()
            .map(|pdu| {
                let named = dissector.name(&passing(pdu, [&[]; 3]));
                assert_eq!(named.pdu, Some(pdu.opcode()));
                (named.command, named.status)
            })
            .collect()
    }

    fn name(command: &str, status: Option<&str>) -> (Option<String>, Option<String>) {
        (Some(command.to_owned()), status.map(str::to_owned))
    }

    #[test]
    fn a_command_is_named_up_to_its_status_by_the_type_that_inquiry_told() {
        const MEDIUM_CHANGER: &[u8] = &[0x08, 0x83];
        // Another command of a tape drive.
        let position_to_element = [0x2b, 0];
        let unit_attention = [0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0];
        let filemark = [0x70, 0, 0xa0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 1];
        let named = names(&[
            command(1, &position_to_element),
            response(1, 2, &unit_attention),
            command(2, &[0x12, 1, 0x83]),
            data_in(2, MEDIUM_CHANGER, Some(0)),
            command(3, &[0x12]),
            data_in(3, MEDIUM_CHANGER, None),
            response(3, 0, &[]),
            command(4, &position_to_element),
            data_in(4, &[0], Some(0x08)),
            response(4, 2, &filemark),
        ]);
        let vpd = "INQUIRY, VPD page 83h (device identification)";
        let attention =
            "CHECK CONDITION, UNIT ATTENTION 29/00, power on, reset, or bus device reset occurred";
        let unknown = "operation code 2Bh";
        assert_eq!(
            named,
            [
                name(unknown, None),
                name(unknown, Some(attention)),
                name(vpd, None),
                name(vpd, Some("GOOD")),
                name("INQUIRY", None),
                name("INQUIRY", None),
                name("INQUIRY", Some("GOOD")),
                name("POSITION TO ELEMENT", None),
                name("POSITION TO ELEMENT", Some("BUSY")),
                // Its command has ended, so the tag names none.
                (
                    None,
                    Some(
                        "CHECK CONDITION, NO SENSE 00/01, filemark detected, FILEMARK, ILI"
                            .to_owned()
                    )
                ),
            ]
        );
    }

    #[test]
    fn a_login_begins_a_connection_anew_and_its_status_has_a_name() {
        let refusal = Pdu::LoginResponse(LoginResponse {
            transit: false,
            continues: false,
            current_stage: Stage::SecurityNegotiation,
            next_stage: Stage::default(),
            version_max: 0,
            version_active: 0,
            isid: Isid::random([1; 5]),
            tsih: Tsih(0),
            initiator_task_tag: InitiatorTaskTag(1),
            stat_sn: StatSn(1),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(1),
            status: LoginStatus::new(2, 1),
            data: Bytes::new(),
        });
        let named = names(&[
            command(7, &[0x12]),
            login_request(b"AuthMethod=CHAP\0"),
            refusal,
            response(7, 0, &[]),
        ]);
        let status = |text: &str| (None, Some(text.to_owned()));
        assert_eq!(named[1], (None, None));
        assert_eq!(named[2], status("0x0201 Authentication failure"));
        assert_eq!(named[3], status("GOOD"));
    }

    #[test]
    fn a_line_has_the_arrow_the_fields_and_the_names() {
        let mut dissector = Dissector::default();
        let pdu = response(1, 2, &[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0]);
        let _ = dissector.name(&passing(&command(1, &[0x12]), [&[]; 3]));
        let passing = passing(&pdu, [&[]; 3]);
        let named = dissector.name(&passing);
        assert_eq!(
            line(&passing, &named),
            "<- SCSI Response itt=0x1 status=0x02 statsn=1 expcmdsn=1 maxcmdsn=8 expdatasn=0 \
             sense=70 00 05 00 00 00 00 0a 00 00 00 00 24 00; INQUIRY; \
             CHECK CONDITION, ILLEGAL REQUEST 24/00, invalid field in CDB"
        );
        assert_eq!(elapsed(Duration::from_micros(12_600)), "[0.013]");
        assert_eq!(
            dump(&[0xab; 18]),
            format!("\n  000000 {}\n  000010  ab ab", " ab".repeat(16))
        );
        let long = dump(&[0; MAX_DUMP + 7]);
        assert_eq!(long.lines().count(), 1 + MAX_DUMP / ROW + 1);
        assert!(long.ends_with("  and 7 bytes more"));
    }

    #[test]
    fn a_trace_line_has_the_documented_fields_and_no_chap_response() {
        let pdu = login_request(b"CHAP_N=ME\0CHAP_R=0x5ec2e7\0");
        let data = pdu.data().unwrap().clone();
        let passing = passing(&pdu, [&[0x43, 0], &data, &[0]]);
        let named = Dissector::default().name(&passing);
        let bytes = wire_bytes(&passing);
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_325_460_000_250);
        let since_start = Duration::from_nanos(1_234_567_890);
        let line = TraceLine::new(
            (time, since_start),
            "iqn.a:b",
            passing.direction,
            &named,
            &bytes,
        );
        let hex =
            |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
        let masked = hex("CHAP_N=ME\0CHAP_R=********\0");
        assert_eq!(
            serde_json::to_value(&line).unwrap(),
            serde_json::json!({
                "schema": 1,
                "event": "pdu",
                "time": "2026-11-22T05:31:00.000250Z",
                "elapsed": 1.234568,
                "target_name": "iqn.a:b",
                "direction": "sent",
                "pdu": "Login Request",
                "command": null,
                "status": null,
                "bytes": format!("4300{masked}00"),
            })
        );
    }
}
