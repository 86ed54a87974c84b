//! What a re-IPL found, as plain data: what the active configuration keeps, and what front ends render.
//!
//! A record is read field by field, each with a default, and causes and problems that this version does not know are kept as
//! unknown: neither a newer nor an older record of the same schema is refused. Nothing here holds a secret.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::cause::Cause;
use super::devices::problem::Problem;

/// A medium changer with its drives: on IBM i a tape media library, TAPMLBxx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LibraryReport {
    /// Device name, `TAPMLB01` and up; it stays with the serial number.
    pub device: String,
    /// IBM i type and model, `3584-403`; a model that the library does not tell is `***`.
    pub type_model: String,
    /// True when the type came from the product identification, not from VPD page D0h.
    pub derived: bool,
    /// VENDOR IDENTIFICATION of the standard INQUIRY data (SPC-4 6.4.2), escaped and trimmed.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, escaped and trimmed.
    pub product: String,
    /// PRODUCT REVISION LEVEL, escaped and trimmed.
    pub revision: String,
    /// Unit serial number (VPD page 80h), escaped and trimmed; empty when the device has none.
    pub serial: String,
    /// Logical unit number.
    pub lun: u64,
    /// The eight bytes of the logical unit number in hexadecimal (SAM-5 4.7), `0x4005000000000000`, where they are not the
    /// usual ones of that number: flat space addressing below 256, and every form that has no number of its own, where
    /// `lun` is the first six bytes. A JSON reader may not hold more than 53 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun_address: Option<String>,
    /// Number of storage elements (MODE SENSE page 1Dh).
    pub storage_elements: u16,
    /// Number of import/export elements.
    pub import_export_elements: u16,
    /// Number of medium transport elements.
    pub transport_elements: u16,
    /// The drives that the library's element status names, by element address.
    pub drives: Vec<DriveReport>,
    /// What IBM i would stumble over.
    #[serde(deserialize_with = "problems")]
    pub problems: Vec<Problem>,
}

/// A tape drive: TAPxx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Drive")]
#[serde(default)]
pub struct DriveReport {
    /// Device name, `TAP01` and up; it stays with the serial number.
    pub device: String,
    /// IBM i type and model, `3580-005`; unknown digits are `*`.
    pub type_model: String,
    /// VENDOR IDENTIFICATION, escaped and trimmed.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, escaped and trimmed.
    pub product: String,
    /// PRODUCT REVISION LEVEL, escaped and trimmed.
    pub revision: String,
    /// Unit serial number (VPD page 80h), escaped and trimmed.
    pub serial: String,
    /// Logical unit number.
    pub lun: u64,
    /// The eight bytes of the logical unit number in hexadecimal (SAM-5 4.7), `0x4005000000000000`, where they are not the
    /// usual ones of that number: flat space addressing below 256, and every form that has no number of its own, where
    /// `lun` is the first six bytes. A JSON reader may not hold more than 53 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lun_address: Option<String>,
    /// Data transfer element address in its library; null for a drive in no library.
    pub element_address: Option<u16>,
    /// Barcode of the cartridge in the drive, as the library reads it.
    pub volume: Option<String>,
}

/// What became of one target at a re-IPL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetReport {
    /// The target, as typed.
    pub target_name: String,
    /// Its host, as typed.
    pub target_host_name: String,
    /// Its port.
    pub target_port: u16,
    /// The initiator name used, `*GENERATE` resolved.
    pub initiator_name: String,
    /// How it is to be logged in to; none without CHAP.
    pub chap: Option<ChapReport>,
    /// The outcome.
    pub status: TargetStatus,
    /// Why it failed; none when it did not.
    pub failure: Option<Failure>,
    /// When and why its session has ended; none unless its status is [`TargetStatus::Lost`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Loss>,
    /// What the login came to; none when there was none.
    pub session: Option<SessionReport>,
    /// Its medium changers, in order of LUN.
    pub libraries: Vec<LibraryReport>,
    /// The drives that no library of it claims, in order of LUN.
    pub drives: Vec<DriveReport>,
    /// Problems that belong to the target and to none of its libraries alone. With exactly one library they are that library's.
    #[serde(deserialize_with = "problems")]
    pub problems: Vec<Problem>,
}

