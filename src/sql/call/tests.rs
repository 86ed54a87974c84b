//! Calls: each parameter missing, wrong, twice; what each procedure makes of them.

use super::super::token::Script;
use super::*;

fn call_with(text: &str, secret: Option<&str>) -> Result<Call, SqlError> {
    let tokens = Script::new(text).next_statement()?.unwrap();
    let secret = secret.map(|secret| Zeroizing::new(secret.to_owned()));
    parse(&tokens[1..], secret.as_ref())
}

fn call(text: &str) -> Result<Call, SqlError> {
    call_with(text, None)
}

fn refused(text: &str) -> String {
    call(text).unwrap_err().to_string()
}

/// The operation as plain data, secrets spelled out.
fn operation(text: &str) -> serde_json::Value {
    serde_json::to_value(call(text).unwrap().operation).unwrap()
}

const TARGET: &str = "TARGET_NAME => 'iqn.2000-03.com.xyz:vtl', TARGET_HOST_NAME => '10.1.1.5'";

#[test]
fn names_positions_and_system_naming_come_to_the_same() {
    let named = operation(&format!(
        "CALL QSYS2.ADD_ISCSI_TARGET({TARGET}, TARGET_PORT => 860)"
    ));
    for same in [
        "call qsys2/add_iscsi_target('iqn.2000-03.com.xyz:vtl', '10.1.1.5', 860)".to_owned(),
        "CALL ADD_ISCSI_TARGET ( 'iqn.2000-03.com.xyz:vtl', TARGET_PORT => '860', target_host_name => '10.1.1.5' )"
            .to_owned(),
        "CALL \"QSYS2\".\"ADD_ISCSI_TARGET\"('iqn.2000-03.com.xyz:vtl', '10.1.1.5', 860, DEFAULT, DEFAULT, DEFAULT, DEFAULT)"
            .to_owned(),
        format!("/* a */ CALL QSYS2.ADD_ISCSI_TARGET -- b\n(\"TARGET_PORT\" => 860, {TARGET})"),
    ] {
        assert_eq!(operation(&same), named, "{same}");
    }
    assert_eq!(named["operation"], "add");
    assert_eq!(named["identity"]["target_port"], 860);
}

#[test]
fn what_is_left_out_has_its_default() {
    let added = operation(&format!("CALL QSYS2.ADD_ISCSI_TARGET({TARGET})"));
    assert_eq!(
        operation(&format!(
            "CALL QSYS2.ADD_ISCSI_TARGET({TARGET}, TARGET_PORT => 3260)"
        )),
        added
    );
    let removed = operation("CALL QSYS2.REMOVE_ISCSI_TARGET('iqn.a')");
    assert_eq!(removed["operation"], "remove-selected");
    assert_eq!(
        operation("CALL QSYS2.REMOVE_ISCSI_TARGET('iqn.a', 'vtl')")["operation"],
        "remove"
    );
}

#[test]
fn same_is_what_was_there_and_only_for_a_change() {
    let change = |rest: &str| operation(&format!("CALL QSYS2.CHANGE_ISCSI_TARGET({TARGET}{rest})"));
    let nothing = change("");
    for same in [
        ", INITIATOR_CHAP_NAME => '*SAME'",
        ", INITIATOR_CHAP_SECRET => '*SAME', CHAP_KEYSTORE => '*SAME'",
        ", INITIATOR_CHAP_SECRET => DEFAULT",
    ] {
        assert_eq!(change(same), nothing, "{same}");
    }
    assert_eq!(
        change(", CHAP_KEYSTORE => '*NONE'")["chap"]["keystore"],
        "NONE"
    );
    for parameter in [
        "INITIATOR_CHAP_NAME",
        "INITIATOR_CHAP_SECRET",
        "CHAP_KEYSTORE",
    ] {
        let told = refused(&format!(
            "CALL QSYS2.ADD_ISCSI_TARGET({TARGET}, {parameter} => '*SAME')"
        ));
        assert!(told.contains("cannot be *SAME"), "{told}");
        let told = refused(&format!(
            "CALL QSYS2.CHANGE_ISCSI_TARGET({TARGET}, {parameter} => '*same')"
        ));
        assert!(told.contains("another letter case"), "{told}");
    }
    // A name could have these characters, and an initiator or a target of that name would be added.
    for same in ["*SAME", "*same"] {
        for arguments in [
            format!("{TARGET}, INITIATOR_NAME => '{same}'"),
            format!("'{same}', 'vtl'"),
            format!("'iqn.a', '{same}'"),
            format!("{TARGET}, TARGET_PORT => '{same}'"),
            format!("{TARGET}, INITIATOR_CHAP_SECRET => '{same}'"),
        ] {
            let told = refused(&format!("CALL QSYS2.ADD_ISCSI_TARGET({arguments})"));
            assert!(told.contains("cannot be *SAME"), "{arguments}: {told}");
        }
    }
}

