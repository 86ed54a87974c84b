use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

#[test]
fn a_cartridge_is_a_simh_tap_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = Desk::on(directory.path());
    desk.load();
    desk.write(b"abc").good();
    desk.write_filemarks(2).good();
    desk.write(b"defg").good();
    desk.move_medium(257, 1025).good();
    let bytes = fs::read(directory.path().join("VOL001L8.tap")).unwrap();
    assert_eq!(
        bytes,
        b"\x03\0\0\0abc\0\x03\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0defg\x04\0\0\0"
    );
}

#[test]
fn other_programs_records_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut tape = Vec::new();
    tape.extend(b"\xfe\xff\xff\xff"); // a gap
    tape.extend(b"\x02\0\0\0hi\x02\0\0\0");
    tape.extend(b"\x02\0\0\x20no\x02\0\0\x20"); // private
    tape.extend(b"\x02\0\0\x80??\x02\0\0\x80"); // could not be read
    tape.extend(b"\xff\xff\xff\xff"); // end of medium
    tape.extend(b"\x02\0\0\0no\x02\0\0\0");
    fs::write(directory.path().join("VOL001L8.tap"), tape).unwrap();
    let mut desk = Desk::on(directory.path());
    desk.load();
    assert_eq!(&desk.read(2).data()[..], b"hi");
    desk.read(2).is(3, 0x11, 0x00);
    desk.space(0, 1).good();
    desk.read(2).is(8, 0x00, 0x05);
    desk.write(b"ok").good();
    desk.space(0, -1).good();
    assert_eq!(&desk.read(2).data()[..], b"ok");
}

#[test]
fn damage_that_no_writer_leaves_is_no_end_of_data() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("VOL001L8.tap");
    let tape = b"\x02\0\0\0hi\x02\0\0\0\x02\0\0\0ho\x03\0\0\0\x02\0\0\0ha\x02\0\0\0";
    fs::write(&path, tape).unwrap();
    let mut desk = Desk::on(directory.path());
    desk.load();
    desk.read(2).good();
    desk.read(2).is(3, 0x11, 0x00);
    desk.space(3, 0).good();
    desk.write(b"xx").is(3, 0x0c, 0x00);
    assert_eq!(fs::read(&path).unwrap(), tape);
    desk.rewind();
    desk.write(b"new").good();
    desk.read(3).is(8, 0x00, 0x05);
}

#[test]
fn a_torn_tail_is_the_end_of_data_wherever_it_was_torn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("VOL001L8.tap");
    let kept = b"\x02\0\0\0hi\x02\0\0\0\0\0\0\0";
    let torn = b"\x05\0\0\0torn!\0\x05\0\0\0";
    for length in 1..torn.len() {
        fs::write(&path, [&kept[..], &torn[..length]].concat()).unwrap();
        let mut desk = Desk::on(directory.path());
        if length == 1 {
            desk.load();
        } else {
            desk.drain(ONE);
        }
        assert_eq!(&desk.read(2).data()[..], b"hi");
        assert!(desk.read(2).is(0, 0x00, 0x01).filemark);
        desk.read(5).is(8, 0x00, 0x05);
        desk.write(b"more").good();
        desk.write_filemarks(1).good();
        let whole = [&kept[..], b"\x04\0\0\0more\x04\0\0\0\0\0\0\0"].concat();
        assert_eq!(fs::read(&path).unwrap(), whole, "torn at {length}");
    }
}

#[test]
fn what_is_where_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = Desk::on(directory.path());
    desk.load();
    desk.write(b"stays").good();
    desk.write_filemarks(1).good();
    desk.move_medium(1027, 769).good();
    let before = desk.send(CHANGER, &ALL_ELEMENTS).data();
    // As after a kill: nothing is unloaded, nothing closed in order.
    drop(desk);
    let mut desk = Desk::on(directory.path());
    assert_eq!(desk.send(CHANGER, &ALL_ELEMENTS).data(), before);
    assert_eq!(&desk.read(5).data()[..], b"stays");
}

const ALL_ELEMENTS: [u8; 12] = [0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0];

#[test]
fn a_tape_file_that_is_not_listed_gets_a_free_slot_and_a_lost_one_goes() {
    let directory = tempfile::tempdir().unwrap();
    drop(Desk::on(directory.path()));
    fs::write(directory.path().join("NEW001L8.tap"), b"").unwrap();
    fs::write(directory.path().join("not a barcode.tap"), b"").unwrap();
    fs::remove_file(directory.path().join("VOL010L8.tap")).unwrap();
    let mut desk = Desk::with(|wish| {
        wish.media = Media::Directory(directory.path().to_owned());
        wish.cartridges.clear();
    });
    let text = desk.send(CHANGER, &ALL_ELEMENTS).data();
    let holds = |name: &[u8]| text.windows(name.len()).any(|part| part == name);
    assert!(holds(b"NEW001L8") && holds(b"VOL009L8"));
    assert!(!holds(b"VOL010L8"));
    assert!(desk.move_medium(1034, 257).reply.sense.is_empty());
}

