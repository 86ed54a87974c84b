//! Why a target could not be attached, or was lost.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::iscsi::codec::{CodecError, EncodeError};
use crate::iscsi::initiator::{SessionError, SubmitError};
use crate::iscsi::login::{LoginError, TargetAddress};
use crate::iscsi::pdu::{Opcode, RejectReason, ServiceResponse};

/// Why a target could not be attached, or was lost while it was asked.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The host name has no address.
    #[error("the host name {host} cannot be resolved")]
    Resolve {
        /// The host name.
        host: String,
        /// What the resolver said; none when it found nothing.
        source: Option<io::Error>,
    },
    /// No answer from the resolver in time.
    #[error("no answer from the name service for {host} within {} s", seconds(*.after))]
    ResolveTimeout {
        /// The host name.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// No address of the host takes a connection.
    #[error("cannot connect to {portal}")]
    Connect {
        /// The address that was tried last.
        portal: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No answer from the host in time.
    #[error("no answer from {portal} within {} s", seconds(*.after))]
    ConnectTimeout {
        /// The address that was tried last.
        portal: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// The target refused the login, or broke its rules.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Something else than a login response came.
    #[error("the target answered the login with {0}")]
    NotALoginResponse(Opcode),
    /// The connection failed during the login.
    #[error("the connection was lost during the login")]
    LoginConnection(#[source] ConnectionError),
    /// The login was not over in time.
    #[error("the login was not answered within {} s", seconds(*.after))]
    LoginTimeout {
        /// How long was waited.
        after: Duration,
        /// What the target sent last on this connection; `None` when nothing.
        last_received: Option<Opcode>,
    },
    /// The target sent the initiator from one portal to the next.
    #[error("the target redirected the login {0} times")]
    TooManyRedirections(usize),
    /// The target sent the initiator to another portal, and that came to nothing.
    #[error("the target redirected the login to {to}")]
    Redirected {
        /// Where to.
        to: TargetAddress,
        /// What happened there.
        source: Box<Self>,
    },
    /// The connection failed while the target was asked.
    #[error("the connection was lost while the devices were asked")]
    Connection(#[source] Arc<ConnectionError>),
    /// The target broke the rules of the full feature phase.
    #[error("the target broke the iSCSI protocol")]
    Session(#[from] SessionError),
    /// The session takes no more commands.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The target asked for a logout (RFC 7143 11.9.1).
    #[error("the target asked the initiator to log out")]
    LogoutRequested,
    /// The target dropped the session.
    #[error("the target ended the session")]
    SessionEnded,
    /// The target rejected a request.
    #[error("the target rejected a request: {0}")]
    Rejected(RejectReason),
    /// The target could not carry out a command.
    #[error("the target failed to carry out a command: {0}")]
    TargetFailure(ServiceResponse),
    /// A command was not answered in time.
    #[error("a command was not answered within {} s", seconds(*.after))]
    AnswerTimeout {
        /// How long was waited.
        after: Duration,
        /// What the target sent last in this session; `None` when nothing since the login.
        last_received: Option<Opcode>,
    },
    /// Attaching the target as a whole took too long.
    #[error("the target was given up after {} s", seconds(*.after))]
    GivenUp {
        /// The phase that was not over then.
        during: AttachPhase,
        /// How long was waited.
        after: Duration,
    },
    /// A panic ended the session.
    #[error("this program failed during the session with the target")]
    Defect,
}

/// The phases of attaching a target, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachPhase {
    /// Finding the host's addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The login phase (RFC 7143 section 6).
    Login,
    /// The full feature phase: the inquiry asks.
    Ask,
}

impl AttachError {
    /// Returns the phase that came to nothing.
    pub fn phase(&self) -> AttachPhase {
        match self {
            // The runtime is known to panic only where it gets no thread for the name service.
            Self::Resolve { .. } | Self::ResolveTimeout { .. } | Self::Defect => {
                AttachPhase::Resolve
            }
            Self::Connect { .. } | Self::ConnectTimeout { .. } => AttachPhase::Connect,
            Self::Login(_)
            | Self::NotALoginResponse(_)
            | Self::LoginConnection(_)
            | Self::LoginTimeout { .. }
            | Self::TooManyRedirections(_) => AttachPhase::Login,
            Self::Connection(_)
            | Self::Session(_)
            | Self::Submit(_)
            | Self::LogoutRequested
            | Self::SessionEnded
            | Self::Rejected(_)
            | Self::TargetFailure(_)
            | Self::AnswerTimeout { .. } => AttachPhase::Ask,
            Self::GivenUp { during, .. } => *during,
            Self::Redirected { source, .. } => source.phase(),
        }
    }
}

/// Why a connection cannot be used any further.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// An I/O error on the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer closed it.
    #[error("the target closed the connection")]
    Closed,
    /// The peer closed it and had sent nothing at all.
    #[error("the target closed the connection")]
    ClosedUnanswered,
    /// The peer does not speak iSCSI: what it sent first is no PDU of a target.
    #[error("what answers there does not speak iSCSI")]
    NotIscsi {
        /// The first bytes that it sent, at most 32.
        received: Bytes,
    },
    /// What came is no PDU.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What was to be sent is no PDU.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}
