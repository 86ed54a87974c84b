//! Identity and inventory byte for byte, as libiscsi gets them from a library of two LTO-8 drives with serial number
//! 78A1234.

use super::{Served, send};
use crate::common::TestEnvironment;
use crate::peers::judge;
use crate::peers::relay::{Conduct, Relay};

/// Sends commands, LUN:CDB:LENGTH each, and returns a line for each as tests/peers/command.c prints it.
#[track_caller]
fn commands(asked: &[String]) -> Vec<String> {
    let environment = TestEnvironment::new();
    let served = Served::start(&environment, &[]);
    send(&environment, served.port, "none", asked)
}

/// The same in a session that tshark judges.
#[track_caller]
fn judged(digest: &str, arguments: &[&str], asked: &[String]) -> Vec<String> {
    let environment = TestEnvironment::new();
    let served = Served::start(&environment, arguments);
    let relay = Relay::start(served.port, Conduct::default());
    let lines = send(&environment, relay.port(), digest, asked);
    judge::assert_wholly_well_formed(&relay.connection(), environment.home());
    lines
}

fn inquiry(lun: u16, evpd: u8, page: u8, length: u16) -> String {
    format!("{lun}:12{evpd:02x}{page:02x}{length:04x}00:{length}")
}

/// Returns the line of a good command whose data are these parts one after the other.
fn good(parts: &[&[u8]]) -> String {
    let data = parts.concat();
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("good {hex}")
}

#[test]
fn every_page_of_the_changer_is_as_a_3584_has_it() {
    let pages = [
        (0, 0),
        (1, 0x00),
        (1, 0x80),
        (1, 0x83),
        (1, 0xd0),
        (1, 0xb0),
    ];
    let asked = pages.map(|(evpd, page)| inquiry(0, evpd, page, 255));
    let found = judged("none", &[], &asked);
    let standard = [
        // Medium changer, removable, SPC-4, response data format 2, 74 bytes in all, command queuing.
        &[0x08, 0x80, 0x06, 0x02, 69, 0, 0, 0x02][..],
        b"IBM     03584L32        0100",
        // The serial number of a 3584 stands at byte 38 (36 to 55 is vendor specific).
        &[0, 0],
        b"0000078A1234",
        &[0; 8],
    ];
    let versions = [0x00, 0xa0, 0x04, 0x60, 0x04, 0x80, 0x09, 0x60];
    let standard = [&standard.concat()[..], &versions, &[0; 8]];
    assert_eq!(found[0], good(&standard)[..5 + 2 * 74]);
    assert_eq!(
        found[1],
        good(&[&[0x08, 0x00, 0, 4], &[0x00, 0x80, 0x83, 0xd0]])
    );
    assert_eq!(found[2], good(&[&[0x08, 0x80, 0, 16], b"0000078A12340401"]));
    let naa = naa_of(&found[3]);
    assert_eq!(
        found[3],
        good(&[
            &[0x08, 0x83, 0, 64],
            // ASCII, T10 vendor identification: vendor, product, serial and the first storage element's address.
            &[0x02, 0x01, 0, 40],
            b"IBM     03584L32        0000078A12340401",
            &[0x01, 0x03, 0, 8],
            &naa,
            // Of the target port: relative target port 1.
            &[0x01, 0x14, 0, 4, 0, 0, 0, 1],
        ])
    );
    // "SCDD", then record 000Bh: type 3584, model 0403 in BCD.
    let type_model = [0x04, b'S', b'C', b'D', b'D', 0x00, 0x0b, 8];
    let record = [0x80, 0, 0, 0, 0x35, 0x84, 0x04, 0x03];
    assert_eq!(
        found[4],
        good(&[&[0x08, 0xd0, 0, 16], &type_model, &record])
    );
    assert_eq!(found[5], "check 5/2400 ");
}

#[test]
fn every_page_of_a_drive_is_as_an_ultrium_drive_has_it() {
    let pages = [(0, 0), (1, 0x00), (1, 0x80), (1, 0x83), (1, 0xd0)];
    let mut names = Vec::new();
    for lun in [1, 2] {
        let asked = pages.map(|(evpd, page)| inquiry(lun, evpd, page, 255));
        let found = judged("crc32c", &["--header-digest", "CRC32C"], &asked);
        let serial = format!("8A1234000{lun}");
        assert_eq!(
            found[0],
            good(&[
                &[0x01, 0x80, 0x06, 0x02, 69, 0, 0, 0x02],
                b"IBM     ULT3580-TD8     0100",
                &[0; 22],
                &[0x00, 0xa0, 0x04, 0x60, 0x05, 0x20, 0x09, 0x60],
                &[0; 8],
            ])
        );
        assert_eq!(found[1], good(&[&[0x01, 0x00, 0, 3], &[0x00, 0x80, 0x83]]));
        assert_eq!(found[2], good(&[&[0x01, 0x80, 0, 10], serial.as_bytes()]));
        let naa = naa_of(&found[3]);
        assert_eq!(
            found[3],
            good(&[
                &[0x01, 0x83, 0, 58],
                &[0x02, 0x01, 0, 34],
                b"IBM     ULT3580-TD8     ",
                serial.as_bytes(),
                &[0x01, 0x03, 0, 8],
                &naa,
                &[0x01, 0x14, 0, 4, 0, 0, 0, 1],
            ])
        );
        assert_eq!(found[4], "check 5/2400 ");
        names.push(naa);
    }
    assert_ne!(names[0], names[1], "both drives have one name");
}

