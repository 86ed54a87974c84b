//! Problems of devices and targets in words.

use super::{Code, Words};
use crate::iop::devices::enumerate::NoReply;
use crate::iop::devices::problem::{CommandFailure, Problem, SharedIdentity};
use crate::iscsi::departure::Departure;
use crate::values::amount;

/// Returns a problem in words.
pub fn problem(problem: &Problem) -> Words {
    match problem {
        Problem::LogicalUnitsLeftOut {
            announced,
            looked_at,
        } => Words::new(
            Code::LogicalUnitsLeftOut,
            format!(
                "The target has {announced} logical units, and only {looked_at} of them were asked."
            ),
            "Assign fewer logical units to this initiator on the VTL.",
        ),
        Problem::Unidentified { lun, failure } => Words::new(
            Code::DeviceUnidentified,
            format!(
                "LUN {lun} did not say what kind of device it is: {}.",
                command_failure(failure)
            ),
            "Look at the state of that device on the VTL, and re-IPL again.",
        ),
        Problem::Unread { lun, what, failure } => Words::new(
            Code::DeviceDataUnread,
            format!(
                "The {what} of LUN {lun} could not be read: {}.",
                command_failure(failure)
            ),
            "Look at the state of that device on the VTL, and re-IPL again.",
        ),
        Problem::DriveElementsLeftOut {
            announced,
            described,
        } => Words::new(
            Code::DriveElementsLeftOut,
            format!(
                "The library has {}, and its element status describes only {described} of them.",
                amount(announced, "drive element")
            ),
            "Ask the vendor of the VTL for a release that answers READ ELEMENT STATUS in full.",
        ),
        Problem::Not3584 { type_model } => Words::new(
            Code::Not3584,
            format!("IBM i expects a 3584, and this library is a {type_model}."),
            "Have the VTL emulate an IBM 3584, also called TS3500.",
        ),
        Problem::MixedDrives { products } => Words::new(
            Code::MixedDriveTypes,
            format!(
                "The library has more than one drive type: {}.",
                products.join(", ")
            ),
            "Give the library drives of one type on the VTL.",
        ),
        Problem::OldDrive { device, product } => Words::new(
            Code::DriveTooOld,
            format!("Drive {device} ({product}) is older than LTO3."),
            "Have the VTL emulate LTO3 drives or newer ones.",
        ),
        Problem::DriveIsNoLun {
            address,
            identifier,
        } => Words::new(
            Code::DriveIsNoLun,
            format!("The drive at element {address} ({identifier}) is not a LUN of this target."),
            "Assign that drive to this initiator under the same target as its library.",
        ),
        Problem::DriveUnnamed { address } => Words::new(
            Code::DriveUnnamed,
            format!("The library does not say which drive is at element {address}."),
            "Ask the vendor of the VTL for a release that reports the serial numbers of its drives (DVCID).",
        ),
        Problem::DriveNamedTwice {
            address,
            device,
            other,
        } => Words::new(
            Code::DriveNamedTwice,
            format!("Element {address} names drive {device} too, which is at element {other}."),
            "Give each drive a serial number of its own on the VTL.",
        ),
        Problem::DriveByPrefix {
            address,
            identifier,
            device,
        } => Words::without_next_step(
            Code::DriveIdentifierCut,
            format!(
                "The library's identifier of the drive at element {address} is cut short ({identifier}); {device} was \
                 taken for it."
            ),
        ),
        Problem::DriveByLikeness {
            address,
            identifier,
            device,
        } => Words::without_next_step(
            Code::DriveIdentifierUnlike,
            format!(
                "The library's identifier of the drive at element {address} ({identifier}) is not its serial number; \
                 {device} was taken for it."
            ),
        ),
        Problem::DriveUnclaimed { device, lun } => Words::new(
            Code::DriveInNoLibrary,
            format!("Drive {device} (LUN {lun}) is in no library of this target."),
            "Assign the library of that drive to this initiator under the same target.",
        ),
        Problem::SeenTwice {
            device,
            identity,
            lun,
            other_lun,
            other_target,
        } => Words::new(
            Code::DeviceSeenTwice,
            format!(
                "{device} is seen twice: LUN {lun} here and LUN {other_lun} of target {other_target} have the same {}.",
                shared(identity)
            ),
            "Configure one target for each device, or give each device a serial number of its own on the VTL.",
        ),
        Problem::NoTapeDevice { initiator_name } => Words::new(
            Code::NoTapeDevice,
            "Connected, but no tape device is shown to this initiator.",
            format!("Assign a library to {initiator_name} on the VTL, and re-IPL again."),
        ),
        Problem::NotAuthenticated => Words::new(
            Code::NotAuthenticated,
            "The target asked for no authentication, so the configured CHAP name and secret were not used.",
            "Have the VTL demand CHAP, or drop it here with -removetarget and -addtarget.",
        ),
        Problem::Departure { departure } => Words::without_next_step(
            Code::ProtocolDeparture,
            format!(
                "The target {}, which departs from RFC 7143, section {}; it was tolerated.",
                departs(departure),
                departure.section()
            ),
        ),
        Problem::Unknown { message } => Words::without_next_step(
            Code::UnknownProblem,
            message.clone().unwrap_or_else(|| {
                "A problem that this version of iscsiswiconfig does not know.".to_owned()
            }),
        ),
    }
}

