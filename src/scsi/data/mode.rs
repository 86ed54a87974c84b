//! Mode parameter data (SPC-4 7.5): header, block descriptors, pages; and the element address assignment page of SMC-3.

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// Mode parameter data: header, block descriptors, pages (SPC-4 7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeData<'a> {
    /// MEDIUM TYPE.
    pub medium_type: u8,
    /// DEVICE-SPECIFIC PARAMETER; for tape, bit 7 is WP and bits 6-4 the buffered mode.
    pub device_specific_parameter: u8,
    /// DENSITY CODE of the first block descriptor of tape (SSC-4 8.3); none without one.
    pub density_code: Option<u8>,
    pages: &'a [u8],
}

impl<'a> ModeData<'a> {
    /// Decodes the parameter data of MODE SENSE(6).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the header or the block descriptors are not whole.
    pub fn decode6(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("MODE SENSE(6) parameter data", bytes);
        let [_length, medium_type, device_specific_parameter, descriptors] = reader.array()?;
        let descriptors = reader.take(descriptors.into())?;
        Ok(Self {
            medium_type,
            device_specific_parameter,
            density_code: descriptors.first().copied(),
            pages: reader.take_up_to(usize::MAX),
        })
    }

    /// Decodes the parameter data of MODE SENSE(10).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the header or the block descriptors are not whole.
    pub fn decode10(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("MODE SENSE(10) parameter data", bytes);
        let _length = reader.u16()?;
        let [medium_type, device_specific_parameter, _long_lba, _reserved] = reader.array()?;
        let descriptors = reader.u16()?;
        let descriptors = reader.take(descriptors.into())?;
        Ok(Self {
            medium_type,
            device_specific_parameter,
            density_code: descriptors.first().copied(),
            pages: reader.take_up_to(usize::MAX),
        })
    }

    /// Returns what follows the header of the page with this code (page_0 format, SPC-4 7.5), as far as it came;
    /// none when the page is not there.
    pub fn page(&self, page_code: u8) -> Option<&'a [u8]> {
        let mut reader = Reader::new("mode page", self.pages);
        loop {
            let first = reader.u8().ok()?;
            let subpage_format = first & 0x40 != 0;
            let length = if subpage_format {
                let _subpage_code = reader.u8().ok()?;
                reader.u16().ok()?
            } else {
                u16::from(reader.u8().ok()?)
            };
            let parameters = reader.take_up_to(length.into());
            if !subpage_format && first & 0x3f == page_code {
                return Some(parameters);
            }
        }
    }
}

/// The elements of one type: the first address and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElementRange {
    /// FIRST ... ELEMENT ADDRESS.
    pub first: u16,
    /// NUMBER OF ... ELEMENTS.
    pub count: u16,
}

/// Element address assignment mode page, 1Dh (SMC-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementAddressAssignment {
    /// Medium transport elements, bytes 2 to 5.
    pub medium_transport: ElementRange,
    /// Storage elements, bytes 6 to 9.
    pub storage: ElementRange,
    /// Import/export elements, bytes 10 to 13.
    pub import_export: ElementRange,
    /// Data transfer elements, bytes 14 to 17.
    pub data_transfer: ElementRange,
}

impl ElementAddressAssignment {
    /// PAGE CODE.
    pub const PAGE_CODE: u8 = 0x1d;

    /// Decodes the parameter data of MODE SENSE(6).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the page is missing or not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let data = ModeData::decode6(bytes)?;
        let page = data.page(Self::PAGE_CODE).unwrap_or_default();
        let mut reader = Reader::new("element address assignment mode page", page);
        let mut range = || -> Result<ElementRange, DecodeError> {
            Ok(ElementRange {
                first: reader.u16()?,
                count: reader.u16()?,
            })
        };
        Ok(Self {
            medium_transport: range()?,
            storage: range()?,
            import_export: range()?,
            data_transfer: range()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mode_pages_are_found_behind_block_descriptors_and_subpages() {
        let bytes = [
            20, 0, 0x90, 8, 1, 2, 3, 4, 5, 6, 7, 8, // header, block descriptor
            0x5f, 0x01, 0, 2, 9, 9, // page 1Fh, subpage 01h
            0x9d, 3, 1, 2, 3, // PS, page 1Dh
        ];
        let data = ModeData::decode6(&bytes).unwrap();
        assert_eq!(data.device_specific_parameter, 0x90);
        assert_eq!(data.page(0x1d), Some(&[1, 2, 3][..]));
        assert_eq!(data.page(0x1f), None);

        let bytes = [0, 11, 7, 0, 0, 0, 0, 0, 0x1d, 9, 1];
        let data = ModeData::decode10(&bytes).unwrap();
        assert_eq!(data.medium_type, 7);
        assert_eq!(data.page(0x1d), Some(&[1][..]));
        assert!(ModeData::decode6(&[3, 0, 0, 8]).is_err());
    }

    #[test]
    fn page_1d_gives_first_addresses_and_counts() {
        let bytes = [
            0x17, 0, 0, 0, 0x1d, 0x12, 0, 1, 0, 1, 4, 1, 0, 40, 3, 1, 0, 4, 1, 1, 0, 2, 0, 0,
        ];
        let page = ElementAddressAssignment::decode(&bytes).unwrap();
        let range = |first, count| ElementRange { first, count };
        assert_eq!(page.medium_transport, range(1, 1));
        assert_eq!(page.storage, range(0x401, 40));
        assert_eq!(page.import_export, range(0x301, 4));
        assert_eq!(page.data_transfer, range(0x101, 2));
        assert!(ElementAddressAssignment::decode(&bytes[..20]).is_err());
        assert!(ElementAddressAssignment::decode(&[3, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), code: u8) {
            for data in [ModeData::decode6(&bytes), ModeData::decode10(&bytes)].into_iter().flatten() {
                let _ = data.page(code);
            }
            let _ = ElementAddressAssignment::decode(&bytes);
        }
    }
}
