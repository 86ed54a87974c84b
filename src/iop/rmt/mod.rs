//! The remote tape server: rmt(8) for the drives of the active configuration.
//!
//! ```text
//!  input -> requests (a thread) -> Server -> OpenTape -> the drive
//!                                    |
//!                                    +----> replies (a thread) -> output
//! ```
//!
//! A device is opened where its tape stands, and not rewound when it is closed. A client waits for each reply, so a write is
//! answered as soon as its block is on its way, except near the end of the medium: a block that fails later is told with the next
//! reply, as st(4) does with its buffer. What a client wrote is ended by a filemark when it closes the device or goes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`protocol`] | requests from bytes, and the bytes of replies |
//! | [`mod@tape`] | an open drive as st(4) shows it |
//! | `mtio` | the numbers of Linux that the protocol carries |
//! | [`error`] | why a request failed, and its error number |

pub mod error;
mod mtio;
pub mod protocol;
pub mod tape;

use std::io::{self, BufRead, Read as _};
use std::rc::Rc;

use bytes::Bytes;

use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{Again, JobError, JobObserver, JobSettings, Sessions, locate};
use crate::iop::store::Store;
use crate::iop::tape::drive::TapeDrive;
use crate::scsi::command::Read;
use crate::transport::stream::{BlockSink, Source};
use error::RmtError;
use protocol::{Malformed, RequestDecoder, RmtRequest, done, failed};
use tape::OpenTape;

/// What comes from a client.
#[derive(Debug)]
pub enum Incoming {
    /// A request without data.
    Request(RmtRequest),
    /// A block to write.
    Block(Bytes),
    /// A block that is longer than a drive takes; its data is gone.
    LongBlock(u64),
    /// No request.
    Malformed(Malformed),
    /// The end of the input, also in the middle of a request.
    End,
}

/// Reads requests from an input, with the data of the blocks to write.
pub struct Requests<R> {
    input: R,
    decoder: RequestDecoder,
}

impl<R: BufRead> Requests<R> {
    /// Reads from this input.
    pub fn new(input: R) -> Self {
        Self {
            input,
            decoder: RequestDecoder::default(),
        }
    }

    /// Returns what comes next. Behind something malformed, and behind the end, there is only the end.
    pub fn incoming(&mut self) -> Incoming {
        // An input that fails has no more to say than one that has ended.
        self.read().unwrap_or(Incoming::End)
    }

    fn read(&mut self) -> io::Result<Incoming> {
        let request = loop {
            let bytes = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(Incoming::End);
            }
            let (taken, request) = self.decoder.take(bytes);
            self.input.consume(taken);
            match request {
                None => {}
                Some(Ok(request)) => break request,
                Some(Err(malformed)) => return Ok(Incoming::Malformed(malformed)),
            }
        };
        let RmtRequest::Write { count } = request else {
            return Ok(Incoming::Request(request));
        };
        let mut data = self.input.by_ref().take(count);
        if count > u64::from(Read::MAX_LENGTH) {
            let dropped = io::copy(&mut data, &mut io::sink())?;
            return Ok(match dropped == count {
                true => Incoming::LongBlock(count),
                false => Incoming::End,
            });
        }
        let length = usize::try_from(count).unwrap_or(usize::MAX);
        let mut block = Vec::with_capacity(length);
        data.read_to_end(&mut block)?;
        Ok(match block.len() == length {
            true => Incoming::Block(Bytes::from(block)),
            false => Incoming::End,
        })
    }
}

/// The client: its requests, the way to answer them, and what tells the user of a failure; it returns the line of text that the
/// client is told.
pub struct Client<'a> {
    /// Requests in their order.
    pub requests: Source<Incoming>,
    /// Replies in the same order.
    pub replies: BlockSink,
    /// Is told each failure.
    pub tell: &'a mut dyn FnMut(RmtError) -> String,
    /// Whether the client takes no more replies.
    pub gone: bool,
}

