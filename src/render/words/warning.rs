//! Warnings in words.

use super::{Code, REMEDIES, problem};
use crate::cli::Parameter;
use crate::iop::warning::Warning;
use crate::values::amount;
use crate::values::{AddressKind, HMC_CHAP_LIMIT, Subject, ValueWarning};

/// Returns the code of a warning and its text, which begins in lower case and has no end.
pub fn warning(warning: &Warning) -> (Code, String) {
    match warning {
        Warning::ConfigurationChanged => (
            Code::ConfigurationChanged,
            "the configuration has changed since the last re-IPL; -reipliscsiop makes it the active one".to_owned(),
        ),
        Warning::StagedNotCommitted { target_name } => (
            Code::StagedNotCommitted,
            match target_name {
                Some(name) => format!("target {name} is staged and not committed, so this re-IPL did not use it; -commit configures it"),
                None => "a target is staged and not committed, so this re-IPL did not use it; -commit configures it".to_owned(),
            },
        ),
        Warning::GeneratedNameChanged { before, now } => (
            Code::GeneratedNameChanged,
            format!("the generated initiator name is {now} now, and was {before} at the last re-IPL: the VTLs must allow the new one"),
        ),
        Warning::SecretsNotHere { targets } => (
            Code::SecretsNotHere,
            format!(
                "the CHAP secret is not in this machine's Platform KeyStore, which storage replication does not copy, of {}. {REMEDIES}",
                targets.join(", ")
            ),
        ),
        Warning::TargetProblem { target_name, problem } => (
            Code::TargetProblem,
            format!("{target_name}: {}", problem::problem(problem).message),
        ),
        Warning::SeveralParameters => (
            Code::SeveralParameters,
            "several parameters on one -newname are not accepted everywhere; a portable script gives one".to_owned(),
        ),
        Warning::FirstPiece { subject } => (
            Code::FirstPiece,
            format!("no {} was staged to append to, so this is its first piece", parameter(*subject).word()),
        ),
        Warning::ChangedToUpperCase { subject } => (
            Code::ChangedToUpperCase,
            format!("the {subject} was changed to upper case; the VTL must hold it in upper case"),
        ),
        Warning::Value(warning) => (value_code(warning), value(warning)),
        Warning::HostNameWithPort { host, port } => (
            Code::HostNameWithPort,
            format!(
                "the target host name '{host}:{port}' has a port in it, and -commit will refuse it: write -newname \
                 -targethostname {host}, then -setport -targetport {port}"
            ),
        ),
        Warning::SecondInitiator { used, other } => (
            Code::SecondInitiator,
            format!("this target logs in as {used}, another one as {other}; IBM i has one initiator"),
        ),
        Warning::CredentialsOnDisk { count } => (
            Code::CredentialsOnDisk,
            format!("{} went to disk, in plain text", amount(count, "CHAP credential")),
        ),
        Warning::CredentialsWithoutTarget { count } => (
            Code::CredentialsWithoutTarget,
            format!(
                "no configured target refers to {}; bring config.json of the exported system into the state directory: what is \
                 not referred to is kept until the next edit without it",
                amount(count, "CHAP credential")
            ),
        ),
        Warning::SameInitiatorTwice { target } => (
            Code::SameInitiatorTwice,
            format!(
                "target {target} logs in under the same initiator name as another entry for it now, and IBM i has one \
                 connection for both; -removetarget one of them"
            ),
        ),
        Warning::NoGeneratedName => (
            Code::NoGeneratedNameNow,
            "targets log in as *GENERATE, and this partition has no UUID to generate a name from".to_owned(),
        ),
        Warning::TraceIncomplete { file, detail } => (
            Code::TraceIncomplete,
            format!("{file} lacks what came from here on: {detail}"),
        ),
        Warning::LibraryLowerCase { subject } => (
            Code::LowerCase,
            format!("the {subject} has a lower-case letter; the macro sends it in upper case, which is another one"),
        ),
        Warning::ShortLibrarySecret { of_target } => (
            Code::SecretLength,
            format!(
                "the {}CHAP secret is shorter than 12 characters; initiators may refuse to use it",
                if *of_target { "target's " } else { "" }
            ),
        ),
    }
}

