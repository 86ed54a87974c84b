//! The findings of `check` in words.
//!
//! What a re-IPL finds wrong has the words of [`failure`](super::failure) and [`problem`](super::problem) here too.

mod entry;

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use super::failure::failure;
use super::finding::FindingWords;
use super::problem::{command_failure, problem};
use crate::cli::man::CodeSection;
use crate::iop::active::StoredIn;
use crate::iop::check::finding::{
    DeviceNote, DeviceState, LibraryIdentity, NameTraps, Portal, PortalState, WriteRate,
};
use crate::iop::check::{CheckId, Finding, Seen, TABLE};
use crate::iop::finding::{Area, FindingResult};

pub use entry::{Entry, entry};

/// Returns a finding in words.
#[must_use]
pub fn words(finding: &Finding) -> FindingWords {
    let entry = entry(finding.check);
    let (seen, next_step) = seen(finding);
    let next_step = match finding.result {
        FindingResult::Pass | FindingResult::Skipped => None,
        FindingResult::Warning | FindingResult::Failure => {
            Some(next_step.unwrap_or_else(|| entry.next_step.to_owned()))
        }
    };
    FindingWords {
        id: finding.check.as_str(),
        area: finding.check.area(),
        seen,
        why: entry.why,
        source: entry.source,
        next_step,
    }
}

/// Returns every finding with what it is about, area by area, as the man page lists them.
#[must_use]
pub fn listed() -> Vec<CodeSection> {
    Area::ALL
        .iter()
        .map(|area| CodeSection {
            heading: area.title(),
            codes: TABLE
                .iter()
                .filter(|row| row.area == *area)
                .map(|row| (row.id, entry(row.check).looks_at))
                .collect(),
        })
        .collect()
}

/// Returns what was seen, a sentence, and what to do about it where that is not the same for every case.
fn seen(finding: &Finding) -> (String, Option<String>) {
    let alone = |sentence: String| (sentence, None);
    match &finding.seen {
        Seen::NotReached => alone("Not looked at: another finding stands in the way.".to_owned()),
        Seen::NotAsked => alone(
            "Not looked at: reading the flags clears them, and --tape-alert is not given."
                .to_owned(),
        ),
        Seen::WithoutChap => alone("The login was accepted without CHAP.".to_owned()),
        Seen::NotApplicable => alone("There is nothing of the kind here.".to_owned()),
        Seen::NotMet => alone(entry(finding.check).passed.to_owned()),
        Seen::Failed(report) => match failure(report) {
            Some(words) => (words.message, words.next_step),
            None => alone("The attempt failed.".to_owned()),
        },
        Seen::Problems(problems) => of_problems(problems.iter().map(problem)),
        Seen::Addresses(addresses) => alone(of_addresses(addresses)),
        Seen::Portals(portals) => alone(of_portals(portals)),
        Seen::PathMtu { segment, mtu } => alone(format!(
            "A TCP segment holds {segment} bytes, so a packet has {mtu}."
        )),
        Seen::RoundTrip { shortest } => alone(format!(
            "A ping was answered within {} at best.",
            milliseconds(*shortest)
        )),
        Seen::Name { name, traps } => alone(of_name(name, traps)),
        Seen::LoggedIn { portal } => alone(format!("{portal} accepted the login.")),
        Seen::ChapAccepted { algorithm } => {
            alone(format!("The login was accepted with CHAP and {algorithm}."))
        }
        Seen::OtherCase => alone(match finding.check {
            CheckId::ChapNameCase => {
                "The target accepts the CHAP name in lower case, and IBM i sends it in upper case."
                    .to_owned()
            }
            _ => {
                "The target accepts the CHAP secret in lower case, and IBM i uses it in upper case."
                    .to_owned()
            }
        }),
        Seen::OtherAlgorithm { algorithm } => (
            format!(
                "The target accepts none of the CHAP algorithms that are configured, and {algorithm} of all."
            ),
            Some(format!(
                "Have the VTL accept MD5, or see with --chap-algorithms that everything else is right with {algorithm}."
            )),
        ),
        Seen::Libraries(libraries) => alone(of_libraries(libraries)),
        Seen::DriveTypes(types) => alone(match types.as_slice() {
            [] => "The library names no drive.".to_owned(),
            types => format!("The drives are {}.", list(types)),
        }),
        Seen::Drives(count) => alone(format!(
            "Each of the {count} drive elements names a LUN of the target."
        )),
        Seen::Barcodes { count, wrong } => alone(of_barcodes(*count, wrong)),
        Seen::Devices(notes) => alone(of_devices(notes)),
        Seen::Digests { header, data } => alone(format!(
            "The session has HeaderDigest={header} and DataDigest={data}."
        )),
        Seen::Stored(stored) => alone(match stored {
            StoredIn::Disk => "The CHAP secret is on disk as plain text.".to_owned(),
            StoredIn::Platform => "The CHAP secret is in the Platform KeyStore.".to_owned(),
        }),
        Seen::SecretLength(length) => alone(format!("The CHAP secret has {length} characters.")),
        Seen::WriteRate(rate) => alone(of_rate(rate)),
    }
}

