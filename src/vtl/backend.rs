//! The library behind a listener: every session is a nexus of it.
//!
//! A command that changes a logical unit, or that may have to wait for a file, takes the turn of every unit concerned, in the
//! order of arrival. What waits does so on another thread, and the commands of other units, and those of other initiators
//! that only ask, are answered meanwhile.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::changer::CartridgeMovement;
use super::configuration::LibraryError;
use super::library::{Library, Progress};
use super::work::{Work, WorkDone};
use crate::iscsi::ids::Lun;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{ReceivedCommand, ScsiReply};
use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey};
use crate::transport::listener::{
    Backend, BackendAnswer, Listener, Notice, Stopped, Turn, Turns, detached, off_thread,
};

/// Does what has to be waited for; none when that failed in this program.
type Worker = dyn Fn(Work) -> BackendAnswer<Option<WorkDone>>;

/// Something that happens while a library is served.
#[derive(Clone, Copy, Debug)]
pub enum LibraryNotice<'a> {
    /// At the listener.
    Listener(Notice<'a>),
    /// A cartridge was moved by the changer, and where it is now is recorded.
    Moved(&'a CartridgeMovement),
}

/// Is told what happens.
pub type LibraryObserver = dyn Fn(LibraryNotice<'_>);

/// A library that a listener serves.
pub struct LibraryBackend(Rc<SharedLibrary>);

struct SharedLibrary {
    library: RefCell<Library>,
    /// A turn for each logical unit, the changer's first.
    turns: Vec<Turns>,
    /// How many commands of a nexus have a turn at a logical unit, or wait for it: those behind them keep their order.
    under_way: RefCell<BTreeMap<(NexusId, usize), usize>>,
    worker: Box<Worker>,
    observer: Rc<LibraryObserver>,
}

/// Serves a library until the listener is stopped, and waits until everything written is on the disk.
///
/// # Errors
/// [`LibraryError`] when the media cannot be synced.
pub fn serve(
    listener: Listener,
    library: Library,
    observer: Rc<LibraryObserver>,
) -> Result<Stopped, LibraryError> {
    let backend = Rc::new(LibraryBackend::observed(library, Rc::clone(&observer)));
    let served = Rc::clone(&backend);
    let stopped = listener.serve(
        served,
        Rc::new(move |notice| observer(LibraryNotice::Listener(notice))),
    );
    backend.0.library().sync().map(|()| stopped)
}

impl LibraryBackend {
    /// Takes a library that no initiator knows yet.
    #[must_use]
    pub fn new(library: Library) -> Self {
        Self::observed(library, Rc::new(|_| {}))
    }

    fn observed(library: Library, observer: Rc<LibraryObserver>) -> Self {
        Self::with_worker(library, |work| off_thread(move || work.run()), observer)
    }

    fn with_worker(
        library: Library,
        worker: impl Fn(Work) -> BackendAnswer<Option<WorkDone>> + 'static,
        observer: Rc<LibraryObserver>,
    ) -> Self {
        let units = library.logical_units().len();
        Self(Rc::new(SharedLibrary {
            library: RefCell::new(library),
            turns: std::iter::repeat_with(Turns::default).take(units).collect(),
            under_way: RefCell::default(),
            worker: Box::new(worker),
            observer,
        }))
    }
}

impl SharedLibrary {
    fn library(&self) -> RefMut<'_, Library> {
        self.library.borrow_mut()
    }

    /// Returns the units whose turn a command has to take: those that it needs, or its own one when a command of the same
    /// nexus is under way there.
    fn units_of(&self, nexus: NexusId, command: &ReceivedCommand) -> Vec<usize> {
        let library = self.library();
        let units = library.units_of(command.lun, &command.cdb);
        match library.unit_number(command.lun) {
            Some(unit)
                if units.is_empty() && self.under_way.borrow().contains_key(&(nexus, unit)) =>
            {
                vec![unit]
            }
            _ => units,
        }
    }

    /// Waits for the turns at these units, which are in ascending order: so no two commands wait for each other.
    async fn take_turns(&self, units: &[usize]) -> Vec<Turn> {
        let mut turns = Vec::with_capacity(units.len());
        for turn in units.iter().filter_map(|unit| self.turns.get(*unit)) {
            turns.push(turn.clone().take().await);
        }
        turns
    }

    /// Does what a command waits for until it has ended.
    async fn finish(&self, mut progress: Progress) -> ScsiReply {
        loop {
            match progress {
                Progress::Done { reply, moved } => {
                    for movement in &moved {
                        (self.observer)(LibraryNotice::Moved(movement));
                    }
                    return to_iscsi(reply);
                }
                Progress::Waits(work, waiting) => match (self.worker)(work).await {
                    Some(done) => progress = self.library().resume(waiting, done),
                    None => return failed(),
                },
            }
        }
    }
}

/// A command that has a turn or waits for it, in the eyes of those behind it at its logical unit.
struct UnderWay {
    shared: Rc<SharedLibrary>,
    at: (NexusId, usize),
}

impl UnderWay {
    fn new(shared: &Rc<SharedLibrary>, nexus: NexusId, unit: usize) -> Self {
        let at = (nexus, unit);
        let mut under_way = shared.under_way.borrow_mut();
        let count: &mut usize = under_way.entry(at).or_default();
        *count = count.saturating_add(1);
        Self {
            shared: Rc::clone(shared),
            at,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.shared.under_way.borrow_mut();
        match under_way.get_mut(&self.at) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => {
                under_way.remove(&self.at);
            }
        }
    }
}

impl Backend for LibraryBackend {
    fn nexus_added(&self, nexus: NexusId, port: InitiatorPort) {
        self.0.library().nexus_added(nexus, port);
    }

    fn nexus_lost(&self, nexus: NexusId) {
        self.0.library().nexus_lost(nexus);
    }

    fn has_logical_unit(&self, lun: Lun) -> bool {
        self.0.library().unit_number(lun).is_some()
    }

    fn execute(&self, nexus: NexusId, command: ReceivedCommand) -> BackendAnswer<ScsiReply> {
        let shared = Rc::clone(&self.0);
        let units = shared.units_of(nexus, &command);
        let unit = shared.library().unit_number(command.lun);
        let unit = unit.filter(|_| !units.is_empty());
        // From now on, not from when its turn comes: what the same nexus sends next has to queue behind it.
        let under_way = unit.map(|unit| UnderWay::new(&shared, nexus, unit));
        Box::pin(async move {
            let turns = shared.take_turns(&units).await;
            let progress = shared.library().begin(
                nexus,
                command.lun,
                &command.cdb,
                &command.data_out,
                // The session cuts what the initiator does not take; the library has bounds of its own for what it reads.
                u32::MAX,
            );
            if let Progress::Done { .. } = progress {
                return shared.finish(progress).await;
            }
            // From here on it is done, whether the initiator aborts it or not: half a movement is none.
            let finished = detached(async move {
                let reply = shared.finish(progress).await;
                drop((turns, under_way));
                reply
            });
            finished.await.unwrap_or_else(failed)
        })
    }

    fn manage(
        &self,
        _nexus: NexusId,
        function: TaskManagementFunction,
        lun: Lun,
    ) -> BackendAnswer<TaskManagementOutcome> {
        use TaskManagementFunction as Function;
        let shared = Rc::clone(&self.0);
        let units: Vec<usize> = match function {
            Function::TARGET_WARM_RESET | Function::TARGET_COLD_RESET => {
                (0..shared.turns.len()).collect()
            }
            _ => shared.library().unit_number(lun).into_iter().collect(),
        };
        Box::pin(async move {
            let _turns = shared.take_turns(&units).await;
            let mut library = shared.library();
            match function {
                Function::LOGICAL_UNIT_RESET => {
                    library.logical_unit_reset(lun);
                }
                Function::TARGET_WARM_RESET => library.target_reset(),
                Function::TARGET_COLD_RESET => library.power_cycle(),
                _ => {}
            }
            TaskManagementOutcome::FUNCTION_COMPLETE
        })
    }

    fn settle(&self) -> BackendAnswer<()> {
        let shared = Rc::clone(&self.0);
        Box::pin(async move {
            let all: Vec<usize> = (0..shared.turns.len()).collect();
            let _turns = shared.take_turns(&all).await;
        })
    }
}

fn to_iscsi(reply: super::reply::LogicalUnitReply) -> ScsiReply {
    ScsiReply {
        status: reply.status.0,
        sense: reply.sense,
        data_in: reply.data_in,
        data_out_length: Some(reply.data_out_length),
    }
}

/// Returns how a command ends that this program could not do.
fn failed() -> ScsiReply {
    let code = AdditionalSenseCode::INTERNAL_TARGET_FAILURE;
    let sense = SenseData::new(SenseKey::HARDWARE_ERROR, code).encode();
    ScsiReply::check_condition(bytes::Bytes::copy_from_slice(&sense))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::path::Path;
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;

    use super::*;
    use crate::iscsi::ids::InitiatorTaskTag;
    use crate::transport::block_on;
    use crate::vtl::{LibraryConfiguration, Media};

    const ONE: NexusId = NexusId(1);
    const OTHER: NexusId = NexusId(2);
    const CHANGER: u16 = 0;
    const DRIVE: u16 = 1;
    const SECOND_DRIVE: u16 = 2;

    /// Holds the work of a library back until it is told to let one thing pass.
    #[derive(Clone, Default)]
    struct Gate(Rc<RefCell<usize>>);

    impl Gate {
        fn of(&self, configuration: LibraryConfiguration) -> LibraryBackend {
            let gate = self.clone();
            let library = Library::new(configuration).unwrap();
            let worker = move |work| gate.pass(work);
            let backend = LibraryBackend::with_worker(library, worker, Rc::new(|_| {}));
            add_nexuses(&backend);
            backend
        }

        fn let_pass(&self, count: usize) {
            *self.0.borrow_mut() += count;
        }

        fn backend(&self, media: &Path) -> LibraryBackend {
            self.of(in_directory(media))
        }

        /// Does a piece of work when it is let pass.
        fn pass(&self, work: Work) -> BackendAnswer<Option<WorkDone>> {
            let (gate, mut work) = (self.clone(), Some(work));
            Box::pin(poll_fn(move |context| {
                let mut passes = gate.0.borrow_mut();
                if *passes == 0 {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                *passes -= 1;
                Poll::Ready(work.take().map(Work::run))
            }))
        }
    }

    fn in_directory(media: &Path) -> LibraryConfiguration {
        LibraryConfiguration {
            media: Media::Directory(media.to_owned()),
            ..LibraryConfiguration::default()
        }
    }

    /// Returns a backend whose work for a drive waits for the gate while the other work is done at once.
    fn gate_of_drive(
        gate: &Gate,
        drive: usize,
        configuration: LibraryConfiguration,
    ) -> LibraryBackend {
        let gate = gate.clone();
        let library = Library::new(configuration).unwrap();
        let worker = move |work| {
            let is_held = match &work {
                Work::Append { drive: of, .. }
                | Work::Sync { drive: of, .. }
                | Work::Read { drive: of, .. } => *of == drive,
                Work::Open { .. } | Work::Record { .. } => false,
            };
            match is_held {
                true => gate.pass(work),
                false => Box::pin(std::future::ready(Some(work.run()))) as BackendAnswer<_>,
            }
        };
        let backend = LibraryBackend::with_worker(library, worker, Rc::new(|_| {}));
        add_nexuses(&backend);
        backend
    }

    fn add_nexuses(backend: &LibraryBackend) {
        for nexus in [ONE, OTHER] {
            let port = InitiatorPort {
                name: "iqn.2026-11.test:a".parse().unwrap(),
                isid: [0, 0, 0, 0, 0, u8::try_from(nexus.0).unwrap()],
            };
            backend.nexus_added(nexus, port);
        }
    }

    fn command(lun: u16, bytes: &[u8], data: &[u8]) -> ReceivedCommand {
        let mut cdb = [0; 16];
        cdb[..bytes.len()].copy_from_slice(bytes);
        ReceivedCommand {
            id: crate::iscsi::target::TaskId::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            lun: Lun::from_number(lun).unwrap(),
            cdb,
            extended_cdb: Bytes::new(),
            attribute: crate::iscsi::pdu::TaskAttribute::SIMPLE,
            immediate: false,
            expected_data_in_length: 0,
            expected_data_out_length: 0,
            data_out: Bytes::copy_from_slice(data),
        }
    }

    const TEST_UNIT_READY: &[u8] = &[0; 6];
    const INQUIRY: &[u8] = &[0x12, 0, 0, 0, 36, 0];
    const STATUS: &[u8] = &[0xb8, 0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0];
    const LOAD: &[u8] = &[0xa5, 0, 0, 1, 4, 1, 1, 1, 0, 0, 0, 0];
    const UNLOAD: &[u8] = &[0xa5, 0, 0, 1, 1, 1, 4, 1, 0, 0, 0, 0];
    const WRITE: &[u8] = &[0x0a, 0, 0, 0, 4, 0];
    const FILEMARK: &[u8] = &[0x10, 0, 0, 0, 1, 0];
    const POSITION: &[u8] = &[0x34, 0, 0, 0, 0, 0];
    const LOAD_SECOND: &[u8] = &[0xa5, 0, 0, 1, 4, 2, 1, 2, 0, 0, 0, 0];
    const READ: &[u8] = &[0x08, 0, 0, 0, 4, 0];
    const ERASE: &[u8] = &[0x19, 0, 0, 0, 0, 0];
    const REWIND: &[u8] = &[0x01, 0, 0, 0, 0, 0];
    const UNLOAD_TAPE: &[u8] = &[0x1b, 0, 0, 0, 0, 0];
    const LOAD_TAPE: &[u8] = &[0x1b, 0, 0, 0, 1, 0];
    const TO_END_OF_DATA: &[u8] = &[0x11, 3, 0, 0, 0, 0];

    fn poll<T>(answer: &mut BackendAnswer<T>) -> Option<T> {
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// Returns the status of a command that is answered without waiting.
    #[track_caller]
    fn at_once(backend: &LibraryBackend, nexus: NexusId, lun: u16, cdb: &[u8]) -> u8 {
        let mut answer = backend.execute(nexus, command(lun, cdb, &[]));
        poll(&mut answer).expect("an answer at once").status
    }

    /// Returns the status of a command that waits for nobody but its own work.
    async fn soon(backend: &LibraryBackend, nexus: NexusId, lun: u16, cdb: &[u8]) -> u8 {
        let mut answer = backend.execute(nexus, command(lun, cdb, b"data"));
        for _ in 0..100 {
            if let Some(reply) = poll(&mut answer) {
                return reply.status;
            }
            // The other tasks of this thread go on.
            let mut yielded = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                match std::mem::replace(&mut yielded, true) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
        }
        panic!("lun {lun}: {cdb:x?} is not answered");
    }

    /// Takes the unit attentions of a new session.
    fn take_attentions(backend: &LibraryBackend) {
        for nexus in [ONE, OTHER] {
            for lun in [CHANGER, DRIVE, SECOND_DRIVE] {
                let _ = at_once(backend, nexus, lun, TEST_UNIT_READY);
            }
        }
    }

    fn begin(
        backend: &LibraryBackend,
        nexus: NexusId,
        lun: u16,
        cdb: &[u8],
    ) -> BackendAnswer<ScsiReply> {
        let mut answer = backend.execute(nexus, command(lun, cdb, b"data"));
        assert!(poll(&mut answer).is_none(), "it waits");
        answer
    }

    #[test]
    fn a_cartridge_that_is_being_mounted_holds_up_nobody_else() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let backend = gate.backend(&media.path().join("media"));
        block_on(async {
            take_attentions(&backend);
            let load = begin(&backend, ONE, CHANGER, LOAD);
            for (lun, cdb) in [
                (CHANGER, INQUIRY),
                (CHANGER, STATUS),
                (CHANGER, TEST_UNIT_READY),
                (DRIVE, INQUIRY),
                (SECOND_DRIVE, INQUIRY),
            ] {
                assert_eq!(at_once(&backend, OTHER, lun, cdb), 0, "{lun} {cdb:x?}");
            }
            // The same initiator's commands for that unit keep their order, those for another one do not wait.
            let status = begin(&backend, ONE, CHANGER, STATUS);
            assert_eq!(at_once(&backend, ONE, DRIVE, INQUIRY), 0);
            // The tape is opened, and the movement recorded.
            gate.let_pass(2);
            assert_eq!(load.await.status, 0);
            assert_eq!(status.await.status, 0);
        })
        .unwrap();
    }

    #[test]
    fn movements_are_told_when_they_are_recorded_and_only_those() {
        const EMPTY_SLOT: &[u8] = &[0xa5, 0, 0, 1, 4, 15, 1, 2, 0, 0, 0, 0];
        const IN_PLACE: &[u8] = &[0xa5, 0, 0, 1, 4, 2, 4, 2, 0, 0, 0, 0];
        const EXCHANGE: &[u8] = &[0xa6, 0, 0, 1, 4, 2, 1, 1, 4, 1, 0, 0];
        let directory = tempfile::tempdir().unwrap();
        let media = directory.path().join("media");
        for in_memory in [true, false] {
            let told = Rc::new(RefCell::new(Vec::new()));
            let teller = Rc::clone(&told);
            let library = Library::new(LibraryConfiguration {
                media: match in_memory {
                    true => LibraryConfiguration::default().media,
                    false => Media::Directory(media.clone()),
                },
                ..LibraryConfiguration::default()
            });
            let observer = Rc::new(move |notice: LibraryNotice<'_>| {
                let LibraryNotice::Moved(movement) = notice else {
                    panic!("there is no listener");
                };
                assert_eq!(
                    movement.initiator,
                    Some("iqn.2026-11.test:a".parse().unwrap())
                );
                teller.borrow_mut().push(format!(
                    "{} {} {} to {} {}",
                    movement.volume,
                    movement.source.element_type,
                    movement.source.address,
                    movement.destination.element_type,
                    movement.destination.address
                ));
            });
            let worker = |work: Work| -> BackendAnswer<Option<WorkDone>> {
                Box::pin(std::future::ready(Some(work.run())))
            };
            let backend = LibraryBackend::with_worker(library.unwrap(), worker, observer);
            add_nexuses(&backend);
            let mut statuses = Vec::new();
            block_on(async {
                take_attentions(&backend);
                for cdb in [LOAD, EMPTY_SLOT, IN_PLACE, EXCHANGE] {
                    let reply = backend.execute(ONE, command(CHANGER, cdb, &[])).await;
                    statuses.push(reply.status);
                }
                if !in_memory {
                    // What cannot be recorded is taken back.
                    std::fs::remove_dir_all(&media).unwrap();
                    let back = backend.execute(ONE, command(CHANGER, UNLOAD, &[])).await;
                    assert_eq!(back.status, 2);
                }
            })
            .unwrap();
            assert_eq!(statuses, [0, 2, 0, 0]);
            let expected = [
                "VOL001L8 storage 1025 to data transfer 257",
                "VOL002L8 storage 1026 to data transfer 257",
                "VOL001L8 data transfer 257 to storage 1025",
            ];
            assert_eq!(*told.borrow(), expected);
        }
    }

    #[test]
    fn a_sync_holds_up_nobody_else_and_ends_its_command() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let backend = gate.backend(&media.path().join("media"));
        block_on(async {
            take_attentions(&backend);
            gate.let_pass(2);
            assert_eq!(
                backend
                    .execute(ONE, command(CHANGER, LOAD, &[]))
                    .await
                    .status,
                0
            );
            take_attentions(&backend);
            let write = begin(&backend, ONE, DRIVE, WRITE);
            gate.let_pass(1);
            assert_eq!(write.await.status, 0);
            let mut filemark = begin(&backend, ONE, DRIVE, FILEMARK);
            gate.let_pass(1);
            assert!(poll(&mut filemark).is_none(), "it is written, not synced");
            for lun in [CHANGER, DRIVE, SECOND_DRIVE] {
                assert_eq!(at_once(&backend, OTHER, lun, INQUIRY), 0);
            }
            assert_eq!(at_once(&backend, OTHER, CHANGER, STATUS), 0);
            // Whoever wants to move the tape, or the cartridge, waits.
            let position = begin(&backend, OTHER, DRIVE, POSITION);
            let unload = begin(&backend, OTHER, CHANGER, UNLOAD);
            gate.let_pass(1);
            assert_eq!(filemark.await.status, 0);
            assert_eq!(position.await.status, 0);
            // Nothing is left to be synced: the movement is recorded.
            gate.let_pass(1);
            assert_eq!(unload.await.status, 0);
        })
        .unwrap();
    }

    #[test]
    fn a_command_that_nobody_waits_for_is_done_when_it_has_begun_and_not_before() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let backend = gate.backend(&media.path().join("media"));
        block_on(async {
            take_attentions(&backend);
            let load = begin(&backend, ONE, CHANGER, LOAD);
            let unload = begin(&backend, ONE, CHANGER, UNLOAD);
            let abort = {
                drop((load, unload));
                let lun = Lun::from_number(CHANGER).unwrap();
                backend.manage(ONE, TaskManagementFunction::ABORT_TASK, lun)
            };
            gate.let_pass(2);
            assert_eq!(abort.await, TaskManagementOutcome::FUNCTION_COMPLETE);
            backend.settle().await;
            // It is in the drive, and was not taken out again.
            take_attentions(&backend);
            assert_eq!(at_once(&backend, ONE, DRIVE, TEST_UNIT_READY), 0);
        })
        .unwrap();
    }

    #[test]
    fn a_drive_whose_disk_does_not_answer_holds_up_no_other_session() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let configuration = in_directory(&media.path().join("media"));
        let backend = gate_of_drive(&gate, 0, configuration);
        block_on(async {
            for load in [LOAD, LOAD_SECOND] {
                take_attentions(&backend);
                assert_eq!(soon(&backend, ONE, CHANGER, load).await, 0);
            }
            take_attentions(&backend);
            for (rewound, held) in [
                (false, WRITE),
                (false, FILEMARK),
                (true, ERASE),
                (false, WRITE),
                (true, WRITE),
            ] {
                if rewound {
                    assert_eq!(at_once(&backend, ONE, DRIVE, REWIND), 0);
                }
                let answer = begin(&backend, ONE, DRIVE, held);
                for (lun, cdb) in [
                    (CHANGER, TEST_UNIT_READY),
                    (CHANGER, STATUS),
                    (DRIVE, INQUIRY),
                    (SECOND_DRIVE, WRITE),
                    (SECOND_DRIVE, FILEMARK),
                    (SECOND_DRIVE, REWIND),
                    (SECOND_DRIVE, READ),
                    (SECOND_DRIVE, ERASE),
                    (SECOND_DRIVE, REWIND),
                    (SECOND_DRIVE, POSITION),
                ] {
                    assert_eq!(soon(&backend, OTHER, lun, cdb).await, 0, "{lun} {cdb:x?}");
                }
                gate.let_pass(2);
                assert_eq!(answer.await.status, 0);
                *gate.0.borrow_mut() = 0;
            }
            backend.settle().await;
        })
        .unwrap();
        // The blocks and the filemark are gone but for the last block.
        let tape = std::fs::read(media.path().join("media/VOL001L8.tap")).unwrap();
        assert_eq!(tape, b"\x04\0\0\0data\x04\0\0\0");
    }

    #[test]
    fn a_write_that_a_power_cycle_overtakes_is_not_done_at_another_place() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let configuration = in_directory(&media.path().join("media"));
        let backend = gate_of_drive(&gate, 0, configuration);
        block_on(async {
            take_attentions(&backend);
            assert_eq!(soon(&backend, ONE, CHANGER, LOAD).await, 0);
            take_attentions(&backend);
            for _ in 0..2 {
                let write = begin(&backend, ONE, DRIVE, WRITE);
                gate.let_pass(1);
                assert_eq!(write.await.status, 0);
            }
            let write = begin(&backend, ONE, DRIVE, WRITE);
            backend.0.library().power_cycle();
            gate.let_pass(1);
            assert_eq!(write.await.status, 0x40, "TASK ABORTED");
            take_attentions(&backend);
            // Whether the block is there, the file knows: the tape takes nothing until it is loaded again.
            assert_eq!(at_once(&backend, ONE, DRIVE, TEST_UNIT_READY), 0);
            let write = backend.execute(ONE, command(DRIVE, WRITE, b"data"));
            assert_eq!(write.await.status, 2);
            for cdb in [UNLOAD_TAPE, LOAD_TAPE, TO_END_OF_DATA] {
                assert_eq!(soon(&backend, ONE, DRIVE, cdb).await, 0, "{cdb:x?}");
            }
            let position = backend.execute(ONE, command(DRIVE, POSITION, &[])).await;
            assert_eq!(position.data_in[7], 3);
        })
        .unwrap();
    }

    /// A library whose first drive holds a tape of which a sync has failed.
    fn failed(configuration: &LibraryConfiguration, gate: &Gate) -> LibraryBackend {
        let backend = gate.of(configuration.clone());
        block_on(async {
            gate.let_pass(4);
            take_attentions(&backend);
            for (lun, cdb) in [(CHANGER, LOAD), (DRIVE, TEST_UNIT_READY), (DRIVE, WRITE)] {
                let _ = backend.execute(ONE, command(lun, cdb, b"data")).await;
            }
            let lost = std::io::Error::other("lost");
            backend.0.library().fail_sync(0, &Err(lost));
            *gate.0.borrow_mut() = 0;
        })
        .unwrap();
        backend
    }

    #[test]
    fn loading_a_tape_after_a_failed_sync_scans_it_on_another_thread() {
        let media = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let configuration = in_directory(&media.path().join("media"));
        let backend = failed(&configuration, &gate);
        block_on(async {
            assert_eq!(
                at_once(&backend, ONE, DRIVE, FILEMARK),
                2,
                "nothing is written any more"
            );
            assert_eq!(at_once(&backend, ONE, DRIVE, UNLOAD_TAPE), 0);
            let load = begin(&backend, ONE, DRIVE, LOAD_TAPE);
            assert_eq!(at_once(&backend, OTHER, CHANGER, STATUS), 0);
            gate.let_pass(1);
            assert_eq!(load.await.status, 0);
            assert_eq!(at_once(&backend, ONE, DRIVE, TEST_UNIT_READY), 0);
        })
        .unwrap();
        // A power cycle does not scan it either.
        drop(backend);
        let backend = failed(&configuration, &gate);
        block_on(async {
            backend.0.library().power_cycle();
            take_attentions(&backend);
            assert_eq!(
                at_once(&backend, ONE, DRIVE, TEST_UNIT_READY),
                2,
                "it is not loaded"
            );
            let load = begin(&backend, ONE, DRIVE, LOAD_TAPE);
            gate.let_pass(1);
            assert_eq!(load.await.status, 0);
            assert_eq!(at_once(&backend, ONE, DRIVE, TEST_UNIT_READY), 0);
        })
        .unwrap();
    }
}
