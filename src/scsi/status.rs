//! SCSI status codes (SAM-5 5.3.1).

use std::fmt;

/// A status code as the device server returned it (SAM-5 5.3.1). Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// The command was done.
    pub const GOOD: Self = Self(0x00);
    /// Sense data says what happened.
    pub const CHECK_CONDITION: Self = Self(0x02);
    /// The condition of the command is met (PRE-FETCH and the like).
    pub const CONDITION_MET: Self = Self(0x04);
    /// The logical unit is busy; the command may be sent again later.
    pub const BUSY: Self = Self(0x08);
    /// Another initiator holds a reservation.
    pub const RESERVATION_CONFLICT: Self = Self(0x18);
    /// The logical unit cannot queue one more command; it may be sent again later.
    pub const TASK_SET_FULL: Self = Self(0x28);
    /// An auto contingent allegiance stands.
    pub const ACA_ACTIVE: Self = Self(0x30);
    /// Another initiator aborted the command.
    pub const TASK_ABORTED: Self = Self(0x40);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::GOOD => "GOOD",
            Self::CHECK_CONDITION => "CHECK CONDITION",
            Self::CONDITION_MET => "CONDITION MET",
            Self::BUSY => "BUSY",
            Self::RESERVATION_CONFLICT => "RESERVATION CONFLICT",
            Self::TASK_SET_FULL => "TASK SET FULL",
            Self::ACA_ACTIVE => "ACA ACTIVE",
            Self::TASK_ABORTED => "TASK ABORTED",
            Self(code) => return write!(f, "status {code:02X}h"),
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_prints_its_name_and_an_unknown_one_its_code() {
        assert_eq!(
            Status::RESERVATION_CONFLICT.to_string(),
            "RESERVATION CONFLICT"
        );
        assert_eq!(Status(0x22).to_string(), "status 22h");
    }
}
