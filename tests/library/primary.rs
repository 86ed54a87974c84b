use iscsiswiconfig::vtl::LibraryFaults;

use super::*;

#[test]
fn a_logical_unit_that_is_not_there_says_so() {
    let mut desk = Desk::new();
    assert_eq!(desk.send(3, &[0x12, 0, 0, 0, 36]).data()[0], 0x7f);
    desk.send(3, &[0x00]).is(5, 0x25, 0x00);
    let sense = desk.send(3, &[0x03, 0, 0, 0, 18]).data();
    assert_eq!((sense[2], sense[12]), (5, 0x25));
    let luns = desk.send(3, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0]).data();
    assert_eq!(luns.len(), 8 + 3 * 8);
    desk.send(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15])
        .is(5, 0x24, 0x00);
    desk.send(0, &[0xa0, 0, 9, 0, 0, 0, 0, 0, 0, 16])
        .is(5, 0x24, 0x00);
}

#[test]
fn vital_product_data_that_is_not_there_is_refused() {
    let mut desk = Desk::new();
    let page = |desk: &mut Desk, lun, page| desk.send(lun, &[0x12, 1, page, 0, 255]);
    assert_eq!(
        page(&mut desk, CHANGER, 0).data()[..],
        [8, 0, 0, 4, 0, 0x80, 0x83, 0xd0]
    );
    assert_eq!(
        page(&mut desk, DRIVE, 0).data()[..],
        [1, 0, 0, 3, 0, 0x80, 0x83]
    );
    assert_eq!(&page(&mut desk, DRIVE, 0x80).data()[4..], b"8A12340001");
    page(&mut desk, DRIVE, 0xd0).is(5, 0x24, 0x00);
    page(&mut desk, DRIVE, 0xc0).is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x12, 0, 0x80, 0, 255]).is(5, 0x24, 0x00);
    assert_eq!(desk.send(DRIVE, &[0x12, 0, 0, 0, 5]).data().len(), 5);
}

#[test]
fn every_initiator_hears_of_the_power_on_once_at_each_logical_unit() {
    let mut desk = Desk::new();
    let port = InitiatorPort {
        name: "iqn.2026-01.lab:two".parse().unwrap(),
        isid: [0; 6],
    };
    desk.library.nexus_added(TWO, port);
    desk.by(TWO, DRIVE, &[0x12, 0, 0, 0, 36]).good();
    let sense = desk.by(TWO, DRIVE, &[0x03, 0, 0, 0, 18]).data();
    assert_eq!((sense[2], sense[12]), (6, 0x29));
    let sense = desk.by(TWO, DRIVE, &[0x03, 0, 0, 0, 18]).data();
    assert_eq!((sense[2], sense[12]), (0, 0));
    desk.by(TWO, CHANGER, &[0x00]).is(6, 0x29, 0x00);
    desk.by(TWO, CHANGER, &[0x00]).good();
    desk.send(CHANGER, &[0x00]).good();
}

#[test]
fn resets_are_told_to_everyone() {
    let mut desk = Desk::new();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    let drive = Lun::from_number(DRIVE).unwrap();
    assert!(desk.library.logical_unit_reset(drive));
    let nowhere = Lun::from_number(9).unwrap();
    assert!(!desk.library.logical_unit_reset(nowhere));
    for nexus in [ONE, TWO] {
        desk.by(nexus, DRIVE, &[0x00]).is(6, 0x29, 0x03);
        desk.by(nexus, CHANGER, &[0x00]).good();
    }
    desk.library.target_reset();
    desk.send(CHANGER, &[0x00]).is(6, 0x29, 0x02);
    desk.library.power_cycle();
    desk.send(CHANGER, &[0x00]).is(6, 0x29, 0x00);
    desk.by(TWO, CHANGER, &[0x00]).is(6, 0x29, 0x00);
}

