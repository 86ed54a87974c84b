use std::io;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{DataSn, InitiatorTaskTag, Lun, R2tSn, TargetTransferTag};
use iscsiswiconfig::iscsi::pdu::{
    AsyncEvent, AsyncMessage, Pdu, R2t, Reject, RejectReason, ServiceResponse,
};

use super::target::{NAME, OPERATIONAL, Peer, Target, good, library, status};
use super::{
    SILENCE, assert_failed, attached, configure, connected, connected_within, failed,
    failed_within, re_ipl, words,
};
use crate::common::{TestEnvironment, targets};

fn fails(script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> String {
    words(&failed(&attached(&Target::start(script)), "enumerate"))
}

fn fails_by_silence(
    script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
) -> String {
    let environment = attached(&Target::start(script));
    words(&failed_within(&environment, "enumerate", SILENCE))
}

fn connects(script: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) {
    let report = connected(&attached(&Target::start(script)));
    assert_eq!(report["libraries"][0]["drives"][0]["volume"], "AB0001L5");
}

fn message(peer: &mut Peer, async_event: AsyncEvent) -> Pdu {
    Pdu::AsyncMessage(AsyncMessage {
        lun: Lun::default(),
        stat_sn: peer.next_stat_sn(),
        exp_cmd_sn: peer.exp_cmd_sn,
        max_cmd_sn: peer.max_cmd_sn(),
        async_event,
        async_vcode: 0,
        parameter1: 0,
        parameter2: 2,
        parameter3: 3,
        data: Bytes::new(),
    })
}

#[test]
fn the_conforming_library_connects() {
    connects(|peer| peer.run(|_| None));
}

#[test]
fn a_target_that_stalls_after_the_login_is_given_up() {
    let words = fails_by_silence(|peer| {
        peer.log_in()?;
        peer.stay_silent()
    });
    assert!(words.contains("not answered within 1 s"), "{words}");
}

#[test]
fn a_window_that_never_opens_is_given_up() {
    fails_by_silence(|peer| {
        peer.window = 0;
        peer.log_in()?;
        peer.stay_silent()
    });
}

#[test]
fn a_connection_that_drops_after_any_pdu_is_reported() {
    // The library sends one for the login, two for REPORT LUNS, five for each logical unit's TEST UNIT READY, INQUIRY and
    // VPD page 00h, ten and four for what describes the changer and the drive, and one for the logout.
    const PDUS: usize = 28;
    let ports: Vec<_> = (0..=PDUS)
        .map(|limit| {
            let target = Target::start(move |peer| {
                // An answer is up to two PDUs; both count, and the second may be the one that does not come.
                let mut left = limit;
                let mut take = move || {
                    let go_on = left > 0;
                    left = left.saturating_sub(1);
                    if go_on {
                        Ok(())
                    } else {
                        Err(io::Error::from(io::ErrorKind::Other))
                    }
                };
                let request = peer.login_request()?;
                take()?;
                peer.send_login(peer.grant(&request, OPERATIONAL))?;
                loop {
                    let command = match peer.receive()? {
                        Pdu::ScsiCommand(command) => command,
                        Pdu::LogoutRequest(request) => {
                            take()?;
                            return peer.log_out(&request);
                        }
                        _ => continue,
                    };
                    peer.exp_cmd_sn = command.cmd_sn.next();
                    let reply = library(&command);
                    if !reply.data.is_empty() {
                        take()?;
                        peer.send(&Pdu::DataIn(peer.data_in(&command, reply.data.clone())))?;
                    }
                    take()?;
                    let response = peer.response(&command, &reply);
                    peer.send(&Pdu::ScsiResponse(response))?;
                }
            });
            (format!("{NAME}-{limit}"), target.port)
        })
        .collect();
    let environment = TestEnvironment::new();
    configure(&environment, &ports);
    let output = re_ipl(&environment).assert_status(4);
    let document = output.json();
    for (limit, target) in targets(&document).iter().enumerate() {
        // From the drive's INQUIRY on, the connection can drop at a question that a second session goes without.
        let must_fail = limit < 9;
        let must_connect = limit >= PDUS - 1;
        if target["status"] == "CONNECTED" {
            assert!(!must_fail, "{limit} {target:#}");
        } else {
            assert!(!must_connect, "{limit} {target:#}");
            assert_failed(target, if limit == 0 { "login" } else { "enumerate" });
        }
    }
}

#[test]
fn a_logout_that_is_not_answered_does_no_harm() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        loop {
            match peer.receive()? {
                Pdu::ScsiCommand(command) => {
                    peer.exp_cmd_sn = command.cmd_sn.next();
                    peer.answer(&command, library(&command))?;
                }
                Pdu::LogoutRequest(_) => return peer.stay_silent(),
                _ => {}
            }
        }
    });
    connected_within(&attached(&target), SILENCE);
}