#[test]
fn each_required_parameter_that_is_missing_is_named() {
    for (text, missing) in [
        (
            "CALL QSYS2.ADD_ISCSI_TARGET()",
            "ADD_ISCSI_TARGET needs TARGET_NAME",
        ),
        (
            "CALL QSYS2.ADD_ISCSI_TARGET",
            "ADD_ISCSI_TARGET needs TARGET_NAME",
        ),
        (
            "CALL QSYS2.ADD_ISCSI_TARGET('iqn.a')",
            "needs TARGET_HOST_NAME",
        ),
        (
            "CALL QSYS2.ADD_ISCSI_TARGET(DEFAULT, 'vtl')",
            "needs TARGET_NAME",
        ),
        (
            "CALL QSYS2.CHANGE_ISCSI_TARGET(TARGET_HOST_NAME => 'vtl')",
            "needs TARGET_NAME",
        ),
        (
            "CALL QSYS2.CHANGE_ISCSI_TARGET('iqn.a')",
            "needs TARGET_HOST_NAME",
        ),
        (
            "CALL QSYS2.REMOVE_ISCSI_TARGET(TARGET_PORT => 860)",
            "needs TARGET_NAME",
        ),
        ("CALL QSYS2.CHANGE_IOP()", "needs IOP"),
        ("CALL QSYS2.CHANGE_IOP('ISCSI')", "needs OPTION"),
        ("CALL QSYS2.CHANGE_IOP(OPTION => 'IPL')", "needs IOP"),
    ] {
        let told = refused(text);
        assert!(told.contains(missing), "{text}: {told}");
        assert!(told.starts_with("line 1, column 6: "), "{told}");
    }
}

#[test]
fn each_parameter_twice_is_named() {
    for procedure in Procedure::ALL {
        for (index, parameter) in procedure.parameters().iter().enumerate() {
            let name = parameter.name();
            let values = vec!["'x'"; index + 1].join(", ");
            for text in [
                format!(
                    "CALL QSYS2.{}({name} => 'x', {name} => 'y')",
                    procedure.name()
                ),
                format!("CALL QSYS2.{}({values}, {name} => 'y')", procedure.name()),
                format!(
                    "CALL QSYS2.{}({name} => DEFAULT, {name} => 'y')",
                    procedure.name()
                ),
            ] {
                let told = refused(&text);
                assert!(
                    told.contains(&format!("{name} is given twice")),
                    "{text}: {told}"
                );
            }
        }
        let many = vec!["'x'"; procedure.parameters().len() + 1].join(", ");
        let told = refused(&format!("CALL QSYS2.{}({many})", procedure.name()));
        assert!(told.contains("more arguments"), "{told}");
    }
}

