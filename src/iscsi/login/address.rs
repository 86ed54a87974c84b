//! TargetAddress (RFC 7143, section 13.8).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use crate::iscsi::departure::Departure;
use crate::iscsi::text::{self, ReceivedText};

/// The TCP port of iSCSI (RFC 7143, section 15).
pub const DEFAULT_PORT: u16 = 3260;

/// A TargetAddress, `domainname[:port][,portal-group-tag]` (13.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAddress {
    /// A host name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port; [`DEFAULT_PORT`] when the address names none.
    pub port: u16,
    /// The portal group tag: in a SendTargets response, not in a redirection.
    pub portal_group_tag: Option<u16>,
}

impl TargetAddress {
    /// Reads an address as a target sends it: as [`FromStr`], and an IPv6 address without brackets too, which then can have no
    /// port and is a departure from 13.8.
    ///
    /// # Errors
    /// [`ParseTargetAddressError`] when the text is neither.
    pub fn read(address: &str) -> Result<(Self, Option<Departure>), ParseTargetAddressError> {
        let (portal, tag) = match address.split_once(',') {
            Some((portal, tag)) => (portal, Some(tag)),
            None => (address, None),
        };
        if portal.parse::<Ipv6Addr>().is_err() {
            return Ok((address.parse()?, None));
        }
        let bracketed = match tag {
            Some(tag) => format!("[{portal}],{tag}"),
            None => format!("[{portal}]"),
        };
        let read = bracketed.parse().map_err(|_| ParseTargetAddressError {
            received: ReceivedText(address.to_owned()),
        })?;
        let departure = Departure::BareIpv6Address {
            received: portal.to_owned(),
        };
        Ok((read, Some(departure)))
    }
}

impl FromStr for TargetAddress {
    type Err = ParseTargetAddressError;

    fn from_str(address: &str) -> Result<Self, Self::Err> {
        parse(address).ok_or_else(|| ParseTargetAddressError {
            received: ReceivedText(address.to_owned()),
        })
    }
}

impl fmt::Display for TargetAddress {
    /// Writes host and port, as a person would type them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The text is not a TargetAddress; the target's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected host[:port][,portal-group-tag], received {received}")]
pub struct ParseTargetAddressError {
    /// The text.
    pub received: ReceivedText,
}

fn parse(address: &str) -> Option<TargetAddress> {
    let (portal, tag) = match address.split_once(',') {
        Some((portal, tag)) => (portal, Some(number(tag)?)),
        None => (address, None),
    };
    let (host, port) = match portal.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':')?)
            };
            (host, port)
        }
        None => match portal.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (portal, None),
        },
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    let port = match port {
        Some(port) => number(port).filter(|port| *port != 0)?,
        None => DEFAULT_PORT,
    };
    Some(TargetAddress {
        host: host.to_owned(),
        port,
        portal_group_tag: tag,
    })
}

fn number(text: &str) -> Option<u16> {
    text::numerical(text).and_then(|number| u16::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(host: &str, port: u16, portal_group_tag: Option<u16>) -> TargetAddress {
        TargetAddress {
            host: host.to_owned(),
            port,
            portal_group_tag,
        }
    }

    #[test]
    fn reads_the_examples_of_the_standard() {
        for (text, expected) in [
            ("10.0.0.1:5003,1", address("10.0.0.1", 5003, Some(1))),
            (
                "[1080:0:0:0:8:800:200C:417A],65",
                address("1080:0:0:0:8:800:200C:417A", 3260, Some(65)),
            ),
            (
                "[1080::8:800:200C:417A]:5003,1",
                address("1080::8:800:200C:417A", 5003, Some(1)),
            ),
            (
                "computingcenter.example.com,23",
                address("computingcenter.example.com", 3260, Some(23)),
            ),
            ("10.0.0.2", address("10.0.0.2", 3260, None)),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
    }

    #[test]
    fn rejects_what_is_no_address() {
        for text in [
            "",
            ":3260",
            "[]",
            "[::1",
            "[::1]3260",
            "[10.0.0.1]",
            "::1",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "host,",
            "host,65536",
            "ho st",
            "host\u{1b}",
            "h\u{f6}st",
            "host:1,1,1",
            "[::1%eth0]",
        ] {
            assert!(text.parse::<TargetAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bare_ipv6_address_is_read_and_told() {
        let (read, departure) = TargetAddress::read("2001:db8::1,2").unwrap();
        assert_eq!(read, address("2001:db8::1", 3260, Some(2)));
        let received = "2001:db8::1".to_owned();
        assert_eq!(departure, Some(Departure::BareIpv6Address { received }));
        let (read, departure) = TargetAddress::read("[2001:db8::1]:860").unwrap();
        assert_eq!(read, address("2001:db8::1", 860, None));
        assert_eq!(departure, None);
        assert!(TargetAddress::read("2001:db8::1,x").is_err());
        assert!(TargetAddress::read("fe80::1%eth0").is_err());
    }

    #[test]
    fn is_displayed_with_brackets_where_they_are_needed() {
        assert_eq!(address("::1", 3260, None).to_string(), "[::1]:3260");
        assert_eq!(address("vtl", 860, Some(1)).to_string(), "vtl:860");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,30}") {
            if let Ok(address) = text.parse::<TargetAddress>() {
                let shown: TargetAddress = address.to_string().parse().unwrap();
                prop_assert_eq!((shown.host, shown.port), (address.host, address.port));
            }
        }

        #[test]
        fn address_like_text_never_panics(text in "[0-9a-f:.,\\[\\]]{0,30}") {
            let _ = text.parse::<TargetAddress>();
        }
    }
}
