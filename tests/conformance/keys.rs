//! The text format and the operational keys (6.1, 6.2, 13).

use std::collections::HashSet;

use iscsiswiconfig::iscsi::login::{LoginError, LoginParameters};
use iscsiswiconfig::iscsi::negotiation::NegotiationError;
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, OperationalParameters};

use super::target::{
    Exchange, FULL_FEATURE, OPERATIONAL, SECURITY, chap_login, open_login, parameters, stay,
};

fn agreed(pairs: &[&str]) -> OperationalParameters {
    open_login().succeeds(pairs).parameters
}

fn refused(pairs: &[&str]) -> NegotiationError {
    match open_login().fails(pairs) {
        LoginError::Negotiation(error) => error,
        other => panic!("{other}"),
    }
}

fn offering(offer: OperationalOffer) -> Exchange {
    Exchange::start(LoginParameters {
        offer,
        ..parameters()
    })
}

#[test]
fn the_names_and_the_session_type_stand_in_the_first_request_only() {
    // Login 7.1 Login Request, 11.1 Initiator Name Target Name; RFC 7143 6.3, 13.4, 13.5.
    let first = chap_login(&[]);
    assert_eq!(
        first.sent("InitiatorName").as_deref(),
        Some("iqn.1924-02.com.ibm:ibmi.1-i0")
    );
    assert_eq!(
        first.sent("TargetName").as_deref(),
        Some("iqn.2020-01.com.example:vtl")
    );
    assert_eq!(first.sent("SessionType").as_deref(), Some("Normal"));
    let mut exchange = first.goes_on(&["AuthMethod=None"]);
    for _ in 0..3 {
        for key in ["InitiatorName", "TargetName", "SessionType"] {
            assert_eq!(exchange.sent(key), None);
        }
        exchange = match exchange.request.next_stage {
            FULL_FEATURE => exchange.stays(&[]),
            _ => exchange.goes_on(&[]),
        };
    }
}

#[test]
fn no_key_is_sent_twice() {
    // Login 6.1 Negotiate Once; RFC 7143 6.3.
    let mut exchange = chap_login(&[]);
    let mut seen = HashSet::new();
    for _ in 0..6 {
        for pair in exchange.pairs() {
            let key = pair.split('=').next().unwrap().to_owned();
            assert!(seen.insert(key), "{pair}");
        }
        exchange = match exchange.request.current_stage {
            SECURITY if exchange.request.transit => exchange.goes_on(&[]),
            SECURITY => exchange.goes_on(&["AuthMethod=None"]),
            _ => exchange.stays(&[]),
        };
    }
    assert!(seen.contains("ErrorRecoveryLevel"));
}

#[test]
fn a_key_settled_in_one_response_may_not_come_again_in_the_next() {
    // Login 6.2 ImmediateData Separate PDUs; RFC 7143 6.3.
    let error = open_login()
        .stays(&["ImmediateData=Yes"])
        .fails(&["ImmediateData=No"]);
    assert!(matches!(
        error,
        LoginError::Negotiation(NegotiationError::Repeated {
            key: "ImmediateData",
            ..
        })
    ));
}

#[test]
fn a_key_may_not_come_with_two_values_in_one_response() {
    // Login 6.3 ImmediateData Same PDU; RFC 7143 6.3.
    let error = open_login().fails(&["ImmediateData=Yes", "ImmediateData=No"]);
    assert!(matches!(error, LoginError::Text(_)));
}

#[test]
fn a_declaration_may_not_come_twice() {
    // RFC 7143 6.3 and 13.9.
    let error = chap_login(&[])
        .goes_on(&["AuthMethod=None", "TargetPortalGroupTag=1"])
        .fails(&["TargetPortalGroupTag=2"]);
    assert!(matches!(
        error,
        LoginError::Negotiation(NegotiationError::Repeated {
            key: "TargetPortalGroupTag",
            ..
        })
    ));
}

#[test]
fn only_a_value_of_the_offered_list_is_taken() {
    // Login 7.2 List Negotiation; RFC 7143 6.2.1.
    assert!(matches!(
        refused(&["HeaderDigest=CRC64"]),
        NegotiationError::NotSelectable {
            key: "HeaderDigest",
            ..
        }
    ));
    assert!(matches!(
        refused(&["DataDigest=None,CRC32C"]),
        NegotiationError::NotSelectable {
            key: "DataDigest",
            ..
        }
    ));
}

