//! Names of operation codes, pages and attributes, for people who read a trace (SPC-4, SMC-3, SSC-4).
//!
//! Tables in the order of their codes, for any CDB and page: those that [`Command`](super::Command) does not know too.

use super::data::inquiry::PeripheralDeviceType;

/// Returns what a CDB asks for, with its page, service action or what else decides: `INQUIRY, VPD page 83h (device
/// identification)`. An operation code without a name prints as `operation code 2Ah`.
pub fn command(device_type: PeripheralDeviceType, cdb: &[u8]) -> String {
    let byte = |at: usize| cdb.get(at).copied().unwrap_or(0);
    let code = byte(0);
    let name = operation_code(device_type, code);
    let page = |kind: &str, code: u8, name: Option<&str>| match name {
        Some(name) => format!("{kind} {code:02X}h ({name})"),
        None => format!("{kind} {code:02X}h"),
    };
    let detail = match code {
        0x12 if byte(1) & 0x01 != 0 => Some(page("VPD page", byte(2), vpd_page(byte(2)))),
        0x1a | 0x5a => {
            let (code, subpage) = (byte(2) & 0x3f, byte(3));
            let whole = page("mode page", code, mode_page(device_type, code));
            Some(match subpage {
                0x00 => whole,
                0xff => format!("mode page {code:02X}h, all subpages"),
                _ => page(
                    &format!("mode page {code:02X}h, subpage"),
                    subpage,
                    find_pair(MODE_SUBPAGES, (code, subpage)),
                ),
            })
        }
        0x4d => {
            let code = byte(2) & 0x3f;
            Some(page("log page", code, log_page(code)))
        }
        // LOAD: whether the medium is loaded or unloaded (SSC-4 7.2).
        0x1b if device_type == PeripheralDeviceType::SEQUENTIAL_ACCESS => {
            let is_load = byte(4) & 0x01 != 0;
            Some(if is_load { "load" } else { "unload" }.to_owned())
        }
        // CODE: over what to space (SSC-4 7.10).
        0x11 | 0x91 => find(SPACE_CODES, byte(1) & 0x0f).map(str::to_owned),
        // SECURITY PROTOCOL (SPC-4 6.40); B5h is another command of a medium changer.
        0xa2 | 0xb5 if device_type != PeripheralDeviceType::MEDIUM_CHANGER || code == 0xa2 => {
            let protocol = byte(1);
            Some(page(
                "protocol",
                protocol,
                find(SECURITY_PROTOCOLS, protocol),
            ))
        }
        _ => service_action(code, byte(1) & 0x1f).map(str::to_owned),
    };
    let name = name.map_or_else(|| format!("operation code {code:02X}h"), str::to_owned);
    match detail {
        Some(detail) => format!("{name}, {detail}"),
        None => name,
    }
}

/// Returns the name of an operation code; some mean another thing to a medium changer than to a tape drive. Of a device whose
/// type is not known, those have no name.
pub fn operation_code(device_type: PeripheralDeviceType, code: u8) -> Option<&'static str> {
    let own = match device_type {
        PeripheralDeviceType::MEDIUM_CHANGER => find(CHANGER, code),
        PeripheralDeviceType::SEQUENTIAL_ACCESS => find(DRIVE, code),
        PeripheralDeviceType::UNKNOWN => match (find(CHANGER, code), find(DRIVE, code)) {
            (Some(name), None) | (None, Some(name)) => Some(name),
            (Some(_), Some(_)) => return None,
            (None, None) => None,
        },
        _ => None,
    };
    own.or_else(|| find(EVERY_DEVICE, code))
}

/// Returns the name of a service action of an operation code that has them.
pub fn service_action(operation_code: u8, action: u8) -> Option<&'static str> {
    find_pair(SERVICE_ACTIONS, (operation_code, action))
}

/// Returns the name of a vital product data page (SPC-4 7.8, SSC-4 8.5).
pub fn vpd_page(code: u8) -> Option<&'static str> {
    find(VPD_PAGES, code)
}

/// Returns the name of a mode page (SPC-4 7.5, SMC-3, SSC-4 8.4).
pub fn mode_page(device_type: PeripheralDeviceType, code: u8) -> Option<&'static str> {
    match (device_type, code) {
        (PeripheralDeviceType::MEDIUM_CHANGER, 0x1f) => Some("device capabilities"),
        (PeripheralDeviceType::MEDIUM_CHANGER, 0x1d) => Some("element address assignment"),
        (PeripheralDeviceType::MEDIUM_CHANGER, 0x1e) => Some("transport geometry parameters"),
        _ => find(MODE_PAGES, code),
    }
}

