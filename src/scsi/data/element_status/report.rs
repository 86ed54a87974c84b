//! The report of READ ELEMENT STATUS, as a changer encodes it.

use super::ElementType;
use crate::scsi::data::vpd::Designator;

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
    /// The identifier of the drive.
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
    use super::super::ElementStatus;
    use super::*;
    use crate::scsi::data::vpd::{CodeSet, DesignatorType};

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
}