#[test]
fn each_wrong_value_is_told_with_its_place() {
    for (rest, place, said) in [
        (
            "TARGET_NAME => '', TARGET_HOST_NAME => 'v'",
            43,
            "target name is empty",
        ),
        (
            "TARGET_NAME => 7, TARGET_HOST_NAME => 'v'",
            43,
            "TARGET_NAME takes a character literal",
        ),
        (
            "TARGET_NAME => 'a b', TARGET_HOST_NAME => 'v'",
            43,
            "U+0020",
        ),
        (
            "TARGET_NAME => 'a', TARGET_HOST_NAME => 'v:860'",
            68,
            "port in it",
        ),
        (
            "TARGET_NAME => 'a', TARGET_HOST_NAME => 5",
            68,
            "TARGET_HOST_NAME takes a character literal",
        ),
        ("'a', 'v', 0", 38, "not a number from 1 to 65535"),
        ("'a', 'v', 65536", 38, "not a number from 1 to 65535"),
        ("'a', 'v', -1", 38, "not a number from 1 to 65535"),
        ("'a', 'v', +1", 38, "not a number from 1 to 65535"),
        ("'a', 'v', 1.5", 38, "not a number from 1 to 65535"),
        ("'a', 'v', 1E3", 38, "not a number from 1 to 65535"),
        ("'a', 'v', 'x'", 38, "not a number from 1 to 65535"),
        ("'a', 'v', 1, 'iqn a'", 41, "initiator name"),
        ("'a', 'v', 1, '*generate'", 41, "another letter case"),
        ("'a', 'v', 1, 'i', ''", 46, "CHAP name is empty"),
        (
            "'a', 'v', 1, 'i', '*NONE', 'SECRETSECRET'",
            46,
            "cannot be *NONE",
        ),
        ("'a', 'v', 1, 'i', 'N', ''", 51, "CHAP secret is empty"),
        ("'a', 'v', 1, 'i', 'N', 'SHORTSECRET'", 51, "at least 12"),
        (
            "'a', 'v', 1, 'i', 'N', 123456789012",
            51,
            "INITIATOR_CHAP_SECRET takes a character literal",
        ),
        (
            "'a', 'v', 1, 'i', 'N', 'SECRETSECRET', 'NONE'",
            67,
            "'*AVAIL', '*NONE' or '*PLATFORM'",
        ),
        (
            "'a', 'v', 1, 'i', 'N', 'SECRETSECRET', '*none'",
            67,
            "and nothing else",
        ),
        ("'a', 'v', 1, 'i', 'N'", 6, "the CHAP secret is missing"),
        (
            "'a', 'v', 1, 'i', DEFAULT, 'SECRETSECRET'",
            6,
            "the CHAP name is missing",
        ),
        (
            "'a', NULL",
            33,
            "NULL for TARGET_HOST_NAME is not available",
        ),
        (
            "'a', vtl",
            33,
            "a character literal, a number or DEFAULT is expected, and VTL is there",
        ),
        ("'a' || 'b', 'v'", 32, "an expression with ||"),
        ("'a' CONCAT 'b', 'v'", 32, "an expression with CONCAT"),
        (
            "'a' 'v'",
            32,
            "a comma or a closing parenthesis is expected, and a character literal is there",
        ),
        ("'a', 'v'", 0, ""),
        (
            "NO_SUCH => 'a'",
            28,
            "ADD_ISCSI_TARGET has no parameter NO_SUCH",
        ),
        (
            "TARGET_NAME => 'a', 'v'",
            48,
            "without a name stands behind one with a name",
        ),
        ("'a', ?", 33, "stands for INITIATOR_CHAP_SECRET only"),
        ("'a', 'v', 1, 'i', 'N', ?", 51, "has no value"),
        ("'a',", 32, "expected, and ) is there"),
    ] {
        let text = format!("CALL QSYS2.ADD_ISCSI_TARGET({rest})");
        match call(&text) {
            Ok(_) => assert_eq!(said, "", "{text}"),
            Err(error) => {
                let told = error.to_string();
                assert!(!said.is_empty() && told.contains(said), "{text}: {told}");
                if place != 32 {
                    let place = format!("line 1, column {}: ", place + 1 - usize::from(place == 6));
                    assert!(told.starts_with(&place), "{text}: {told}");
                }
            }
        }
    }
}

