//! The identifiers and sequence numbers of RFC 7143, a type each, so that one cannot stand where another belongs.

use std::fmt;

/// Defines a sequence number: a distinct 32-bit serial number of RFC 1982, as RFC 7143 4.2.2 prescribes.
macro_rules! serial_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// Logical unit number (RFC 7143 11.2.1.7, SAM-5 4.7): eight bytes, kept as they stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lun(pub [u8; 8]);

impl Lun {
    /// The largest number that single-level addressing can carry.
    pub const MAX_NUMBER: u16 = 0x3fff;

    /// Returns the single-level LUN of that number: peripheral device addressing up to 255, flat space addressing up to
    /// 16383; `None` above.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        let [high, low] = number.to_be_bytes();
        match number {
            0..=0xff => Some(Self([0, low, 0, 0, 0, 0, 0, 0])),
            0x100..=Self::MAX_NUMBER => Some(Self([0x40 | high, low, 0, 0, 0, 0, 0, 0])),
            _ => None,
        }
    }

    /// Returns the number of a single-level LUN on bus 0; `None` for any other form.
    #[must_use]
    pub const fn number(self) -> Option<u16> {
        match self.0 {
            [0, low, 0, 0, 0, 0, 0, 0] => Some(low as u16),
            [high @ 0x40..=0x7f, low, 0, 0, 0, 0, 0, 0] => {
                Some(u16::from_be_bytes([high & 0x3f, low]))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Lun {
    /// Writes the number where there is one, else the eight bytes in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "{number}"),
            None => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
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
    fn luns_up_to_255_use_peripheral_and_above_flat_addressing() {
        assert_eq!(Lun::from_number(255), Some(Lun([0, 255, 0, 0, 0, 0, 0, 0])));
        assert_eq!(
            Lun::from_number(256),
            Some(Lun([0x41, 0, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(
            Lun::from_number(16383),
            Some(Lun([0x7f, 0xff, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(Lun::from_number(16384), None);
    }

    #[test]
    fn a_small_lun_in_flat_form_has_its_number_and_other_forms_have_none() {
        assert_eq!(Lun([0x40, 7, 0, 0, 0, 0, 0, 0]).number(), Some(7));
        assert_eq!(Lun([1, 7, 0, 0, 0, 0, 0, 0]).number(), None);
        assert_eq!(Lun([0, 7, 0, 1, 0, 0, 0, 0]).number(), None);
        assert_eq!(
            Lun([0xc1, 1, 0, 0, 0, 0, 0, 0]).to_string(),
            "0xc101000000000000"
        );
    }

    #[test]
    fn identifiers_print_as_people_quote_them() {
        assert_eq!(LoginStatus::new(2, 1).to_string(), "0x0201");
        assert_eq!(InitiatorTaskTag::RESERVED.to_string(), "0xffffffff");
        assert_eq!(
            Lun::from_number(300).map(|lun| lun.to_string()),
            Some("300".to_owned())
        );
    }

    proptest! {
        #[test]
        fn a_lun_number_survives_the_wire_form(number in 0..=Lun::MAX_NUMBER) {
            prop_assert_eq!(Lun::from_number(number).and_then(Lun::number), Some(number));
        }

        #[test]
        fn a_later_serial_number_is_preceded_by_the_earlier(start: u32, step in 1..(1u32 << 31)) {
            let later = CmdSn(start).plus(step);
            prop_assert!(CmdSn(start).precedes(later));
            prop_assert!(!later.precedes(CmdSn(start)));
            prop_assert_eq!(later.since(CmdSn(start)), step);
        }
    }
}
