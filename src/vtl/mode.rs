//! Mode pages: current, changeable, default and saved values (SPC-4 7.5).

use super::reply::CommandRefusal;
use crate::scsi::command::{CdbLength, ModeSelect, ModeSense, PageControl};
use crate::scsi::reader::Reader;

/// The mode pages of a logical unit, by page code.
#[derive(Clone, Debug, Default)]
pub(super) struct ModePages {
    pages: Vec<ModePage>,
    /// BLOCK LENGTH of the block descriptor: 0 for blocks of any length.
    pub(super) block_length: u32,
}

#[derive(Clone, Debug)]
struct ModePage {
    code: u8,
    /// What follows the two-byte page header.
    current: Vec<u8>,
    saved: Vec<u8>,
    default: Vec<u8>,
    /// One bits are those that MODE SELECT may change.
    changeable: Vec<u8>,
}

/// The header of mode parameter data and its block descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ModeHeader {
    pub(super) medium_type: u8,
    pub(super) device_specific_parameter: u8,
    pub(super) block_descriptor: Option<[u8; 8]>,
}

/// What a MODE SELECT asks for, after all checks that concern the pages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) block_descriptor: Option<[u8; 8]>,
    pages: Vec<(u8, Vec<u8>)>,
    save: bool,
}

impl Selection {
    /// Returns whether it has no header, which asks for nothing.
    pub(super) fn changes_nothing(&self) -> bool {
        self.block_descriptor.is_none() && self.pages.is_empty()
    }
}