/// Returns what a value may not work for.
fn value(warning: &ValueWarning) -> String {
    match warning {
        ValueWarning::NotIqn(subject) => {
            format!("the {subject} does not begin with iqn., eui. or naa.")
        }
        ValueWarning::ConsoleCharacters(subject) => {
            format!("the {subject} has characters outside a-z 0-9 . : -, which VTL consoles refuse")
        }
        ValueWarning::IqnDate(subject) => {
            format!("the {subject} has no date of the form yyyy-mm behind iqn. (RFC 7143 4.2.7.4)")
        }
        ValueWarning::GenerateWithoutAsterisk => {
            "the initiator name is the word GENERATE itself; '*GENERATE', quoted, stands for the system generated name".to_owned()
        }
        ValueWarning::Unreachable { address, kind } => {
            let (what, advice) = match kind {
                AddressKind::Unspecified => (
                    "the unspecified address",
                    "give the address of the VTL itself",
                ),
                AddressKind::Multicast => {
                    ("a multicast address", "give the address of the VTL itself")
                }
                AddressKind::Broadcast => (
                    "the broadcast address",
                    "give the address of the VTL itself",
                ),
                AddressKind::LinkLocal => (
                    "a link-local address, which cannot be reached without a zone",
                    "give another address of the VTL",
                ),
            };
            format!("the target host name {address} is {what}; {advice}")
        }
        ValueWarning::ChapNameLength { length } => format!(
            "the CHAP name has {length} characters; the HMC takes at most {HMC_CHAP_LIMIT} for a D-mode IPL"
        ),
        ValueWarning::SecretLength { length } if *length < 12 => format!(
            "the CHAP secret has {}; RFC 7143 wants at least 12",
            amount(*length, "character")
        ),
        ValueWarning::SecretLength { length } => format!(
            "the CHAP secret has {length} characters; the HMC takes at most {HMC_CHAP_LIMIT} for a D-mode IPL"
        ),
    }
}

fn value_code(warning: &ValueWarning) -> Code {
    match warning {
        ValueWarning::NotIqn(_) | ValueWarning::IqnDate(_) => Code::UncommonName,
        ValueWarning::GenerateWithoutAsterisk => Code::GenerateWithoutAsterisk,
        ValueWarning::Unreachable { .. } => Code::UnusableAddress,
        ValueWarning::ChapNameLength { .. } => Code::ChapNameLength,
        ValueWarning::ConsoleCharacters(_) => Code::ConsoleCharacters,
        ValueWarning::SecretLength { .. } => Code::SecretLength,
    }
}

/// Returns the parameter that gives a value.
pub fn parameter(subject: Subject) -> Parameter {
    match subject {
        Subject::InitiatorName => Parameter::InitiatorName,
        Subject::TargetHostName => Parameter::TargetHostName,
        Subject::TargetName => Parameter::TargetName,
        Subject::TargetPort => Parameter::TargetPort,
        Subject::ChapName => Parameter::InitiatorChapName,
        Subject::ChapSecret => Parameter::InitiatorChapSecret,
        Subject::ChapKeystore => Parameter::ChapKeystore,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::CodeKind;
    use super::*;
    use crate::iop::devices::problem::Problem;

    #[test]
    fn every_code_of_a_warning_is_one_that_a_warning_has() {
        let text = str::to_owned;
        let warnings = [
            Warning::ConfigurationChanged,
            Warning::StagedNotCommitted {
                target_name: Some(text("iqn.a")),
            },
            Warning::StagedNotCommitted { target_name: None },
            Warning::GeneratedNameChanged {
                before: text("iqn.a"),
                now: text("iqn.b"),
            },
            Warning::SecretsNotHere {
                targets: vec![text("iqn.a"), text("iqn.b")],
            },
            Warning::TraceIncomplete {
                file: text("trace.jsonl"),
                detail: text("No space left on device"),
            },
            Warning::TargetProblem {
                target_name: text("iqn.a"),
                problem: Problem::NotAuthenticated,
            },
            Warning::SeveralParameters,
            Warning::FirstPiece {
                subject: Subject::TargetName,
            },
            Warning::ChangedToUpperCase {
                subject: Subject::ChapName,
            },
            Warning::Value(ValueWarning::NotIqn(Subject::TargetName)),
            Warning::Value(ValueWarning::ConsoleCharacters(Subject::TargetName)),
            Warning::Value(ValueWarning::SecretLength { length: 3 }),
            Warning::Value(ValueWarning::IqnDate(Subject::TargetName)),
            Warning::Value(ValueWarning::GenerateWithoutAsterisk),
            Warning::Value(ValueWarning::Unreachable {
                address: text("0.0.0.0"),
                kind: AddressKind::Unspecified,
            }),
            Warning::Value(ValueWarning::ChapNameLength { length: 33 }),
            Warning::HostNameWithPort {
                host: text("10.1.1.5"),
                port: text("860"),
            },
            Warning::SecondInitiator {
                used: text("iqn.a"),
                other: text("iqn.b"),
            },
            Warning::CredentialsOnDisk { count: 2 },
            Warning::CredentialsWithoutTarget { count: 2 },
            Warning::SameInitiatorTwice {
                target: text("iqn.a"),
            },
            Warning::NoGeneratedName,
            Warning::LibraryLowerCase {
                subject: Subject::ChapName,
            },
            Warning::ShortLibrarySecret { of_target: true },
        ];
        let used: BTreeSet<Code> = warnings.iter().map(|of| warning(of).0).collect();
        let listed: BTreeSet<Code> = Code::ALL
            .iter()
            .copied()
            .filter(|code| code.kind() == CodeKind::Warning)
            .collect();
        assert_eq!(used, listed);
        for of in &warnings {
            let (_, text) = warning(of);
            assert!(text.is_ascii() && !text.contains("  "), "{text}");
        }
    }
}
