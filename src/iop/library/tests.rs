use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::inventory::{KnownDrive, parse_address};
use super::plan::Mounted;
use super::{Inventory, LibraryFailure, Movement};
use crate::iop::job::unit::{AnswerDeadlines, Unit};
use crate::iscsi::pdu::Residual;
use crate::scsi::command::ReadElementStatus;
use crate::scsi::data::element_status::{ElementReport, ElementType, element_status};
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::data::vpd::{CodeSet, Designator, DesignatorType};
use crate::scsi::{AdditionalSenseCode, Command, Lun, SenseData, SenseKey, Status};
use crate::transport::initiator::{Completed, Execute, Initiator};

const LIBRARY: &str = "TAPMLB01";

/// A changer that answers READ ELEMENT STATUS and MODE SENSE in the ways of several devices.
#[derive(Default)]
struct Changer {
    elements: Vec<ElementReport>,
    /// First address and count of transport, storage, import/export and drive elements; none refuses mode page 1Dh.
    assignment: Option<[(u16, u16); 4]>,
    refuses_volume_tags: bool,
    /// As tgt: NUMBER OF ELEMENTS is ignored, and the last eight bytes of a report are not sent.
    is_tgt: bool,
    /// A 3584 refuses more than this.
    longest_reply: Option<u32>,
    unit_attentions: usize,
    busy: usize,
    /// What was asked of READ ELEMENT STATUS.
    asked: Vec<ReadElementStatus>,
}

fn element(element_type: ElementType, address: u16, volume: Option<&str>) -> ElementReport {
    ElementReport {
        address,
        element_type,
        volume: volume.map(str::to_owned),
        full: volume.is_some(),
        source: None,
        identifier: None,
    }
}

/// Two drives, two import/export elements and four slots; AB0001L8 is in the first drive and came from slot 1025.
fn small() -> Changer {
    let mut drive = element(ElementType::DataTransfer, 257, Some("AB0001L8"));
    drive.source = Some(1025);
    Changer {
        elements: vec![
            element(ElementType::MediumTransport, 1, None),
            drive,
            element(ElementType::DataTransfer, 258, None),
            element(ElementType::ImportExport, 769, Some("AB0002L8")),
            element(ElementType::ImportExport, 770, None),
            element(ElementType::Storage, 1025, None),
            element(ElementType::Storage, 1026, Some("AB0003L8")),
            element(ElementType::Storage, 1027, Some("AB0003L7")),
            element(ElementType::Storage, 1028, Some("")),
        ],
        assignment: Some([(1, 1), (1025, 4), (769, 2), (257, 2)]),
        ..Changer::default()
    }
}

impl Changer {
    fn serve(&mut self, execute: &Execute) -> Completed {
        if self.unit_attentions > 0 {
            self.unit_attentions -= 1;
            return check(
                SenseKey::UNIT_ATTENTION,
                AdditionalSenseCode::POWER_ON_OR_RESET,
            );
        }
        if self.busy > 0 {
            self.busy -= 1;
            return completed(Status::BUSY, Vec::new(), Vec::new());
        }
        match Command::parse(PeripheralDeviceType::MEDIUM_CHANGER, &execute.cdb) {
            Ok(Command::ModeSense(_)) => match self.assignment {
                None => invalid_field(),
                Some(assignment) => {
                    let mut page = vec![0x17, 0, 0, 0, 0x1d, 0x12];
                    for (first, count) in assignment {
                        page.extend(first.to_be_bytes());
                        page.extend(count.to_be_bytes());
                    }
                    page.extend([0, 0]);
                    completed(Status::GOOD, Vec::new(), page)
                }
            },
            Ok(Command::ReadElementStatus(command)) => {
                self.asked.push(command);
                self.report(command)
            }
            other => panic!("{other:?}"),
        }
    }

    fn report(&self, command: ReadElementStatus) -> Completed {
        let element_type = command.element_type.expect("never all types");
        assert!(!(command.volume_tag && command.device_id));
        assert!(command.count <= 1000);
        if self.refuses_volume_tags && command.volume_tag
            || self
                .longest_reply
                .is_some_and(|longest| command.allocation_length > longest)
        {
            return invalid_field();
        }
        let count = match self.is_tgt {
            true => usize::MAX,
            false => command.count.into(),
        };
        let elements: Vec<ElementReport> = self
            .elements
            .iter()
            .filter(|element| {
                element.element_type == element_type && element.address >= command.first
            })
            .take(count)
            .cloned()
            .collect();
        if elements.is_empty() {
            return check(
                SenseKey::ILLEGAL_REQUEST,
                AdditionalSenseCode::INVALID_ELEMENT_ADDRESS,
            );
        }
        let mut data = element_status(&elements, command.volume_tag, command.device_id);
        if self.is_tgt {
            data.truncate(data.len() - 8);
        }
        data.truncate(command.allocation_length as usize);
        completed(Status::GOOD, Vec::new(), data)
    }
}

