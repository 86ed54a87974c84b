//! Sense data (SPC-4 4.5): what a device says about a command that it did not simply do.

mod codes;

use std::fmt;

use super::DecodeError;
use super::reader::Reader;

/// The part of fixed or descriptor format sense data that an initiator acts on (SPC-4 4.5.2, 4.5.3).
///
/// Prints as `UNIT ATTENTION 29/00 (power on, reset, or bus device reset occurred)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseData {
    /// Response code 71h or 73h: the error is an earlier command's, and the present command was not done.
    pub deferred: bool,
    /// SENSE KEY.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE and its qualifier; 00/00 where the sense data ends before them.
    pub code: AdditionalSenseCode,
    /// INFORMATION, where it is marked valid; its meaning and unit are the command's.
    pub information: Option<u64>,
    /// FILEMARK: a filemark or setmark was met.
    pub filemark: bool,
    /// EOM: end or beginning of the partition, or early warning.
    pub end_of_medium: bool,
    /// ILI: the block's length is not the one asked for.
    pub incorrect_length: bool,
    /// With ILLEGAL REQUEST: the field that is at fault.
    pub field_pointer: Option<FieldPointer>,
}

/// FIELD POINTER, sense-key specific data of ILLEGAL REQUEST (SPC-4 4.5.2.4.2): the field that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldPointer {
    /// C/D: in the CDB; otherwise in the parameter list.
    pub in_cdb: bool,
    /// FIELD POINTER: the first byte of the field, counted from 0.
    pub byte: u16,
    /// BIT POINTER: the field's most significant bit, where BPV says that it is valid.
    pub bit: Option<u8>,
}

impl FieldPointer {
    /// Returns the pointer to a field of the CDB.
    pub const fn in_cdb(byte: u16, bit: Option<u8>) -> Self {
        Self {
            in_cdb: true,
            byte,
            bit,
        }
    }

    /// Returns the pointer to a field of the parameter list.
    pub const fn in_parameters(byte: u16) -> Self {
        Self {
            in_cdb: false,
            byte,
            bit: None,
        }
    }

    fn encode(self) -> [u8; 3] {
        let bit = self.bit.map_or(0, |bit| BPV | bit & 0x07);
        let [high, low] = self.byte.to_be_bytes();
        [SKSV | if self.in_cdb { CD } else { 0 } | bit, high, low]
    }

    /// Decodes sense-key specific data; `None` where SKSV says that it is not valid.
    fn decode([flags, high, low]: [u8; 3]) -> Option<Self> {
        (flags & SKSV != 0).then(|| Self {
            in_cdb: flags & CD != 0,
            byte: u16::from_be_bytes([high, low]),
            bit: (flags & BPV != 0).then_some(flags & 0x07),
        })
    }
}

/// Bits of the sense-key specific data of ILLEGAL REQUEST.
const SKSV: u8 = 0x80;
const CD: u8 = 0x40;
const BPV: u8 = 0x08;

