//! What is wrong with a statement of `sql`: its code, and what to do next in the words of SQL.

use super::error::value_code;
use super::{Code, next_step};
use crate::iop::config::{ConfigurationError, TargetIdentity};
use crate::sql::Fault;
use crate::values::{Form, Subject, ValueError};

/// Returns the code of what is wrong with a statement.
pub fn code(fault: &Fault) -> Code {
    match fault {
        Fault::Character(_)
        | Fault::NoEnd(_)
        | Fault::EmptyIdentifier
        | Fault::NotANumber
        | Fault::NotAStatement(_)
        | Fault::Expected { .. }
        | Fault::PositionBehindName
        | Fault::Engine(_) => Code::NotSql,
        Fault::NotAvailable(_) => Code::NotAvailable,
        Fault::TooManyWords | Fault::Limit(_) => Code::StatementLimit,
        Fault::Evaluation(_) => Code::EvaluationFailed,
        Fault::UnknownProcedure(_) | Fault::UnknownName(_) => Code::UnknownName,
        Fault::UnknownParameter { .. } => Code::UnknownParameter,
        Fault::ParameterTwice(_) => Code::ParameterTwice,
        Fault::TooManyArguments { .. } => Code::TooManyParameters,
        Fault::MissingParameter { .. } => Code::MissingParameter,
        Fault::WrongType { .. }
        | Fault::NotASpecialValue { .. }
        | Fault::SameInAdd { .. }
        | Fault::SameCase(_)
        | Fault::MarkerElsewhere => Code::InvalidValue,
        Fault::MarkerWithoutValue => Code::MissingValue,
        Fault::ShortSecret { .. } => Code::ShortSecret,
        Fault::HalfChap(_) => Code::HalfChap,
        Fault::Value(error) => value_code(error),
    }
}

/// Returns what to do about what is wrong with a statement.
pub fn of_fault(fault: &Fault) -> Vec<String> {
    let hint = match fault {
        Fault::NotAStatement(_) => "there are CALL, SELECT, VALUES and WITH",
        Fault::UnknownProcedure(_) => {
            "there are QSYS2.ADD_ISCSI_TARGET, CHANGE_ISCSI_TARGET, REMOVE_ISCSI_TARGET and CHANGE_IOP"
        }
        Fault::UnknownName(told) if told.contains("no view") => {
            "there are QSYS2.ISCSI_INFO and QSYS2.MEDIA_LIBRARY_INFO"
        }
        Fault::UnknownName(_) => {
            "SELECT * shows the columns of a view; a text stands in apostrophes, and a name in quotes keeps its letter case"
        }
        Fault::UnknownParameter { known, .. } => {
            return vec![format!("it has {}", known.join(", "))];
        }
        Fault::ParameterTwice(_) => "give it once, by name or by position",
        Fault::TooManyArguments { .. } => "name the arguments: NAME => value",
        Fault::PositionBehindName => "name all arguments, or give those without a name first",
        Fault::SameInAdd { is_required, .. } => match is_required {
            true => "give a value",
            false => "leave it out, or give a value",
        },
        Fault::SameCase(_) => "write '*SAME'",
        Fault::NotASpecialValue { .. } => "special values are in upper case, as IBM's are",
        Fault::ShortSecret { .. } => {
            "the macro's -addtarget and -changetarget take a shorter one, with a warning"
        }
        Fault::HalfChap(half) => return vec![of_half_chap(*half)],
        Fault::MarkerElsewhere => "write the value itself",
        Fault::MarkerWithoutValue => "--secret-file FILE gives it a value",
        Fault::Value(error) => return value_hints(error),
        Fault::Limit(_) | Fault::TooManyWords => "ask for less",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

/// Returns what to do about half a CHAP pair.
pub fn of_half_chap(missing: Subject) -> String {
    match missing {
        Subject::ChapName => "give INITIATOR_CHAP_NAME as well".to_owned(),
        _ => "give INITIATOR_CHAP_SECRET as well".to_owned(),
    }
}

/// Returns what to do about a value: where its own hints have the words of the macro, those of SQL.
fn value_hints(error: &ValueError) -> Vec<String> {
    let hint = match error {
        ValueError::NoneForChap(_) => {
            "for a target without CHAP, leave INITIATOR_CHAP_NAME and INITIATOR_CHAP_SECRET out; to drop CHAP, remove the target \
             and add it again"
                .to_owned()
        }
        ValueError::Form { form, .. } => match form {
            Form::WithPort { host, port }
            | Form::Brackets {
                address: host,
                port: Some(port),
            } => format!("write TARGET_HOST_NAME => '{host}', TARGET_PORT => {port}"),
            Form::GenerateCase => {
                "leave INITIATOR_NAME out for the system generated name".to_owned()
            }
            Form::Url => "give the host alone, port and target name by parameters of their own".to_owned(),
            _ => return next_step::of_value(error),
        },
        _ => return next_step::of_value(error),
    };
    vec![hint]
}

/// Returns what to do about a call that the configuration refuses.
pub fn of_configuration(error: &ConfigurationError) -> Vec<String> {
    let hint = match error {
        ConfigurationError::Exists(_) => {
            "QSYS2.CHANGE_ISCSI_TARGET changes its CHAP parameters, QSYS2.REMOVE_ISCSI_TARGET removes it"
        }
        ConfigurationError::SecondPortal(_) => {
            "IBM i has one connection between a partition and a target: QSYS2.REMOVE_ISCSI_TARGET the other one first"
        }
        ConfigurationError::NoSuchTarget { namesakes, .. }
        | ConfigurationError::NoneSelected { namesakes, .. } => return namesake_hints(namesakes),
        ConfigurationError::SeveralSelected { found } => return namesake_hints(found),
        ConfigurationError::HalfChap(half) => return vec![of_half_chap(*half)],
        ConfigurationError::KeystoreNotEnabled { .. } => {
            "partition set --keystore-size 4096 enables it; or give CHAP_KEYSTORE => '*AVAIL' or '*NONE', which store plain text"
        }
        ConfigurationError::KeystoreNotUsed { .. } => {
            "give CHAP_KEYSTORE => '*AVAIL' or '*NONE', or partition set --release 7.6"
        }
        ConfigurationError::NoGeneratedName => {
            "give INITIATOR_NAME, or the partition a UUID with partition set --uuid"
        }
        ConfigurationError::SecretNotHere(_) => "give INITIATOR_CHAP_SECRET as well",
        // Calls stage nothing, and name one target.
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

fn namesake_hints(namesakes: &[TargetIdentity]) -> Vec<String> {
    if namesakes.is_empty() {
        return vec!["no target of that name is configured at all".to_owned()];
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    namesakes
        .iter()
        .map(|identity| {
            let initiator_name = match identity.initiator_name.is_generated() {
                true => "DEFAULT".to_owned(),
                false => literal(identity.initiator_name.as_str()),
            };
            format!(
                "configured under that name: TARGET_NAME => {}, TARGET_HOST_NAME => {}, TARGET_PORT => {}, INITIATOR_NAME => \
                 {initiator_name}",
                literal(identity.target_name.as_str()),
                literal(identity.target_host_name.as_str()),
                identity.target_port
            )
        })
        .collect()
}
