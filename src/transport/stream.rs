//! Files and pipes beside a session: read and written on threads of their own, with a bounded number of blocks between, so that
//! neither a slow disk nor a slow tape holds up more memory than that.

use std::io::{self, Read, Write};
use std::iter;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// The most bytes between a thread and the session.
const MAX_BYTES_BETWEEN: usize = 8 << 20;

/// The most blocks between them.
const MAX_BLOCKS_BETWEEN: usize = 64;

/// Returns how many blocks of that length are kept between a thread and the session.
fn capacity(block_length: usize) -> usize {
    MAX_BYTES_BETWEEN
        .checked_div(block_length)
        .unwrap_or(MAX_BLOCKS_BETWEEN)
        .clamp(1, MAX_BLOCKS_BETWEEN)
}

/// Items that a thread makes.
#[derive(Debug)]
pub struct Source<T>(mpsc::Receiver<T>);

impl<T: Send + 'static> Source<T> {
    /// Has `produce` called on a thread, with what takes the next item; it returns false when no more are wanted. At most
    /// `capacity` items wait.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(
        capacity: usize,
        produce: impl FnOnce(&mut dyn FnMut(T) -> bool) + Send + 'static,
    ) -> io::Result<Self> {
        let (items, receiver) = mpsc::channel(capacity);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || produce(&mut |item| items.blocking_send(item).is_ok()))?;
        Ok(Self(receiver))
    }

    /// Returns the next item; none behind the last one.
    pub async fn next(&mut self) -> Option<T> {
        self.0.recv().await
    }
}

/// Blocks that a thread reads from a file or pipe.
#[derive(Debug)]
pub struct BlockSource(Source<io::Result<Bytes>>);

impl BlockSource {
    /// Begins to read blocks of this many bytes, the last one as short as it comes. A block is read into the buffer that goes to
    /// the socket.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(input: impl Read + Send + 'static, block_length: usize) -> io::Result<Self> {
        let source = Source::start(capacity(block_length), move |send| {
            read_blocks(input, block_length, send);
        });
        Ok(Self(source?))
    }

    /// Returns the next block; none behind the last one.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.0.next().await
    }
}

fn read_blocks(
    mut input: impl Read,
    block_length: usize,
    send: &mut dyn FnMut(io::Result<Bytes>) -> bool,
) {
    let limit = u64::try_from(block_length).unwrap_or(u64::MAX);
    loop {
        let mut block = Vec::with_capacity(block_length);
        let read = input.by_ref().take(limit).read_to_end(&mut block);
        let is_last = read.is_err() || block.len() < block_length;
        let item = match read {
            Ok(0) => return,
            Ok(_) => Ok(Bytes::from(block)),
            Err(error) => Err(error),
        };
        if !send(item) || is_last {
            return;
        }
    }
}

/// Items that a thread takes, and what it makes of them.
#[derive(Debug)]
pub struct Sink<T, R = ()> {
    items: mpsc::Sender<T>,
    outcome: oneshot::Receiver<io::Result<R>>,
}

impl<T: Send + 'static, R: Send + 'static> Sink<T, R> {
    /// Has `consume` called on a thread with the items that come; it may end before the last one. At most `capacity` items wait.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(
        capacity: usize,
        consume: impl FnOnce(&mut dyn Iterator<Item = T>) -> io::Result<R> + Send + 'static,
    ) -> io::Result<Self> {
        let (items, mut receiver) = mpsc::channel(capacity);
        let (done, outcome) = oneshot::channel();
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                let outcome = consume(&mut iter::from_fn(|| receiver.blocking_recv()));
                // The sender learns of the end from the closed channel.
                drop(receiver);
                let _ = done.send(outcome);
            })?;
        Ok(Self { items, outcome })
    }

    /// Hands an item over; false when no more are taken, and [`Sink::finish`] says why.
    #[must_use]
    pub async fn push(&self, item: T) -> bool {
        self.items.send(item).await.is_ok()
    }

    /// Waits until every item is taken, and returns what came of them.
    ///
    /// # Errors
    /// Those of the thread.
    pub async fn finish(self) -> io::Result<R> {
        drop(self.items);
        self.outcome
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes has failed")))
    }
}

/// Blocks that a thread writes to a file or pipe.
#[derive(Debug)]
pub struct BlockSink(Sink<Bytes>);

impl BlockSink {
    /// Begins to write; `finish` is called with the output when all blocks are written.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start<W: Write + Send + 'static>(
        mut output: W,
        block_length: usize,
        finish: impl FnOnce(W) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let sink = Sink::<Bytes>::start(capacity(block_length), move |blocks| {
            for block in blocks {
                output.write_all(&block)?;
            }
            finish(output)
        });
        Ok(Self(sink?))
    }

    /// Hands a block over; false when nothing can be written any more, and [`BlockSink::finish`] says why.
    #[must_use]
    pub async fn push(&self, block: Bytes) -> bool {
        self.0.push(block).await
    }

    /// Waits until every block is written.
    ///
    /// # Errors
    /// The system's, when the output cannot be written; [`io::ErrorKind::BrokenPipe`] when its reader has closed it.
    pub async fn finish(self) -> io::Result<()> {
        self.0.finish().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::transport::block_on;

    /// Gives what it has in pieces of a few bytes, as a pipe does.
    struct Pieces(Vec<u8>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(3).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn lengths(input: usize, block: usize) -> Vec<usize> {
        block_on(async {
            let mut source = BlockSource::start(Pieces(vec![7; input]), block).unwrap();
            let mut lengths = Vec::new();
            while let Some(block) = source.next().await {
                lengths.push(block.unwrap().len());
            }
            lengths
        })
        .unwrap()
    }

    #[test]
    fn blocks_are_filled_and_the_last_one_is_short() {
        assert_eq!(lengths(0, 8), [0; 0]);
        assert_eq!(lengths(7, 8), [7]);
        assert_eq!(lengths(8, 8), [8]);
        assert_eq!(lengths(20, 8), [8, 8, 4]);
        assert_eq!(lengths(3, 1), [1, 1, 1]);
    }

    #[test]
    fn a_failure_to_read_is_told_behind_what_was_read() {
        struct Failing(bool);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match std::mem::replace(&mut self.0, true) {
                    false => Ok(buffer.len()),
                    true => Err(io::Error::other("gone")),
                }
            }
        }
        block_on(async {
            let mut source = BlockSource::start(Failing(false), 4).unwrap();
            assert_eq!(source.next().await.unwrap().unwrap().len(), 4);
            assert!(source.next().await.unwrap().is_err());
            assert!(source.next().await.is_none());
        })
        .unwrap();
    }

    #[test]
    fn what_is_pushed_is_written_and_a_reader_that_has_gone_is_told() {
        #[derive(Clone, Default)]
        struct Shared(Arc<Mutex<Vec<u8>>>, Option<io::ErrorKind>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                match self.1 {
                    Some(kind) => Err(kind.into()),
                    None => self.0.lock().unwrap().write(bytes),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Shared::default();
        block_on(async {
            let sink = BlockSink::start(written.clone(), 4, |_| Ok(())).unwrap();
            for block in [&b"abcd"[..], b"ef"] {
                assert!(sink.push(Bytes::from_static(block)).await);
            }
            sink.finish().await.unwrap();
            assert_eq!(*written.0.lock().unwrap(), b"abcdef");

            let closed = Shared(Arc::default(), Some(io::ErrorKind::BrokenPipe));
            let sink = BlockSink::start(closed, 4, |_| Ok(())).unwrap();
            while sink.push(Bytes::from_static(b"x")).await {}
            let error = sink.finish().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        })
        .unwrap();
    }
}