fn completed(status: Status, sense: Vec<u8>, data: Vec<u8>) -> Completed {
    Completed {
        status: status.0,
        transferred: u32::try_from(data.len()).unwrap(),
        sense: sense.into(),
        data: Bytes::from(data),
        residual: Residual::None,
    }
}

fn check(key: SenseKey, code: AdditionalSenseCode) -> Completed {
    let sense = SenseData::new(key, code).encode().to_vec();
    completed(Status::CHECK_CONDITION, sense, Vec::new())
}

fn invalid_field() -> Completed {
    check(
        SenseKey::ILLEGAL_REQUEST,
        AdditionalSenseCode::INVALID_FIELD_IN_CDB,
    )
}

/// Reads and names the elements of a changer, on a clock that stands still while a task can run.
fn read(changer: Changer, drives: &[KnownDrive]) -> (Inventory, Changer) {
    let changer = Rc::new(RefCell::new(changer));
    let served = Rc::clone(&changer);
    let inventory = crate::transport::block_on_paused(async move {
        let initiator =
            Initiator::served_by(move |execute| Ok(served.borrow_mut().serve(&execute)));
        let second = Duration::from_secs(1);
        let deadlines = AnswerDeadlines {
            answer: second,
            motion: second,
        };
        let unit = Unit::new(initiator, Lun::ZERO, deadlines);
        let mut inventory = Inventory::read(LIBRARY, &unit).await.unwrap();
        inventory.name_drives(&unit, drives).await.unwrap();
        inventory
    });
    (inventory, std::mem::take(&mut changer.borrow_mut()))
}

fn known(device: &str, address: u16) -> KnownDrive {
    KnownDrive {
        device: device.to_owned(),
        serial: format!("SERIAL{device}"),
        place: Some((LIBRARY.to_owned(), address)),
    }
}

fn inventory() -> Inventory {
    read(small(), &[known("TAP01", 257), known("TAP02", 258)]).0
}

fn addresses(inventory: &Inventory) -> Vec<u16> {
    inventory
        .elements
        .iter()
        .map(|element| element.address)
        .collect()
}

fn way(movement: &Movement) -> (&str, u16, u16) {
    (&movement.volume, movement.source, movement.destination)
}

#[test]
fn drives_come_first_and_every_element_is_described() {
    let inventory = inventory();
    assert_eq!(
        addresses(&inventory),
        [257, 258, 769, 770, 1025, 1026, 1027, 1028, 1]
    );
    let drive = &inventory.elements[0];
    assert_eq!(drive.device.as_deref(), Some("TAP01"));
    assert_eq!(drive.volume.as_deref(), Some("AB0001L8"));
    assert_eq!(drive.source, Some(1025));
    assert!(drive.full && drive.accessible);
    let without_barcode = inventory.element(1028).unwrap();
    assert!(without_barcode.full && without_barcode.volume.is_none());
    assert_eq!(without_barcode.volume_name(), "1028");
}

#[test]
fn every_way_to_answer_comes_to_the_same_elements() {
    let expected = addresses(&inventory());
    for changer in [
        Changer {
            assignment: None,
            ..small()
        },
        Changer {
            is_tgt: true,
            ..small()
        },
        Changer {
            unit_attentions: 3,
            busy: 5,
            ..small()
        },
    ] {
        let (inventory, _) = read(changer, &[]);
        assert_eq!(addresses(&inventory), expected);
        assert_eq!(inventory.elements[0].volume.as_deref(), Some("AB0001L8"));
    }
    let refusing = Changer {
        refuses_volume_tags: true,
        ..small()
    };
    let (inventory, _) = read(refusing, &[]);
    assert_eq!(addresses(&inventory), expected);
    assert!(inventory.elements[0].full && inventory.elements[0].volume.is_none());
}

