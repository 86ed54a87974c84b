//! Commands that every SCSI device takes (SPC-4), and what they return.

use std::fmt;

use super::reader::Reader;
use super::{Cdb, DecodeError, Request};

/// Returns TEST UNIT READY, which returns no data (SPC-4, operation code 00h).
pub fn test_unit_ready() -> Request {
    Request {
        cdb: Cdb::from([0; 6]),
        allocation_length: 0,
    }
}

/// Returns REQUEST SENSE for fixed format sense data (SPC-4, operation code 03h).
pub fn request_sense(allocation_length: u8) -> Request {
    Request {
        cdb: Cdb::from([0x03, 0, 0, 0, allocation_length, 0]),
        allocation_length: allocation_length.into(),
    }
}

/// Returns INQUIRY for the standard INQUIRY data (SPC-4 6.4.1), which [`InquiryData::decode`] reads.
///
/// SPC-2 devices know only the low byte of the allocation length: more than 255 is not safe as a first question.
pub fn inquiry(allocation_length: u16) -> Request {
    let [high, low] = allocation_length.to_be_bytes();
    Request {
        cdb: Cdb::from([0x12, 0, 0, high, low, 0]),
        allocation_length: allocation_length.into(),
    }
}

/// Returns INQUIRY for a vital product data page (EVPD = 1, SPC-4 6.4.1), which [`super::vpd`] reads.
///
/// SPC-2 devices know only the low byte of the allocation length: more than 255 is not safe as a first question.
pub fn inquiry_vpd(page_code: u8, allocation_length: u16) -> Request {
    let [high, low] = allocation_length.to_be_bytes();
    Request {
        cdb: Cdb::from([0x12, 0x01, page_code, high, low, 0]),
        allocation_length: allocation_length.into(),
    }
}

/// Returns REPORT LUNS with SELECT REPORT 00h (SPC-4, operation code A0h), which [`LunList::decode`] reads.
///
/// The standard wants an allocation length of 16 or more.
pub fn report_luns(allocation_length: u32) -> Request {
    let [a, b, c, d] = allocation_length.to_be_bytes();
    Request {
        cdb: Cdb::from([0xa0, 0, 0, 0, 0, 0, a, b, c, d, 0, 0]),
        allocation_length,
    }
}

/// Returns MODE SENSE(6) for the current values of a page, without block descriptors (DBD = 1), which
/// [`ModeData::decode6`] reads (SPC-4, operation code 1Ah). Only the low six bits of `page_code` count.
pub fn mode_sense6(page_code: u8, allocation_length: u8) -> Request {
    Request {
        cdb: Cdb::from([0x1a, 0x08, page_code & 0x3f, 0, allocation_length, 0]),
        allocation_length: allocation_length.into(),
    }
}

/// Returns MODE SENSE(10) for the current values of a page, without block descriptors (DBD = 1), which
/// [`ModeData::decode10`] reads (SPC-4, operation code 5Ah). Only the low six bits of `page_code` count.
pub fn mode_sense10(page_code: u8, allocation_length: u16) -> Request {
    let [high, low] = allocation_length.to_be_bytes();
    Request {
        cdb: Cdb::from([0x5a, 0x08, page_code & 0x3f, 0, 0, 0, 0, high, low, 0]),
        allocation_length: allocation_length.into(),
    }
}

/// The standard INQUIRY data as far as it tells who the device is (SPC-4 6.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryData {
    /// PERIPHERAL QUALIFIER, byte 0 bits 7-5: 0 when a device is there, 3 when none can be.
    pub peripheral_qualifier: u8,
    /// PERIPHERAL DEVICE TYPE, byte 0 bits 4-0.
    pub device_type: PeripheralDeviceType,
    /// RMB, byte 1 bit 7: the medium is removable.
    pub removable: bool,
    /// VERSION, byte 2.
    pub version: u8,
    /// T10 VENDOR IDENTIFICATION, bytes 8 to 15, blank padded.
    pub vendor: [u8; 8],
    /// PRODUCT IDENTIFICATION, bytes 16 to 31, blank padded.
    pub product: [u8; 16],
    /// PRODUCT REVISION LEVEL, bytes 32 to 35, blank padded.
    pub revision: [u8; 4],
}

impl InquiryData {
    /// Returns standard INQUIRY data of 74 bytes: these fields, RESPONSE DATA FORMAT 2h, CMDQUE, `vendor_specific`
    /// from byte 36, and up to eight version descriptors from byte 58.
    pub fn encode(&self, vendor_specific: &[u8; 20], version_descriptors: &[u16]) -> Vec<u8> {
        let peripheral = self.peripheral_qualifier << 5 | self.device_type.0 & 0x1f;
        let removable = u8::from(self.removable) << 7;
        let mut data = vec![peripheral, removable, self.version, 2, 69, 0, 0, 0x02];
        data.extend(self.vendor);
        data.extend(self.product);
        data.extend(self.revision);
        data.extend(vendor_specific);
        data.extend([0; 2]);
        data.extend(
            version_descriptors
                .iter()
                .flat_map(|code| code.to_be_bytes()),
        );
        data.resize(74, 0);
        data
    }

