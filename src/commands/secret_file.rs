//! Secrets from files and from standard input, so that none stands on a command line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::prompt;
use super::secret_text::{LIMIT, buffer, failed, line_of};
use crate::cli::{HostOptions, Invocation, Parameter};
use crate::error::CommandError;
use crate::render::words::Code;
use crate::storage::quoted;

/// How long a pipe may take to give a secret.
const PIPE_TIMEOUT: Duration = Duration::from_secs(15);

/// Gives an `-initiatorchapsecret` without a value the one of `--secret-file`.
pub(super) fn fill(invocation: &mut Invocation, host: &HostOptions) -> Result<(), CommandError> {
    fill_arguments(&mut invocation.arguments, host)
}

/// As [`fill`], for parameters that are not those of an option.
pub(super) fn fill_arguments(
    arguments: &mut [(Parameter, Zeroizing<String>)],
    host: &HostOptions,
) -> Result<(), CommandError> {
    let Some(path) = &host.secret_file else {
        return Ok(());
    };
    let missing = arguments
        .iter_mut()
        .find(|(parameter, value)| parameter.spec().secret && value.is_empty());
    // A call without such a parameter has no use for the option.
    let Some((_, value)) = missing else {
        return Ok(());
    };
    *value = if path.as_os_str() == "-" {
        prompt::from_stdin(prompt::Asked::ChapSecret)?
    } else {
        read(path, "the CHAP secret")?
    };
    if value.is_empty() {
        return Err(CommandError::usage(
            "there is no CHAP secret in what --secret-file names",
            Vec::new(),
        )
        .with_code(Code::EmptyValue));
    }
    Ok(())
}

/// Reads a secret from a file that only its owner can read, one line end at its end dropped.
pub(super) fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, CommandError> {
    let shown = quoted(path);
    let read = || -> io::Result<(u32, Zeroizing<Vec<u8>>)> {
        // NONBLOCK: a named pipe without a writer must not hang the open.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = buffer();
        match metadata.is_file() {
            true => {
                file.take(LIMIT).read_to_end(&mut bytes)?;
            }
            false => read_pipe(&file, &mut bytes, PIPE_TIMEOUT)?,
        }
        Ok((metadata.permissions().mode(), bytes))
    };
    let (mode, bytes) = read()
        .with_context(|| format!("cannot read {what} from {shown}"))
        .map_err(|error| failed(error, "name a file that holds it and nothing else"))?;
    if mode & 0o077 != 0 {
        let error = anyhow!(
            "{shown} has mode {:04o}: group or others can read or change {what}",
            mode & 0o7777
        );
        return Err(failed(error, &format!("chmod 600 {}", quoted(path))));
    }
    line_of(&bytes, what)
}

/// Reads a pipe, such as that of a shell's process substitution, to its end, which must come in time.
fn read_pipe(file: &File, bytes: &mut Zeroizing<Vec<u8>>, timeout: Duration) -> io::Result<()> {
    let started = Instant::now();
    let mut piece = Zeroizing::new([0; 512]);
    while bytes.len() < LIMIT as usize {
        let left = timeout.saturating_sub(started.elapsed());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(file, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&left)))? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {} s", timeout.as_secs()),
            ));
        }
        match rustix::io::retry_on_intr(|| rustix::io::read(file, &mut *piece)) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_writes_to_is_given_up_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
            .unwrap();
        let read = read_pipe(&file, &mut buffer(), Duration::from_millis(20));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
