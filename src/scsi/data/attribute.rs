//! Medium auxiliary memory attributes (SPC-4 7.4): the parameter data of READ ATTRIBUTE and WRITE ATTRIBUTE.

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// An attribute of a cartridge's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// ATTRIBUTE IDENTIFIER.
    pub identifier: u16,
    /// READ ONLY: WRITE ATTRIBUTE cannot change it.
    pub read_only: bool,
    /// FORMAT of the value.
    pub format: AttributeFormat,
    /// ATTRIBUTE VALUE; in a WRITE ATTRIBUTE an empty one deletes the attribute.
    pub value: Vec<u8>,
}

/// FORMAT of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeFormat {
    /// BINARY, 00b: a big-endian number.
    Binary,
    /// ASCII, 01b, blank padded.
    Ascii,
    /// TEXT, 10b, in the character set of the text localization identifier.
    Text,
    /// Reserved, 11b.
    Reserved,
}

impl AttributeFormat {
    const fn code(self) -> u8 {
        match self {
            Self::Binary => 0,
            Self::Ascii => 1,
            Self::Text => 2,
            Self::Reserved => 3,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code & 0x03 {
            0 => Self::Binary,
            1 => Self::Ascii,
            2 => Self::Text,
            _ => Self::Reserved,
        }
    }
}

impl Attribute {
    /// Returns a number as a binary attribute of the device or the medium.
    pub fn number(identifier: u16, value: impl Into<Vec<u8>>) -> Self {
        Self {
            identifier,
            read_only: true,
            format: AttributeFormat::Binary,
            value: value.into(),
        }
    }

    /// Returns a text as an ASCII attribute of the device or the medium, blank padded or cut to `length` bytes.
    pub fn ascii(identifier: u16, text: &str, length: usize) -> Self {
        let padded = text.bytes().chain(std::iter::repeat(b' ')).take(length);
        Self {
            identifier,
            read_only: true,
            format: AttributeFormat::Ascii,
            value: padded.collect(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let length = u16::try_from(self.value.len()).unwrap_or(u16::MAX);
        let mut data = self.identifier.to_be_bytes().to_vec();
        data.push(u8::from(self.read_only) << 7 | self.format.code());
        data.extend(length.to_be_bytes());
        data.extend(self.value.iter().take(length.into()));
        data
    }
}

/// Encodes attributes with the length before them: the values that READ ATTRIBUTE returns, or a WRITE ATTRIBUTE's list.
pub fn encode(attributes: &[Attribute]) -> Vec<u8> {
    with_length(attributes.iter().flat_map(Attribute::encode).collect())
}

/// Decodes the values of READ ATTRIBUTE, as far as they came; a last attribute that is not whole is left out.
///
/// # Errors
/// [`DecodeError::Truncated`] when the length before them is not whole.
pub fn decode(bytes: &[u8]) -> Result<Vec<Attribute>, DecodeError> {
    let mut reader = contents(bytes)?;
    let mut attributes = Vec::new();
    while let Ok(attribute) = one(&mut reader) {
        attributes.push(attribute);
    }
    Ok(attributes)
}

/// Decodes the parameter list of WRITE ATTRIBUTE, all of which must be there.
///
/// # Errors
/// [`DecodeError::Truncated`] when an attribute, or the length before them, is not whole.
pub fn decode_list(bytes: &[u8]) -> Result<Vec<Attribute>, DecodeError> {
    let mut reader = contents(bytes)?;
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        attributes.push(one(&mut reader)?);
    }
    Ok(attributes)
}

/// Encodes the identifiers that READ ATTRIBUTE returns as attribute list.
pub fn encode_identifiers(identifiers: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let identifiers = identifiers.into_iter();
    with_length(identifiers.flat_map(u16::to_be_bytes).collect())
}

const ITEM: &str = "medium auxiliary memory";

fn contents(bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut reader = Reader::new(ITEM, bytes);
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    Ok(Reader::new(ITEM, reader.take_up_to(length)))
}

fn one(reader: &mut Reader<'_>) -> Result<Attribute, DecodeError> {
    let identifier = reader.u16()?;
    let flags = reader.u8()?;
    let length = reader.u16()?;
    Ok(Attribute {
        identifier,
        read_only: flags & 0x80 != 0,
        format: AttributeFormat::from_code(flags),
        value: reader.take(length.into())?.to_vec(),
    })
}

fn with_length(contents: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    let mut data = length.to_be_bytes().to_vec();
    data.extend(contents);
    data
}

/// Returns the name of an attribute that the standard defines (SPC-4 7.4.2).
pub fn name(identifier: u16) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(own, _)| *own == identifier)
        .map(|(_, name)| *name)
}

