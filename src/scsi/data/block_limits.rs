//! The parameter data of READ BLOCK LIMITS (SSC-4 7.6).

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// Which block lengths a drive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// GRANULARITY: lengths are multiples of 2 to this power.
    pub granularity: u8,
    /// MAXIMUM BLOCK LENGTH LIMIT in bytes, of which 24 bits fit; 0 for no limit.
    pub longest: u32,
    /// MINIMUM BLOCK LENGTH LIMIT in bytes.
    pub shortest: u16,
}

impl BlockLimits {
    /// Returns the parameter data.
    pub fn encode(self) -> Vec<u8> {
        let [_, a, b, c] = self.longest.min(0x00ff_ffff).to_be_bytes();
        let [d, e] = self.shortest.to_be_bytes();
        vec![self.granularity & 0x1f, a, b, c, d, e]
    }

    /// Returns whether a block of so many bytes is no longer than the drive takes. The shortest is left to the drive: tgt says 4 and
    /// takes 1.
    pub const fn allow(self, length: u64) -> bool {
        self.longest == 0 || length <= self.longest as u64
    }

    /// Decodes the parameter data.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer than six bytes came.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("READ BLOCK LIMITS parameter data", bytes);
        Ok(Self {
            granularity: reader.u8()? & 0x1f,
            longest: reader.u24()?,
            shortest: reader.u16()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_encoded_as_the_standard_draws_them() {
        let limits = BlockLimits {
            granularity: 2,
            longest: 0x80_0000,
            shortest: 4,
        };
        assert_eq!(limits.encode(), [2, 0x80, 0, 0, 0, 4]);
        assert_eq!(BlockLimits::decode(&limits.encode()), Ok(limits));
        assert!(BlockLimits::decode(&[0; 5]).is_err());
        let allowed = [1, 0x80_0000, 0x80_0001].map(|length| limits.allow(length));
        assert_eq!(allowed, [true, true, false]);
    }
}
