//! What is tolerated of a target, and told: departures from the letter where no data and no security is at stake.

use iscsiswiconfig::iscsi::departure::{Departure, MAX_DEPARTURES};
use iscsiswiconfig::iscsi::ids::{StatSn, Tsih};
use iscsiswiconfig::iscsi::login::{ExchangedKey, LoginError, LoginParameters, LoginResult};
use iscsiswiconfig::iscsi::negotiation::NegotiationError;
use iscsiswiconfig::iscsi::operational::SessionType;

use super::target::{
    CHALLENGE, Exchange, FIRST_STAT_SN, SECURITY, Step, chap_login, open_login, parameters, stay,
};

const TAG: &str = "TargetPortalGroupTag=1";

fn told(result: &LoginResult) -> Vec<String> {
    result
        .departures
        .iter()
        .map(|departure| {
            let (code, section) = (departure.code(), departure.section());
            let key = departure.key().unwrap_or("-");
            format!("{code} {key} {section}")
        })
        .collect()
}

/// Logs in with one response and returns the departures that were told.
fn tolerated(pairs: &[&str]) -> Vec<String> {
    told(&open_login().succeeds(&[&[TAG], pairs].concat()))
}

/// Logs in with one response of these bytes.
fn read(text: &'static [u8]) -> LoginResult {
    let step = open_login().answer(&[], |response| response.data = text.into());
    match step {
        Ok(Step::Done(result)) => result,
        Ok(_) => panic!("the login did not end"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_login_to_the_letter_has_no_departures() {
    let exchange = chap_login(&[])
        .goes_on(&["AuthMethod=CHAP", TAG])
        .goes_on(&CHALLENGE)
        .goes_on(&[])
        .stays(&["X-com.example.speed=11", "TaskReporting=RFC3720"]);
    assert_eq!(
        exchange.pairs(),
        ["X-com.example.speed=NotUnderstood", "TaskReporting=RFC3720"]
    );
    let result = exchange.succeeds(&["TargetAlias=VTL ", "MaxRecvDataSegmentLength=8192"]);
    assert_eq!(result.departures, []);
    assert_eq!(result.target_alias.as_deref(), Some("VTL "));
}

#[test]
fn a_key_that_needs_an_answer_may_stand_in_the_last_response() {
    // RFC 7143 6.3 and 13.25: nothing can be answered any more, and this side uses none of these keys.
    assert_eq!(
        tolerated(&["IFMarker=No", "OFMarker=No"]),
        ["obsolete-key IFMarker 13.25", "obsolete-key OFMarker 13.25"]
    );
    assert_eq!(
        tolerated(&[
            "X-com.example.speed=11",
            "Unheard=of",
            "TaskReporting=RFC3720",
            "iSCSIProtocolLevel=2",
        ]),
        [
            "proposal-at-transit X-com.example.speed 6.3",
            "proposal-at-transit Unheard 6.3",
            "proposal-at-transit TaskReporting 6.3",
            "proposal-at-transit iSCSIProtocolLevel 6.3",
        ]
    );
    let discovery = Exchange::start(LoginParameters {
        session_type: SessionType::Discovery,
        target_name: None,
        ..parameters()
    });
    let result = discovery.succeeds(&["MaxBurstLength=8192"]);
    assert_eq!(told(&result), ["proposal-at-transit MaxBurstLength 6.3"]);
}

#[test]
fn an_obsolete_key_is_told_where_it_is_answered_too() {
    let exchange = open_login().stays(&["IFMarker=Yes", TAG]);
    assert_eq!(exchange.pairs(), ["IFMarker=Reject"]);
    assert_eq!(
        told(&exchange.succeeds(&[])),
        ["obsolete-key IFMarker 13.25"]
    );
}

#[test]
fn an_answer_to_what_was_not_proposed_is_passed_over() {
    // RFC 7143 6.2.
    for value in ["Reject", "Irrelevant", "NotUnderstood"] {
        let exchange = open_login().stays(&[
            TAG,
            &format!("TaskReporting={value}"),
            &format!("IFMarker={value}"),
            &format!("X-com.example.speed={value}"),
        ]);
        assert!(exchange.pairs().is_empty());
        assert_eq!(
            told(&exchange.succeeds(&[])),
            [
                "answer-without-proposal TaskReporting 6.2",
                "answer-without-proposal IFMarker 6.2",
                "answer-without-proposal X-com.example.speed 6.2",
            ]
        );
    }
}

#[test]
fn a_key_may_come_again_with_the_same_value() {
    // RFC 7143 6.3.
    assert_eq!(
        tolerated(&["ImmediateData=Yes", "ImmediateData=Yes"]),
        ["repeated-key ImmediateData 6.3"]
    );
    let result = open_login()
        .stays(&[TAG, "ImmediateData=No"])
        .succeeds(&[TAG, "ImmediateData=No"]);
    assert!(!result.parameters.immediate_data);
    assert_eq!(
        told(&result),
        [
            "repeated-key TargetPortalGroupTag 6.3",
            "repeated-key ImmediateData 6.3"
        ]
    );
    let result = chap_login(&[])
        .goes_on(&["AuthMethod=CHAP", TAG])
        .goes_on(&["AuthMethod=CHAP", CHALLENGE[0], CHALLENGE[1], CHALLENGE[2]])
        .goes_on(&["AuthMethod=CHAP"])
        .succeeds(&[]);
    assert_eq!(told(&result), ["repeated-key AuthMethod 6.3"]);
}

#[test]
fn another_auth_method_than_the_selected_one_ends_the_login() {
    let error = chap_login(&[])
        .goes_on(&["AuthMethod=CHAP"])
        .fails(&["AuthMethod=None"]);
    assert_eq!(
        error,
        LoginError::Negotiation(NegotiationError::OutOfPlace {
            key: "AuthMethod",
            stage: SECURITY,
        })
    );
}

#[test]
fn names_and_session_type_may_be_echoed() {
    // RFC 7143 13.4, 13.5, 13.21; names are compared without letter case (4.2.7).
    assert_eq!(
        tolerated(&[
            "TargetName=iqn.2020-01.com.example:VTL",
            "InitiatorName=iqn.1924-02.com.ibm:ibmi.1-i0",
            "SessionType=Normal",
        ]),
        [
            "echoed-key TargetName 13.4",
            "echoed-key InitiatorName 13.5",
            "echoed-key SessionType 13.21",
        ]
    );
}

#[test]
fn an_alias_that_cannot_be_read_is_read_as_far_as_it_can_be() {
    // RFC 7143 13.6 and 6.1.
    let result = read(b"TargetPortalGroupTag=1\0TargetAlias=V\xe9L\0");
    assert_eq!(result.target_alias.as_deref(), Some("V\u{fffd}L"));
    assert_eq!(told(&result), ["alias-not-utf8 TargetAlias 13.6"]);
    let long = format!("TargetAlias={}", "a".repeat(300));
    let result = open_login().succeeds(&[TAG, &long]);
    assert_eq!(result.target_alias, Some("a".repeat(255)));
    assert_eq!(
        result.departures,
        [Departure::AliasTooLong { received: 300 }]
    );
}

#[test]
fn blanks_behind_a_value_are_passed_over() {
    // RFC 7143 6.1.
    let result = open_login().succeeds(&[TAG, "MaxBurstLength=8192 \t", "ImmediateData=No "]);
    assert_eq!(result.parameters.max_burst_length, 8192);
    assert!(!result.parameters.immediate_data);
    assert_eq!(
        told(&result),
        [
            "trailing-blanks MaxBurstLength 6.1",
            "trailing-blanks ImmediateData 6.1"
        ]
    );
    let mut challenge = CHALLENGE;
    challenge[1] = "CHAP_I=42 ";
    let error = chap_login(&[])
        .goes_on(&["AuthMethod=CHAP "])
        .fails(&challenge);
    assert!(matches!(error, LoginError::Chap(_)), "{error}");
}

#[test]
fn the_last_nul_may_be_missing_and_a_nul_may_be_doubled() {
    // RFC 7143 6.1.
    let result = read(b"TargetPortalGroupTag=1\0MaxBurstLength=8192");
    assert_eq!(result.parameters.max_burst_length, 8192);
    assert_eq!(told(&result), ["missing-last-nul - 6.1"]);
    let result = read(b"TargetPortalGroupTag=1\0\0MaxBurstLength=8192\0\0");
    assert_eq!(result.parameters.max_burst_length, 8192);
    assert_eq!(told(&result), ["doubled-nul - 6.1"]);
}

#[test]
fn a_tsih_may_come_before_the_last_response() {
    // RFC 7143 11.13.3: the one of the last response counts.
    let Ok(Step::Goes(exchange)) = open_login().answer(&[TAG], |response| {
        stay(response);
        response.tsih = Tsih(5);
    }) else {
        panic!("the login did not go on");
    };
    assert_eq!(exchange.request.tsih, Tsih(0));
    let result = exchange.succeeds(&[]);
    assert_eq!(result.tsih, Tsih(0x77));
    assert_eq!(result.departures, [Departure::EarlyTsih { received: 5 }]);
}

#[test]
fn the_stat_sn_may_stand_still_during_the_login() {
    // RFC 7143 11.13.4.
    let first = StatSn(FIRST_STAT_SN);
    let mut exchange = open_login().stays(&[TAG]);
    for _ in 0..2 {
        exchange = exchange
            .answer(&[], |response| {
                stay(response);
                response.stat_sn = first;
            })
            .unwrap()
            .goes();
        assert_eq!(exchange.request.exp_stat_sn, first.next());
    }
    let result = exchange.succeeds(&[]);
    assert_eq!(told(&result), ["constant-stat-sn - 11.13.4"]);
    assert_eq!(result.exp_stat_sn, first.plus(2));
}

#[test]
fn the_portal_group_tag_may_be_missing_or_no_number() {
    // RFC 7143 13.9.
    let result = open_login().succeeds(&[]);
    assert_eq!(
        told(&result),
        ["missing-portal-group-tag TargetPortalGroupTag 13.9"]
    );
    for value in ["", "65536", "-1", "0001", "1,2", "one"] {
        let pair = format!("TargetPortalGroupTag={value}");
        let result = open_login().succeeds(&[&pair]);
        assert_eq!(result.target_portal_group_tag, None);
        assert_eq!(
            result.departures,
            [Departure::InvalidPortalGroupTag {
                received: value.to_owned().into()
            }]
        );
    }
}

#[test]
fn the_times_of_error_recovery_may_lie_outside_of_the_offer() {
    // RFC 7143 13.15 and 13.16: what is in force follows from both sides all the same.
    let result = open_login().succeeds(&[TAG, "DefaultTime2Wait=1", "DefaultTime2Retain=20"]);
    let parameters = &result.parameters;
    assert_eq!(
        (parameters.default_time2wait, parameters.default_time2retain),
        (2, 0)
    );
    assert_eq!(
        told(&result),
        [
            "outside-offer DefaultTime2Wait 13.15",
            "outside-offer DefaultTime2Retain 13.16"
        ]
    );
}

#[test]
fn the_list_of_departures_is_bounded() {
    let mut pairs = vec![TAG.to_owned()];
    pairs.extend((0..2 * MAX_DEPARTURES).map(|n| format!("X-{n}=1")));
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let result = open_login().succeeds(&pairs);
    assert_eq!(result.departures.len(), MAX_DEPARTURES);
}

#[test]
fn a_broken_rule_that_is_not_tolerated_names_its_key() {
    // RFC 7143 6.2.1, 6.3, 12.1.3.
    let challenged = |pairs: &[&str]| chap_login(&[]).goes_on(&["AuthMethod=CHAP"]).fails(pairs);
    for (error, key) in [
        (
            chap_login(&[]).fails(&["AuthMethod=CHAP", "MaxRecvDataSegmentLength=8192"]),
            Some("MaxRecvDataSegmentLength"),
        ),
        (
            open_login().fails(&["HeaderDigest=None,CRC32C"]),
            Some("HeaderDigest"),
        ),
        (
            challenged(&["CHAP_A=7", CHALLENGE[1], CHALLENGE[2]]),
            Some("CHAP_A"),
        ),
        (
            challenged(&[CHALLENGE[0], "CHAP_I=x", CHALLENGE[2]]),
            Some("CHAP_I"),
        ),
        (challenged(&[CHALLENGE[0], CHALLENGE[1]]), Some("CHAP_C")),
        (
            open_login().fails(&["ImmediateData=Yes", "ImmediateData=No"]),
            Some("ImmediateData"),
        ),
        (
            chap_login(&[]).fails(&["AuthMethod=KRB5"]),
            Some("AuthMethod"),
        ),
        (
            open_login().fails_with(&[], |response| response.tsih = Tsih(0)),
            None,
        ),
    ] {
        let fault = error.protocol_fault().expect("the target broke a rule");
        assert_eq!(fault.key.as_deref(), key, "{error}");
    }
    for error in [
        challenged(&["CHAP_A=Reject"]),
        chap_login(&[]).fails(&["AuthMethod=Reject"]),
        open_login().fails_with(&[], |response| {
            response.status = iscsiswiconfig::iscsi::ids::LoginStatus::new(2, 1);
        }),
    ] {
        assert_eq!(error.protocol_fault(), None, "{error}");
    }
}

fn exchanged(result: &LoginResult, key: &str) -> Option<(Option<String>, Option<String>)> {
    let mut found = result.keys.iter().filter(|exchanged| exchanged.key == key);
    let ExchangedKey {
        offered, answered, ..
    } = found.next()?;
    assert!(found.next().is_none(), "{key} is listed twice");
    Some((offered.clone(), answered.clone()))
}

#[test]
fn the_keys_are_listed_as_offered_and_answered_without_secrets() {
    let exchange = chap_login(&[])
        .goes_on(&["AuthMethod=CHAP", TAG, "TargetAlias=VTL"])
        .goes_on(&CHALLENGE);
    let response = exchange.sent("CHAP_R").unwrap();
    let echo = format!("X-Echo={response}");
    let result = exchange
        .goes_on(&[])
        .stays(&["HeaderDigest=None", &echo, "TaskReporting=RFC3720"])
        .succeeds(&["MaxBurstLength=0x2000"]);
    let some = |text: &str| Some(text.to_owned());
    for (key, offered, answered) in [
        ("AuthMethod", some("CHAP,None"), some("CHAP")),
        ("CHAP_A", some("5"), some("5")),
        ("TargetPortalGroupTag", None, some("1")),
        ("TargetAlias", None, some("VTL")),
        ("HeaderDigest", some("None,CRC32C"), some("None")),
        ("DataDigest", some("None,CRC32C"), None),
        ("MaxBurstLength", some("16776192"), some("0x2000")),
        ("TaskReporting", None, some("RFC3720")),
    ] {
        assert_eq!(exchanged(&result, key), Some((offered, answered)), "{key}");
    }
    for key in [
        "CHAP_I",
        "CHAP_C",
        "CHAP_N",
        "CHAP_R",
        "X-Echo",
        "TargetName",
    ] {
        assert_eq!(exchanged(&result, key), None, "{key}");
    }
    let shown = format!("{result:?}");
    assert!(!shown.contains(&response), "{shown}");
}