impl SenseData {
    /// Decodes sense data, which may be cut off anywhere behind its sense key.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the sense key is missing, [`DecodeError::UnexpectedCode`] when the response
    /// code is none of 70h to 73h.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let first = Reader::new(ITEM, bytes).u8()?;
        match first & 0x7f {
            0x70 | 0x71 => Self::decode_fixed(bytes),
            0x72 | 0x73 => Self::decode_descriptors(bytes),
            received => Err(DecodeError::UnexpectedCode {
                item: ITEM,
                field: "RESPONSE CODE",
                expected: 0x70,
                received,
            }),
        }
    }

    /// Returns sense data that says no more than its key and code.
    pub const fn new(key: SenseKey, code: AdditionalSenseCode) -> Self {
        Self {
            deferred: false,
            key,
            code,
            information: None,
            filemark: false,
            end_of_medium: false,
            incorrect_length: false,
            field_pointer: None,
        }
    }

    /// Returns whether a command of a tape drive met the end of the data. SSC-4 7.11 has BLANK CHECK for that; tgt ends SPACE with
    /// NO SENSE and END OF DATA DETECTED.
    pub fn is_end_of_data(&self) -> bool {
        !self.deferred
            && (self.key == SenseKey::BLANK_CHECK
                || self.key == SenseKey::NO_SENSE
                    && self.code == AdditionalSenseCode::END_OF_DATA_DETECTED)
    }

    /// Returns fixed format sense data (SPC-4 4.5.3), which has room for the low 32 bits of INFORMATION.
    pub fn encode(&self) -> [u8; 18] {
        let response = u8::from(self.information.is_some()) << 7 | 0x70 | u8::from(self.deferred);
        let flags = u8::from(self.filemark) << 7
            | u8::from(self.end_of_medium) << 6
            | u8::from(self.incorrect_length) << 5;
        let key = flags | self.key.0 & 0x0f;
        let [_, _, _, _, a, b, c, d] = self.information.unwrap_or(0).to_be_bytes();
        let AdditionalSenseCode { asc, ascq } = self.code;
        let [e, f, g] = self.field_pointer.map_or([0; 3], FieldPointer::encode);
        [
            response, 0, key, a, b, c, d, 10, 0, 0, 0, 0, asc, ascq, 0, e, f, g,
        ]
    }

    fn decode_fixed(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ITEM, bytes);
        let response = reader.u8()?;
        let _obsolete = reader.u8()?;
        let flags = reader.u8()?;
        let information = reader.u32().ok().filter(|_| response & 0x80 != 0);
        // ADDITIONAL SENSE LENGTH and COMMAND-SPECIFIC INFORMATION.
        let _ = reader.take_up_to(5);
        let [asc, ascq, _replaceable_unit] = reader.array_or(0);
        let key = SenseKey(flags & 0x0f);
        Ok(Self {
            deferred: response & 0x7f == 0x71,
            key,
            code: AdditionalSenseCode { asc, ascq },
            information: information.map(u64::from),
            filemark: flags & 0x80 != 0,
            end_of_medium: flags & 0x40 != 0,
            incorrect_length: flags & 0x20 != 0,
            field_pointer: FieldPointer::decode(reader.array_or(0))
                .filter(|_| key == SenseKey::ILLEGAL_REQUEST),
        })
    }

    fn decode_descriptors(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ITEM, bytes);
        let response = reader.u8()?;
        let key = SenseKey(reader.u8()? & 0x0f);
        let [asc, ascq] = reader.array_or(0);
        let _ = reader.take_up_to(3);
        let length = reader.u8().unwrap_or(0);
        let mut sense = Self {
            deferred: response & 0x7f == 0x73,
            key,
            code: AdditionalSenseCode { asc, ascq },
            information: None,
            filemark: false,
            end_of_medium: false,
            incorrect_length: false,
            field_pointer: None,
        };
        let mut descriptors = Reader::new(ITEM, reader.take_up_to(usize::from(length)));
        while let Ok([kind, length]) = descriptors.array() {
            let body = descriptors.take_up_to(usize::from(length));
            sense.add_descriptor(kind, Reader::new(ITEM, body));
        }
        Ok(sense)
    }

    fn add_descriptor(&mut self, kind: u8, mut body: Reader<'_>) {
        let Ok([first, flags]) = body.array() else {
            return;
        };
        match kind {
            // Information: VALID in the first byte.
            0x00 => self.information = body.u64().ok().filter(|_| first & 0x80 != 0),
            // Sense-key specific.
            0x02 if self.key == SenseKey::ILLEGAL_REQUEST => {
                self.field_pointer = body.array().ok().and_then(FieldPointer::decode);
            }
            // Stream commands (SSC).
            0x04 => {
                self.filemark = flags & 0x80 != 0;
                self.end_of_medium = flags & 0x40 != 0;
                self.incorrect_length = flags & 0x20 != 0;
            }
            _ => {}
        }
    }
}

const ITEM: &str = "sense data";

impl fmt::Display for SenseData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.code)?;
        if self.deferred {
            f.write_str(", of an earlier command")?;
        }
        Ok(())
    }
}

