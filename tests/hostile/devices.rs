use serde_json::Value;

use super::target::{
    INQUIRY, NAME, READ_ELEMENT_STATUS, REPORT_LUNS, Reply, Target, check, element_status, good,
    inquiry, library, luns, page, status,
};
use super::{
    SILENCE, attached, configure, connected, connected_within, failed, failed_within, re_ipl, words,
};
use crate::common::{TestEnvironment, targets, text};
use iscsiswiconfig::iscsi::pdu::{Pdu, Residual, ScsiCommand};

const BUSY: u8 = 0x08;
const TASK_SET_FULL: u8 = 0x28;

fn target(device: impl Fn(&ScsiCommand, usize) -> Option<Reply> + Send + Sync + 'static) -> Target {
    Target::start(move |peer| {
        let mut count = 0;
        peer.run(|command| {
            count += 1;
            device(command, count)
        })
    })
}

/// Returns what the report says of problems, on the library and on stderr.
fn problems(report: &Value) -> String {
    report["libraries"][0]["problems"].to_string()
}

#[test]
fn a_target_that_is_busy_for_ever_is_given_up() {
    let words = words(&failed_within(
        &attached(&target(|_, _| Some(status(BUSY)))),
        "enumerate",
        SILENCE,
    ));
    assert!(words.contains("BUSY"), "{words}");
}

#[test]
fn a_target_that_is_full_for_a_moment_is_asked_again() {
    let target = target(|_, count| (count <= 2).then(|| status(TASK_SET_FULL)));
    assert_eq!(problems(&connected(&attached(&target))), "[]");
}

#[test]
fn unit_attention_for_ever_is_given_up() {
    let words = words(&failed(
        &attached(&target(|_, _| Some(check(6, 0x29, 0)))),
        "enumerate",
    ));
    assert!(words.contains("UNIT ATTENTION"), "{words}");
}

#[test]
fn a_library_that_becomes_ready_is_waited_for() {
    let target = Target::start(|peer| {
        let mut refusals = 3;
        peer.run(move |command| {
            if command.cdb[0] != READ_ELEMENT_STATUS || refusals == 0 {
                return None;
            }
            refusals -= 1;
            Some(check(2, 4, 1))
        })
    });
    let report = connected(&attached(&target));
    assert_eq!(problems(&report), "[]");
    assert_eq!(report["libraries"][0]["drives"][0]["element_address"], 257);
}

#[test]
fn a_library_that_never_becomes_ready_is_reported_with_a_problem() {
    let target =
        target(|command, _| (command.cdb[0] == READ_ELEMENT_STATUS).then(|| check(2, 4, 1)));
    let report = connected_within(&attached(&target), SILENCE);
    assert!(problems(&report).contains("becoming ready"), "{report:#}");
    assert_eq!(report["libraries"][0]["device"], "TAPMLB01");
}

#[test]
fn a_question_that_a_device_never_answers_costs_that_answer_alone() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        loop {
            let command = peer.command()?;
            let has_volume_tags = command.cdb[1] & 0x10 != 0;
            if command.cdb[0] != READ_ELEMENT_STATUS || !has_volume_tags {
                peer.answer(&command, library(&command))?;
            }
        }
    });
    let report = connected_within(&attached(&target), SILENCE);
    assert!(problems(&report).contains("did not answer"), "{report:#}");
    let library = &report["libraries"][0];
    assert_eq!(library["drives"][0]["serial"], "1068000001");
    assert_eq!(library["storage_elements"], 40);
}

#[test]
fn a_question_at_which_the_target_drops_the_connection_is_left_out_of_the_next() {
    const MODE_SENSE: u8 = 0x1a;
    for question in [MODE_SENSE, READ_ELEMENT_STATUS] {
        let target = Target::start(move |peer| {
            peer.log_in()?;
            loop {
                let command = peer.command()?;
                if command.cdb[0] == question && command.cdb[1] & 0x10 == 0 {
                    return Ok(());
                }
                peer.answer(&command, library(&command))?;
            }
        });
        let report = connected(&attached(&target));
        assert_eq!(target.connections(), 2);
        assert!(
            problems(&report).contains("connection was lost"),
            "{report:#}"
        );
        assert_eq!(report["libraries"][0]["serial"], "0000078A12340401");
        assert_eq!(
            report["libraries"][0]["storage_elements"] == 40,
            question == READ_ELEMENT_STATUS
        );
        assert_eq!(
            report["drives"].as_array().unwrap().is_empty(),
            question == MODE_SENSE,
            "{report:#}"
        );
    }
}

