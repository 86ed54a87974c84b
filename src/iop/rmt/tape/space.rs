//! Moving the tape over blocks and filemarks.

use super::{Met, OpenTape};
use crate::iop::job::unit::UnitError;
use crate::iop::rmt::error::RmtError;
use crate::iop::tape::drive::Reopen;
use crate::scsi::command::{Space, SpaceCode};
use crate::scsi::{Command, SenseKey};

impl<R: Reopen> OpenTape<R> {
    pub(super) async fn space_files(&mut self, count: i64) -> Result<(), RmtError> {
        let file = self.file.and_then(|file| file.checked_add_signed(count));
        let spaced = self.space(SpaceCode::Filemarks, count).await;
        match spaced {
            Ok(()) => {
                let block = (count > 0).then_some(0);
                self.set_place(file, block);
                if count > 0 {
                    self.met = Met::Filemark;
                }
                Ok(())
            }
            Err(cause) => {
                let is_end = cause.is_end_of_data();
                self.set_place(None, None);
                if is_end {
                    self.met = Met::EndOfData;
                }
                Err(self.missed(cause).await)
            }
        }
    }

    pub(super) async fn space_records(&mut self, count: i64) -> Result<(), RmtError> {
        let block = self.block.and_then(|block| block.checked_add_signed(count));
        let file = self.file;
        match self.space(SpaceCode::Blocks, count).await {
            Ok(()) => {
                self.set_place(file, block);
                Ok(())
            }
            Err(cause) => {
                let met_filemark = cause.sense().is_some_and(|sense| sense.filemark);
                let is_end = cause.is_end_of_data();
                match (met_filemark, count > 0) {
                    (true, true) => {
                        self.set_place(file.map(|file| file.saturating_add(1)), Some(0));
                        self.met = Met::Filemark;
                    }
                    (true, false) => {
                        self.set_place(file.and_then(|file| file.checked_sub(1)), None)
                    }
                    (false, _) => self.set_place(None, None),
                }
                if is_end {
                    self.met = Met::EndOfData;
                }
                Err(self.missed(cause).await)
            }
        }
    }

    /// SPACE that ended early says so by CHECK CONDITION, with the tape at the mark or the end that it met.
    async fn missed(&mut self, cause: UnitError) -> RmtError {
        let ended_early = cause.sense().is_some_and(|sense| {
            sense.filemark
                || sense.end_of_medium
                || matches!(sense.key, SenseKey::BLANK_CHECK | SenseKey::NO_SENSE)
        });
        if !ended_early {
            return self.fault(cause);
        }
        match self.count().await {
            Ok(()) => RmtError::Unit(cause),
            Err(error) => error,
        }
    }

    async fn space(&mut self, code: SpaceCode, count: i64) -> Result<(), UnitError> {
        if count == 0 {
            return Ok(());
        }
        match self.again(&Command::Space(Space { code, count })).await {
            // tgt refuses SPACE on a write-protected unit, as if it wrote.
            Err(error) if error.has_key(SenseKey::DATA_PROTECT) && count > 0 => {
                self.drive.pass(code, count).await
            }
            outcome => outcome,
        }
    }

    pub(super) async fn go_to_end_of_data(&mut self) -> Result<(), RmtError> {
        let code = SpaceCode::EndOfData;
        let mut outcome = self.again(&Command::Space(Space { code, count: 0 })).await;
        if matches!(&outcome, Err(error) if error.has_key(SenseKey::DATA_PROTECT)) {
            outcome = match self.drive.pass(SpaceCode::Filemarks, i64::MAX).await {
                Err(error) if error.is_end_of_data() => Ok(()),
                outcome => outcome,
            };
        }
        outcome.map_err(|cause| self.fault(cause))
    }
}
