//! Standard labels of a tape: IBM standard labels (EBCDIC) and those of ANSI X3.27 / ISO 1001 (ASCII).
//!
//! A label is a block of exactly 80 characters that begins with `VOL1`, `HDR1`, `HDR2`, `EOF1`, `EOF2`, `EOV1` or `EOV2`. A
//! block that is something else is no label, whatever its first bytes resemble.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::iscsi::text::Escaped;

/// Length of a label in bytes.
pub const LABEL_LENGTH: usize = 80;

/// The character code that a label is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// EBCDIC, code page 037: IBM standard labels.
    Ebcdic,
    /// ASCII: ANSI X3.27 and ISO 1001.
    Ascii,
}

/// A standard label, decoded. Text is trimmed of the blanks behind it, with control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    /// Its character code.
    pub encoding: Encoding,
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
}

/// What a label says, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LabelContent")]
#[serde(tag = "label", rename_all = "UPPERCASE")]
pub enum Content {
    /// The volume label.
    Vol1 {
        /// Volume identifier, one to six characters.
        volume: String,
        /// Owner; empty when the label names none.
        owner: String,
    },
    /// First label before a file.
    Hdr1(FileLabel),
    /// First label behind a file.
    Eof1(FileLabel),
    /// First label behind the part of a file that goes on on another volume.
    Eov1(FileLabel),
    /// Second label before a file.
    Hdr2(FormatLabel),
    /// Second label behind a file.
    Eof2(FormatLabel),
    /// Second label behind the part of a file that goes on on another volume.
    Eov2(FormatLabel),
}

/// The fields of HDR1, EOF1 and EOV1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileLabel {
    /// File identifier (data set name), the last 17 characters of it.
    pub file_identifier: String,
    /// File set identifier: the volume that the file begins on.
    pub file_set: String,
    /// Number of the volume within the file set, from 1; null when the field is no number.
    pub volume_sequence: Option<u32>,
    /// Number of the file within the file set, from 1.
    pub file_sequence: Option<u32>,
    /// Creation date, `2026-11-26`; null when the field is blank, zero or no date.
    pub created: Option<String>,
    /// Expiration date; null when the file may be overwritten at once.
    pub expires: Option<String>,
    /// Number of blocks, in EOF1 and EOV1.
    pub block_count: Option<u64>,
    /// System that wrote the file: `IBMOS400`, `IBM OS/VS 370`, ...
    pub system: String,
}

/// The fields of HDR2, EOF2 and EOV2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FormatLabel {
    /// Record format: F, V, U (IBM), F, D, S, U (ANSI).
    pub record_format: String,
    /// Block length in bytes; above 32,760 it stands at the end of an IBM label.
    pub block_length: Option<u64>,
    /// Record length in bytes.
    pub record_length: Option<u64>,
    /// Block attribute of an IBM label: B blocked, S spanned, R both; empty for neither.
    pub block_attribute: String,
}

impl Label {
    /// Decodes a block; null when it is no label.
    #[must_use]
    pub fn decode(block: &[u8]) -> Option<Self> {
        let block: &[u8; LABEL_LENGTH] = block.try_into().ok()?;
        let (encoding, text) = match block.get(..4)? {
            ascii if ascii.is_ascii() && is_identifier(ascii) => (Encoding::Ascii, *block),
            _ => (Encoding::Ebcdic, block.map(from_ebcdic)),
        };
        let identifier = text.get(..4).filter(|text| is_identifier(text))?;
        let field = Fields {
            text: &text,
            encoding,
        };
        let content = match identifier {
            b"VOL1" => Content::Vol1 {
                volume: field.text(5, 10),
                owner: match encoding {
                    Encoding::Ebcdic => field.text(42, 51),
                    Encoding::Ascii => field.text(38, 51),
                },
            },
            b"HDR1" => Content::Hdr1(field.file_label()),
            b"EOF1" => Content::Eof1(field.file_label()),
            b"EOV1" => Content::Eov1(field.file_label()),
            b"HDR2" => Content::Hdr2(field.format_label()),
            b"EOF2" => Content::Eof2(field.format_label()),
            b"EOV2" => Content::Eov2(field.format_label()),
            _ => return None,
        };
        Some(Self { encoding, content })
    }

    /// Returns whether it is a volume label.
    #[must_use]
    pub fn is_volume_label(&self) -> bool {
        matches!(self.content, Content::Vol1 { .. })
    }
}

fn is_identifier(text: &[u8]) -> bool {
    matches!(
        text,
        b"VOL1" | b"HDR1" | b"HDR2" | b"EOF1" | b"EOF2" | b"EOV1" | b"EOV2"
    )
}

/// The characters of a label by their positions, the first one being 1 as in the standards.
struct Fields<'a> {
    text: &'a [u8; LABEL_LENGTH],
    encoding: Encoding,
}