/// Returns the name of a log page (SPC-4 7.3, SSC-4 8.3).
pub fn log_page(code: u8) -> Option<&'static str> {
    find(LOG_PAGES, code)
}

type Names = &'static [(u8, &'static str)];

fn find(names: Names, code: u8) -> Option<&'static str> {
    names
        .iter()
        .find(|(own, _)| *own == code)
        .map(|(_, name)| *name)
}

type PairNames = &'static [(u8, u8, &'static str)];

fn find_pair(names: PairNames, pair: (u8, u8)) -> Option<&'static str> {
    names
        .iter()
        .find(|(first, second, _)| (*first, *second) == pair)
        .map(|(_, _, name)| *name)
}

const EVERY_DEVICE: Names = &[
    (0x00, "TEST UNIT READY"),
    (0x03, "REQUEST SENSE"),
    (0x12, "INQUIRY"),
    (0x15, "MODE SELECT(6)"),
    (0x16, "RESERVE(6)"),
    (0x17, "RELEASE(6)"),
    (0x18, "COPY"),
    (0x1a, "MODE SENSE(6)"),
    (0x1c, "RECEIVE DIAGNOSTIC RESULTS"),
    (0x1d, "SEND DIAGNOSTIC"),
    (0x1e, "PREVENT ALLOW MEDIUM REMOVAL"),
    (0x39, "COMPARE"),
    (0x3a, "COPY AND VERIFY"),
    (0x3b, "WRITE BUFFER"),
    (0x3c, "READ BUFFER(10)"),
    (0x40, "CHANGE DEFINITION"),
    (0x4c, "LOG SELECT"),
    (0x4d, "LOG SENSE"),
    (0x55, "MODE SELECT(10)"),
    (0x56, "RESERVE(10)"),
    (0x57, "RELEASE(10)"),
    (0x5a, "MODE SENSE(10)"),
    (0x5e, "PERSISTENT RESERVE IN"),
    (0x5f, "PERSISTENT RESERVE OUT"),
    (0x7e, "extended CDB"),
    (0x7f, "variable length CDB"),
    (0x83, "THIRD-PARTY COPY OUT"),
    (0x84, "THIRD-PARTY COPY IN"),
    (0x86, "ACCESS CONTROL IN"),
    (0x87, "ACCESS CONTROL OUT"),
    (0x8c, "READ ATTRIBUTE"),
    (0x8d, "WRITE ATTRIBUTE"),
    (0x9b, "READ BUFFER(16)"),
    (0x9d, "SERVICE ACTION BIDIRECTIONAL"),
    (0x9e, "SERVICE ACTION IN(16)"),
    (0x9f, "SERVICE ACTION OUT(16)"),
    (0xa0, "REPORT LUNS"),
    (0xa2, "SECURITY PROTOCOL IN"),
    (0xa3, "MAINTENANCE IN"),
    (0xa4, "MAINTENANCE OUT"),
    (0xa9, "SERVICE ACTION OUT(12)"),
    (0xab, "SERVICE ACTION IN(12)"),
    (0xb5, "SECURITY PROTOCOL OUT"),
];

const CHANGER: Names = &[
    (0x01, "REZERO UNIT"),
    (0x07, "INITIALIZE ELEMENT STATUS"),
    (0x1b, "OPEN/CLOSE IMPORT/EXPORT ELEMENT"),
    (0x2b, "POSITION TO ELEMENT"),
    (0x37, "INITIALIZE ELEMENT STATUS WITH RANGE"),
    (0x44, "REPORT VOLUME TYPES SUPPORTED"),
    (0xa5, "MOVE MEDIUM"),
    (0xa6, "EXCHANGE MEDIUM"),
    (0xb5, "REQUEST VOLUME ELEMENT ADDRESS"),
    (0xb6, "SEND VOLUME TAG"),
    (0xb8, "READ ELEMENT STATUS"),
    (0xe7, "INITIALIZE ELEMENT STATUS WITH RANGE"),
];

const DRIVE: Names = &[
    (0x01, "REWIND"),
    (0x04, "FORMAT MEDIUM"),
    (0x05, "READ BLOCK LIMITS"),
    (0x08, "READ(6)"),
    (0x0a, "WRITE(6)"),
    (0x0b, "SET CAPACITY"),
    (0x0f, "READ REVERSE(6)"),
    (0x10, "WRITE FILEMARKS(6)"),
    (0x11, "SPACE(6)"),
    (0x13, "VERIFY(6)"),
    (0x14, "RECOVER BUFFERED DATA"),
    (0x19, "ERASE(6)"),
    (0x1b, "LOAD UNLOAD"),
    (0x2b, "LOCATE(10)"),
    (0x34, "READ POSITION"),
    (0x44, "REPORT DENSITY SUPPORT"),
    (0x80, "WRITE FILEMARKS(16)"),
    (0x81, "READ REVERSE(16)"),
    (0x82, "ALLOW OVERWRITE"),
    (0x88, "READ(16)"),
    (0x8a, "WRITE(16)"),
    (0x8f, "VERIFY(16)"),
    (0x91, "SPACE(16)"),
    (0x92, "LOCATE(16)"),
    (0x93, "ERASE(16)"),
];

