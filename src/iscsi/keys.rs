//! The text keys of RFC 7143, sections 12 and 13, as one table in the order of the standard.
//!
//! [`negotiation`](super::negotiation) negotiates from [`KEYS`] and knows no key by itself.

use std::fmt;

use super::pdu::Stage;
use super::text;

/// Every key that this implementation understands, in the order of the standard.
///
/// The keys of Kerberos and SRP (12.1.1, 12.1.2) are left out, as those methods are optional and never offered.
pub const KEYS: &[TextKey] = &[
    security(Key::AuthMethod, "AuthMethod", "12.1"),
    security(Key::ChapA, "CHAP_A", "12.1.3"),
    security(Key::ChapI, "CHAP_I", "12.1.3"),
    security(Key::ChapC, "CHAP_C", "12.1.3"),
    security(Key::ChapN, "CHAP_N", "12.1.3"),
    security(Key::ChapR, "CHAP_R", "12.1.3"),
    negotiated(Key::HeaderDigest, "HeaderDigest", "13.1", ValueType::List)
        .usage(Usage::InitializeOnly)
        .scope(Scope::Connection)
        .default_text("None"),
    negotiated(Key::DataDigest, "DataDigest", "13.1", ValueType::List)
        .usage(Usage::InitializeOnly)
        .scope(Scope::Connection)
        .default_text("None"),
    negotiated(
        Key::MaxConnections,
        "MaxConnections",
        "13.2",
        number(1, 65_535, NumericalFunction::Minimum),
    )
    .normal_session_only()
    .default_number(1),
    declarative(Key::SendTargets, "SendTargets", "13.3", ValueType::Text)
        .usage(Usage::FullFeaturePhaseOnly)
        .senders(Senders::Initiator),
    // The target sends it as well, but only in its response to SendTargets, which negotiates nothing.
    declarative(Key::TargetName, "TargetName", "13.4", ValueType::Text)
        .usage(Usage::InitializeOnly)
        .senders(Senders::Initiator)
        .any_stage(),
    declarative(Key::InitiatorName, "InitiatorName", "13.5", ValueType::Text)
        .usage(Usage::InitializeOnly)
        .senders(Senders::Initiator)
        .any_stage(),
    declarative(Key::TargetAlias, "TargetAlias", "13.6", ValueType::Text)
        .usage(Usage::All)
        .senders(Senders::Target)
        .any_stage(),
    declarative(
        Key::InitiatorAlias,
        "InitiatorAlias",
        "13.7",
        ValueType::Text,
    )
    .usage(Usage::All)
    .senders(Senders::Initiator)
    .any_stage(),
    declarative(Key::TargetAddress, "TargetAddress", "13.8", ValueType::Text)
        .usage(Usage::All)
        .senders(Senders::Target)
        .any_stage(),
    declarative(
        Key::TargetPortalGroupTag,
        "TargetPortalGroupTag",
        "13.9",
        number(0, 65_535, NumericalFunction::Declared),
    )
    .usage(Usage::InitializeOnly)
    .senders(Senders::Target)
    .any_stage(),
    negotiated(
        Key::InitialR2T,
        "InitialR2T",
        "13.10",
        ValueType::Boolean(BooleanFunction::Or),
    )
    .normal_session_only()
    .default_boolean(true),
    negotiated(
        Key::ImmediateData,
        "ImmediateData",
        "13.11",
        ValueType::Boolean(BooleanFunction::And),
    )
    .normal_session_only()
    .default_boolean(true),
    declarative(
        Key::MaxRecvDataSegmentLength,
        "MaxRecvDataSegmentLength",
        "13.12",
        number(512, 16_777_215, NumericalFunction::Declared),
    )
    .usage(Usage::All)
    .scope(Scope::Connection)
    .default_number(8192),
    negotiated(
        Key::MaxBurstLength,
        "MaxBurstLength",
        "13.13",
        number(512, 16_777_215, NumericalFunction::Minimum),
    )
    .normal_session_only()
    .default_number(262_144),
    negotiated(
        Key::FirstBurstLength,
        "FirstBurstLength",
        "13.14",
        number(512, 16_777_215, NumericalFunction::Minimum),
    )
    .normal_session_only()
    .default_number(65_536),
    negotiated(
        Key::DefaultTime2Wait,
        "DefaultTime2Wait",
        "13.15",
        number(0, 3600, NumericalFunction::Maximum),
    )
    .default_number(2),
    negotiated(
        Key::DefaultTime2Retain,
        "DefaultTime2Retain",
        "13.16",
        number(0, 3600, NumericalFunction::Minimum),
    )
    .default_number(20),
    negotiated(
        Key::MaxOutstandingR2T,
        "MaxOutstandingR2T",
        "13.17",
        number(1, 65_535, NumericalFunction::Minimum),
    )
    .normal_session_only()
    .default_number(1),
    negotiated(
        Key::DataPduInOrder,
        "DataPDUInOrder",
        "13.18",
        ValueType::Boolean(BooleanFunction::Or),
    )
    .normal_session_only()
    .default_boolean(true),
    negotiated(
        Key::DataSequenceInOrder,
        "DataSequenceInOrder",
        "13.19",
        ValueType::Boolean(BooleanFunction::Or),
    )
    .normal_session_only()
    .default_boolean(true),
    negotiated(
        Key::ErrorRecoveryLevel,
        "ErrorRecoveryLevel",
        "13.20",
        number(0, 2, NumericalFunction::Minimum),
    )
    .default_number(0),
    declarative(Key::SessionType, "SessionType", "13.21", ValueType::Text)
        .senders(Senders::Initiator)
        .any_stage()
        .default_text("Normal"),
    negotiated(
        Key::TaskReporting,
        "TaskReporting",
        "13.23",
        ValueType::List,
    )
    .normal_session_only()
    .later()
    .default_text("RFC3720"),
    negotiated(
        Key::IscsiProtocolLevel,
        "iSCSIProtocolLevel",
        "13.24",
        number(0, 31, NumericalFunction::Minimum),
    )
    .normal_session_only()
    .later()
    .default_number(1),
    negotiated(Key::IfMarker, "IFMarker", "13.25", ValueType::Obsolete),
    negotiated(Key::OfMarker, "OFMarker", "13.25", ValueType::Obsolete),
    negotiated(Key::IfMarkInt, "IFMarkInt", "13.25", ValueType::Obsolete),
    negotiated(Key::OfMarkInt, "OFMarkInt", "13.25", ValueType::Obsolete),
    declarative(
        Key::NodeArchitecture,
        "X#NodeArchitecture",
        "13.26",
        ValueType::List,
    )
    .later(),
];