#[test]
fn a_reject_is_reported() {
    let words = fails_by_silence(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut header = vec![0x01; 48];
        header[16..20].copy_from_slice(&command.initiator_task_tag.0.to_be_bytes());
        let reject = Reject {
            reason: RejectReason::PROTOCOL_ERROR,
            stat_sn: peer.next_stat_sn(),
            exp_cmd_sn: peer.exp_cmd_sn,
            max_cmd_sn: peer.max_cmd_sn(),
            data_sn: 0,
            data: header.into(),
        };
        peer.send(&Pdu::Reject(reject))?;
        peer.stay_silent()
    });
    assert!(words.contains("rejected"), "{words}");
}

#[test]
fn a_target_that_drops_the_session_is_reported() {
    for event in [
        AsyncEvent::DROP_CONNECTION,
        AsyncEvent::DROP_ALL_CONNECTIONS,
    ] {
        let words = fails(move |peer| {
            peer.log_in()?;
            peer.command()?;
            let message = message(peer, event);
            peer.send(&message)?;
            peer.stay_silent()
        });
        assert!(words.contains("ended the session"), "{words}");
    }
}

#[test]
fn an_event_of_no_interest_disturbs_nothing() {
    for event in [AsyncEvent(0), AsyncEvent(255), AsyncEvent(77)] {
        connects(move |peer| {
            peer.log_in()?;
            loop {
                let command = peer.command()?;
                let message = message(peer, event);
                peer.send(&message)?;
                peer.answer(&command, library(&command))?;
            }
        });
    }
}

#[test]
fn pings_are_answered_and_disturb_nothing() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    connects(move |peer| {
        peer.log_in()?;
        loop {
            match peer.receive()? {
                Pdu::ScsiCommand(command) => {
                    peer.exp_cmd_sn = command.cmd_sn.next();
                    for _ in 0..100 {
                        let ping = peer.ping();
                        peer.send(&ping)?;
                    }
                    peer.answer(&command, library(&command))?;
                }
                Pdu::LogoutRequest(request) => return peer.log_out(&request),
                Pdu::NopOut(_) => {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
        }
    });
    assert!(answered.load(Ordering::SeqCst) >= 500);
}

#[test]
fn a_damaged_digest_ends_the_session() {
    for (keys, place, word) in [
        (
            "HeaderDigest=CRC32C\0DataDigest=None\0",
            48,
            "header digest",
        ),
        ("HeaderDigest=None\0DataDigest=CRC32C\0", 48, "data digest"),
    ] {
        let words = fails(move |peer| {
            let rest = OPERATIONAL.split_once("MaxConnections").unwrap().1;
            let request = peer.login_request()?;
            peer.send_login(peer.grant(&request, &format!("{keys}MaxConnections{rest}")))?;
            // With a digest more, the initiator's PDUs are not worth following: its first tag is known.
            peer.encoder.header_digest = keys.starts_with("HeaderDigest=CRC32C");
            peer.encoder.data_digest = !peer.encoder.header_digest;
            let mut command = [0; 48];
            peer.stream.read_exact(&mut command)?;
            let tag = u32::from_be_bytes(command[16..20].try_into().unwrap());
            let mut data_in = peer.data_in(&dummy(tag), vec![0; 16]);
            data_in.final_bit = true;
            let mut bytes = peer.encoded(&Pdu::DataIn(data_in));
            bytes[place] ^= 1;
            peer.stream.write_all(&bytes)?;
            while peer.stream.read(&mut command)? > 0 {}
            Ok(())
        });
        assert!(words.contains(word), "{words}");
    }
}

/// A command of which only the tag matters.
fn dummy(tag: u32) -> iscsiswiconfig::iscsi::pdu::ScsiCommand {
    iscsiswiconfig::iscsi::pdu::ScsiCommand {
        immediate: false,
        final_bit: true,
        read: true,
        write: false,
        attribute: iscsiswiconfig::iscsi::pdu::TaskAttribute::SIMPLE,
        lun: Lun::default(),
        initiator_task_tag: InitiatorTaskTag(tag),
        expected_data_transfer_length: 16,
        cmd_sn: iscsiswiconfig::iscsi::ids::CmdSn(1),
        exp_stat_sn: iscsiswiconfig::iscsi::ids::StatSn(1),
        cdb: [0; 16],
        extended_cdb: Bytes::new(),
        bidirectional_read_expected_data_transfer_length: None,
        data: Bytes::new(),
    }
}

#[test]
fn a_segment_of_sixteen_megabytes_is_refused_by_its_header() {
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut bytes = peer.encoded(&Pdu::DataIn(peer.data_in(&command, Vec::new())));
        bytes[5..8].fill(0xff);
        peer.stream.write_all(&bytes)?;
        peer.stay_silent()
    });
    assert!(words.contains("16777215 bytes of data"), "{words}");
}

