//! The speed of `iscsiswiconfig` beside its peers', as ratios measured in the same run on the same file system.
//!
//! `cargo bench`, as root, prints one table. A missed aim is told and is no failure; what could not be measured is one.
//!
//! - `edits`: a configuration option against `iscsiadm -m node -o new` (open-iscsi), and against its own limits.
//! - `reipl`: the re-IPL against `iscsi-ls` and `iscsi-inq` (libiscsi), and against a target that is slow.
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

mod edits;
mod home;
mod machine;
#[path = "../support/measure.rs"]
mod measure;
mod open_iscsi;
#[path = "../support/peers.rs"]
mod peers;
mod reipl;
mod slow_portal;
#[path = "../support/table.rs"]
mod table;

use std::process::ExitCode;

use home::Home;

fn main() -> ExitCode {
    // iscsiadm's database has a fixed place: a mount namespace of our own puts another directory there, and this
    // machine's own database is neither read nor touched.
    if !machine::in_own_namespace() {
        return match machine::check() {
            Ok(()) => machine::again_in_own_namespace(),
            Err(reason) => {
                eprintln!("nothing was measured: {reason}");
                ExitCode::FAILURE
            }
        };
    }
    table::begin();
    let disk = Home::on_disk();
    let memory = Home::in_memory();
    for home in [Some(&disk), memory.as_ref()].into_iter().flatten() {
        edits::against_iscsiadm(home);
        reipl::against_libiscsi(home);
    }
    reipl::with_a_slow_target(&disk);
    edits::within_limits(&disk);
    ExitCode::SUCCESS
}
