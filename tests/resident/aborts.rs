//! What becomes of the commands of a job that dies: ABORT TASK, LOGICAL UNIT RESET where that is refused, else they are awaited.

use super::jobs::BLOCK;
use super::*;
use crate::peers::interposer::{ABORT_TASK, LOGICAL_UNIT_RESET, Refusal, Withheld};

/// WRITE(6).
const WRITE: u8 = 0x0a;

/// Task management function responses (RFC 7143 11.6.1) and a reason of a Reject (11.17.1).
const NOT_SUPPORTED: Refusal = Refusal::Response(5);
const REJECTED: Refusal = Refusal::Response(255);
const COMMAND_NOT_SUPPORTED: Refusal = Refusal::Reject(5);

/// Starts a job whose WRITEs are not answered, and returns it once they wait.
fn job_without_answers(held: &Held, interposer: &Interposer) -> Writer {
    interposer.withhold(Withheld {
        lun: None,
        operation_code: WRITE,
        after: 0,
    });
    let mut writer = held.writer(&["VOL001", "--block-size", "64KiB", "--overwrite"]);
    writer.give(&pattern(7, 3 * BLOCK));
    interposer.wait_for_withheld(1);
    writer
}

/// Ends a job that has the drive, and waits until the IOP says that the drive is free.
fn kill(held: &mut Held, writer: &mut Writer) {
    writer.kill();
    wait_until_free(held, writer.id());
}

fn wait_until_free(held: &mut Held, pid: u32) {
    let ended = held.iop().event_where("job-ended", |ended| {
        ended["device"] == "TAP01" && ended["pid"] == pid
    });
    assert_eq!(ended["reason"], "died", "{ended:#}");
}

#[test]
fn commands_of_a_job_that_dies_are_aborted_one_by_one() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    let since = held.status()["since"].clone();
    let mut writer = job_without_answers(&held, &interposer);
    interposer.forget();
    kill(&mut held, &mut writer);
    let asked = interposer.functions();
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|function| *function == ABORT_TASK),
        "{asked:?}"
    );
    interposer.pass_all();
    held.assert_usable("VOL001", &since);
}

#[test]
fn where_the_target_refuses_to_abort_them_the_logical_unit_is_reset() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    let since = held.status()["since"].clone();
    for refusal in [NOT_SUPPORTED, REJECTED, COMMAND_NOT_SUPPORTED] {
        interposer.refuse(ABORT_TASK, refusal);
        let mut writer = job_without_answers(&held, &interposer);
        interposer.forget();
        kill(&mut held, &mut writer);
        let asked = interposer.functions();
        assert_eq!(asked.first(), Some(&ABORT_TASK), "{refusal:?}: {asked:?}");
        assert_eq!(
            asked.last(),
            Some(&LOGICAL_UNIT_RESET),
            "{refusal:?}: {asked:?}"
        );
        interposer.pass_all();
        held.assert_usable("VOL001", &since);
    }
}

#[test]
fn where_it_refuses_that_as_well_the_device_is_free_when_they_are_answered() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    let since = held.status()["since"].clone();
    for refusal in [NOT_SUPPORTED, COMMAND_NOT_SUPPORTED] {
        interposer.refuse(ABORT_TASK, refusal);
        interposer.refuse(LOGICAL_UNIT_RESET, refusal);
        let mut writer = job_without_answers(&held, &interposer);
        interposer.forget();
        writer.kill();
        interposer.wait_for_functions(LOGICAL_UNIT_RESET, 1);
        let pid = writer.id();
        held.run("--lock-timeout 0 tape rewind TAP01")
            .assert_status(3)
            .says(&["TAP01", &pid.to_string()]);
        held.run("--lock-timeout 0 -reipliscsiop").assert_status(3);
        interposer.release();
        wait_until_free(&mut held, pid);
        held.assert_usable("VOL001", &since);
    }
}

#[test]
fn a_session_that_ends_meanwhile_frees_the_device() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    interposer.refuse(ABORT_TASK, REJECTED);
    interposer.refuse(LOGICAL_UNIT_RESET, REJECTED);
    let mut writer = job_without_answers(&held, &interposer);
    interposer.forget();
    writer.kill();
    interposer.wait_for_functions(LOGICAL_UNIT_RESET, 1);
    held.vtl().signal(Signal::KILL);
    wait_until_free(&mut held, writer.id());
    assert_eq!(held.status()["jobs"].as_array().unwrap().len(), 0);
    assert_eq!(held.dump()["status"], "LOST");
}

#[test]
fn a_drive_that_answers_nothing_holds_up_no_other() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "2"], &[]);
    interposer.withhold(Withheld {
        lun: Some(1),
        operation_code: WRITE,
        after: 0,
    });
    let memory = held.iop().memory();
    let mut slow = held.writer(&["VOL001", "--drive", "TAP01"]);
    let bytes = pattern(1, 48 << 20);
    let given = std::thread::spawn({
        let mut input = slow.input.take().unwrap();
        // It is killed before it has taken all.
        move || input.write_all(&bytes).is_err()
    });
    interposer.wait_for_withheld(1);
    let bytes = pattern(2, 24 << 20);
    held.file("in", &bytes);
    held.run("tape write TAPMLB01 VOL002 in --drive TAP02")
        .assert_status(0);
    held.run("tape read TAPMLB01 VOL002 out --drive TAP02")
        .assert_status(0);
    assert!(held.read("out") == bytes);
    let grown = held.iop().memory().saturating_sub(memory);
    assert!(grown < 40 << 10, "{grown} KiB more");
    slow.kill();
    assert!(given.join().unwrap(), "the stalled job took 48 MiB");
    wait_until_free(&mut held, slow.id());
}
