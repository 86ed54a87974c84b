//! All integration tests, one binary. A line per module says what it holds.
//!
//! Without a feature they need nothing but Rust, a C compiler and a POSIX shell with its usual commands, and pass as an ordinary
//! user. With the feature `peers` there are more of them: they need root and the programs that `.ci/peers` installs.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

/// The target's side: its login phase and full feature phase, scripted and joined with the initiator's.
mod acceptor;
/// The hermetic environment that the binary runs in, and what it left behind.
/// `check`: each finding of the table is produced and cleared.
mod check;
mod common;
/// The completion scripts in their shells.
#[cfg(feature = "peers")]
mod completions;
/// The login phase of an initiator: a test per demand of RFC 7143, with its section and UNH-IOL number.
mod conformance;
/// What the contract promises: grammar, values, state, options, output and exit statuses.
mod contract;
/// `d-mode` against a library that `vtl` serves.
mod d_mode;
/// `discover` against hosts that answer in ways of their own.
mod discover;
/// Every example of the IBM document, pasted.
mod documented;
/// The files under man/ and completions/ are what the code generates.
mod generated;
/// Golden transcripts: every option, every error and every warning, as a user sees them.
mod grammar;
/// Targets that are broken or mean harm: every run ends in time, with a reason and without a panic.
mod hostile;
/// The import rule: who may import whom.
mod house;
/// The binary against a real target, tgtd, from login to device names.
#[cfg(feature = "peers")]
mod interop;
/// The Platform KeyStore: faults and kills at every disk operation, damage, and what the binary says of it.
mod keystore;
/// The Platform KeyStore and the partition: what is sealed, moved, refused, lost and carried along.
mod keystore_contract;
/// The embedded library, command by command, without a network.
mod library;
/// `library` and `mtx` against a library that `vtl` serves.
mod library_command;
/// The listener with a backend whose answers come late.
mod listener;
/// The page of `check --report`, as HTML and in a browser.
mod page;
/// The peers that tests start and end by themselves: tgtd, a TCP relay, a raw initiator, a judge of captures.
mod peers;
/// The full feature phase: a scripted target against the initiator's session.
mod protocol;
/// The resident IOP: sessions that are held, jobs by way of it, and what it costs.
mod resident;
/// The resident IOP as its users see it.
mod resident_surface;
/// `rmt` and `generate rsh`: the remote tape protocol, and tar, cpio and mt that speak it.
mod rmt;
/// The script of the README, with jq.
#[cfg(feature = "peers")]
mod scripts;
/// `sql`: the services against the macro, the views against the engine, statements that mean harm.
mod sql;
/// The disk: every operation of an edit failed, and every one died at, in turn.
mod state;
/// The unit of `generate systemd`, which systemd-analyze judges.
#[cfg(feature = "peers")]
mod systemd;
/// The `tape` commands against the embedded library.
mod tape;
/// Faults at every PDU and every command of a transfer, without a process.
mod tape_faults;
/// A terminal: a passphrase that is asked for there, and what it is like afterwards.
#[cfg(feature = "peers")]
mod terminal;
/// What passes, in files: `--trace`, `--pcap`, and what Wireshark makes of them.
mod trace;
/// `vtl` and `demo`: the library that is served, against our own initiator and peers that we did not write.
mod vtl;
/// The embedded library against initiators that share no code with it, and its faults against our own.
#[cfg(feature = "peers")]
mod vtl_peers;