#[test]
fn an_authentication_method_that_was_not_offered_ends_the_login() {
    // Login 7.3 Invalid AuthMethod; RFC 7143 12.1 and 6.2.1.
    for method in ["KRB5", "chap", "CHAP,None", "Irrelevant", ""] {
        assert!(matches!(
            chap_login(&[]).fails(&[&format!("AuthMethod={method}")]),
            LoginError::AuthMethodNotOffered {
                offered: "CHAP,None",
                ..
            }
        ));
    }
    assert_eq!(
        chap_login(&[]).fails(&["AuthMethod=Reject"]),
        LoginError::NoCommonAuthMethod {
            offered: "CHAP,None"
        }
    );
}

#[test]
fn a_first_burst_length_above_the_offer_ends_the_login() {
    // Login 7.4 FirstBurstLength Too High; RFC 7143 13.14.
    assert!(matches!(
        refused(&["FirstBurstLength=262145"]),
        NegotiationError::NotSelectable {
            key: "FirstBurstLength",
            ..
        }
    ));
    assert!(matches!(
        refused(&["FirstBurstLength=16777216"]),
        NegotiationError::OutOfRange {
            key: "FirstBurstLength",
            ..
        }
    ));
}

#[test]
fn a_boolean_that_is_neither_yes_nor_no_ends_the_login() {
    // Login 7.5 ImmediateData Invalid Value, 13.3 Illegal Boolean; RFC 7143 6.1.
    for value in ["yes", " No", "1", "true", ""] {
        assert!(matches!(
            refused(&[&format!("ImmediateData={value}")]),
            NegotiationError::Malformed {
                key: "ImmediateData",
                ..
            }
        ));
    }
}

#[test]
fn an_unknown_key_is_answered_not_understood() {
    // Login 7.6 Invalid Key; RFC 7143 6.2.
    let exchange = open_login().stays(&["X-com.example.speed=11", "Unheard=of"]);
    assert_eq!(
        exchange.pairs(),
        ["X-com.example.speed=NotUnderstood", "Unheard=NotUnderstood"]
    );
    exchange.succeeds(&[]);
    let in_security = chap_login(&[]).goes_on(&["AuthMethod=None", "Unheard=of"]);
    assert_eq!(in_security.pairs(), ["Unheard=NotUnderstood"]);
}

#[test]
fn not_understood_for_a_key_of_the_standard_ends_the_login() {
    // RFC 7143 6.2.
    assert_eq!(
        refused(&["MaxBurstLength=NotUnderstood"]),
        NegotiationError::NotUnderstood {
            key: "MaxBurstLength"
        }
    );
}

#[test]
fn both_digests_are_offered_with_none_and_crc32c() {
    // Login 9.1 Digests Offer; RFC 7143 13.1.
    let exchange = open_login();
    assert_eq!(
        exchange.sent("HeaderDigest").as_deref(),
        Some("None,CRC32C")
    );
    assert_eq!(exchange.sent("DataDigest").as_deref(), Some("None,CRC32C"));
}

#[test]
fn a_list_is_no_answer_to_the_offered_digests() {
    // Login 9.2 Digests Response; RFC 7143 6.2.1: the responder selects one value.
    let error = open_login().fails_with(&["HeaderDigest=CRC32C,None"], stay);
    assert!(matches!(
        error,
        LoginError::Negotiation(NegotiationError::NotSelectable { .. })
    ));
}

#[test]
fn crc32c_is_in_force_when_the_target_selects_it() {
    // Login 9.3 Support CRC32C; RFC 7143 13.1.
    let parameters = agreed(&["HeaderDigest=CRC32C", "DataDigest=CRC32C"]);
    assert_eq!(
        (parameters.header_digest, parameters.data_digest),
        (Digest::Crc32c, Digest::Crc32c)
    );
}

#[test]
fn one_connection_is_offered_and_no_more_is_taken() {
    // Login 10.1 MaxConnections; RFC 7143 13.2.
    assert_eq!(open_login().sent("MaxConnections").as_deref(), Some("1"));
    assert!(matches!(
        refused(&["MaxConnections=2"]),
        NegotiationError::NotSelectable { .. }
    ));
    assert!(matches!(
        refused(&["MaxConnections=0"]),
        NegotiationError::OutOfRange { .. }
    ));
}

