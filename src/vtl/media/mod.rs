//! Cartridges: write protection, and what is recorded on them.
#![allow(
    clippy::disallowed_methods,
    reason = "media on disk are files of the library"
)]

mod append;
mod directory;
mod index;
mod kept;
mod record;
mod segments;
mod tap;
mod tape;

use std::io;

use super::auxiliary_memory::AuxiliaryMemory;
use super::barcode::Barcode;
pub(super) use append::{Append, Appended, Objects};
pub(super) use directory::MediaDirectory;
pub(super) use directory::{CartridgeStore, Placed};
pub use record::RECORD_COST;
pub(super) use record::{Kind, Record};
pub(super) use tape::{BlockRead, ReadAhead, Tape, TapeError};

/// A cartridge, wherever it is.
#[derive(Debug)]
pub(super) struct Cartridge {
    pub(super) volume: Barcode,
    pub(super) write_protected: bool,
    /// Address of the storage or import/export element that it came from.
    pub(super) source: Option<u16>,
    pub(super) memory: Box<AuxiliaryMemory>,
    /// What is recorded on it: always there in memory, opened by a drive when it is a file.
    tape: Option<Box<Tape>>,
}

impl Cartridge {
    pub(super) fn new(volume: Barcode, write_protected: bool) -> Self {
        Self {
            volume,
            write_protected,
            source: None,
            memory: Box::default(),
            tape: None,
        }
    }

    /// Makes the tape accessible.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(super) fn open(&mut self, cartridge_store: &CartridgeStore) -> io::Result<()> {
        if self.tape.is_none() {
            self.tape = Some(Box::new(cartridge_store.tape(&self.volume)?));
        }
        Ok(())
    }

    /// Makes sure that everything written stays, and closes the file.
    ///
    /// # Errors
    /// When the file cannot be synced; it stays open then. That is reported once: the next call closes it.
    pub(super) fn close(&mut self, cartridge_store: &CartridgeStore) -> io::Result<()> {
        if !self.has_failed() {
            self.sync()?;
        }
        if let Some(tape) = self.tape.take_if(|tape| tape.is_file()) {
            cartridge_store.close(*tape);
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.tape.as_deref_mut().map_or(Ok(()), Tape::sync)
    }

    /// Returns whether a sync of the tape failed since it was loaded.
    pub(super) fn has_failed(&self) -> bool {
        self.tape.as_deref().is_some_and(Tape::has_failed)
    }

    /// Returns whether the tape has to be opened before it can be loaded: it is not open, or a sync of it has failed, so
    /// that a scan of its file decides what is on it.
    pub(super) fn needs_opening(&self) -> bool {
        self.tape.is_none() || self.has_failed()
    }

    /// Opens the tape where that is needed.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(super) fn reopen(&mut self, cartridge_store: &CartridgeStore) -> io::Result<()> {
        if self.needs_opening() {
            self.tape = Some(Box::new(cartridge_store.tape(&self.volume)?));
        }
        Ok(())
    }

    pub(super) fn tape(&self) -> Option<&Tape> {
        self.tape.as_deref()
    }

    pub(super) fn tape_mut(&mut self) -> Option<&mut Tape> {
        self.tape.as_deref_mut()
    }
}