/// The CHAP parameters of a target, without the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Chap")]
#[serde(default)]
pub struct ChapReport {
    /// The CHAP name, upper-cased.
    pub name: String,
    /// AVAIL, NONE or PLATFORM.
    pub keystore: String,
    /// Where the credentials are.
    pub stored_in: StoredIn,
}

/// Where credentials are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoredIn {
    /// In `config.json`, as plain text.
    #[default]
    Disk,
    /// In the Platform KeyStore.
    Platform,
}

/// The outcome of a target at a re-IPL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetStatus {
    /// Logged in, and every device was asked.
    Connected,
    /// Not reached, refused, or lost before its devices were known.
    #[default]
    Failed,
    /// Was connected, and the session that the resident IOP held has ended since: `lost` says when and why. Its
    /// session and devices are those that it had.
    Lost,
}

/// The end of a session that a resident IOP held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// When, UTC, RFC 3339.
    pub time: String,
    /// Why.
    #[serde(deserialize_with = "cause_of_loss")]
    pub cause: LossCause,
}

fn cause_of_loss<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LossCause, D::Error> {
    Value::deserialize(deserializer).map(recorded)
}

impl Recorded for LossCause {
    fn unknown(_: Option<String>) -> Self {
        Self::Unknown
    }
}

/// Why a session that a resident IOP held has ended. All text in it that came from a target is escaped already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum LossCause {
    /// The target did not answer a ping, or another request that is not a command (RFC 7143 11.18).
    NoAnswer {
        /// What was asked, by its name in the standard.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The target closed the connection.
    ConnectionClosed,
    /// The connection failed: reset, unreachable, or what was sent was not acknowledged in time.
    ConnectionFailed {
        /// What the system said.
        detail: String,
    },
    /// The target asked the initiator to log out (11.9.1), which it did.
    LogoutRequested,
    /// The target dropped the connection or the session (11.9.1).
    Dropped,
    /// The target rejected a request (11.17), which leaves the session unusable.
    PduRejected {
        /// The reason, by its name in the standard.
        reason: String,
    },
    /// The target broke a rule of RFC 7143.
    TargetProtocolError {
        /// What it did.
        detail: String,
    },
    /// The IOP was killed while it held the session, and the next one did not get to the target again.
    GivenUp,
    /// A cause of a record that this version cannot read.
    #[serde(other)]
    Unknown,
}

/// Why a target failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RecordedFailure")]
pub struct Failure {
    /// How far it got.
    pub phase: Phase,
    /// Where the target had redirected the login to, when it failed there; escaped.
    pub redirected_to: Option<String>,
    /// Why it went no further.
    pub cause: Cause,
}

/// A [`Failure`] as records have it: schema 2 has the cause, schema 1 its sentences.
#[derive(Deserialize)]
struct RecordedFailure {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    redirected_to: Option<String>,
    cause: Option<Value>,
    message: Option<String>,
    hint: Option<String>,
}

impl From<RecordedFailure> for Failure {
    fn from(record: RecordedFailure) -> Self {
        Self {
            phase: record.phase,
            redirected_to: record.redirected_to,
            cause: match record.cause {
                Some(cause) => recorded(cause),
                None => Cause::Unknown {
                    message: record.message,
                    hint: record.hint,
                },
            },
        }
    }
}

/// What records keep and a later version may have more of.
pub(super) trait Recorded: DeserializeOwned {
    /// Returns the form of a value that this version does not know; `message` is the sentence of a record of schema 1.
    fn unknown(message: Option<String>) -> Self;
}

fn recorded<T: Recorded>(value: Value) -> T {
    match value {
        Value::String(message) => T::unknown(Some(message)),
        value => T::deserialize(value).unwrap_or_else(|_| T::unknown(None)),
    }
}

fn problems<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Problem>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    Ok(values.into_iter().map(recorded).collect())
}

