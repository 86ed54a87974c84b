//! The records on disk, and how they are kept whole.
//!
//! | file | record | who writes it |
//! |---|---|---|
//! | `config.json` | [`Configuration`](crate::config::Configuration): configured and staged | [`Store::edit`], under `config.lock` |
//! | `active.json` | [`ActiveConfiguration`]: what the IOP runs since the last re-IPL | [`ReIpl::record`], under `reipl.lock` |
//! | `devices.json` | [`DeviceNames`](crate::devices::names::DeviceNames): which name stands for which serial number | [`ReIpl::record`] |
//! | `system.json` | a UUID, where the machine has none of its own | [`Store::generated_name`], under `config.lock` |
//!
//! A write is a temporary file, fsync, rename, fsync of the directory: a reader takes no lock, and a crash leaves the old
//! record or the new one. A lock file is never removed, because a second process could lock the removed one. Nothing holds
//! `config.lock` while it talks to the network.

mod active;
mod disk;
mod identity;
mod store;
mod writer;

pub use active::{ActiveConfiguration, ActiveTarget};
pub use disk::{Contents, Disk, Ownership, SystemDisk};
pub use store::{ReIpl, StateError, Store};
