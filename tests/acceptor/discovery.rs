//! Text Requests: SendTargets, and what may be declared in the full feature phase.

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{InitiatorTaskTag, TargetTransferTag};
use iscsiswiconfig::iscsi::operational::SessionType;
use iscsiswiconfig::iscsi::pdu::{LogoutReason, Pdu, TextRequest, TextResponse};
use iscsiswiconfig::iscsi::target::{ScsiReply, TargetRecord, TargetSettings};

use super::peer::{Peer, TARGET, settings};

const NEW: TargetTransferTag = TargetTransferTag::RESERVED;
const RECORD: &str = "TargetName=iqn.2026-11.test:vtl\0TargetAddress=10.1.1.5:3260,1\0";

fn normal() -> Peer {
    Peer::with(|parameters| parameters.peer_max_recv_data_segment_length = 512)
}

fn discovery() -> Peer {
    let mut settings = TargetSettings {
        session_type: SessionType::Discovery,
        target_name: None,
        ..settings()
    };
    settings.parameters.peer_max_recv_data_segment_length = 512;
    settings.targets.push(TargetRecord {
        name: "iqn.2026-11.test:vtl2".parse().unwrap(),
        alias: None,
        addresses: vec!["[::1]:3260,1".parse().unwrap(), "vtl:860".parse().unwrap()],
    });
    Peer::new(settings)
}

fn ask(peer: &mut Peer, request: TextRequest) -> TextResponse {
    peer.give(&Pdu::TextRequest(request));
    let mut sent = peer.sent_pdus();
    assert_eq!(sent.len(), 1, "{sent:?}");
    match sent.remove(0) {
        Pdu::TextResponse(response) => response,
        other => panic!("{other:?}"),
    }
}

fn answer(peer: &mut Peer, text: &str) -> String {
    let request = peer.text(1, NEW, text);
    let response = ask(peer, request);
    assert!(response.final_bit && !response.continues);
    assert_eq!(response.target_transfer_tag, TargetTransferTag::RESERVED);
    assert_eq!(response.initiator_task_tag, InitiatorTaskTag(1));
    String::from_utf8(response.data.to_vec()).unwrap()
}

fn rejected(peer: &mut Peer, request: TextRequest, reason: &str) {
    peer.give(&Pdu::TextRequest(request));
    let sent = peer.sent_one();
    assert!(sent.contains(reason), "{sent}");
}

#[test]
fn a_discovery_session_tells_of_all_targets_or_of_one() {
    // Appendix C
    let mut peer = discovery();
    let second =
        "TargetName=iqn.2026-11.test:vtl2\0TargetAddress=[::1]:3260,1\0TargetAddress=vtl:860,1\0";
    assert_eq!(
        answer(&mut peer, "SendTargets=All\0"),
        format!("{RECORD}{second}")
    );
    assert_eq!(
        answer(&mut peer, "SendTargets=IQN.2026-11.test:VTL2\0"),
        second
    );
    assert_eq!(answer(&mut peer, "SendTargets=iqn.2026-11.test:none\0"), "");
    assert_eq!(answer(&mut peer, "SendTargets=\0"), "");
}

#[test]
fn a_normal_session_tells_of_its_own_target_only() {
    // Appendix C
    let mut peer = normal();
    assert_eq!(answer(&mut peer, "SendTargets=\0"), RECORD);
    assert_eq!(
        answer(&mut peer, &format!("SendTargets={TARGET}\0")),
        RECORD
    );
    assert_eq!(answer(&mut peer, "SendTargets=iqn.2026-11.test:vtl2\0"), "");
    let all = peer.text(1, NEW, "SendTargets=All\0");
    rejected(&mut peer, all, "protocol error");
}

#[test]
fn a_discovery_session_takes_nothing_but_send_targets_and_logout() {
    // 4.3 b
    let mut peer = discovery();
    let command = peer.bare(1);
    peer.give_command(command);
    assert!(peer.sent_one().contains("protocol error"));
    peer.cmd_sn = 1;
    peer.give(&Pdu::NopOut(peer.nop_out(2, u32::MAX, b"")));
    assert!(peer.sent_one().contains("protocol error"));
    for (reason, response) in [
        (LogoutReason::CLOSE_CONNECTION, "protocol error"),
        (LogoutReason::CLOSE_SESSION, "closed successfully"),
    ] {
        let mut peer = discovery();
        peer.give(&Pdu::LogoutRequest(peer.logout(reason, 0)));
        assert!(peer.sent_one().contains(response));
    }
    let other = peer.text(1, NEW, "MaxRecvDataSegmentLength=1024\0");
    rejected(&mut peer, other, "protocol error");
    peer.cmd_sn = 1;
    let both = peer.text(1, NEW, "SendTargets=All\0InitiatorAlias=x\0");
    rejected(&mut peer, both, "protocol error");
}

