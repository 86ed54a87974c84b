//! `discover` against hosts that answer in ways of their own.

use std::io;

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{Lun, TargetTransferTag};
use iscsiswiconfig::iscsi::pdu::{Pdu, TextResponse};
use serde_json::{Value, json};

use crate::common::{TestEnvironment, text};
use crate::hostile::target::{Peer, Target};
use crate::peers::embedded::{self, Portal};

/// Answers SendTargets in as many responses as there are parts (RFC 7143 11.11.2).
fn answer(peer: &mut Peer, parts: &[&str]) -> io::Result<()> {
    peer.log_in_with("TargetPortalGroupTag=1\0HeaderDigest=None\0DataDigest=None\0MaxRecvDataSegmentLength=8192\0")?;
    for (index, part) in parts.iter().enumerate() {
        let Pdu::TextRequest(request) = peer.receive()? else {
            panic!("expected a text request");
        };
        let is_last = index + 1 == parts.len();
        peer.exp_cmd_sn = request.cmd_sn.next();
        let response = TextResponse {
            final_bit: is_last,
            continues: !is_last,
            lun: Lun::default(),
            initiator_task_tag: request.initiator_task_tag,
            target_transfer_tag: match is_last {
                true => TargetTransferTag::RESERVED,
                false => TargetTransferTag(7),
            },
            stat_sn: peer.next_stat_sn(),
            exp_cmd_sn: peer.exp_cmd_sn,
            max_cmd_sn: peer.max_cmd_sn(),
            data: Bytes::copy_from_slice(part.as_bytes()),
        };
        peer.send(&Pdu::TextResponse(response))?;
    }
    match peer.receive()? {
        Pdu::LogoutRequest(request) => peer.log_out(&request),
        other => panic!("expected a logout, received {other:?}"),
    }
}

fn host(parts: &'static [&'static str]) -> Target {
    Target::start(move |peer| answer(peer, parts))
}

fn discover(environment: &TestEnvironment, port: u16, more: &[&str]) -> Value {
    let host = format!("127.0.0.1:{port}");
    let words = [&["discover", &host, "--json"], more].concat();
    environment.run(&words).assert_status(0).json()
}

#[test]
fn a_list_in_several_responses_is_read_as_one_with_its_ipv6_portals() {
    // The second response begins within a value.
    let target = host(&[
        "TargetName=iqn.2000-03.com.xyz:first\0TargetAddress=[fd00:",
        ":5]:3260,1\0TargetAddress=10.1.1.5:860,2\0TargetName=iqn.2000-03.com.xyz:it's",
        "\0TargetAddress=10.1.1.6,1\0",
    ]);
    let environment = TestEnvironment::new();
    let document = discover(&environment, target.port, &["-initiatorname", "iqn.a"]);
    let line = |host: &str, name: &str| {
        format!(
            "iscsiswiconfig -addtarget -initiatorname iqn.a -targethostname {host} -targetname {name}"
        )
    };
    assert_eq!(
        document["targets"],
        json!([
            {
                "target_name": "iqn.2000-03.com.xyz:first",
                "portals": [
                    {"address": "fd00::5", "port": 3260, "portal_group_tag": 1},
                    {"address": "10.1.1.5", "port": 860, "portal_group_tag": 2}
                ],
                "lines": [line("fd00::5", "iqn.2000-03.com.xyz:first")]
            },
            {
                "target_name": "iqn.2000-03.com.xyz:it's",
                "portals": [{"address": "10.1.1.6", "port": 3260, "portal_group_tag": 1}],
                "lines": [line("10.1.1.6", "'iqn.2000-03.com.xyz:it'\\''s'")]
            }
        ])
    );
    // The lines are what the macro takes, and until then nothing is staged or configured.
    assert!(
        environment
            .snapshot()
            .iter()
            .all(|(name, _)| name != "config.json")
    );
    for target in document["targets"].as_array().unwrap() {
        let mut command = environment.command_of(std::path::Path::new("sh"));
        command.args(["-c", text(&target["lines"][0])]);
        environment.finish(command).assert_status(0);
    }
    assert_eq!(environment.configured_targets().len(), 2);
}

