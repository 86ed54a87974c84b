//! Who logs in to whom, what the target wants of an initiator, and how well that is protected.

use super::{Judgment, failure, not_applicable, not_reached, pass, problems, warning};
use crate::iop::active::StoredIn;
use crate::iop::check::finding::{NameTraps, Seen};
use crate::iop::check::observation::Observations;
use crate::iop::check::table::CheckId;
use crate::iscsi::chap::ChapAlgorithm;

/// The shortest secret in characters (RFC 7143 9.2.1).
const SHORTEST_SECRET: usize = 12;

pub(super) fn name(name: &str) -> Judgment {
    let traps = NameTraps::of(name);
    let is_at_risk = traps.is_at_risk();
    let seen = Seen::Name {
        name: name.to_owned(),
        traps,
    };
    match is_at_risk {
        true => warning(seen),
        false => pass(seen),
    }
}

/// Returns whether the target accepted a login, be it with other values than the configured ones.
fn is_logged_in(of: &Observations) -> bool {
    of.report.session.is_some()
}

/// A login that failed by a cause of its own row is not judged here again.
pub(super) fn accepted(of: &Observations) -> Judgment {
    match &of.report.session {
        Some(session) if of.report.failure.is_none() || of.enumerated => pass(Seen::LoggedIn {
            portal: session.portal.clone(),
        }),
        _ => not_reached(),
    }
}

pub(super) fn secret_missing(of: &Observations) -> Judgment {
    match (&of.report.chap, of.secret_length) {
        (None, _) => not_applicable(),
        (Some(_), Some(_)) => pass(Seen::NotMet),
        (Some(_), None) => not_reached(),
    }
}

pub(super) fn chap_required(of: &Observations) -> Judgment {
    match &of.report.chap {
        Some(_) => not_applicable(),
        None => not_met_once_logged_in(of, true),
    }
}

/// A row that a login without that trouble clears.
pub(super) fn not_met_once_logged_in(of: &Observations, applies: bool) -> Judgment {
    match applies {
        false => not_applicable(),
        true if is_logged_in(of) => pass(Seen::NotMet),
        true => not_reached(),
    }
}

pub(super) fn chap_not_asked(of: &Observations) -> Judgment {
    let found = problems(CheckId::ChapNotAsked, of);
    if !found.is_empty() {
        return warning(Seen::Problems(found));
    }
    not_met_once_logged_in(of, of.report.chap.is_some())
}

fn algorithm(of: &Observations) -> Option<&str> {
    of.report.session.as_ref()?.chap_algorithm.as_deref()
}

pub(super) fn chap_credentials(of: &Observations) -> Judgment {
    match (&of.report.chap, algorithm(of)) {
        (None, _) => not_applicable(),
        // Other values than the configured ones were accepted: the target says that of these.
        (Some(_), Some(algorithm)) if of.report.failure.is_none() => pass(Seen::ChapAccepted {
            algorithm: algorithm.to_owned(),
        }),
        (Some(_), _) => not_reached(),
    }
}

/// `trial` is what the login with that value alone in lower case came to.
pub(super) fn case(of: &Observations, trial: Option<bool>) -> Judgment {
    let was_accepted = of.report.failure.is_none() && algorithm(of).is_some();
    match trial {
        Some(true) => failure(Seen::OtherCase),
        // Both have to be changed.
        _ if of.trials.both_cases == Some(true) => failure(Seen::OtherCase),
        Some(false) => pass(Seen::NotMet),
        None if of.report.chap.is_none() => not_applicable(),
        None if was_accepted => pass(Seen::NotMet),
        None => not_reached(),
    }
}

pub(super) fn chap_algorithm(of: &Observations) -> Judgment {
    match &of.trials.algorithm {
        Some(Some(algorithm)) => failure(Seen::OtherAlgorithm {
            algorithm: algorithm.clone(),
        }),
        _ => match (&of.report.chap, algorithm(of)) {
            (None, _) => not_applicable(),
            (Some(_), Some(algorithm)) => pass(Seen::ChapAccepted {
                algorithm: algorithm.to_owned(),
            }),
            (Some(_), None) => not_reached(),
        },
    }
}

pub(super) fn departures(of: &Observations) -> Judgment {
    let found = problems(CheckId::Departures, of);
    match found.is_empty() {
        false => warning(Seen::Problems(found)),
        true => not_met_once_logged_in(of, true),
    }
}

pub(super) fn chap_absent(of: &Observations) -> Judgment {
    match (is_logged_in(of), algorithm(of)) {
        (true, None) => warning(Seen::WithoutChap),
        (true, Some(algorithm)) => pass(Seen::ChapAccepted {
            algorithm: algorithm.to_owned(),
        }),
        (false, _) => not_reached(),
    }
}

pub(super) fn chap_md5(of: &Observations) -> Judgment {
    let Some(algorithm) = algorithm(of) else {
        return not_applicable();
    };
    let seen = Seen::ChapAccepted {
        algorithm: algorithm.to_owned(),
    };
    match algorithm == ChapAlgorithm::Md5.name() {
        true => warning(seen),
        false => pass(seen),
    }
}

pub(super) fn digests(of: &Observations) -> Judgment {
    let Some(session) = &of.report.session else {
        return not_reached();
    };
    let seen = Seen::Digests {
        header: session.header_digest.clone(),
        data: session.data_digest.clone(),
    };
    match session.header_digest == "None" || session.data_digest == "None" {
        true => warning(seen),
        false => pass(seen),
    }
}

pub(super) fn secret_plain(of: &Observations) -> Judgment {
    match of.report.chap.as_ref().map(|chap| chap.stored_in) {
        None => not_applicable(),
        Some(StoredIn::Disk) => warning(Seen::Stored(StoredIn::Disk)),
        Some(StoredIn::Platform) => pass(Seen::Stored(StoredIn::Platform)),
    }
}

pub(super) fn secret_short(of: &Observations) -> Judgment {
    match of.secret_length {
        None => not_applicable(),
        Some(length) if length < SHORTEST_SECRET => warning(Seen::SecretLength(length)),
        Some(length) => pass(Seen::SecretLength(length)),
    }
}
