use iscsiswiconfig::scsi::{AdditionalSenseCode, SenseKey};
use iscsiswiconfig::vtl::{CommandFault, InjectedFailure, LibraryFaults};

use super::*;

fn loaded_with(faults: LibraryFaults) -> Desk {
    let mut desk = Desk::new();
    desk.load();
    desk.library.set_faults(faults);
    desk
}

/// The WRITE behind `after` others fails, `times` in a row.
fn on_write(after: u32, times: u32, failure: InjectedFailure) -> LibraryFaults {
    LibraryFaults {
        commands: vec![CommandFault {
            operation_code: Some(0x0a),
            after,
            times,
            failure,
        }],
        ..LibraryFaults::default()
    }
}

/// What is on the tape, a byte of each block.
fn recorded(desk: &mut Desk) -> Vec<u8> {
    desk.rewind();
    std::iter::from_fn(|| {
        let answer = desk.read(1);
        answer.sense().is_none().then(|| answer.data()[0])
    })
    .collect()
}

#[test]
fn a_status_comes_at_the_write_that_it_is_set_for() {
    for status in [Status::BUSY, Status::TASK_SET_FULL] {
        let mut desk = loaded_with(on_write(2, 2, InjectedFailure::Status(status)));
        desk.write(b"1").good();
        desk.send(CHANGER, &[0]).good();
        desk.write(b"2").good();
        assert_eq!(desk.write(b"3").reply.status, status);
        assert_eq!(desk.position().0, 2, "other commands are done");
        assert_eq!(desk.write(b"3").reply.status, status);
        desk.write(b"3").good();
        assert_eq!(recorded(&mut desk), b"123");
    }
}

#[test]
fn a_check_condition_leaves_its_command_undone() {
    let sense = SenseData::new(SenseKey::HARDWARE_ERROR, AdditionalSenseCode::WRITE_ERROR);
    let mut desk = loaded_with(on_write(1, 1, InjectedFailure::CheckCondition(sense)));
    desk.write(b"1").good();
    desk.write(b"2").is(4, 0x0c, 0x00);
    desk.write(b"2").good();
    assert_eq!(recorded(&mut desk), b"12");
}

#[test]
fn a_unit_attention_is_for_every_initiator() {
    let code = AdditionalSenseCode::MODE_PARAMETERS_CHANGED;
    let mut desk = loaded_with(on_write(1, 1, InjectedFailure::UnitAttention(code)));
    desk.log_in(TWO, "iqn.2026-01.lab:two");
    desk.write(b"1").good();
    desk.write(b"2").is(6, 0x2a, 0x01);
    desk.write(b"2").good();
    desk.by(TWO, DRIVE, &[0]).is(6, 0x2a, 0x01);
    assert_eq!(recorded(&mut desk), b"12");
}

#[test]
fn a_deferred_error_takes_acknowledged_blocks_back() {
    let failure = InjectedFailure::DeferredError { blocks: 2 };
    let mut desk = loaded_with(on_write(3, 1, failure));
    for block in [b"1", b"2", b"3"] {
        desk.write(block).good();
    }
    let sense = desk.write(b"4").is(3, 0x0c, 0x00);
    assert!(sense.deferred);
    assert_eq!(desk.position().0, 1, "the position proves what is left");
    desk.write(b"2").good();
    assert_eq!(recorded(&mut desk), b"12");
    // A filemark was synchronized: nothing before it is lost.
    let mut desk = loaded_with(on_write(2, 1, InjectedFailure::DeferredError { blocks: 9 }));
    desk.write(b"1").good();
    desk.write_filemarks(1).good();
    desk.write(b"2").good();
    assert!(desk.write(b"3").is(3, 0x0c, 0x00).deferred);
    assert_eq!(desk.position(), (2, 1));
}

#[test]
fn a_power_cycle_rewinds_and_is_told() {
    let mut desk = loaded_with(on_write(2, 1, InjectedFailure::PowerCycle));
    desk.write(b"1").good();
    desk.write(b"2").good();
    desk.write(b"3").is(6, 0x29, 0x00);
    assert_eq!(desk.position().0, 0);
    assert_eq!(recorded(&mut desk), b"12");
}

#[test]
fn faults_without_an_operation_code_pass_over_inquiry() {
    let mut desk = loaded_with(LibraryFaults {
        commands: vec![CommandFault {
            operation_code: None,
            after: 1,
            times: 1,
            failure: InjectedFailure::Status(Status::BUSY),
        }],
        ..LibraryFaults::default()
    });
    desk.send(DRIVE, &[0x12, 0, 0, 0, 36]).good();
    desk.send(CHANGER, &[0]).good();
    desk.send(DRIVE, &[0x12, 0, 0, 0, 36]).good();
    assert_eq!(desk.send(DRIVE, &[0]).reply.status, Status::BUSY);
    desk.send(DRIVE, &[0]).good();
}

#[test]
fn early_warning_comes_where_it_is_set() {
    let mut desk = loaded_with(LibraryFaults {
        early_warning_after: Some(1000),
        ..LibraryFaults::default()
    });
    desk.write(&[1; 500]).good();
    let sense = desk.write(&[2; 500]).is(0, 0x00, 0x02);
    assert!(sense.end_of_medium);
    assert_eq!(desk.send(DRIVE, &[0x34]).data()[0], 0x40, "EOP");
    desk.write_filemarks(1).is(0, 0x00, 0x02);
    assert_eq!(desk.position(), (3, 1));
}