/// The phases of attaching a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Finding the host's addresses.
    #[default]
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The login phase (RFC 7143 section 6).
    Login,
    /// Finding the devices.
    Enumerate,
}

/// What a login came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Session")]
#[serde(default)]
pub struct SessionReport {
    /// The address and port that answered, `10.1.1.5:3260`; another than the configured one after a redirection.
    pub portal: String,
    /// `CHAP` or `None`.
    pub auth_method: String,
    /// `MD5`, `SHA1`, `SHA-256` or `SHA3-256`.
    pub chap_algorithm: Option<String>,
    /// `None` or `CRC32C`.
    pub header_digest: String,
    /// `None` or `CRC32C`.
    pub data_digest: String,
    /// Negotiated value (RFC 7143 section 13.13), bytes.
    pub max_burst_length: u32,
    /// Negotiated value (section 13.14), bytes.
    pub first_burst_length: u32,
    /// The most that the target takes in one PDU (section 13.12), bytes.
    pub target_max_recv_data_segment_length: u32,
    /// The most that this initiator takes in one PDU, bytes.
    pub initiator_max_recv_data_segment_length: u32,
    /// Negotiated value (section 13.10).
    pub initial_r2t: bool,
    /// Negotiated value (section 13.11).
    pub immediate_data: bool,
    /// Negotiated value (section 13.17).
    pub max_outstanding_r2t: u32,
    /// Negotiated value (section 13.20).
    pub error_recovery_level: u8,
    /// The target's name for itself (section 13.6), escaped.
    pub target_alias: Option<String>,
    /// Target portal group tag (section 13.9).
    pub target_portal_group_tag: Option<u16>,
    /// How long each phase took.
    pub timings: Timings,
    /// The keys that the login negotiated, in the order in which they were settled.
    pub keys: Vec<NegotiatedKey>,
}

/// How long the phases of attaching took; null for one that there was not, or that was not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timings {
    /// Finding the host's addresses, in seconds.
    #[serde(with = "in_seconds")]
    #[schemars(with = "Option<f64>")]
    pub resolve: Option<Duration>,
    /// Opening the TCP connection, in seconds.
    #[serde(with = "in_seconds")]
    #[schemars(with = "Option<f64>")]
    pub connect: Option<Duration>,
    /// The login phase, in seconds.
    #[serde(with = "in_seconds")]
    #[schemars(with = "Option<f64>")]
    pub login: Option<Duration>,
    /// Finding the devices, in seconds.
    #[serde(with = "in_seconds")]
    #[schemars(with = "Option<f64>")]
    pub enumerate: Option<Duration>,
}

/// A duration as a number of seconds.
mod in_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // To the millisecond: a longer tail says nothing.
        let seconds = duration.map(|duration| (duration.as_secs_f64() * 1e3).round() / 1e3);
        seconds.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}