/// A sense key, 0h to Fh (SPC-4 4.5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SenseKey(pub u8);

impl SenseKey {
    /// Nothing to say, or one of FILEMARK, EOM and ILI.
    pub const NO_SENSE: Self = Self(0x0);
    /// Done, with some recovery by the device.
    pub const RECOVERED_ERROR: Self = Self(0x1);
    /// Not accessible now: no medium, or becoming ready.
    pub const NOT_READY: Self = Self(0x2);
    /// A flaw of the medium.
    pub const MEDIUM_ERROR: Self = Self(0x3);
    /// A failure of the device.
    pub const HARDWARE_ERROR: Self = Self(0x4);
    /// The device does not take this command, or one of its fields.
    pub const ILLEGAL_REQUEST: Self = Self(0x5);
    /// Something happened before the command, which was not done.
    pub const UNIT_ATTENTION: Self = Self(0x6);
    /// The medium is write protected.
    pub const DATA_PROTECT: Self = Self(0x7);
    /// Blank medium or end of data.
    pub const BLANK_CHECK: Self = Self(0x8);
    /// The device gave the command up; it may be sent again.
    pub const ABORTED_COMMAND: Self = Self(0xb);
    /// End of medium, with data left unwritten.
    pub const VOLUME_OVERFLOW: Self = Self(0xd);
}

impl fmt::Display for SenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x0 => "NO SENSE",
            0x1 => "RECOVERED ERROR",
            0x2 => "NOT READY",
            0x3 => "MEDIUM ERROR",
            0x4 => "HARDWARE ERROR",
            0x5 => "ILLEGAL REQUEST",
            0x6 => "UNIT ATTENTION",
            0x7 => "DATA PROTECT",
            0x8 => "BLANK CHECK",
            0x9 => "VENDOR SPECIFIC",
            0xa => "COPY ABORTED",
            0xb => "ABORTED COMMAND",
            0xd => "VOLUME OVERFLOW",
            0xe => "MISCOMPARE",
            0xf => "COMPLETED",
            code => return write!(f, "sense key {code:X}h"),
        };
        f.write_str(name)
    }
}

/// ADDITIONAL SENSE CODE and ADDITIONAL SENSE CODE QUALIFIER (SPC-4 4.5.6).
///
/// Prints as `3A/00 (medium not present)`, without words where T10's list has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdditionalSenseCode {
    /// ADDITIONAL SENSE CODE.
    pub asc: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER.
    pub ascq: u8,
}

