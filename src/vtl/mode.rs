//! Mode pages: current, changeable, default and saved values (SPC-4 7.5).

use super::reply::Refusal;
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

/// PC of MODE SENSE: which values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageControl {
    Current,
    Changeable,
    Default,
    Saved,
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
    pub(super) device_specific_parameter: u8,
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

    /// MODE SENSE(6) (SPC-4 6.13): the whole parameter data, to be cut to the allocation length.
    pub(super) fn sense6(&self, cdb: &[u8; 16], header: ModeHeader) -> Result<Vec<u8>, Refusal> {
        let (descriptor, pages) = self.selected(cdb, header)?;
        let rest = descriptor.len().saturating_add(pages.len());
        let length = u8::try_from(rest.saturating_add(3)).unwrap_or(u8::MAX);
        let descriptor_length = u8::try_from(descriptor.len()).unwrap_or(0);
        let mut data = vec![
            length,
            header.medium_type,
            header.device_specific_parameter,
            descriptor_length,
        ];
        data.extend(descriptor);
        data.extend(pages);
        Ok(data)
    }

    /// MODE SENSE(10) (SPC-4 6.14).
    pub(super) fn sense10(&self, cdb: &[u8; 16], header: ModeHeader) -> Result<Vec<u8>, Refusal> {
        let (descriptor, pages) = self.selected(cdb, header)?;
        let rest = descriptor.len().saturating_add(pages.len());
        let length = u16::try_from(rest.saturating_add(6)).unwrap_or(u16::MAX);
        let mut data = length.to_be_bytes().to_vec();
        data.extend([
            header.medium_type,
            header.device_specific_parameter,
            0,
            0,
            0,
        ]);
        data.push(u8::try_from(descriptor.len()).unwrap_or(0));
        data.extend(descriptor);
        data.extend(pages);
        Ok(data)
    }

    /// Returns the block descriptors and the pages that bytes 1 to 3 of the CDB ask for.
    fn selected(&self, cdb: &[u8; 16], header: ModeHeader) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let [_, options, page, subpage, ..] = *cdb;
        let control = match page >> 6 {
            0 => PageControl::Current,
            1 => PageControl::Changeable,
            2 => PageControl::Default,
            _ => PageControl::Saved,
        };
        // Nothing here has subpages; FFh asks for all there are.
        if subpage != 0 && subpage != 0xff {
            return Err(Refusal::invalid_field());
        }
        let code = page & 0x3f;
        let mut data = Vec::new();
        for page in &self.pages {
            if code == page.code || code == ALL_PAGES {
                data.extend(page.encode(control));
            }
        }
        // Page 00h asks for the header and the block descriptor of a tape drive.
        if data.is_empty() && code != 0 && code != ALL_PAGES {
            return Err(Refusal::invalid_field());
        }
        let wanted = header.block_descriptor.filter(|_| options & DBD == 0);
        Ok((wanted.map(|bytes| bytes.to_vec()).unwrap_or_default(), data))
    }

    /// Checks the parameter list of MODE SELECT(6) or, when `long`, (10) (SPC-4 6.11, 6.12).
    pub(super) fn check(
        &self,
        cdb: &[u8; 16],
        list: &[u8],
        long: bool,
    ) -> Result<Selection, Refusal> {
        let [_, options, ..] = *cdb;
        let mut selection = Selection {
            device_specific_parameter: 0,
            block_descriptor: None,
            pages: Vec::new(),
            save: options & SP != 0,
        };
        if list.is_empty() {
            return Ok(selection);
        }
        // PF = 0 would mean vendor specific pages.
        if options & PF == 0 {
            return Err(Refusal::invalid_field());
        }
        let cut = |_| Refusal::parameter_list_length();
        let mut reader = Reader::new("mode parameter list", list);
        let descriptors = if long {
            let [_, _, _, specific, _, _] = reader.array().map_err(cut)?;
            selection.device_specific_parameter = specific;
            usize::from(reader.u16().map_err(cut)?)
        } else {
            let [_, _, specific, descriptors] = reader.array().map_err(cut)?;
            selection.device_specific_parameter = specific;
            usize::from(descriptors)
        };
        selection.block_descriptor = match descriptors {
            0 => None,
            8 => Some(reader.array().map_err(cut)?),
            _ => return Err(Refusal::invalid_parameter()),
        };
        while !reader.is_empty() {
            let [first, length] = reader.array().map_err(cut)?;
            let values = reader.take(length.into()).map_err(cut)?;
            let page = self
                .pages
                .iter()
                .find(|page| page.code == first & 0x3f)
                .filter(|page| first & SPF == 0 && page.takes(values))
                .ok_or_else(Refusal::invalid_parameter)?;
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

const ALL_PAGES: u8 = 0x3f;
/// Byte 1 of MODE SENSE: no block descriptors.
const DBD: u8 = 0x08;
/// Byte 1 of MODE SELECT: the pages are as the standard draws them.
const PF: u8 = 0x10;
/// Byte 1 of MODE SELECT: save the pages.
const SP: u8 = 0x01;
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
