use iscsiswiconfig::scsi::FieldPointer;
use iscsiswiconfig::scsi::data::element_status::{ElementStatus, ElementType};

use super::*;

fn status_cdb(element_type: u8, first: u16, count: u16, allocation: u32) -> [u8; 12] {
    let ([a, b], [c, d]) = (first.to_be_bytes(), count.to_be_bytes());
    let [_, e, f, g] = allocation.to_be_bytes();
    [0xb8, 0x10 | element_type, a, b, c, d, 2, e, f, g, 0, 0]
}

/// Which barcode is at which address, empty elements left out.
fn volumes(desk: &mut Desk) -> Vec<(u16, String)> {
    let data = desk
        .send(CHANGER, &status_cdb(0, 0, 0xffff, 0xff_ffff))
        .data();
    let status = ElementStatus::decode(&data).unwrap();
    assert!(!status.cut_short);
    status
        .pages
        .iter()
        .flat_map(|page| page.descriptors())
        .filter(|element| element.full)
        .map(|element| {
            let tag = element.primary_volume_tag.unwrap().identification;
            let text = String::from_utf8(tag.to_vec()).unwrap();
            (element.address, text.trim().to_owned())
        })
        .collect()
}

#[test]
fn elements_have_the_addresses_of_a_3584() {
    let mut desk = Desk::new();
    let data = desk
        .send(CHANGER, &status_cdb(0, 0, 0xffff, 0xff_ffff))
        .data();
    let status = ElementStatus::decode(&data).unwrap();
    assert_eq!(status.number_of_elements, 1 + 2 + 4 + 20);
    let ranges = [
        (ElementType::MediumTransport, 1, 1),
        (ElementType::DataTransfer, 257, 2),
        (ElementType::ImportExport, 769, 4),
        (ElementType::Storage, 1025, 20),
    ];
    for (element_type, first, count) in ranges {
        let addresses: Vec<u16> = status
            .descriptors(element_type)
            .map(|element| element.address)
            .collect();
        let expected: Vec<u16> = (first..first + count).collect();
        assert_eq!(addresses, expected, "{element_type}");
    }
}

#[test]
fn element_status_can_be_asked_in_parts() {
    let mut desk = Desk::new();
    let data = desk.send(CHANGER, &status_cdb(2, 1030, 3, 0xffff)).data();
    let status = ElementStatus::decode(&data).unwrap();
    assert_eq!(status.first_element_address, 1030);
    assert_eq!(status.number_of_elements, 3);
    let header = desk.send(CHANGER, &status_cdb(2, 0, 0xffff, 8)).data();
    let status = ElementStatus::decode(&header).unwrap();
    assert_eq!((header.len(), status.number_of_elements), (8, 20));
    assert_eq!(status.needed_length(), 16 + 20 * 52);
    let none = desk.send(CHANGER, &status_cdb(3, 1000, 1, 0xffff)).data();
    assert_eq!(none[..], [0; 8]);
    desk.send(CHANGER, &status_cdb(5, 0, 1, 8))
        .is(5, 0x24, 0x00);
}

/// As a 3584 has it.
#[test]
fn volume_tags_and_drive_identifiers_are_asked_for_apart() {
    let mut desk = Desk::new();
    let both = [0xb8, 0x14, 0, 0, 0xff, 0xff, 1, 0, 0xff, 0xff, 0, 0];
    let sense = desk.send(CHANGER, &both).is(5, 0x24, 0x00);
    assert_eq!(sense.field_pointer, Some(FieldPointer::in_cdb(6, Some(0))));
    let identifiers = [0xb8, 0x04, 0, 0, 0xff, 0xff, 1, 0, 0xff, 0xff, 0, 0];
    let data = desk.send(CHANGER, &identifiers).data();
    let status = ElementStatus::decode(&data).unwrap();
    let drive = status
        .descriptors(ElementType::DataTransfer)
        .next()
        .unwrap();
    assert_eq!(drive.primary_volume_tag, None);
    assert_eq!(
        drive.device_identifier.unwrap().bytes,
        b"IBM     ULT3580-TD8     8A12340001"
    );
}

#[test]
fn a_cartridge_remembers_where_it_came_from() {
    let mut desk = Desk::new();
    desk.move_medium(1027, 258).good();
    let data = desk.send(CHANGER, &status_cdb(4, 0, 0xffff, 0xffff)).data();
    let status = ElementStatus::decode(&data).unwrap();
    let drives: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
    assert_eq!((drives[0].full, drives[0].source), (false, None));
    assert_eq!((drives[1].full, drives[1].source), (true, Some(1027)));
    desk.move_medium(258, 770).good();
    let found = volumes(&mut desk);
    assert!(found.contains(&(770, "VOL003L8".to_owned())), "{found:?}");
}