#[test]
fn thousands_of_slots_are_asked_for_a_thousand_at_a_time() {
    let many = || Changer {
        elements: (0..3000)
            .map(|index| {
                element(
                    ElementType::Storage,
                    1000 + index,
                    Some(&format!("V{index:05}L8")),
                )
            })
            .collect(),
        assignment: Some([(1, 0), (1000, 3000), (769, 0), (257, 0)]),
        ..Changer::default()
    };
    let limited = Changer {
        longest_reply: Some(65_535),
        is_tgt: true,
        ..many()
    };
    for changer in [
        many(),
        Changer {
            is_tgt: true,
            ..many()
        },
        limited,
        Changer {
            assignment: None,
            ..many()
        },
    ] {
        let (inventory, changer) = read(changer, &[]);
        assert_eq!(inventory.elements.len(), 3000);
        let last = inventory.elements.last().unwrap();
        assert_eq!(
            (last.address, last.volume.as_deref()),
            (3999, Some("V02999L8"))
        );
        // Every piece is whole: none lost its tag at a cut.
        assert!(
            inventory
                .elements
                .iter()
                .all(|element| element.volume.is_some())
        );
        assert!(
            changer
                .asked
                .iter()
                .all(|command| command.element_type.is_some())
        );
    }
}

#[test]
fn a_drive_that_is_on_another_target_is_known_by_its_serial_number() {
    let mut changer = small();
    for (index, identifier) in [(1, "0008A1233"), (2, "0008A1234")] {
        changer.elements[index].identifier = Some(Designator {
            code_set: CodeSet::ASCII,
            association: 0,
            designator_type: DesignatorType::T10_VENDOR_ID,
            bytes: format!("IBM     ULT3580-TD8     {identifier}").into_bytes(),
        });
    }
    let elsewhere = KnownDrive {
        device: "TAP09".to_owned(),
        serial: "0008A1234".to_owned(),
        place: None,
    };
    let (inventory, _) = read(changer, &[known("TAP01", 257), elsewhere]);
    let names: Vec<_> = inventory
        .of_type(ElementType::DataTransfer)
        .map(|drive| drive.device.as_deref())
        .collect();
    assert_eq!(names, [Some("TAP01"), Some("TAP09")]);
}

#[test]
fn a_volume_goes_by_its_barcode_or_its_first_six_characters() {
    let inventory = inventory();
    let find = |typed: &str| inventory.find_volume(typed).map(|element| element.address);
    assert_eq!(find("AB0001L8").unwrap(), 257);
    assert_eq!(find("ab0001").unwrap(), 257);
    assert_eq!(find("ab0003l7").unwrap(), 1027);
    assert_eq!(find("1028").unwrap(), 1028);
    let ambiguous = find("AB0003").unwrap_err();
    let LibraryFailure::AmbiguousVolume { found, .. } = ambiguous else {
        panic!("{ambiguous:?}");
    };
    assert_eq!(
        found,
        [("AB0003L8".to_owned(), 1026), ("AB0003L7".to_owned(), 1027)]
    );
    // A beginning of another length, an empty element, one whose cartridge has a barcode, and nothing.
    for typed in ["AB0001L", "AB000", "1025", "1026", "", "9999"] {
        assert!(
            matches!(find(typed), Err(LibraryFailure::NoVolume { .. })),
            "{typed}"
        );
    }
}

#[test]
fn a_whole_barcode_wins_over_a_beginning() {
    let mut changer = small();
    changer.elements[8].volume = Some("AB0003".to_owned());
    let (inventory, _) = read(changer, &[]);
    assert_eq!(inventory.find_volume("ab0003").unwrap().address, 1028);
}

#[test]
fn a_mount_takes_a_free_drive_or_the_one_that_is_named() {
    let inventory = inventory();
    let mount = |volume: &str, drive: Option<&str>| inventory.plan_mount(volume, drive);
    let planned = mount("AB0002", None).unwrap();
    assert_eq!(way(&planned), ("AB0002L8", 769, 258));
    assert_eq!(planned.destination_drive.as_deref(), Some("TAP02"));
    assert_eq!(
        way(&mount("AB0002", Some("tap02")).unwrap()),
        ("AB0002L8", 769, 258)
    );
    let mounted = mount("AB0001", Some("TAP01")).unwrap();
    assert!(mounted.is_in_place() && mounted.source_drive.as_deref() == Some("TAP01"));
    assert!(matches!(
        mount("AB0002", Some("TAP01")),
        Err(LibraryFailure::DriveFull { .. })
    ));
    assert!(matches!(
        mount("AB0001", Some("TAP02")),
        Err(LibraryFailure::InAnotherDrive { .. })
    ));
    assert!(matches!(
        mount("AB0002", Some("TAP07")),
        Err(LibraryFailure::NotItsDrive { .. })
    ));
    let mut full = inventory.clone();
    full.take_move(1026, 258);
    assert!(matches!(
        full.plan_mount("AB0002", None),
        Err(LibraryFailure::NoneFree { .. })
    ));
}

