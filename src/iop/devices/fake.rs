//! For tests: a target that answers an enumeration in memory, in the manner of a 3584 or of tgt.

use std::time::Duration;

use bytes::Bytes;

use super::enumerate::{
    Enumeration, EnumerationCommand, EnumerationError, EnumerationReply, EnumerationStep,
};
use super::inventory::TargetInventory;
use crate::scsi::Lun;
use crate::scsi::Status;

pub(super) const CHANGER: u8 = 0x08;
pub(super) const TAPE: u8 = 0x01;

/// What a device answers to a CDB instead of what it would; none where it has no quirk.
pub(super) type Quirk = fn(&[u8]) -> Option<EnumerationReply>;

/// A logical unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub(super) lun: u8,
    pub(super) peripheral: u8,
    pub(super) vendor: &'static str,
    pub(super) product: &'static str,
    pub(super) serial: Option<String>,
    /// Contents of VPD page 83h.
    pub(super) designators: Vec<u8>,
    /// Type and model of VPD page D0h in BCD.
    pub(super) type_model: Option<[u8; 4]>,
    /// Counts of transport, storage, import/export and data transfer elements of mode page 1Dh.
    pub(super) counts: Option<[u16; 4]>,
    /// Drive elements from address 257 on: identifier and barcode.
    pub(super) drives: Vec<(String, &'static str)>,
    /// Addresses of data transfer elements that say that no drive is there (EXCEPT, 83/00).
    pub(super) empty_bays: Vec<u16>,
    /// Bytes that READ ELEMENT STATUS leaves off at its end.
    pub(super) cut: usize,
    /// CDBs that the device does not answer as it does otherwise.
    pub(super) quirk: Option<Quirk>,
    /// Replies that come before the device answers at all; INQUIRY and REPORT LUNS go past unit attentions.
    pub(super) first: Vec<EnumerationReply>,
}

/// Some logical units, and what was sent to them.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeTarget {
    pub(super) devices: Vec<Device>,
    pub(super) sent: Vec<(u64, Vec<u8>)>,
    pub(super) flights: usize,
    pub(super) now: Duration,
    /// Whether LUN 0 is not there, and REPORT LUNS is answered at the well-known logical unit.
    pub(super) without_lun_0: bool,
}

impl FakeTarget {
    pub(super) fn new(devices: Vec<Device>) -> Self {
        Self {
            devices,
            ..Self::default()
        }
    }

    /// Two drives and a changer as an IBM 3584 shows them: plain serial numbers as identifiers, page D0h.
    pub(super) fn ibm_3584() -> Self {
        let drive = |lun, serial: &str| Device {
            lun,
            peripheral: TAPE,
            vendor: "IBM",
            product: "ULT3580-TD5",
            serial: Some(serial.to_owned()),
            first: vec![power_on()],
            ..Device::default()
        };
        let changer = Device {
            lun: 0,
            peripheral: CHANGER,
            vendor: "IBM",
            product: "03584L32",
            serial: Some("0000078A12340401".to_owned()),
            type_model: Some([0x35, 0x84, 0x04, 0x03]),
            counts: Some([1, 40, 4, 2]),
            // IBM's reference for the 3584: DVCID = 1 wants VOLTAG = 0.
            quirk: Some(|cdb| {
                let both = cdb[0] == 0xb8 && cdb[1] & 0x10 != 0 && cdb[6] & 1 != 0;
                both.then(|| check(5, 0x24, 0))
            }),
            drives: vec![
                ("1068000001".to_owned(), "AB0001L5"),
                ("1068000002".to_owned(), ""),
            ],
            first: vec![power_on()],
            ..Device::default()
        };
        Self::new(vec![
            changer,
            drive(1, "1068000001"),
            drive(2, "1068000002"),
        ])
    }

    /// A controller, two drives and a changer as tgt shows them: serial numbers padded on the left, no page D0h, the
    /// last eight bytes of the element status missing.
    pub(super) fn tgt() -> Self {
        let drive = |lun, serial: &str| Device {
            lun,
            peripheral: TAPE,
            vendor: "IBM",
            product: "ULT3580-TD5",
            serial: Some(format!("{serial:>36}")),
            first: vec![power_on()],
            ..Device::default()
        };
        let identifier = |serial| format!("{:<8}{:<16}{serial}", "IBM", "ULT3580-TD5");
        let changer = Device {
            lun: 5,
            peripheral: CHANGER,
            vendor: "IBM",
            product: "03584L32",
            serial: Some(format!("{:>36}", "0000078A12340401")),
            counts: Some([1, 16, 4, 2]),
            drives: vec![
                (identifier("1000000001"), ""),
                (identifier("1000000002"), ""),
            ],
            cut: 8,
            first: vec![power_on()],
            ..Device::default()
        };
        let controller = Device {
            peripheral: 0x0c,
            vendor: "IET",
            product: "Controller",
            ..Device::default()
        };
        Self::new(vec![
            controller,
            drive(1, "1000000001"),
            drive(2, "1000000002"),
            changer,
        ])
    }