const NAMES: &[(u16, &str)] = &[
    (0x0000, "remaining capacity in partition"),
    (0x0001, "maximum capacity in partition"),
    (0x0002, "TapeAlert flags"),
    (0x0003, "load count"),
    (0x0004, "MAM space remaining"),
    (0x0005, "assigning organization"),
    (0x0006, "formatted density code"),
    (0x0007, "initialization count"),
    (0x0008, "volume identifier"),
    (0x0009, "volume change reference"),
    (0x020a, "device vendor and serial number at last load"),
    (
        0x020b,
        "device vendor and serial number at load before last",
    ),
    (
        0x020c,
        "device vendor and serial number at second load before last",
    ),
    (
        0x020d,
        "device vendor and serial number at third load before last",
    ),
    (0x0220, "total megabytes written in medium life"),
    (0x0221, "total megabytes read in medium life"),
    (0x0222, "total megabytes written in current or last load"),
    (0x0223, "total megabytes read in current or last load"),
    (0x0224, "logical position of first encrypted block"),
    (
        0x0225,
        "logical position of first unencrypted block after it",
    ),
    (0x0340, "medium usage history"),
    (0x0341, "partition usage history"),
    (0x0400, "medium manufacturer"),
    (0x0401, "medium serial number"),
    (0x0402, "medium length"),
    (0x0403, "medium width"),
    (0x0404, "assigning organization of the medium"),
    (0x0405, "medium density code"),
    (0x0406, "medium manufacture date"),
    (0x0407, "MAM capacity"),
    (0x0408, "medium type"),
    (0x0409, "medium type information"),
    (0x0800, "application vendor"),
    (0x0801, "application name"),
    (0x0802, "application version"),
    (0x0803, "user medium text label"),
    (0x0804, "date and time last written"),
    (0x0805, "text localization identifier"),
    (0x0806, "barcode"),
    (0x0807, "owning host textual name"),
    (0x0808, "media pool"),
    (0x0809, "partition user text label"),
    (0x080a, "load/unload at partition"),
    (0x080b, "application format version"),
    (0x080c, "volume coherency information"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_encoded_as_the_standard_draws_them() {
        let length = Attribute::number(0x0402, 960u32.to_be_bytes());
        let vendor = Attribute::ascii(0x0800, "ACME", 8);
        let data = encode(&[length.clone(), vendor.clone()]);
        assert_eq!(data[..4], 22u32.to_be_bytes());
        assert_eq!(data[4..13], [4, 2, 0x80, 0, 4, 0, 0, 3, 0xc0]);
        assert_eq!(&data[13..], b"\x08\x00\x81\x00\x08ACME    ");
        assert_eq!(decode(&data), Ok(vec![length.clone(), vendor]));
        // Cut by the allocation length: what is whole is used; a list must be whole.
        assert_eq!(decode(&data[..20]), Ok(vec![length]));
        assert!(decode_list(&data[..20]).is_err());
        assert_eq!(
            encode_identifiers([0x0400, 0x0401]),
            [0, 0, 0, 4, 4, 0, 4, 1]
        );
    }

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(name(0x0401), Some("medium serial number"));
        assert_eq!(name(0x0fff), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (decode(&bytes), decode_list(&bytes));
        }
    }
}