/// Returns what a target does that departs from the standard.
fn departs(departure: &Departure) -> String {
    match departure {
        Departure::ObsoleteKey { key } => format!("uses the obsolete key {key}"),
        Departure::ProposalAtTransit { key } => {
            format!("proposes {key} where it cannot be answered any more")
        }
        Departure::AnswerWithoutProposal { key } => {
            format!("answers {key}, which was not proposed")
        }
        Departure::RepeatedKey { key } => format!("sends {key} twice with the same value"),
        Departure::EchoedKey { key } => format!("sends {key} back to the initiator"),
        Departure::TrailingBlanks { key } => format!("sends blanks behind the value of {key}"),
        Departure::MissingLastNul => "leaves out the last NUL of its login text".to_owned(),
        Departure::DoubledNul => "sends two NULs between two keys of its login text".to_owned(),
        Departure::AliasNotUtf8 => "sends a TargetAlias that is not UTF-8".to_owned(),
        Departure::AliasTooLong { received } => {
            format!("sends a TargetAlias of {received} bytes")
        }
        Departure::EarlyTsih { received } => {
            format!("sends TSIH {received} before its last login response")
        }
        Departure::ConstantStatSn => "does not count its login responses in StatSN".to_owned(),
        Departure::MissingPortalGroupTag => "sends no TargetPortalGroupTag".to_owned(),
        Departure::InvalidPortalGroupTag { received } => {
            format!("sends TargetPortalGroupTag {received}")
        }
        Departure::OutsideOffer {
            key,
            offered,
            received,
        } => format!("answers {received} to {key}={offered}"),
        Departure::StatSnOutOfOrder { expected, received } => {
            format!("sends StatSN {received} before {expected}")
        }
        Departure::BareIpv6Address { received } => {
            format!("redirects to the IPv6 address {received} without brackets")
        }
        Departure::ResidualMismatch { expected, received } => {
            format!(
                "reports a residual of {} where {expected} are left",
                amount(received, "byte")
            )
        }
        Departure::SenseWithoutLength => "sends sense data without its length".to_owned(),
        Departure::ResponseAfterAbort => {
            "answers a command behind the answer to its abort".to_owned()
        }
    }
}

/// Returns why a command gave no data, without an end.
pub fn command_failure(failure: &CommandFailure) -> String {
    match failure {
        CommandFailure::Sense(sense) => sense.to_string(),
        CommandFailure::NoSense => "CHECK CONDITION without sense data".to_owned(),
        CommandFailure::Status(status) => status.to_string(),
        CommandFailure::Malformed { detail } => detail.clone(),
        CommandFailure::NoReply(reason) => match reason {
            NoReply::ConnectionLost => "the connection was lost when it was asked for",
            NoReply::Timeout => "the device did not answer",
            NoReply::Rejected => "the target rejected the command",
        }
        .to_owned(),
    }
}

