//! The operational parameters of a session and its connection (RFC 7143, section 13): what is offered and what is in
//! force.

use std::fmt;

use super::keys::{Key, Value};

/// The type of a session (13.21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionType {
    /// A session that carries SCSI commands.
    #[default]
    Normal,
    /// A session that carries SendTargets only.
    Discovery,
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "Normal",
            Self::Discovery => "Discovery",
        })
    }
}

/// A value of HeaderDigest or DataDigest (13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// No digest.
    None,
    /// CRC32C over the segment and its padding.
    Crc32c,
}

impl Digest {
    /// Returns the value as on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Crc32c => "CRC32C",
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one side wants of the operational keys: offered by an initiator, preferred by a target.
///
/// Of some keys this implementation supports one value only, so there is no choice: MaxConnections 1, DataPDUInOrder
/// and DataSequenceInOrder Yes, ErrorRecoveryLevel 0.
///
/// A number outside the range of its key is brought into it, and FirstBurstLength down to MaxBurstLength.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationalOffer {
    /// HeaderDigest, in order of preference (13.1); nothing means None.
    pub header_digest: Vec<Digest>,
    /// DataDigest, in order of preference (13.1); nothing means None.
    pub data_digest: Vec<Digest>,
    /// InitialR2T (13.10).
    pub initial_r2t: bool,
    /// ImmediateData (13.11).
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength that this side declares, in bytes, 512 to 2**24 - 1 (13.12).
    pub max_recv_data_segment_length: u32,
    /// MaxBurstLength, in bytes, 512 to 2**24 - 1 (13.13).
    pub max_burst_length: u32,
    /// FirstBurstLength, in bytes, 512 to 2**24 - 1 (13.14).
    pub first_burst_length: u32,
    /// DefaultTime2Wait, in seconds, 0 to 3600 (13.15).
    pub default_time2wait: u32,
    /// DefaultTime2Retain, in seconds, 0 to 3600 (13.16).
    pub default_time2retain: u32,
    /// MaxOutstandingR2T, 1 to 65535 (13.17).
    pub max_outstanding_r2t: u32,
}

impl Default for OperationalOffer {
    /// Returns an offer that lets large tape blocks flow: no initial R2T, bursts as long as the standard allows, and data segments
    /// that hold a block of 1 MiB, which then stays where it was received.
    ///
    /// At ErrorRecoveryLevel 0 no task survives its connection, so there is nothing to retain for.
    fn default() -> Self {
        Self {
            header_digest: vec![Digest::None, Digest::Crc32c],
            data_digest: vec![Digest::None, Digest::Crc32c],
            initial_r2t: false,
            immediate_data: true,
            max_recv_data_segment_length: 1 << 20,
            max_burst_length: 16_776_192,
            first_burst_length: 262_144,
            default_time2wait: 2,
            default_time2retain: 0,
            max_outstanding_r2t: 8,
        }
    }
}

/// The operational parameters in force after a negotiation; the fields are those of [`OperationalOffer`] and the keys
/// that leave no choice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "documented at the offer, field by field, and in the table of keys"
)]
pub struct OperationalParameters {
    pub header_digest: Digest,
    pub data_digest: Digest,
    /// MaxConnections (13.2): 1, as this implementation offers no more.
    pub max_connections: u32,
    pub initial_r2t: bool,
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength that this side declared, in bytes (13.12).
    pub max_recv_data_segment_length: u32,
    /// MaxRecvDataSegmentLength that the peer declared, in bytes: the limit of what this side sends (13.12).
    pub peer_max_recv_data_segment_length: u32,
    pub max_burst_length: u32,
    pub first_burst_length: u32,
    pub default_time2wait: u32,
    pub default_time2retain: u32,
    pub max_outstanding_r2t: u32,
    pub data_pdu_in_order: bool,
    pub data_sequence_in_order: bool,
    pub error_recovery_level: u8,
}

