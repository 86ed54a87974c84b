//! The parameter data of READ ELEMENT STATUS (SMC-3): [`ElementStatus`] decodes it, [`element_status`] encodes it.

mod report;

use std::fmt;

pub use report::{ElementReport, element_status};

use super::vpd::{CodeSet, DesignatorType};
use crate::scsi::reader::Reader;
use crate::scsi::{AdditionalSenseCode, DecodeError};

/// An element type that a changer has (SMC-3): where a cartridge can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementType {
    /// Medium transport element, 1h: the picker.
    MediumTransport,
    /// Storage element, 2h: a slot.
    Storage,
    /// Import/export element, 3h.
    ImportExport,
    /// Data transfer element, 4h: a drive.
    DataTransfer,
}

impl ElementType {
    /// Returns the ELEMENT TYPE CODE.
    pub fn code(self) -> u8 {
        match self {
            Self::MediumTransport => 1,
            Self::Storage => 2,
            Self::ImportExport => 3,
            Self::DataTransfer => 4,
        }
    }

    /// Returns the type of an ELEMENT TYPE CODE; `None` for 0h, which asks for all types, and unknown codes.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::MediumTransport,
            2 => Self::Storage,
            3 => Self::ImportExport,
            4 => Self::DataTransfer,
            _ => return None,
        })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediumTransport => "medium transport",
            Self::Storage => "storage",
            Self::ImportExport => "import/export",
            Self::DataTransfer => "data transfer",
        })
    }
}

/// The parameter data of READ ELEMENT STATUS (SMC-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementStatus<'a> {
    /// FIRST ELEMENT ADDRESS REPORTED. Not to be relied on: tgt gets it wrong for transport elements.
    pub first_element_address: u16,
    /// NUMBER OF ELEMENTS AVAILABLE.
    pub number_of_elements: u16,
    /// BYTE COUNT OF REPORT AVAILABLE, without this 8-byte header, whatever the allocation length was.
    pub byte_count: u32,
    /// Whether less came than BYTE COUNT OF REPORT AVAILABLE says.
    pub cut_short: bool,
    /// The pages that came, at most [`ElementStatus::MAX_PAGES`]; the last may be cut short.
    pub pages: Vec<ElementStatusPage<'a>>,
}

impl<'a> ElementStatus<'a> {
    /// The most pages that are read. A device has one per element type, and one more for each descriptor length.
    pub const MAX_PAGES: usize = 1024;

    /// Decodes the report as far as it came. Pages of an element type that SMC-3 does not know are passed over.
    ///
    /// Devices get the counts wrong: where BYTE COUNT OF REPORT AVAILABLE is less than the pages have, the pages count;
    /// where BYTE COUNT OF DESCRIPTOR DATA AVAILABLE is less than the report has and no further page follows, what
    /// is left belongs to the last page. Bytes behind the report are not read.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the 8-byte header is not whole; [`DecodeError::LengthTooSmall`] when a page's
    /// descriptors cannot be told apart; [`DecodeError::TooMany`] beyond [`ElementStatus::MAX_PAGES`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ITEM, bytes);
        let first_element_address = reader.u16()?;
        let number_of_elements = reader.u16()?;
        let _reserved = reader.u8()?;
        let byte_count = reader.u24()?;
        let report_length = usize::try_from(byte_count).unwrap_or(usize::MAX);
        let mut status = Self {
            first_element_address,
            number_of_elements,
            byte_count,
            cut_short: reader.remaining() < report_length,
            pages: Vec::new(),
        };
        let behind_report = reader.remaining().saturating_sub(report_length);
        let mut pages = reader;
        let mut seen = 0usize;
        while pages.remaining() > behind_report {
            let Ok(header) = pages.array::<8>() else {
                break;
            };
            seen = seen.saturating_add(1);
            if seen > Self::MAX_PAGES {
                return Err(DecodeError::TooMany {
                    item: ITEM,
                    limit: Self::MAX_PAGES,
                });
            }
            status.pages.extend(ElementStatusPage::decode(
                header,
                &mut pages,
                behind_report,
            )?);
        }
        Ok(status)
    }

    /// Returns the allocation length that the whole report needs.
    pub fn needed_length(&self) -> u32 {
        self.byte_count.saturating_add(8)
    }

    /// Returns the descriptors of one element type, in the order of the report.
    pub fn descriptors(
        &self,
        element_type: ElementType,
    ) -> impl Iterator<Item = ElementDescriptor<'a>> + '_ {
        self.pages
            .iter()
            .filter(move |page| page.element_type == element_type)
            .flat_map(|page| page.descriptors())
    }
}