impl ModePages {
    /// Returns the pages given: code, default values behind the page header, and which bits can be changed.
    pub(super) fn new<'a>(pages: impl IntoIterator<Item = (u8, &'a [u8], &'a [u8])>) -> Self {
        let mut pages: Vec<ModePage> = pages
            .into_iter()
            .map(|(code, default, changeable)| {
                let mut changeable = changeable.to_vec();
                changeable.resize(default.len(), 0);
                ModePage {
                    code,
                    current: default.to_vec(),
                    saved: default.to_vec(),
                    default: default.to_vec(),
                    changeable,
                }
            })
            .collect();
        pages.sort_by_key(|page| page.code);
        Self {
            pages,
            block_length: 0,
        }
    }

    /// Saved values become the current ones, and blocks may have any length again.
    pub(super) fn reset(&mut self) {
        for page in &mut self.pages {
            page.current.clone_from(&page.saved);
        }
        self.block_length = 0;
    }

    /// Returns the current values of a page, behind its header.
    pub(super) fn current(&self, code: u8) -> &[u8] {
        self.pages
            .iter()
            .find(|page| page.code == code)
            .map(|page| page.current.as_slice())
            .unwrap_or_default()
    }

    /// MODE SENSE(6) and (10) (SPC-4 6.13, 6.14): the whole parameter data, to be cut to the allocation length.
    pub(super) fn sense(
        &self,
        command: ModeSense,
        header: ModeHeader,
    ) -> Result<Vec<u8>, CommandRefusal> {
        let pages = self.selected(command)?;
        let descriptor = header
            .block_descriptor
            .filter(|_| !command.disable_block_descriptors);
        let descriptor = descriptor.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        let rest = descriptor.len().saturating_add(pages.len());
        let descriptor_length = u8::try_from(descriptor.len()).unwrap_or(0);
        let (medium_type, specific) = (header.medium_type, header.device_specific_parameter);
        // MODE DATA LENGTH does not count itself.
        let mut data = match command.cdb_length {
            CdbLength::Six => {
                let length = u8::try_from(rest.saturating_add(3)).unwrap_or(u8::MAX);
                vec![length, medium_type, specific, descriptor_length]
            }
            CdbLength::Ten => {
                let length = u16::try_from(rest.saturating_add(6)).unwrap_or(u16::MAX);
                let [high, low] = length.to_be_bytes();
                vec![high, low, medium_type, specific, 0, 0, 0, descriptor_length]
            }
        };
        data.extend(descriptor);
        data.extend(pages);
        Ok(data)
    }

    /// Returns the pages that a MODE SENSE asks for.
    fn selected(&self, command: ModeSense) -> Result<Vec<u8>, CommandRefusal> {
        // Nothing here has subpages; FFh asks for all there are.
        if command.subpage_code != 0 && command.subpage_code != 0xff {
            return Err(CommandRefusal::field(3, 7));
        }
        let code = command.page_code;
        let mut data = Vec::new();
        for page in &self.pages {
            if code == page.code || code == ModeSense::ALL_PAGES {
                data.extend(page.encode(command.page_control));
            }
        }
        // Page 00h asks for the header and the block descriptor of a tape drive.
        if data.is_empty() && code != 0 && code != ModeSense::ALL_PAGES {
            return Err(CommandRefusal::field(2, 5));
        }
        Ok(data)
    }

    /// Checks the parameter list of a MODE SELECT (SPC-4 6.11, 6.12).
    pub(super) fn check(
        &self,
        command: ModeSelect,
        list: &[u8],
    ) -> Result<Selection, CommandRefusal> {
        let mut selection = Selection {
            block_descriptor: None,
            pages: Vec::new(),
            save: command.save_pages,
        };
        if list.is_empty() {
            return Ok(selection);
        }
        // Without PF the pages would be vendor specific.
        if !command.page_format {
            return Err(CommandRefusal::field(1, 4));
        }
        let cut = |_| CommandRefusal::parameter_list_length();
        let mut reader = Reader::new("mode parameter list", list);
        let (descriptors, length_at) = match command.cdb_length {
            CdbLength::Six => {
                let [_, _, _, descriptors] = reader.array().map_err(cut)?;
                (u16::from(descriptors), 3)
            }
            CdbLength::Ten => {
                let _header: [u8; 6] = reader.array().map_err(cut)?;
                (reader.u16().map_err(cut)?, 6)
            }
        };
        selection.block_descriptor = match descriptors {
            0 => None,
            8 => Some(reader.array().map_err(cut)?),
            _ => return Err(CommandRefusal::parameter(length_at)),
        };
        while !reader.is_empty() {
            let at = list.len().saturating_sub(reader.remaining());
            let [first, length] = reader.array().map_err(cut)?;
            let values = reader.take(length.into()).map_err(cut)?;
            let page = self
                .pages
                .iter()
                .find(|page| page.code == first & 0x3f)
                .filter(|page| first & SPF == 0 && page.takes(values))
                .ok_or_else(|| CommandRefusal::parameter(at))?;
            selection.pages.push((page.code, values.to_vec()));
        }
        Ok(selection)
    }

    /// Puts a selection that was checked into force.
    pub(super) fn apply(&mut self, selection: Selection) {
        for (code, values) in selection.pages {
            if let Some(page) = self.pages.iter_mut().find(|page| page.code == code) {
                page.current = values;
                if selection.save {
                    page.saved.clone_from(&page.current);
                }
            }
        }
    }
}

/// Byte 0 of a page: it is a subpage.
const SPF: u8 = 0x40;
/// Byte 0 of a page: it can be saved.
const PS: u8 = 0x80;

impl ModePage {
    fn encode(&self, control: PageControl) -> Vec<u8> {
        let values = match control {
            PageControl::Current => &self.current,
            PageControl::Changeable => &self.changeable,
            PageControl::Default => &self.default,
            PageControl::Saved => &self.saved,
        };
        let mut page = vec![PS | self.code, u8::try_from(values.len()).unwrap_or(0)];
        page.extend(values);
        page
    }

    /// Returns whether the values differ from the current ones in changeable bits only.
    fn takes(&self, values: &[u8]) -> bool {
        values.len() == self.current.len()
            && values
                .iter()
                .zip(&self.current)
                .zip(&self.changeable)
                .all(|((new, old), changeable)| (new ^ old) & !changeable == 0)
    }
}
