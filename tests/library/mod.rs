/// Commands of the changer.
mod changer;
/// Cartridges on disk: what survives a kill, a torn tail, a restart, and who may use the directory.
mod disk;
/// What devices::enumerate makes of the library.
mod enumeration;
/// Failures of single commands on demand.
mod faults;
/// What a drive counts, and what a cartridge remembers.
mod medium;
/// What any initiator may send, and a plain model beside the tape.
mod model;
/// Commands that every logical unit takes: identity, mode and log pages, reservations, unit attentions, faults.
mod primary;
/// Commands of the drive.
mod tape;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iscsiswiconfig::scsi::Lun;
use iscsiswiconfig::scsi::{SenseData, Status};
use iscsiswiconfig::vtl::{
    Barcode, InitiatorPort, Library, LibraryConfiguration, LibraryError, LogicalUnitReply, Media,
    NexusId,
};

const ONE: NexusId = NexusId(1);
const TWO: NexusId = NexusId(2);
const CHANGER: u16 = 0;
const DRIVE: u16 = 1;

/// Opens a library. A process that another test has just forked holds every lock of this one until it has become its own
/// program, so a directory that a library has just closed may be in use for a moment.
fn open(configuration: &LibraryConfiguration) -> Result<Library, LibraryError> {
    let started = Instant::now();
    loop {
        match Library::new(configuration.clone()) {
            Err(LibraryError::InUse { .. }) if started.elapsed() < Duration::from_secs(60) => {
                thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// A library with one initiator that has taken note of every unit attention.
struct Desk {
    library: Library,
}

/// What a command came to: status, then key and code of its sense data, and the sense data's flags.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    reply: LogicalUnitReply,
}

impl Desk {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut LibraryConfiguration)) -> Self {
        let mut configuration = LibraryConfiguration::default();
        change(&mut configuration);
        Self::of(configuration)
    }

    /// A library whose cartridges are files of `directory`.
    fn on(directory: &Path) -> Self {
        Self::with(|wish| wish.media = Media::Directory(directory.to_owned()))
    }

    fn of(configuration: LibraryConfiguration) -> Self {
        let mut desk = Self {
            library: open(&configuration).unwrap(),
        };
        desk.log_in(ONE, "iqn.2026-01.lab:one");
        desk
    }

    fn log_in(&mut self, nexus: NexusId, name: &str) {
        let port = InitiatorPort {
            name: name.parse().unwrap(),
            isid: [0x80, 0, 0, 0, 0, 1],
        };
        self.library.nexus_added(nexus, port);
        self.drain(nexus);
    }

    fn drain(&mut self, nexus: NexusId) {
        for lun in 0..self.library.logical_units().len() as u16 {
            while self
                .by(nexus, lun, &[0x00])
                .sense()
                .is_some_and(|sense| sense.key.0 == 6)
            {}
        }
    }

    fn by(&mut self, nexus: NexusId, lun: u16, cdb: &[u8]) -> Answer {
        self.by_with(nexus, lun, cdb, &[])
    }

    fn by_with(&mut self, nexus: NexusId, lun: u16, cdb: &[u8], data: &[u8]) -> Answer {
        let mut padded = [0; 16];
        padded[..cdb.len()].copy_from_slice(cdb);
        let reply = self.library.execute(
            nexus,
            Lun::from_number(lun).unwrap(),
            &padded,
            &Bytes::copy_from_slice(data),
            u32::MAX,
        );
        Answer { reply }
    }

    fn send(&mut self, lun: u16, cdb: &[u8]) -> Answer {
        self.by(ONE, lun, cdb)
    }

    fn send_with(&mut self, lun: u16, cdb: &[u8], data: &[u8]) -> Answer {
        self.by_with(ONE, lun, cdb, data)
    }

    fn move_medium(&mut self, from: u16, to: u16) -> Answer {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        self.send(CHANGER, &[0xa5, 0, 0, 1, a, b, c, d, 0, 0, 0, 0])
    }

    /// Loads the first cartridge into the first drive.
    fn load(&mut self) {
        self.move_medium(1025, 257).good();
        self.send(DRIVE, &[0x00]).is(6, 0x28, 0x00);
    }

    fn write(&mut self, data: &[u8]) -> Answer {
        let [_, a, b, c] = (data.len() as u32).to_be_bytes();
        self.send_with(DRIVE, &[0x0a, 0, a, b, c, 0], data)
    }

    fn read(&mut self, length: u32) -> Answer {
        let [_, a, b, c] = length.to_be_bytes();
        self.send(DRIVE, &[0x08, 0, a, b, c, 0])
    }

    fn write_filemarks(&mut self, count: u8) -> Answer {
        self.send(DRIVE, &[0x10, 0, 0, 0, count, 0])
    }

    fn rewind(&mut self) {
        self.send(DRIVE, &[0x01]).good();
    }

    fn space(&mut self, code: u8, count: i32) -> Answer {
        let [_, a, b, c] = count.to_be_bytes();
        self.send(DRIVE, &[0x11, code, a, b, c, 0])
    }

    /// READ POSITION, long form: object number and file identifier.
    fn position(&mut self) -> (u64, u64) {
        let data = self.send(DRIVE, &[0x34, 6]).data();
        let number = |at: usize| u64::from_be_bytes(data[at..at + 8].try_into().unwrap());
        (number(8), number(16))
    }
}

impl Answer {
    fn sense(&self) -> Option<SenseData> {
        SenseData::decode(&self.reply.sense).ok()
    }

    #[track_caller]
    fn good(&self) {
        assert_eq!(self.reply.status, Status::GOOD, "{:?}", self.sense());
        assert!(self.reply.sense.is_empty());
    }

    #[track_caller]
    fn data(&self) -> Bytes {
        self.good();
        self.reply.data_in.clone()
    }

    /// Asserts CHECK CONDITION with this key and code.
    #[track_caller]
    fn is(&self, key: u8, asc: u8, ascq: u8) -> SenseData {
        assert_eq!(self.reply.status, Status::CHECK_CONDITION);
        let sense = self.sense().unwrap();
        assert_eq!(
            (sense.key.0, sense.code.asc, sense.code.ascq),
            (key, asc, ascq),
            "{sense}"
        );
        sense
    }

    #[track_caller]
    fn conflicts(&self) {
        assert_eq!(self.reply.status, Status::RESERVATION_CONFLICT);
    }
}

fn volume(text: &str) -> Barcode {
    Barcode::parse(text).unwrap()
}
