//! Vital product data (SPC-4 7.8): who a device says it is.

use super::inquiry::PeripheralDeviceType;
use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// Supported VPD pages.
pub const SUPPORTED_PAGES: u8 = 0x00;
/// Unit serial number.
pub const UNIT_SERIAL_NUMBER: u8 = 0x80;
/// Device identification.
pub const DEVICE_IDENTIFICATION: u8 = 0x83;
/// IBM's page from which IBM i takes a library's type and model; vendor specific.
pub const IBM_TYPE_MODEL: u8 = 0xd0;

/// A vital product data page: its header and what came of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VpdPage<'a> {
    /// What follows the 4-byte header, as far as it came.
    pub contents: &'a [u8],
    /// PAGE LENGTH in bytes, without the header.
    pub page_length: u16,
}

impl<'a> VpdPage<'a> {
    /// Decodes the page that was asked for.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the header is not whole; [`DecodeError::UnexpectedCode`] when it is another
    /// page.
    pub fn decode(page_code: u8, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ITEM, bytes);
        let [_peripheral, received] = reader.array()?;
        let page_length = reader.u16()?;
        if received != page_code {
            return Err(DecodeError::UnexpectedCode {
                item: ITEM,
                field: "PAGE CODE",
                expected: page_code,
                received,
            });
        }
        Ok(Self {
            contents: reader.take_up_to(page_length.into()),
            page_length,
        })
    }

    /// Returns a page: its header, then `contents`, of which the first 65535 bytes fit.
    pub fn encode(device_type: PeripheralDeviceType, page_code: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
        let mut page = vec![device_type.0, page_code];
        page.extend(length.to_be_bytes());
        page.extend(contents.iter().take(length.into()));
        page
    }

    /// Returns the allocation length that the whole page needs.
    pub fn needed_length(&self) -> u32 {
        u32::from(self.page_length).saturating_add(4)
    }

    /// Returns whether less came than PAGE LENGTH says.
    pub fn is_cut(&self) -> bool {
        self.contents.len() < usize::from(self.page_length)
    }
}

const ITEM: &str = "VPD page";

/// Decodes page 00h: the codes of the pages that the device has, in its order.
///
/// # Errors
/// As [`VpdPage::decode`].
pub fn supported_pages(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    VpdPage::decode(SUPPORTED_PAGES, bytes).map(|page| page.contents.to_vec())
}

/// A designation descriptor of page 83h (SPC-4 7.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designator {
    /// CODE SET of the bytes.
    pub code_set: CodeSet,
    /// ASSOCIATION: 0 names the logical unit, 1 the target port, 2 the target device.
    pub association: u8,
    /// DESIGNATOR TYPE.
    pub designator_type: DesignatorType,
    /// DESIGNATOR, at most 255 bytes.
    pub bytes: Vec<u8>,
}

/// Decodes the contents of page 83h; a last designator that is not whole is left out.
pub fn designators(page: &VpdPage<'_>) -> Vec<Designator> {
    let mut reader = Reader::new(ITEM, page.contents);
    let mut designators = Vec::new();
    while let Ok([first, second, _reserved, length]) = reader.array() {
        let Ok(bytes) = reader.take(length.into()) else {
            break;
        };
        designators.push(Designator {
            code_set: CodeSet(first & 0x0f),
            association: second >> 4 & 0x03,
            designator_type: DesignatorType(second & 0x0f),
            bytes: bytes.to_vec(),
        });
    }
    designators
}

impl Designator {
    /// ASSOCIATION of a designator that names the logical unit.
    pub const OF_LOGICAL_UNIT: u8 = 0;
    /// ASSOCIATION of a designator that names the target port.
    pub const OF_TARGET_PORT: u8 = 1;

    /// Returns the descriptor; of the designator the first 255 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let length = u8::try_from(self.bytes.len()).unwrap_or(u8::MAX);
        let kind = self.association << 4 & 0x30 | self.designator_type.0 & 0x0f;
        let mut descriptor = vec![self.code_set.0 & 0x0f, kind, 0, length];
        descriptor.extend(self.bytes.iter().take(length.into()));
        descriptor
    }
}

/// CODE SET of a designator. Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeSet(pub u8);

impl CodeSet {
    /// Binary values.
    pub const BINARY: Self = Self(1);
    /// Printable ASCII.
    pub const ASCII: Self = Self(2);
    /// UTF-8.
    pub const UTF8: Self = Self(3);
}

/// DESIGNATOR TYPE. Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DesignatorType(pub u8);

