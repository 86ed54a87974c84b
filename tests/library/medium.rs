use iscsiswiconfig::scsi::command::{PositionForm, ReadAttribute, WriteAttribute};
use iscsiswiconfig::scsi::data::attribute::{self, Attribute, AttributeFormat};
use iscsiswiconfig::scsi::data::log::{self, LogPage};
use iscsiswiconfig::scsi::data::position::Position;
use iscsiswiconfig::scsi::{Command, FieldPointer};
use iscsiswiconfig::vtl::LibraryFaults;
use iscsiswiconfig::vtl::fault::BlockFault;

use super::*;

fn log_page(desk: &mut Desk, code: u8) -> LogPage {
    let data = desk
        .send(DRIVE, &[0x4d, 0, 0x40 | code, 0, 0, 0, 0, 0xff, 0xff])
        .data();
    LogPage::decode(code, &data).unwrap()
}

fn attributes(desk: &mut Desk, lun: u16) -> Vec<Attribute> {
    let command = Command::ReadAttribute(ReadAttribute::values(0, 4096));
    let data = desk.send(lun, command.cdb().as_bytes()).data();
    attribute::decode(&data).unwrap()
}

fn value(attributes: &[Attribute], identifier: u16) -> Vec<u8> {
    attributes
        .iter()
        .find(|attribute| attribute.identifier == identifier)
        .unwrap()
        .value
        .clone()
}

fn write_attributes(desk: &mut Desk, list: &[Attribute]) -> Answer {
    let list = attribute::encode(list);
    let command = Command::WriteAttribute(WriteAttribute {
        write_through: true,
        element_address: 0,
        logical_volume: 0,
        partition: 0,
        parameter_list_length: list.len() as u32,
    });
    desk.send_with(DRIVE, command.cdb().as_bytes(), &list)
}

fn host_text(identifier: u16, text: &str, length: usize) -> Attribute {
    Attribute {
        read_only: false,
        ..Attribute::ascii(identifier, text, length)
    }
}

/// What `mt tell` and `mt seek` of Linux's st driver send.
#[test]
fn a_device_specific_address_leads_back_to_its_block() {
    let mut desk = Desk::new();
    desk.load();
    for block in [b"A", b"B", b"C"] {
        desk.write(block).good();
    }
    desk.send(DRIVE, &[0x2b, 4, 0, 0, 0, 0, 1]).good();
    let told = desk.send(DRIVE, &[0x34, 1]).data();
    let position = Position::decode(PositionForm::ShortDeviceSpecific, &told).unwrap();
    assert_eq!((told.len(), position.object), (20, Some(1)));
    assert_eq!(&desk.read(1).data()[..], b"B");
    desk.send(DRIVE, &[0x2b, 4, 0, 0, 0, 0, 9])
        .is(8, 0x00, 0x05);
    assert_eq!(desk.position().0, 3);
}

#[test]
fn the_error_counters_and_the_volume_statistics_count_bytes_and_errors() {
    let mut desk = Desk::new();
    desk.load();
    desk.write(&[1; 3_000_000]).good();
    desk.rewind();
    desk.read(3_000_000).good();
    let place = |object| BlockFault {
        volume: volume("VOL001L8"),
        object,
    };
    desk.library.set_faults(LibraryFaults {
        unreadable: vec![place(0)],
        unwritable: vec![place(1)],
        ..LibraryFaults::default()
    });
    desk.write(b"x").is(3, 0x0c, 0x00);
    desk.rewind();
    desk.read(1).is(3, 0x11, 0x00);
    let counters = |page: &LogPage| (page.number(5), page.number(6));
    let written = log_page(&mut desk, log::WRITE_ERROR_COUNTERS);
    assert_eq!(counters(&written), (Some(3_000_000), Some(1)));
    let read = log_page(&mut desk, log::READ_ERROR_COUNTERS);
    assert_eq!(counters(&read), (Some(3_000_000), Some(1)));
    let volume = log_page(&mut desk, log::VOLUME_STATISTICS);
    let numbers: Vec<_> = [0, 1, 4, 9, 0xe, 0xf, 0x10, 0x16, 0x17]
        .map(|code| volume.number(code).unwrap())
        .to_vec();
    assert_eq!(numbers, [1, 1, 1, 1, 3, 3, 3, 1073, 3]);
    // The next load counts its own; the life of the cartridge goes on.
    desk.move_medium(257, 258).good();
    desk.send(2, &[0]).is(6, 0x28, 0x00);
    let data = desk
        .send(2, &[0x4d, 0, 0x57, 0, 0, 0, 0, 0xff, 0xff])
        .data();
    let volume = LogPage::decode(log::VOLUME_STATISTICS, &data).unwrap();
    let numbers = [1, 0xc, 0xe, 0x10].map(|code| volume.number(code));
    assert_eq!(numbers, [Some(2), Some(0), Some(0), Some(3)]);
    let empty = log_page(&mut desk, log::VOLUME_STATISTICS);
    assert_eq!((empty.number(0), empty.number(1)), (Some(0), None));
}