fn of_problems(problems: impl Iterator<Item = super::Words>) -> (String, Option<String>) {
    let mut sentences = Vec::new();
    let mut next_steps: Vec<String> = Vec::new();
    for words in problems {
        sentences.push(words.message);
        if let Some(next_step) = words.next_step
            && !next_steps.contains(&next_step)
        {
            next_steps.push(next_step);
        }
    }
    let next_step = (!next_steps.is_empty()).then(|| next_steps.join(" "));
    (sentences.join(" "), next_step)
}

fn of_addresses(addresses: &[IpAddr]) -> String {
    match addresses {
        [] => "The target is configured by its address.".to_owned(),
        addresses => format!("The host name resolves to {}.", list(addresses)),
    }
}

fn of_portals(portals: &[Portal]) -> String {
    let told: Vec<String> = portals
        .iter()
        .map(|portal| match &portal.state {
            PortalState::Open => format!("{} is open", portal.address),
            PortalState::Refused => format!("{} refuses connections", portal.address),
            PortalState::Filtered => format!("{} does not answer", portal.address),
            PortalState::Unreachable { detail } => {
                format!("{} cannot be reached: {detail}", portal.address)
            }
        })
        .collect();
    match told.is_empty() {
        true => "There is no address to connect to.".to_owned(),
        false => format!("{}.", told.join("; ")),
    }
}

fn of_name(name: &str, traps: &NameTraps) -> String {
    let mut sentences = vec![format!(
        "The console has to list {name}, {} characters.",
        name.chars().count()
    )];
    if !traps.upper_case.is_empty() {
        let letters: String = traps.upper_case.iter().collect();
        sentences.push(format!("Upper case: {letters}."));
    }
    if !traps.refused.is_empty() {
        let refused: String = traps.refused.iter().collect();
        sentences.push(format!("Characters that consoles refuse: {refused}"));
    }
    for (what, places) in [
        ("Digits 0 and 1", &traps.digits_like_letters),
        ("Letters o, l and I", &traps.letters_like_digits),
    ] {
        if !places.is_empty() {
            sentences.push(format!("{what} are at {}.", list(places)));
        }
    }
    let mut text = sentences.join(" ");
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn of_libraries(libraries: &[LibraryIdentity]) -> String {
    let told: Vec<String> = libraries
        .iter()
        .map(|library| {
            let source = match library.has_page_d0 {
                true => "by VPD page D0h",
                false => "by its product identification; it has no VPD page D0h",
            };
            format!("{} is a {} {source}", library.device, library.type_model)
        })
        .collect();
    match told.is_empty() {
        true => "The target shows no library.".to_owned(),
        false => format!("{}.", told.join("; ")),
    }
}

fn of_barcodes(count: usize, wrong: &[String]) -> String {
    // A library has thousands of cartridges.
    const SHOWN: usize = 10;

    if wrong.is_empty() {
        return format!("The barcodes of all {count} cartridges have six or eight characters.");
    }
    let shown: Vec<String> = wrong
        .iter()
        .take(SHOWN)
        .map(|barcode| match barcode.as_str() {
            "" => "one without a barcode".to_owned(),
            barcode => barcode.to_owned(),
        })
        .collect();
    let more = match wrong.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} of {count} cartridges have other barcodes than of six or eight characters: {}{more}.",
        wrong.len(),
        shown.join(", ")
    )
}

