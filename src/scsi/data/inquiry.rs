//! The standard INQUIRY data (SPC-4 6.6.2): who a device is.

use std::fmt;

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// The standard INQUIRY data as far as it tells who the device is (SPC-4 6.6.2).
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

/// PERIPHERAL DEVICE TYPE of the INQUIRY data (SPC-4 6.6.2). Unknown codes are kept.
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
    /// Unknown or no device type.
    pub const UNKNOWN: Self = Self(0x1f);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = InquiryData::decode(&bytes);
        }
    }
}
