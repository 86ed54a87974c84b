//! The records on disk, and how they are kept whole.
//!
//! | file | record | who writes it |
//! |---|---|---|
//! | `config.json` | [`Configuration`](crate::iop::config::Configuration): configured and staged | [`Store::edit`], under `config.lock` |
//! | `active.json` | [`ActiveConfiguration`]: what the IOP runs since the last re-IPL | [`ReIpl::record`], under `reipl.lock` |
//! | `devices.json` | [`DeviceNames`](crate::iop::devices::names::DeviceNames): which name stands for which serial number | [`ReIpl::record`] |
//! | `partition.json` | [`PartitionRecord`](crate::iop::config::PartitionRecord): what is set of the partition | [`Store::edit_partition`], under `config.lock` |
//! | `system.json` | a UUID, where the machine has none of its own | [`Store::identity`], under `config.lock` |
//!
//! The keystore directory, another one, holds `machine.json`, the random secret that KeyStores are sealed with, and one
//! `keystore-ID.json` for each partition, both written under `keystore.lock`. It is taken behind `config.lock`, never before.
//!
//! A write is a temporary file, fsync, rename, fsync of the directory: a reader takes no lock, and a crash leaves the old
//! record or the new one. A lock file is never removed, because a second process could lock the removed one. Nothing holds
//! `config.lock` while it talks to the network.

mod active;
mod directory;
mod error;
mod file_system;
mod holder;
mod identity;
mod keystore;
mod records;

pub use active::{ActiveConfiguration, ActiveTarget};
pub use error::StateError;
pub use file_system::{FileSystem, OpenFile, Ownership, SystemFileSystem};
pub use identity::{Identity, UuidSource};
pub use records::{ReIpl, Store};