    /// Decodes the standard INQUIRY data. What ends before byte 36 has blanks in the fields behind its end.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer than the first five bytes came.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const ITEM: &str = "standard INQUIRY data";
        let mut reader = Reader::new(ITEM, bytes);
        let [peripheral, flags, version, _format, additional_length] = reader.array()?;
        let mut body = Reader::new(ITEM, reader.take_up_to(additional_length.into()));
        let _flags = body.take_up_to(3);
        Ok(Self {
            peripheral_qualifier: peripheral >> 5,
            device_type: PeripheralDeviceType(peripheral & 0x1f),
            removable: flags & 0x80 != 0,
            version,
            vendor: body.array_or(b' '),
            product: body.array_or(b' '),
            revision: body.array_or(b' '),
        })
    }
}

/// PERIPHERAL DEVICE TYPE of the INQUIRY data (SPC-4 6.4.2). Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeripheralDeviceType(pub u8);

impl PeripheralDeviceType {
    /// Direct access block device: a disk.
    pub const DIRECT_ACCESS: Self = Self(0x00);
    /// Sequential access device: a tape drive (SSC).
    pub const SEQUENTIAL_ACCESS: Self = Self(0x01);
    /// Medium changer: a library (SMC).
    pub const MEDIUM_CHANGER: Self = Self(0x08);
    /// Storage array controller: what tgt has as its LUN 0.
    pub const STORAGE_ARRAY_CONTROLLER: Self = Self(0x0c);
}

impl fmt::Display for PeripheralDeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::DIRECT_ACCESS => "disk",
            Self::SEQUENTIAL_ACCESS => "tape drive",
            Self::MEDIUM_CHANGER => "medium changer",
            Self::STORAGE_ARRAY_CONTROLLER => "storage array controller",
            Self(code) => return write!(f, "device type {code:02X}h"),
        };
        f.write_str(name)
    }
}

/// A logical unit number, the eight bytes as the target gave them (SAM-5 4.7).
///
/// The bytes are kept because a target may be told only what it said itself: LUN 5 in peripheral and in flat space
/// addressing are different bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogicalUnitNumber(pub [u8; 8]);

impl LogicalUnitNumber {
    /// LUN 0, to which REPORT LUNS goes.
    pub const ZERO: Self = Self([0; 8]);

    /// Returns the number in single level peripheral device addressing below 256, flat space addressing from there, of
    /// which 14 bits fit.
    pub fn from_number(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let method = if number < 256 { 0 } else { 0x40 };
        Self([method | high & 0x3f, low, 0, 0, 0, 0, 0, 0])
    }

    /// Returns the number that people use: the one inside single level peripheral, flat space and extended flat space
    /// addressing; the eight bytes as one big-endian number for every other form.
    pub fn number(self) -> u64 {
        let [a, b, c, d, e, f, g, h] = self.0;
        match (a >> 6, [c, d, e, f, g, h]) {
            // Peripheral device (00b) and flat space (01b) addressing: 14 bits.
            (0 | 1, [0, 0, 0, 0, 0, 0]) => u64::from(u16::from_be_bytes([a & 0x3f, b])),
            // Extended flat space addressing, 24 bits (SAM-5 4.7.7.5).
            (3, [_, _, 0, 0, 0, 0]) if a == 0xd2 => u64::from(u32::from_be_bytes([0, b, c, d])),
            _ => u64::from_be_bytes(self.0),
        }
    }
}

