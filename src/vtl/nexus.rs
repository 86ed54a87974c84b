//! Who sends a command: the I_T nexus and the initiator port behind it.

/// Names an I_T nexus: one session of one initiator. The caller gives them; none may be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexusId(pub u64);

/// An initiator port of iSCSI (RFC 7143 4.4.1): what persistent reservations remember beyond a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitiatorPort {
    /// InitiatorName; of longer ones the first 223 bytes count.
    pub name: String,
    /// ISID.
    pub isid: [u8; 6],
}
