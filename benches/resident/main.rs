//! The resident IOP, beside the program without it.
//!
//! `cargo bench --bench resident -- [PART]...`, as root, prints one table; a missed aim is told and is no failure. The parts:
//! - `library`: the data path of `tape write` and `tape read` to the embedded library in memory, by way of an IOP and in a session
//!   of the job's own;
//! - `tgtd`: the same to tgtd's tape, with tgtd's defaults and tuned;
//! - `delay`: the same to the library behind a relay that holds every byte for 5 ms;
//! - `dump`: a whole `-dumptargets`, with an IOP and without;
//! - `idle`: processor time and wakings of an idle IOP with one target and with 64, in half a minute each.
//!
//! Both sides are partitions of their own and take turns in a network namespace of their own ([`network`]). The IOP, the job and the
//! target are three processes, which a machine of two processors cannot run at once.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures time and makes its own files"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../support/initiator.rs"]
mod initiator;
#[path = "../support/measure.rs"]
mod measure;
#[path = "../support/network.rs"]
mod network;
mod partition;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/table.rs"]
mod table;
#[path = "../support/tape.rs"]
mod tape;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use iscsiswiconfig::transport::listener::{Listener, ListenerSettings};
use iscsiswiconfig::vtl::{Library, LibraryConfiguration, serve};

use measure::in_turn;
use partition::Partition;
use relay::Relay;
use served::Served;
use tape::{Tape, block_of};

const PARTS: [&str; 5] = ["library", "tgtd", "delay", "dump", "idle"];

const BLOCK: usize = 256 << 10;
const BYTES: usize = 128 << 20;
const ROUNDS: usize = 15;

/// The name that a re-IPL gives the only drive.
const DRIVE: &str = "TAP01";

/// The share of the speed without the IOP.
const OF_A_JOB_WITHOUT: f64 = 0.7;

const DUMPS: usize = 51;

/// How long an IOP is watched while it is idle.
const IDLE: Duration = Duration::from_secs(30);
const TARGETS: usize = 64;

/// An idle session is pinged so often.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How often a ping wakes the IOP at most: the runtime's timer wheel comes to a time so far away in up to three steps, and then there
/// is the answer. Pings of several sessions that are due together wake it together.
const WAKINGS_OF_A_PING: u64 = 4;

fn main() {
    let parts = network::inside(&PARTS);
    table::begin();
    for part in parts {
        match part {
            "library" => {
                let served = Served::start();
                beside_a_job_without("library", served.portal(), served.name(), true);
            }
            "tgtd" => {
                for (words, is_tuned) in [("tgtd, defaults", false), ("tgtd, tuned", true)] {
                    let (tgtd, name) = served::by_tgtd(is_tuned);
                    let portal = SocketAddr::from((Ipv4Addr::LOCALHOST, tgtd.port()));
                    beside_a_job_without(words, portal, name, false);
                }
            }
            "delay" => {
                let served = Served::start();
                let relay = Relay::start(served.portal(), Duration::from_millis(5));
                let words = "library, 5 ms each way";
                beside_a_job_without(words, relay.portal(), served.name(), true);
            }
            "dump" => dump(),
            _ => {
                idle(1);
                idle(TARGETS);
            }
        }
    }
}

/// Returns a partition with an IOP and one without, both with this target.
fn with_and_without(portal: SocketAddr, target_name: &str) -> [Partition; 2] {
    [("with", true), ("without", false)].map(|(initiator, is_resident)| {
        Partition::new(initiator, &[(portal, target_name)], is_resident)
    })
}

/// Writes and reads a tape by way of an IOP and without one. A tape that keeps what is written in memory `is_erased` before it is
/// written.
fn beside_a_job_without(words: &str, portal: SocketAddr, target_name: &str, is_erased: bool) {
    let partitions = with_and_without(portal, target_name);
    let [mut with, mut without] = partitions
        .each_ref()
        .map(|partition| Tape::of_job(partition.state(), DRIVE));
    let (count, block) = (BYTES / BLOCK, block_of(BLOCK));
    for direction in ["write", "read"] {
        let move_bytes = |tape: &mut Tape<_>| match direction {
            "write" if is_erased => tape.erase_and_write(count, &block),
            "write" => tape.write(count, &block),
            _ => tape.read(count, BLOCK),
        };
        let [with, without] = in_turn(
            ROUNDS,
            [&mut || move_bytes(&mut with), &mut || {
                move_bytes(&mut without)
            }],
        );
        let what = format!("{direction} {words}, {} KiB", BLOCK >> 10);
        let peer = format!("without an IOP {}", without.rate(BYTES));
        let share = without.ratio(with);
        table::share(&what, &with.rate(BYTES), &peer, share, OF_A_JOB_WITHOUT);
    }
}

fn dump() {
    let served = Served::start();
    let partitions = with_and_without(served.portal(), served.name());
    let [mut with, mut without] = partitions
        .each_ref()
        .map(|partition| partition.command(&["-dumptargets"]));
    let [with, without] = in_turn(
        DUMPS,
        [&mut || measure::run(&mut with).wall, &mut || {
            measure::run(&mut without).wall
        }],
    );
    let peer = format!("without an IOP {without}");
    table::compare(
        "-dumptargets",
        &with.to_string(),
        &peer,
        with.ratio(without),
    );
}

/// Watches an IOP that holds sessions with so many targets.
fn idle(count: usize) {
    const NAME: &str = "iqn.2026-11.internal.iscsiswiconfig:idle";
    let stoppers: Vec<_> = (0..count)
        .map(|_| {
            let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let settings = ListenerSettings::new(anywhere, NAME.parse().expect("a name"));
            let listener = Listener::bind(settings).expect("a free port");
            let found = (listener.portal(), listener.stopper());
            thread::spawn(move || {
                let library = Library::new(LibraryConfiguration::default()).expect("a library");
                serve(listener, library, Rc::new(|_| {})).expect("a listener");
            });
            found
        })
        .collect();
    let targets: Vec<_> = stoppers.iter().map(|(portal, _)| (*portal, NAME)).collect();
    let partition = Partition::new("idle", &targets, true);
    let (before, begun) = (partition.usage(), Instant::now());
    thread::sleep(IDLE);
    let (after, took) = (partition.usage(), begun.elapsed());

    let processor = after.processor - before.processor;
    let per_hour = processor.as_secs_f64() * 3600.0 / took.as_secs_f64();
    let what = format!("idle, {count} targets, processor time");
    table::note(&what, &format!("{per_hour:.2} s/h"));
    let wakings = after.wakings - before.wakings;
    // Where the time ends, a ping more may have been sent.
    let pings = took.as_secs_f64() / PING_INTERVAL.as_secs_f64() + 1.0;
    let most = WAKINGS_OF_A_PING * count as u64 * pings as u64;
    let what = format!(
        "idle, {count} targets, woken in {:.0} s",
        took.as_secs_f64()
    );
    let (ours, aim) = (format!("{wakings} times"), format!("<= {most}"));
    table::limit(&what, &ours, &aim, wakings <= most);
    drop(partition);
    for (_, stopper) in stoppers {
        stopper.stop();
    }
}
