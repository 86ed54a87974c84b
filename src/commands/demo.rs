//! `demo`: the documented lines, as typed, against a library that is served meanwhile. Nothing is left behind.

use std::ffi::OsString;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};

use super::descriptors;
use super::terminal::Terminal;
use crate::cli::{HostOptions, MacroOption, Parameter};
use crate::error::{CommandError, ErrorKind};
use crate::iscsi::chap::ChapCredentials;
use crate::render::words::Code;
use crate::transport::listener::{Listener, ListenerSettings, Stopped, Stopper};
use crate::values::Subject;
use crate::vtl::{self, Library, LibraryConfiguration, LibraryError};

const TARGET_NAME: &str = "iqn.2000-03.com.xyz:vtl.vtltest.chap";
const CHAP_NAME: &str = "SOMECHAPNAME";
const CHAP_SECRET: &str = "SOMECHAPSECRET";

/// `demo`; returns the exit status: 0, that of a line that failed, or the shell's for a signal.
pub(super) fn run(
    host: &HostOptions,
    terminal: &mut Terminal,
    run_line: RunLine,
) -> Result<u8, CommandError> {
    // What it prints is a transcript, which has no form in JSON.
    terminal.json = false;
    descriptors::require(descriptors::LIBRARY + descriptors::RE_IPL)?;
    let vtl = Vtl::start()?;
    // Gone when it is dropped.
    let state = tempfile::Builder::new()
        .prefix("iscsiswiconfig-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a temporary directory")
        .map_err(of_this_machine)?;
    let script = DemoScript {
        host,
        terminal,
        run_line,
        state: state.path(),
    };
    let played = script.play(&vtl);
    drop(state);
    let stopped = vtl.end()?;
    Ok(match stopped {
        Stopped::Asked => played?,
        // As a shell tells of a signal.
        Stopped::Interrupted => 130,
        Stopped::Terminated => 143,
        Stopped::HungUp => 129,
    })
}

/// Runs a command line, without the program's name, and returns its exit status.
type RunLine = fn(Vec<OsString>, Terminal) -> u8;

/// The parameter of a line, where it has one, with its value.
type ParameterValue<'a> = Option<(Parameter, &'a str)>;

/// What is shown.
struct DemoScript<'a> {
    host: &'a HostOptions,
    terminal: &'a mut Terminal,
    run_line: RunLine,
    state: &'a Path,
}

impl DemoScript<'_> {
    /// Plays the lines until one fails or a signal comes, and returns the last one's status.
    fn play(mut self, vtl: &Vtl) -> Result<u8, CommandError> {
        use MacroOption::{Commit, DumpTargets, NewName, ReIplIscsiIop, SetPort};

        let portal = vtl.portal;
        let host_name = portal.ip().to_string();
        let port = portal.port().to_string();
        let steps: [(&str, MacroOption, ParameterValue<'_>); 9] = [
            (
                "A virtual tape library with CHAP is served on this machine for as long as this takes.\n\
                 # The lines below are typed as on IBM i. First, the target is put together piece by piece.",
                NewName,
                Some((Parameter::TargetName, TARGET_NAME)),
            ),
            ("", NewName, Some((Parameter::TargetHostName, &host_name))),
            ("", NewName, Some((Parameter::InitiatorChapName, CHAP_NAME))),
            (
                "",
                NewName,
                Some((Parameter::InitiatorChapSecret, CHAP_SECRET)),
            ),
            ("", SetPort, Some((Parameter::TargetPort, &port))),
            ("", Commit, None),
            (
                "The dump is still empty, a quirk of the original: it shows what the IOP runs, and that changes\n\
                 # with the next re-IPL only.",
                DumpTargets,
                None,
            ),
            (
                "The re-IPL logs in to every configured target and names the devices that it finds.",
                ReIplIscsiIop,
                None,
            ),
            ("Now the dump shows the target.", DumpTargets, None),
        ];
        for (remark, option, parameter) in steps {
            if !remark.is_empty() {
                self.terminal.print(&format!("# {remark}\n"))?;
            }
            let status = self.call(option, parameter)?;
            if status != 0 || vtl.has_stopped() {
                return Ok(status);
            }
        }
        self.terminal.print(
            "# That is all. The library, its cartridges and this configuration are gone now.\n",
        )?;
        Ok(0)
    }

    /// Prints a line as the user would type it, and runs it on the state of the demonstration.
    fn call(
        &mut self,
        option: MacroOption,
        parameter: ParameterValue<'_>,
    ) -> Result<u8, CommandError> {
        let mut words = vec![option.spec().word().to_owned()];
        if let Some((parameter, value)) = parameter {
            words.extend([parameter.word().to_owned(), value.to_owned()]);
        }
        self.terminal
            .print(&format!("$ iscsiswiconfig {}\n", words.join(" ")))?;
        let mut arguments: Vec<OsString> = vec!["--state-dir".into(), self.state.into()];
        let timeout = self.host.timeout.as_secs_f64();
        arguments.extend(["--timeout".into(), timeout.to_string().into()]);
        if let Some(list) = &self.host.chap_algorithms {
            arguments.extend(["--chap-algorithms".into(), list.into()]);
        }
        arguments.extend(self.host.quiet.then(|| "-q".into()));
        arguments.extend((0..self.host.verbose).map(|_| "-v".into()));
        arguments.extend(words.into_iter().map(OsString::from));
        let status = (self.run_line)(arguments, self.terminal.clone());
        self.terminal.print("\n")?;
        Ok(status)
    }
}

/// The library of the demonstration, served by a thread of its own; stopped when it is dropped.
struct Vtl {
    portal: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<Stopped, LibraryError>>>,
}

impl Vtl {
    fn start() -> Result<Self, CommandError> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut settings =
            ListenerSettings::new(anywhere, Subject::TargetName.iscsi_name(TARGET_NAME)?);
        settings.chap = Some(ChapCredentials {
            name: CHAP_NAME.to_owned(),
            secret: CHAP_SECRET.as_bytes().to_vec().into(),
        });
        let mut listener = Listener::bind(settings)?;
        listener.heed_signals()?;
        listener.heed_hangup()?;
        let (portal, stopper) = (listener.portal(), listener.stopper());
        let serve = move || {
            let library = Library::new(LibraryConfiguration::default())?;
            vtl::serve(listener, library, Rc::new(|_| {}))
        };
        let thread = thread::Builder::new()
            .name("vtl".to_owned())
            .spawn(serve)
            .context("cannot start a thread")
            .map_err(of_this_machine)?;
        Ok(Self {
            portal,
            stopper,
            thread: Some(thread),
        })
    }

    /// Returns whether it has stopped by itself, as after a signal.
    fn has_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it, and returns why it stopped.
    fn end(mut self) -> Result<Stopped, CommandError> {
        self.stopper.stop();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(stopped)) => Ok(stopped?),
            Some(Err(_)) | None => Err(of_this_machine(anyhow!(
                "the virtual tape library has failed"
            ))),
        }
    }
}

impl Drop for Vtl {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn of_this_machine(error: anyhow::Error) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::NoResources,
        error,
        hints: Vec::new(),
    }
}
