//! Secrets asked for on a terminal, or taken from standard input.
//!
//! This is not left to rpassword: it takes a secret character by character into a string that grows, which leaves copies behind
//! that are not wiped, and at Ctrl-C it raises SIGINT in this process alone, so that a script which asked goes on.

use std::io::{self, IsTerminal, Write};

use rustix::process::Signal;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex};
use zeroize::Zeroizing;

use super::secret_text::{failed, line_of, read_stdin};
use crate::error::CommandError;
use crate::render::words::Code;

/// The code of a terminal's key that there is not (`_POSIX_VDISABLE` of Linux).
const NO_KEY: u8 = 0;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The passphrase of an exported file.
    Passphrase,
    /// The value of an `-initiatorchapsecret`.
    ChapSecret,
}

impl Asked {
    /// Returns what it is called in a message.
    fn words(self) -> &'static str {
        match self {
            Self::Passphrase => "the passphrase",
            Self::ChapSecret => "the CHAP secret",
        }
    }

    fn prompt(self) -> &'static str {
        match self {
            Self::Passphrase => "Passphrase: ",
            Self::ChapSecret => "CHAP secret: ",
        }
    }

    /// Returns what to do where it cannot be typed.
    fn elsewhere(self) -> &'static str {
        match self {
            Self::Passphrase => "name a file that holds it with --passphrase-file",
            Self::ChapSecret => "name a file that holds it with --secret-file",
        }
    }
}

/// Asks on the terminal for a passphrase, twice when it is a new one, without showing it.
pub(super) fn ask_passphrase(new: bool) -> Result<Zeroizing<String>, CommandError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CommandError::usage(
            "there is no terminal to ask for the passphrase on",
            vec!["name a file that holds it with --passphrase-file".to_owned()],
        )
        .with_code(Code::NoTerminal));
    }
    let first = ask(Asked::Passphrase, Asked::Passphrase.prompt())?;
    if new && *ask(Asked::Passphrase, "Again: ")? != *first {
        return Err(CommandError::usage(
            "the two passphrases differ",
            Vec::new(),
        ));
    }
    Ok(first)
}

/// Reads a secret from standard input, to its end; from a terminal a line, without showing it.
pub(super) fn from_stdin(what: Asked) -> Result<Zeroizing<String>, CommandError> {
    if io::stdin().is_terminal() {
        return ask(what, what.prompt());
    }
    let what = what.words();
    let bytes = read_stdin(|_| false).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("cannot read {what} from stdin"));
        failed(error, "")
    })?;
    line_of(&bytes, what)
}

/// While the answer is typed the terminal shows nothing of it. Its keys send no signal, which would leave it so: they end the
/// line, and the signal goes to the terminal's processes, as from the key, once the terminal is as it was. A signal from
/// elsewhere leaves a terminal that shows nothing.
fn ask(what: Asked, prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    let failure = |error: io::Error| {
        failed(
            anyhow::Error::new(error).context(format!("cannot ask for {}", what.words())),
            what.elsewhere(),
        )
    };
    let stdin = io::stdin();
    let shown = termios::tcgetattr(&stdin).map_err(|error| failure(error.into()))?;
    let mut hidden = shown.clone();
    hidden
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ISIG);
    hidden.local_modes.insert(LocalModes::ECHONL);
    let interrupt = shown.special_codes[SpecialCodeIndex::VINTR];
    let quit = shown.special_codes[SpecialCodeIndex::VQUIT];
    hidden.special_codes[SpecialCodeIndex::VEOL] = interrupt;
    hidden.special_codes[SpecialCodeIndex::VEOL2] = quit;
    let is_key = |byte: u8, key: u8| byte == key && key != NO_KEY;
    termios::tcsetattr(&stdin, OptionalActions::Flush, &hidden)
        .map_err(|error| failure(error.into()))?;
    let read = io::stderr().write_all(prompt.as_bytes()).and_then(|()| {
        read_stdin(|last| last == b'\n' || is_key(last, interrupt) || is_key(last, quit))
    });
    let restored = termios::tcsetattr(&stdin, OptionalActions::Now, &shown);
    let line = read
        .and_then(|line| restored.map(|()| line).map_err(io::Error::from))
        .map_err(failure)?;
    let signal = match line.last() {
        Some(&last) if is_key(last, interrupt) => Some(Signal::INT),
        Some(&last) if is_key(last, quit) => Some(Signal::QUIT),
        _ => None,
    };
    if let Some(signal) = signal {
        // Wiped before the signal, which may leave a core file.
        drop(line);
        // The terminal went to a new line for the end of one only.
        let _ = io::stderr().write_all(b"\n");
        rustix::process::kill_current_process_group(signal)
            .map_err(|error| failure(error.into()))?;
        // The parent process has the signal ignored.
        return Err(failure(io::ErrorKind::Interrupted.into()));
    }
    if line
        .iter()
        .any(|byte| byte.is_ascii_control() && !b"\n\r\t".contains(byte))
    {
        return Err(CommandError::usage(
            format!("{} that was typed has a control character", what.words()),
            vec![format!("type it again, or {}", what.elsewhere())],
        ));
    }
    line_of(&line, what.words())
}
