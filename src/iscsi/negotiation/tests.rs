use proptest::prelude::*;

use super::*;

const OPERATIONAL: Stage = Stage::LoginOperationalNegotiation;

fn pair(key: &str, value: &str) -> TextPair {
    TextPair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn required(key: &str, value: &str) -> Answer {
    Answer::Required(pair(key, value))
}

/// An initiator that has proposed its default offer.
fn initiator() -> Negotiation {
    let mut negotiation = Negotiation::new(
        Role::Initiator,
        SessionType::Normal,
        OperationalOffer::default(),
    );
    negotiation.proposals();
    negotiation
}

fn target() -> Negotiation {
    Negotiation::new(
        Role::Target,
        SessionType::Normal,
        OperationalOffer::default(),
    )
}

fn answered(pairs: &[(&str, &str)]) -> Result<OperationalParameters, NegotiationError> {
    let mut negotiation = initiator();
    for (key, value) in pairs {
        assert_eq!(
            negotiation.receive(OPERATIONAL, &pair(key, value))?,
            Answer::None
        );
    }
    negotiation.finish().map(|negotiated| negotiated.parameters)
}

#[test]
fn an_initiator_proposes_every_key_once() {
    let mut negotiation = Negotiation::new(
        Role::Initiator,
        SessionType::Normal,
        OperationalOffer::default(),
    );
    let text: Vec<String> = negotiation
        .proposals()
        .iter()
        .map(|pair| format!("{}={}", pair.key, pair.value))
        .collect();
    assert_eq!(
        text.join(" "),
        "HeaderDigest=None,CRC32C DataDigest=None,CRC32C MaxConnections=1 InitialR2T=No ImmediateData=Yes \
         MaxRecvDataSegmentLength=1048576 MaxBurstLength=16776192 FirstBurstLength=262144 DefaultTime2Wait=2 \
         DefaultTime2Retain=0 MaxOutstandingR2T=8 DataPDUInOrder=Yes DataSequenceInOrder=Yes \
         ErrorRecoveryLevel=0"
    );
    assert!(negotiation.proposals().is_empty());
}

#[test]
fn a_discovery_session_proposes_relevant_keys_only() {
    let mut negotiation = Negotiation::new(
        Role::Initiator,
        SessionType::Discovery,
        OperationalOffer::default(),
    );
    let keys: Vec<String> = negotiation
        .proposals()
        .iter()
        .map(|pair| pair.key.clone())
        .collect();
    assert_eq!(
        keys.join(" "),
        "HeaderDigest DataDigest MaxRecvDataSegmentLength DefaultTime2Wait DefaultTime2Retain ErrorRecoveryLevel"
    );
    assert_eq!(
        negotiation.receive(OPERATIONAL, &pair("MaxConnections", "4")),
        Ok(required("MaxConnections", "Irrelevant"))
    );
}

#[test]
fn an_offer_out_of_range_is_brought_into_it() {
    let mut negotiation = Negotiation::new(
        Role::Initiator,
        SessionType::Normal,
        OperationalOffer {
            header_digest: Vec::new(),
            max_recv_data_segment_length: 1,
            max_burst_length: 1 << 24,
            first_burst_length: u32::MAX,
            default_time2wait: 3601,
            ..OperationalOffer::default()
        },
    );
    let pairs = negotiation.proposals();
    assert_eq!(pairs.value("HeaderDigest"), Some("None"));
    assert_eq!(pairs.value("MaxRecvDataSegmentLength"), Some("512"));
    assert_eq!(pairs.value("MaxBurstLength"), Some("16777215"));
    assert_eq!(pairs.value("FirstBurstLength"), Some("16777215"));
    assert_eq!(pairs.value("DefaultTime2Wait"), Some("3600"));
}

#[test]
fn answers_within_the_offer_are_in_force() {
    let parameters = answered(&[
        ("HeaderDigest", "CRC32C"),
        ("DataDigest", "None"),
        ("InitialR2T", "Yes"),
        ("ImmediateData", "No"),
        ("MaxRecvDataSegmentLength", "0x2000"),
        ("MaxBurstLength", "262144"),
        ("FirstBurstLength", "Irrelevant"),
        ("DefaultTime2Wait", "5"),
        ("DefaultTime2Retain", "0"),
        ("MaxOutstandingR2T", "1"),
    ])
    .unwrap();
    assert_eq!(
        parameters,
        OperationalParameters {
            header_digest: Digest::Crc32c,
            immediate_data: false,
            max_recv_data_segment_length: 1 << 20,
            default_time2wait: 5,
            default_time2retain: 0,
            ..OperationalParameters::default()
        }
    );
}

#[test]
fn unanswered_keys_keep_their_default_but_for_a_settled_boolean() {
    let parameters = answered(&[]).unwrap();
    assert!(parameters.initial_r2t, "an offered No needs an answer");
    assert_eq!(parameters.max_burst_length, 262_144);

    let mut negotiation = Negotiation::new(
        Role::Initiator,
        SessionType::Normal,
        OperationalOffer {
            immediate_data: false,
            ..OperationalOffer::default()
        },
    );
    negotiation.proposals();
    let parameters = negotiation.finish().unwrap().parameters;
    assert!(!parameters.immediate_data, "an offered No settles an AND");
}

#[test]
fn reject_and_irrelevant_leave_the_default() {
    let parameters = answered(&[
        ("MaxBurstLength", "Reject"),
        ("HeaderDigest", "Irrelevant"),
        ("ErrorRecoveryLevel", "Reject"),
    ])
    .unwrap();
    assert_eq!(parameters.max_burst_length, 262_144);
    assert_eq!(parameters.header_digest, Digest::None);
}

#[test]
fn a_digest_that_has_to_be_on_and_is_not_agreed_on_is_no_common_value() {
    for answer in [None, Some("Reject")] {
        let mut negotiation = Negotiation::new(
            Role::Initiator,
            SessionType::Normal,
            OperationalOffer {
                data_digest: vec![Digest::Crc32c],
                ..OperationalOffer::default()
            },
        );
        negotiation.proposals();
        if let Some(answer) = answer {
            negotiation
                .receive(OPERATIONAL, &pair("DataDigest", answer))
                .unwrap();
        }
        assert_eq!(
            negotiation.finish().unwrap_err(),
            NegotiationError::NoCommonValue {
                key: "DataDigest",
                offered: "CRC32C".to_owned()
            }
        );
    }
}

#[test]
fn an_answer_outside_of_the_offer_names_key_offered_and_received() {
    for (key, offered, received) in [
        ("MaxBurstLength", "16776192", "16776193"),
        ("FirstBurstLength", "262144", "300000"),
        ("MaxOutstandingR2T", "8", "9"),
        ("ErrorRecoveryLevel", "0", "1"),
        ("MaxConnections", "1", "2"),
        ("DataPDUInOrder", "Yes", "No"),
        ("HeaderDigest", "None,CRC32C", "CRC64"),
        ("HeaderDigest", "None,CRC32C", "None,CRC32C"),
    ] {
        assert_eq!(
            answered(&[(key, received)]).unwrap_err(),
            NegotiationError::NotSelectable {
                key,
                offered: offered.to_owned(),
                received: ReceivedText(received.to_owned())
            }
        );
    }
}

#[test]
fn an_answer_of_the_wrong_form_or_out_of_range_is_an_error() {
    assert!(matches!(
        answered(&[("ImmediateData", "yes")]).unwrap_err(),
        NegotiationError::Malformed {
            key: "ImmediateData",
            ..
        }
    ));
    assert!(matches!(
        answered(&[("MaxBurstLength", "None")]).unwrap_err(),
        NegotiationError::Malformed { .. }
    ));
    assert!(matches!(
        answered(&[("MaxBurstLength", "511")]).unwrap_err(),
        NegotiationError::OutOfRange {
            min: 512,
            received: 511,
            ..
        }
    ));
    assert!(matches!(
        answered(&[("MaxRecvDataSegmentLength", "16777216")]).unwrap_err(),
        NegotiationError::OutOfRange { .. }
    ));
}

#[test]
fn not_understood_is_an_error_for_every_key_of_the_standard() {
    for key in ["MaxBurstLength", "HeaderDigest", "MaxRecvDataSegmentLength"] {
        assert_eq!(
            answered(&[(key, "NotUnderstood")]).unwrap_err(),
            NegotiationError::NotUnderstood { key }
        );
    }
}

#[test]
fn a_key_settled_before_may_not_come_again_with_another_value() {
    for (key, value, other) in [
        ("MaxBurstLength", "512", "513"),
        ("TargetPortalGroupTag", "1", "2"),
    ] {
        assert!(matches!(
            answered(&[(key, value), (key, other)]).unwrap_err(),
            NegotiationError::Repeated { .. }
        ));
    }
    let mut target = target();
    let again = pair("MaxBurstLength", "512");
    assert!(target.receive(OPERATIONAL, &again).is_ok());
    assert!(matches!(
        target.receive(OPERATIONAL, &again),
        Err(NegotiationError::Repeated { .. })
    ));
}

#[test]
fn first_burst_length_may_not_exceed_max_burst_length_when_both_were_agreed_on() {
    assert_eq!(
        answered(&[("MaxBurstLength", "8192"), ("FirstBurstLength", "65536")]).unwrap_err(),
        NegotiationError::FirstBurstExceedsMaxBurst {
            first_burst_length: 65_536,
            max_burst_length: 8192
        }
    );
    let parameters = answered(&[("MaxBurstLength", "8192")]).unwrap();
    assert_eq!(parameters.first_burst_length, 8192);
    let parameters = answered(&[
        ("MaxBurstLength", "8192"),
        ("FirstBurstLength", "65536"),
        ("InitialR2T", "Yes"),
        ("ImmediateData", "No"),
    ])
    .unwrap();
    assert_eq!(
        parameters.first_burst_length, 8192,
        "without unsolicited data it is irrelevant"
    );
}

#[test]
fn declarations_of_the_target_are_kept() {
    let mut negotiation = initiator();
    for (key, value) in [
        ("TargetAlias", "VTL \u{e9}"),
        ("TargetPortalGroupTag", "0x10"),
    ] {
        let received = negotiation.receive(Stage::SecurityNegotiation, &pair(key, value));
        assert_eq!(received, Ok(Answer::None));
    }
    let negotiated = negotiation.finish().unwrap();
    assert_eq!(negotiated.target_alias.as_deref(), Some("VTL \u{e9}"));
    assert_eq!(negotiated.target_portal_group_tag, Some(16));
}

#[test]
fn keys_of_the_other_side_or_of_another_stage_are_errors() {
    let mut negotiation = initiator();
    for key in ["InitiatorName", "TargetName", "SessionType", "SendTargets"] {
        assert_eq!(
            negotiation.receive(OPERATIONAL, &pair(key, "x")),
            Err(NegotiationError::WrongSender { key })
        );
    }
    for (stage, key) in [
        (Stage::SecurityNegotiation, "MaxBurstLength"),
        (Stage::SecurityNegotiation, "CHAP_A"),
        (OPERATIONAL, "AuthMethod"),
        (Stage::FullFeaturePhase, "InitialR2T"),
    ] {
        assert_eq!(
            negotiation.receive(stage, &pair(key, "x")),
            Err(NegotiationError::OutOfPlace { key, stage })
        );
    }
}

#[test]
fn obsolete_and_unknown_keys_are_answered_as_the_standard_wants() {
    let mut negotiation = initiator();
    for (key, value, answer) in [
        ("IFMarker", "No", "Reject"),
        ("OFMarker", "Yes", "Reject"),
        ("IFMarkInt", "1~65535", "Reject"),
        ("OFMarkInt", "2048", "Reject"),
        ("X-com.example.key", "3", "NotUnderstood"),
        ("Unheard", "", "NotUnderstood"),
        ("iSCSIProtocolLevel", "2", "1"),
        (
            "TaskReporting",
            "FastAbort,ResponseFence,RFC3720",
            "RFC3720",
        ),
    ] {
        assert_eq!(
            negotiation.receive(OPERATIONAL, &pair(key, value)),
            Ok(required(key, answer))
        );
    }
    assert_eq!(
        negotiation.receive(OPERATIONAL, &pair("X#NodeArchitecture", "a,b")),
        Ok(Answer::None)
    );
}

#[test]
fn an_answer_to_what_a_target_never_proposed_is_an_error() {
    for key in ["X-com.example.key", "TaskReporting", "IFMarker"] {
        assert!(matches!(
            target().receive(OPERATIONAL, &pair(key, "NotUnderstood")),
            Err(NegotiationError::AnswerWithoutProposal { .. })
        ));
    }
}

#[test]
fn a_target_selects_by_the_result_function() {
    let mut negotiation = target();
    for (key, value, answer) in [
        ("HeaderDigest", "CRC64,CRC32C,None", "CRC32C"),
        ("DataDigest", "CRC64", "Reject"),
        ("MaxConnections", "4", "1"),
        ("MaxBurstLength", "8192", "8192"),
        ("FirstBurstLength", "511", "Reject"),
        ("DefaultTime2Wait", "1", "2"),
        ("DefaultTime2Retain", "20", "0"),
        ("ImmediateData", "Yes", "Yes"),
        ("InitialR2T", "No", "No"),
        ("ErrorRecoveryLevel", "9", "Reject"),
        ("MaxOutstandingR2T", "1~4", "Reject"),
    ] {
        assert_eq!(
            negotiation.receive(OPERATIONAL, &pair(key, value)),
            Ok(required(key, answer))
        );
    }
    assert_eq!(
        negotiation.receive(OPERATIONAL, &pair("DataPDUInOrder", "Yes")),
        Ok(Answer::Optional(pair("DataPDUInOrder", "Yes")))
    );
    assert_eq!(
        negotiation.receive(OPERATIONAL, &pair("DataSequenceInOrder", "maybe")),
        Ok(required("DataSequenceInOrder", "Reject"))
    );
}

#[test]
fn initiator_and_target_come_to_the_same_parameters() {
    let mut initiator = Negotiation::new(
        Role::Initiator,
        SessionType::Normal,
        OperationalOffer {
            header_digest: vec![Digest::Crc32c, Digest::None],
            ..OperationalOffer::default()
        },
    );
    let mut target = Negotiation::new(
        Role::Target,
        SessionType::Normal,
        OperationalOffer {
            initial_r2t: true,
            max_burst_length: 65_536,
            first_burst_length: 8192,
            max_recv_data_segment_length: 131_072,
            ..OperationalOffer::default()
        },
    );
    for proposal in &initiator.proposals() {
        match target.receive(OPERATIONAL, proposal).unwrap() {
            Answer::None => {}
            Answer::Optional(answer) | Answer::Required(answer) => {
                assert_eq!(initiator.receive(OPERATIONAL, &answer), Ok(Answer::None));
            }
        }
    }
    for declaration in &target.proposals() {
        initiator.receive(OPERATIONAL, declaration).unwrap();
    }
    let initiator = initiator.finish().unwrap().parameters;
    let target = target.finish().unwrap().parameters;
    assert_eq!(initiator.header_digest, Digest::Crc32c);
    assert_eq!(
        (initiator.first_burst_length, initiator.max_burst_length),
        (8192, 65_536)
    );
    assert_eq!(initiator.peer_max_recv_data_segment_length, 131_072);
    assert_eq!(target.peer_max_recv_data_segment_length, 1 << 20);
    assert_eq!(
        initiator
            .keys()
            .iter()
            .filter(|(name, _)| !name.ends_with("DataSegmentLength"))
            .collect::<Vec<_>>(),
        target
            .keys()
            .iter()
            .filter(|(name, _)| !name.ends_with("DataSegmentLength"))
            .collect::<Vec<_>>()
    );
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..KEYS.len()).prop_map(|n| KEYS[n].name.to_owned()),
        "[A-Z][a-z]{0,5}"
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "(Yes|No|None|CRC32C|Reject|Irrelevant|NotUnderstood|RFC3720)(,None|,CRC32C)?",
        any::<u32>().prop_map(|n| n.to_string()),
        "\\PC{0,10}"
    ]
}

proptest! {
    #[test]
    fn what_is_agreed_on_never_breaks_the_offer(
        pairs in prop::collection::vec((any_key(), any_value()), 0..30)
    ) {
        let mut negotiation = initiator();
        for (key, value) in &pairs {
            let _ = negotiation.receive(OPERATIONAL, &pair(key, value));
        }
        if let Ok(Negotiated { parameters, .. }) = negotiation.finish() {
            prop_assert!(parameters.max_burst_length <= 16_776_192);
            prop_assert!(parameters.first_burst_length <= parameters.max_burst_length);
            prop_assert!((1..=8).contains(&parameters.max_outstanding_r2t));
            prop_assert!(parameters.peer_max_recv_data_segment_length >= 512);
            prop_assert_eq!(parameters.error_recovery_level, 0);
        }
    }

    #[test]
    fn a_target_takes_arbitrary_pairs(
        pairs in prop::collection::vec((any_key(), any_value()), 0..30)
    ) {
        let mut negotiation = target();
        for (key, value) in &pairs {
            let _ = negotiation.receive(OPERATIONAL, &pair(key, value));
        }
        let _ = negotiation.finish();
    }
}