impl AdditionalSenseCode {
    /// Nothing to add, 00/00.
    pub const NONE: Self = Self::new(0x00, 0x00);
    /// A filemark was met, 00/01.
    pub const FILEMARK_DETECTED: Self = Self::new(0x00, 0x01);
    /// Early warning or the end of the medium, 00/02.
    pub const END_OF_MEDIUM_DETECTED: Self = Self::new(0x00, 0x02);
    /// The beginning of the medium was met, 00/04.
    pub const BEGINNING_OF_MEDIUM_DETECTED: Self = Self::new(0x00, 0x04);
    /// Nothing is written behind this position, 00/05.
    pub const END_OF_DATA_DETECTED: Self = Self::new(0x00, 0x05);
    /// LOGICAL UNIT NOT READY, CAUSE NOT REPORTABLE, 04/00.
    pub const NOT_READY_CAUSE_NOT_REPORTABLE: Self = Self::new(0x04, 0x00);
    /// LOGICAL UNIT IS IN PROCESS OF BECOMING READY, 04/01.
    pub const BECOMING_READY: Self = Self::new(0x04, 0x01);
    /// A cartridge is there but not loaded, 04/02.
    pub const INITIALIZING_COMMAND_REQUIRED: Self = Self::new(0x04, 0x02);
    /// LOGICAL UNIT NOT READY, OPERATION IN PROGRESS, 04/07.
    pub const OPERATION_IN_PROGRESS: Self = Self::new(0x04, 0x07);
    /// The medium did not take the data, 0C/00.
    pub const WRITE_ERROR: Self = Self::new(0x0c, 0x00);
    /// The medium did not give the data, 11/00.
    pub const UNRECOVERED_READ_ERROR: Self = Self::new(0x11, 0x00);
    /// The parameter list is not as long as it must be, 1A/00.
    pub const PARAMETER_LIST_LENGTH_ERROR: Self = Self::new(0x1a, 0x00);
    /// No such command here, 20/00.
    pub const INVALID_OPERATION_CODE: Self = Self::new(0x20, 0x00);
    /// No such element, or not for this, 21/01.
    pub const INVALID_ELEMENT_ADDRESS: Self = Self::new(0x21, 0x01);
    /// A field of the command is not supported, 24/00.
    pub const INVALID_FIELD_IN_CDB: Self = Self::new(0x24, 0x00);
    /// No such logical unit, 25/00.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(0x25, 0x00);
    /// A field of the parameter list is not supported, 26/00.
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self = Self::new(0x26, 0x00);
    /// The release does not fit the persistent reservation, 26/04.
    pub const INVALID_RELEASE: Self = Self::new(0x26, 0x04);
    /// The medium is write protected, 27/00.
    pub const WRITE_PROTECTED: Self = Self::new(0x27, 0x00);
    /// NOT READY TO READY CHANGE, 28/00.
    pub const MEDIUM_MAY_HAVE_CHANGED: Self = Self::new(0x28, 0x00);
    /// Power on, reset, or bus device reset, 29/00.
    pub const POWER_ON_OR_RESET: Self = Self::new(0x29, 0x00);
    /// The target was reset, 29/02.
    pub const BUS_RESET: Self = Self::new(0x29, 0x02);
    /// The logical unit was reset, 29/03.
    pub const BUS_DEVICE_RESET: Self = Self::new(0x29, 0x03);
    /// Another initiator changed the mode parameters, 2A/01.
    pub const MODE_PARAMETERS_CHANGED: Self = Self::new(0x2a, 0x01);
    /// Another initiator cleared the reservation, 2A/03.
    pub const RESERVATIONS_PREEMPTED: Self = Self::new(0x2a, 0x03);
    /// Another initiator released the reservation, 2A/04.
    pub const RESERVATIONS_RELEASED: Self = Self::new(0x2a, 0x04);
    /// Another initiator took the registration away, 2A/05.
    pub const REGISTRATIONS_PREEMPTED: Self = Self::new(0x2a, 0x05);
    /// The drive cannot use such a cartridge, 30/00.
    pub const INCOMPATIBLE_MEDIUM: Self = Self::new(0x30, 0x00);
    /// No cartridge, 3A/00.
    pub const MEDIUM_NOT_PRESENT: Self = Self::new(0x3a, 0x00);
    /// The destination element holds a cartridge already, 3B/0D.
    pub const DESTINATION_FULL: Self = Self::new(0x3b, 0x0d);
    /// The source element holds no cartridge, 3B/0E.
    pub const SOURCE_EMPTY: Self = Self::new(0x3b, 0x0e);
    /// The device failed, 44/00.
    pub const INTERNAL_TARGET_FAILURE: Self = Self::new(0x44, 0x00);
    /// The data that came is not what the command said, 4B/00.
    pub const DATA_PHASE_ERROR: Self = Self::new(0x4b, 0x00);
    /// The cartridge could not be loaded or unloaded, 53/00.
    pub const LOAD_OR_EJECT_FAILED: Self = Self::new(0x53, 0x00);
    /// An initiator prevents the removal of the cartridge, 53/02.
    pub const REMOVAL_PREVENTED: Self = Self::new(0x53, 0x02);
    /// No room in the cartridge's memory, 55/06.
    pub const AUXILIARY_MEMORY_OUT_OF_SPACE: Self = Self::new(0x55, 0x06);
    /// No room for one more registration, 55/04.
    pub const INSUFFICIENT_REGISTRATION_RESOURCES: Self = Self::new(0x55, 0x04);

    const fn new(asc: u8, ascq: u8) -> Self {
        Self { asc, ascq }
    }