/// Returns the NAA designator at its place, the last but one of page 83h, and checks its form: locally assigned, 3h.
#[track_caller]
fn naa_of(line: &str) -> Vec<u8> {
    let hex = line.strip_prefix("good ").expect("page 83h");
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let naa = &bytes[bytes.len() - 16..bytes.len() - 8];
    assert_eq!(naa[0] >> 4, 3);
    naa.to_vec()
}

#[test]
fn answers_are_cut_at_the_allocation_length_but_count_in_full() {
    let found = commands(&[
        inquiry(0, 1, 0x83, 4),
        inquiry(0, 1, 0x83, 0),
        inquiry(0, 0, 0, 5),
        // More asked for by the CDB than iSCSI lets through, and the reverse.
        "0:12000000ff00:8".to_owned(),
        "0:120000000500:255".to_owned(),
    ]);
    assert_eq!(
        found,
        [
            "good 08830040",
            "good ",
            "good 0880060245",
            "good 0880060245000002",
            "good 0880060245"
        ]
    );
}

#[test]
fn a_logical_unit_that_is_not_there_says_so() {
    let found = commands(&[
        inquiry(7, 0, 0, 5),
        inquiry(7, 1, 0x83, 255),
        "7:000000000000:0".to_owned(),
        "7:a00000000000000010000000:4096".to_owned(),
    ]);
    // PERIPHERAL QUALIFIER 011b, PERIPHERAL DEVICE TYPE 1Fh (SPC-4 6.6.2).
    assert_eq!(found[0], "good 7f0006021f");
    assert_eq!(found[1], "check 5/2400 ");
    assert_eq!(found[2], "check 5/2500 ");
    let lun = |number: u8| [0, number, 0, 0, 0, 0, 0, 0];
    let header = [0, 0, 0, 24, 0, 0, 0, 0];
    assert_eq!(found[3], good(&[&header, &lun(0), &lun(1), &lun(2)]));
}

