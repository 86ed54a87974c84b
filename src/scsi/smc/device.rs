//! The changer's side: what CDBs ask for, and the report of READ ELEMENT STATUS (SMC-3).

use super::ElementType;
use crate::scsi::vpd::Designator;

/// MOVE MEDIUM (SMC-3, operation code A5h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveMedium {
    /// MEDIUM TRANSPORT ADDRESS, bytes 2 and 3.
    pub transport: u16,
    /// SOURCE ADDRESS, bytes 4 and 5.
    pub source: u16,
    /// DESTINATION ADDRESS, bytes 6 and 7.
    pub destination: u16,
}

impl MoveMedium {
    /// Decodes the CDB.
    pub fn decode(cdb: &[u8; 16]) -> Self {
        let [_, _, a, b, c, d, e, f, ..] = *cdb;
        Self {
            transport: u16::from_be_bytes([a, b]),
            source: u16::from_be_bytes([c, d]),
            destination: u16::from_be_bytes([e, f]),
        }
    }
}

/// EXCHANGE MEDIUM (SMC-3, operation code A6h): the source's cartridge goes to the first destination, and the one from
/// there to the second, which may be the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeMedium {
    /// MEDIUM TRANSPORT ADDRESS, bytes 2 and 3.
    pub transport: u16,
    /// SOURCE ADDRESS, bytes 4 and 5.
    pub source: u16,
    /// FIRST DESTINATION ADDRESS, bytes 6 and 7.
    pub first_destination: u16,
    /// SECOND DESTINATION ADDRESS, bytes 8 and 9.
    pub second_destination: u16,
}

impl ExchangeMedium {
    /// Decodes the CDB.
    pub fn decode(cdb: &[u8; 16]) -> Self {
        let [_, _, a, b, c, d, e, f, g, h, ..] = *cdb;
        Self {
            transport: u16::from_be_bytes([a, b]),
            source: u16::from_be_bytes([c, d]),
            first_destination: u16::from_be_bytes([e, f]),
            second_destination: u16::from_be_bytes([g, h]),
        }
    }
}

/// READ ELEMENT STATUS (SMC-3, operation code B8h), as a changer is asked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementStatusQuery {
    /// ELEMENT TYPE CODE, byte 1 bits 3-0; none for 0h, all types.
    pub element_type: Option<ElementType>,
    /// VOLTAG, byte 1 bit 4.
    pub volume_tag: bool,
    /// STARTING ELEMENT ADDRESS, bytes 2 and 3.
    pub first: u16,
    /// NUMBER OF ELEMENTS, bytes 4 and 5: the most that are reported.
    pub count: u16,
    /// DVCID, byte 6 bit 0.
    pub device_id: bool,
    /// ALLOCATION LENGTH, bytes 7 to 9.
    pub allocation_length: u32,
}

impl ElementStatusQuery {
    /// Decodes the CDB; none for an element type that SMC-3 does not know. CURDATA makes no difference to a changer
    /// whose elements need no looking at.
    pub fn decode(cdb: &[u8; 16]) -> Option<Self> {
        let [_, selection, a, b, c, d, options, e, f, g, ..] = *cdb;
        let element_type = match selection & 0x0f {
            0 => None,
            code => Some(ElementType::from_code(code)?),
        };
        Some(Self {
            element_type,
            volume_tag: selection & 0x10 != 0,
            first: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
            device_id: options & 0x01 != 0,
            allocation_length: u32::from_be_bytes([0, e, f, g]),
        })
    }
}

/// What a changer reports of one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementReport {
    /// ELEMENT ADDRESS.
    pub address: u16,
    /// ELEMENT TYPE CODE.
    pub element_type: ElementType,
    /// Barcode of the cartridge, which is there when this is; blank padded to 32 characters, or cut.
    pub volume: Option<String>,
    /// FULL: a cartridge is there.
    pub full: bool,
    /// SOURCE STORAGE ELEMENT ADDRESS.
    pub source: Option<u16>,
    /// Who the drive is.
    pub identifier: Option<Designator>,
}

