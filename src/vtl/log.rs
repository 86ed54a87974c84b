//! Log pages (SPC-4 7.3, SSC-4 8.3): LOG SENSE.

use super::reply::Refusal;

/// A log page: its parameters, by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogPage {
    pub(super) code: u8,
    pub(super) parameters: Vec<(u16, Vec<u8>)>,
}

/// TapeAlert: flags 1 to 64, none of them raised (SSC-4 8.3.6).
pub(super) fn tape_alert() -> LogPage {
    LogPage {
        code: 0x2e,
        parameters: (1..=64).map(|flag| (flag, vec![0])).collect(),
    }
}

/// Sequential access device: bytes received, written, read and sent (SSC-4 8.3.2).
pub(super) fn sequential_access(written: u64, read: u64) -> LogPage {
    let values = [written, written, read, read];
    LogPage {
        code: 0x0c,
        parameters: (0..)
            .zip(values)
            .map(|(code, value)| (code, value.to_be_bytes().to_vec()))
            .collect(),
    }
}

/// Tape capacity of IBM LTO drives, in MiB: what is left of the main partition, and what it has.
pub(super) fn tape_capacity(remaining: u64, maximum: u64) -> LogPage {
    let mebibytes = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let values = [mebibytes(remaining), 0, mebibytes(maximum), 0];
    LogPage {
        code: 0x31,
        parameters: (1..)
            .zip(values)
            .map(|(code, value)| (code, value.to_be_bytes().to_vec()))
            .collect(),
    }
}

/// Returns the parameter data that a LOG SENSE asks for (SPC-4 6.7), to be cut to the allocation length. `pages` are in
/// the order of their codes; page 00h, which lists them, is added here.
pub(super) fn sense(cdb: &[u8; 16], pages: &[LogPage]) -> Result<Vec<u8>, Refusal> {
    let [_, _, page, subpage, _, high, low, ..] = *cdb;
    let pointer = u16::from_be_bytes([high, low]);
    let code = page & 0x3f;
    if subpage != 0 {
        return Err(Refusal::invalid_field());
    }
    let contents: Vec<u8> = if code == 0 {
        if pointer != 0 {
            return Err(Refusal::invalid_field());
        }
        std::iter::once(0)
            .chain(pages.iter().map(|page| page.code))
            .collect()
    } else {
        let page = pages
            .iter()
            .find(|page| page.code == code)
            .ok_or_else(Refusal::invalid_field)?;
        // PARAMETER POINTER: from this one on; it must be there or have one behind it.
        let wanted = || page.parameters.iter().filter(|(code, _)| *code >= pointer);
        if wanted().next().is_none() {
            return Err(Refusal::invalid_field());
        }
        wanted()
            .flat_map(|(code, value)| {
                let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
                let [high, low] = code.to_be_bytes();
                // FORMAT AND LINKING 11b: a binary list parameter.
                let mut parameter = vec![high, low, 0x03, length];
                parameter.extend(value);
                parameter
            })
            .collect()
    };
    let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
    let mut data = vec![code, 0];
    data.extend(length.to_be_bytes());
    data.extend(contents);
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cdb(page: u8, pointer: u16) -> [u8; 16] {
        let [high, low] = pointer.to_be_bytes();
        [
            0x4d,
            0,
            0x40 | page,
            0,
            0,
            high,
            low,
            0,
            0xff,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    }

    #[test]
    fn page_00_lists_the_pages_and_itself() {
        let pages = [sequential_access(1, 2), tape_alert()];
        assert_eq!(
            sense(&cdb(0, 0), &pages).unwrap(),
            [0, 0, 0, 3, 0, 0x0c, 0x2e]
        );
        assert!(sense(&cdb(0x31, 0), &pages).is_err());
    }

    #[test]
    fn parameters_begin_at_the_pointer() {
        let pages = [tape_capacity(3 << 20, 5 << 20)];
        assert_eq!(
            sense(&cdb(0x31, 3), &pages).unwrap(),
            [
                0x31, 0, 0, 16, 0, 3, 3, 4, 0, 0, 0, 5, 0, 4, 3, 4, 0, 0, 0, 0
            ]
        );
        assert!(sense(&cdb(0x31, 5), &pages).is_err());
        let data = sense(&cdb(0x2e, 0), &[tape_alert()]).unwrap();
        assert_eq!(data.len(), 4 + 64 * 5);
        let data = sense(&cdb(0x0c, 2), &[sequential_access(1, 2)]).unwrap();
        assert_eq!(data[4..8], [0, 2, 3, 8]);
        assert_eq!(data[15], 2);
    }
}
