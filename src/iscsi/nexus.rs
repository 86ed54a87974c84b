//! The I_T nexus of a command, and its initiator port.

use crate::iscsi::name::IscsiName;

/// Names an I_T nexus: one session of one initiator. The caller gives them; none may be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexusId(pub u64);

/// An initiator port of iSCSI (RFC 7143 4.4.1): what persistent reservations remember beyond a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitiatorPort {
    /// InitiatorName.
    pub name: IscsiName,
    /// ISID.
    pub isid: [u8; 6],
}
