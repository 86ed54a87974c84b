use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iop::devices;
use iscsiswiconfig::iop::devices::enumerate::{Enumeration, EnumerationReply, EnumerationStep};
use iscsiswiconfig::iop::devices::names::DeviceNames;
use iscsiswiconfig::vtl::DriveType;

use super::*;

fn enumerated(library: &mut Library) -> devices::Description {
    let mut enumeration = Enumeration::new(Duration::ZERO, Duration::from_secs(15));
    let mut flights = 0;
    loop {
        match enumeration.poll(Duration::ZERO) {
            EnumerationStep::Send(commands) => {
                flights += 1;
                for command in commands {
                    let mut cdb = [0; 16];
                    let bytes = command.cdb.as_bytes();
                    cdb[..bytes.len()].copy_from_slice(bytes);
                    let answer = library.execute(
                        ONE,
                        command.lun,
                        &cdb,
                        &Bytes::new(),
                        command.allocation_length,
                    );
                    let reply = EnumerationReply {
                        status: answer.status,
                        sense: answer.sense,
                        data: answer.data_in,
                    };
                    enumeration.handle(command.id, &reply, Duration::ZERO);
                }
            }
            EnumerationStep::Done => break,
            step => panic!("{step:?}"),
        }
    }
    assert!(flights <= 4, "{flights} flights");
    let inventory = enumeration.finish().unwrap();
    let target = devices::EnumeratedTarget {
        name: "iqn.2026-01.lab:vtl",
        inventory: &inventory,
    };
    devices::describe(&[target], &mut DeviceNames::default()).remove(0)
}

#[test]
fn the_library_is_a_3584_403_with_its_drives_and_without_a_problem() {
    for drive_type in DriveType::ALL {
        let mut desk = Desk::with(|wish| {
            wish.drives = 3;
            wish.drive_type = drive_type;
            wish.cartridges = LibraryConfiguration::barcodes(drive_type, 5);
        });
        desk.move_medium(1026, 258).good();
        let mut library = desk.library;
        // As after a login: every unit attention is still there.
        library.nexus_lost(ONE);
        let port = InitiatorPort {
            name: "iqn.2026-01.lab:one".parse().unwrap(),
            isid: [0; 6],
        };
        library.nexus_added(ONE, port);
        let found = enumerated(&mut library);
        assert_eq!(found.problems, []);
        assert_eq!(found.libraries.len(), 1);
        assert_eq!(found.drives.len(), 0);
        let three = &found.libraries[0];
        assert_eq!(three.type_model, "3584-403");
        assert!(!three.derived);
        assert_eq!(three.problems, []);
        assert_eq!(three.vendor, "IBM");
        assert_eq!(three.product, "03584L32");
        assert_eq!(three.serial, "0000078A12340401");
        assert_eq!(three.storage_elements, 20);
        assert_eq!(three.import_export_elements, 4);
        assert_eq!(three.transport_elements, 1);
        let generation = drive_type.generation();
        for (drive, number) in three.drives.iter().zip(1u16..) {
            assert_eq!(drive.type_model, format!("3580-00{generation}"));
            assert_eq!(drive.product, format!("ULT3580-TD{generation}"));
            assert_eq!(drive.serial, format!("8A1234{number:04}"));
            assert_eq!(drive.element_address, Some(256 + number));
            assert_eq!(drive.lun, u64::from(number));
        }
        assert_eq!(three.drives.len(), 3);
        let volume = format!("VOL002L{generation}");
        assert_eq!(three.drives[1].volume.as_deref(), Some(volume.as_str()));
        assert_eq!(three.drives[0].volume, None);
    }
}
