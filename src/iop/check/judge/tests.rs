use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::iop::active::{ChapReport, SessionReport, TargetReport};
use crate::iop::check::finding::{DeviceState, Portal, PortalState};
use crate::iop::check::observation::{DriveObservation, Trials};
use crate::iop::devices::problem::CommandFailure;
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::log::{self, LogPage, LogParameter};
use crate::scsi::data::position::Position;
use crate::scsi::data::reservation::{
    HeldReservation, ReadReservation, RegistrationStatus, ReserveCapabilities,
};
use crate::scsi::{SenseData, Status};
use FindingResult::{Failure, Pass, Skipped, Warning};

fn session() -> SessionReport {
    SessionReport {
        portal: "10.1.1.5:3260".to_owned(),
        header_digest: "CRC32C".to_owned(),
        data_digest: "CRC32C".to_owned(),
        max_burst_length: 16_776_192,
        first_burst_length: 262_144,
        target_max_recv_data_segment_length: 262_144,
        max_outstanding_r2t: 1,
        immediate_data: true,
        ..SessionReport::default()
    }
}

/// A drive without a fault, a cartridge in it.
fn drive() -> DriveObservation {
    DriveObservation {
        device: "TAP01".to_owned(),
        ready: Ok(()),
        block_limits: Ok(BlockLimits {
            granularity: 0,
            longest: 0x80_0000,
            shortest: 1,
        }),
        saved_values: Ok(()),
        capabilities: Ok(ReserveCapabilities {
            compatible_reservation_handling: false,
            persists_through_power_loss: false,
            type_mask: None,
        }),
        full_status: Ok(Vec::new()),
        reservation: Ok(ReadReservation {
            generation: 0,
            held: None,
        }),
        log_pages: Ok(vec![0, 0x31]),
        capacity: Some(Ok(capacity(5, 5))),
        position: Some(Ok(position(true, Some(0)))),
        tape_alert: None,
    }
}

fn capacity(remaining: u32, maximum: u32) -> LogPage {
    LogPage {
        code: log::TAPE_CAPACITY,
        parameters: vec![
            LogParameter::binary(1, remaining.to_be_bytes()),
            LogParameter::binary(3, maximum.to_be_bytes()),
        ],
    }
}

fn position(beginning: bool, object: Option<u64>) -> Position {
    Position {
        beginning,
        behind_early_warning: false,
        partition: 0,
        object,
        on_medium: object,
        file: None,
        buffered_objects: None,
    }
}

fn observed() -> Observations {
    Observations {
        report: TargetReport {
            target_name: "iqn.a".to_owned(),
            initiator_name: "iqn.own".to_owned(),
            session: Some(session()),
            ..TargetReport::default()
        },
        secret_length: None,
        resolved: None,
        portals: vec![portal(PortalState::Open)],
        segment: Some((1448, false)),
        trials: Trials::default(),
        round_trip: Some(Duration::from_millis(1)),
        window: Some(32),
        enumerated: true,
        libraries: Vec::new(),
        drives: vec![drive()],
    }
}

fn portal(state: PortalState) -> Portal {
    Portal {
        address: SocketAddr::from(([10, 1, 1, 5], 3260)),
        state,
    }
}

fn result(check: CheckId, change: impl FnOnce(&mut Observations)) -> FindingResult {
    let mut observations = observed();
    change(&mut observations);
    let judged = judge(observations);
    assert_eq!(judged.findings.len(), TABLE.len());
    let finding = judged
        .findings
        .iter()
        .find(|finding| finding.check == check);
    finding.unwrap().result
}

fn drive_result(check: CheckId, change: impl FnOnce(&mut DriveObservation)) -> FindingResult {
    result(check, |observations| change(&mut observations.drives[0]))
}

fn sense(key: u8, asc: u8, ascq: u8) -> CommandFailure {
    let data = [
        0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0,
    ];
    CommandFailure::Sense(SenseData::decode(&data).unwrap())
}

#[test]
fn an_address_that_is_not_open_is_worse_where_no_other_one_is() {
    let states =
        |states: &[PortalState]| -> Vec<Portal> { states.iter().cloned().map(portal).collect() };
    for (check, state) in [
        (CheckId::PortRefused, PortalState::Refused),
        (CheckId::PortFiltered, PortalState::Filtered),
        (
            CheckId::HostUnreachable,
            PortalState::Unreachable {
                detail: "No route to host".to_owned(),
            },
        ),
    ] {
        let of = |list: &[PortalState]| result(check, |of| of.portals = states(list));
        assert_eq!(of(&[PortalState::Open]), Pass);
        assert_eq!(of(&[state.clone(), PortalState::Open]), Warning);
        assert_eq!(of(std::slice::from_ref(&state)), Failure);
        assert_eq!(of(&[]), Skipped);
    }
}

