//! The log pages of the library (SPC-4 7.3, SSC-4 8.3).

use super::reply::{Outcome, Refusal, up_to};
use crate::scsi::command::LogSense;
use crate::scsi::data::log::{self, LogPage, LogParameter};

/// TapeAlert: flags 1 to 64, none of them raised (SSC-4 8.3.3).
pub(super) fn tape_alert() -> LogPage {
    LogPage {
        code: log::TAPE_ALERT,
        parameters: (1..=64)
            .map(|flag| LogParameter::binary(flag, [0]))
            .collect(),
    }
}

/// Sequential access device: bytes received, written, read and sent (SSC-4 8.3.2).
pub(super) fn sequential_access(written: u64, read: u64) -> LogPage {
    let values = [written, written, read, read];
    LogPage {
        code: log::SEQUENTIAL_ACCESS_DEVICE,
        parameters: (0..)
            .zip(values)
            .map(|(code, value)| LogParameter::binary(code, value.to_be_bytes()))
            .collect(),
    }
}

/// Tape capacity of IBM LTO drives, in MiB: what is left of the main partition, and what it has.
pub(super) fn tape_capacity(remaining: u64, maximum: u64) -> LogPage {
    let mebibytes = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let values = [mebibytes(remaining), 0, mebibytes(maximum), 0];
    LogPage {
        code: log::TAPE_CAPACITY,
        parameters: (1..)
            .zip(values)
            .map(|(code, value)| LogParameter::binary(code, value.to_be_bytes()))
            .collect(),
    }
}

/// LOG SENSE (SPC-4 6.7). `pages` are in the order of their codes; page 00h, which lists them, is added here.
pub(super) fn sense(command: LogSense, pages: &[LogPage]) -> Outcome {
    if command.subpage_code != 0 {
        return Err(Refusal::field(3, 7));
    }
    let pointer = command.parameter_pointer;
    let data = if command.page_code == log::SUPPORTED_PAGES {
        if pointer != 0 {
            return Err(Refusal::field(5, 7));
        }
        let codes = pages.iter().map(|page| page.code);
        log::encode_supported_pages(std::iter::once(log::SUPPORTED_PAGES).chain(codes))
    } else {
        let page = pages
            .iter()
            .find(|page| page.code == command.page_code)
            .ok_or_else(|| Refusal::field(2, 5))?;
        // The parameter that is pointed at must be there or have one behind it.
        if page.parameters.iter().all(|own| own.code < pointer) {
            return Err(Refusal::field(5, 7));
        }
        page.encode(pointer)
    };
    Ok(up_to(data, command.allocation_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(page: u8, parameter_pointer: u16, pages: &[LogPage]) -> Outcome {
        let command = LogSense {
            parameter_pointer,
            ..LogSense::page(page, u16::MAX)
        };
        sense(command, pages)
    }

    #[test]
    fn page_00_lists_the_pages_and_itself() {
        let pages = [sequential_access(1, 2), tape_alert()];
        let listed = asked(0, 0, &pages).unwrap();
        assert_eq!(listed[..], [0, 0, 0, 3, 0, 0x0c, 0x2e]);
        assert_eq!(asked(0x31, 0, &pages), Err(Refusal::field(2, 5)));
        assert_eq!(asked(0, 1, &pages), Err(Refusal::field(5, 7)));
    }

    #[test]
    fn parameters_begin_at_the_pointer() {
        let pages = [tape_capacity(3 << 20, 5 << 20)];
        assert_eq!(
            asked(0x31, 3, &pages).unwrap()[..],
            [
                0x31, 0, 0, 16, 0, 3, 3, 4, 0, 0, 0, 5, 0, 4, 3, 4, 0, 0, 0, 0
            ]
        );
        assert_eq!(asked(0x31, 5, &pages), Err(Refusal::field(5, 7)));
        let data = asked(0x2e, 0, &[tape_alert()]).unwrap();
        assert_eq!(data.len(), 4 + 64 * 5);
        let data = asked(0x0c, 2, &[sequential_access(1, 2)]).unwrap();
        assert_eq!(data[4..8], [0, 2, 3, 8]);
        assert_eq!(data[15], 2);
    }
}
