//! The log pages of the library (SPC-4 7.3, SSC-4 8.3).

use std::collections::BTreeSet;

use super::auxiliary_memory::{MediumUsage, serial_number};
use super::media::Cartridge;
use super::reply::{CommandRefusal, CommandResult, up_to};
use crate::scsi::command::LogSense;
use crate::scsi::data::log::{self, LogPage, LogParameter};

/// TapeAlert: flags 1 to 64, those raised that are listed (SSC-4 8.3.3).
pub(super) fn tape_alert(raised: &BTreeSet<u8>) -> LogPage {
    LogPage {
        code: log::TAPE_ALERT,
        parameters: (1..=64u8)
            .map(|flag| LogParameter::binary(flag.into(), [u8::from(raised.contains(&flag))]))
            .collect(),
    }
}

/// Write or read error counters (SPC-4 7.3.7): bytes processed and errors that were not corrected; nothing is ever corrected
/// here.
pub(super) fn error_counters(code: u8, counted: MediumUsage) -> LogPage {
    let mut parameters: Vec<LogParameter> = (0..=4)
        .map(|code| LogParameter::binary(code, [0; 4]))
        .collect();
    parameters.push(LogParameter::binary(5, counted.bytes.to_be_bytes()));
    let errors = u32::try_from(counted.errors).unwrap_or(u32::MAX);
    parameters.push(LogParameter::binary(6, errors.to_be_bytes()));
    LogPage { code, parameters }
}

/// What the very high frequency data of the DT device status page says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeviceStatus {
    pub(super) write_protected: bool,
    pub(super) medium_present: bool,
    pub(super) mounted: bool,
    pub(super) tape_alert: bool,
}

/// DT device status (ADC-3 6.1.2): very high frequency data alone.
pub(super) fn device_status(status: DeviceStatus) -> LogPage {
    // HUI and MACC: the host may unload, the cartridge's memory is accessible; WRTP; DINIT: the drive is initialized.
    let first = u8::from(status.medium_present) << 6
        | u8::from(status.mounted) << 5
        | u8::from(status.write_protected) << 3
        | 0x01;
    // RAA: the robot may take the cartridge; MPRSNT; MSTD, MTHRD, MOUNTED.
    let mounted = if status.mounted { 0x07 } else { 0x20 };
    let second = u8::from(status.medium_present) << 4 | mounted;
    // TAFC: a TapeAlert flag has changed.
    let last = u8::from(status.tape_alert);
    LogPage {
        code: log::DEVICE_STATUS,
        parameters: vec![LogParameter::binary(0, [first, second, 0, last])],
    }
}

/// Volume statistics of the loaded cartridge (SSC-4 8.3.9).
pub(super) fn volume_statistics(
    cartridge: Option<&Cartridge>,
    remaining: u64,
    maximum: u64,
) -> LogPage {
    let long = |code, value: u64| LogParameter::binary(code, value.to_be_bytes());
    let short = |code, value: u64| {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        LogParameter::binary(code, value.to_be_bytes())
    };
    let errors = |code, value: u64| {
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        LogParameter::binary(code, value.to_be_bytes())
    };
    let text = |code, text: &str, length| {
        let padded = text.bytes().chain(std::iter::repeat(b' ')).take(length);
        LogParameter::binary(code, padded.collect::<Vec<u8>>())
    };
    let mut parameters = vec![LogParameter::binary(0, [u8::from(cartridge.is_some())])];
    if let Some(cartridge) = cartridge {
        let (written, read) = (cartridge.memory.written, cartridge.memory.read);
        // Megabytes of 10^6 bytes.
        let megabytes = |bytes: u64| bytes / 1_000_000;
        parameters.extend([
            short(0x0001, cartridge.memory.loads),
            errors(0x0004, written.errors),
            errors(0x0009, read.errors),
            errors(0x000c, written.errors_this_load),
            errors(0x000d, read.errors_this_load),
            short(0x000e, megabytes(written.bytes_this_load)),
            short(0x000f, megabytes(read.bytes_this_load)),
            long(0x0010, megabytes(written.bytes)),
            long(0x0011, megabytes(read.bytes)),
            short(0x0016, megabytes(maximum)),
            short(0x0017, megabytes(maximum.saturating_sub(remaining))),
            text(0x0040, &serial_number(&cartridge.volume), 32),
            text(0x0042, cartridge.volume.as_str(), 32),
            text(0x0043, "IBM", 8),
            LogParameter::binary(0x0080, [u8::from(cartridge.write_protected)]),
            LogParameter::binary(0x0081, [0]),
        ]);
    }
    LogPage {
        code: log::VOLUME_STATISTICS,
        parameters,
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
pub(super) fn sense(command: LogSense, pages: &[LogPage]) -> CommandResult {
    if command.subpage_code != 0 {
        return Err(CommandRefusal::field(3, 7));
    }
    let pointer = command.parameter_pointer;
    let data = if command.page_code == log::SUPPORTED_PAGES {
        if pointer != 0 {
            return Err(CommandRefusal::field(5, 7));
        }
        let codes = pages.iter().map(|page| page.code);
        log::encode_supported_pages(std::iter::once(log::SUPPORTED_PAGES).chain(codes))
    } else {
        let page = pages
            .iter()
            .find(|page| page.code == command.page_code)
            .ok_or_else(|| CommandRefusal::field(2, 5))?;
        // The parameter that is pointed at must be there or have one behind it.
        if page.parameters.iter().all(|own| own.code < pointer) {
            return Err(CommandRefusal::field(5, 7));
        }
        page.encode(pointer)
    };
    Ok(up_to(data, command.allocation_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(page: u8, parameter_pointer: u16, pages: &[LogPage]) -> CommandResult {
        let command = LogSense {
            parameter_pointer,
            ..LogSense::page(page, u16::MAX)
        };
        sense(command, pages)
    }

    #[test]
    fn page_00_lists_the_pages_and_itself() {
        let pages = [sequential_access(1, 2), tape_alert(&BTreeSet::new())];
        let listed = asked(0, 0, &pages).unwrap();
        assert_eq!(listed[..], [0, 0, 0, 3, 0, 0x0c, 0x2e]);
        assert_eq!(asked(0x31, 0, &pages), Err(CommandRefusal::field(2, 5)));
        assert_eq!(asked(0, 1, &pages), Err(CommandRefusal::field(5, 7)));
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
        assert_eq!(asked(0x31, 5, &pages), Err(CommandRefusal::field(5, 7)));
        let data = asked(0x2e, 0, &[tape_alert(&BTreeSet::new())]).unwrap();
        assert_eq!(data.len(), 4 + 64 * 5);
        let data = asked(0x0c, 2, &[sequential_access(1, 2)]).unwrap();
        assert_eq!(data[4..8], [0, 2, 3, 8]);
        assert_eq!(data[15], 2);
    }
}