#[test]
fn a_target_that_drops_every_connection_has_two() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        loop {
            let command = peer.command()?;
            if command.cdb[0] == READ_ELEMENT_STATUS {
                return Ok(());
            }
            peer.answer(&command, library(&command))?;
        }
    });
    let words = words(&failed(&attached(&target), "enumerate"));
    assert!(words.contains("connection was lost"), "{words}");
    assert_eq!(target.connections(), 2);
}

#[test]
fn a_second_session_waits_for_time2wait_and_comes_to_nothing_where_that_is_too_long() {
    let target = Target::start(|peer| {
        let text = super::target::OPERATIONAL.replace("Time2Wait=2", "Time2Wait=5");
        peer.log_in_with(&text)?;
        loop {
            let command = peer.command()?;
            if command.cdb[0] == READ_ELEMENT_STATUS {
                return Ok(());
            }
            peer.answer(&command, library(&command))?;
        }
    });
    // The whole of the target may take four seconds.
    let words = words(&failed_within(&attached(&target), "enumerate", SILENCE));
    assert!(words.contains("connection was lost"), "{words}");
    assert_eq!(target.connections(), 1);
}

#[test]
fn a_residual_that_contradicts_the_data_and_sense_without_its_length_are_told() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        let mut is_first = true;
        loop {
            let command = peer.command()?;
            let mut reply = match command.cdb[0] {
                0 if std::mem::take(&mut is_first) => check(6, 0x29, 0),
                _ => library(&command),
            };
            reply
                .data
                .truncate(command.expected_data_transfer_length as usize);
            let mut response = peer.response(&command, &reply);
            response.residual = Residual::None;
            response.data = reply.sense.clone().into();
            if !reply.data.is_empty() {
                let data = peer.data_in(&command, reply.data);
                peer.send(&Pdu::DataIn(data))?;
            }
            peer.send(&Pdu::ScsiResponse(response))?;
        }
    });
    let report = connected(&attached(&target));
    let library = &report["libraries"][0];
    assert_eq!(library["serial"], "0000078A12340401");
    assert_eq!(library["drives"][0]["volume"], "AB0001L5");
    let problems = report["problems"].to_string();
    for told in [
        "reports a residual of 0 bytes",
        "sense data without its length",
    ] {
        assert_eq!(problems.matches(told).count(), 1, "{told}: {report:#}");
    }
}

#[test]
fn a_list_of_logical_units_that_makes_no_sense_is_reported() {
    for data in [vec![], vec![0; 3], vec![0xff; 8], vec![0xff; 64]] {
        let target =
            target(move |command, _| (command.cdb[0] == REPORT_LUNS).then(|| good(data.clone())));
        let output = re_ipl(&attached(&target));
        let report = &targets(&output.json())[0].clone();
        if report["status"] == "FAILED" {
            super::assert_failed(report, "enumerate");
            assert!(words(report).contains("REPORT LUNS"), "{report:#}");
        } else {
            assert!(output.stderr.contains("warning"), "{output}");
        }
    }
}

#[test]
fn a_target_without_logical_units_is_connected_and_warned_of() {
    let target = target(|command, _| (command.cdb[0] == REPORT_LUNS).then(|| luns(0)));
    let output = re_ipl(&attached(&target)).assert_status(0);
    assert!(output.stderr.contains("no tape device"), "{}", *output);
}

#[test]
fn text_of_devices_is_escaped_in_both_outputs() {
    let target = target(|command, _| match command.cdb {
        [INQUIRY, 0, ..] => {
            let mut data = inquiry(8, b"\x1b[2J\n\r\xe4\x80\"\\\x07<script>");
            data[8..16].copy_from_slice(b"\x1b]0;x\x07\x00A");
            Some(good(data))
        }
        [INQUIRY, 1, 0x80, ..] => Some(good(page(8, 0x80, b"\x9b31m\nTAPMLB99\x1bc"))),
        [READ_ELEMENT_STATUS, ..] => {
            let mut data = element_status();
            data[28..40].copy_from_slice(b"\x1b[2J\n\xff\xfe\x00ABCD");
            data[64..70].copy_from_slice(b"\x1b[31m\n");
            Some(good(data))
        }
        _ => None,
    });
    let environment = attached(&target);
    // The check for plain bytes is in it.
    let output = re_ipl(&environment).assert_status(0);
    let document = output.json();
    let library = &targets(&document)[0]["libraries"][0];
    assert!(
        text(&library["product"]).starts_with("\\x1B[2J\\x0A\\x0D\\xE4"),
        "{library:#}"
    );
    assert!(
        text(&library["serial"]).starts_with("\\x9B31m\\x0ATAPMLB99"),
        "{library:#}"
    );
    for option in ["-reipliscsiop", "-dumptargets"] {
        let output = super::outcome(environment.start(&["--timeout", "0.5", "-vv", option]));
        assert!(
            output.stdout.contains("\\x1B[2J\\x0A\\x0D\\xE4"),
            "{output}"
        );
    }
}

