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
//! [`crate::storage`] reads, replaces and locks the files. Nothing holds `config.lock` during network input and output. A
//! temporary file that a killed writer of a secret left behind is removed by the next call of any kind.
#![allow(
    clippy::disallowed_methods,
    reason = "the store draws UUIDs, keys and nonces"
)]

mod active;
mod error;
mod identity;
mod keystore;
mod record;
mod records;

pub use active::{ActiveConfiguration, ActiveTarget};
pub use error::StateError;
pub use identity::{PartitionIdentity, UuidSource};
pub use records::{FoundResident, LockKind, ReIpl, ResidentLock, Store, TargetLock};
