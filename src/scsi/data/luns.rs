//! The parameter data of REPORT LUNS (SPC-4 6.33).

use crate::scsi::DecodeError;
use crate::scsi::lun::Lun;
use crate::scsi::reader::Reader;

/// The parameter data of REPORT LUNS (SPC-4, operation code A0h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunList {
    /// The logical units, in the target's order.
    pub luns: Vec<Lun>,
    /// LUN LIST LENGTH in bytes: what the target has, which may be more than came.
    pub list_length: u32,
}

impl LunList {
    /// Decodes the list as far as it came; an incomplete last entry is left out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the 8-byte header is not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const ITEM: &str = "REPORT LUNS parameter data";
        let mut reader = Reader::new(ITEM, bytes);
        let list_length = reader.u32()?;
        let _reserved = reader.u32()?;
        let mut entries = Reader::new(ITEM, reader.take_up_to(to_usize(list_length)));
        let mut luns = Vec::with_capacity(entries.remaining() / 8);
        while let Ok(lun) = entries.array() {
            luns.push(Lun(lun));
        }
        Ok(Self { luns, list_length })
    }

    /// Returns the parameter data of a list.
    pub fn encode(luns: &[Lun]) -> Vec<u8> {
        let length = u32::try_from(luns.len().saturating_mul(8)).unwrap_or(u32::MAX);
        let mut data = length.to_be_bytes().to_vec();
        data.extend([0; 4]);
        data.extend(luns.iter().flat_map(|lun| lun.0));
        data
    }

    /// Returns how many logical units the target says it has.
    pub fn announced(&self) -> usize {
        to_usize(self.list_length) / 8
    }
}

fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let luns = [0, 5, 300].map(|number| Lun::from_number(number).unwrap());
        assert_eq!(luns[2].0, [0x41, 0x2c, 0, 0, 0, 0, 0, 0]);
        let list = LunList::decode(&LunList::encode(&luns)).unwrap();
        assert_eq!(list.luns, luns);
        assert_eq!(list.announced(), 3);
        assert!(luns.iter().map(|lun| lun.number()).eq([0, 5, 300]));
    }

    #[test]
    fn a_lun_list_is_used_as_far_as_it_came() {
        let mut bytes = vec![0, 0, 0, 24, 0, 0, 0, 0];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0, 2, 0, 0]);
        let list = LunList::decode(&bytes).unwrap();
        assert_eq!(list.announced(), 3);
        assert_eq!(list.luns, [Lun::ZERO, Lun([0, 1, 0, 0, 0, 0, 0, 0])]);
        assert_eq!(
            LunList::decode(&[0, 0, 0, 8]),
            Err(DecodeError::Truncated {
                item: "REPORT LUNS parameter data",
                expected: 8,
                received: 4
            })
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(list) = LunList::decode(&bytes) {
                prop_assert!(list.luns.len() <= bytes.len() / 8);
                prop_assert!(list.luns.len() <= list.announced());
            }
        }
    }
}
