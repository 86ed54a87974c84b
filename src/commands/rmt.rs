//! `rmt`: the remote tape protocol on standard input and output.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::descriptors;
use super::library::Talk;
use super::terminal::Terminal;
use crate::cli::{HostOptions, RmtOptions};
use crate::error::CommandError;
use crate::iop::rmt::error::RmtError;
use crate::iop::rmt::{Client, Incoming, Requests, Server};
use crate::transport;
use crate::transport::stream::{BlockSink, Source};

/// The most replies that wait to be taken: a client that follows the protocol lets none wait.
const WAITING_REPLY: usize = 1 << 20;

/// `rmt`
pub(super) fn run(
    options: &RmtOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    descriptors::require(descriptors::RE_IPL)?;
    let talk = Talk::new(host, options.motion_timeout, terminal)?;
    // An interrupt from the terminal is meant for the client. When that ends, so does the input, and what was written is ended by
    // a filemark.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
    // Neither is the standard library's, which keeps the end of a block until the end of its line.
    let output = io::stdout().as_fd().try_clone_to_owned();
    let output = File::from(output.map_err(CommandError::output)?);
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = File::from(input.map_err(CommandError::no_runtime)?);
    let served = transport::block_on(async {
        let mut requests = Requests::new(BufReader::new(input));
        let requests = Source::start(1, move |send| {
            loop {
                let incoming = requests.incoming();
                if matches!(incoming, Incoming::End) || !send(incoming) {
                    return;
                }
            }
        });
        let replies = BlockSink::start(output, WAITING_REPLY, |_| Ok(()));
        // A client goes on asking of a device that could not be opened: that there is none is told once.
        let mut is_told = false;
        let mut client = Client {
            requests: requests.map_err(CommandError::no_runtime)?,
            replies: replies.map_err(CommandError::no_runtime)?,
            tell: &mut |error| {
                let is_expected = error.is_expected();
                let is_repeated = matches!(error, RmtError::NotOpen) && is_told;
                is_told = matches!(error, RmtError::NotOpen) || is_told && is_expected;
                let error = CommandError::from(error);
                let text = error.message();
                if !is_expected && !is_repeated {
                    terminal.error(&error);
                }
                text
            },
            gone: false,
        };
        let server = Server::new(&talk.store, talk.settings.clone(), talk.observer.clone());
        let served = server.serve(&mut client).await;
        // A client that has gone takes no reply, which is no failure of what was done.
        let _ = client.replies.finish().await;
        served.map_err(CommandError::from)
    });
    served.map_err(CommandError::no_runtime)?
}
