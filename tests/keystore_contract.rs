//! The Platform KeyStore and the partition it belongs to, checked from outside through the binary.
//!
//! Every run of a [`system::System`] looks for each of its secrets in what was printed and in every file of both
//! directories. Which secret is used is proved by the embedded library, which refuses an initiator that does
//! not know it.
//!
//! Statuses, documents and key words are asserted, not whole sentences: the wording is free to get better.

/// A re-IPL beside changes: the old credential or the new one, and no mixture.
#[cfg(feature = "peers")]
mod beside;
/// Copies, flipped bytes, permissions, links: what the files of the KeyStore give away, and what they resist.
mod files;
/// The partition's export and import, and a configuration whose KeyStore stayed behind.
mod mobility;
/// Enabling, disabling, shrinking, moving, and what a size holds.
mod moving;
/// The partition: UUID, release, default initiator name.
mod partition;
/// What a search for a secret looks for, and the proof that it finds it.
mod search;
/// Secrets from a file or from standard input.
mod secret_file;
/// A partition under test: two directories, a machine id, and the secrets that must not be seen.
mod system;