impl OperationalParameters {
    /// Returns every operational key with its value in force, in the order of the standard, for display.
    ///
    /// The two directions of MaxRecvDataSegmentLength stand under that name (what this side takes) and under
    /// MaxXmitDataSegmentLength (what the peer takes).
    pub fn keys(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("HeaderDigest", Value::Text(self.header_digest.name())),
            ("DataDigest", Value::Text(self.data_digest.name())),
            ("MaxConnections", Value::Number(self.max_connections)),
            ("InitialR2T", Value::Boolean(self.initial_r2t)),
            ("ImmediateData", Value::Boolean(self.immediate_data)),
            (
                "MaxRecvDataSegmentLength",
                Value::Number(self.max_recv_data_segment_length),
            ),
            (
                "MaxXmitDataSegmentLength",
                Value::Number(self.peer_max_recv_data_segment_length),
            ),
            ("MaxBurstLength", Value::Number(self.max_burst_length)),
            ("FirstBurstLength", Value::Number(self.first_burst_length)),
            ("DefaultTime2Wait", Value::Number(self.default_time2wait)),
            (
                "DefaultTime2Retain",
                Value::Number(self.default_time2retain),
            ),
            ("MaxOutstandingR2T", Value::Number(self.max_outstanding_r2t)),
            ("DataPDUInOrder", Value::Boolean(self.data_pdu_in_order)),
            (
                "DataSequenceInOrder",
                Value::Boolean(self.data_sequence_in_order),
            ),
            (
                "ErrorRecoveryLevel",
                Value::Number(self.error_recovery_level.into()),
            ),
        ]
    }

    /// Puts a value in force; a key that does not change what this implementation does is passed over.
    pub(super) fn set(&mut self, key: Key, value: Value) {
        match (key, value) {
            (Key::HeaderDigest, Value::Text(name)) => self.header_digest = digest(name),
            (Key::DataDigest, Value::Text(name)) => self.data_digest = digest(name),
            (Key::MaxConnections, Value::Number(n)) => self.max_connections = n,
            (Key::InitialR2T, Value::Boolean(b)) => self.initial_r2t = b,
            (Key::ImmediateData, Value::Boolean(b)) => self.immediate_data = b,
            (Key::MaxRecvDataSegmentLength, Value::Number(n)) => {
                self.peer_max_recv_data_segment_length = n;
            }
            (Key::MaxBurstLength, Value::Number(n)) => self.max_burst_length = n,
            (Key::FirstBurstLength, Value::Number(n)) => self.first_burst_length = n,
            (Key::DefaultTime2Wait, Value::Number(n)) => self.default_time2wait = n,
            (Key::DefaultTime2Retain, Value::Number(n)) => self.default_time2retain = n,
            (Key::MaxOutstandingR2T, Value::Number(n)) => self.max_outstanding_r2t = n,
            (Key::DataPduInOrder, Value::Boolean(b)) => self.data_pdu_in_order = b,
            (Key::DataSequenceInOrder, Value::Boolean(b)) => self.data_sequence_in_order = b,
            (Key::ErrorRecoveryLevel, Value::Number(n)) => {
                self.error_recovery_level = u8::try_from(n).unwrap_or_default();
            }
            _ => {}
        }
    }
}

impl Default for OperationalParameters {
    /// Returns the parameters without any negotiation: the defaults of section 13.
    fn default() -> Self {
        Self {
            header_digest: Digest::None,
            data_digest: Digest::None,
            max_connections: 1,
            initial_r2t: true,
            immediate_data: true,
            max_recv_data_segment_length: 8192,
            peer_max_recv_data_segment_length: 8192,
            max_burst_length: 262_144,
            first_burst_length: 65_536,
            default_time2wait: 2,
            default_time2retain: 20,
            max_outstanding_r2t: 1,
            data_pdu_in_order: true,
            data_sequence_in_order: true,
            error_recovery_level: 0,
        }
    }
}

/// Every name that reaches this was selected from the names of [`Digest`].
fn digest(name: &str) -> Digest {
    if name == Digest::Crc32c.name() {
        Digest::Crc32c
    } else {
        Digest::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::keys::KEYS;

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let mut from_table = OperationalParameters::default();
        for row in KEYS {
            if let Some(value) = row.default {
                from_table.set(row.key, value);
            }
        }
        assert_eq!(from_table, OperationalParameters::default());
    }

    #[test]
    fn every_negotiated_number_and_boolean_of_the_table_reaches_its_field() {
        for row in KEYS
            .iter()
            .filter(|row| row.default.is_some() && !row.later)
        {
            let other = match row.default {
                Some(Value::Boolean(default)) => Value::Boolean(!default),
                Some(Value::Number(default)) => Value::Number(default + 1),
                Some(Value::Text("None")) => Value::Text("CRC32C"),
                _ => continue,
            };
            let mut parameters = OperationalParameters::default();
            parameters.set(row.key, other);
            assert_ne!(parameters, OperationalParameters::default(), "{}", row.name);
            assert!(
                parameters.keys().iter().any(|(_, value)| *value == other),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_displayed_names_are_keys_of_the_standard_but_for_the_sending_direction() {
        let names: Vec<&str> = OperationalParameters::default()
            .keys()
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| *name != "MaxXmitDataSegmentLength")
            .collect();
        let table: Vec<&str> = KEYS
            .iter()
            .map(|row| row.name)
            .filter(|name| names.contains(name))
            .collect();
        assert_eq!(names, table);
    }
}