impl fmt::Display for LogicalUnitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The parameter data of REPORT LUNS (SPC-4, operation code A0h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunList {
    /// The logical units, in the target's order.
    pub luns: Vec<LogicalUnitNumber>,
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
            luns.push(LogicalUnitNumber(lun));
        }
        Ok(Self { luns, list_length })
    }

    /// Returns the parameter data of a list.
    pub fn encode(luns: &[LogicalUnitNumber]) -> Vec<u8> {
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

/// Mode parameter data: header, block descriptors, pages (SPC-4 7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeData<'a> {
    /// MEDIUM TYPE.
    pub medium_type: u8,
    /// DEVICE-SPECIFIC PARAMETER; for tape, bit 7 is WP and bits 6-4 the buffered mode.
    pub device_specific_parameter: u8,
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
        reader.take(descriptors.into())?;
        Ok(Self {
            medium_type,
            device_specific_parameter,
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
        reader.take(descriptors.into())?;
        Ok(Self {
            medium_type,
            device_specific_parameter,
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

fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_encoded_as_the_standard_draws_them() {
        let cases: [(Request, &[u8], u32); 8] = [
            (test_unit_ready(), &[0, 0, 0, 0, 0, 0], 0),
            (request_sense(96), &[3, 0, 0, 0, 96, 0], 96),
            (inquiry(0x60), &[0x12, 0, 0, 0, 0x60, 0], 0x60),
            (
                inquiry_vpd(0x83, 0x1234),
                &[0x12, 1, 0x83, 0x12, 0x34, 0],
                0x1234,
            ),
            (
                report_luns(16 * 1024 + 8),
                &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x08, 0, 0],
                16392,
            ),
            (mode_sense6(0x1d, 255), &[0x1a, 8, 0x1d, 0, 255, 0], 255),
            (mode_sense6(0xff, 4), &[0x1a, 8, 0x3f, 0, 4, 0], 4),
            (
                mode_sense10(0x1d, 0x0102),
                &[0x5a, 8, 0x1d, 0, 0, 0, 0, 1, 2, 0],
                0x0102,
            ),
        ];
        for (request, cdb, allocation_length) in cases {
            assert_eq!(request.cdb.as_bytes(), cdb);
            assert_eq!(request.allocation_length, allocation_length);
        }
    }

    #[test]
    fn inquiry_data_of_a_3584_gives_type_and_names() {
        let mut bytes = vec![0x08, 0x80, 0x03, 0x02, 0x35, 0x00, 0x00, 0x00];
        bytes.extend(b"IBM     03584L32        9350 0000078A1234");
        let inquiry = InquiryData::decode(&bytes).unwrap();
        assert_eq!(inquiry.peripheral_qualifier, 0);
        assert_eq!(inquiry.device_type, PeripheralDeviceType::MEDIUM_CHANGER);
        assert!(inquiry.removable);
        assert_eq!(inquiry.version, 3);
        assert_eq!(&inquiry.vendor, b"IBM     ");
        assert_eq!(&inquiry.product, b"03584L32        ");
        assert_eq!(&inquiry.revision, b"9350");
    }

    #[test]
    fn inquiry_data_that_ends_early_has_blanks() {
        let mut bytes = vec![0x7f, 0, 5, 2, 31, 0, 0, 0];
        bytes.extend(b"IBM     ULT");
        let inquiry = InquiryData::decode(&bytes).unwrap();
        assert_eq!(inquiry.peripheral_qualifier, 3);
        assert_eq!(inquiry.device_type, PeripheralDeviceType(0x1f));
        assert_eq!(&inquiry.product, b"ULT             ");
        assert_eq!(&inquiry.revision, b"    ");
        assert!(InquiryData::decode(&[8, 0, 3, 2]).is_err());
    }

    #[test]
    fn bytes_behind_the_additional_length_are_not_names() {
        let mut bytes = vec![0x01, 0x80, 0x03, 0x02, 11, 0, 0, 0];
        bytes.extend(b"IBM     garbage");
        let inquiry = InquiryData::decode(&bytes).unwrap();
        assert_eq!(&inquiry.vendor, b"IBM     ");
        assert_eq!(&inquiry.product, &[b' '; 16]);
    }

    #[test]
    fn lun_numbers_are_read_from_every_addressing_method() {
        let number = |bytes| LogicalUnitNumber(bytes).number();
        assert_eq!(number([0, 5, 0, 0, 0, 0, 0, 0]), 5);
        assert_eq!(number([0x41, 0x2c, 0, 0, 0, 0, 0, 0]), 300);
        assert_eq!(number([0xd2, 0x01, 0x00, 0x02, 0, 0, 0, 0]), 0x1_0002);
        assert_eq!(
            number([0xc1, 0x01, 0, 0, 0, 0, 0, 0]),
            0xc101_0000_0000_0000
        );
        assert_eq!(number([0, 5, 0, 1, 0, 0, 0, 0]), 0x0005_0001_0000_0000);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let inquiry = InquiryData {
            peripheral_qualifier: 0,
            device_type: PeripheralDeviceType::SEQUENTIAL_ACCESS,
            removable: true,
            version: 6,
            vendor: *b"IBM     ",
            product: *b"ULT3580-TD8     ",
            revision: *b"0100",
        };
        let bytes = inquiry.encode(&[0x55; 20], &[0x0460, 0x0960]);
        assert_eq!(bytes[..8], [1, 0x80, 6, 2, 69, 0, 0, 2]);
        assert_eq!(bytes[56..62], [0, 0, 4, 0x60, 9, 0x60]);
        assert_eq!(bytes.len(), 74);
        assert_eq!(InquiryData::decode(&bytes), Ok(inquiry));

        let luns = [0, 5, 300].map(LogicalUnitNumber::from_number);
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
        assert_eq!(
            list.luns,
            [
                LogicalUnitNumber::ZERO,
                LogicalUnitNumber([0, 1, 0, 0, 0, 0, 0, 0])
            ]
        );
        assert_eq!(
            LunList::decode(&[0, 0, 0, 8]),
            Err(DecodeError::Truncated {
                item: "REPORT LUNS parameter data",
                expected: 8,
                received: 4
            })
        );
    }

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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), code: u8) {
            let _ = InquiryData::decode(&bytes);
            if let Ok(list) = LunList::decode(&bytes) {
                prop_assert!(list.luns.len() <= bytes.len() / 8);
                prop_assert!(list.luns.len() <= list.announced());
            }
            for data in [ModeData::decode6(&bytes), ModeData::decode10(&bytes)].into_iter().flatten() {
                let _ = data.page(code);
            }
        }
    }
}