#[test]
fn unsolicited_data_in_ends_the_session() {
    // Beyond the expected length.
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let length = command.expected_data_transfer_length as usize + 1;
        peer.send(&Pdu::DataIn(peer.data_in(&command, vec![0; length])))?;
        peer.stay_silent()
    });
    assert!(words.contains("expected at most"), "{words}");
    // For no task.
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut data_in = peer.data_in(&command, vec![0; 8]);
        data_in.initiator_task_tag = InitiatorTaskTag(0x7777);
        loop {
            peer.send(&Pdu::DataIn(data_in.clone()))?;
        }
    });
    assert!(words.contains("expects none"), "{words}");
    // A demand for data from a task that reads.
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let r2t = R2t {
            lun: command.lun,
            initiator_task_tag: command.initiator_task_tag,
            target_transfer_tag: TargetTransferTag(1),
            stat_sn: peer.stat_sn,
            exp_cmd_sn: peer.exp_cmd_sn,
            max_cmd_sn: peer.max_cmd_sn(),
            r2t_sn: R2tSn(0),
            buffer_offset: 0,
            desired_data_transfer_length: 16,
        };
        peer.send(&Pdu::R2t(r2t))?;
        peer.stay_silent()
    });
    assert!(words.contains("expects none"), "{words}");
}

#[test]
fn data_without_bytes_and_without_end_is_no_answer() {
    fails_by_silence(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut data_in = peer.data_in(&command, Vec::new());
        data_in.final_bit = false;
        loop {
            peer.send(&Pdu::DataIn(data_in.clone()))?;
            data_in.data_sn = DataSn(data_in.data_sn.0.wrapping_add(1));
        }
    });
}

#[test]
fn a_response_to_no_command_ends_the_session() {
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut response = peer.response(&command, &good([]));
        response.initiator_task_tag = InitiatorTaskTag(0x7777);
        peer.send(&Pdu::ScsiResponse(response))?;
        peer.stay_silent()
    });
    assert!(
        words.contains("0x7777") || words.contains("expects none"),
        "{words}"
    );
}

#[test]
fn a_status_number_out_of_order_ends_the_session() {
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        peer.next_stat_sn();
        peer.answer(&command, status(0))?;
        peer.stay_silent()
    });
    assert!(words.contains("StatSN"), "{words}");
}

#[test]
fn a_command_that_the_target_failed_is_reported() {
    let words = fails_by_silence(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut response = peer.response(&command, &good([]));
        response.response = ServiceResponse(1);
        peer.send(&Pdu::ScsiResponse(response))?;
        peer.stay_silent()
    });
    assert!(words.contains("failed to carry out"), "{words}");
}