#[test]
fn a_list_without_an_end_or_out_of_order_ends_with_a_reason() {
    for parts in [
        &["TargetAddress=10.1.1.5:3260,1\0"][..],
        &["TargetName=\0"],
        &["TargetName=iqn.a\0TargetAddress=[fd00::5:3260\0"],
    ] {
        let target = Target::start(move |peer| answer(peer, parts));
        let environment = TestEnvironment::new();
        environment
            .run(&["discover", &format!("127.0.0.1:{}", target.port)])
            .assert_status(4)
            .says(&["gives no list of its targets"]);
    }
}

#[test]
fn a_host_without_a_target_for_this_initiator_is_no_failure() {
    let target = host(&[""]);
    let environment = TestEnvironment::new();
    let output = environment.run(&[
        "discover",
        &format!("127.0.0.1:{}", target.port),
        "-initiatorname",
        "iqn.a",
    ]);
    let output = output.assert_status(0);
    assert_eq!(
        output.stdout,
        format!(
            "No target: 127.0.0.1 port {} names none to initiator iqn.a.\n",
            target.port
        )
    );
    let target = host(&[""]);
    let document = discover(&environment, target.port, &[]);
    assert_eq!(document["targets"], json!([]));
}

#[test]
fn chap_of_the_line_or_of_a_target_configured_there_is_used_and_never_shown() {
    let name = "iqn.2020-01.com.example:chap";
    let portal = Portal::serving([embedded::Target::new(name).account("NAME", "SECRETSECRET")]);
    let environment = TestEnvironment::new();
    let host = format!("127.0.0.1:{}", portal.port());
    environment
        .run(&["discover", &host])
        .assert_status(4)
        .says(&["CHAP"]);
    std::fs::write(environment.home().join("secret"), "SecretSecret\n").unwrap();
    let mut command = environment.command_of(std::path::Path::new("chmod"));
    command.args(["600", "secret"]);
    environment.finish(command).assert_status(0);
    let chap = ["-initiatorchapname", "name", "-initiatorchapsecret"];
    let with_file = [&chap[..], &["--secret-file", "secret"]].concat();
    let with_secret = [&chap[..], &["SecretSecret"]].concat();
    for more in [&with_file, &with_secret] {
        let document = discover(&environment, portal.port(), more);
        let line = text(&document["targets"][0]["lines"][0]);
        assert!(
            line.starts_with("iscsiswiconfig --secret-file FILE -addtarget "),
            "{line}"
        );
        assert!(
            line.ends_with(" -initiatorchapname NAME -initiatorchapsecret"),
            "{line}"
        );
        assert!(
            !document
                .to_string()
                .to_ascii_uppercase()
                .contains("SECRETSECRET")
        );
    }
    let document = discover(&environment, portal.port(), &with_file);
    let line = text(&document["targets"][0]["lines"][0]).replace("FILE", "secret");
    let mut command = environment.command_of(std::path::Path::new("sh"));
    command.args(["-c", &line]);
    environment.finish(command).assert_status(0);
    // The configured target has the name and the secret now.
    // The library is behind another port than the one that was asked.
    let own = document["targets"][0]["portals"][0]["port"]
        .as_u64()
        .unwrap();
    let document = discover(&environment, u16::try_from(own).unwrap(), &[]);
    assert_eq!(document["targets"][0]["target_name"], name);
    assert_eq!(crate::common::targets(&environment.reipl(0)).len(), 1);
}

#[test]
fn parameters_are_those_of_the_macro_and_stand_anywhere_behind_the_command() {
    let environment = TestEnvironment::new();
    for (line, words) in [
        (
            "discover a -initiatorname iqn.a -initiatorname iqn.b",
            "given twice",
        ),
        ("discover a -initiatorname", "has no value"),
        (
            "discover a -initiatorname -initiatorchapname",
            "has no value",
        ),
        ("discover a -targetname iqn.a", "-t"),
        ("discover -initiatorname iqn.a", "HOST"),
        ("discover a:0", "port"),
        ("discover [fd00::5]x", "host name"),
        ("discover a -initiatorchapsecret SECRETSECRET", "CHAP name"),
    ] {
        let output = environment.run_line(line).assert_status(2);
        assert!(output.stderr.contains(words), "{line}: {}", output.stderr);
        assert!(!output.stderr.contains("SECRETSECRET"));
    }
}