impl Client<'_> {
    async fn next(&mut self) -> Incoming {
        match self.gone {
            true => Incoming::End,
            false => self.requests.next().await.unwrap_or(Incoming::End),
        }
    }

    async fn send(&mut self, bytes: Bytes) {
        self.gone |= !self.replies.push(bytes).await;
    }

    async fn done(&mut self, number: usize) {
        self.send(done(u64::try_from(number).unwrap_or(u64::MAX)))
            .await;
    }

    async fn fail(&mut self, error: RmtError) {
        let errno = error.errno();
        let text = (self.tell)(error);
        self.send(failed(errno, &text)).await;
    }

    async fn answer(&mut self, outcome: Result<(), RmtError>) {
        match outcome {
            Ok(()) => self.done(0).await,
            Err(error) => self.fail(error).await,
        }
    }

    async fn answer_with(&mut self, outcome: Result<Bytes, RmtError>) {
        match outcome {
            Ok(data) => {
                self.done(data.len()).await;
                if !data.is_empty() {
                    self.send(data).await;
                }
            }
            Err(error) => self.fail(error).await,
        }
    }
}

/// Serves one client.
pub struct Server<'a> {
    store: &'a Store,
    settings: JobSettings,
    observer: Rc<JobObserver>,
}

/// A device that a client has opened. Its target's lock is held until this is dropped.
struct OpenedDevice {
    tape: OpenTape<Again>,
    sessions: Sessions,
}

impl OpenedDevice {
    /// Ends what was written with a filemark, and logs out.
    async fn close(mut self) -> Result<(), RmtError> {
        let closed = self.tape.close().await;
        self.sessions.release().await;
        closed
    }
}

async fn close(opened: &mut Option<OpenedDevice>) -> Result<(), RmtError> {
    match opened.take() {
        Some(opened) => opened.close().await,
        None => Err(RmtError::NotOpen),
    }
}

impl<'a> Server<'a> {
    /// Makes a server of the devices of the active configuration.
    #[must_use]
    pub fn new(store: &'a Store, settings: JobSettings, observer: Rc<JobObserver>) -> Self {
        Self {
            store,
            settings,
            observer,
        }
    }

    /// Answers requests until the client goes.
    ///
    /// # Errors
    /// [`RmtError`] that the client could not be told: the end of the input, and what was written cannot be ended. Or the input is
    /// not of the protocol.
    pub async fn serve(&self, client: &mut Client<'_>) -> Result<(), RmtError> {
        let mut opened: Option<OpenedDevice> = None;
        let mut next = None;
        loop {
            let incoming = match next.take() {
                Some(incoming) => incoming,
                None => client.next().await,
            };
            let request = match (incoming, opened.as_mut()) {
                (Incoming::Block(data), Some(open)) => {
                    next = Some(open.tape.write(data, client).await);
                    continue;
                }
                (Incoming::Block(_) | Incoming::LongBlock(_), None) => {
                    client.fail(RmtError::NotOpen).await;
                    continue;
                }
                (Incoming::LongBlock(count), Some(_)) => {
                    client.fail(RmtError::BlockTooLong(count)).await;
                    continue;
                }
                (Incoming::Request(request), _) => request,
                (Incoming::Malformed(malformed), _) => {
                    // What was written is ended in any case; the client is told of its own fault.
                    let closed = close(&mut opened).await;
                    if let Err(error) = closed
                        && !matches!(error, RmtError::NotOpen)
                    {
                        (client.tell)(error);
                    }
                    let errno = RmtError::from(malformed.clone()).errno();
                    client.send(failed(errno, &malformed.to_string())).await;
                    return Err(malformed.into());
                }
                (Incoming::End, None) => return Ok(()),
                (Incoming::End, Some(_)) => return close(&mut opened).await,
            };
            match (request, opened.as_mut()) {
                (RmtRequest::Open { device, flags }, _) => {
                    let closed = match opened.is_some() {
                        true => close(&mut opened).await,
                        false => Ok(()),
                    };
                    let outcome = match closed {
                        Ok(()) => self.open(&device, flags).await,
                        Err(error) => Err(error),
                    };
                    let outcome = outcome.map(|device| opened = Some(device));
                    client.answer(outcome).await;
                }
                (RmtRequest::Close, _) => {
                    let outcome = close(&mut opened).await;
                    client.answer(outcome).await;
                }
                (RmtRequest::Extension { letter }, _) => {
                    client.fail(RmtError::Extension(letter)).await;
                }
                (_, None) => client.fail(RmtError::NotOpen).await,
                (RmtRequest::Read { count }, Some(open)) => {
                    let outcome = open.tape.read(count).await;
                    client.answer_with(outcome).await;
                }
                (RmtRequest::Status, Some(open)) => {
                    let outcome = open.tape.status();
                    client.answer_with(outcome).await;
                }
                (RmtRequest::Seek { offset, whence }, Some(open)) => {
                    let outcome = open.tape.seek(offset, whence);
                    client.answer(outcome).await;
                }
                (RmtRequest::Operate { operation, count }, Some(open)) => {
                    let outcome = open.tape.operate(operation, count).await;
                    client.answer(outcome).await;
                }
                // The input makes a block of it.
                (RmtRequest::Write { count }, Some(_)) => {
                    client.fail(RmtError::BlockTooLong(count)).await;
                }
            }
        }
    }

