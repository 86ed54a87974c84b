//! The data path of `tape write` and `tape read`, beside what moves the same bytes with less on top.
//!
//! `cargo bench --bench tape -- [PART]...`, as root, prints one table; a missed aim is told and is no failure. The parts:
//! - `tgtd`: tgtd's tape and null LUN, with tgtd's defaults and tuned, against the best of a small program on libiscsi at queue
//!   depths 1, 4 and 8, the disk at the best of the same depths;
//! - `library`: the embedded library in memory, as a share of a plain copy over TCP, without digests and with CRC32C on both;
//!   what is written stays and what is read was kept, so copies into fresh memory and out of as much memory are beside it, too;
//! - `delay`: the library behind a relay that holds every byte for 5 ms and for 10 ms, against one command at a time;
//! - `cpu`: processor seconds per GiB, against libiscsi.
//!
//! All sides take turns in a network namespace of their own ([`network`]). The media are in memory.
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

#[path = "../support/copy.rs"]
mod copy;
#[path = "../support/initiator.rs"]
mod initiator;
mod libiscsi;
#[path = "../support/measure.rs"]
mod measure;
#[path = "../support/network.rs"]
mod network;
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
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iscsi::operational::Digest;
use iscsiswiconfig::transport::initiator::DataDirection;

use copy::Copy;
use initiator::{Initiator, task};
use libiscsi::{Libiscsi, Medium};
use measure::{Summary, in_turn};
use peers::tgtd::Tgtd;
use relay::Relay;
use served::Served;
use tape::{Never, Tape, block_of};

const PARTS: [&str; 4] = ["tgtd", "library", "delay", "cpu"];

const BLOCKS: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];
const DEPTHS: [usize; 3] = [1, 4, 8];
const BYTES: usize = 256 << 20;
const ROUNDS: usize = 5;

/// LUNs of the fixtures.
const DRIVE: u16 = 1;
const NULL_DISK: u16 = 3;

/// At least as fast as libiscsi, and faster where that is below 2 GB/s.
const OF_LIBISCSI: f64 = 1.0;
const OF_SLOW_LIBISCSI: f64 = 1.2;
const SLOW: f64 = 2e9;

/// The shares of a plain copy.
const OF_A_COPY: f64 = 0.9;
const OF_A_COPY_WITH_DIGESTS: f64 = 0.6;

/// How many times as fast as one command at a time at 5 ms; and at 10 ms as fast as at 5 ms.
const OF_ONE_AT_A_TIME: f64 = 8.0;
const OF_THE_SHORTER_WAY: f64 = 1.0;