/// Returns the parameter data of READ ELEMENT STATUS for elements in the order of their addresses: a page for each
/// run of elements of one type. All descriptors of a page have the same length, as the standard wants.
pub fn element_status(elements: &[ElementReport], volume_tag: bool, device_id: bool) -> Vec<u8> {
    let mut pages = Vec::new();
    for page in elements.chunk_by(|a, b| a.element_type == b.element_type) {
        let longest = page
            .iter()
            .filter_map(|element| element.identifier.as_ref())
            .map(|identifier| identifier.bytes.len())
            .max()
            .filter(|_| device_id)
            .unwrap_or(0);
        let descriptors: Vec<Vec<u8>> = page
            .iter()
            .map(|element| element.encode(volume_tag, device_id, longest))
            .collect();
        let length = descriptors.first().map_or(0, Vec::len);
        let byte_count = length.saturating_mul(descriptors.len());
        pages.push(
            page.first()
                .map_or(0, |element| element.element_type.code()),
        );
        pages.push(u8::from(volume_tag) << 7);
        pages.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        pages.extend(three_bytes(byte_count));
        pages.extend(descriptors.iter().flatten());
    }
    let first = elements.first().map_or(0, |element| element.address);
    let mut data = first.to_be_bytes().to_vec();
    data.extend(
        u16::try_from(elements.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    data.extend(three_bytes(pages.len()));
    data.extend(pages);
    data
}

/// A reserved byte and a 24-bit count.
fn three_bytes(count: usize) -> [u8; 4] {
    u32::try_from(count)
        .unwrap_or(0)
        .min(0x00ff_ffff)
        .to_be_bytes()
}

impl ElementReport {
    fn encode(&self, volume_tag: bool, device_id: bool, identifier_length: usize) -> Vec<u8> {
        // ACCESS; for import/export elements INENAB and EXENAB too.
        let flags = match self.element_type {
            ElementType::MediumTransport => 0x00,
            ElementType::Storage | ElementType::DataTransfer => 0x08,
            ElementType::ImportExport => 0x38,
        };
        let mut data = self.address.to_be_bytes().to_vec();
        data.extend([flags | u8::from(self.full), 0, 0, 0, 0, 0, 0]);
        data.push(u8::from(self.source.is_some()) << 7);
        data.extend(self.source.unwrap_or(0).to_be_bytes());
        if volume_tag {
            // An empty element has no tag: zeros, where a blank one would be a cartridge without a label.
            let (text, fill) = match &self.volume {
                Some(volume) => (volume.as_str(), b' '),
                None => ("", 0),
            };
            data.extend(text.bytes().chain(std::iter::repeat(fill)).take(32));
            data.extend([0; 4]);
        }
        match &self.identifier {
            Some(identifier) if device_id => {
                data.extend(identifier.encode());
                let missing = identifier_length.saturating_sub(identifier.bytes.len());
                data.extend(std::iter::repeat_n(0, missing));
            }
            _ => data.extend([0; 4]),
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ElementStatus;
    use super::*;
    use crate::scsi::vpd::{CodeSet, DesignatorType};

    #[test]
    fn cdbs_are_decoded_field_by_field() {
        let cdb = [
            0xa6, 0, 0, 1, 0x04, 0x01, 0x01, 0x01, 0x04, 0x02, 0, 0, 0, 0, 0, 0,
        ];
        let exchange = ExchangeMedium::decode(&cdb);
        assert_eq!(exchange.transport, 1);
        assert_eq!(exchange.source, 0x0401);
        assert_eq!(exchange.first_destination, 0x0101);
        assert_eq!(exchange.second_destination, 0x0402);
        let moved = MoveMedium::decode(&cdb);
        assert_eq!(moved.destination, 0x0101);

        let cdb = [
            0xb8, 0x14, 0x01, 0x02, 0x00, 0x03, 0x01, 0x01, 0x00, 0x08, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(
            ElementStatusQuery::decode(&cdb),
            Some(ElementStatusQuery {
                element_type: Some(ElementType::DataTransfer),
                volume_tag: true,
                first: 0x0102,
                count: 3,
                device_id: true,
                allocation_length: 0x01_0008,
            })
        );
        let mut unknown = cdb;
        unknown[1] = 0x05;
        assert_eq!(ElementStatusQuery::decode(&unknown), None);
    }

    #[test]
    fn a_report_is_read_back_by_the_initiator() {
        let drive = ElementReport {
            address: 257,
            element_type: ElementType::DataTransfer,
            volume: Some("VOL001L8".to_owned()),
            full: true,
            source: Some(1025),
            identifier: Some(Designator {
                code_set: CodeSet::ASCII,
                association: 0,
                designator_type: DesignatorType::T10_VENDOR_ID,
                bytes: b"IBM     ULT3580-TD8     8A12340001".to_vec(),
            }),
        };
        let slot = ElementReport {
            address: 1025,
            element_type: ElementType::Storage,
            volume: None,
            full: false,
            source: None,
            identifier: None,
        };
        let bytes = element_status(&[drive, slot], true, true);
        assert_eq!(bytes[..8], [1, 1, 0, 2, 0, 0, 0, 8 + 86 + 8 + 52]);
        assert_eq!(bytes[8..16], [4, 0x80, 0, 86, 0, 0, 0, 86]);
        assert_eq!(
            bytes[16..28],
            [1, 1, 0x09, 0, 0, 0, 0, 0, 0, 0x80, 0x04, 0x01]
        );
        let status = ElementStatus::decode(&bytes).unwrap();
        assert!(!status.cut_short);
        let drives: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
        assert_eq!(drives.len(), 1);
        assert_eq!(drives[0].source, Some(1025));
        assert_eq!(
            &drives[0].primary_volume_tag.unwrap().identification[..9],
            b"VOL001L8 "
        );
        assert_eq!(
            drives[0].device_identifier.unwrap().bytes,
            b"IBM     ULT3580-TD8     8A12340001"
        );
        let slots: Vec<_> = status.descriptors(ElementType::Storage).collect();
        assert!(!slots[0].full && slots[0].accessible);
        assert_eq!(slots[0].device_identifier, None);
    }

    #[test]
    fn without_tags_and_identifiers_a_descriptor_has_16_bytes() {
        let picker = ElementReport {
            address: 1,
            element_type: ElementType::MediumTransport,
            volume: None,
            full: false,
            source: None,
            identifier: None,
        };
        let bytes = element_status(&[picker], false, false);
        assert_eq!(bytes[8..16], [1, 0, 0, 16, 0, 0, 0, 16]);
        assert_eq!(bytes.len(), 32);
        assert_eq!(element_status(&[], true, true), [0; 8]);
    }

    proptest! {
        #[test]
        fn any_cdb_is_decoded_without_a_panic(cdb in any::<[u8; 16]>()) {
            let _ = (MoveMedium::decode(&cdb), ExchangeMedium::decode(&cdb));
            let _ = ElementStatusQuery::decode(&cdb);
        }
    }
}
