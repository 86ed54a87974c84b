//! Failures of a target on demand, for tests of initiators. Everything is off by default.

/// Failures of logins and connections (RFC 7143).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportFaults {
    /// Every login is refused with this status.
    pub refuse_login: Option<LoginRefusal>,
    /// After so many PDUs sent in the full feature phase the target sends nothing more, and keeps the connection.
    pub stall_after: Option<u64>,
    /// After so many PDUs sent in the full feature phase the target drops the connection.
    pub drop_after: Option<u64>,
    /// One PDU goes out with a wrong digest.
    pub wrong_digest: Option<WrongDigest>,
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