impl DesignatorType {
    /// Vendor specific.
    pub const VENDOR_SPECIFIC: Self = Self(0);
    /// T10 vendor identification: VENDOR IDENTIFICATION, then what the vendor likes.
    pub const T10_VENDOR_ID: Self = Self(1);
    /// EUI-64 based.
    pub const EUI_64: Self = Self(2);
    /// NAA.
    pub const NAA: Self = Self(3);
    /// Relative target port identifier.
    pub const RELATIVE_TARGET_PORT: Self = Self(4);
}

/// Machine type and model of an IBM library, from page D0h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineTypeModel {
    /// Machine type, 0 to 9999: 3584.
    pub machine_type: u16,
    /// Model, 0 to 9999: 403.
    pub model: u16,
}

impl MachineTypeModel {
    /// Finds record 000Bh in the contents of page D0h: its value is `80 00 00 00`, type and model, each two bytes of
    /// BCD.
    ///
    /// The page is a signature, `04` and "SCDD", then records of a 2-byte id, a 1-byte length and a value. None when
    /// the signature is another one, the record is missing or cut off, or a digit is not decimal.
    pub fn decode(page: &VpdPage<'_>) -> Option<Self> {
        let mut reader = Reader::new(ITEM, page.contents);
        if reader.take(SIGNATURE.len()).ok()? != SIGNATURE {
            return None;
        }
        loop {
            let id = reader.u16().ok()?;
            let length = reader.u8().ok()?;
            let mut value = Reader::new(ITEM, reader.take(length.into()).ok()?);
            if id == TYPE_MODEL_RECORD {
                let _flags = value.u32().ok()?;
                return Some(Self {
                    machine_type: decimal(value.array().ok()?)?,
                    model: decimal(value.array().ok()?)?,
                });
            }
        }
    }
}

impl MachineTypeModel {
    /// Returns the contents of a page D0h that has record 000Bh alone; the last four decimal digits of each number.
    pub fn encode(self) -> Vec<u8> {
        let mut contents = SIGNATURE.to_vec();
        contents.extend(TYPE_MODEL_RECORD.to_be_bytes());
        contents.extend([8, 0x80, 0, 0, 0]);
        contents.extend(binary_coded(self.machine_type));
        contents.extend(binary_coded(self.model));
        contents
    }
}

const SIGNATURE: &[u8] = b"\x04SCDD";
const TYPE_MODEL_RECORD: u16 = 0x000b;

/// Returns the last four decimal digits as two bytes of BCD.
fn binary_coded(number: u16) -> [u8; 2] {
    let pair = |number: u16| {
        let (tens, units) = (number / 10 % 10, number % 10);
        u8::try_from(tens << 4 | units).unwrap_or(0)
    };
    [pair(number / 100), pair(number)]
}