#[test]
fn sense_data_that_is_cut_short_ends_the_session() {
    let words = fails(|peer| {
        peer.log_in()?;
        let command = peer.command()?;
        let mut response = peer.response(&command, &status(2));
        response.data = Bytes::from_static(&[0xff, 0xff, 0x70]);
        peer.send(&Pdu::ScsiResponse(response))?;
        peer.stay_silent()
    });
    assert!(words.contains("SenseLength 65535"), "{words}");
}

#[test]
fn a_login_answer_with_a_slow_library_behind_it_is_in_time() {
    // Each answer takes most of a phase; together they take longer than one.
    connects(|peer| {
        peer.window = 1;
        let mut first = 4;
        peer.run(move |_| {
            if first > 0 {
                first -= 1;
                thread::sleep(Duration::from_millis(300));
            }
            None
        })
    });
}

#[test]
fn a_flood_of_pings_keeps_no_session_alive() {
    let answered = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&answered);
    fails_by_silence(move |peer| {
        peer.log_in()?;
        let ping = peer.encoded(&peer.ping()).repeat(1000);
        let mut reader = peer.stream.try_clone()?;
        let seen = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = [0; 8192];
            // The command that is never answered comes first.
            while matches!(reader.read(&mut bytes), Ok(length) if length > 0) {
                seen.store(true, Ordering::SeqCst);
            }
        });
        loop {
            peer.stream.write_all(&ping)?;
        }
    });
    assert!(answered.load(Ordering::SeqCst));
}

#[test]
fn a_target_that_talks_and_never_listens_is_given_up_with_little_memory() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        let ping = peer.encoded(&peer.ping()).repeat(1000);
        loop {
            peer.stream.write_all(&ping)?;
        }
    });
    let environment = attached(&target);
    let running = environment.start(&["--json", "--timeout", "1", "-reipliscsiop"]);
    let peak = super::peak_memory(running.id());
    let output = super::outcome(running).assert_status(4);
    assert_failed(&targets(&output.json())[0], "enumerate");
    let peak = peak.join().unwrap();
    assert!(peak > 0 && peak < 24 * 1024, "{peak} KiB");
}

#[test]
fn a_target_that_asks_for_a_logout_gets_it() {
    for event in [AsyncEvent::LOGOUT_REQUEST, AsyncEvent::NEGOTIATION_REQUEST] {
        let logged_out = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&logged_out);
        let words = fails(move |peer| {
            peer.log_in()?;
            let command = peer.command()?;
            let message = message(peer, event);
            peer.send(&message)?;
            // What was on its way is answered late.
            peer.answer(&command, library(&command))?;
            loop {
                if let Pdu::LogoutRequest(request) = peer.receive()? {
                    seen.store(true, Ordering::SeqCst);
                    peer.log_out(&request)?;
                }
            }
        });
        assert!(words.contains("asked the initiator to log out"), "{words}");
        assert!(logged_out.load(Ordering::SeqCst));
    }
}

#[test]
fn pings_without_end_after_the_logout_take_no_memory() {
    let target = Target::start(|peer| {
        peer.log_in()?;
        while let Pdu::ScsiCommand(command) = peer.receive()? {
            peer.exp_cmd_sn = command.cmd_sn.next();
            peer.answer(&command, library(&command))?;
        }
        let ping = peer.encoded(&peer.ping()).repeat(1000);
        loop {
            peer.stream.write_all(&ping)?;
        }
    });
    let environment = attached(&target);
    let running = environment.start(&["--json", "--timeout", "1.5", "-reipliscsiop"]);
    let peak = super::peak_memory(running.id());
    super::outcome(running).assert_status(0);
    let peak = peak.join().unwrap();
    assert!(peak > 0 && peak < 24 * 1024, "{peak} KiB");
}

#[test]
fn answers_that_come_just_in_time_for_ever_end_with_the_target_as_a_whole() {
    let words = fails_by_silence(|peer| {
        peer.window = 1;
        peer.run(|_| {
            thread::sleep(Duration::from_millis(700));
            None
        })
    });
    assert!(words.contains("given up after 4 s"), "{words}");
}