#[test]
fn the_inventory_is_byte_for_byte_what_smc_3_says() {
    // READ ELEMENT STATUS of all elements of one type, with VolTag, or with DVCID: a 3584 refuses both at once.
    let status = |element_type: u8, identifier: u8| {
        let tag = if identifier == 0 { 0x10 } else { 0 };
        let first = tag | element_type;
        format!("0:b8{first:02x}0000ffff{identifier:02x}00ffff0000:65535")
    };
    let found = judged(
        "none",
        &["--slots", "3", "--import-export", "1", "--cartridges", "2"],
        &[
            "0:070000000000:0".to_owned(),
            status(1, 0),
            status(2, 0),
            status(3, 0),
            status(4, 1),
            // From the second slot into the first drive.
            "0:a50000000402010100000000:0".to_owned(),
            status(2, 0),
            status(4, 1),
            status(4, 0),
        ],
    );
    assert_eq!(found[0], "good ");
    let element = |address: u16, flags: u8, source: u16| {
        let mut bytes = [0; 12];
        bytes[..2].copy_from_slice(&address.to_be_bytes());
        bytes[2] = flags;
        if source != 0 {
            bytes[9] = 0x80;
            bytes[10..].copy_from_slice(&source.to_be_bytes());
        }
        bytes
    };
    // VOLUME IDENTIFIER, two bytes reserved, VOLUME SEQUENCE NUMBER.
    let volume = |name: &[u8]| {
        let mut tag = [0; 36];
        tag[..32].fill(b' ');
        tag[..name.len()].copy_from_slice(name);
        tag
    };
    let (full, empty, none) = (0x09, 0x08, [0; 36]);
    // What stands behind the tag when no identifier was asked for, or there is none.
    let anonymous = [0; 4];
    let drive = |serial: &[u8]| [b"\x02\x01\0\x22IBM     ULT3580-TD8     ", serial].concat();

    let picker: &[&[u8]] = &[
        &[0, 0x01, 0, 1, 0, 0, 0, 60],
        &[0x01, 0x80, 0, 52, 0, 0, 0, 52],
        &element(1, 0, 0),
        &none,
        &anonymous,
    ];
    assert_eq!(found[1], good(picker));
    let slots: &[&[u8]] = &[
        &[0x04, 0x01, 0, 3, 0, 0, 0, 164],
        &[0x02, 0x80, 0, 52, 0, 0, 0, 156],
        &element(0x0401, full, 0),
        &volume(b"VOL001L8"),
        &anonymous,
        &element(0x0402, full, 0),
        &volume(b"VOL002L8"),
        &anonymous,
        &element(0x0403, empty, 0),
        &none,
        &anonymous,
    ];
    assert_eq!(found[2], good(slots));
    // Import and export enabled.
    let import_export: &[&[u8]] = &[
        &[0x03, 0x01, 0, 1, 0, 0, 0, 60],
        &[0x03, 0x80, 0, 52, 0, 0, 0, 52],
        &element(0x0301, 0x38, 0),
        &none,
        &anonymous,
    ];
    assert_eq!(found[3], good(import_export));
    let drives = |first: [u8; 12]| {
        good(&[
            &[0x01, 0x01, 0, 2, 0, 0, 0, 108],
            &[0x04, 0, 0, 50, 0, 0, 0, 100],
            &first,
            &drive(b"8A12340001"),
            &element(0x0102, empty, 0),
            &drive(b"8A12340002"),
        ])
    };
    assert_eq!(found[4], drives(element(0x0101, empty, 0)));

    assert_eq!(found[5], "good ");
    let slots: &[&[u8]] = &[
        &[0x04, 0x01, 0, 3, 0, 0, 0, 164],
        &[0x02, 0x80, 0, 52, 0, 0, 0, 156],
        &element(0x0401, full, 0),
        &volume(b"VOL001L8"),
        &anonymous,
        &element(0x0402, empty, 0),
        &none,
        &anonymous,
        &element(0x0403, empty, 0),
        &none,
        &anonymous,
    ];
    assert_eq!(found[6], good(slots));
    let loaded = element(0x0101, full, 0x0402);
    // FULL says nothing in an answer with identifiers, as IBM's reference for the 3584 has it.
    assert_eq!(found[7], drives(loaded));
    let tags: &[&[u8]] = &[
        &[0x01, 0x01, 0, 2, 0, 0, 0, 112],
        &[0x04, 0x80, 0, 52, 0, 0, 0, 104],
        &loaded,
        &volume(b"VOL002L8"),
        &anonymous,
        &element(0x0102, empty, 0),
        &none,
        &anonymous,
    ];
    assert_eq!(found[8], good(tags));
}

#[test]
fn what_ibm_i_asks_of_a_drive_is_answered() {
    let mode_sense = |control: u8| format!("1:1a08{:02x}00ff00:255", control << 6 | 0x3f);
    let found = judged(
        "none",
        &[],
        &[
            mode_sense(0),
            mode_sense(3),
            // PERSISTENT RESERVE IN: READ KEYS, REPORT CAPABILITIES, READ FULL STATUS.
            "1:5e000000000000004000:64".to_owned(),
            "1:5e020000000000004000:64".to_owned(),
            "1:5e030000000000004000:64".to_owned(),
            "0:a50000000401010100000000:0".to_owned(),
            // LOG SENSE, page 31h of an empty cartridge of 1 GiB; READ POSITION; READ BLOCK LIMITS.
            "1:4d007100000000010000:256".to_owned(),
            "1:34000000000000000000:20".to_owned(),
            "1:050000000000:6".to_owned(),
        ],
    );
    // Saved values are those in force when nothing was selected.
    assert!(found[0].len() > 100 && found[0].starts_with("good "));
    assert_eq!(found[1], found[0]);
    let no_registration = good(&[&[0; 8]]);
    assert_eq!(found[2], no_registration);
    // CRH 0: no compatible reservation handling; TMV: Write Exclusive and Exclusive Access, each of three kinds.
    assert_eq!(found[3], good(&[&[0, 8, 0, 0x80, 0xea, 0x01, 0, 0]]));
    assert_eq!(found[4], no_registration);
    assert_eq!(found[5], "good ");
    // Remaining and maximum capacity in MiB, of the main partition and of one that is not there.
    let capacity =
        |parameter: u8, value: u32| [&[0, parameter, 0x03, 4][..], &value.to_be_bytes()].concat();
    let page: &[&[u8]] = &[
        &[0x31, 0, 0, 32],
        &capacity(1, 1024),
        &capacity(2, 0),
        &capacity(3, 1024),
        &capacity(4, 0),
    ];
    assert_eq!(found[6], good(page));
    let mut at_the_beginning = [0; 20];
    at_the_beginning[0] = 0x80;
    assert_eq!(found[7], good(&[&at_the_beginning]));
    // Blocks of 1 byte to 8 MiB.
    assert_eq!(found[8], good(&[&[0, 0x80, 0, 0, 0, 1]]));
}
