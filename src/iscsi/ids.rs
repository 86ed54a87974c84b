//! The identifiers and sequence numbers of RFC 7143, a type each, so that one cannot stand where another belongs.

use std::fmt;

/// Logical unit number (RFC 7143 11.2.1.7): eight bytes, kept as they stand on the wire.
pub use crate::scsi::lun::Lun;
use serde::{Deserialize, Serialize};

/// Defines a sequence number: a distinct 32-bit serial number of RFC 1982, as RFC 7143 4.2.2 prescribes.
macro_rules! serial_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// Returns the next number; 0xffffffff is followed by 0.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }

            /// Returns the number `count` steps further on, modulo 2**32.
            #[must_use]
            pub const fn plus(self, count: u32) -> Self {
                Self(self.0.wrapping_add(count))
            }

            /// Returns how many steps lead from `earlier` to this number, modulo 2**32.
            #[must_use]
            pub const fn since(self, earlier: Self) -> u32 {
                self.0.wrapping_sub(earlier.0)
            }

            /// Returns whether this number precedes `other` (RFC 1982 3.2).
            ///
            /// Neither of two numbers that are exactly 2**31 apart precedes the other.
            #[must_use]
            pub const fn precedes(self, other: Self) -> bool {
                let distance = other.0.wrapping_sub(self.0);
                distance != 0 && distance < 1 << 31
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

serial_number! {
    /// Command sequence number: numbers the commands of a session; also ExpCmdSN and MaxCmdSN (RFC 7143 4.2.2.1).
    CmdSn
}

serial_number! {
    /// Status sequence number: numbers the responses of a connection; also ExpStatSN (RFC 7143 4.2.2.2).
    StatSn
}

serial_number! {
    /// Data sequence number: numbers the Data-In PDUs of a command or the Data-Out PDUs of a sequence; also ExpDataSN
    /// (RFC 7143 4.2.2.3).
    DataSn
}

serial_number! {
    /// Sequence number of the R2T PDUs of a command (RFC 7143 4.2.2.3 and 11.8.2).
    R2tSn
}

/// Defines a 32-bit tag with its reserved value.
macro_rules! tag {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The value that names nothing.
            pub const RESERVED: Self = Self(0xffff_ffff);
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

tag! {
    /// Initiator task tag: names a task within its session (RFC 7143 11.2.1.8).
    InitiatorTaskTag
}

tag! {
    /// Target transfer tag: names a transfer within the target (RFC 7143 11.7.4); also the SNACK tag (11.16.5).
    TargetTransferTag
}

/// Initiator part of the session identifier (RFC 7143 11.12.5): six bytes, kept as they stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Isid(pub [u8; 6]);

impl Isid {
    /// Returns the ISID in random format (T = 10b): 24 bits of random number B and C, 16 bits of qualifier D.
    #[must_use]
    pub const fn random(bytes: [u8; 5]) -> Self {
        let [b, c0, c1, d0, d1] = bytes;
        Self([0x80, b, c0, c1, d0, d1])
    }
}

impl fmt::Display for Isid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Target session identifying handle (RFC 7143 11.12.6); zero asks for a new session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tsih(pub u16);

impl fmt::Display for Tsih {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Connection identifier within a session (RFC 7143 11.12.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cid(pub u16);

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Status-Class and Status-Detail of a Login Response (RFC 7143 11.13.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LoginStatus {
    /// Status-Class: 0 success, 1 redirection, 2 initiator error, 3 target error.
    pub class: u8,
    /// Status-Detail within the class.
    pub detail: u8,
}

impl LoginStatus {
    /// 0x0000: the login proceeds.
    pub const SUCCESS: Self = Self::new(0, 0);

    /// Returns the status of that class and detail.
    #[must_use]
    pub const fn new(class: u8, detail: u8) -> Self {
        Self { class, detail }
    }
}

impl fmt::Display for LoginStatus {
    /// Writes class and detail as `0x0201`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02x}{:02x}", self.class, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn serial_numbers_wrap_around() {
        assert_eq!(CmdSn(u32::MAX).next(), CmdSn(0));
        assert_eq!(StatSn(u32::MAX - 1).plus(3), StatSn(1));
        assert_eq!(DataSn(1).since(DataSn(u32::MAX)), 2);
    }

    #[test]
    fn serial_numbers_compare_across_the_wrap() {
        assert!(CmdSn(u32::MAX).precedes(CmdSn(0)));
        assert!(!CmdSn(0).precedes(CmdSn(u32::MAX)));
        assert!(R2tSn(5).precedes(R2tSn(6)));
        assert!(!R2tSn(5).precedes(R2tSn(5)));
    }

    #[test]
    fn serial_numbers_half_the_space_apart_do_not_compare() {
        assert!(!CmdSn(0).precedes(CmdSn(1 << 31)));
        assert!(!CmdSn(1 << 31).precedes(CmdSn(0)));
        assert!(CmdSn(0).precedes(CmdSn((1 << 31) - 1)));
    }

    #[test]
    fn a_random_isid_has_type_10b() {
        let isid = Isid::random([0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!(isid.0, [0x80, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!(isid.to_string(), "0x801122334455");
    }

    #[test]
    fn identifiers_print_as_people_quote_them() {
        assert_eq!(LoginStatus::new(2, 1).to_string(), "0x0201");
        assert_eq!(InitiatorTaskTag::RESERVED.to_string(), "0xffffffff");
    }

    proptest! {
        #[test]
        fn a_later_serial_number_is_preceded_by_the_earlier(start: u32, step in 1..(1u32 << 31)) {
            let later = CmdSn(start).plus(step);
            prop_assert!(CmdSn(start).precedes(later));
            prop_assert!(!later.precedes(CmdSn(start)));
            prop_assert_eq!(later.since(CmdSn(start)), step);
        }
    }
}