    /// Runs an enumeration to its end, all replies of a flight at once.
    pub(super) fn enumerate(&mut self) -> Result<TargetInventory, EnumerationError> {
        let mut enumeration = Enumeration::new(self.now, Duration::from_secs(15));
        let mut on_their_way = Vec::new();
        loop {
            match enumeration.poll(self.now) {
                EnumerationStep::Send(commands) => on_their_way.extend(commands),
                step if !on_their_way.is_empty() => {
                    assert!(
                        !matches!(step, EnumerationStep::Done),
                        "nothing is done while replies are missing"
                    );
                    self.flights += 1;
                    for command in std::mem::take(&mut on_their_way) {
                        let reply = self.answer(&command);
                        enumeration.handle(command.id, &reply, self.now);
                    }
                }
                EnumerationStep::WaitUntil(time) => {
                    assert!(time > self.now, "a pause is in the future");
                    self.now = time;
                }
                EnumerationStep::WaitForReplies => panic!("no reply is missing"),
                EnumerationStep::Done => return enumeration.finish(),
            }
        }
    }

    /// Answers as the device would.
    pub(super) fn answer(&mut self, command: &EnumerationCommand) -> EnumerationReply {
        let cdb = command.cdb.as_bytes().to_vec();
        self.sent.push((command.lun.number(), cdb.clone()));
        if self.without_lun_0 && cdb[0] == 0xa0 && command.lun == Lun::ZERO {
            return check(5, 0x25, 0);
        }
        let mut data = match (cdb[0], self.device(command.lun)) {
            (0xa0, _) => self.report_luns(),
            (0x12, None) => vec![0x7f, 0, 0, 0, 0],
            (_, None) => return check(5, 0x25, 0),
            (operation, Some(device)) => {
                let past_attention = operation == 0x12 && device.first.first() == Some(&power_on());
                if !past_attention && !device.first.is_empty() {
                    return device.first.remove(0);
                }
                if let Some(reply) = device.quirk.and_then(|quirk| quirk(&cdb)) {
                    return reply;
                }
                match device.data(&cdb) {
                    Ok(data) => data,
                    Err(reply) => return reply,
                }
            }
        };
        data.truncate(command.allocation_length as usize);
        good(data)
    }

    fn device(&mut self, lun: Lun) -> Option<&mut Device> {
        self.devices
            .iter_mut()
            .find(|device| u64::from(device.lun) == lun.number())
    }

    fn report_luns(&self) -> Vec<u8> {
        let mut data = vec![0, 0];
        data.extend((self.devices.len() as u16 * 8).to_be_bytes());
        data.extend([0; 4]);
        for device in &self.devices {
            data.extend([0, device.lun, 0, 0, 0, 0, 0, 0]);
        }
        data
    }
}

impl Device {
    fn data(&self, cdb: &[u8]) -> Result<Vec<u8>, EnumerationReply> {
        match cdb {
            [0x00, ..] if self.peripheral == TAPE => Err(check(2, 0x3a, 0)),
            [0x00, ..] => Ok(Vec::new()),
            [0x12, 0, ..] => {
                let mut data = vec![self.peripheral, 0x80, 3, 2, 31, 0, 0, 0];
                data.extend(format!("{:<8}{:<16}9350", self.vendor, self.product).bytes());
                Ok(data)
            }
            [0x12, 1, page, ..] => {
                let contents = match page {
                    0x00 => Some(self.pages()),
                    0x80 => self.serial.clone().map(String::into_bytes),
                    0x83 => Some(self.designators.clone()),
                    0xd0 => self.type_model.map(|type_model| {
                        [b"\x04SCDD\x00\x0b\x08\x80\x00\x00\x00", &type_model[..]].concat()
                    }),
                    _ => None,
                };
                let contents = contents.ok_or_else(|| check(5, 0x24, 0))?;
                let mut data = vec![self.peripheral, *page];
                data.extend((contents.len() as u16).to_be_bytes());
                data.extend(contents);
                Ok(data)
            }
            [0x1a, _, 0x1d, ..] if self.peripheral == CHANGER => {
                let counts = self.counts.ok_or_else(|| check(5, 0x24, 0))?;
                let mut data = vec![23, 0, 0, 0, 0x1d, 18];
                for (first, count) in [1u16, 0x401, 0x301, 0x101].into_iter().zip(counts) {
                    data.extend(first.to_be_bytes());
                    data.extend(count.to_be_bytes());
                }
                data.extend([0, 0]);
                Ok(data)
            }
            [0xb8, ..] if self.peripheral == CHANGER => Ok(self.element_status(cdb)),
            _ => Err(check(5, 0x20, 0)),
        }
    }