#[test]
fn a_secret_has_12_characters_at_least_and_is_in_no_error() {
    let add = |secret: &str| {
        call(&format!(
            "CALL QSYS2.ADD_ISCSI_TARGET({TARGET}, INITIATOR_CHAP_NAME => 'N', INITIATOR_CHAP_SECRET => '{secret}')"
        ))
    };
    assert!(add(&"S".repeat(12)).is_ok());
    for wrong in [
        "GEHEIM",
        "GEHEIM\u{e9}GEHEIM",
        &"GEHEIM".repeat(43),
        "GEHEIM\u{2019}",
    ] {
        let error = add(wrong).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("GEHEIM"),
            "{error:?}"
        );
    }
    let debug = format!("{:?}", add("GEHEIMGEHEIM").unwrap());
    assert!(!debug.contains("GEHEIM"), "{debug}");
    for broken in [
        "CALL QSYS2.ADD_ISCSI_TARGET('GEHEIM' 'GEHEIM')",
        "CALL QSYS2.ADD_ISCSI_TARGET 'GEHEIM'",
        "CALL 'GEHEIM'",
        "CALL QSYS2.ADD_ISCSI_TARGET('a') 'GEHEIM'",
        "CALL QSYS2.CHANGE_IOP('GEHEIM', 'IPL')",
        "CALL QSYS2.ADD_ISCSI_TARGET('a', 'v', CHAP_KEYSTORE => 'GEHEIM')",
    ] {
        let error = call(broken).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("GEHEIM"),
            "{error:?}"
        );
    }
}

#[test]
fn a_marker_is_the_secret_of_elsewhere() {
    let text = format!(
        "CALL QSYS2.ADD_ISCSI_TARGET({TARGET}, INITIATOR_CHAP_NAME => 'N', INITIATOR_CHAP_SECRET => ?)"
    );
    let of = call_with(&text, Some("SecretSecret")).unwrap();
    let operation = serde_json::to_value(&of.operation).unwrap();
    assert_eq!(operation["chap"]["secret"], "SECRETSECRET");
    assert_eq!(of.warnings.len(), 1, "it was changed to upper case");
    assert!(call_with(&text, Some("short")).is_err());
}

#[test]
fn a_procedure_that_there_is_none_of_is_refused() {
    for (text, said) in [
        ("CALL QSYS2.ADD_ISCSI", "no procedure QSYS2.ADD_ISCSI"),
        (
            "CALL QSYS.ADD_ISCSI_TARGET",
            "no procedure QSYS.ADD_ISCSI_TARGET",
        ),
        (
            "CALL QSYS2.\"add_iscsi_target\"",
            "no procedure QSYS2.add_iscsi_target",
        ),
        ("CALL QSYS2.", "the name of a procedure is expected"),
        ("CALL (", "the name of a procedure is expected"),
        (
            "CALL QSYS2.CHANGE_IOP('ISCSI', 'IPL'",
            "closing parenthesis is expected",
        ),
        (
            "CALL QSYS2.CHANGE_IOP('ISCSI', 'IPL') x",
            "the end of the statement is expected",
        ),
        (
            "CALL QSYS2.CHANGE_IOP('iscsi', 'IPL')",
            "IOP takes 'ISCSI' and nothing else",
        ),
        (
            "CALL QSYS2.CHANGE_IOP('ISCSI', 'RESET')",
            "OPTION takes 'IPL' and nothing else",
        ),
    ] {
        let told = refused(text);
        assert!(told.contains(said), "{text}: {told}");
    }
    assert_eq!(
        operation("CALL QSYS2.CHANGE_IOP(IOP => 'ISCSI', OPTION => 'IPL')")["operation"],
        "re-ipl"
    );
}