#[test]
fn the_device_status_follows_the_cartridge() {
    let mut desk = Desk::with(|wish| wish.write_protected = vec![volume("VOL001L8")]);
    let status = |desk: &mut Desk| {
        log_page(desk, log::DEVICE_STATUS).parameters[0]
            .value
            .clone()
    };
    assert_eq!(status(&mut desk), [0x01, 0x20, 0, 0]);
    desk.load();
    assert_eq!(status(&mut desk), [0x69, 0x17, 0, 0]);
    desk.write(b"x").is(7, 0x27, 0x00);
    assert_eq!(status(&mut desk)[3], 1, "a TapeAlert flag has changed");
    desk.send(DRIVE, &[0x1b]).good();
    assert_eq!(status(&mut desk)[..2], [0x49, 0x30]);
}

#[test]
fn tape_alert_flags_are_raised_by_failures_and_cleared_by_reading_them() {
    let mut desk = Desk::new();
    desk.load();
    desk.write(b"kept").good();
    let raised = |desk: &mut Desk| -> Vec<u16> {
        log_page(desk, log::TAPE_ALERT)
            .parameters
            .iter()
            .filter(|flag| flag.number() == 1)
            .map(|flag| flag.code)
            .collect()
    };
    assert!(raised(&mut desk).is_empty());
    desk.library.set_faults(LibraryFaults {
        unreadable: vec![BlockFault {
            volume: volume("VOL001L8"),
            object: 0,
        }],
        ..LibraryFaults::default()
    });
    desk.rewind();
    desk.read(4).is(3, 0x11, 0x00);
    assert_eq!(raised(&mut desk), [3, 5]);
    assert!(raised(&mut desk).is_empty());
    desk.read(4).is(3, 0x11, 0x00);
    desk.move_medium(257, 1025).good();
    desk.move_medium(1026, 257).good();
    desk.drain(ONE);
    assert!(
        raised(&mut desk).is_empty(),
        "another cartridge, no flag of the old one"
    );
}

#[test]
fn the_capacity_that_is_left_is_right_at_early_warning() {
    let mut desk = Desk::with(|wish| wish.cartridge_size = 64 << 20);
    desk.load();
    let block = vec![9; 1 << 20];
    let mut written = 0u64;
    while desk.write(&block).sense().is_none() {
        written += 1;
    }
    // The block that meets early warning is on the tape.
    written += 1;
    let used = written * ((1 << 20) + 64);
    let left = ((64 << 20) - used) >> 20;
    assert!(used > (60 << 20) && left < 4, "{written}");
    let capacity = log_page(&mut desk, log::TAPE_CAPACITY);
    assert_eq!(capacity.number(1), Some(left));
    assert_eq!(capacity.number(3), Some(64));
    let remaining = value(&attributes(&mut desk, DRIVE), 0x0000);
    assert_eq!(remaining, left.to_be_bytes());
    desk.rewind();
    desk.send(DRIVE, &[0x19]).good();
    let capacity = log_page(&mut desk, log::TAPE_CAPACITY);
    assert_eq!(capacity.number(1), Some(64));
}

#[test]
fn the_medium_partition_page_has_the_size_of_the_partition() {
    let page = |size: u64| {
        let mut desk = Desk::with(|wish| wish.cartridge_size = size);
        desk.send(DRIVE, &[0x1a, 8, 0x11, 0, 255]).data()[4..].to_vec()
    };
    // 1 GiB is 10737 times 10^5 bytes; 12 TB are 12000 times 10^9.
    assert_eq!(page(1 << 30), [0x91, 8, 0, 0, 0x18, 3, 5, 0, 0x29, 0xf1]);
    assert_eq!(
        page(12_000_000_000_000),
        [0x91, 8, 0, 0, 0x18, 3, 9, 0, 0x2e, 0xe0]
    );
    assert_eq!(page(60_000)[6..], [0, 0, 0xea, 0x60]);
}