#[test]
fn moves_that_cannot_be_are_refused_with_their_reason() {
    let mut desk = Desk::new();
    desk.move_medium(1025, 1026).is(5, 0x3b, 0x0d);
    // Full, but not in the way: nothing has to move.
    desk.move_medium(1025, 1025).good();
    desk.move_medium(1040, 257).is(5, 0x3b, 0x0e);
    desk.move_medium(257, 1040).is(5, 0x3b, 0x0e);
    desk.move_medium(1, 1040).is(5, 0x3b, 0x0e);
    for (from, to) in [(1025, 1), (1025, 0), (1025, 1065), (2, 257), (1025, 259)] {
        desk.move_medium(from, to).is(5, 0x21, 0x01);
    }
    let transport = [0xa5, 0, 0, 2, 4, 1, 1, 1, 0, 0, 0, 0];
    desk.send(CHANGER, &transport).is(5, 0x21, 0x01);
    let inverted = [0xa5, 0, 0, 1, 4, 1, 1, 1, 0, 0, 1, 0];
    desk.send(CHANGER, &inverted).is(5, 0x24, 0x00);
    assert_eq!(volumes(&mut desk).len(), 10);
    let default_transport = [0xa5, 0, 0, 0, 4, 1, 1, 1, 0, 0, 0, 0];
    desk.send(CHANGER, &default_transport).good();
    desk.move_medium(1026, 257).is(5, 0x3b, 0x0d);
}

#[test]
fn a_loaded_cartridge_is_unloaded_by_its_move() {
    let mut desk = Desk::new();
    desk.load();
    desk.write(b"kept").good();
    desk.move_medium(257, 1040).good();
    desk.send(DRIVE, &[0]).is(2, 0x3a, 0x00);
    desk.move_medium(1040, 258).good();
    desk.send(2, &[0]).is(6, 0x28, 0x00);
    assert_eq!(&desk.send(2, &[8, 0, 0, 0, 4]).data()[..], b"kept");
}

#[test]
fn exchange_moves_two_cartridges() {
    let mut desk = Desk::new();
    desk.move_medium(1025, 257).good();
    let exchange = |from: u16, first: u16, second: u16| {
        let ([a, b], [c, d], [e, f]) = (
            from.to_be_bytes(),
            first.to_be_bytes(),
            second.to_be_bytes(),
        );
        [0xa6, 0, 0, 1, a, b, c, d, e, f, 0, 0]
    };
    desk.send(CHANGER, &exchange(1026, 257, 1025)).good();
    let found = volumes(&mut desk);
    assert_eq!(found[0], (257, "VOL002L8".to_owned()));
    assert_eq!(found[1], (1025, "VOL001L8".to_owned()));
    // Back again, each to the other's place.
    desk.send(CHANGER, &exchange(1025, 257, 1025)).good();
    let found = volumes(&mut desk);
    assert_eq!(found[0], (257, "VOL001L8".to_owned()));
    assert_eq!(found[1], (1025, "VOL002L8".to_owned()));
    desk.send(CHANGER, &exchange(1040, 257, 1041))
        .is(5, 0x3b, 0x0e);
    desk.send(CHANGER, &exchange(1027, 258, 1041))
        .is(5, 0x3b, 0x0e);
    desk.send(CHANGER, &exchange(1027, 257, 1028))
        .is(5, 0x3b, 0x0d);
    desk.send(CHANGER, &exchange(1027, 257, 1))
        .is(5, 0x21, 0x01);
    desk.send(DRIVE, &[0]).is(6, 0x28, 0x00);
    desk.send(DRIVE, &[0x1e, 0, 0, 0, 1]).good();
    desk.send(CHANGER, &exchange(1027, 257, 1041))
        .is(5, 0x53, 0x02);
    assert_eq!(volumes(&mut desk), found, "nothing has moved");
}

#[test]
fn an_exchange_with_a_cartridge_that_does_not_fit_moves_nothing() {
    let mut desk = Desk::with(|wish| wish.cartridges.push(volume("OLD001L3")));
    desk.move_medium(1025, 257).good();
    let before = volumes(&mut desk);
    let exchange = [0xa6, 0, 0, 1, 4, 11, 1, 1, 4, 11, 0, 0];
    desk.send(CHANGER, &exchange).is(5, 0x30, 0x00);
    assert_eq!(volumes(&mut desk), before);
    desk.drain(ONE);
    desk.send(DRIVE, &[0]).good();
}

#[test]
fn the_picker_goes_to_elements_and_looks_at_them() {
    let mut desk = Desk::new();
    desk.send(CHANGER, &[0x2b, 0, 0, 1, 4, 1]).good();
    desk.send(CHANGER, &[0x2b, 0, 0, 1, 9, 9, 9])
        .is(5, 0x24, 0x00);
    desk.send(CHANGER, &[0x2b, 0, 0, 1, 9, 9]).is(5, 0x21, 0x01);
    desk.send(CHANGER, &[0x07]).good();
    desk.send(CHANGER, &[0x37, 1, 4, 1, 0, 0, 0, 9]).good();
    desk.send(CHANGER, &[0xe7, 0x81, 4, 1, 0, 0, 0, 9]).good();
    let sense = desk.send(CHANGER, &[0xe7, 3]).is(5, 0x24, 0x00);
    assert_eq!(sense.field_pointer, Some(FieldPointer::in_cdb(1, Some(1))));
}