impl Fields<'_> {
    fn bytes(&self, first: usize, last: usize) -> &[u8] {
        self.text
            .get(first.saturating_sub(1)..last)
            .unwrap_or_default()
    }

    fn text(&self, first: usize, last: usize) -> String {
        let bytes = self.bytes(first, last);
        let length = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b' ' | 0))
            .map_or(0, |last| last.saturating_add(1));
        Escaped(bytes.get(..length).unwrap_or_default()).to_string()
    }

    fn number(&self, first: usize, last: usize) -> Option<u64> {
        let text = std::str::from_utf8(self.bytes(first, last)).ok()?.trim();
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())?
    }

    fn small_number(&self, first: usize, last: usize) -> Option<u32> {
        self.number(first, last)?.try_into().ok()
    }

    fn file_label(&self) -> FileLabel {
        let low = self.number(55, 60);
        // IBM has four more digits of the count in front of these at the end of the label.
        let high = match self.encoding {
            Encoding::Ebcdic => self.number(77, 80).unwrap_or(0),
            Encoding::Ascii => 0,
        };
        let is_header = self.bytes(1, 3) == b"HDR";
        FileLabel {
            file_identifier: self.text(5, 21),
            file_set: self.text(22, 27),
            volume_sequence: self.small_number(28, 31),
            file_sequence: self.small_number(32, 35),
            created: self.date(42, 47),
            expires: self.date(48, 53),
            block_count: low
                .filter(|_| !is_header)
                .map(|low| high.saturating_mul(1_000_000).saturating_add(low)),
            system: self.text(61, 73),
        }
    }

    fn format_label(&self) -> FormatLabel {
        let is_ibm = self.encoding == Encoding::Ebcdic;
        let long = self.number(71, 80).filter(|_| is_ibm);
        FormatLabel {
            record_format: self.text(5, 5),
            block_length: self
                .number(6, 10)
                .filter(|length| *length > 0)
                .or(long.filter(|length| *length > 0)),
            record_length: self.number(11, 15),
            block_attribute: match is_ibm {
                true => self.text(39, 39),
                false => String::new(),
            },
        }
    }

    /// A date: the century (blank for 1900, 0 for 2000, 1 for 2100), two digits of the year, three of the day in it.
    fn date(&self, first: usize, last: usize) -> Option<String> {
        let [century, digits @ ..] = self.bytes(first, last) else {
            return None;
        };
        let century: u64 = match century {
            b' ' => 1900,
            digit @ b'0'..=b'9' => u64::from(digit.wrapping_sub(b'0'))
                .saturating_mul(100)
                .saturating_add(2000),
            _ => return None,
        };
        let digits: u64 = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
            .parse()
            .ok()?;
        calendar_date(century.saturating_add(digits / 1000), digits % 1000)
    }
}

/// Returns the date of a day of a year, the first one being 1.
fn calendar_date(year: u64, day: u64) -> Option<String> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut left = day.checked_sub(1)?;
    for (month, length) in (1..).zip(months) {
        if left < length {
            let day = left.saturating_add(1);
            return Some(format!("{year:04}-{month:02}-{day:02}"));
        }
        left = left.saturating_sub(length);
    }
    None
}

/// Why a volume identifier cannot be written into a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a volume identifier is one to six of A-Z, 0-9, $, @ and #")]
pub struct VolumeIdError;

/// Returns the VOL1 label of IBM i's INZTAP, in EBCDIC.
///
/// # Errors
/// A volume identifier is one to six of A-Z, 0-9, `$`, `@` and `#`.
pub fn volume_label(volume: &str) -> Result<[u8; LABEL_LENGTH], VolumeIdError> {
    let allowed = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'$' | b'@' | b'#');
    if !(1..=6).contains(&volume.len()) || !volume.bytes().all(allowed) {
        return Err(VolumeIdError);
    }
    // Position 11 is the accessibility byte: 0, no restriction.
    let text = format!("VOL1{volume:<6}0{:<69}", "");
    let mut label = [0; LABEL_LENGTH];
    for (to, from) in label.iter_mut().zip(text.bytes()) {
        *to = to_ebcdic(from);
    }
    Ok(label)
}

fn from_ebcdic(byte: u8) -> u8 {
    CODE_PAGE_037
        .get(usize::from(byte))
        .copied()
        .unwrap_or_default()
}

fn to_ebcdic(byte: u8) -> u8 {
    CODE_PAGE_037
        .iter()
        .position(|latin| *latin == byte)
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(0x6f)
}