const ITEM: &str = "READ ELEMENT STATUS parameter data";

/// An element status page: descriptors of one element type and of one length (SMC-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementStatusPage<'a> {
    /// ELEMENT TYPE CODE.
    pub element_type: ElementType,
    /// PVOLTAG: the descriptors hold primary volume tags.
    pub primary_volume_tag: bool,
    /// AVOLTAG: the descriptors hold alternate volume tags.
    pub alternate_volume_tag: bool,
    /// ELEMENT DESCRIPTOR LENGTH in bytes, 12 or more.
    descriptor_length: usize,
    descriptors: &'a [u8],
}

impl<'a> ElementStatusPage<'a> {
    fn decode(
        header: [u8; 8],
        reader: &mut Reader<'a>,
        behind_report: usize,
    ) -> Result<Option<Self>, DecodeError> {
        let [code, flags, length_high, length_low, _reserved, a, b, c] = header;
        let mut byte_count =
            usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        let left = reader.remaining().saturating_sub(behind_report);
        if byte_count < left && !follows_a_page(reader, byte_count) {
            byte_count = left;
        }
        let descriptors = reader.take_up_to(byte_count);
        let Some(element_type) = ElementType::from_code(code) else {
            return Ok(None);
        };
        let descriptor_length = usize::from(u16::from_be_bytes([length_high, length_low]));
        if descriptor_length < FIXED_PART && !descriptors.is_empty() {
            return Err(DecodeError::LengthTooSmall {
                item: ITEM,
                field: "ELEMENT DESCRIPTOR LENGTH",
                expected: FIXED_PART,
                received: descriptor_length,
            });
        }
        Ok(Some(Self {
            element_type,
            primary_volume_tag: flags & 0x80 != 0,
            alternate_volume_tag: flags & 0x40 != 0,
            descriptor_length,
            descriptors,
        }))
    }

    /// Returns whether descriptors of this length have room for that many volume tags, and then for nothing or for a
    /// whole device identifier header.
    fn has_room_for(&self, volume_tags: usize) -> bool {
        let tags = volume_tags.saturating_mul(VolumeTag::LENGTH);
        match self
            .descriptor_length
            .checked_sub(FIXED_PART.saturating_add(tags))
        {
            Some(left) => left == 0 || left >= 4,
            None => false,
        }
    }

    /// Returns the descriptors. The last one may be cut short; it is left out when not even its flags came.
    pub fn descriptors(&self) -> impl Iterator<Item = ElementDescriptor<'a>> + use<'a> {
        let page = *self;
        self.descriptors
            .chunks(page.descriptor_length.max(FIXED_PART))
            .filter_map(move |bytes| ElementDescriptor::decode(&page, bytes))
    }
}

/// Returns whether a page header is where a page of `byte_count` bytes ends: an element type, reserved bits that are 0,
/// and descriptors of a length that can be.
fn follows_a_page(reader: &Reader<'_>, byte_count: usize) -> bool {
    let mut next = reader.clone();
    let _descriptors = next.take_up_to(byte_count);
    let Ok([code, flags, length_high, length_low, reserved, a, b, c]) = next.array() else {
        // Less than a header: no page, and no descriptor either.
        return true;
    };
    let descriptor_length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let is_empty = [a, b, c] == [0; 3];
    code != 0 && flags & 0x3f == 0 && reserved == 0 && (is_empty || descriptor_length >= FIXED_PART)
}

/// Bytes of an element descriptor before its volume tags.
const FIXED_PART: usize = 12;