/// Tells each thing that was seen once, with the devices of which it was.
fn of_devices(notes: &[DeviceNote]) -> String {
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for note in notes {
        let text = of_device(&note.note);
        match told.iter_mut().find(|(_, known)| *known == text) {
            Some((devices, _)) => devices.push(&note.device),
            None => told.push((vec![&note.device], text)),
        }
    }
    let told: Vec<String> = told
        .iter()
        .map(|(devices, text)| format!("{}: {text}", devices.join(", ")))
        .collect();
    match told.is_empty() {
        true => "There is no such device.".to_owned(),
        false => format!("{}.", told.join("; ")),
    }
}

fn of_device(state: &DeviceState) -> String {
    match state {
        DeviceState::Ready => "ready".to_owned(),
        DeviceState::Empty => "no cartridge, and nothing else is wrong".to_owned(),
        DeviceState::Refused(failure) => command_failure(failure),
        DeviceState::LongestBlock(length) => format!("blocks of up to {length} bytes"),
        DeviceState::SavedValues => "the saved values are told".to_owned(),
        DeviceState::CompatibleReservationHandling(set) => {
            format!("CRH={}", u8::from(*set))
        }
        DeviceState::Registrations(count) => format!("told, with {count} registrations"),
        DeviceState::LogPages(pages) => {
            let pages: Vec<String> = pages.iter().map(|page| format!("{page:02X}h")).collect();
            format!("log pages {}, and 31h is plausible", pages.join(" "))
        }
        DeviceState::NoCapacityPage => "no log page 31h (tape capacity)".to_owned(),
        DeviceState::CapacityImplausible { remaining, maximum } => {
            let told = |value: &Option<u64>| match value {
                Some(value) => value.to_string(),
                None => "nothing".to_owned(),
            };
            format!(
                "log page 31h has {} as remaining and {} as maximum capacity",
                told(remaining),
                told(maximum)
            )
        }
        DeviceState::Position { beginning, object } => format!(
            "BOP={} at {}",
            u8::from(*beginning),
            match object {
                Some(object) => format!("block {object}"),
                None => "an unknown block".to_owned(),
            }
        ),
        DeviceState::NotReserved => "not reserved by anybody else".to_owned(),
        DeviceState::Holder { name: Some(name) } => format!("reserved by {name}"),
        DeviceState::Holder { name: None } => {
            "reserved by another initiator, which the drive does not name".to_owned()
        }
        DeviceState::TapeAlert(flags) if flags.is_empty() => "no flag is set".to_owned(),
        DeviceState::TapeAlert(flags) => format!("flags {} are set", list(flags)),
    }
}

fn of_rate(rate: &WriteRate) -> String {
    let full_window = match rate.full_window {
        Some((window, rate)) => format!(", and {window} at a time up to {} MB/s", whole(rate)),
        None => String::new(),
    };
    format!(
        "With {} for a round trip and {} of them for a block of 256 KiB, one command at a time writes up to {} MB/s{full_window}.",
        milliseconds(rate.round_trip),
        rate.round_trips,
        whole(rate.one_command)
    )
}

fn whole(rate: f64) -> String {
    match rate < 10.0 {
        true => format!("{rate:.1}"),
        false => format!("{rate:.0}"),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests;
