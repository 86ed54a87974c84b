//! Discovery: asks a host which targets it has for an initiator (SendTargets, RFC 7143 appendix C). It stages nothing.

use std::net::SocketAddr;
use std::rc::Rc;

use thiserror::Error;

use super::active::TargetReport;
use super::ipl::failure_of;
use crate::iscsi::chap::{ChapAlgorithm, ChapCredentials};
use crate::iscsi::ids::{Cid, CmdSn, Isid};
use crate::iscsi::login::{LoginChap, LoginParameters, TargetAddress};
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::transport::initiator::{DiscoveredTarget, DiscoveryError, open};
use crate::transport::{AttachError, Deadlines, Step};
use crate::values::{ChapName, ChapSecret, HostName, Port};

/// Who asks whom.
#[derive(Clone, Debug)]
pub struct Inquirer {
    /// The host, as typed.
    pub host: HostName,
    /// Its port.
    pub port: Port,
    /// The initiator name to ask under.
    pub initiator_name: IscsiName,
    /// Whether that is the system generated one.
    pub generated: bool,
    /// CHAP name and secret; none without CHAP.
    pub chap: Option<(ChapName, ChapSecret)>,
    /// The CHAP algorithms to offer, in the order of preference.
    pub chap_algorithms: Vec<ChapAlgorithm>,
    /// The session's handle on the initiator's side: a random one, so that no session of a job is reinstated.
    pub isid: Isid,
}

/// What a host told of its targets.
#[derive(Debug)]
pub struct Discovered {
    /// The address and port that answered.
    pub portal: SocketAddr,
    /// The targets, in the host's order.
    pub targets: Vec<DiscoveredTarget>,
}

/// Why there is no list.
#[derive(Debug, Error)]
pub enum DiscoverError {
    /// There is no session: the report has the cause.
    #[error("no discovery session")]
    Attach(Box<TargetReport>),
    /// The session has no list.
    #[error(transparent)]
    SendTargets(#[from] DiscoveryError),
}

/// Asks a host for its targets in a discovery session of its own.
///
/// # Errors
/// [`DiscoverError`].
pub async fn discover(
    inquirer: &Inquirer,
    deadlines: Deadlines,
    observer: Rc<dyn Fn(Step<'_>)>,
) -> Result<Discovered, DiscoverError> {
    let failed = |error: &AttachError| {
        let blank = TargetReport {
            target_host_name: inquirer.host.to_string(),
            target_port: inquirer.port.number(),
            initiator_name: inquirer.initiator_name.to_string(),
            chap: inquirer.chap.as_ref().map(|_| Default::default()),
            ..TargetReport::default()
        };
        let failure = Some(failure_of(error, &blank));
        DiscoverError::Attach(Box::new(TargetReport { failure, ..blank }))
    };
    let opened = open(
        inquirer.host.as_str(),
        inquirer.port.number(),
        &parameters(inquirer),
        deadlines,
        move |step: Step<'_>| observer(step),
    )
    .await
    .map_err(|error| failed(&error))?;
    let portal = opened.login.portal;
    let initiator = opened.spawn();
    let targets = initiator.send_targets().await;
    // The host sees the connection close in any case.
    let _ = initiator.logout().await;
    Ok(Discovered {
        portal,
        targets: targets?,
    })
}

fn parameters(inquirer: &Inquirer) -> LoginParameters {
    LoginParameters {
        initiator_name: inquirer.initiator_name.clone(),
        target_name: None,
        session_type: SessionType::Discovery,
        isid: inquirer.isid,
        cid: Cid(0),
        cmd_sn: CmdSn(1),
        chap: inquirer.chap.as_ref().map(|(name, secret)| LoginChap {
            credentials: ChapCredentials {
                name: name.as_str().to_owned(),
                secret: secret.reveal().as_bytes().to_vec().into(),
            },
            algorithms: inquirer.chap_algorithms.clone(),
            mutual: None,
        }),
        offer: OperationalOffer::default(),
    }
}

/// A place where a target can be logged in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host name or address.
    pub host: HostName,
    /// The port.
    pub port: Port,
}

/// Returns where to log in to a target: by the host that was asked where that is one of the target's own portals, else at the
/// first of its portals that can be configured. None where there is no such portal.
#[must_use]
pub fn place(
    inquirer: &Inquirer,
    discovered: &Discovered,
    target: &DiscoveredTarget,
) -> Option<Place> {
    let is_asked = |address: &TargetAddress| {
        let is_host = address.host.eq_ignore_ascii_case(inquirer.host.as_str())
            || address.host.parse() == Ok(discovered.portal.ip());
        is_host && address.port == discovered.portal.port()
    };
    // Without an address of its own a target is where it was asked for (RFC 7143 appendix C).
    if target.addresses.is_empty() || target.addresses.iter().any(is_asked) {
        return Some(Place {
            host: inquirer.host.clone(),
            port: inquirer.port,
        });
    }
    target.addresses.iter().find_map(|address| {
        Some(Place {
            host: address.host.parse().ok()?,
            port: address.port.to_string().parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Port;

    fn asked(host: &str, portal: &str, addresses: &[&str]) -> Option<String> {
        let inquirer = Inquirer {
            host: host.parse().unwrap(),
            port: Port::DEFAULT,
            initiator_name: "iqn.2026-11.test:i".parse().unwrap(),
            generated: false,
            chap: None,
            chap_algorithms: Vec::new(),
            isid: Isid::random([0; 5]),
        };
        let target = DiscoveredTarget {
            name: "iqn.2026-11.test:t".parse().unwrap(),
            addresses: addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
            departures: Vec::new(),
        };
        let discovered = Discovered {
            portal: portal.parse().unwrap(),
            targets: Vec::new(),
        };
        let place = place(&inquirer, &discovered, &target)?;
        Some(format!("{} {}", place.host, place.port))
    }

    #[test]
    fn a_target_is_where_it_was_asked_for_when_that_is_a_portal_of_its_own() {
        for (host, portal, addresses, expected) in [
            // No address is the one that was asked.
            ("vtl", "10.1.1.5:3260", &[][..], "vtl 3260"),
            (
                "vtl",
                "10.1.1.5:3260",
                &["10.1.1.4:3260,1", "10.1.1.5:3260,1"],
                "vtl 3260",
            ),
            ("VTL", "10.1.1.5:3260", &["vtl,1"], "vtl 3260"),
            (
                "fd00::5",
                "[fd00::5]:3260",
                &["[FD00:0:0::5]:3260,1"],
                "fd00::5 3260",
            ),
            // Another port is another portal.
            (
                "10.1.1.5",
                "10.1.1.5:3260",
                &["10.1.1.5:860,1"],
                "10.1.1.5 860",
            ),
            (
                "10.1.1.5",
                "10.1.1.5:3260",
                &["[fd00::9]:3261,2", "10.1.1.9,1"],
                "fd00::9 3261",
            ),
            // A host name that cannot be configured.
            (
                "10.1.1.5",
                "10.1.1.5:3260",
                &["a_b:3260,1", "10.1.1.9,1"],
                "10.1.1.9 3260",
            ),
        ] {
            let place = asked(host, portal, addresses).unwrap();
            assert_eq!(place.to_ascii_lowercase(), expected, "{addresses:?}");
        }
        assert_eq!(asked("10.1.1.5", "10.1.1.5:3260", &["a_b:3260,1"]), None);
    }
}