/// Code page 037 (EBCDIC of the USA, Canada and others) as ISO 8859-1.
#[rustfmt::skip]
const CODE_PAGE_037: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
    0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0xa2, 0x2e, 0x3c, 0x28, 0x2b, 0x7c,
    0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x21, 0x24, 0x2a, 0x29, 0x3b, 0xac,
    0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f,
    0xf8, 0xc9, 0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22,
    0xd8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1,
    0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4,
    0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1, 0xbf, 0xd0, 0xdd, 0xde, 0xae,
    0x5e, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0x5b, 0x5d, 0xaf, 0xa8, 0xb4, 0xd7,
    0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5,
    0x7d, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff,
    0x5c, 0xf7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ebcdic(text: &str) -> Vec<u8> {
        format!("{text:<80}").bytes().map(to_ebcdic).collect()
    }

    #[test]
    fn an_ibm_volume_label_is_decoded_and_encoded() {
        let label = volume_label("VOL001").unwrap();
        // VOL1VOL001 0 in code page 037.
        assert_eq!(
            label[..12],
            [
                0xe5, 0xd6, 0xd3, 0xf1, 0xe5, 0xd6, 0xd3, 0xf0, 0xf0, 0xf1, 0xf0, 0x40
            ]
        );
        assert_eq!(
            Label::decode(&label).unwrap(),
            Label {
                encoding: Encoding::Ebcdic,
                content: Content::Vol1 {
                    volume: "VOL001".to_owned(),
                    owner: String::new()
                }
            }
        );
        for wrong in ["", "TOOLONG", "lower", "A B", "\u{dc}"] {
            assert_eq!(volume_label(wrong), Err(VolumeIdError), "{wrong}");
        }
        assert!(volume_label("$@#9").is_ok());
    }

    #[test]
    fn the_labels_of_a_file_are_decoded() {
        let header = "HDR1QFILE            VOL00100010002      026330 99365 000000IBMOS400     ";
        let Content::Hdr1(label) = Label::decode(&ebcdic(header)).unwrap().content else {
            panic!();
        };
        assert_eq!(label.file_identifier, "QFILE");
        assert_eq!(label.file_set, "VOL001");
        assert_eq!(
            (label.volume_sequence, label.file_sequence),
            (Some(1), Some(2))
        );
        assert_eq!(label.created.as_deref(), Some("2026-11-26"));
        assert_eq!(label.expires.as_deref(), Some("1999-12-31"));
        assert_eq!((label.block_count, &label.system[..]), (None, "IBMOS400"));

        let trailer = format!("{:<54}000123{:<16}0002", "EOF1QFILE", "");
        let Content::Eof1(label) = Label::decode(&ebcdic(&trailer)).unwrap().content else {
            panic!();
        };
        assert_eq!(label.block_count, Some(2_000_123));

        let format = format!("{:<38}B{:<31}0000262144", "HDR2V0000000080", "");
        let Content::Hdr2(label) = Label::decode(&ebcdic(&format)).unwrap().content else {
            panic!();
        };
        assert_eq!(label.record_format, "V");
        assert_eq!(
            (label.block_length, label.record_length),
            (Some(262_144), Some(80))
        );
        assert_eq!(label.block_attribute, "B");
    }

    #[test]
    fn an_ansi_label_is_ascii() {
        let text = format!("{:<37}{:<14}{:<28}4", "VOL1ABC123", "OPERATIONS", "");
        let label = Label::decode(text.as_bytes()).unwrap();
        assert_eq!(label.encoding, Encoding::Ascii);
        let Content::Vol1 { volume, owner } = label.content else {
            panic!();
        };
        assert_eq!((&volume[..], &owner[..]), ("ABC123", "OPERATIONS"));
        let format = format!("{:<80}", "EOV2D0204800080");
        let Content::Eov2(label) = Label::decode(format.as_bytes()).unwrap().content else {
            panic!();
        };
        assert_eq!(label.block_length, Some(2048));
    }

    #[test]
    fn what_is_no_label_is_none() {
        assert_eq!(Label::decode(b"VOL1"), None);
        assert_eq!(Label::decode(&[0; 80]), None);
        assert_eq!(Label::decode(format!("{:<81}", "VOL1").as_bytes()), None);
        assert_eq!(Label::decode(format!("{:<80}", "UHL1").as_bytes()), None);
    }

    #[test]
    fn fields_that_are_no_numbers_and_dates_are_none() {
        let text = format!(
            "{:<80}",
            "HDR1X                VOL001 A 1 B 2      x26330 00000"
        );
        let Content::Hdr1(label) = Label::decode(text.as_bytes()).unwrap().content else {
            panic!();
        };
        assert_eq!((label.volume_sequence, label.created), (None, None));
        assert_eq!(label.expires, None);
        assert_eq!(calendar_date(2024, 366).as_deref(), Some("2024-12-31"));
        assert_eq!(calendar_date(2023, 366), None);
        assert_eq!(calendar_date(1900, 60).as_deref(), Some("1900-03-01"));
    }

    #[test]
    fn control_characters_are_escaped() {
        let text = format!("{:<80}", "VOL1A\u{1b}[2J");
        let Content::Vol1 { volume, .. } = Label::decode(text.as_bytes()).unwrap().content else {
            panic!();
        };
        assert_eq!(volume, "A\\x1B[2J");
    }

    #[test]
    fn the_code_page_is_a_permutation() {
        for byte in 0..=255 {
            assert_eq!(to_ebcdic(from_ebcdic(byte)), byte);
        }
    }
}
