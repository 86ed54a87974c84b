//! Log pages (SPC-4 7.3): the parameter data of LOG SENSE.

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// Supported log pages.
pub const SUPPORTED_PAGES: u8 = 0x00;
/// Write error counters.
pub const WRITE_ERROR_COUNTERS: u8 = 0x02;
/// Read error counters.
pub const READ_ERROR_COUNTERS: u8 = 0x03;
/// Sequential access device: bytes that passed (SSC-4 8.3.2).
pub const SEQUENTIAL_ACCESS_DEVICE: u8 = 0x0c;
/// DT device status (ADC-3 6.1.2).
pub const DEVICE_STATUS: u8 = 0x11;
/// Volume statistics (SSC-4 8.3.9).
pub const VOLUME_STATISTICS: u8 = 0x17;
/// TapeAlert (SSC-4 8.3.3): reading it clears its flags.
pub const TAPE_ALERT: u8 = 0x2e;
/// Tape capacity of IBM LTO drives; vendor specific.
pub const TAPE_CAPACITY: u8 = 0x31;

/// A log page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// PAGE CODE.
    pub code: u8,
    /// The parameters, in the order of their codes.
    pub parameters: Vec<LogParameter>,
}

/// A parameter of a log page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogParameter {
    /// PARAMETER CODE.
    pub code: u16,
    /// Byte 2 of the parameter: FORMAT AND LINKING in bits 1-0, and what is said of thresholds.
    pub control: u8,
    /// PARAMETER VALUE, at most 255 bytes.
    pub value: Vec<u8>,
}

impl LogParameter {
    /// FORMAT AND LINKING 11b: a binary list parameter.
    pub const BINARY_LIST: u8 = 0x03;

    /// Returns a binary list parameter, as tape drives report their values.
    pub fn binary(code: u16, value: impl Into<Vec<u8>>) -> Self {
        Self {
            code,
            control: Self::BINARY_LIST,
            value: value.into(),
        }
    }

    /// Returns the value as a number; of one longer than eight bytes the last eight.
    pub fn number(&self) -> u64 {
        self.value
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn encode(&self) -> Vec<u8> {
        let length = u8::try_from(self.value.len()).unwrap_or(u8::MAX);
        let [high, low] = self.code.to_be_bytes();
        let mut parameter = vec![high, low, self.control, length];
        parameter.extend(self.value.iter().take(length.into()));
        parameter
    }
}

impl LogPage {
    /// Returns the parameter data: the page's header, and the parameters from `pointer` on.
    pub fn encode(&self, pointer: u16) -> Vec<u8> {
        let wanted = self.parameters.iter().filter(|own| own.code >= pointer);
        page(self.code, wanted.flat_map(LogParameter::encode).collect())
    }

    /// Decodes a page as far as it came; a last parameter that is not whole is left out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the header is not whole; [`DecodeError::UnexpectedCode`] when it is another page.
    pub fn decode(code: u8, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = contents(code, bytes)?;
        let mut parameters = Vec::new();
        while let Ok([high, low, control, length]) = reader.array() {
            let Ok(value) = reader.take(length.into()) else {
                break;
            };
            parameters.push(LogParameter {
                code: u16::from_be_bytes([high, low]),
                control,
                value: value.to_vec(),
            });
        }
        Ok(Self { code, parameters })
    }

    /// Returns a parameter's value as a number; `None` when the page does not have it.
    pub fn number(&self, code: u16) -> Option<u64> {
        self.parameters
            .iter()
            .find(|parameter| parameter.code == code)
            .map(LogParameter::number)
    }
}

/// Encodes page 00h: the codes of the pages that the device has, this one among them.
pub fn encode_supported_pages(codes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    page(SUPPORTED_PAGES, codes.into_iter().collect())
}

/// Decodes page 00h.
///
/// # Errors
/// As [`LogPage::decode`].
pub fn supported_pages(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut reader = contents(SUPPORTED_PAGES, bytes)?;
    Ok(reader.take_up_to(usize::MAX).to_vec())
}

const ITEM: &str = "log page";

fn contents(code: u8, bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut reader = Reader::new(ITEM, bytes);
    let [received, _subpage] = reader.array()?;
    let length = reader.u16()?;
    // DS and SPF stand above the code.
    match received & 0x3f {
        received if received == code => Ok(Reader::new(ITEM, reader.take_up_to(length.into()))),
        received => Err(DecodeError::UnexpectedCode {
            item: ITEM,
            field: "PAGE CODE",
            expected: code,
            received,
        }),
    }
}

fn page(code: u8, contents: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
    let mut data = vec![code, 0];
    data.extend(length.to_be_bytes());
    data.extend(contents.iter().take(length.into()));
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capacity() -> LogPage {
        LogPage {
            code: TAPE_CAPACITY,
            parameters: vec![
                LogParameter::binary(1, 3u32.to_be_bytes()),
                LogParameter::binary(3, 5u32.to_be_bytes()),
            ],
        }
    }

    #[test]
    fn parameters_begin_at_the_pointer() {
        let second = [0x31, 0, 0, 8, 0, 3, 3, 4, 0, 0, 0, 5];
        assert_eq!(capacity().encode(2), second);
        assert_eq!(capacity().encode(0).len(), 4 + 16);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let page = LogPage::decode(TAPE_CAPACITY, &capacity().encode(0)).unwrap();
        assert_eq!(page, capacity());
        assert_eq!((page.number(3), page.number(2)), (Some(5), None));
        assert!(LogPage::decode(TAPE_ALERT, &capacity().encode(0)).is_err());
        let cut = LogPage::decode(TAPE_CAPACITY, &capacity().encode(0)[..13]).unwrap();
        assert_eq!(cut.parameters.len(), 1);
        let listed = encode_supported_pages([0, 0x0c, 0x2e]);
        assert_eq!(listed, [0, 0, 0, 3, 0, 0x0c, 0x2e]);
        assert_eq!(supported_pages(&listed), Ok(vec![0, 0x0c, 0x2e]));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), code: u8) {
            let _ = (LogPage::decode(code, &bytes), supported_pages(&bytes));
        }
    }
}
