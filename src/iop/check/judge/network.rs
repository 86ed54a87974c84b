//! The way to the target.

use std::time::Duration;

use super::{Judgment, failure, not_applicable, not_reached, pass, warning};
use crate::iop::active::{Phase, TargetReport};
use crate::iop::check::finding::{PortalState, Seen};
use crate::iop::check::observation::Observations;
use crate::iop::check::table::CheckId;

/// The MTU of Ethernet, in bytes (RFC 894).
const ETHERNET_MTU: u32 = 1500;
/// A round trip that costs a save more than it should.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(10);
/// Headers of TCP with the option for timestamps, which Linux uses (RFC 7323 3.2), and of IP, in bytes.
const TCP_HEADER: u32 = 32;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

/// Returns the judgment of the row that the cause of the failed login belongs to; none where the row tells more by itself.
pub(super) fn with_cause(check: CheckId, of: &Observations) -> Option<Judgment> {
    match check {
        // The states of all addresses say more than the cause, which knows the last one.
        CheckId::HostUnreachable | CheckId::PortFiltered | CheckId::PortRefused
            if of
                .portals
                .iter()
                .any(|portal| belongs(check, &portal.state)) =>
        {
            None
        }
        // The name is looked up by itself.
        CheckId::NameResolution if of.resolved.is_some() => None,
        // What all algorithms came to says more.
        CheckId::ChapAlgorithm if matches!(of.trials.algorithm, Some(Some(_))) => None,
        _ => Some(failure(Seen::Failed(Box::new(of.report.clone())))),
    }
}

pub(super) fn name_resolution(of: &Observations) -> Judgment {
    match &of.resolved {
        None => pass(Seen::Addresses(Vec::new())),
        Some(Ok(addresses)) => pass(Seen::Addresses(addresses.clone())),
        Some(Err(cause)) => failure(Seen::Failed(Box::new(TargetReport {
            failure: Some(cause.clone()),
            ..of.report.clone()
        }))),
    }
}

fn belongs(check: CheckId, state: &PortalState) -> bool {
    match state {
        PortalState::Open => false,
        PortalState::Refused => check == CheckId::PortRefused,
        PortalState::Filtered => check == CheckId::PortFiltered,
        PortalState::Unreachable { .. } => check == CheckId::HostUnreachable,
    }
}

/// An address that is not open is a failure where no other one is, since the IOP then has nothing to connect to.
pub(super) fn portals(check: CheckId, of: &Observations) -> Judgment {
    if of.portals.is_empty() {
        return not_reached();
    }
    let seen = Seen::Portals(of.portals.clone());
    if !of
        .portals
        .iter()
        .any(|portal| belongs(check, &portal.state))
    {
        return pass(seen);
    }
    match of
        .portals
        .iter()
        .any(|portal| portal.state == PortalState::Open)
    {
        true => warning(seen),
        false => failure(seen),
    }
}

fn is_open(of: &Observations) -> bool {
    of.portals
        .iter()
        .any(|portal| portal.state == PortalState::Open)
}

pub(super) fn speaks_iscsi(of: &Observations) -> Judgment {
    let was_tried = match &of.report.failure {
        None => true,
        Some(cause) => matches!(cause.phase, Phase::Login | Phase::Enumerate),
    };
    match is_open(of) && was_tried {
        true => pass(Seen::NotMet),
        false => not_reached(),
    }
}

pub(super) fn path_mtu(of: &Observations) -> Judgment {
    let Some((segment, is_ipv6)) = of.segment else {
        return match is_open(of) {
            true => not_applicable(),
            false => not_reached(),
        };
    };
    let ip_header = if is_ipv6 { IPV6_HEADER } else { IPV4_HEADER };
    let mtu = segment.saturating_add(TCP_HEADER).saturating_add(ip_header);
    let seen = Seen::PathMtu { segment, mtu };
    match mtu >= ETHERNET_MTU {
        true => pass(seen),
        false => warning(seen),
    }
}

pub(super) fn round_trip(of: &Observations) -> Judgment {
    let Some(shortest) = of.round_trip else {
        return not_reached();
    };
    let seen = Seen::RoundTrip { shortest };
    match shortest <= LONG_ROUND_TRIP {
        true => pass(seen),
        false => warning(seen),
    }
}