/// One row of the table: what section 13 lists under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextKey {
    /// The key of the row.
    pub key: Key,
    /// The key-name, as on the wire.
    pub name: &'static str,
    /// The section of RFC 7143 that defines the key.
    pub section: &'static str,
    /// When the key may be used.
    pub usage: Usage,
    /// Whether the key may stand in the SecurityNegotiation stage as well ("Any-Stage").
    pub any_stage: bool,
    /// Whether the key needs no answer ("Declarative").
    pub declarative: bool,
    /// Who may send the key.
    pub senders: Senders,
    /// What the result holds for.
    pub scope: Scope,
    /// The form of the value, its range and its result function.
    pub values: ValueType,
    /// The value without negotiation; `None` when there is none.
    pub default: Option<Value>,
    /// Whether the key is irrelevant in a discovery session.
    pub normal_session_only: bool,
    /// Whether a peer of an earlier standard may answer NotUnderstood (6.2); for any other key that is an error.
    pub later: bool,
}

impl TextKey {
    /// Returns the row of a key-name; `None` when this implementation does not understand the key.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|row| row.name == name)
    }

    /// Returns whether the key may be used in a stage (6.3, 12, 13).
    pub fn allowed_in(&self, stage: Stage) -> bool {
        match stage {
            Stage::SecurityNegotiation => self.usage == Usage::Security || self.any_stage,
            Stage::LoginOperationalNegotiation => {
                !matches!(self.usage, Usage::Security | Usage::FullFeaturePhaseOnly)
            }
            Stage::FullFeaturePhase => {
                matches!(self.usage, Usage::All | Usage::FullFeaturePhaseOnly)
            }
        }
    }
}

