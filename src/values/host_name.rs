//! The target's host: an IPv4 or IPv6 literal, or an RFC 1123 name.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use super::{AddressKind, Form, Port, Subject, ValueError, ValueWarning};

/// The longest host name in bytes (RFC 1035 section 2.3.4, without the trailing dot).
pub(super) const MAX_LENGTH: usize = 253;

/// A host as typed: addresses are equal by value, names without letter case.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

impl HostName {
    /// Returns the host as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address when the host is a literal; an IPv4-mapped IPv6 address counts as the IPv4 address that it is.
    pub fn address(&self) -> Option<IpAddr> {
        // Every literal has a dot or a colon; most names of a configuration need no parse at all.
        if !self.0.contains(['.', ':']) {
            return None;
        }
        self.0
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }
}

impl HostName {
    /// Returns what stands in the way of reaching a target there.
    pub fn warnings(&self) -> Vec<ValueWarning> {
        let kind = match self.address() {
            Some(address) if address.is_unspecified() => AddressKind::Unspecified,
            Some(address) if address.is_multicast() => AddressKind::Multicast,
            Some(IpAddr::V4(address)) if address.is_broadcast() => AddressKind::Broadcast,
            Some(IpAddr::V6(address)) if address.is_unicast_link_local() => AddressKind::LinkLocal,
            _ => return Vec::new(),
        };
        vec![ValueWarning::Unreachable {
            address: self.0.clone(),
            kind,
        }]
    }

    /// Returns what is wrong with a staged text that has a port in it already, whatever is appended to it.
    ///
    /// A text that could still become an IPv6 address, such as `fd00:3260`, is accepted as a piece.
    pub fn with_port(staged: &str) -> Option<ValueError> {
        let form = form(staged).filter(|form| match form {
            Form::WithPort { host, .. } => {
                host.len() > 4 || !host.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            _ => false,
        })?;
        Some(ValueError::form(Subject::TargetHostName, form, staged))
    }
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
            || matches!((self.address(), other.address()), (Some(a), Some(b)) if a == b)
    }
}

impl Eq for HostName {}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl FromStr for HostName {
    type Err = ValueError;

