//! The login statuses of RFC 7143, section 11.13.5, by name.

use super::ids::LoginStatus;

/// A login status of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStatusName {
    /// Status-Class and Status-Detail.
    pub status: LoginStatus,
    /// The name in the table of 11.13.5.
    pub name: &'static str,
}

/// The login statuses of 11.13.5, in the order of its table.
pub const LOGIN_STATUSES: &[LoginStatusName] = &[
    named(0x00, 0x00, "Success"),
    named(0x01, 0x01, "Target moved temporarily"),
    named(0x01, 0x02, "Target moved permanently"),
    named(0x02, 0x00, "Initiator error"),
    named(0x02, 0x01, "Authentication failure"),
    named(0x02, 0x02, "Authorization failure"),
    named(0x02, 0x03, "Not found"),
    named(0x02, 0x04, "Target removed"),
    named(0x02, 0x05, "Unsupported version"),
    named(0x02, 0x06, "Too many connections"),
    named(0x02, 0x07, "Missing parameter"),
    named(0x02, 0x08, "Can't include in session"),
    named(0x02, 0x09, "Session type not supported"),
    named(0x02, 0x0a, "Session does not exist"),
    named(0x02, 0x0b, "Invalid during login"),
    named(0x03, 0x00, "Target error"),
    named(0x03, 0x01, "Service unavailable"),
    named(0x03, 0x02, "Out of resources"),
];

impl LoginStatus {
    /// Returns the name in the table of 11.13.5; `None` when the standard does not define the status.
    pub fn name(self) -> Option<&'static str> {
        LOGIN_STATUSES
            .iter()
            .find(|entry| entry.status == self)
            .map(|entry| entry.name)
    }
}

const fn named(class: u8, detail: u8, name: &'static str) -> LoginStatusName {
    LoginStatusName {
        status: LoginStatus::new(class, detail),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_the_standard_has_its_name_and_another_has_none() {
        assert_eq!(
            LoginStatus::new(2, 1).name(),
            Some("Authentication failure")
        );
        assert_eq!(LoginStatus::new(3, 2).name(), Some("Out of resources"));
        for (class, detail) in [(2, 0x7f), (3, 3), (9, 1)] {
            assert_eq!(LoginStatus::new(class, detail).name(), None);
        }
    }
}