#[test]
fn a_packet_of_ethernet_and_a_round_trip_of_10_ms_are_enough() {
    for (segment, is_ipv6, expected) in [
        (1448, false, Pass),
        (1428, true, Pass),
        (1447, false, Warning),
        (1427, true, Warning),
        (8948, false, Pass),
    ] {
        let found = result(CheckId::PathMtu, |of| of.segment = Some((segment, is_ipv6)));
        assert_eq!(found, expected, "{segment}");
    }
    for (milliseconds, expected) in [(10, Pass), (11, Warning)] {
        let round_trip = Some(Duration::from_millis(milliseconds));
        let found = result(CheckId::RoundTrip, |of| of.round_trip = round_trip);
        assert_eq!(found, expected);
    }
}

#[test]
fn the_rate_follows_from_bursts_r2ts_and_the_round_trip() {
    let rate = |initial_r2t, immediate, first, burst, outstanding| {
        let session = SessionReport {
            initial_r2t,
            immediate_data: immediate,
            first_burst_length: first,
            max_burst_length: burst,
            target_max_recv_data_segment_length: 8192,
            max_outstanding_r2t: outstanding,
            ..session()
        };
        let rate = rate::rate(&session, Duration::from_millis(2), Some(4));
        (
            rate.round_trips,
            rate.one_command.round(),
            rate.full_window.unwrap().1.round(),
        )
    };
    // 262144 bytes in 2 ms are 131 MB/s.
    assert_eq!(rate(false, true, 262_144, 16_776_192, 1), (1, 131.0, 524.0));
    // The rest waits for an R2T, a MaxBurstLength at a time.
    assert_eq!(rate(false, true, 65_536, 262_144, 1), (2, 66.0, 262.0));
    assert_eq!(rate(true, true, 262_144, 262_144, 1), (2, 66.0, 262.0));
    assert_eq!(rate(true, false, 262_144, 65_536, 1), (5, 26.0, 105.0));
    assert_eq!(rate(true, false, 262_144, 65_536, 4), (2, 66.0, 262.0));
    let with = |initial_r2t| {
        result(CheckId::WriteRate, |of| {
            of.round_trip = Some(Duration::from_millis(2));
            let session = of.report.session.as_mut().unwrap();
            session.initial_r2t = initial_r2t;
            session.target_max_recv_data_segment_length = 8192;
        })
    };
    assert_eq!((with(false), with(true)), (Pass, Warning));
}

#[test]
fn the_letter_case_that_was_accepted_is_the_failure() {
    let with = |check, trials: Trials| {
        result(check, |of| {
            of.report.chap = Some(ChapReport::default());
            of.trials = trials;
        })
    };
    let of = |secret_case, name_case, both_cases| Trials {
        secret_case,
        name_case,
        both_cases,
        algorithm: None,
    };
    for (trials, secret, name) in [
        (of(Some(true), None, None), Failure, Skipped),
        (of(Some(false), Some(true), None), Pass, Failure),
        (of(Some(false), Some(false), Some(true)), Failure, Failure),
        (of(Some(false), Some(false), Some(false)), Pass, Pass),
    ] {
        assert_eq!(with(CheckId::ChapSecretCase, trials.clone()), secret);
        assert_eq!(with(CheckId::ChapNameCase, trials), name);
    }
    let other = Trials {
        algorithm: Some(Some("SHA-256".to_owned())),
        ..Trials::default()
    };
    assert_eq!(with(CheckId::ChapAlgorithm, other), Failure);
}