#[test]
fn what_no_command_defines_is_refused() {
    let mut desk = Desk::new();
    desk.send(CHANGER, &[0x08]).is(5, 0x20, 0x00);
    desk.send(DRIVE, &[0xa5]).is(5, 0x20, 0x00);
    desk.send(DRIVE, &[0x25]).is(5, 0x20, 0x00);
    desk.send(DRIVE, &[0xff]).is(5, 0x20, 0x00);
    desk.send(DRIVE, &[0x5e, 0x1f]).is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x00, 0, 0, 0, 1]).is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x00, 0, 0, 0, 0, 4]).is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x1d, 4]).good();
}

#[test]
fn mode_pages_have_current_changeable_default_and_saved_values() {
    let mut desk = Desk::new();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    let dce = |desk: &mut Desk, control: u8| {
        desk.send(DRIVE, &[0x1a, 8, control << 6 | 0x0f, 0, 255])
            .data()[6]
    };
    let all: Vec<u8> = (0..4).map(|control| dce(&mut desk, control)).collect();
    assert_eq!(all, [0xc0, 0x80, 0xc0, 0xc0]);
    let mut page = desk.send(DRIVE, &[0x1a, 8, 0x0f, 0, 255]).data().to_vec();
    page[6] = 0x40;
    let select = |desk: &mut Desk, save: u8, page: &[u8]| {
        desk.send_with(DRIVE, &[0x15, 0x10 | save, 0, 0, page.len() as u8], page)
    };
    select(&mut desk, 0, &page).good();
    desk.by(TWO, DRIVE, &[0x12, 0, 0, 0, 36]).good();
    desk.by(TWO, DRIVE, &[0x1a, 8, 0x0f, 0, 255])
        .is(6, 0x2a, 0x01);
    let all: Vec<u8> = (0..4).map(|control| dce(&mut desk, control)).collect();
    assert_eq!(all, [0x40, 0x80, 0xc0, 0xc0]);
    select(&mut desk, 1, &page).good();
    desk.library.power_cycle();
    desk.drain(ONE);
    assert_eq!((dce(&mut desk, 0), dce(&mut desk, 3)), (0x40, 0x40));
    page[7] ^= 0x01;
    select(&mut desk, 0, &page).is(5, 0x26, 0x00);
    page.truncate(10);
    select(&mut desk, 0, &page).is(5, 0x1a, 0x00);
    select(&mut desk, 0, &[]).good();
    desk.send_with(DRIVE, &[0x15, 0x10, 0, 0, 9], b"less")
        .is(5, 0x1a, 0x00);
    desk.send_with(DRIVE, &[0x15, 0, 0, 0, 4], &[0; 4])
        .is(5, 0x24, 0x00);
    select(&mut desk, 0, &[0, 0, 0, 0, 0x3e, 0]).is(5, 0x26, 0x00);
    desk.send(DRIVE, &[0x1a, 8, 0x3e, 0, 255]).is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x1a, 8, 0x0f, 1, 255]).is(5, 0x24, 0x00);
}

#[test]
fn mode_sense_10_gives_the_pages_of_mode_sense_6() {
    let mut desk = Desk::new();
    for lun in [CHANGER, DRIVE] {
        let six = desk.send(lun, &[0x1a, 0, 0x3f, 0, 255]).data();
        let ten = desk.send(lun, &[0x5a, 0, 0x3f, 0, 0, 0, 0, 4, 0]).data();
        assert_eq!(six[0] as usize, six.len() - 1);
        assert_eq!(ten[1] as usize, ten.len() - 2);
        assert_eq!((six[1..3].to_vec(), six[3]), (ten[2..4].to_vec(), ten[7]));
        assert_eq!(six[4..], ten[8..]);
    }
    let long = [0, 0, 0, 0x10, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0];
    desk.send_with(DRIVE, &[0x55, 0x10, 0, 0, 0, 0, 0, 0, 16], &long)
        .good();
    let six = desk.send(DRIVE, &[0x1a, 0, 0, 0, 255]).data();
    assert_eq!(six[9..12], [0, 2, 0]);
}

