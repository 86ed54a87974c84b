use super::*;

/// Blocks of 10 to 12 bytes: A, filemark, B, C, filemark; rewound.
fn recorded() -> Desk {
    let mut desk = Desk::new();
    desk.load();
    desk.write(&[b'A'; 10]).good();
    desk.write_filemarks(1).good();
    desk.write(&[b'B'; 11]).good();
    desk.write(&[b'C'; 12]).good();
    desk.write_filemarks(1).good();
    desk.rewind();
    desk
}

fn select_block_length(desk: &mut Desk, length: u32) -> Answer {
    let [_, a, b, c] = length.to_be_bytes();
    desk.send_with(
        DRIVE,
        &[0x15, 0x10, 0, 0, 12, 0],
        &[0, 0, 0x10, 8, 0, 0, 0, 0, 0, a, b, c],
    )
}

#[test]
fn an_empty_drive_is_not_ready() {
    let mut desk = Desk::new();
    for cdb in [
        &[0x00][..],
        &[0x01],
        &[0x08, 0, 0, 0, 1],
        &[0x10, 0, 0, 0, 1],
        &[0x11, 1, 0, 0, 1],
        &[0x19],
        &[0x1b, 0, 0, 0, 1],
        &[0x2b],
        &[0x34],
        &[0x92],
        &[0x44, 1, 0, 0, 0, 0, 0, 0, 64],
    ] {
        desk.send(DRIVE, cdb).is(2, 0x3a, 0x00);
    }
    desk.write(b"x").is(2, 0x3a, 0x00);
}

#[test]
fn what_was_written_is_read_back_with_its_filemarks() {
    let mut desk = recorded();
    assert_eq!(desk.read(10).data(), &[b'A'; 10][..]);
    let sense = desk.read(10).is(0, 0x00, 0x01);
    assert!(sense.filemark && !sense.incorrect_length && !sense.end_of_medium);
    assert_eq!(sense.information, Some(10));
    assert_eq!(desk.position(), (2, 1));
    desk.read(11).good();
    desk.read(12).good();
    desk.read(1).is(0, 0x00, 0x01);
    let sense = desk.read(7).is(8, 0x00, 0x05);
    assert_eq!(sense.information, Some(7));
    assert_eq!(desk.position(), (5, 2));
    desk.read(0).good();
}

#[test]
fn a_block_of_another_length_is_told_with_the_difference() {
    let mut desk = recorded();
    let answer = desk.read(14);
    let sense = answer.is(0, 0x00, 0x00);
    assert!(sense.incorrect_length);
    assert_eq!(sense.information, Some(4));
    assert_eq!(answer.reply.data_in, &[b'A'; 10][..]);
    assert_eq!(desk.position(), (1, 0));
    desk.rewind();
    let answer = desk.read(4);
    let sense = answer.is(0, 0x00, 0x00);
    assert!(sense.incorrect_length);
    assert_eq!(sense.information, Some(0xffff_fffa), "4 less 10");
    assert_eq!(answer.reply.data_in, &[b'A'; 4][..]);
    assert_eq!(desk.position(), (1, 0));
}

#[test]
fn sili_spares_a_block_of_another_length() {
    let mut desk = recorded();
    assert_eq!(desk.send(DRIVE, &[0x08, 2, 0, 0, 14]).data().len(), 10);
    desk.rewind();
    assert_eq!(desk.send(DRIVE, &[0x08, 2, 0, 0, 4]).data().len(), 4);
    desk.rewind();
    // With fixed blocks in force, one that is too long is told all the same.
    select_block_length(&mut desk, 512).good();
    desk.send(DRIVE, &[0x08, 2, 0, 0, 4]).is(0, 0, 0);
    desk.send(DRIVE, &[0x08, 3, 0, 0, 4]).is(5, 0x24, 0x00);
}