const SERVICE_ACTIONS: PairNames = &[
    (0x34, 0x00, "short form"),
    (0x34, 0x01, "short form, device specific"),
    (0x34, 0x06, "long form"),
    (0x34, 0x08, "extended form"),
    (0x5e, 0x00, "READ KEYS"),
    (0x5e, 0x01, "READ RESERVATION"),
    (0x5e, 0x02, "REPORT CAPABILITIES"),
    (0x5e, 0x03, "READ FULL STATUS"),
    (0x5f, 0x00, "REGISTER"),
    (0x5f, 0x01, "RESERVE"),
    (0x5f, 0x02, "RELEASE"),
    (0x5f, 0x03, "CLEAR"),
    (0x5f, 0x04, "PREEMPT"),
    (0x5f, 0x05, "PREEMPT AND ABORT"),
    (0x5f, 0x06, "REGISTER AND IGNORE EXISTING KEY"),
    (0x5f, 0x07, "REGISTER AND MOVE"),
    (0x5f, 0x08, "REPLACE LOST RESERVATION"),
    (0x83, 0x00, "EXTENDED COPY(LID1)"),
    (0x83, 0x01, "EXTENDED COPY(LID4)"),
    (0x83, 0x10, "POPULATE TOKEN"),
    (0x83, 0x11, "WRITE USING TOKEN"),
    (0x83, 0x1c, "COPY OPERATION ABORT"),
    (0x84, 0x00, "RECEIVE COPY STATUS(LID1)"),
    (0x84, 0x01, "RECEIVE COPY DATA(LID1)"),
    (0x84, 0x03, "RECEIVE COPY OPERATING PARAMETERS"),
    (0x84, 0x04, "RECEIVE COPY FAILURE DETAILS(LID1)"),
    (0x84, 0x05, "RECEIVE COPY STATUS(LID4)"),
    (0x84, 0x06, "RECEIVE COPY DATA(LID4)"),
    (0x84, 0x07, "RECEIVE ROD TOKEN INFORMATION"),
    (0x84, 0x08, "REPORT ALL ROD TOKENS"),
    (0x86, 0x00, "REPORT ACL"),
    (0x86, 0x01, "REPORT LU DESCRIPTORS"),
    (0x86, 0x02, "REPORT ACCESS CONTROLS LOG"),
    (0x86, 0x03, "REPORT OVERRIDE LOCKOUT TIMER"),
    (0x86, 0x04, "REQUEST PROXY TOKEN"),
    (0x87, 0x00, "MANAGE ACL"),
    (0x87, 0x01, "DISABLE ACCESS CONTROLS"),
    (0x87, 0x02, "ACCESS ID ENROLL"),
    (0x87, 0x03, "CANCEL ENROLLMENT"),
    (0x87, 0x04, "CLEAR ACCESS CONTROLS LOG"),
    (0x87, 0x05, "MANAGE OVERRIDE LOCKOUT TIMER"),
    (0x87, 0x06, "OVERRIDE MGMT ID KEY"),
    (0x87, 0x07, "REVOKE PROXY TOKEN"),
    (0x87, 0x08, "REVOKE ALL PROXY TOKENS"),
    (0x87, 0x09, "ASSIGN PROXY LUN"),
    (0x87, 0x0a, "RELEASE PROXY LUN"),
    (0x8c, 0x00, "attribute values"),
    (0x8c, 0x01, "attribute list"),
    (0x8c, 0x02, "logical volume list"),
    (0x8c, 0x03, "partition list"),
    (0x8c, 0x04, "attributes of an element"),
    (0x8c, 0x05, "supported attributes"),
    (0xa3, 0x05, "REPORT IDENTIFYING INFORMATION"),
    (0xa3, 0x0a, "REPORT TARGET PORT GROUPS"),
    (0xa3, 0x0b, "REPORT ALIASES"),
    (0xa3, 0x0c, "REPORT SUPPORTED OPERATION CODES"),
    (0xa3, 0x0d, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS"),
    (0xa3, 0x0e, "REPORT PRIORITY"),
    (0xa3, 0x0f, "REPORT TIMESTAMP"),
    (0xa3, 0x10, "MANAGEMENT PROTOCOL IN"),
    (0xa3, 0x1d, "REPORT PROVISIONING INITIALIZATION PATTERN"),
    (0xa3, 0x1f, "vendor specific"),
    (0xa4, 0x06, "SET IDENTIFYING INFORMATION"),
    (0xa4, 0x0a, "SET TARGET PORT GROUPS"),
    (0xa4, 0x0b, "CHANGE ALIASES"),
    (0xa4, 0x0e, "SET PRIORITY"),
    (0xa4, 0x0f, "SET TIMESTAMP"),
    (0xa4, 0x10, "MANAGEMENT PROTOCOL OUT"),
    (0xa4, 0x1f, "vendor specific"),
];

const SPACE_CODES: Names = &[
    (0x00, "logical blocks"),
    (0x01, "filemarks"),
    (0x02, "sequential filemarks"),
    (0x03, "end of data"),
];

const SECURITY_PROTOCOLS: Names = &[
    (0x00, "security protocol information"),
    (0x20, "tape data encryption"),
    (0x21, "data encryption configuration"),
    (0x40, "SA creation capabilities"),
    (0x41, "IKEv2-SCSI"),
];

const VPD_PAGES: Names = &[
    (0x00, "supported VPD pages"),
    (0x80, "unit serial number"),
    (0x81, "implemented operating definition"),
    (0x82, "ASCII implemented operating definition"),
    (0x83, "device identification"),
    (0x84, "software interface identification"),
    (0x85, "management network addresses"),
    (0x86, "extended INQUIRY data"),
    (0x87, "mode page policy"),
    (0x88, "SCSI ports"),
    (0x89, "ATA information"),
    (0x8a, "power condition"),
    (0x8b, "device constituents"),
    (0x8c, "CFA profile information"),
    (0x8d, "power consumption"),
    (0x8f, "third-party copy"),
    (0x90, "protocol specific logical unit information"),
    (0x91, "protocol specific port information"),
    (0x92, "SCSI feature sets"),
    (0xb0, "sequential access device capabilities"),
    (0xb1, "manufacturer-assigned serial number"),
    (0xb2, "TapeAlert supported flags"),
    (0xb3, "automation device serial number"),
    (0xb4, "data transfer device element address"),
    (0xb5, "logical block protection"),
    (0xc0, "firmware designation, vendor specific"),
    (0xd0, "IBM library type and model, vendor specific"),
];

const MODE_PAGES: Names = &[
    (0x00, "vendor specific"),
    (0x01, "read-write error recovery"),
    (0x02, "disconnect-reconnect"),
    (0x07, "verify error recovery"),
    (0x09, "peripheral device"),
    (0x0a, "control"),
    (0x0e, "target device"),
    (0x0f, "data compression"),
    (0x10, "device configuration"),
    (0x11, "medium partition"),
    (0x12, "medium partition 2"),
    (0x13, "medium partition 3"),
    (0x14, "medium partition 4"),
    (0x16, "extended device-type specific"),
    (0x18, "protocol specific logical unit"),
    (0x19, "protocol specific port"),
    (0x1a, "power condition"),
    (0x1c, "informational exceptions control"),
    (0x1d, "medium configuration"),
    (0x3f, "all pages"),
];

const MODE_SUBPAGES: PairNames = &[
    (0x0a, 0x01, "control extension"),
    (0x0a, 0xf0, "control data protection"),
    (0x0e, 0x01, "DTD primary port"),
    (0x0e, 0x02, "logical unit"),
    (0x0e, 0x03, "target device serial number"),
    (0x10, 0x01, "device configuration extension"),
    (0x1d, 0x01, "medium configuration extension"),
    (0x1f, 0x41, "extended device capabilities"),
];

const LOG_PAGES: Names = &[
    (0x00, "supported log pages"),
    (0x01, "buffer over-runs and under-runs"),
    (0x02, "write error counters"),
    (0x03, "read error counters"),
    (0x04, "read reverse error counters"),
    (0x05, "verify error counters"),
    (0x06, "non-medium errors"),
    (0x07, "last error events"),
    (0x0b, "last deferred errors"),
    (0x0c, "sequential access device"),
    (0x0d, "temperature"),
    (0x0e, "start-stop cycle counter"),
    (0x0f, "application client"),
    (0x10, "self-test results"),
    (0x11, "DT device status"),
    (0x12, "TapeAlert response"),
    (0x13, "requested recovery"),
    (0x14, "device statistics"),
    (0x15, "service buffers information"),
    (0x16, "tape diagnostic data"),
    (0x17, "volume statistics"),
    (0x18, "protocol specific port"),
    (0x19, "general statistics and performance"),
    (0x1a, "power condition transitions"),
    (0x1b, "data compression"),
    (0x2e, "TapeAlert"),
    (0x2f, "informational exceptions"),
    (0x31, "tape capacity, vendor specific"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::Command;

    const CHANGER_TYPE: PeripheralDeviceType = PeripheralDeviceType::MEDIUM_CHANGER;
    const TAPE: PeripheralDeviceType = PeripheralDeviceType::SEQUENTIAL_ACCESS;
    const UNKNOWN: PeripheralDeviceType = PeripheralDeviceType::UNKNOWN;

    #[test]
    fn a_command_is_named_with_its_page_or_service_action() {
        let cases: [(PeripheralDeviceType, &[u8], &str); 20] = [
            (TAPE, &[0x00, 0, 0, 0, 0, 0], "TEST UNIT READY"),
            (TAPE, &[0x12, 0, 0, 0, 36, 0], "INQUIRY"),
            (
                TAPE,
                &[0x12, 1, 0x83, 0, 255, 0],
                "INQUIRY, VPD page 83h (device identification)",
            ),
            (TAPE, &[0x12, 1, 0xee], "INQUIRY, VPD page EEh"),
            (
                CHANGER_TYPE,
                &[0x1a, 8, 0x1d],
                "MODE SENSE(6), mode page 1Dh (element address assignment)",
            ),
            (
                TAPE,
                &[0x4d, 0, 0x6e],
                "LOG SENSE, log page 2Eh (TapeAlert)",
            ),
            (TAPE, &[0x34, 6], "READ POSITION, long form"),
            (TAPE, &[0x1b, 0, 0, 0, 1], "LOAD UNLOAD, load"),
            (TAPE, &[0x1b], "LOAD UNLOAD, unload"),
            (TAPE, &[0x11, 3], "SPACE(6), end of data"),
            (
                TAPE,
                &[0x5a, 0, 0x10, 0x01],
                "MODE SENSE(10), mode page 10h, subpage 01h (device configuration extension)",
            ),
            (
                TAPE,
                &[0x1a, 0, 0x3f, 0xff],
                "MODE SENSE(6), mode page 3Fh, all subpages",
            ),
            (
                TAPE,
                &[0xa2, 0x20],
                "SECURITY PROTOCOL IN, protocol 20h (tape data encryption)",
            ),
            (
                CHANGER_TYPE,
                &[0xb5, 0x20],
                "REQUEST VOLUME ELEMENT ADDRESS",
            ),
            (CHANGER_TYPE, &[0x1b], "OPEN/CLOSE IMPORT/EXPORT ELEMENT"),
            // What is another command of another type has no name as long as the type is not known.
            (UNKNOWN, &[0xb8], "READ ELEMENT STATUS"),
            (UNKNOWN, &[0x08], "READ(6)"),
            (UNKNOWN, &[0x01], "operation code 01h"),
            (TAPE, &[0xc5], "operation code C5h"),
            (TAPE, &[], "TEST UNIT READY"),
        ];
        for (device_type, cdb, name) in cases {
            assert_eq!(command(device_type, cdb), name);
        }
        assert_eq!(
            operation_code(CHANGER_TYPE, 0x2b),
            Some("POSITION TO ELEMENT")
        );
        assert_eq!(operation_code(TAPE, 0x2b), Some("LOCATE(10)"));
    }

    #[test]
    fn every_code_that_is_parsed_has_a_name() {
        for device_type in [CHANGER_TYPE, TAPE] {
            for code in 0..=u8::MAX {
                let mut cdb = [0; 16];
                cdb[0] = code;
                let unknown = Err(crate::scsi::command::ParseError::OperationCode);
                if Command::parse(device_type, &cdb) != unknown {
                    assert!(operation_code(device_type, code).is_some(), "{code:02x}");
                }
            }
        }
    }

    #[test]
    fn every_table_is_in_order() {
        for table in [
            EVERY_DEVICE,
            CHANGER,
            DRIVE,
            VPD_PAGES,
            MODE_PAGES,
            LOG_PAGES,
            SPACE_CODES,
            SECURITY_PROTOCOLS,
        ] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        for table in [SERVICE_ACTIONS, MODE_SUBPAGES] {
            assert!(
                table
                    .windows(2)
                    .all(|pair| (pair[0].0, pair[0].1) < (pair[1].0, pair[1].1))
            );
        }
    }
}