#[test]
fn software_write_protection_is_a_mode_page() {
    let mut desk = Desk::new();
    desk.load();
    let mut page = desk.send(DRIVE, &[0x1a, 8, 0x10, 0, 255]).data().to_vec();
    page[4 + 10] |= 0x04;
    let length = page.len() as u8;
    desk.send_with(DRIVE, &[0x15, 0x10, 0, 0, length], &page)
        .good();
    desk.write(b"x").is(7, 0x27, 0x00);
}

#[test]
fn supported_operation_codes_are_those_that_are_taken() {
    let mut desk = Desk::new();
    for lun in [CHANGER, DRIVE] {
        let all = desk
            .send(lun, &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
            .data();
        let length = u32::from_be_bytes(all[..4].try_into().unwrap()) as usize;
        assert_eq!(all.len(), length + 4);
        assert!(length / 8 > 20);
        for entry in all[4..].chunks(8) {
            let (option, action) = match entry[5] & 1 {
                0 => (1, 0),
                _ => (2, entry[3]),
            };
            let one = desk
                .send(
                    lun,
                    &[0xa3, 0x0c, option, entry[0], 0, action, 0, 0, 0, 255],
                )
                .data();
            assert_eq!(one[1], 3);
            assert_eq!(one[3], entry[7]);
            assert_eq!(one.len(), 4 + usize::from(entry[7]));
            assert_eq!(one[4], entry[0]);
            if option == 2 {
                assert_eq!(one[5] & 0x1f, action);
                desk.send(lun, &[0xa3, 0x0c, 1, entry[0], 0, 0, 0, 0, 0, 255])
                    .is(5, 0x24, 0x00);
            }
        }
        let with_timeouts = desk
            .send(lun, &[0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff])
            .data();
        assert_eq!((with_timeouts.len() - 4) / 20, length / 8);
        let unknown = desk
            .send(lun, &[0xa3, 0x0c, 1, 0xee, 0, 0, 0, 0, 0, 255])
            .data();
        assert_eq!(unknown[..], [0, 1, 0, 0]);
        let functions = desk
            .send(lun, &[0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 255])
            .data();
        assert_eq!(functions[..], [0xda, 0, 0, 0]);
    }
}

#[test]
fn a_reserved_logical_unit_answers_its_holder_only() {
    let mut desk = Desk::new();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    for (reserve, release) in [(0x16, 0x17), (0x56, 0x57)] {
        desk.send(DRIVE, &[reserve]).good();
        desk.send(DRIVE, &[reserve]).good();
        desk.by(TWO, DRIVE, &[reserve]).conflicts();
        desk.by(TWO, DRIVE, &[0x01]).conflicts();
        desk.by(TWO, DRIVE, &[0x1a, 8, 0x0f, 0, 255]).conflicts();
        desk.by(TWO, DRIVE, &[0x5e, 0, 0, 0, 0, 0, 0, 0, 8])
            .conflicts();
        desk.by(TWO, DRIVE, &[0x12, 0, 0, 0, 36]).good();
        desk.by(TWO, DRIVE, &[release]).good();
        desk.by(TWO, CHANGER, &[reserve]).good();
        desk.by(TWO, CHANGER, &[release]).good();
        desk.by(TWO, DRIVE, &[0x01]).conflicts();
        desk.send(DRIVE, &[release]).good();
        desk.by(TWO, DRIVE, &[0x01]).is(2, 0x3a, 0x00);
    }
    desk.send(DRIVE, &[0x16]).good();
    desk.library.nexus_lost(ONE);
    desk.by(TWO, DRIVE, &[0x16]).good();
}

/// PERSISTENT RESERVE OUT.
fn reserve_out(
    desk: &mut Desk,
    nexus: NexusId,
    action: u8,
    kind: u8,
    key: u64,
    action_key: u64,
) -> Answer {
    let mut list = key.to_be_bytes().to_vec();
    list.extend(action_key.to_be_bytes());
    list.resize(24, 0);
    desk.by_with(
        nexus,
        DRIVE,
        &[0x5f, action, kind, 0, 0, 0, 0, 0, 24],
        &list,
    )
}

fn reserve_in(desk: &mut Desk, action: u8) -> Bytes {
    desk.send(DRIVE, &[0x5e, action, 0, 0, 0, 0, 0, 4, 0])
        .data()
}

fn two_registered() -> Desk {
    let mut desk = Desk::new();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    reserve_out(&mut desk, ONE, 0, 0, 0, 0x11).good();
    reserve_out(&mut desk, TWO, 6, 0, 0x99, 0x22).good();
    desk
}

#[test]
fn keys_are_registered_and_read() {
    let mut desk = two_registered();
    reserve_out(&mut desk, ONE, 0, 0, 0x12, 0x13).conflicts();
    reserve_out(&mut desk, ONE, 0, 0, 0x11, 0x13).good();
    let keys = reserve_in(&mut desk, 0);
    assert_eq!(keys[..8], [0, 0, 0, 3, 0, 0, 0, 16]);
    assert_eq!((keys[15], keys[23]), (0x13, 0x22));
    assert_eq!(reserve_in(&mut desk, 2)[..], [0, 8, 0, 0x80, 0xea, 1, 0, 0]);
    let full = reserve_in(&mut desk, 3);
    assert_eq!(full[8 + 7], 0x13);
    assert_eq!(full[8 + 24], 0x45, "TransportID of iSCSI, format 01b");
    let name = &full[8 + 28..8 + 28 + 39];
    assert_eq!(name, b"iqn.2026-01.lab:one,i,0x800000000001\0\0\0");
    // Registrations outlast the session, and the session that comes after it has them.
    desk.library.nexus_lost(ONE);
    desk.log_in(NexusId(9), "iqn.2026-01.lab:one");
    reserve_out(&mut desk, NexusId(9), 1, 3, 0x13, 0).good();
    desk.library.power_cycle();
    desk.by(NexusId(9), DRIVE, &[0]).is(6, 0x29, 0x00);
    assert_eq!(
        desk.by(NexusId(9), DRIVE, &[0x5e, 0, 0, 0, 0, 0, 0, 1, 0])
            .data()[..],
        [0; 8]
    );
}

#[test]
fn an_exclusive_reservation_keeps_others_off() {
    let mut desk = two_registered();
    reserve_out(&mut desk, ONE, 1, 3, 0x11, 0).good();
    reserve_out(&mut desk, ONE, 1, 3, 0x11, 0).good();
    reserve_out(&mut desk, TWO, 1, 3, 0x22, 0).conflicts();
    let held = reserve_in(&mut desk, 1);
    assert_eq!((held[7], held[15], held[21]), (16, 0x11, 3));
    desk.by(TWO, DRIVE, &[0x01]).conflicts();
    desk.by(TWO, DRIVE, &[0x08, 0, 0, 0, 1]).conflicts();
    desk.by(TWO, DRIVE, &[0x00]).is(2, 0x3a, 0x00);
    desk.by(TWO, DRIVE, &[0x16]).conflicts();
    desk.send(DRIVE, &[0x16]).conflicts();
    reserve_out(&mut desk, TWO, 2, 3, 0x22, 0).good();
    reserve_out(&mut desk, ONE, 2, 1, 0x11, 0).is(5, 0x26, 0x04);
    reserve_out(&mut desk, ONE, 2, 3, 0x11, 0).good();
    desk.by(TWO, DRIVE, &[0x01]).is(2, 0x3a, 0x00);
}

#[test]
fn registrants_share_a_reservation_that_is_for_them() {
    let mut desk = two_registered();
    desk.log_in(NexusId(3), "iqn.2026-01.lab:three");
    reserve_out(&mut desk, ONE, 1, 5, 0x11, 0).good();
    desk.by(TWO, DRIVE, &[0x01]).is(2, 0x3a, 0x00);
    desk.by(NexusId(3), DRIVE, &[0x01]).conflicts();
    desk.by(NexusId(3), DRIVE, &[0x08, 0, 0, 0, 1])
        .is(2, 0x3a, 0x00);
    reserve_out(&mut desk, ONE, 0, 0, 0x11, 0).good();
    desk.by(TWO, DRIVE, &[0x00]).is(6, 0x2a, 0x04);
    desk.by(NexusId(3), DRIVE, &[0x01]).is(2, 0x3a, 0x00);
}

#[test]
fn a_reservation_is_preempted_and_cleared() {
    let mut desk = two_registered();
    reserve_out(&mut desk, ONE, 1, 1, 0x11, 0).good();
    reserve_out(&mut desk, TWO, 4, 3, 0x22, 0x77).conflicts();
    reserve_out(&mut desk, TWO, 4, 3, 0x22, 0).is(5, 0x26, 0x00);
    reserve_out(&mut desk, TWO, 4, 3, 0x22, 0x11).good();
    desk.send(DRIVE, &[0x00]).is(6, 0x2a, 0x05);
    desk.send(DRIVE, &[0x01]).conflicts();
    reserve_out(&mut desk, ONE, 1, 3, 0x11, 0).conflicts();
    reserve_out(&mut desk, ONE, 0, 0, 0, 0x11).good();
    reserve_out(&mut desk, ONE, 3, 0, 0x11, 0).good();
    desk.by(TWO, DRIVE, &[0x00]).is(6, 0x2a, 0x03);
    assert_eq!(reserve_in(&mut desk, 0)[4..], [0; 4]);
    assert_eq!(reserve_in(&mut desk, 1)[4..], [0; 4]);
}

#[test]
fn an_all_registrants_reservation_ends_with_the_last_of_them() {
    let mut desk = two_registered();
    reserve_out(&mut desk, ONE, 1, 8, 0x11, 0).good();
    reserve_out(&mut desk, TWO, 1, 8, 0x22, 0).good();
    desk.log_in(NexusId(3), "iqn.2026-01.lab:three");
    desk.by(NexusId(3), DRIVE, &[0x01]).conflicts();
    reserve_out(&mut desk, ONE, 0, 0, 0x11, 0).good();
    desk.by(NexusId(3), DRIVE, &[0x01]).conflicts();
    desk.by(TWO, DRIVE, &[0x01]).is(2, 0x3a, 0x00);
    reserve_out(&mut desk, TWO, 0, 0, 0x22, 0).good();
    desk.by(NexusId(3), DRIVE, &[0x01]).is(2, 0x3a, 0x00);
}

#[test]
fn a_reservation_that_is_not_understood_is_refused() {
    let mut desk = two_registered();
    reserve_out(&mut desk, ONE, 1, 2, 0x11, 0).is(5, 0x24, 0x00);
    reserve_out(&mut desk, ONE, 1, 0x13, 0x11, 0).is(5, 0x24, 0x00);
    reserve_out(&mut desk, ONE, 7, 0, 0x11, 0).is(5, 0x24, 0x00);
    let mut list = [0; 24];
    list[20] = 1;
    desk.send_with(DRIVE, &[0x5f, 6, 0, 0, 0, 0, 0, 0, 24], &list)
        .is(5, 0x26, 0x00);
    desk.send_with(DRIVE, &[0x5f, 6, 0, 0, 0, 0, 0, 0, 25], &[0; 25])
        .is(5, 0x1a, 0x00);
    desk.send_with(DRIVE, &[0x5f, 6, 0, 0, 0, 0, 0, 0, 24], &[0; 23])
        .is(5, 0x1a, 0x00);
}

#[test]
fn faults_hold_commands_up_and_cut_the_power() {
    let mut desk = Desk::new();
    desk.library.set_faults(LibraryFaults {
        busy: 2,
        becoming_ready: 1,
        power_cycle_after: Some(5),
        ..LibraryFaults::default()
    });
    desk.send(DRIVE, &[0x12, 0, 0, 0, 36]).good();
    assert_eq!(desk.send(CHANGER, &[0]).reply.status, Status::BUSY);
    assert_eq!(desk.send(DRIVE, &[0]).reply.status, Status::BUSY);
    desk.send(CHANGER, &[0]).is(2, 0x04, 0x01);
    desk.send(CHANGER, &[0]).good();
    desk.send(CHANGER, &[0]).is(6, 0x29, 0x00);
    desk.send(CHANGER, &[0]).good();
}