#[test]
fn a_drive_is_what_ibm_i_wants_or_not() {
    let all = judge(observed());
    let of_drives = all.findings.iter().filter(|finding| {
        finding.check.as_str().starts_with("drives.") && finding.check != CheckId::TapeAlert
    });
    for finding in of_drives {
        assert_eq!(finding.result, Pass, "{finding:?}");
    }
    let refused = || sense(5, 0x20, 0);
    for (found, expected) in [
        (
            drive_result(CheckId::DriveReady, |of| of.ready = Err(sense(2, 0x3a, 0))),
            Pass,
        ),
        (
            drive_result(CheckId::DriveReady, |of| of.ready = Err(sense(2, 4, 1))),
            Warning,
        ),
        (
            drive_result(CheckId::DriveReady, |of| of.ready = Err(sense(4, 0x44, 0))),
            Failure,
        ),
        (
            drive_result(CheckId::BlockLimits, |of| of.block_limits = Err(refused())),
            Failure,
        ),
        (
            drive_result(CheckId::SavedValues, |of| of.saved_values = Err(refused())),
            Failure,
        ),
        (
            drive_result(CheckId::ReservationCapabilities, |of| {
                of.capabilities = Err(refused())
            }),
            Failure,
        ),
        (
            drive_result(CheckId::ReservationFullStatus, |of| {
                of.full_status = Err(refused())
            }),
            Failure,
        ),
        (
            drive_result(CheckId::LogPages, |of| of.log_pages = Err(refused())),
            Failure,
        ),
        (
            drive_result(CheckId::LogPages, |of| of.capacity = None),
            Failure,
        ),
        (
            drive_result(CheckId::LogPages, |of| of.capacity = Some(Err(refused()))),
            Failure,
        ),
        (
            drive_result(CheckId::ReadPosition, |of| of.position = None),
            Skipped,
        ),
        (
            drive_result(CheckId::ReadPosition, |of| {
                of.position = Some(Err(refused()))
            }),
            Failure,
        ),
    ] {
        assert_eq!(found, expected);
    }
    for (longest, expected) in [(262_143, Failure), (262_144, Pass), (0, Pass)] {
        let found = drive_result(CheckId::BlockLimits, |of| {
            of.block_limits.as_mut().unwrap().longest = longest;
        });
        assert_eq!(found, expected, "{longest}");
    }
    for (beginning, object, expected) in [
        (true, Some(0), Pass),
        (false, Some(7), Pass),
        (true, Some(7), Failure),
        (false, Some(0), Failure),
        (true, None, Warning),
    ] {
        let found = drive_result(CheckId::ReadPosition, |of| {
            of.position = Some(Ok(position(beginning, object)));
        });
        assert_eq!(found, expected, "{beginning} {object:?}");
    }
    for (remaining, maximum, has_medium, expected) in [
        (5, 5, true, Pass),
        (6, 5, true, Failure),
        (0, 0, true, Failure),
        (0, 0, false, Pass),
    ] {
        let found = drive_result(CheckId::LogPages, |of| {
            of.capacity = Some(Ok(capacity(remaining, maximum)));
            if !has_medium {
                of.ready = Err(sense(2, 0x3a, 0));
            }
        });
        assert_eq!(found, expected, "{remaining} {maximum} {has_medium}");
    }
}

#[test]
fn a_reservation_is_somebody_elses_unless_this_initiator_holds_it() {
    let holder = |name: &str| RegistrationStatus {
        key: 7,
        is_holder: true,
        reservation_type: Some(3),
        name: name.to_owned(),
    };
    let held = || ReadReservation {
        generation: 1,
        held: Some(HeldReservation {
            key: 7,
            scope: 0,
            reservation_type: 3,
        }),
    };
    let own = "IQN.OWN,i,0x400001370000";
    for (status, reservation, ready, expected) in [
        (vec![holder("iqn.other,i,0x40")], held(), Ok(()), Failure),
        (vec![holder(own)], held(), Ok(()), Pass),
        (Vec::new(), held(), Ok(()), Failure),
        (
            Vec::new(),
            ReadReservation {
                generation: 0,
                held: None,
            },
            Err(CommandFailure::Status(Status::RESERVATION_CONFLICT)),
            Failure,
        ),
    ] {
        let mut observations = observed();
        let drive = &mut observations.drives[0];
        drive.full_status = Ok(status.clone());
        drive.reservation = Ok(reservation);
        drive.ready = ready;
        let judged = judge(observations);
        let finding = judged
            .findings
            .iter()
            .find(|of| of.check == CheckId::Reserved);
        let finding = finding.unwrap();
        assert_eq!(finding.result, expected, "{status:?}");
        if let Seen::Devices(notes) = &finding.seen
            && let DeviceState::Holder { name: Some(name) } = &notes[0].note
        {
            assert_eq!(name, "iqn.other,i,0x40");
        }
    }
}

#[test]
fn what_is_not_reached_is_skipped() {
    let nothing = Observations {
        report: TargetReport {
            target_name: "iqn.a".to_owned(),
            initiator_name: "iqn.own".to_owned(),
            ..TargetReport::default()
        },
        portals: Vec::new(),
        segment: None,
        round_trip: None,
        window: None,
        enumerated: false,
        drives: Vec::new(),
        ..observed()
    };
    for finding in judge(nothing).findings {
        let is_known_without = matches!(
            finding.check,
            CheckId::NameResolution | CheckId::InitiatorName | CheckId::TargetName
        );
        let expected = if is_known_without { Pass } else { Skipped };
        assert_eq!(finding.result, expected, "{finding:?}");
    }
}