    fn from_str(typed: &str) -> Result<Self, ValueError> {
        let subject = Subject::TargetHostName;
        if typed.is_empty() {
            return Err(ValueError::Empty(subject));
        }
        subject.check_piece(typed)?;
        match form(typed) {
            None => Ok(Self(typed.to_owned())),
            Some(form) => Err(ValueError::form(subject, form, typed)),
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Returns the form that a text with characters of no host name was meant in.
pub(super) fn telling(typed: &str) -> Option<Form> {
    if typed.contains("://") {
        return Some(Form::Url);
    }
    let (address, behind) = match typed.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or((rest, "")),
        None => (typed, ""),
    };
    if address.len() < typed.len() && address.parse::<IpAddr>().is_ok() {
        return Some(Form::Brackets {
            address: address.to_owned(),
            port: behind
                .strip_prefix(':')
                .filter(|port| port.parse::<Port>().is_ok())
                .map(str::to_owned),
        });
    }
    let (address, _) = address.split_once('%')?;
    address.parse::<Ipv6Addr>().is_ok().then_some(Form::ZoneId)
}

/// Returns what is wrong with the form of a text that has only characters of host names and addresses.
fn form(typed: &str) -> Option<Form> {
    if typed.parse::<IpAddr>().is_ok() {
        return None;
    }
    if let Some((host, port)) = typed.rsplit_once(':') {
        let separate = !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit());
        return Some(if separate && !host.is_empty() && !port.is_empty() {
            Form::WithPort {
                host: host.to_owned(),
                port: port.to_owned(),
            }
        } else {
            Form::NotAHostName
        });
    }
    if typed.ends_with('.') {
        return Some(Form::TrailingDot);
    }
    if !typed.split('.').all(is_label) {
        return Some(Form::NotAHostName);
    }
    let last = typed.rsplit('.').next().unwrap_or_default();
    last.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(Form::NotAnAddress)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(typed: &str) -> Result<HostName, ValueError> {
        typed.parse()
    }

    #[test]
    fn addresses_and_names_are_hosts() {
        for typed in [
            "10.1.1.5",
            "fd00::5",
            "::ffff:10.1.1.5",
            "vtl",
            "VTL-1.example.com",
            "1and1.example",
            "xn--vtl-hoa.example",
        ] {
            assert_eq!(host(typed).unwrap().as_str(), typed);
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_reason() {
        for (typed, reason) in [
            ("999.1.1.1", "valid one"),
            ("010.1.1.5", "valid one"),
            ("10.1.1", "valid one"),
            ("vtl.example.com.", "dot"),
            ("fe80::1%eth0", "zone"),
            ("vtl:3260", "port"),
            ("[fd00::5]", "brackets"),
            ("[fd00::5]:3260", "brackets"),
            ("[10.1.1.5]", "brackets"),
            ("[fe80::1%eth0]", "zone"),
            ("iscsi://vtl/iqn", "URL"),
            ("vtl_1", "'_'"),
            ("-vtl", "RFC 1123"),
            ("vtl..example", "RFC 1123"),
            ("fd00::5::1", "RFC 1123"),
            ("vtl/1", "'/'"),
            ("vtl\u{a0}", "U+00A0 NO-BREAK SPACE"),
        ] {
            let error = host(typed).unwrap_err().to_string();
            assert!(error.contains(reason), "{typed}: {error}");
        }
        let label = "a".repeat(64);
        assert!(host(&label).is_err());
        assert!(host(&format!("{}b", "a.".repeat(126))).is_ok());
        assert!(host(&format!("{}bc", "a.".repeat(126))).is_err());
    }

    #[test]
    fn a_port_or_brackets_are_told_apart_from_the_address() {
        let form = |typed: &str| match host(typed) {
            Err(ValueError::Form { form, .. }) => form,
            other => panic!("{other:?}"),
        };
        let text = str::to_owned;
        assert_eq!(
            form("vtl:860"),
            Form::WithPort {
                host: text("vtl"),
                port: text("860")
            }
        );
        let brackets = |port: Option<&str>| Form::Brackets {
            address: text("fd00::5"),
            port: port.map(text),
        };
        assert_eq!(form("[fd00::5]"), brackets(None));
        assert_eq!(form("[fd00::5]:860"), brackets(Some("860")));
        for no_port in ["[fd00::5]:", "[fd00::5]:99999", "[fd00::5]/64"] {
            assert_eq!(form(no_port), brackets(None));
        }
    }

    #[test]
    fn addresses_are_equal_by_value_and_names_without_letter_case() {
        assert_eq!(host("FD00:0:0::5").unwrap(), host("fd00::5").unwrap());
        assert_eq!(host("::ffff:10.1.1.5").unwrap(), host("10.1.1.5").unwrap());
        assert_eq!(host("VTL.example").unwrap(), host("vtl.EXAMPLE").unwrap());
        assert_ne!(host("10.1.1.5").unwrap(), host("10.1.1.6").unwrap());
    }

    #[test]
    fn an_address_that_no_target_has_is_warned_of() {
        for (typed, kind) in [
            ("0.0.0.0", AddressKind::Unspecified),
            ("::", AddressKind::Unspecified),
            ("224.0.0.1", AddressKind::Multicast),
            ("ff02::1", AddressKind::Multicast),
            ("255.255.255.255", AddressKind::Broadcast),
            ("fe80::1", AddressKind::LinkLocal),
            ("FEBF::1", AddressKind::LinkLocal),
        ] {
            let address = typed.to_owned();
            let expected = [ValueWarning::Unreachable { address, kind }];
            assert_eq!(host(typed).unwrap().warnings(), expected, "{typed}");
        }
        for typed in ["10.1.1.5", "169.254.1.1", "fd00::5", "vtl", "127.0.0.1"] {
            assert_eq!(host(typed).unwrap().warnings(), [], "{typed}");
        }
    }

    #[test]
    fn a_staged_port_is_noticed_where_it_cannot_be_a_part_of_an_address() {
        for staged in ["vtl:3260", "10.1.1.5:860", "vtl.example:1", "abcde:1"] {
            assert!(HostName::with_port(staged).is_some(), "{staged}");
        }
        for piece in ["fd00:3260", "vtl:", "10.1.", "fd00::5", "vtl"] {
            assert_eq!(HostName::with_port(piece), None, "{piece}");
        }
    }

    #[test]
    fn a_piece_is_checked_for_its_characters_only() {
        for piece in ["10.1.", "vtl-", "fd00::", ".", "vtl:"] {
            assert!(
                Subject::TargetHostName.check_piece(piece).is_ok(),
                "{piece}"
            );
        }
        for piece in ["vtl_", "iscsi://", "10.1.1.5 ", "[fd00::5]"] {
            assert!(
                Subject::TargetHostName.check_piece(piece).is_err(),
                "{piece}"
            );
        }
    }
}