/// Returns the value of two bytes of BCD; none when a nibble is above 9.
fn decimal(bcd: [u8; 2]) -> Option<u16> {
    let [high, low] = bcd;
    let nibbles = [high >> 4, high & 0x0f, low >> 4, low & 0x0f];
    nibbles.into_iter().try_fold(0u16, |number, digit| {
        (digit <= 9).then(|| number * 10 + u16::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let model = MachineTypeModel {
            machine_type: 3584,
            model: 403,
        };
        let contents = model.encode();
        assert_eq!(
            contents,
            b"\x04SCDD\x00\x0b\x08\x80\x00\x00\x00\x35\x84\x04\x03"
        );
        let bytes = VpdPage::encode(
            PeripheralDeviceType::MEDIUM_CHANGER,
            IBM_TYPE_MODEL,
            &contents,
        );
        assert_eq!(bytes[..4], [0x08, 0xd0, 0, 16]);
        let page = VpdPage::decode(IBM_TYPE_MODEL, &bytes).unwrap();
        assert_eq!(MachineTypeModel::decode(&page), Some(model));

        let port = Designator {
            code_set: CodeSet::BINARY,
            association: Designator::OF_TARGET_PORT,
            designator_type: DesignatorType::RELATIVE_TARGET_PORT,
            bytes: vec![0, 0, 0, 1],
        };
        assert_eq!(port.encode(), [1, 0x14, 0, 4, 0, 0, 0, 1]);
        let bytes = VpdPage::encode(
            PeripheralDeviceType::SEQUENTIAL_ACCESS,
            DEVICE_IDENTIFICATION,
            &port.encode(),
        );
        let page = VpdPage::decode(DEVICE_IDENTIFICATION, &bytes).unwrap();
        assert_eq!(designators(&page), [port]);
    }

    #[test]
    fn another_page_than_the_one_asked_for_is_an_error() {
        assert_eq!(
            VpdPage::decode(0x80, &[0x08, 0x00, 0, 1, 0x00]),
            Err(DecodeError::UnexpectedCode {
                item: "VPD page",
                field: "PAGE CODE",
                expected: 0x80,
                received: 0x00
            })
        );
        assert!(VpdPage::decode(0x80, &[0x08, 0x80, 0]).is_err());
    }

    #[test]
    fn a_cut_page_says_what_it_needs() {
        let page = VpdPage::decode(0x80, &[1, 0x80, 1, 0, b'A', b'B']).unwrap();
        assert_eq!(page.contents, b"AB");
        assert!(page.is_cut());
        assert_eq!(page.needed_length(), 260);
        let page = VpdPage::decode(0x80, &[1, 0x80, 0, 1, b'A', b'B']).unwrap();
        assert_eq!(page.contents, b"A", "bytes behind the page are not its own");
        assert!(!page.is_cut());
    }

    #[test]
    fn supported_pages_are_listed_in_the_devices_order() {
        let bytes = [8, 0, 0, 4, 0x00, 0x80, 0x83, 0xd0];
        assert_eq!(supported_pages(&bytes).unwrap(), [0x00, 0x80, 0x83, 0xd0]);
    }

    #[test]
    fn designators_are_read_and_a_cut_one_is_left_out() {
        let mut bytes = vec![0x01, 0x83, 0x00, 0x30];
        bytes.extend([0x02, 0x01, 0, 12]);
        bytes.extend(b"IBM     0123");
        bytes.extend([0x01, 0x03, 0, 8, 0x50, 0x05, 0x07, 0x63, 1, 2, 3, 4]);
        bytes.extend([0x61, 0x93, 0, 8, 0x50, 0x05]);
        let list = designators(&VpdPage::decode(0x83, &bytes).unwrap());
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].designator_type, DesignatorType::T10_VENDOR_ID);
        assert_eq!(list[0].code_set, CodeSet::ASCII);
        assert_eq!(list[0].bytes, b"IBM     0123");
        assert_eq!(list[1].designator_type, DesignatorType::NAA);
        assert_eq!(list[1].association, 0);
    }

    #[test]
    fn association_is_its_own_field() {
        let bytes = [1, 0x83, 0, 8, 0x61, 0x93, 0, 4, 1, 2, 3, 4];
        let list = designators(&VpdPage::decode(0x83, &bytes).unwrap());
        assert_eq!(list[0].association, 1);
        assert_eq!(list[0].code_set, CodeSet::BINARY);
    }

    fn page_d0(type_model: [u8; 4]) -> Vec<u8> {
        let mut contents = b"\x04SCDD".to_vec();
        contents.extend([0x00, 0x01, 3, 9, 9, 9]); // a record that is not ours
        contents.extend([0x00, 0x0b, 8, 0x80, 0, 0, 0]);
        contents.extend(type_model);
        let mut page = vec![0x08, 0xd0, 0, contents.len() as u8];
        page.extend(contents);
        page
    }

    fn type_model(bytes: &[u8]) -> Option<MachineTypeModel> {
        MachineTypeModel::decode(&VpdPage::decode(IBM_TYPE_MODEL, bytes).unwrap())
    }

    #[test]
    fn page_d0_gives_type_and_model_in_decimal() {
        let found = type_model(&page_d0([0x35, 0x84, 0x04, 0x03])).unwrap();
        assert_eq!((found.machine_type, found.model), (3584, 403));
        let found = type_model(&page_d0([0x35, 0x73, 0x00, 0x40])).unwrap();
        assert_eq!((found.machine_type, found.model), (3573, 40));
    }

    #[test]
    fn page_d0_without_a_sound_record_gives_nothing() {
        assert_eq!(type_model(&page_d0([0x35, 0x84, 0x04, 0x0a])), None);
        let mut other = page_d0([0x35, 0x84, 0x04, 0x03]);
        other[5] = b'X';
        assert_eq!(type_model(&other), None);
        let whole = page_d0([0x35, 0x84, 0x04, 0x03]);
        assert_eq!(type_model(&whole[..whole.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), sign: bool) {
            if sign && bytes.len() > 9 {
                bytes[4..9].copy_from_slice(SIGNATURE);
            }
            for code in [SUPPORTED_PAGES, UNIT_SERIAL_NUMBER, DEVICE_IDENTIFICATION, IBM_TYPE_MODEL] {
                if bytes.len() > 1 {
                    bytes[1] = code;
                }
                if let Ok(page) = VpdPage::decode(code, &bytes) {
                    prop_assert!(page.contents.len() <= usize::from(page.page_length));
                    prop_assert!(designators(&page).len() <= bytes.len() / 4);
                    let _ = MachineTypeModel::decode(&page);
                }
            }
        }
    }
}