fn shared(identity: &SharedIdentity) -> String {
    match identity {
        SharedIdentity::SerialNumber { serial } => format!("serial number {serial}"),
        SharedIdentity::Designator { designator } => format!("designator {designator}"),
        SharedIdentity::Place => "target name and LUN".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::assert_sentences;
    use super::*;
    use crate::scsi::{SenseData, Status};

    /// Returns a problem of every variant with its sentence.
    pub(in super::super) fn every_problem() -> Vec<(Problem, &'static str)> {
        let sense = SenseData::decode(&[0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1]).unwrap();
        let text = str::to_owned;
        vec![
            (
                Problem::LogicalUnitsLeftOut {
                    announced: 2000,
                    looked_at: 1024,
                },
                "The target has 2000 logical units, and only 1024 of them were asked.",
            ),
            (
                Problem::Unidentified {
                    lun: 0,
                    failure: CommandFailure::Status(Status::BUSY),
                },
                "LUN 0 did not say what kind of device it is: BUSY.",
            ),
            (
                Problem::Unread {
                    lun: 5,
                    what: text("element status"),
                    failure: CommandFailure::Sense(sense),
                },
                "The element status of LUN 5 could not be read: NOT READY 04/01 (logical unit is in process of becoming \
                 ready).",
            ),
            (
                Problem::Unread {
                    lun: 5,
                    what: text("element status"),
                    failure: CommandFailure::NoSense,
                },
                "The element status of LUN 5 could not be read: CHECK CONDITION without sense data.",
            ),
            (
                Problem::Unread {
                    lun: 5,
                    what: text("element status"),
                    failure: CommandFailure::Malformed {
                        detail: text("it is too short"),
                    },
                },
                "The element status of LUN 5 could not be read: it is too short.",
            ),
            (
                Problem::DriveElementsLeftOut {
                    announced: 4,
                    described: 2,
                },
                "The library has 4 drive elements, and its element status describes only 2 of them.",
            ),
            (
                Problem::Not3584 {
                    type_model: text("3573-***"),
                },
                "IBM i expects a 3584, and this library is a 3573-***.",
            ),
            (
                Problem::MixedDrives {
                    products: vec![text("ULT3580-TD5"), text("ULT3580-TD6")],
                },
                "The library has more than one drive type: ULT3580-TD5, ULT3580-TD6.",
            ),
            (
                Problem::OldDrive {
                    device: text("TAP01"),
                    product: text("ULT3580-TD2"),
                },
                "Drive TAP01 (ULT3580-TD2) is older than LTO3.",
            ),
            (
                Problem::DriveIsNoLun {
                    address: 257,
                    identifier: text("1068000001"),
                },
                "The drive at element 257 (1068000001) is not a LUN of this target.",
            ),
            (
                Problem::DriveUnnamed { address: 257 },
                "The library does not say which drive is at element 257.",
            ),
            (
                Problem::DriveNamedTwice {
                    address: 258,
                    device: text("TAP01"),
                    other: 257,
                },
                "Element 258 names drive TAP01 too, which is at element 257.",
            ),
            (
                Problem::DriveByPrefix {
                    address: 258,
                    identifier: text("10"),
                    device: text("TAP02"),
                },
                "The library's identifier of the drive at element 258 is cut short (10); TAP02 was taken for it.",
            ),
            (
                Problem::DriveByLikeness {
                    address: 258,
                    identifier: text("0047"),
                    device: text("TAP02"),
                },
                "The library's identifier of the drive at element 258 (0047) is not its serial number; TAP02 was taken for it.",
            ),
            (
                Problem::Unread {
                    lun: 5,
                    what: text("element status"),
                    failure: CommandFailure::NoReply(NoReply::Timeout),
                },
                "The element status of LUN 5 could not be read: the device did not answer.",
            ),
            (
                Problem::DriveUnclaimed {
                    device: text("TAP02"),
                    lun: 2,
                },
                "Drive TAP02 (LUN 2) is in no library of this target.",
            ),
            (
                Problem::SeenTwice {
                    device: text("TAP01"),
                    identity: SharedIdentity::SerialNumber { serial: text("47") },
                    lun: 1,
                    other_lun: 2,
                    other_target: text("iqn.a"),
                },
                "TAP01 is seen twice: LUN 1 here and LUN 2 of target iqn.a have the same serial number 47.",
            ),
            (
                Problem::SeenTwice {
                    device: text("TAP01"),
                    identity: SharedIdentity::Designator {
                        designator: text("3:50"),
                    },
                    lun: 1,
                    other_lun: 2,
                    other_target: text("iqn.a"),
                },
                "TAP01 is seen twice: LUN 1 here and LUN 2 of target iqn.a have the same designator 3:50.",
            ),
            (
                Problem::SeenTwice {
                    device: text("TAP01"),
                    identity: SharedIdentity::Place,
                    lun: 1,
                    other_lun: 1,
                    other_target: text("iqn.a"),
                },
                "TAP01 is seen twice: LUN 1 here and LUN 1 of target iqn.a have the same target name and LUN.",
            ),
            (
                Problem::NoTapeDevice {
                    initiator_name: text("iqn.i"),
                },
                "Connected, but no tape device is shown to this initiator.",
            ),
            (
                Problem::NotAuthenticated,
                "The target asked for no authentication, so the configured CHAP name and secret were not used.",
            ),
            (
                Problem::Departure {
                    departure: Departure::ObsoleteKey {
                        key: text("IFMarker"),
                    },
                },
                "The target uses the obsolete key IFMarker, which departs from RFC 7143, section 13.25; it was tolerated.",
            ),
            (
                Problem::Unknown { message: None },
                "A problem that this version of iscsiswiconfig does not know.",
            ),
            (
                Problem::Unknown {
                    message: Some(text("As another version said it.")),
                },
                "As another version said it.",
            ),
        ]
    }

    #[test]
    fn every_problem_has_its_sentence() {
        for (subject, sentence) in every_problem() {
            let words = problem(&subject);
            assert_eq!(words.message, sentence);
            assert_sentences(&words);
        }
    }
}
