//! Failures of a target on demand, for tests of initiators. Everything is off by default.

use std::time::Duration;

pub use crate::iscsi::repeated::Repeated;

/// Failures of logins and connections (RFC 7143), each as often as it says, over all connections together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportFaults {
    /// A login is refused with this status.
    pub refuse_login: Option<Repeated<LoginRefusal>>,
    /// The answer to a SCSI command comes so much later.
    pub delay: Option<Repeated<Duration>>,
    /// After so many PDUs sent in the full feature phase the target sends nothing more, and keeps the connection.
    pub stall_after: Option<u64>,
    /// After so many PDUs sent in the full feature phase the target drops the connection.
    pub drop_after: Option<Repeated<u64>>,
    /// One PDU of a connection goes out with a wrong digest.
    pub wrong_digests: Vec<Repeated<WrongDigest>>,
    /// Each time that so long has passed the target loses power and comes back at once: the connections are lost, and the
    /// backend is reset as by TARGET COLD RESET.
    pub power_cycle_every: Option<Repeated<Duration>>,
}

/// Status-Class and Status-Detail of a Login Response (RFC 7143 11.13.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRefusal {
    /// Status-Class.
    pub class: u8,
    /// Status-Detail.
    pub detail: u8,
}

/// Which PDU has which digest wrong (RFC 7143 11.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongDigest {
    /// PDUs of the full feature phase that go out right before it.
    pub after: u64,
    /// Which digest.
    pub digest: DigestKind,
}

/// One of the two digests of a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// Header-Digest.
    Header,
    /// Data-Digest; the first PDU from there on that has a data segment.
    Data,
}