#[test]
fn fixed_blocks_are_counted() {
    let mut desk = Desk::new();
    desk.load();
    desk.send_with(DRIVE, &[0x0a, 1, 0, 0, 1], &[0; 512])
        .is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x08, 1, 0, 0, 1]).is(5, 0x24, 0x00);
    select_block_length(&mut desk, 512).good();
    let data: Vec<u8> = (0..2048u32).map(|n| (n / 512) as u8).collect();
    let cdb = [0x0a, 1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let written = desk.send_with(DRIVE, &cdb, &data);
    written.good();
    assert_eq!(written.reply.data_out_length, 2048);
    desk.write_filemarks(1).good();
    desk.write(&[9; 100]).good();
    assert_eq!(desk.position(), (6, 1));
    desk.rewind();
    assert_eq!(desk.send(DRIVE, &[0x08, 1, 0, 0, 3]).data(), data[..1536]);
    let answer = desk.send(DRIVE, &[0x08, 1, 0, 0, 3]);
    let sense = answer.is(0, 0x00, 0x01);
    assert!(sense.filemark);
    assert_eq!(sense.information, Some(2));
    assert_eq!(answer.reply.data_in, data[1536..]);
    let sense = desk.send(DRIVE, &[0x08, 1, 0, 0, 2]).is(0, 0, 0);
    assert!(sense.incorrect_length);
    assert_eq!(sense.information, Some(2));
    assert_eq!(desk.position(), (6, 1));
}

#[test]
fn block_limits_are_what_is_kept_to() {
    let mut desk = Desk::new();
    desk.load();
    assert_eq!(&desk.send(DRIVE, &[0x05]).data()[..], [0, 0x80, 0, 0, 0, 1]);
    desk.write(&vec![7; 8 << 20]).good();
    desk.write(&vec![7; (8 << 20) + 1]).is(5, 0x24, 0x00);
    select_block_length(&mut desk, (8 << 20) + 1).is(5, 0x26, 0x00);
    select_block_length(&mut desk, 1 << 20).good();
    desk.send(DRIVE, &[0x08, 1, 0xff, 0xff, 0xff])
        .is(5, 0x24, 0x00);
    desk.rewind();
    assert_eq!(desk.read(8 << 20).data().len(), 8 << 20);
}

#[test]
fn a_write_whose_data_did_not_come_is_aborted() {
    let mut desk = Desk::new();
    desk.load();
    desk.send_with(DRIVE, &[0x0a, 0, 0, 0, 9], b"short")
        .is(0x0b, 0x4b, 0x00);
    assert_eq!(desk.position(), (0, 0));
}

#[test]
fn overwriting_in_the_middle_ends_the_tape_there() {
    let mut desk = recorded();
    desk.space(1, 1).good();
    desk.write(b"new").good();
    desk.read(1).is(8, 0x00, 0x05);
    desk.rewind();
    desk.read(10).good();
    desk.read(10).is(0, 0x00, 0x01);
    assert_eq!(&desk.read(3).data()[..], b"new");
    desk.rewind();
    desk.write_filemarks(1).good();
    desk.read(1).is(8, 0x00, 0x05);
}

#[test]
fn erase_ends_the_tape_at_the_position() {
    let mut desk = recorded();
    desk.space(0, 1).good();
    desk.send(DRIVE, &[0x19, 1]).good();
    desk.read(1).is(8, 0x00, 0x05);
    desk.space(0, -1).good();
    desk.read(10).good();
}

#[test]
fn space_stops_at_what_it_was_not_asked_to_pass() {
    let mut desk = recorded();
    let sense = desk.space(0, 3).is(0, 0x00, 0x01);
    assert!(sense.filemark);
    assert_eq!(sense.information, Some(2));
    assert_eq!(desk.position(), (2, 1));
    desk.space(0, 2).good();
    assert_eq!(desk.position(), (4, 1));
    let sense = desk.space(0, -3).is(0, 0x00, 0x01);
    assert_eq!(sense.information, Some(1));
    assert_eq!(desk.position(), (1, 0), "before the filemark");
    let sense = desk.space(0, -3).is(0, 0x00, 0x04);
    assert!(sense.end_of_medium && !sense.filemark);
    assert_eq!(sense.information, Some(2));
    desk.space(1, 2).good();
    assert_eq!(desk.position(), (5, 2));
    let sense = desk.space(1, 2).is(8, 0x00, 0x05);
    assert_eq!(sense.information, Some(2));
    desk.space(1, -2).good();
    assert_eq!(desk.position(), (1, 0));
    let sense = desk.space(1, -2).is(0, 0x00, 0x04);
    assert_eq!(sense.information, Some(2));
    let sense = desk.space(1, 7).is(8, 0x00, 0x05);
    assert_eq!(sense.information, Some(5));
    desk.rewind();
    desk.space(3, 0).good();
    assert_eq!(desk.position(), (5, 2));
    let sense = desk.space(0, 1).is(8, 0x00, 0x05);
    assert_eq!(sense.information, Some(1));
    desk.space(0, 0).good();
    desk.space(2, 1).is(5, 0x24, 0x00);
    let mut long = [0; 16];
    long[0] = 0x91;
    long[4..12].copy_from_slice(&i64::MIN.to_be_bytes());
    let sense = desk.send(DRIVE, &long).is(0, 0x00, 0x01);
    assert_eq!(sense.information, None, "it does not fit");
}