/// A key, for code that needs one by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the standard describes each key, and the table says where"
)]
pub enum Key {
    AuthMethod,
    ChapA,
    ChapI,
    ChapC,
    ChapN,
    ChapR,
    HeaderDigest,
    DataDigest,
    MaxConnections,
    SendTargets,
    TargetName,
    InitiatorName,
    TargetAlias,
    InitiatorAlias,
    TargetAddress,
    TargetPortalGroupTag,
    InitialR2T,
    ImmediateData,
    MaxRecvDataSegmentLength,
    MaxBurstLength,
    FirstBurstLength,
    DefaultTime2Wait,
    DefaultTime2Retain,
    MaxOutstandingR2T,
    DataPduInOrder,
    DataSequenceInOrder,
    ErrorRecoveryLevel,
    SessionType,
    TaskReporting,
    IscsiProtocolLevel,
    IfMarker,
    OfMarker,
    IfMarkInt,
    OfMarkInt,
    NodeArchitecture,
}

/// When a key may be used (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The SecurityNegotiation stage only (12).
    Security,
    /// LO: the login of a session's leading connection.
    LeadingOnly,
    /// IO: the login of any connection.
    InitializeOnly,
    /// ALL: login and full feature phase.
    All,
    /// FFPO: the full feature phase only.
    FullFeaturePhaseOnly,
}

/// Who may send a key (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Senders {
    Initiator,
    Target,
    Both,
}

/// What the result of a key holds for (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// CO: the connection only.
    Connection,
    /// SW: the whole session.
    Session,
}

/// The form of a key's value with its result function (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A list-of-values, of which the responder selects one (6.2.1).
    List,
    /// Yes or No.
    Boolean(BooleanFunction),
    /// A numerical-value.
    Number {
        /// The smallest legal value.
        min: u32,
        /// The largest legal value.
        max: u32,
        /// What the responder may select.
        function: NumericalFunction,
    },
    /// A name, an alias or another text; interpreted where the key is used.
    Text,
    /// The key is obsolete and answered Reject, whatever its value (13.25).
    Obsolete,
}

/// The result function of a boolean key (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooleanFunction {
    /// An offered No settles the result.
    And,
    /// An offered Yes settles the result.
    Or,
}

/// The result function of a numerical key (13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumericalFunction {
    /// The selected value cannot exceed the offered value.
    Minimum,
    /// The selected value cannot be lower than the offered value.
    Maximum,
    /// The value is declared and needs no answer.
    Declared,
}

impl NumericalFunction {
    /// Returns whether a responder may select the value, given the offer (6.2.2).
    pub(super) const fn selectable(self, offered: u32, selected: u32) -> bool {
        match self {
            Self::Minimum => selected <= offered,
            Self::Maximum => selected >= offered,
            Self::Declared => true,
        }
    }

    /// Returns the result of what the two sides want.
    pub(super) fn apply(self, own: u32, theirs: u32) -> u32 {
        match self {
            Self::Maximum => theirs.max(own),
            Self::Minimum | Self::Declared => theirs.min(own),
        }
    }
}

