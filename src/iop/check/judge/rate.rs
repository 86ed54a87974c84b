//! How fast a WRITE can be, by what the session negotiated and the round trip that was measured.

use std::time::Duration;

use super::{Judgment, not_reached, pass, warning};
use crate::iop::active::SessionReport;
use crate::iop::check::finding::{Seen, WriteRate};
use crate::iop::check::observation::Observations;

/// The blocks that IBM i writes, in bytes.
pub(super) const BLOCK: u32 = 256 * 1024;
/// In MB/s: below it an LTO drive stops and starts.
const LOWEST_RATE: f64 = 100.0;

pub(super) fn write_rate(of: &Observations) -> Judgment {
    let (Some(session), Some(round_trip)) = (&of.report.session, of.round_trip) else {
        return not_reached();
    };
    let rate = rate(session, round_trip, of.window);
    match rate.one_command >= LOWEST_RATE {
        true => pass(Seen::WriteRate(rate)),
        false => warning(Seen::WriteRate(rate)),
    }
}

/// Returns how fast WRITEs of [`BLOCK`] bytes can follow each other where only the round trips take time. Data that waits for
/// no R2T goes out with the command; the rest takes an R2T for each MaxBurstLength, of which MaxOutstandingR2T go at a time.
pub(super) fn rate(
    session: &SessionReport,
    round_trip: Duration,
    window: Option<u32>,
) -> WriteRate {
    let immediate = match session.immediate_data {
        true => session
            .first_burst_length
            .min(session.target_max_recv_data_segment_length),
        false => 0,
    };
    let unsolicited = match session.initial_r2t {
        true => immediate,
        false => session.first_burst_length,
    };
    let solicited = BLOCK.saturating_sub(unsolicited);
    let requests = solicited.div_ceil(session.max_burst_length.max(1));
    let round_trips = requests
        .div_ceil(session.max_outstanding_r2t.max(1))
        .saturating_add(1);
    // A clock that saw no time pass measured less than a microsecond.
    let seconds = round_trip.as_secs_f64().max(1e-6) * f64::from(round_trips);
    let one_command = f64::from(BLOCK) / seconds / 1e6;
    WriteRate {
        round_trip,
        round_trips,
        one_command,
        full_window: window.map(|window| (window, one_command * f64::from(window))),
    }
}
