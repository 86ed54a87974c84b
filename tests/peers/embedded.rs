//! The embedded library in this process: one or more targets behind one portal of 127.0.0.1.
//!
//! A listener serves one target. A portal that several targets share is made of a listener for each, and of a front that
//! reads TargetName in the first Login Request of a connection and passes the connection on.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use iscsiswiconfig::iscsi::chap::{ChapAlgorithm, ChapCredentials};
use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopper};
use iscsiswiconfig::vtl::{DriveType, Library, LibraryConfiguration, LibraryFaults, serve};

/// Length of a Basic Header Segment (RFC 7143 11.2.1).
const HEADER_LENGTH: usize = 48;

/// What is served under one target name.
#[derive(Debug)]
pub struct Target {
    settings: ListenerSettings,
    library: LibraryConfiguration,
}

impl Target {
    /// A small library that lets every initiator in.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            settings: ListenerSettings::new(listen, name.parse().unwrap()),
            library: LibraryConfiguration {
                drives: 1,
                slots: 4,
                cartridges: Vec::new(),
                ..LibraryConfiguration::default()
            },
        }
    }

    /// Asks every initiator for these CHAP credentials.
    #[must_use]
    pub fn account(mut self, name: &str, secret: &str) -> Self {
        self.settings.chap = Some(ChapCredentials {
            name: name.to_owned(),
            secret: secret.as_bytes().to_vec().into(),
        });
        self
    }

    /// Accepts these CHAP algorithms only.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[ChapAlgorithm]) -> Self {
        self.settings.algorithms = algorithms.to_vec();
        self
    }

    /// Lets in this initiator only.
    #[must_use]
    pub fn only(mut self, initiator_name: &str) -> Self {
        self.settings.allowed_initiators = Some(vec![initiator_name.parse().unwrap()]);
        self
    }

    /// Sets the size of the library and its cartridges.
    #[must_use]
    pub fn library(mut self, drive_type: DriveType, drives: u16, slots: u16, count: u16) -> Self {
        self.library.drive_type = drive_type;
        self.library.drives = drives;
        self.library.slots = slots;
        self.library.cartridges = LibraryConfiguration::barcodes(drive_type, count);
        self
    }

    /// Sets what the library does wrong.
    #[must_use]
    pub fn faults(mut self, faults: LibraryFaults) -> Self {
        self.library.faults = faults;
        self
    }

    /// Changes what is served in any other way.
    #[must_use]
    pub fn with(
        mut self,
        change: impl FnOnce(&mut ListenerSettings, &mut LibraryConfiguration),
    ) -> Self {
        change(&mut self.settings, &mut self.library);
        self
    }

    /// Sets the serial number of the library, which those of its drives are made from.
    #[must_use]
    pub fn serial(mut self, serial: &str) -> Self {
        serial.clone_into(&mut self.library.serial);
        self
    }
}

/// Targets that are served until this value is dropped.
#[derive(Debug)]
pub struct Portal {
    address: SocketAddr,
    served: Vec<Served>,
    closed: Arc<AtomicBool>,
    front: Option<JoinHandle<()>>,
}

impl Portal {
    /// Serves the targets on a free port of 127.0.0.1.
    #[must_use]
    pub fn serving(targets: impl IntoIterator<Item = Target>) -> Self {
        Self::serving_beside(targets, &[])
    }

    /// Serves the targets, and passes connections for the other names on to the ports of this machine where they are
    /// served.
    #[must_use]
    pub fn serving_beside(
        targets: impl IntoIterator<Item = Target>,
        others: &[(&str, u16)],
    ) -> Self {
        let served: Vec<_> = targets.into_iter().map(Served::start).collect();
        let routes: Vec<(String, u16)> = served
            .iter()
            .map(|served| (served.name.clone(), served.port))
            .chain(
                others
                    .iter()
                    .map(|(name, port)| ((*name).to_owned(), *port)),
            )
            .collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = Arc::clone(&closed);
        let front = thread::spawn(move || {
            for stream in listener.incoming() {
                if is_closed.load(Ordering::SeqCst) {
                    break;
                }
                let (stream, routes) = (stream.expect("a connection"), routes.clone());
                // An initiator that hangs up before it has named a target is passed on to none.
                thread::spawn(move || pass_on(stream, &routes));
            }
        });
        Self {
            address,
            served,
            closed,
            front: Some(front),
        }
    }

    /// Returns the TCP port of the portal.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the front, which is waiting for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(front) = self.front.take() {
            let _ = front.join();
        }
        self.served.clear();
    }
}

/// One listener on a thread of its own.
#[derive(Debug)]
struct Served {
    name: String,
    port: u16,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start(target: Target) -> Self {
        let name = target.settings.target_name.to_string();
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            let library = Library::new(target.library).expect("a library");
            let listener = Listener::bind(target.settings).expect("a free port");
            let stopper = listener.stopper();
            send.send((listener.portal().port(), stopper)).unwrap();
            serve(listener, library, Rc::new(|_| ())).expect("synced");
        });
        let (port, stopper) = receive.recv().expect("a listener");
        Self {
            name,
            port,
            stopper,
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || thread::panicking(),
                "the listener panicked"
            );
        }
    }
}

/// Connects an initiator with the target that its first PDU names; the first one answers for an unknown name.
fn pass_on(mut initiator: TcpStream, routes: &[(String, u16)]) -> io::Result<()> {
    let mut first = vec![0; HEADER_LENGTH];
    initiator.read_exact(&mut first)?;
    // DataSegmentLength, a number of 24 bits; the segment is padded to a multiple of four bytes.
    let length = u32::from_be_bytes([0, first[5], first[6], first[7]]) as usize;
    first.resize(HEADER_LENGTH + length.next_multiple_of(4), 0);
    initiator.read_exact(&mut first[HEADER_LENGTH..])?;
    let name = first[HEADER_LENGTH..HEADER_LENGTH + length]
        .split(|byte| *byte == 0)
        .find_map(|pair| pair.strip_prefix(b"TargetName="));
    let route = routes
        .iter()
        .find(|(served, _)| Some(served.to_ascii_lowercase().as_bytes()) == name)
        .unwrap_or(&routes[0]);

    let mut target = TcpStream::connect((Ipv4Addr::LOCALHOST, route.1))?;
    target.write_all(&first)?;
    let (from, to) = (initiator.try_clone()?, target.try_clone()?);
    thread::spawn(move || copy(from, to));
    copy(target, initiator);
    Ok(())
}

/// Copies until one side is closed, and then closes both.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
