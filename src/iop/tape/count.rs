//! How many blocks and filemarks are on a tape.

use super::drive::{Reopen, TapeDrive};
use super::job::TapeError;
use super::read::{Object, TapeReader};

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Blocks.
    pub blocks: u64,
    /// Filemarks.
    pub filemarks: u64,
    /// Bytes of the blocks; none where they were counted without being read.
    pub bytes: Option<u64>,
}

/// Counts what is on a tape, from its beginning to the end of its data: by winding where the drive counts objects, else by
/// reading all of it.
///
/// # Errors
/// [`TapeError`].
pub async fn count<R: Reopen>(
    drive: &mut TapeDrive<R>,
    progress: &mut dyn FnMut(u64),
) -> Result<Counted, TapeError> {
    drive.rewind().await?;
    let mut filemarks = 0_u64;
    while drive.next_file().await? {
        filemarks = filemarks.saturating_add(1);
    }
    if let Some(objects) = drive.object().await?
        && let Some(blocks) = objects.checked_sub(filemarks)
    {
        return Ok(Counted {
            blocks,
            filemarks,
            bytes: None,
        });
    }
    let mut reader = TapeReader::of_any_length(drive).await?;
    let mut counted = Counted::default();
    let mut bytes = 0_u64;
    loop {
        match reader.next().await? {
            Object::Block(block) => {
                counted.blocks = counted.blocks.saturating_add(1);
                bytes = bytes.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
                progress(bytes);
            }
            Object::Filemark => counted.filemarks = counted.filemarks.saturating_add(1),
            Object::EndOfData => break,
        }
    }
    counted.bytes = Some(bytes);
    Ok(counted)
}