#[test]
fn locate_goes_to_objects_files_and_the_end() {
    let mut desk = recorded();
    desk.send(DRIVE, &[0x2b, 0, 0, 0, 0, 0, 3]).good();
    assert_eq!(desk.read(12).data(), &[b'C'; 12][..]);
    desk.send(DRIVE, &[0x2b, 0, 0, 0, 0, 0, 5]).good();
    desk.send(DRIVE, &[0x2b, 0, 0, 0, 0, 0, 6])
        .is(8, 0x00, 0x05);
    assert_eq!(desk.position(), (5, 2));
    desk.send(DRIVE, &[0x2b, 2, 0, 0, 0, 0, 0, 0, 1])
        .is(5, 0x24, 0x00);
    let to = |flags: u8, number: u8| [0x92, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, number];
    desk.send(DRIVE, &to(0x08, 1)).good();
    assert_eq!(desk.position(), (2, 1));
    desk.send(DRIVE, &to(0x08, 3)).is(8, 0x00, 0x05);
    desk.send(DRIVE, &to(0x00, 4)).good();
    assert_eq!(desk.position(), (4, 1));
    desk.send(DRIVE, &to(0x18, 0)).good();
    assert_eq!(desk.position(), (5, 2));
    desk.send(DRIVE, &to(0x08, 0)).good();
    assert_eq!(desk.position(), (0, 0));
    desk.send(DRIVE, &to(0x10, 0)).is(5, 0x24, 0x00);
}