/// A key of the login negotiation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NegotiatedKey {
    /// Its name in RFC 7143 chapter 13.
    pub key: String,
    /// The value that the initiator sent; null when the target declared the key unasked. Never a CHAP value.
    pub offered: Option<String>,
    /// The value that the target sent, escaped; null when it left the key out.
    pub answered: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(failure: Value) -> Failure {
        serde_json::from_value(failure).unwrap()
    }

    #[test]
    fn a_failure_of_schema_1_keeps_its_sentences() {
        let failure = read(json!({
            "phase": "login", "login_status": "0x0201", "message": "It failed.", "hint": "Look."
        }));
        assert_eq!(failure.phase, Phase::Login);
        assert_eq!(
            failure.cause,
            Cause::Unknown {
                message: Some("It failed.".to_owned()),
                hint: Some("Look.".to_owned()),
            }
        );
    }

    #[test]
    fn timings_are_seconds_to_the_millisecond() {
        let timings = Timings {
            resolve: None,
            connect: Some(Duration::from_micros(1_499)),
            login: Some(Duration::from_micros(1_234_567)),
            enumerate: Some(Duration::from_micros(400)),
        };
        let record = serde_json::to_value(&timings).unwrap();
        assert_eq!(
            record,
            json!({"resolve": null, "connect": 0.001, "login": 1.235, "enumerate": 0.0})
        );
        let read: Timings = serde_json::from_value(record).unwrap();
        assert_eq!(read.login, Some(Duration::from_millis(1235)));
    }

    #[test]
    fn a_cause_survives_its_record() {
        let failure = Failure {
            phase: Phase::Connect,
            redirected_to: Some("[::1]:3260,1".to_owned()),
            cause: Cause::ConnectTimeout {
                portal: "10.1.1.5:3260".to_owned(),
                after: Duration::from_millis(1500),
            },
        };
        let record = serde_json::to_value(&failure).unwrap();
        assert_eq!(record["cause"]["cause"], "connect-timeout");
        assert_eq!(read(record), failure);
    }

    #[test]
    fn what_this_version_does_not_know_is_unknown_and_refuses_nothing() {
        for cause in [
            json!({"cause": "struck-by-lightning", "volts": 1_000_000}),
            json!({"cause": "connection-refused"}),
            json!(47),
        ] {
            let failure = read(json!({"phase": "connect", "cause": cause, "since": "noon"}));
            assert_eq!(failure.cause, Cause::unknown(None));
        }
        // A field more is no reason to forget the others.
        let failure = read(json!({
            "phase": "connect", "cause": {"cause": "connection-refused", "portal": "a:1", "ttl": 64}
        }));
        let portal = "a:1".to_owned();
        assert_eq!(failure.cause, Cause::ConnectionRefused { portal });
    }

    #[test]
    fn a_loss_survives_its_record() {
        let report = TargetReport {
            status: TargetStatus::Lost,
            lost: Some(Loss {
                time: "2026-11-22T05:31:00Z".to_owned(),
                cause: LossCause::NoAnswer {
                    request: "NOP-Out".to_owned(),
                    after: Duration::from_millis(1500),
                },
            }),
            ..TargetReport::default()
        };
        let record = serde_json::to_value(&report).unwrap();
        assert_eq!(record["status"], "LOST");
        assert_eq!(record["lost"]["cause"]["cause"], "no-answer");
        assert_eq!(
            serde_json::from_value::<TargetReport>(record).unwrap(),
            report
        );
    }

    #[test]
    fn a_loss_of_a_cause_that_this_version_does_not_know_is_still_one() {
        for cause in [
            json!({"cause": "eclipse", "of": "the moon"}),
            json!({"cause": "no-answer"}),
        ] {
            let report: TargetReport = serde_json::from_value(json!({
                "status": "LOST", "lost": {"time": "2026-11-22T05:31:00Z", "cause": cause}
            }))
            .unwrap();
            assert_eq!(report.status, TargetStatus::Lost);
            assert_eq!(report.lost.unwrap().cause, LossCause::Unknown);
        }
    }

    #[test]
    fn a_report_is_read_with_fields_missing_and_fields_more() {
        let report: TargetReport = serde_json::from_value(json!({
            "target_name": "iqn.a", "status": "CONNECTED", "colour": "blue",
            "libraries": [{"device": "TAPMLB01", "problems": [
                "IBM i expects a 3584, and this library is a 3573-***.",
                {"problem": "not3584", "type_model": "3573-***"},
                {"problem": "too-loud", "decibels": 90}
            ]}]
        }))
        .unwrap();
        assert_eq!(report.target_name, "iqn.a");
        assert_eq!(report.status, TargetStatus::Connected);
        let problems = &report.libraries[0].problems;
        assert_eq!(
            problems[0],
            Problem::unknown(Some(
                "IBM i expects a 3584, and this library is a 3573-***.".to_owned()
            ))
        );
        assert_eq!(
            problems[1],
            Problem::Not3584 {
                type_model: "3573-***".to_owned()
            }
        );
        assert_eq!(problems[2], Problem::unknown(None));
        assert_eq!((report.session, report.lost), (None, None));
    }
}
