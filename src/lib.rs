//! The IBM i macro ISCSISWICONFIG for any Linux host, with an embedded iSCSI initiator that speaks tape and media changer.
//!
//! The rooms of the house, from the street to the cellar:
//!
//! | module | what it holds |
//! |---|---|
//! | [`commands`] | what each option does: reads the command line, edits the state, talks to the VTL, prints |
//! | [`cli`] | the two languages of the command line: the macro's table and clap's host side; help, man page, completions |
//! | [`error`] | the one place where a failure gets its wording and its exit status |
//! | [`state`] | the records on disk: lock, atomic replace, permissions |
//! | [`keystore`] | the Platform KeyStore as plain data: capacity, sealing, and the passphrase for the way to another machine |
//! | [`reipl`] | the re-IPL: connects to every configured target, names the devices, records what came of it |
//! | [`config`] | the configured targets and the staged one as plain data, and the rules for editing them |
//! | [`devices`] | from what the LUNs answered to libraries and drives with their IBM i names |
//! | [`report`] | what a re-IPL found, as plain data: the document that `--json` prints |
//! | [`net`] | tokio: connects, drives one session, keeps deadlines |
//! | [`scsi`] | sans-IO SPC, SMC and SSC: encodes commands, decodes replies |
//! | [`vtl`] | the embedded virtual tape library: a medium changer and its drives, cartridges on disk, a listener with tokio |
//! | [`iscsi`] | sans-IO RFC 7143: PDUs, text negotiation, CHAP, login, full feature phase |
//! | [`values`] | the values that a command line carries, parsed once |
//!
//! Who may import whom (a test holds the house to it):
//!
//! ```text
//! main     -> commands
//! commands -> cli, config, error, iscsi, keystore, net, reipl, report, state, values, vtl
//! error    -> cli, config, reipl, state, values, vtl
//! reipl    -> config, devices, iscsi, net, report, scsi, state, values
//! state    -> config, devices, keystore, report, values
//! devices  -> report, scsi
//! net      -> iscsi
//! vtl      -> iscsi, scsi
//! config   -> keystore, values
//! cli      -> values
//! keystore, report, iscsi, scsi, values -> nothing else in the crate
//! ```
//!
//! `iscsi`, `scsi`, `values`, `config`, `report`, `devices`, `keystore` and the grammar do no I/O: no sockets, files, clocks or random
//! numbers; time, the ISID and challenges are arguments. tokio appears in `net` and `vtl::listener` only.
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod devices;
pub mod error;
pub mod iscsi;
pub mod keystore;
pub mod net;
pub mod reipl;
pub mod report;
pub mod scsi;
pub mod state;
pub mod values;
pub mod vtl;
