//! Whether this process may open the files and sockets that a command needs.

use std::fs::File;

use crate::error::{CommandError, ErrorKind};
use crate::render::words::Code;

/// What a re-IPL, or a job on a device, needs: tokio's event queue and signal pipes, the locks, a connection, and the files of a resolver.
pub(super) const RE_IPL: usize = 16;

/// What the embedded library needs: tokio's event queue and signal pipes, the listening socket, a connection, and the
/// cartridges in its drives.
pub(super) const LIBRARY: usize = 16;

/// Checks that so many more files can be opened. tokio panics where its signal pipes cannot be made, and a target must not
/// be reported as failed for the lack of a socket.
pub(super) fn require(count: usize) -> Result<(), CommandError> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(File::open("/dev/null").map_err(too_few)?);
    }
    Ok(())
}

fn too_few(error: std::io::Error) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::NoResources,
        error: anyhow::Error::new(error).context("not enough files can be opened"),
        hints: vec!["raise the limit of open files (ulimit -n), or end other programs".to_owned()],
    }
}