#[test]
fn markers_are_rejected_and_never_not_understood() {
    // Login 12.1 Marker Negotiation; RFC 7143 13.25.
    let exchange = open_login().stays(&[
        "IFMarker=Yes",
        "OFMarker=No",
        "IFMarkInt=2048~8192",
        "OFMarkInt=2048",
    ]);
    assert_eq!(
        exchange.pairs(),
        [
            "IFMarker=Reject",
            "OFMarker=Reject",
            "IFMarkInt=Reject",
            "OFMarkInt=Reject"
        ]
    );
    exchange.succeeds(&[]);
}

#[test]
fn booleans_follow_their_function() {
    // Login 13.1 Boolean, 13.2 Legal Boolean; RFC 7143 6.2.2, 13.10, 13.11, 13.18, 13.19.
    for (own_r2t, own_data, answer_r2t, answer_data, legal) in [
        (false, true, "No", "Yes", true),
        (false, true, "Yes", "No", true),
        (true, true, "Yes", "Yes", true),
        (true, true, "No", "Yes", false),
        (false, false, "No", "No", true),
        (false, false, "No", "Yes", false),
    ] {
        let exchange = offering(OperationalOffer {
            initial_r2t: own_r2t,
            immediate_data: own_data,
            ..OperationalOffer::default()
        });
        let pairs = [
            format!("InitialR2T={answer_r2t}"),
            format!("ImmediateData={answer_data}"),
        ];
        let pairs = [pairs[0].as_str(), pairs[1].as_str()];
        if legal {
            let parameters = exchange.succeeds(&pairs).parameters;
            assert_eq!(parameters.initial_r2t, answer_r2t == "Yes");
            assert_eq!(parameters.immediate_data, answer_data == "Yes");
        } else {
            assert!(matches!(exchange.fails(&pairs), LoginError::Negotiation(_)));
        }
    }
    assert!(matches!(
        refused(&["DataPDUInOrder=No"]),
        NegotiationError::NotSelectable {
            key: "DataPDUInOrder",
            ..
        }
    ));
}

#[test]
fn max_recv_data_segment_length_is_declared_by_each_side_for_itself() {
    // Login 14.1 MaxRecvDataSegmentLength; RFC 7143 13.12.
    assert_eq!(
        open_login().sent("MaxRecvDataSegmentLength").as_deref(),
        Some("1048576")
    );
    let parameters = agreed(&["MaxRecvDataSegmentLength=0xFFFFFF"]);
    assert_eq!(parameters.peer_max_recv_data_segment_length, 16_777_215);
    assert_eq!(parameters.max_recv_data_segment_length, 1 << 20);
    assert_eq!(agreed(&[]).peer_max_recv_data_segment_length, 8192);
    for value in ["511", "16777216"] {
        assert!(matches!(
            refused(&[&format!("MaxRecvDataSegmentLength={value}")]),
            NegotiationError::OutOfRange { .. }
        ));
    }
}

#[test]
fn max_burst_length_is_the_smaller_of_both() {
    // Login 15.1 MaxBurstLength; RFC 7143 13.13.
    assert_eq!(
        agreed(&["MaxBurstLength=512", "FirstBurstLength=512"]).max_burst_length,
        512
    );
    assert!(matches!(
        refused(&["MaxBurstLength=16776193"]),
        NegotiationError::NotSelectable { .. }
    ));
    assert!(matches!(
        refused(&["MaxBurstLength=511"]),
        NegotiationError::OutOfRange { .. }
    ));
}

#[test]
fn first_burst_length_within_max_burst_length_is_in_force() {
    // Login 16.1 FirstBurst < MaxBurst; RFC 7143 13.14.
    let parameters = agreed(&["MaxBurstLength=65536", "FirstBurstLength=8192"]);
    assert_eq!(
        (parameters.first_burst_length, parameters.max_burst_length),
        (8192, 65_536)
    );
}

#[test]
fn first_burst_length_beyond_max_burst_length_ends_the_login() {
    // Login 16.2 FirstBurst > MaxBurst; RFC 7143 13.14.
    assert_eq!(
        refused(&["MaxBurstLength=8192", "FirstBurstLength=65536"]),
        NegotiationError::FirstBurstExceedsMaxBurst {
            first_burst_length: 65_536,
            max_burst_length: 8192,
        }
    );
}

#[test]
fn first_burst_length_is_never_offered_beyond_max_burst_length() {
    // Login 16.3 FirstBurst Offered by DUT; RFC 7143 13.14.
    let exchange = offering(OperationalOffer {
        max_burst_length: 4096,
        first_burst_length: 65_536,
        ..OperationalOffer::default()
    });
    assert_eq!(exchange.sent("FirstBurstLength").as_deref(), Some("4096"));
}