#[test]
fn a_drive_that_the_partition_has_is_taken_before_one_that_it_has_not() {
    let mut changer = small();
    changer.elements.remove(1);
    changer
        .elements
        .insert(1, element(ElementType::DataTransfer, 257, None));
    let (inventory, _) = read(changer, &[known("TAP02", 258)]);
    assert_eq!(
        inventory.plan_mount("AB0002", None).unwrap().destination,
        258
    );
}

#[test]
fn an_unmount_goes_where_the_cartridge_came_from_or_to_the_first_free_slot() {
    let inventory = inventory();
    let volume = |name: &str| Mounted::Volume(name.to_owned());
    let drive = |name: &str| Mounted::Drive(name.to_owned());
    let planned = inventory.plan_unmount(&volume("AB0001")).unwrap();
    assert_eq!(way(&planned), ("AB0001L8", 257, 1025));
    assert_eq!(
        way(&inventory.plan_unmount(&drive("tap01")).unwrap()),
        ("AB0001L8", 257, 1025)
    );
    assert!(
        inventory
            .plan_unmount(&volume("AB0002"))
            .unwrap()
            .is_in_place()
    );
    assert!(matches!(
        inventory.plan_unmount(&drive("TAP02")),
        Err(LibraryFailure::DriveEmpty { .. })
    ));
    let mut occupied = inventory.clone();
    occupied.take_move(1026, 1025);
    assert_eq!(
        occupied
            .plan_unmount(&volume("AB0001"))
            .unwrap()
            .destination,
        1026
    );
    occupied.take_move(769, 1026);
    assert!(matches!(
        occupied.plan_unmount(&volume("AB0001")),
        Err(LibraryFailure::NoneFree { .. })
    ));
}

#[test]
fn a_move_names_its_cartridge_by_volume_or_address() {
    let inventory = inventory();
    let plan = |from: &str, to: &str| inventory.plan_move(from, to);
    assert_eq!(
        way(&plan("AB0003L8", "1025").unwrap()),
        ("AB0003L8", 1026, 1025)
    );
    assert_eq!(
        way(&plan("1026", "0x401").unwrap()),
        ("AB0003L8", 1026, 1025)
    );
    assert!(plan("1026", "1026").unwrap().is_in_place());
    assert!(matches!(
        plan("1025", "770"),
        Err(LibraryFailure::ElementEmpty { address: 1025, .. })
    ));
    assert!(matches!(
        plan("1026", "1027"),
        Err(LibraryFailure::ElementFull { address: 1027, .. })
    ));
    for to in ["1", "9999", "AB0003L8", "", "+1025"] {
        assert!(
            matches!(plan("1026", to), Err(LibraryFailure::NoElement { .. })),
            "{to}"
        );
    }
    assert!(matches!(
        plan("AB0009", "1025"),
        Err(LibraryFailure::NoVolume { .. })
    ));
    assert!(matches!(
        plan("AB0003", "1025"),
        Err(LibraryFailure::AmbiguousVolume { .. })
    ));
    assert_eq!(parse_address("0X0401"), Some(0x401));
    assert_eq!(parse_address("65536"), None);
}

#[test]
fn exports_and_imports_take_the_first_free_element() {
    let mut inventory = inventory();
    assert_eq!(
        way(&inventory.plan_export("AB0003L8").unwrap()),
        ("AB0003L8", 1026, 770)
    );
    assert!(inventory.plan_export("AB0002").unwrap().is_in_place());
    assert_eq!(
        way(&inventory.plan_import("AB0002").unwrap()),
        ("AB0002L8", 769, 1025)
    );
    assert!(inventory.plan_import("AB0003L8").unwrap().is_in_place());
    let next = inventory.plan_next_import().unwrap().unwrap();
    inventory.take_move(next.source, next.destination);
    assert_eq!(
        inventory.element(1025).unwrap().volume.as_deref(),
        Some("AB0002L8")
    );
    assert_eq!(inventory.plan_next_import().unwrap(), None);
    inventory.take_move(1026, 769);
    inventory.take_move(1027, 770);
    assert!(matches!(
        inventory.plan_export("1028"),
        Err(LibraryFailure::NoneFree { .. })
    ));
}
