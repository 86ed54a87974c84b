//! The numbers of Linux that the remote tape protocol carries: flags of open(2), operations of MTIOCTOP, and the status of
//! MTIOCGET.

use bytes::Bytes;

/// The flags of open(2) that matter, as Linux numbers them.
pub(super) mod open_flags {
    pub const ACCESS_MODE: u64 = 0o3;
    pub const WRITE_ONLY: u64 = 0o1;
    pub const READ_WRITE: u64 = 0o2;
    pub const NON_BLOCKING: u64 = 0o4000;
}

/// The operations of MTIOCTOP, as linux/mtio.h numbers them.
pub(super) mod operation {
    pub const FORWARD_FILES: i64 = 1;
    pub const BACKWARD_FILES: i64 = 2;
    pub const FORWARD_RECORDS: i64 = 3;
    pub const BACKWARD_RECORDS: i64 = 4;
    pub const WRITE_FILEMARKS: i64 = 5;
    pub const REWIND: i64 = 6;
    pub const OFFLINE: i64 = 7;
    pub const NOTHING: i64 = 8;
    pub const RETENSION: i64 = 9;
    pub const BACKWARD_FILES_BEHIND: i64 = 10;
    pub const FORWARD_FILES_BEFORE: i64 = 11;
    pub const END_OF_DATA: i64 = 12;
    pub const ERASE: i64 = 13;
    pub const SET_BLOCK_LENGTH: i64 = 20;
    pub const SEEK: i64 = 22;
    pub const LOCK: i64 = 28;
    pub const UNLOCK: i64 = 29;
    pub const LOAD: i64 = 30;
    pub const UNLOAD: i64 = 31;
    pub const WRITE_FILEMARKS_AT_ONCE: i64 = 35;
}

/// Bits of `mt_gstat`, as linux/mtio.h has them.
mod general_status {
    pub const AT_FILEMARK: u32 = 0x8000_0000;
    pub const AT_BEGINNING: u32 = 0x4000_0000;
    pub const AT_END_OF_TAPE: u32 = 0x2000_0000;
    pub const AT_END_OF_DATA: u32 = 0x0800_0000;
    pub const WRITE_PROTECTED: u32 = 0x0400_0000;
    pub const ONLINE: u32 = 0x0100_0000;
    pub const EMPTY: u32 = 0x0004_0000;
    pub const BUFFERED: u32 = 0x0001_0000;
}

/// `mt_type` of a drive that speaks SCSI-2 or later, MT_ISSCSI2.
const SCSI_TAPE: isize = 0x72;

/// What MTIOCGET tells of a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MtStatus {
    /// Filemarks before the position, where they are known.
    pub file: Option<u64>,
    /// Blocks behind the last of them, where they are known.
    pub block: Option<u64>,
    /// Density code of the cartridge.
    pub density: u8,
    /// There is a cartridge in the drive.
    pub is_loaded: bool,
    /// It cannot be written.
    pub is_write_protected: bool,
    /// The end of the medium is near.
    pub is_near_end: bool,
    /// The tape stands behind the last object.
    pub is_behind_data: bool,
}

impl MtStatus {
    /// Returns the `struct mtget` as this machine lays it out: mt_type, mt_resid, mt_dsreg (density and block length, 0 for a
    /// variable one), mt_gstat and mt_erreg as long, mt_fileno and mt_blkno as int.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use general_status as bits;
        let at = |is: bool, bit: u32| if is { bit } else { 0 };
        let at_start_of_file = self.block == Some(0);
        let general = at(at_start_of_file && self.file == Some(0), bits::AT_BEGINNING)
            | at(at_start_of_file && self.file != Some(0), bits::AT_FILEMARK)
            | at(self.is_near_end, bits::AT_END_OF_TAPE)
            | at(self.is_behind_data, bits::AT_END_OF_DATA)
            | at(self.is_write_protected, bits::WRITE_PROTECTED)
            | at(self.is_loaded, bits::ONLINE)
            | at(!self.is_loaded, bits::EMPTY)
            | bits::BUFFERED;
        // A long of 32 bits has the same bits.
        let long = |value: u32| isize::try_from(value).unwrap_or(value.cast_signed() as isize);
        let number = |value: Option<u64>| {
            value
                .and_then(|value| i32::try_from(value).ok())
                .unwrap_or(-1)
        };
        let longs = [
            SCSI_TAPE,
            0,
            long(u32::from(self.density) << 24),
            long(general),
            0,
        ];
        let ints = [number(self.file), number(self.block)];
        let longs = longs.into_iter().flat_map(isize::to_ne_bytes);
        longs
            .chain(ints.into_iter().flat_map(i32::to_ne_bytes))
            .collect()
    }
}