/// An element descriptor, the fields that all element types share (SMC-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementDescriptor<'a> {
    /// ELEMENT ADDRESS, bytes 0 and 1.
    pub address: u16,
    /// FULL, byte 2 bit 0: a cartridge is in the element.
    pub full: bool,
    /// EXCEPT, byte 2 bit 2: the element is in an abnormal state.
    pub exception: bool,
    /// ACCESS, byte 2 bit 3: the transport element can reach it.
    pub accessible: bool,
    /// ADDITIONAL SENSE CODE and its qualifier, bytes 4 and 5, which explain `exception`.
    pub exception_code: AdditionalSenseCode,
    /// SOURCE STORAGE ELEMENT ADDRESS, bytes 10 and 11, when SVALID says that it is valid.
    pub source: Option<u16>,
    /// PRIMARY VOLUME TAG INFORMATION: the barcode, when the whole of it came.
    pub primary_volume_tag: Option<VolumeTag>,
    /// ALTERNATE VOLUME TAG INFORMATION, the other side's.
    pub alternate_volume_tag: Option<VolumeTag>,
    /// The device identifier that DVCID asks for; none when the device gave none.
    pub device_identifier: Option<DeviceIdentifier<'a>>,
}

impl<'a> ElementDescriptor<'a> {
    fn decode(page: &ElementStatusPage<'_>, bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(ITEM, bytes);
        let address = reader.u16().ok()?;
        let flags = reader.u8().ok()?;
        let [_reserved, asc, ascq] = reader.array_or(0);
        let _bus_address = reader.take_up_to(3);
        let [source_flags, source_high, source_low] = reader.array_or(0);
        // The length of the descriptors decides: devices set AVOLTAG and send one tag.
        let primary = page.primary_volume_tag && page.has_room_for(1);
        let alternate =
            page.alternate_volume_tag && page.has_room_for(1usize.saturating_add(primary.into()));
        let mut volume_tag = |present: bool| {
            present
                .then(|| reader.take_up_to(VolumeTag::LENGTH))
                .and_then(VolumeTag::decode)
        };
        Some(Self {
            address,
            full: flags & 0x01 != 0,
            exception: flags & 0x04 != 0,
            accessible: flags & 0x08 != 0,
            exception_code: AdditionalSenseCode { asc, ascq },
            source: (source_flags & 0x80 != 0)
                .then(|| u16::from_be_bytes([source_high, source_low])),
            primary_volume_tag: volume_tag(primary),
            alternate_volume_tag: volume_tag(alternate),
            device_identifier: DeviceIdentifier::decode(&mut reader),
        })
    }
}

/// Volume tag information: VOLUME IDENTIFICATION and VOLUME SEQUENCE NUMBER (SMC-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeTag {
    /// VOLUME IDENTIFICATION, 32 bytes, blank padded.
    pub identification: [u8; 32],
    /// VOLUME SEQUENCE NUMBER; 0 when it did not come.
    pub sequence_number: u16,
}

impl VolumeTag {
    const LENGTH: usize = 36;

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(ITEM, bytes);
        let identification = reader.array().ok()?;
        // tgt leaves off the last eight bytes of a report, which are these four and those of the identifier's header.
        let [_, _, high, low] = reader.array_or(0);
        Some(Self {
            identification,
            sequence_number: u16::from_be_bytes([high, low]),
        })
    }
}

/// The identifier of the drive in a data transfer element (SMC-3), coded as a designator of VPD page 83h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceIdentifier<'a> {
    /// CODE SET.
    pub code_set: CodeSet,
    /// IDENTIFIER TYPE.
    pub identifier_type: DesignatorType,
    /// IDENTIFIER, as far as it came.
    pub bytes: &'a [u8],
    /// Whether less came than IDENTIFIER LENGTH says.
    pub cut_short: bool,
}

