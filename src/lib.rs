//! The IBM i macro ISCSISWICONFIG for any Linux host, with an embedded iSCSI initiator for tape drives and media changers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`commands`] | command line to operation: reads what was typed, runs it, prints the outcome |
//! | [`cli`] | the two languages of the command line: the macro's table and clap's host side; help, man page, completions |
//! | [`error`] | the one place where a failure gets its exit status; its words are those of `render` |
//! | [`render`] | from outcomes, causes and PDUs to words, text, JSON and captures |
//! | [`iop`] | the product's core: configuration, KeyStore, records on disk, devices, the re-IPL |
//! | [`sql`] | the SQL services: statements to operations, views to the rows of an embedded engine |
//! | [`transport`] | tokio: the connection, the initiator's handle and driver, the sessions of a re-IPL, the listener |
//! | [`scsi`] | sans-IO SPC, SMC and SSC, both sides: commands, parameter data, sense data |
//! | [`vtl`] | the embedded virtual tape library: a medium changer and its drives, cartridges on disk |
//! | [`storage`] | files that are kept whole and private: directories, durable replacement, locks |
//! | [`iscsi`] | sans-IO RFC 7143, both roles: PDUs, text negotiation, CHAP, login, full feature phase |
//! | [`values`] | the values that a command line carries, parsed once |
//!
//! Who may import whom (a test enforces it):
//!
//! ```text
//! main      -> commands
//! commands  -> cli, error, iop, iscsi, render, sql, storage, transport, values, vtl
//! render    -> cli, error, iop, iscsi, scsi, sql, storage, transport, values, vtl
//! error     -> cli, iop, render, sql, storage, transport, values, vtl
//! sql       -> iop, iscsi, values
//! iop       -> iscsi, scsi, storage, transport, values
//! transport -> iscsi
//! vtl       -> iscsi, scsi, storage, transport
//! cli       -> values, vtl
//! values    -> iscsi
//! iscsi     -> scsi
//! storage   -> values
//! scsi      -> nothing else in the crate
//! ```
//!
//! `iscsi`, `scsi`, `values`, `iop::config`, `iop::active`, `iop::devices`, `iop::keystore` and the grammar do no I/O: no sockets,
//! files, clocks or random numbers; time, the ISID, challenges and nonces are arguments. tokio appears in `transport`
//! only. Of `scsi`, `iscsi` knows [`scsi::lun`] alone: it never looks into a CDB.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod cli;
pub mod commands;
pub mod error;
pub mod iop;
pub mod iscsi;
pub mod render;
pub mod scsi;
pub mod sql;
pub mod storage;
pub mod transport;
pub mod values;
pub mod vtl;