#[test]
fn a_directory_has_one_library_at_a_time_and_its_pid_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = LibraryConfiguration {
        media: Media::Directory(directory.path().to_owned()),
        ..LibraryConfiguration::default()
    };
    let first = Library::new(configuration.clone()).unwrap();
    let error = Library::new(configuration.clone()).unwrap_err();
    let LibraryError::InUse { pid, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    let words = format!("is in use by process {}", std::process::id());
    assert!(error.to_string().ends_with(&words), "{error}");
    drop(first);
    open(&configuration).unwrap();
}

#[test]
fn contents_that_are_not_ours_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = LibraryConfiguration {
        media: Media::Directory(directory.path().to_owned()),
        ..LibraryConfiguration::default()
    };
    let path = directory.path().join("library.json");
    fs::write(&path, "{\"schema\": 2}").unwrap();
    let error = open(&configuration).unwrap_err();
    assert!(matches!(error, LibraryError::NewerSchema { schema: 2, .. }));
    fs::write(&path, "{\"schema\": 1,\n\"cartridges\": [}").unwrap();
    let error = open(&configuration).unwrap_err();
    assert!(matches!(error, LibraryError::Malformed { line: 2, .. }));
}

#[test]
fn a_file_that_cannot_be_opened_leaves_the_cartridge_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = Desk::on(directory.path());
    fs::remove_file(directory.path().join("VOL001L8.tap")).unwrap();
    desk.move_medium(1025, 257).is(3, 0x53, 0x00);
    desk.send(DRIVE, &[0]).is(2, 0x3a, 0x00);
    desk.move_medium(1025, 1026).is(5, 0x3b, 0x0d);
    desk.move_medium(1025, 1040).good();
}

#[test]
fn a_move_that_cannot_be_recorded_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = Desk::on(directory.path());
    // A directory in the place of the temporary file: the record cannot be written.
    let blocker = directory.path().join("library.json.new");
    fs::create_dir(&blocker).unwrap();
    desk.move_medium(1025, 1040).is(4, 0x44, 0x00);
    desk.move_medium(1025, 257).is(4, 0x44, 0x00);
    fs::remove_dir(&blocker).unwrap();
    desk.move_medium(1025, 1040).good();
}

#[test]
fn a_link_in_the_place_of_a_tape_file_is_not_mounted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("VOL001L8.tap");
    std::os::unix::fs::symlink("/dev/full", path).unwrap();
    let mut desk = Desk::on(directory.path());
    // LOAD OR EJECT FAILED, and the cartridge is where it was.
    for _ in 0..2 {
        desk.move_medium(1025, 257).is(3, 0x53, 0x00);
    }
}

#[test]
fn a_file_that_a_person_changes_between_two_mounts_is_read_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("VOL001L8.tap");
    let mut desk = Desk::on(directory.path());
    desk.load();
    desk.write(b"mine").good();
    for (bytes, block) in [
        (None, b"mine"),
        (Some(b"\x04\0\0\0your\x04\0\0\0"), b"your"),
    ] {
        desk.move_medium(257, 1025).good();
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        desk.load();
        assert_eq!(&desk.read(4).data()[..], block);
        desk.write(b"behind it").good();
    }
    let whole = b"\x04\0\0\0your\x04\0\0\0\x09\0\0\0behind it\0\x09\0\0\0";
    assert_eq!(fs::read(&path).unwrap(), whole);
}

const WRITER: &str = "ISCSISWICONFIG_TEST_WRITER";

/// Does nothing unless [`what_was_written_before_a_kill_reads_back`] runs it in a process of its own.
#[test]
fn writer_to_be_killed() {
    let Some(directory) = std::env::var_os(WRITER) else {
        return;
    };
    let mut desk = Desk::on(Path::new(&directory));
    desk.load();
    for file in 0..u32::MAX {
        for block in 0..8u32 {
            desk.write(&content(file, block)).good();
        }
        desk.write_filemarks(1).good();
        println!("synced {file}");
    }
}

fn content(file: u32, block: u32) -> Vec<u8> {
    let seed = file.wrapping_mul(31).wrapping_add(block);
    vec![seed as u8; 10_001 + block as usize]
}

#[test]
fn what_was_written_before_a_kill_reads_back() {
    for round in 1..6 {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "library::disk::writer_to_be_killed",
                "--nocapture",
            ])
            .env(WRITER, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let synced = BufReader::new(writer.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| line.split("synced ").nth(1)?.trim().parse::<u32>().ok())
            .take(round * 7)
            .last()
            .unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();

        let mut desk = Desk::on(directory.path());
        desk.drain(ONE);
        for file in 0..=synced {
            for block in 0..8 {
                let expected = content(file, block);
                assert_eq!(desk.read(expected.len() as u32).data(), expected);
            }
            desk.read(1).is(0, 0x00, 0x01);
        }
        desk.space(3, 0).good();
        desk.read(1).is(8, 0x00, 0x05);
        desk.write(b"goes on").good();
        desk.write_filemarks(1).good();
        desk.space(0, -1).is(0, 0x00, 0x01);
        desk.space(0, -1).good();
        assert_eq!(&desk.read(7).data()[..], b"goes on");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_a_tape(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("VOL001L8.tap"), bytes).unwrap();
        let mut desk = Desk::on(directory.path());
        desk.load();
        for _ in 0..60 {
            desk.read(300);
            desk.space(0, 1);
        }
        desk.rewind();
        desk.write(b"x").good();
        desk.rewind();
        assert_eq!(&desk.read(1).data()[..], b"x");
    }
}