#[test]
fn the_position_is_told_in_every_form() {
    let mut desk = recorded();
    assert_eq!(desk.send(DRIVE, &[0x34]).data()[0], 0x80);
    desk.read(10).good();
    let short = desk.send(DRIVE, &[0x34]).data();
    assert_eq!(short[..12], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    let extended = desk.send(DRIVE, &[0x34, 8, 0, 0, 0, 0, 0, 0, 32]).data();
    assert_eq!((extended.len(), extended[15]), (32, 1));
    desk.send(DRIVE, &[0x34, 6, 0, 0, 0, 0, 0, 0, 32])
        .is(5, 0x24, 0x00);
    desk.send(DRIVE, &[0x34, 7]).is(5, 0x24, 0x00);
}

#[test]
fn the_end_of_the_medium_is_announced_and_then_met() {
    let mut desk = Desk::with(|wish| wish.cartridge_size = 1 << 20);
    desk.load();
    let block = [5; 16 * 1024];
    let mut warned = 0;
    let written = loop {
        let answer = desk.write(&block);
        match answer.sense() {
            None => assert_eq!(warned, 0, "every write behind early warning tells it"),
            Some(sense) if sense.key.0 == 0 => {
                let sense_data = answer.is(0, 0x00, 0x02);
                assert!(sense_data.end_of_medium);
                assert_eq!(sense_data.information, Some(0));
                warned += 1;
            }
            Some(_) => {
                let sense = answer.is(0x0d, 0x00, 0x02);
                assert!(sense.end_of_medium);
                assert_eq!(sense.information, Some(16 * 1024));
                break desk.position().0;
            }
        }
    };
    assert_eq!(written, (1 << 20) / (16 * 1024 + 64));
    assert!((3..=5).contains(&warned), "{warned}");
    assert_eq!(desk.send(DRIVE, &[0x34]).data()[0], 0x40, "EOP");
    let sense = desk.write_filemarks(1).is(0, 0x00, 0x02);
    assert!(sense.end_of_medium);
    desk.send(DRIVE, &[0x10, 0, 0xff, 0xff, 0xff])
        .is(0x0d, 0x00, 0x02);
    assert_eq!(desk.position(), (written + 1, 1));
    desk.rewind();
    for _ in 0..written {
        assert_eq!(desk.read(16 * 1024).data(), &block[..]);
    }
    desk.read(1).is(0, 0x00, 0x01);
    desk.rewind();
    desk.write(&block).good();
}

#[test]
fn fixed_blocks_that_did_not_fit_are_counted() {
    let mut desk = Desk::with(|wish| wish.cartridge_size = 3 * (512 + 64));
    desk.load();
    select_block_length(&mut desk, 512).good();
    let sense = desk
        .send_with(DRIVE, &[0x0a, 1, 0, 0, 5], &[1; 2560])
        .is(0x0d, 0x00, 0x02);
    assert_eq!(sense.information, Some(2));
    assert_eq!(desk.position(), (3, 0));
}

#[test]
fn memory_that_is_used_up_is_the_end_of_the_medium() {
    let mut desk = Desk::with(|wish| wish.media = Media::InMemory { limit: 100_000 });
    desk.load();
    desk.write(&[1; 60_000]).good();
    desk.write(&[1; 60_000]).is(0x0d, 0x00, 0x02);
    desk.rewind();
    desk.send(DRIVE, &[0x19]).good();
    desk.write(&[1; 60_000]).good();
}

#[test]
fn a_protected_cartridge_is_not_written() {
    let mut desk = Desk::with(|wish| wish.write_protected = vec![volume("VOL001L8")]);
    desk.load();
    desk.write(b"x").is(7, 0x27, 0x00);
    desk.write_filemarks(1).is(7, 0x27, 0x00);
    desk.send(DRIVE, &[0x19]).is(7, 0x27, 0x00);
    assert_eq!(desk.send(DRIVE, &[0x1a, 8, 0x0a, 0, 4]).data()[2], 0x90);
    desk.move_medium(257, 1025).good();
    desk.move_medium(1026, 257).good();
    desk.drain(ONE);
    desk.write(b"x").good();
    assert_eq!(desk.send(DRIVE, &[0x1a, 8, 0x0a, 0, 4]).data()[2], 0x10);
}

#[test]
fn a_cartridge_of_an_older_generation_is_read_only_or_refused() {
    let mut desk = Desk::with(|wish| {
        wish.drive_type = iscsiswiconfig::vtl::DriveType::Lto7;
        wish.cartridges = vec![volume("OLD001L5"), volume("OLD001L4"), volume("NEW001L8")];
    });
    desk.load();
    desk.write(b"x").is(7, 0x27, 0x00);
    desk.move_medium(1026, 258).is(5, 0x30, 0x00);
    desk.move_medium(1027, 258).is(5, 0x30, 0x00);
    desk.move_medium(1027, 1030).good();
}

#[test]
fn unload_makes_the_drive_not_ready_and_load_makes_it_ready() {
    let mut desk = recorded();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    desk.read(10).good();
    desk.send(DRIVE, &[0x1b]).good();
    desk.send(DRIVE, &[0x00]).is(2, 0x04, 0x02);
    desk.read(1).is(2, 0x04, 0x02);
    desk.send(DRIVE, &[0x1b, 0, 0, 0, 1]).good();
    assert_eq!(desk.position(), (0, 0));
    desk.by(TWO, DRIVE, &[0x00]).is(6, 0x28, 0x00);
    desk.by(TWO, DRIVE, &[0x00]).good();
    desk.send(DRIVE, &[0x1b, 0, 0, 0, 5]).is(5, 0x24, 0x00);
}

#[test]
fn removal_can_be_prevented() {
    let mut desk = recorded();
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    desk.by(TWO, DRIVE, &[0x1e, 0, 0, 0, 1]).good();
    desk.send(DRIVE, &[0x1b]).is(5, 0x53, 0x02);
    desk.move_medium(257, 1025).is(5, 0x53, 0x02);
    desk.send(DRIVE, &[0x1e, 0, 0, 0, 0]).good();
    desk.move_medium(257, 1025).is(5, 0x53, 0x02);
    desk.library.nexus_lost(TWO);
    desk.move_medium(257, 1025).good();
}

#[test]
fn densities_are_those_of_the_drive_or_of_the_medium() {
    let mut desk = Desk::new();
    let of_drive = desk.send(DRIVE, &[0x44, 0, 0, 0, 0, 0, 0, 1, 0]).data();
    assert_eq!(
        (of_drive.len(), of_drive[4], of_drive[56]),
        (108, 0x5c, 0x5e)
    );
    desk.load();
    let of_medium = desk.send(DRIVE, &[0x44, 1, 0, 0, 0, 0, 0, 1, 0]).data();
    assert_eq!((of_medium.len(), of_medium[4]), (56, 0x5e));
    let mode = desk.send(DRIVE, &[0x1a, 0, 0, 0, 255]).data();
    assert_eq!(mode[..], [11, 0x88, 0x10, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0]);
    let select = |density| [0, 0, 0x10, 8, density, 0, 0, 0, 0, 0, 0, 0];
    for (density, known) in [(0, true), (0x7f, true), (0x5e, true), (0x5a, false)] {
        let answer = desk.send_with(DRIVE, &[0x15, 0x10, 0, 0, 12], &select(density));
        assert_eq!(answer.reply.sense.is_empty(), known);
    }
}

#[test]
fn log_pages_count_what_passed_and_what_is_left() {
    let mut desk = recorded();
    desk.read(10).good();
    let log = |desk: &mut Desk, page: u8| {
        desk.send(DRIVE, &[0x4d, 0, 0x40 | page, 0, 0, 0, 0, 4, 0])
            .data()
    };
    assert_eq!(
        log(&mut desk, 0)[..],
        [0, 0, 0, 8, 0, 2, 3, 0x0c, 0x11, 0x17, 0x2e, 0x31]
    );
    let transferred = log(&mut desk, 0x0c);
    assert_eq!((transferred[15], transferred[39]), (33, 10));
    let capacity = log(&mut desk, 0x31);
    assert_eq!(capacity[8..12], 1023u32.to_be_bytes(), "remaining MiB");
    assert_eq!(capacity[24..28], 1024u32.to_be_bytes(), "all MiB");
    assert_eq!(log(&mut desk, 0x2e).len(), 4 + 64 * 5);
}

#[test]
fn a_faulty_place_cannot_be_read_or_written() {
    use iscsiswiconfig::vtl::LibraryFaults;
    use iscsiswiconfig::vtl::fault::BlockFault;

    let mut desk = recorded();
    let place = |object| {
        vec![BlockFault {
            volume: volume("VOL001L8"),
            object,
        }]
    };
    desk.library.set_faults(LibraryFaults {
        unreadable: place(2),
        unwritable: place(5),
        ..LibraryFaults::default()
    });
    desk.space(1, 1).good();
    desk.read(11).is(3, 0x11, 0x00);
    desk.space(0, 1).good();
    desk.read(12).good();
    desk.space(3, 0).good();
    desk.write(b"x").is(3, 0x0c, 0x00);
    desk.library.set_faults(LibraryFaults::default());
    desk.write(b"x").good();
}

#[test]
fn a_block_in_memory_is_copied_once_and_read_in_place() {
    let mut desk = Desk::new();
    desk.load();
    let data = Bytes::from(vec![3; 1 << 20]);
    let lun = Lun::from_number(DRIVE).unwrap();
    let mut cdb = [0; 16];
    cdb[..3].copy_from_slice(&[0x0a, 0, 0x10]);
    let reply = desk.library.execute(ONE, lun, &cdb, &data, 0);
    assert_eq!(reply.status, Status::GOOD);
    // It may be a part of a receive buffer that is many times as long, so the tape keeps a copy.
    assert!(data.is_unique());
    desk.rewind();
    let first = desk.read(1 << 20).data();
    desk.rewind();
    assert_eq!(desk.read(1 << 20).data().as_ptr(), first.as_ptr());
}

#[test]
fn no_more_comes_back_than_the_transport_allows() {
    let mut desk = recorded();
    let lun = Lun::from_number(DRIVE).unwrap();
    let mut cdb = [0; 16];
    cdb[..5].copy_from_slice(&[0x08, 0, 0, 0, 10]);
    let reply = desk.library.execute(ONE, lun, &cdb, &Bytes::new(), 4);
    assert_eq!((reply.status, reply.data_in.len()), (Status::GOOD, 4));
}