#[test]
fn an_answer_longer_than_the_initiator_takes_is_fetched_in_parts() {
    // 11.10.4, 11.11.2, 11.11.4
    let mut settings = TargetSettings {
        session_type: SessionType::Discovery,
        ..settings()
    };
    settings.parameters.peer_max_recv_data_segment_length = 512;
    settings.command_window = 64;
    settings.targets = (0..40)
        .map(|number| TargetRecord {
            name: format!("{TARGET}{number}").parse().unwrap(),
            alias: None,
            addresses: vec!["10.1.1.5:3260,1".parse().unwrap()],
        })
        .collect();
    let mut peer = Peer::new(settings);
    let request = peer.text(1, NEW, "SendTargets=All\0");
    let mut response = ask(&mut peer, request);
    let mut text = response.data.to_vec();
    while !response.final_bit {
        assert!(response.continues);
        assert_eq!(response.data.len(), 512);
        assert_ne!(response.target_transfer_tag, NEW);
        let request = peer.text(1, response.target_transfer_tag, "");
        response = ask(&mut peer, request);
        text.extend_from_slice(&response.data);
    }
    assert!(!response.continues);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("TargetName=").count(), 40);
    assert!(text.ends_with("vtl39\0TargetAddress=10.1.1.5:3260,1\0"));
}

#[test]
fn text_of_the_initiator_goes_on_behind_the_c_bit() {
    // 11.10.2, 11.11.1
    let mut peer = normal();
    let first = TextRequest {
        final_bit: false,
        continues: true,
        ..peer.text(1, NEW, "SendTar")
    };
    let response = ask(&mut peer, first);
    assert!(!response.final_bit && !response.continues && response.data.is_empty());
    let second = peer.text(1, response.target_transfer_tag, "gets=\0");
    assert_eq!(ask(&mut peer, second).data, RECORD.as_bytes());
    let contradiction = TextRequest {
        continues: true,
        ..peer.text(2, NEW, "SendTargets=\0")
    };
    rejected(&mut peer, contradiction, "protocol error");
}

#[test]
fn an_exchange_that_the_initiator_does_not_end_stays_open() {
    // 11.11.1: no F bit in answer to none
    let mut peer = normal();
    let open = TextRequest {
        final_bit: false,
        ..peer.text(1, NEW, "X-com.example.key=1\0")
    };
    let response = ask(&mut peer, open);
    assert!(!response.final_bit && !response.continues);
    assert_eq!(response.data, b"X-com.example.key=NotUnderstood\0"[..]);
    let last = peer.text(1, response.target_transfer_tag, "");
    let response = ask(&mut peer, last);
    assert!(response.final_bit && response.data.is_empty());
}

#[test]
fn a_wrong_target_transfer_tag_is_rejected_and_the_reserved_one_starts_anew() {
    // 11.10.4; 11.17.1, note 2
    let mut peer = normal();
    let open = TextRequest {
        final_bit: false,
        continues: true,
        ..peer.text(1, NEW, "SendTar")
    };
    ask(&mut peer, open);
    let wrong = peer.text(1, TargetTransferTag(0x77), "gets=\0");
    rejected(&mut peer, wrong, "invalid PDU field");
    peer.cmd_sn -= 1;
    assert_eq!(answer(&mut peer, "SendTargets=\0"), RECORD);
}

#[test]
fn keys_that_are_not_for_this_phase_are_rejected() {
    // 6.4, section 13
    for text in ["MaxBurstLength=512\0", "HeaderDigest=None\0", "junk"] {
        let mut peer = normal();
        let request = peer.text(1, NEW, text);
        rejected(&mut peer, request, "protocol error");
    }
}

#[test]
fn the_initiator_may_declare_a_new_data_segment_length() {
    // 13.12
    let mut peer = normal();
    assert_eq!(answer(&mut peer, "MaxRecvDataSegmentLength=1024\0"), "");
    let read = peer.read(2, 2000);
    peer.give_command(read);
    let id = peer.command().id;
    let data = Bytes::from(vec![1; 2000]);
    assert!(peer.session.respond(id, ScsiReply::data_in(data)));
    let longest = peer
        .sent_pdus()
        .iter()
        .filter_map(Pdu::data)
        .map(Bytes::len)
        .max();
    assert_eq!(longest, Some(12), "MaxBurstLength still counts");
    assert_eq!(
        peer.session
            .settings()
            .parameters
            .peer_max_recv_data_segment_length,
        1024
    );
    let wrong = peer.text(3, NEW, "MaxRecvDataSegmentLength=1\0");
    rejected(&mut peer, wrong, "protocol error");
}