    async fn open(&self, device: &str, flags: u64) -> Result<OpenedDevice, RmtError> {
        let located = locate(self.store, &[device])?;
        let device = located.devices.first().cloned();
        let Some(device) = device.filter(|device| device.kind == DeviceKind::Drive) else {
            let device = located.devices.first();
            return Err(JobError::WrongKind {
                device: device.map(|device| device.name.clone()).unwrap_or_default(),
                wanted: DeviceKind::Drive,
            }
            .into());
        };
        let purpose = format!("rmt {}", device.name);
        let (settings, observer) = (&self.settings, &self.observer);
        let sessions = Sessions::take(&located, self.store, settings, observer, &purpose).await?;
        let opened = async {
            let session = sessions.of(&device)?;
            let drive = TapeDrive::new(session.unit(&device).await?, session.again(&device));
            OpenTape::open(drive, flags).await
        };
        match opened.await {
            Ok(tape) => Ok(OpenedDevice { tape, sessions }),
            Err(error) => {
                sessions.release().await;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Incoming> {
        let mut requests = Requests::new(io::BufReader::with_capacity(3, bytes));
        let mut all = Vec::new();
        loop {
            match requests.incoming() {
                Incoming::End => return all,
                incoming => all.push(incoming),
            }
        }
    }

    #[test]
    fn blocks_come_with_their_data() {
        let incoming = all(b"W5\nab\ncdR1\nW0\nS");
        assert!(
            matches!(
                &incoming[..],
                [
                    Incoming::Block(first),
                    Incoming::Request(RmtRequest::Read { count: 1 }),
                    Incoming::Block(empty),
                    Incoming::Request(RmtRequest::Status),
                ] if first == "ab\ncd" && empty.is_empty()
            ),
            "{incoming:?}"
        );
    }

    #[test]
    fn data_that_is_cut_off_or_too_long_is_not_written() {
        assert!(all(b"W5\nabcd").is_empty());
        assert!(all(b"W18446744073709551615\nabcd").is_empty());
        let mut long = b"W16777216\n".to_vec();
        long.resize(long.len() + 16_777_216, 0);
        long.extend_from_slice(b"S");
        let incoming = all(&long);
        assert!(
            matches!(
                &incoming[..],
                [
                    Incoming::LongBlock(16_777_216),
                    Incoming::Request(RmtRequest::Status)
                ]
            ),
            "{incoming:?}"
        );
    }
}