#[test]
fn default_time2retain_is_the_smaller_and_default_time2wait_the_larger_of_both() {
    // Login 17.1 DefaultTime2Retain, 18.1 DefaultTime2Wait; RFC 7143 13.15 and 13.16.
    let parameters = agreed(&["DefaultTime2Wait=3600", "DefaultTime2Retain=0"]);
    assert_eq!(
        (parameters.default_time2wait, parameters.default_time2retain),
        (3600, 0)
    );
    assert!(matches!(
        refused(&["DefaultTime2Wait=3601"]),
        NegotiationError::OutOfRange { max: 3600, .. }
    ));
}

#[test]
fn max_outstanding_r2t_is_the_smaller_of_both() {
    // Login 19.1 MaxOutstandingR2T; RFC 7143 13.17.
    assert_eq!(agreed(&["MaxOutstandingR2T=1"]).max_outstanding_r2t, 1);
    assert!(matches!(
        refused(&["MaxOutstandingR2T=9"]),
        NegotiationError::NotSelectable { .. }
    ));
    assert!(matches!(
        refused(&["MaxOutstandingR2T=0"]),
        NegotiationError::OutOfRange { .. }
    ));
}

#[test]
fn error_recovery_level_0_is_offered_and_no_higher_is_taken() {
    // Login 20.1 ErrorRecoveryLevel; RFC 7143 13.20.
    assert_eq!(
        open_login().sent("ErrorRecoveryLevel").as_deref(),
        Some("0")
    );
    assert_eq!(agreed(&["ErrorRecoveryLevel=0"]).error_recovery_level, 0);
    assert!(matches!(
        refused(&["ErrorRecoveryLevel=1"]),
        NegotiationError::NotSelectable { .. }
    ));
}

#[test]
fn auth_method_chap_and_none_are_offered_and_none_is_taken() {
    // Login 22.1 AuthMethod; RFC 7143 12.1.
    let exchange = chap_login(&[]);
    assert_eq!(exchange.sent("AuthMethod").as_deref(), Some("CHAP,None"));
    let exchange = exchange.goes_on(&["AuthMethod=None"]);
    assert!(exchange.request.transit && exchange.pairs().is_empty());
    let exchange = exchange.goes_on(&[]);
    assert_eq!(exchange.request.current_stage, OPERATIONAL);
    let result = exchange.succeeds(&[]);
    assert_eq!(
        (
            result.auth_method.to_string().as_str(),
            result.chap_algorithm
        ),
        ("None", None)
    );
    assert_eq!(open_login().sent("AuthMethod"), None);
}

#[test]
fn keys_stay_in_their_stage() {
    // RFC 7143 6.3 and 12: neither side may send an operational key in the security stage.
    let operational = [
        "HeaderDigest",
        "MaxConnections",
        "InitialR2T",
        "MaxRecvDataSegmentLength",
    ];
    let exchange = chap_login(&[]);
    for key in operational {
        assert_eq!(exchange.sent(key), None);
    }
    let error = exchange.fails(&["AuthMethod=CHAP", "MaxRecvDataSegmentLength=8192"]);
    assert_eq!(
        error,
        LoginError::Negotiation(NegotiationError::OutOfPlace {
            key: "MaxRecvDataSegmentLength",
            stage: SECURITY,
        })
    );
    for pair in ["AuthMethod=None", "CHAP_A=5"] {
        assert!(matches!(
            refused(&[pair]),
            NegotiationError::OutOfPlace { .. }
        ));
    }
}

#[test]
fn keys_of_the_initiator_may_not_come_from_the_target() {
    // RFC 7143 13.4, 13.5, 13.7, 13.21.
    for key in [
        "InitiatorName",
        "InitiatorAlias",
        "TargetName",
        "SessionType",
    ] {
        assert_eq!(
            refused(&[&format!("{key}=x")]),
            NegotiationError::WrongSender { key }
        );
    }
}

#[test]
fn text_that_is_no_list_of_pairs_ends_the_login() {
    // RFC 7143 6.1.
    let text: [&'static [u8]; 3] = [b"MaxBurstLength\0", b"=1\0", b"A=\xff\0"];
    for data in text {
        let error = open_login().fails_with(&[], |response| response.data = data.into());
        assert!(matches!(error, LoginError::Text(_)), "{data:?}");
    }
}