#[test]
fn a_cartridge_remembers_its_serial_number_its_loads_and_its_drives() {
    let mut desk = Desk::new();
    let values = ReadAttribute::values(0, 4096);
    let cdb = Command::ReadAttribute(values).cdb();
    desk.send(DRIVE, cdb.as_bytes()).is(2, 0x3a, 0x00);
    desk.send(CHANGER, cdb.as_bytes()).is(5, 0x20, 0x00);
    desk.load();
    desk.write(&[1; 2 << 20]).good();
    let first = attributes(&mut desk, DRIVE);
    assert!(
        first
            .windows(2)
            .all(|pair| pair[0].identifier < pair[1].identifier)
    );
    assert_eq!(value(&first, 0x0003), 1u64.to_be_bytes());
    assert_eq!(&value(&first, 0x0401)[..10], b"VVOL001L8 ");
    assert_eq!(value(&first, 0x0402), 960u32.to_be_bytes());
    assert_eq!(&value(&first, 0x020a)[..18], b"IBM     8A12340001");
    assert_eq!(value(&first, 0x0220), 2u64.to_be_bytes());
    desk.move_medium(257, 258).good();
    desk.send(2, &[0]).is(6, 0x28, 0x00);
    let second = attributes(&mut desk, 2);
    assert_eq!(value(&second, 0x0003), 2u64.to_be_bytes());
    assert_eq!(value(&second, 0x0401), value(&first, 0x0401));
    assert_eq!(&value(&second, 0x020a)[..18], b"IBM     8A12340002");
    assert_eq!(&value(&second, 0x020b)[..18], b"IBM     8A12340001");
    assert_eq!(value(&second, 0x0220), 2u64.to_be_bytes());
    assert_eq!(value(&second, 0x0222), 0u64.to_be_bytes());
}

#[test]
fn host_attributes_are_written_read_and_deleted() {
    let mut desk = Desk::new();
    desk.load();
    let written = [
        host_text(0x0800, "ACME", 8),
        host_text(0x0806, "VOL001L8", 32),
    ];
    write_attributes(&mut desk, &written).good();
    let all = attributes(&mut desk, DRIVE);
    assert_eq!(all[all.len() - 2..], written);
    let free = |desk: &mut Desk| value(&attributes(desk, DRIVE), 0x0004)[6..].to_vec();
    assert_eq!(free(&mut desk), 974u16.to_be_bytes());
    // It stays with the cartridge.
    desk.move_medium(257, 1025).good();
    desk.load();
    assert!(attributes(&mut desk, DRIVE).contains(&written[1]));
    // All or nothing; the field at fault is pointed at.
    let refused = [
        host_text(0x0801, "BACKUP", 32),
        Attribute::number(0x0401, [1]),
    ];
    let sense = write_attributes(&mut desk, &refused).is(5, 0x26, 0x00);
    assert_eq!(
        sense.field_pointer,
        Some(FieldPointer::in_parameters(4 + 37))
    );
    assert!(!attributes(&mut desk, DRIVE).contains(&refused[0]));
    write_attributes(&mut desk, &[host_text(0x0800, "too long", 9)]).is(5, 0x26, 0x00);
    let deleted = Attribute {
        value: Vec::new(),
        ..written[0].clone()
    };
    write_attributes(&mut desk, &[deleted]).good();
    assert!(!attributes(&mut desk, DRIVE).contains(&written[0]));
    let text = Attribute {
        format: AttributeFormat::Text,
        ..host_text(0x0803, "", 160)
    };
    write_attributes(&mut desk, &[text]).good();
    desk.send_with(
        DRIVE,
        &[0x8d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        &[0; 8],
    )
    .is(5, 0x1a, 0x00);
}

#[test]
fn attributes_are_listed_and_begin_where_they_are_asked_for() {
    let mut desk = Desk::new();
    desk.load();
    let ask = |desk: &mut Desk, action: u8, first: u16| {
        let [high, low] = first.to_be_bytes();
        desk.send(
            DRIVE,
            &[0x8c, action, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 4, 0],
        )
    };
    let list = ask(&mut desk, 1, 0x0400).data();
    assert_eq!(list[..6], [0, 0, 0, 16, 4, 0]);
    let supported = ask(&mut desk, 5, 0x0800).data();
    assert_eq!(supported[..6], [0, 0, 0, 20, 8, 0]);
    let values = attribute::decode(&ask(&mut desk, 0, 0x0402).data()).unwrap();
    assert_eq!(values[0].identifier, 0x0402);
    let sense = ask(&mut desk, 0, 0x0900).is(5, 0x24, 0x00);
    assert_eq!(sense.field_pointer, Some(FieldPointer::in_cdb(8, Some(7))));
    assert_eq!(ask(&mut desk, 3, 0).data()[..], [0, 2, 0, 1]);
    let partition = [0x8c, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0];
    desk.send(DRIVE, &partition).is(5, 0x24, 0x00);
}