#[test]
fn element_status_cut_at_any_length_is_used_as_far_as_it_goes() {
    let whole = element_status().len();
    let configured: Vec<_> = (0..=whole)
        .map(|length| {
            let target = target(move |command, _| {
                (command.cdb[0] == READ_ELEMENT_STATUS).then(|| good(&element_status()[..length]))
            });
            (format!("{NAME}-{length}"), target.port)
        })
        .collect();
    let environment = TestEnvironment::new();
    configure(&environment, &configured);
    let running = environment.start(&["--json", "--timeout", "60", "-reipliscsiop"]);
    let output = super::outcome(running).assert_status(0);
    let document = output.json();
    for (length, target) in targets(&document).iter().enumerate() {
        let library = &target["libraries"][0];
        assert_eq!(
            library["serial"], "0000078A12340401",
            "{length}: {target:#}"
        );
        let own = library["drives"].as_array().unwrap().len();
        let alone = target["drives"].as_array().unwrap().len();
        assert_eq!(own + alone, 1, "{length}: {target:#}");
        if length == whole {
            assert_eq!(own, 1, "{target:#}");
        } else if own == 0 {
            assert_ne!(
                library["problems"],
                serde_json::json!([]),
                "{length}: {target:#}"
            );
        }
    }
}

#[test]
fn of_two_thousand_logical_units_a_thousand_are_looked_at() {
    let target = target(|command, _| match command.cdb {
        [REPORT_LUNS, ..] => Some(luns(2000)),
        [INQUIRY, 0, ..] => Some(good(inquiry(1, b"ULT3580-TD5"))),
        [INQUIRY, 1, 0x80, ..] => {
            let serial = format!("{:010}", command.lun.number());
            Some(good(page(1, 0x80, serial.as_bytes())))
        }
        _ => Some(check(5, 0x24, 0)),
    });
    let environment = attached(&target);
    let running = environment.start(&["--json", "--timeout", "60", "-reipliscsiop"]);
    let output = super::outcome(running).assert_status(0);
    let document = output.json();
    let drives = targets(&document)[0]["drives"].as_array().unwrap();
    assert_eq!(drives.len(), 1024);
    assert!(
        output.stderr.contains("2000 logical units"),
        "{}",
        output.stderr
    );
}

/// Element status with `count` drives whose identifiers are as long as they can be and of no use.
fn long_element_status(count: u16) -> Vec<u8> {
    let mut descriptors = Vec::new();
    for address in 0..count {
        descriptors.extend(address.to_be_bytes());
        descriptors.extend([9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        descriptors.extend([0x1b; 36]);
        descriptors.extend([2, 0, 0, 255]);
        descriptors.extend(address.to_be_bytes());
        descriptors.extend([0xff; 253]);
    }
    let length = descriptors.len() as u32;
    let mut data = vec![0, 0];
    data.extend(count.to_be_bytes());
    data.extend((length + 8).to_be_bytes());
    data.extend([4, 0x80]);
    data.extend(307u16.to_be_bytes());
    data.extend(length.to_be_bytes());
    data.extend(descriptors);
    data
}

#[test]
fn a_target_that_has_as_much_to_say_as_it_can_takes_little_memory() {
    let target = target(|command, _| match command.cdb {
        [REPORT_LUNS, ..] => Some(luns(1024)),
        [INQUIRY, 0, ..] if command.lun.number() < 8 => Some(good(inquiry(8, &[0xff; 16]))),
        [INQUIRY, 0, ..] => Some(good(inquiry(1, &[0xff; 16]))),
        [INQUIRY, 1, 0x80, ..] => {
            let mut serial = vec![0xff; 4000];
            serial[..2].copy_from_slice(&(command.lun.number() as u16).to_be_bytes());
            Some(good(page(8, 0x80, &serial)))
        }
        [INQUIRY, 1, 0x83, ..] => {
            let designator = [&[1, 0, 0, 250][..], &[0xff; 250]].concat();
            Some(good(page(8, 0x83, &designator.repeat(16))))
        }
        [READ_ELEMENT_STATUS, ..] => Some(good(long_element_status(4096))),
        _ => None,
    });
    let environment = attached(&target);
    let mut running = environment.start(&["--json", "--timeout", "60", "-reipliscsiop"]);
    let peak = super::peak_memory(running.id());
    let output = running.wait().unwrap();
    let peak = peak.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    assert!(peak > 0 && peak < 32 * 1024, "{peak} KiB");
}