impl<'a> DeviceIdentifier<'a> {
    fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let [code_set, identifier_type, _reserved, length] = reader.array().ok()?;
        if length == 0 {
            return None;
        }
        let bytes = reader.take_up_to(length.into());
        Some(Self {
            code_set: CodeSet(code_set & 0x0f),
            identifier_type: DesignatorType(identifier_type & 0x0f),
            bytes,
            cut_short: bytes.len() < usize::from(length),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two drives; the identifier is that of tgt, `serial` its end.
    fn two_drives(serials: [&[u8]; 2]) -> Vec<u8> {
        let mut descriptors = Vec::new();
        for (address, serial) in (257u16..).zip(serials) {
            descriptors.extend(address.to_be_bytes());
            descriptors.extend([0x09, 0, 0, 0, 0, 0, 0, 0x80, 0x04, 0x01]);
            descriptors.extend(format!("{:<32}", "VTA001L5").bytes());
            descriptors.extend([0, 0, 0, 7]);
            descriptors.extend([0x02, 0x01, 0, 34]);
            descriptors.extend(b"IBM     ULT3580-TD5     ");
            descriptors.extend(serial);
        }
        let length = (descriptors.len() / 2) as u16;
        let count = descriptors.len() as u32;
        let mut bytes = vec![0x01, 0x01, 0, 2];
        bytes.extend((count + 8).to_be_bytes());
        bytes.extend([0x04, 0x80]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend(descriptors);
        bytes
    }

    #[test]
    fn drives_are_read_with_tag_source_and_identifier() {
        let bytes = two_drives([b"1000000001", b"1000000002"]);
        let status = ElementStatus::decode(&bytes).unwrap();
        assert!(!status.cut_short);
        assert_eq!(status.needed_length() as usize, bytes.len());
        assert_eq!(status.number_of_elements, 2);
        let drives: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
        assert_eq!(drives.len(), 2);
        let drive = drives[1];
        assert_eq!(drive.address, 258);
        assert!(drive.full && drive.accessible && !drive.exception);
        assert_eq!(drive.source, Some(0x0401));
        let tag = drive.primary_volume_tag.unwrap();
        assert_eq!(&tag.identification[..9], b"VTA001L5 ");
        assert_eq!(tag.sequence_number, 7);
        assert_eq!(drive.alternate_volume_tag, None);
        let identifier = drive.device_identifier.unwrap();
        assert_eq!(identifier.bytes, b"IBM     ULT3580-TD5     1000000002");
        assert_eq!(identifier.identifier_type, DesignatorType::T10_VENDOR_ID);
        assert!(!identifier.cut_short);
        assert_eq!(status.descriptors(ElementType::Storage).count(), 0);
    }

    #[test]
    fn what_tgt_1_0_85_sent_is_read_with_its_last_identifier_cut() {
        // Recorded: two drives, a cartridge in the first; 180 bytes announced, 172 sent.
        let bytes = hex(concat!(
            "01010002000000b4",
            "04800056000000ac",
            "010101000000000000800401",
            "5654413030314c35202020202020202020202020202020202020202020202020",
            "00000000",
            "02010022",
            "49424d2020202020554c54333538302d544435202020202031303030303030303031",
            "010200000000000000000000",
            "2020202020202020202020202020202020202020202020202020202020202020",
            "00000000",
            "02010022",
            "49424d2020202020554c54333538302d54443520202020203130",
        ));
        let status = ElementStatus::decode(&bytes).unwrap();
        assert!(status.cut_short);
        assert_eq!(status.first_element_address, 257);
        let drives: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
        assert_eq!(drives.len(), 2);
        assert!(drives[0].full && !drives[1].full);
        assert_eq!(drives[0].source, Some(1025));
        assert_eq!(
            drives[0].primary_volume_tag.unwrap().identification,
            *b"VTA001L5                        "
        );
        let identifiers: Vec<_> = drives
            .iter()
            .filter_map(|drive| drive.device_identifier)
            .map(|identifier| (identifier.bytes, identifier.cut_short))
            .collect();
        assert_eq!(
            identifiers,
            [
                (&b"IBM     ULT3580-TD5     1000000001"[..], false),
                (b"IBM     ULT3580-TD5     10", true)
            ]
        );
    }

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn a_report_that_lacks_its_last_8_bytes_is_used_and_says_so() {
        let mut bytes = two_drives([b"1000000001", b"1000000002"]);
        bytes.truncate(bytes.len() - 8);
        let status = ElementStatus::decode(&bytes).unwrap();
        assert!(status.cut_short);
        let last = status
            .descriptors(ElementType::DataTransfer)
            .last()
            .unwrap();
        let identifier = last.device_identifier.unwrap();
        assert_eq!(identifier.bytes, b"IBM     ULT3580-TD5     10");
        assert!(identifier.cut_short);
    }

    #[test]
    fn a_descriptor_cut_to_8_bytes_keeps_address_and_flags() {
        let mut bytes = vec![0x01, 0x01, 0, 1, 0, 0, 0, 24];
        bytes.extend([0x04, 0x00, 0, 16, 0, 0, 0, 16]);
        bytes.extend([0x01, 0x01, 0x05, 0, 0x83, 0x02, 0, 0]);
        let status = ElementStatus::decode(&bytes).unwrap();
        let drive = status
            .descriptors(ElementType::DataTransfer)
            .next()
            .unwrap();
        assert!(drive.full && drive.exception && !drive.accessible);
        assert_eq!(drive.exception_code.to_string(), "83/02");
        assert_eq!(drive.source, None);
        assert_eq!(drive.device_identifier, None);
    }

    /// A report of drives with these descriptors, all of one length, and flags for its page.
    fn report(flags: u8, descriptors: &[Vec<u8>]) -> Vec<u8> {
        let length = descriptors[0].len() as u16;
        let bytes = descriptors.concat();
        let count = bytes.len() as u32;
        let mut report = vec![1, 1, 0, descriptors.len() as u8];
        report.extend((count + 8).to_be_bytes());
        report.extend([4, flags]);
        report.extend(length.to_be_bytes());
        report.extend(count.to_be_bytes());
        report.extend(bytes);
        report
    }

    fn descriptor(address: u16, behind_fixed_part: &[&[u8]]) -> Vec<u8> {
        let mut bytes = address.to_be_bytes().to_vec();
        bytes.extend([0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(behind_fixed_part.concat());
        bytes
    }

    fn tag(text: &str) -> Vec<u8> {
        let mut tag = format!("{text:<32}").into_bytes();
        tag.extend([0; 4]);
        tag
    }

    #[test]
    fn the_descriptor_length_decides_how_many_volume_tags_there_are() {
        let identifier = [&[2, 0, 0, 10][..], b"1068000001"].concat();
        // PVOLTAG and AVOLTAG are set in each.
        let cases: [(Vec<u8>, usize, bool); 6] = [
            (
                descriptor(257, &[&tag("A"), &tag("B"), &identifier]),
                2,
                true,
            ),
            (descriptor(257, &[&tag("A"), &tag("B")]), 2, false),
            (descriptor(257, &[&tag("A"), &identifier]), 1, true),
            (descriptor(257, &[&tag("A")]), 1, false),
            (descriptor(257, &[&tag("A"), &[0; 4]]), 1, false),
            (descriptor(257, &[&identifier]), 0, true),
        ];
        for (descriptor, tags, identified) in cases {
            let bytes = report(0xc0, &[descriptor]);
            let status = ElementStatus::decode(&bytes).unwrap();
            let drive = status
                .descriptors(ElementType::DataTransfer)
                .next()
                .unwrap();
            assert_eq!(drive.primary_volume_tag.is_some(), tags > 0, "{bytes:x?}");
            assert_eq!(drive.alternate_volume_tag.is_some(), tags > 1, "{bytes:x?}");
            let identifier = drive.device_identifier.map(|identifier| identifier.bytes);
            assert_eq!(
                identifier,
                identified.then_some(&b"1068000001"[..]),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn counts_that_disagree_lose_no_descriptor() {
        let two = [descriptor(257, &[&tag("A")]), descriptor(258, &[&tag("B")])];
        let addresses = |bytes: &[u8]| -> Vec<u16> {
            ElementStatus::decode(bytes)
                .unwrap()
                .descriptors(ElementType::DataTransfer)
                .map(|drive| drive.address)
                .collect()
        };
        let sound = report(0x80, &two);
        assert_eq!(addresses(&sound), [257, 258]);
        // BYTE COUNT OF REPORT AVAILABLE without the page header, of one descriptor, beyond the end; 0 is the page's.
        for byte_count in [96, 56, 48, 8, 1, 105, 200, 0xff_ffff] {
            let mut bytes = sound.clone();
            bytes[5..8].copy_from_slice(&u32::to_be_bytes(byte_count)[1..]);
            assert_eq!(addresses(&bytes), [257, 258], "report of {byte_count}");
        }
        // BYTE COUNT OF DESCRIPTOR DATA AVAILABLE: one descriptor, part of one, with the header, beyond the end.
        for byte_count in [0, 48, 40, 90, 104, 200, 0xff_ffff] {
            let mut bytes = sound.clone();
            bytes[13..16].copy_from_slice(&u32::to_be_bytes(byte_count)[1..]);
            assert_eq!(addresses(&bytes), [257, 258], "page of {byte_count}");
        }
        // Zeros behind the report, as a device sends them that fills the allocation length.
        let padded = [&sound[..], &[0; 64 * 1024]].concat();
        assert_eq!(addresses(&padded), [257, 258]);
    }

    #[test]
    fn a_volume_tag_without_its_sequence_number_is_used() {
        let mut bytes = report(0x80, &[descriptor(257, &[&tag("AB0001L5"), &[0; 4]])]);
        bytes.truncate(bytes.len() - 8);
        let status = ElementStatus::decode(&bytes).unwrap();
        let drive = status
            .descriptors(ElementType::DataTransfer)
            .next()
            .unwrap();
        let tag = drive.primary_volume_tag.unwrap();
        assert_eq!(&tag.identification[..9], b"AB0001L5 ");
        assert_eq!(tag.sequence_number, 0);
    }

    #[test]
    fn a_volume_tag_that_is_not_whole_is_none() {
        let mut bytes = two_drives([b"1000000001", b"1000000002"]);
        bytes.truncate(16 + 12 + 20);
        let status = ElementStatus::decode(&bytes).unwrap();
        let drives: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
        assert_eq!(drives.len(), 1);
        assert_eq!(drives[0].primary_volume_tag, None);
    }

    #[test]
    fn the_header_alone_gives_the_number_of_elements() {
        let status = ElementStatus::decode(&[4, 1, 0, 40, 0, 0, 2, 0x88]).unwrap();
        assert_eq!(status.number_of_elements, 40);
        assert_eq!(status.needed_length(), 0x290);
        assert!(status.cut_short && status.pages.is_empty());
        assert!(ElementStatus::decode(&[4, 1, 0, 40, 0, 0, 2]).is_err());
    }

    #[test]
    fn descriptors_that_cannot_be_told_apart_are_an_error() {
        let mut bytes = vec![1, 1, 0, 1, 0, 0, 0, 24];
        bytes.extend([0x04, 0x00, 0, 0, 0, 0, 0, 16]);
        bytes.extend([0; 16]);
        assert_eq!(
            ElementStatus::decode(&bytes),
            Err(DecodeError::LengthTooSmall {
                item: ITEM,
                field: "ELEMENT DESCRIPTOR LENGTH",
                expected: 12,
                received: 0
            })
        );
    }

    #[test]
    fn pages_without_end_are_an_error() {
        let mut bytes = vec![0, 0, 0, 0, 0, 0xff, 0xff, 0xff];
        bytes.extend([4, 0, 0, 16, 0, 0, 0, 0].repeat(ElementStatus::MAX_PAGES + 1));
        assert!(matches!(
            ElementStatus::decode(&bytes),
            Err(DecodeError::TooMany { .. })
        ));
    }

    #[test]
    fn a_page_of_an_unknown_type_is_passed_over() {
        let mut drive = two_drives([b"1000000001", b"1000000002"]);
        let mut bytes = drive.split_off(8);
        let pages = [&[0x07, 0, 0, 0, 0, 0, 0, 4, 9, 9, 9, 9][..], &bytes].concat();
        bytes = vec![1, 1, 0, 2, 0];
        bytes.extend(&(pages.len() as u32).to_be_bytes()[1..]);
        bytes.extend(pages);
        let status = ElementStatus::decode(&bytes).unwrap();
        assert_eq!(status.descriptors(ElementType::DataTransfer).count(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ElementStatus::decode(&bytes);
        }

        #[test]
        fn a_damaged_report_never_panics_and_never_grows(
            cut in 0usize..200,
            damage in proptest::collection::vec((0usize..176, any::<u8>()), 0..6),
        ) {
            let mut bytes = two_drives([b"1000000001", b"1000000002"]);
            for (position, byte) in damage {
                if let Some(place) = bytes.get_mut(position) {
                    *place = byte;
                }
            }
            bytes.truncate(cut);
            if let Ok(status) = ElementStatus::decode(&bytes) {
                let count: usize = status.pages.iter().map(|page| page.descriptors().count()).sum();
                prop_assert!(count <= bytes.len() / FIXED_PART + 1);
            }
        }
    }
}