fn main() {
    let parts = network::inside(&PARTS);
    table::begin();
    for part in parts {
        match part {
            "tgtd" => beside_libiscsi(),
            "library" => beside_a_copy(),
            "delay" => behind_a_long_way(),
            _ => processor_time(),
        }
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Returns a target with a loaded drive and a disk that keeps nothing, and what serves it.
fn tgtd(is_tuned: bool) -> (Tgtd, &'static str) {
    let (tgtd, name) = served::by_tgtd(is_tuned);
    let unit = ["--mode", "logicalunit", "--tid", "1", "--lun", "3"];
    let disk = ["--op", "new", "--bstype=null", "--backing-store=null"];
    tgtd.admin(&[&unit[..], &disk[..]].concat());
    (tgtd, name)
}

/// What is measured of the product: a tape by its data path, a disk by its session.
enum Ours {
    Tape(Box<Tape<Never>>),
    Disk(Initiator),
}

impl Ours {
    /// Writes so many blocks; a disk takes so many commands at a time, a tape what the data path finds.
    fn write(&mut self, count: usize, block: &Bytes, depth: usize) -> Duration {
        match self {
            Self::Tape(tape) => tape.write(count, block),
            Self::Disk(initiator) => {
                let data = || DataDirection::Out(block.clone());
                let cdbs = disk_cdbs(0x2a, count, block.len());
                let tasks = cdbs.map(|cdb| task(NULL_DISK, &cdb, data()));
                initiator.stream(depth, tasks, |_| {})
            }
        }
    }

    /// Reads so many blocks, likewise.
    fn read(&mut self, count: usize, length: usize, depth: usize) -> Duration {
        match self {
            Self::Tape(tape) => tape.read(count, length),
            Self::Disk(initiator) => {
                let expected = u32::try_from(length).expect("24 bits");
                let cdbs = disk_cdbs(0x28, count, length);
                let tasks = cdbs.map(|cdb| task(NULL_DISK, &cdb, DataDirection::In(expected)));
                initiator.stream(depth, tasks, |_| {})
            }
        }
    }
}

/// READ(10) or WRITE(10) of consecutive blocks.
fn disk_cdbs(operation_code: u8, count: usize, length: usize) -> impl Iterator<Item = [u8; 10]> {
    let sectors = u32::try_from(length / 512).expect("16 bits");
    (0..count).map(move |index| {
        let address = u32::try_from(index).expect("32 bits") * sectors;
        let [a, b, c, d] = address.to_be_bytes();
        let [_, _, e, f] = sectors.to_be_bytes();
        [operation_code, 0, a, b, c, d, 0, e, f, 0]
    })
}

fn beside_libiscsi() {
    for (parameters, is_tuned) in [("defaults", false), ("tuned", true)] {
        let (tgtd, name) = tgtd(is_tuned);
        for (what, medium, lun) in [
            ("tape", Medium::Tape, DRIVE),
            ("null disk", Medium::Disk, NULL_DISK),
        ] {
            let mut theirs = Libiscsi::start(at(tgtd.port()), name, lun, medium);
            let mut ours = match medium {
                Medium::Tape => {
                    let tape = Tape::open(at(tgtd.port()), name, DRIVE, Digest::None);
                    Ours::Tape(Box::new(tape))
                }
                Medium::Disk => {
                    let mut initiator = Initiator::log_in(at(tgtd.port()), name);
                    initiator.execute(NULL_DISK, &[0; 6]);
                    Ours::Disk(initiator)
                }
            };
            for length in BLOCKS {
                let (count, block) = (BYTES / length, block_of(length));
                for direction in ["write", "read"] {
                    let theirs = std::cell::RefCell::new(&mut theirs);
                    let at_depth =
                        |depth| theirs.borrow_mut().run(direction, length, count, depth).0;
                    let product = std::cell::RefCell::new(&mut ours);
                    let ours_at_depth = |depth| match direction {
                        "write" => product.borrow_mut().write(count, &block, depth),
                        _ => product.borrow_mut().read(count, length, depth),
                    };
                    let [ours, our_four, our_eight, one, four, eight] = in_turn(
                        ROUNDS,
                        [
                            &mut || ours_at_depth(DEPTHS[0]),
                            &mut || ours_at_depth(DEPTHS[1]),
                            &mut || ours_at_depth(DEPTHS[2]),
                            &mut || at_depth(DEPTHS[0]),
                            &mut || at_depth(DEPTHS[1]),
                            &mut || at_depth(DEPTHS[2]),
                        ],
                    );
                    // The data path of a tape finds its depth, so its turns are all the same.
                    let ours = match medium {
                        Medium::Tape => ours,
                        Medium::Disk => fastest([ours, our_four, our_eight]).1,
                    };
                    let (depth, best) = fastest([one, four, eight]);
                    let is_slow = (BYTES as f64) < SLOW * best.median.as_secs_f64();
                    let aim = if is_slow {
                        OF_SLOW_LIBISCSI
                    } else {
                        OF_LIBISCSI
                    };
                    let what = format!("{direction} {what}, {parameters}, {} KiB", length >> 10);
                    let peer = format!("libiscsi, depth {depth}: {}", best.rate(BYTES));
                    table::share(&what, &ours.rate(BYTES), &peer, best.ratio(ours), aim);
                }
            }
        }
    }
}

fn fastest(at_depths: [Summary; 3]) -> (usize, Summary) {
    let at_depths = DEPTHS.into_iter().zip(at_depths);
    let fastest = at_depths.min_by_key(|(_, summary)| summary.median);
    fastest.expect("three of them")
}

fn beside_a_copy() {
    let mut copy = Copy::connect();
    for (digest, words, aim) in [
        (Digest::None, "no digests", OF_A_COPY),
        (Digest::Crc32c, "CRC32C on both", OF_A_COPY_WITH_DIGESTS),
    ] {
        let served = Served::start();
        let mut tape = Tape::open(served.portal(), served.name(), DRIVE, digest);
        for length in &BLOCKS[1..] {
            let (count, block) = (BYTES / length, block_of(*length));
            for direction in ["write", "read"] {
                let copy = std::cell::RefCell::new(&mut copy);
                let [ours, plain, kept] = in_turn(
                    ROUNDS,
                    [
                        &mut || match direction {
                            "write" => tape.erase_and_write(count, &block),
                            _ => tape.read(count, *length),
                        },
                        &mut || copy.borrow_mut().run(BYTES, *length),
                        &mut || match direction {
                            "write" => copy.borrow_mut().run_and_keep(BYTES, *length),
                            _ => copy.borrow_mut().run_from_memory(BYTES, *length),
                        },
                    ],
                );
                let what = format!("{direction} library, {words}, {} KiB", length >> 10);
                let peer = format!("TCP copy {}", plain.rate(BYTES));
                table::share(&what, &ours.rate(BYTES), &peer, plain.ratio(ours), aim);
                let memory = match direction {
                    "write" => "into fresh memory",
                    _ => "out of as much memory",
                };
                let peer = format!("TCP copy {memory} {}", kept.rate(BYTES));
                table::share(&what, &ours.rate(BYTES), &peer, kept.ratio(ours), aim);
            }
        }
    }
}

fn behind_a_long_way() {
    const LENGTH: usize = 256 << 10;
    /// So few of them take long enough.
    const ALONE: usize = 32;
    /// So long that filling the way is a small part of it, and still within the cartridge.
    const BYTES: usize = 3 * self::BYTES;
    let served = Served::start();
    let relays = [5, 10].map(|delay| Relay::start(served.portal(), Duration::from_millis(delay)));
    let mut tapes =
        relays.map(|relay| Tape::open(relay.portal(), served.name(), DRIVE, Digest::None));
    let [near, far] = &mut tapes;
    let mut alone = Tape::open(
        Relay::start(served.portal(), Duration::from_millis(5)).portal(),
        served.name(),
        DRIVE,
        Digest::None,
    );
    let (count, block) = (BYTES / LENGTH, block_of(LENGTH));
    let whole = |part: Duration| part * u32::try_from(count / ALONE).expect("32 bits");
    for direction in ["write", "read"] {
        let is_write = direction == "write";
        let [one, near, far]: [Summary; 3] = in_turn(
            ROUNDS,
            [
                &mut || whole(alone.one_at_a_time(is_write, ALONE, &block)),
                &mut || match is_write {
                    true => near.erase_and_write(count, &block),
                    false => near.read(count, LENGTH),
                },
                &mut || match is_write {
                    true => far.erase_and_write(count, &block),
                    false => far.read(count, LENGTH),
                },
            ],
        );
        let what = format!("{direction} library, 5 ms each way, 256 KiB");
        let peer = format!("one command at a time {}", one.rate(BYTES));
        table::share(
            &what,
            &near.rate(BYTES),
            &peer,
            one.ratio(near),
            OF_ONE_AT_A_TIME,
        );
        let what = format!("{direction} library, 10 ms each way, 256 KiB");
        let peer = format!("5 ms each way {}", near.rate(BYTES));
        table::share(
            &what,
            &far.rate(BYTES),
            &peer,
            near.ratio(far),
            OF_THE_SHORTER_WAY,
        );
    }
}

fn processor_time() {
    let (tgtd, name) = tgtd(true);
    let mut theirs = Libiscsi::start(at(tgtd.port()), name, DRIVE, Medium::Tape);
    let mut tape = Tape::open(at(tgtd.port()), name, DRIVE, Digest::None);
    for length in BLOCKS {
        let (count, block) = (BYTES / length, block_of(length));
        for direction in ["write", "read"] {
            let [ours, peer] = in_turn(
                ROUNDS,
                [
                    &mut || {
                        let before = measure::own_processor_time();
                        match direction {
                            "write" => tape.write(count, &block),
                            _ => tape.read(count, length),
                        };
                        measure::own_processor_time() - before
                    },
                    &mut || theirs.run(direction, length, count, 8).1,
                ],
            );
            let per_gibibyte = |of: Summary| {
                let seconds = of.median.as_secs_f64() * (1 << 30) as f64 / BYTES as f64;
                format!("{seconds:.3} s/GiB")
            };
            let what = format!("{direction} tape, processor time, {} KiB", length >> 10);
            let theirs = format!("libiscsi, depth 8: {}", per_gibibyte(peer));
            table::ratio(&what, &per_gibibyte(ours), &theirs, ours.ratio(peer), 1.0);
        }
    }
}