    /// Returns T10's name of the code, in lower case but for abbreviations; `None` for a vendor's own (80h to FFh in either
    /// byte) and for a reserved one. DIAGNOSTIC FAILURE ON COMPONENT, TAGGED OVERLAPPED COMMANDS and DECOMPRESSION EXCEPTION SHORT
    /// ALGORITHM ID carry a number in the qualifier: a component, a task tag, an algorithm.
    pub fn meaning(self) -> Option<&'static str> {
        match (self.asc, self.ascq) {
            (0x40, 0x80..) => return Some("diagnostic failure on component"),
            (0x4d, _) => return Some("tagged overlapped commands"),
            (0x70, _) => return Some("decompression exception short algorithm ID"),
            _ => {}
        }
        let code = (self.asc, self.ascq);
        let found = codes::NAMES.binary_search_by_key(&code, |(asc, ascq, _)| (*asc, *ascq));
        let (_, _, meaning) = codes::NAMES.get(found.ok()?)?;
        Some(meaning)
    }
}

impl fmt::Display for AdditionalSenseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}/{:02X}", self.asc, self.ascq)?;
        match self.meaning() {
            Some(meaning) => write!(f, " ({meaning})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fixed_format_gives_key_code_and_information() {
        let bytes = [
            0xf0, 0x00, 0xa0, 0x00, 0x00, 0x10, 0x00, 0x0a, 0, 0, 0, 0, 0x00, 0x01, 0, 0, 0, 0,
        ];
        let sense = SenseData::decode(&bytes).unwrap();
        assert_eq!(sense.key, SenseKey::NO_SENSE);
        assert_eq!(sense.information, Some(0x1000));
        assert!(sense.filemark && sense.incorrect_length);
        assert!(!sense.end_of_medium && !sense.deferred);
        assert_eq!(sense.to_string(), "NO SENSE 00/01 (filemark detected)");
    }

    #[test]
    fn information_without_the_valid_bit_is_none() {
        let bytes = [0x70, 0, 0x46, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x29, 0x00];
        let sense = SenseData::decode(&bytes).unwrap();
        assert_eq!(sense.information, None);
        assert!(sense.end_of_medium);
        assert_eq!(
            sense.to_string(),
            "UNIT ATTENTION 29/00 (power on, reset, or bus device reset occurred)"
        );
    }

    #[test]
    fn descriptor_format_gives_the_same_fields() {
        let bytes = [
            0x73, 0x08, 0x00, 0x05, 0, 0, 0, 16, // key 8, 00/05, 16 bytes of descriptors
            0x00, 0x0a, 0x80, 0x00, 0, 0, 0, 0, 0, 1, 0, 2, // information
            0x04, 0x02, 0x00, 0xc0, // stream commands: FILEMARK, EOM
        ];
        let sense = SenseData::decode(&bytes).unwrap();
        assert_eq!(sense.key, SenseKey::BLANK_CHECK);
        assert_eq!(sense.information, Some(0x1_0002));
        assert!(sense.deferred && sense.filemark && sense.end_of_medium);
        assert!(!sense.incorrect_length);
        assert_eq!(
            sense.to_string(),
            "BLANK CHECK 00/05 (end-of-data detected), of an earlier command"
        );
    }

    #[test]
    fn sense_data_is_encoded_in_fixed_format() {
        let mut sense = SenseData::new(SenseKey::NO_SENSE, AdditionalSenseCode::FILEMARK_DETECTED);
        sense.filemark = true;
        sense.end_of_medium = true;
        sense.information = Some(0x0102_0304);
        assert_eq!(
            sense.encode(),
            [0xf0, 0, 0xc0, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(SenseData::decode(&sense.encode()), Ok(sense));
        let mut sense = SenseData::new(SenseKey::MEDIUM_ERROR, AdditionalSenseCode::WRITE_ERROR);
        sense.deferred = true;
        sense.incorrect_length = true;
        assert_eq!(
            sense.encode(),
            [
                0x71, 0, 0x23, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(SenseData::decode(&sense.encode()), Ok(sense));
    }

    #[test]
    fn an_illegal_request_names_its_field() {
        let mut sense = SenseData::new(
            SenseKey::ILLEGAL_REQUEST,
            AdditionalSenseCode::INVALID_FIELD_IN_CDB,
        );
        sense.field_pointer = Some(FieldPointer::in_cdb(6, Some(0)));
        assert_eq!(sense.encode()[15..], [0xc8, 0, 6]);
        assert_eq!(SenseData::decode(&sense.encode()), Ok(sense));
        sense.field_pointer = Some(FieldPointer::in_parameters(0x0102));
        assert_eq!(sense.encode()[15..], [0x80, 1, 2]);
        assert_eq!(SenseData::decode(&sense.encode()), Ok(sense));
        let descriptors = [
            0x72, 0x05, 0x24, 0, 0, 0, 0, 8, 0x02, 0x06, 0, 0, 0xcb, 0, 7, 0,
        ];
        let pointer = SenseData::decode(&descriptors).unwrap().field_pointer;
        assert_eq!(pointer, Some(FieldPointer::in_cdb(7, Some(3))));
        // With another sense key the bytes mean something else.
        let progress = [
            0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1, 0, 0x80, 0x40, 0,
        ];
        assert_eq!(SenseData::decode(&progress).unwrap().field_pointer, None);
    }

    #[test]
    fn sense_data_cut_off_behind_its_key_is_used() {
        let sense = SenseData::decode(&[0x70, 0, 0x02]).unwrap();
        assert_eq!(sense.key, SenseKey::NOT_READY);
        assert_eq!(sense.code, AdditionalSenseCode { asc: 0, ascq: 0 });
        let sense = SenseData::decode(&[0x72, 0x05]).unwrap();
        assert_eq!(sense.key, SenseKey::ILLEGAL_REQUEST);
        assert!(SenseData::decode(&[0x70, 0]).is_err());
        assert!(SenseData::decode(&[]).is_err());
    }

    #[test]
    fn an_unknown_response_code_is_an_error() {
        assert_eq!(
            SenseData::decode(&[0x7f, 0, 2]),
            Err(DecodeError::UnexpectedCode {
                item: "sense data",
                field: "RESPONSE CODE",
                expected: 0x70,
                received: 0x7f
            })
        );
    }

    #[test]
    fn a_code_without_words_prints_its_numbers() {
        let code = AdditionalSenseCode {
            asc: 0x83,
            ascq: 0x0c,
        };
        assert_eq!(code.to_string(), "83/0C");
    }

    #[test]
    fn every_name_is_listed_once_and_in_order() {
        assert!(
            codes::NAMES
                .windows(2)
                .all(|pair| (pair[0].0, pair[0].1) < (pair[1].0, pair[1].1))
        );
        let blank = |name: &str| name.trim() != name || name.is_empty();
        assert!(!codes::NAMES.iter().any(|(_, _, name)| blank(name)));
        let first_and_last = [codes::NAMES[0], codes::NAMES[codes::NAMES.len() - 1]];
        for (asc, ascq, name) in first_and_last {
            let meaning = AdditionalSenseCode { asc, ascq }.meaning();
            assert_eq!(meaning, Some(name));
        }
    }

    #[test]
    fn a_qualifier_that_is_a_number_leaves_the_name_as_it_is() {
        let text = |asc, ascq| AdditionalSenseCode { asc, ascq }.to_string();
        assert_eq!(text(0x40, 0x00), "40/00 (RAM failure)");
        assert_eq!(text(0x40, 0x7f), "40/7F");
        assert_eq!(text(0x40, 0x85), "40/85 (diagnostic failure on component)");
        assert_eq!(text(0x4d, 0x12), "4D/12 (tagged overlapped commands)");
        assert_eq!(
            text(0x70, 0x10),
            "70/10 (decompression exception short algorithm ID)"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(sense) = SenseData::decode(&bytes) {
                prop_assert!(!sense.to_string().is_empty());
            }
        }
    }
}
