use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::*;
use crate::iop::active::{Failure, Phase, TargetReport};
use crate::iop::cause::Cause;
use crate::iop::devices::problem::{CommandFailure, Problem};
use crate::scsi::Status;

fn every_seen() -> Vec<Seen> {
    let text = str::to_owned;
    let portal = |state| Portal {
        address: SocketAddr::from(([10, 1, 1, 5], 3260)),
        state,
    };
    let note = |note| DeviceNote {
        device: text("TAP01"),
        note,
    };
    let identity = |has_page_d0| LibraryIdentity {
        device: text("TAPMLB01"),
        type_model: text("3584-403"),
        has_page_d0,
    };
    vec![
        Seen::NotReached,
        Seen::NotAsked,
        Seen::WithoutChap,
        Seen::NotApplicable,
        Seen::NotMet,
        Seen::Failed(Box::new(TargetReport {
            failure: Some(Failure {
                phase: Phase::Connect,
                redirected_to: None,
                cause: Cause::ConnectionRefused {
                    portal: text("a:1"),
                },
            }),
            ..TargetReport::default()
        })),
        Seen::Problems(vec![
            Problem::NotAuthenticated,
            Problem::DriveUnnamed { address: 257 },
        ]),
        Seen::Addresses(Vec::new()),
        Seen::Addresses(vec![[10, 1, 1, 5].into(), [10, 1, 1, 6].into()]),
        Seen::Portals(Vec::new()),
        Seen::Portals(vec![
            portal(PortalState::Open),
            portal(PortalState::Refused),
            portal(PortalState::Filtered),
            portal(PortalState::Unreachable {
                detail: text("No route to host"),
            }),
        ]),
        Seen::PathMtu {
            segment: 1448,
            mtu: 1500,
        },
        Seen::RoundTrip {
            shortest: Duration::from_micros(1234),
        },
        Seen::Name {
            name: text("iqn.1924-02.com.ibm:Ab_1"),
            traps: NameTraps::of("iqn.1924-02.com.ibm:Ab_1"),
        },
        Seen::Name {
            name: text("a_"),
            traps: NameTraps::of("a_"),
        },
        Seen::LoggedIn {
            portal: text("10.1.1.5:3260"),
        },
        Seen::ChapAccepted {
            algorithm: text("MD5"),
        },
        Seen::OtherCase,
        Seen::OtherAlgorithm {
            algorithm: text("SHA-256"),
        },
        Seen::Libraries(Vec::new()),
        Seen::Libraries(vec![identity(true), identity(false)]),
        Seen::DriveTypes(Vec::new()),
        Seen::DriveTypes(vec![text("3580-008")]),
        Seen::Drives(2),
        Seen::Barcodes {
            count: 3,
            wrong: Vec::new(),
        },
        Seen::Barcodes {
            count: 30,
            wrong: vec![String::new(); 20],
        },
        Seen::Devices(Vec::new()),
        Seen::Devices(
            [
                DeviceState::Ready,
                DeviceState::Empty,
                DeviceState::Refused(CommandFailure::Status(Status::BUSY)),
                DeviceState::LongestBlock(65536),
                DeviceState::SavedValues,
                DeviceState::CompatibleReservationHandling(true),
                DeviceState::Registrations(1),
                DeviceState::LogPages(vec![0, 0x31]),
                DeviceState::NoCapacityPage,
                DeviceState::CapacityImplausible {
                    remaining: Some(5),
                    maximum: None,
                },
                DeviceState::Position {
                    beginning: true,
                    object: Some(7),
                },
                DeviceState::Position {
                    beginning: false,
                    object: None,
                },
                DeviceState::NotReserved,
                DeviceState::Holder { name: None },
                DeviceState::Holder {
                    name: Some(text("iqn.a")),
                },
                DeviceState::TapeAlert(Vec::new()),
                DeviceState::TapeAlert(vec![3, 20]),
            ]
            .map(note)
            .into(),
        ),
        Seen::Digests {
            header: text("None"),
            data: text("CRC32C"),
        },
        Seen::Stored(StoredIn::Disk),
        Seen::Stored(StoredIn::Platform),
        Seen::SecretLength(8),
        Seen::WriteRate(WriteRate {
            round_trip: Duration::from_millis(20),
            round_trips: 2,
            one_command: 6.5,
            full_window: Some((32, 209.7)),
        }),
        Seen::WriteRate(WriteRate {
            round_trip: Duration::from_micros(20),
            round_trips: 2,
            one_command: 6500.0,
            full_window: None,
        }),
    ]
}

fn is_sentence(text: &str) -> bool {
    text.is_ascii()
        && text.ends_with('.')
        && !text.contains("  ")
        && !text.contains("..")
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
}

#[test]
fn every_row_has_words_in_sentences_and_a_source() {
    let mut meanings = BTreeSet::new();
    for row in TABLE {
        let entry = entry(row.check);
        for sentence in [entry.looks_at, entry.passed, entry.why, entry.next_step] {
            assert!(is_sentence(sentence), "{}: {sentence}", row.id);
        }
        assert!(!entry.source.is_empty() && entry.source.is_ascii());
        assert!(
            meanings.insert(entry.looks_at),
            "{} says what another says",
            row.id
        );
    }
}

#[test]
fn whatever_is_seen_is_a_sentence_and_only_trouble_has_a_next_step() {
    for seen in every_seen() {
        for result in [FindingResult::Pass, FindingResult::Failure] {
            let finding = Finding {
                check: CheckId::ChapNameCase,
                result,
                seen: seen.clone(),
            };
            let words = words(&finding);
            // A device is told by its name, and an address by its number.
            assert!(is_sentence(&words.seen), "{words:?}");
            assert_eq!(words.next_step.is_some(), result == FindingResult::Failure);
            assert!(words.next_step.is_none_or(|step| is_sentence(&step)));
        }
    }
}

#[test]
fn what_is_the_same_for_several_devices_is_told_once() {
    let note = |device: &str, length| DeviceNote {
        device: device.to_owned(),
        note: DeviceState::LongestBlock(length),
    };
    let notes = [note("TAP01", 1), note("TAP02", 2), note("TAP03", 1)];
    assert_eq!(
        of_devices(&notes),
        "TAP01, TAP03: blocks of up to 1 bytes; TAP02: blocks of up to 2 bytes."
    );
}

#[test]
fn the_list_of_the_man_page_has_every_id_once() {
    let listed: Vec<&str> = listed()
        .iter()
        .flat_map(|section| section.codes.iter().map(|(id, _)| *id))
        .collect();
    let ids: Vec<&str> = TABLE.iter().map(|row| row.id).collect();
    assert_eq!(listed, ids);
}
