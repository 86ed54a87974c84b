//! The bytes per second of the embedded library, beside a plain copy over TCP and beside another target.
//!
//! `cargo bench`, as root, prints one table. A missed aim is told and is no failure; what could not be measured is one.
//!
//! All sides run over loopback on the same machine with the same congestion control, and take turns:
//! - the library in memory as a process of its own, its drive written and read by [`initiator`] in blocks of variable length;
//! - [`copy`]: as many bytes, written in blocks of the same length by one thread and read by another;
//! - [`disk`]: a disk of tgtd that keeps nothing, written by the same initiator and read by libiscsi's iscsi-perf.
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
mod disk;
#[path = "../support/initiator.rs"]
mod initiator;
mod library;
#[path = "../support/measure.rs"]
mod measure;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/table.rs"]
mod table;

use bytes::Bytes;

use copy::Copy;
use disk::FileSystem;
use library::Library;
use measure::in_turn;

const BLOCKS: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];
const BYTES: usize = 256 << 20;
const ROUNDS: usize = 9;

/// Commands under way at a time.
const IN_FLIGHT: usize = 8;

/// The share of a plain copy that is aimed at, and of another target.
const OF_A_COPY: f64 = 0.8;
const OF_A_PEER: f64 = 1.0;

fn main() {
    table::begin();
    let mut library = Library::start();
    let mut disk = FileSystem::start();
    let mut copy = Copy::connect();
    for length in BLOCKS {
        let count = BYTES / length;
        let block = Bytes::from_iter((0..length).map(|index| (index % 251) as u8));
        let kib = length >> 10;

        let [ours, plain, peer] = in_turn(
            ROUNDS,
            [
                &mut || library.write(count, &block),
                &mut || copy.run(BYTES, length),
                &mut || disk.write(count, &block),
            ],
        );
        let ours_text = ours.rate(BYTES);
        let what = format!("WRITE, {kib} KiB blocks");
        let copied = format!("TCP copy {}", plain.rate(BYTES));
        table::share(&what, &ours_text, &copied, plain.ratio(ours), OF_A_COPY);
        let written = format!("tgtd null disk {}", peer.rate(BYTES));
        table::share("", "", &written, peer.ratio(ours), OF_A_PEER);

        // What is timed below is what was written.
        let mut blocks = 0;
        library.read(count, length, |data| {
            assert!(data == block, "block {blocks} is not what was written");
            blocks += 1;
        });
        assert_eq!(blocks, count);

        let mut lengths = 0;
        let [ours, plain, peer] = in_turn(
            ROUNDS,
            [
                &mut || library.read(count, length, |data| lengths += data.len()),
                &mut || copy.run(BYTES, length),
                &mut || disk.read(BYTES, length),
            ],
        );
        assert_eq!(lengths % BYTES, 0, "bytes read");
        let ours_text = ours.rate(BYTES);
        let what = format!("READ, {kib} KiB blocks");
        let copied = format!("TCP copy {}", plain.rate(BYTES));
        table::share(&what, &ours_text, &copied, plain.ratio(ours), OF_A_COPY);
        let read = format!("tgtd null disk, iscsi-perf {}", peer.rate(BYTES));
        table::share("", "", &read, peer.ratio(ours), OF_A_PEER);
    }
}