/// A negotiated value; displayed as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or No.
    Boolean(bool),
    /// A numerical-value within the range of its key.
    Number(u32),
    /// A text, such as the one selected element of a list.
    Text(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => f.write_str(text::boolean_text(*value)),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

const fn negotiated(
    key: Key,
    name: &'static str,
    section: &'static str,
    values: ValueType,
) -> TextKey {
    TextKey {
        key,
        name,
        section,
        usage: Usage::LeadingOnly,
        any_stage: false,
        declarative: false,
        senders: Senders::Both,
        scope: Scope::Session,
        values,
        default: None,
        normal_session_only: false,
        later: false,
    }
}

const fn declarative(
    key: Key,
    name: &'static str,
    section: &'static str,
    values: ValueType,
) -> TextKey {
    let mut row = negotiated(key, name, section, values);
    row.declarative = true;
    row
}

/// The value of a security key is read by the authentication method, whose steps are no negotiation of section 13.
const fn security(key: Key, name: &'static str, section: &'static str) -> TextKey {
    negotiated(key, name, section, ValueType::Text)
        .usage(Usage::Security)
        .scope(Scope::Connection)
}

const fn number(min: u32, max: u32, function: NumericalFunction) -> ValueType {
    ValueType::Number { min, max, function }
}

/// The columns that differ from what most rows have.
impl TextKey {
    const fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    const fn any_stage(mut self) -> Self {
        self.any_stage = true;
        self
    }

    const fn senders(mut self, senders: Senders) -> Self {
        self.senders = senders;
        self
    }

    const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    const fn normal_session_only(mut self) -> Self {
        self.normal_session_only = true;
        self
    }

    const fn later(mut self) -> Self {
        self.later = true;
        self
    }

    const fn default_boolean(mut self, value: bool) -> Self {
        self.default = Some(Value::Boolean(value));
        self
    }

    const fn default_number(mut self, value: u32) -> Self {
        self.default = Some(Value::Number(value));
        self
    }

    const fn default_text(mut self, value: &'static str) -> Self {
        self.default = Some(Value::Text(value));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_has_its_own_key_and_name() {
        let keys: HashSet<Key> = KEYS.iter().map(|row| row.key).collect();
        let names: HashSet<&str> = KEYS.iter().map(|row| row.name).collect();
        assert_eq!((keys.len(), names.len()), (KEYS.len(), KEYS.len()));
        for row in KEYS {
            assert_eq!(TextKey::named(row.name), Some(row));
        }
    }

    #[test]
    fn the_rows_stand_in_the_order_of_the_standard() {
        let sections: Vec<Vec<u32>> = KEYS
            .iter()
            .map(|row| {
                row.section
                    .split('.')
                    .map(|part| part.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(sections.is_sorted());
    }

    #[test]
    fn a_default_is_a_value_of_its_key() {
        for row in KEYS {
            let legal = match (row.values, row.default) {
                (ValueType::Number { min, max, .. }, Some(Value::Number(n))) => {
                    (min..=max).contains(&n)
                }
                (ValueType::Boolean(_), default) => matches!(default, Some(Value::Boolean(_))),
                (ValueType::List | ValueType::Text, default) => {
                    matches!(default, None | Some(Value::Text(_)))
                }
                (_, default) => default.is_none(),
            };
            assert!(legal, "{}", row.name);
        }
    }

    #[test]
    fn the_security_stage_admits_the_keys_of_section_12_only() {
        let admitted: Vec<&str> = KEYS
            .iter()
            .filter(|row| row.allowed_in(Stage::SecurityNegotiation))
            .map(|row| row.name)
            .collect();
        assert_eq!(
            admitted.join(" "),
            "AuthMethod CHAP_A CHAP_I CHAP_C CHAP_N CHAP_R TargetName InitiatorName TargetAlias InitiatorAlias \
             TargetAddress TargetPortalGroupTag SessionType"
        );
    }

    #[test]
    fn the_full_feature_phase_admits_all_and_ffpo_keys_only() {
        let admitted: Vec<&str> = KEYS
            .iter()
            .filter(|row| row.allowed_in(Stage::FullFeaturePhase))
            .map(|row| row.name)
            .collect();
        assert_eq!(
            admitted.join(" "),
            "SendTargets TargetAlias InitiatorAlias TargetAddress MaxRecvDataSegmentLength"
        );
    }

    #[test]
    fn unknown_and_miscased_names_have_no_row() {
        assert_eq!(TextKey::named("maxburstlength"), None);
        assert_eq!(TextKey::named("X-com.example.key"), None);
    }
}
