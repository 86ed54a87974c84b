//! The product's core: what is configured, what the IOP runs, and the operations between them. No words for people, no terminal.
//!
//! | module | what it holds |
//! |---|---|
//! | [`active`] | what a re-IPL found, as plain data |
//! | [`cause`] | why a target failed, as plain data |
//! | [`check`] | what would cost the attach a re-IPL, found without changing anything |
//! | [`config`] | the configured targets and the staged one, the partition, and the rules for editing them |
//! | [`d_mode`] | what a D-mode IPL from the VTL demands, and what the HMC is to be given |
//! | [`devices`] | from what the logical units answered to libraries and drives with their IBM i names |
//! | [`discover`] | asks a host which targets it has |
//! | [`finding`] | what findings have in common |
//! | [`ipl`] | the re-IPL: connects to every configured target, names the devices, records the outcome |
//! | [`job`] | using a device in a session of its own |
//! | [`keystore`] | the Platform KeyStore as plain data: capacity, sealing, and the passphrase for the way to another machine |
//! | [`library`] | using a library: what is in its elements, and moving cartridges between them |
//! | [`resident`] | the resident IOP: holds the sessions, and what jobs and front ends ask of it |
//! | [`rmt`] | the remote tape protocol for programs that write to tapes |
//! | [`operation`] | what a front end can ask for, and what came of it |
//! | [`warning`] | what is to be said beside a result, as plain data |
//! | [`store`] | the records on disk: locks, durable replacement, permissions |
//! | [`tape`] | using a tape: labels, and the jobs that write, read and copy |

pub mod active;
pub mod cause;
pub mod check;
pub mod config;
pub mod d_mode;
pub mod devices;
pub mod discover;
pub mod finding;
pub mod ipl;
pub mod job;
pub mod keystore;
pub mod library;
pub mod operation;
pub mod resident;
pub mod rmt;
pub mod store;
pub mod tape;
pub mod warning;