    fn pages(&self) -> Vec<u8> {
        let mut pages = vec![0x00];
        pages.extend(self.serial.as_ref().map(|_| 0x80));
        pages.push(0x83);
        pages.extend(self.type_model.map(|_| 0xd0));
        pages
    }

    fn element_status(&self, cdb: &[u8]) -> Vec<u8> {
        let element_type = cdb[1] & 0x0f;
        if element_type != 4 {
            // Counts that differ from mode page 1Dh's show which of the two was used.
            return vec![0, 1, 0, 70 + element_type, 0, 0, 2, 0];
        }
        let (volume_tag, device_id) = (cdb[1] & 0x10 != 0, cdb[6] & 1 != 0);
        let first = u16::from_be_bytes([cdb[2], cdb[3]]);
        let most = usize::from(u16::from_be_bytes([cdb[4], cdb[5]]));
        // All descriptors of a page have one length.
        let width = self
            .drives
            .iter()
            .map(|(identifier, _)| identifier.len())
            .max()
            .unwrap_or(0);
        let drives = (257u16..)
            .zip(&self.drives)
            .map(|(address, (identifier, barcode))| (address, identifier.as_str(), *barcode, true));
        let empty_bays = self
            .empty_bays
            .iter()
            .map(|address| (*address, "", "", false));
        let mut count = 0u16;
        let mut descriptors = Vec::new();
        for (address, identifier, barcode, installed) in drives
            .chain(empty_bays)
            .filter(|(address, ..)| *address >= first)
            .take(most)
        {
            count += 1;
            descriptors.extend(address.to_be_bytes());
            // FULL is not valid in an answer with identifiers.
            let full = u8::from(!barcode.is_empty() && !device_id);
            match installed {
                true => descriptors.extend([8 | full, 0, 0, 0]),
                false => descriptors.extend([4, 0, 0x83, 0]),
            }
            descriptors.extend([0; 6]);
            if volume_tag {
                descriptors.extend(format!("{barcode:<32}").bytes());
                descriptors.extend([0; 4]);
            }
            if device_id {
                let length = if identifier.is_empty() {
                    0
                } else {
                    width as u8
                };
                descriptors.extend([2, 1, 0, length]);
                descriptors.extend(format!("{identifier:<width$}").bytes());
            } else {
                descriptors.extend([0; 4]);
            }
        }
        let length = descriptors.len() as u32;
        let each = descriptors.len().checked_div(count.into()).unwrap_or(16) as u16;
        let mut data = vec![1, 1];
        data.extend(count.to_be_bytes());
        data.extend((length + 8).to_be_bytes());
        data.extend([4, u8::from(volume_tag) << 7]);
        data.extend(each.to_be_bytes());
        data.extend(length.to_be_bytes());
        data.extend(descriptors);
        data.truncate(data.len() - self.cut);
        data
    }
}

pub(super) fn good(data: Vec<u8>) -> EnumerationReply {
    EnumerationReply {
        status: Status::GOOD,
        sense: Bytes::new(),
        data: data.into(),
    }
}

/// CHECK CONDITION with fixed format sense data.
pub(super) fn check(key: u8, asc: u8, ascq: u8) -> EnumerationReply {
    let sense = [
        0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0,
    ];
    EnumerationReply {
        status: Status::CHECK_CONDITION,
        sense: sense.to_vec().into(),
        data: Bytes::new(),
    }
}

pub(super) fn status(status: Status) -> EnumerationReply {
    EnumerationReply {
        status,
        sense: Bytes::new(),
        data: Bytes::new(),
    }
}

pub(super) fn power_on() -> EnumerationReply {
    check(6, 0x29, 0)
}
