//! The target's side of a connection: it accepts a login, then serves the session (RFC 7143, sections 6.3, 4.2 and
//! 11).
//!
//! ```text
//!  PDUs --> TargetLogin::handle --Ask--> Question --admit()--> ... --Done--> Accepted --> TargetSession
//!                    |                        |                                                |
//!                    \--- Send(response) ---> |---- refuse(), redirect() ---> Refusal          v
//!                                                                       handle, poll_transmit, poll_event
//! ```
//!
//! Sans-IO: the caller moves PDUs through a codec, gives time, challenges and handles as arguments, and executes
//! the commands. For each PDU that a connection brings: `handle` it, answer every event that `poll_event` returns
//! (at once or later), then write all that `poll_transmit` returns, and close the connection when `is_ended` says
//! so. Digests begin behind the response of [`Accepted`].
//!
//! What is served is one connection per session at ErrorRecoveryLevel 0, which is what [`OperationalOffer`]
//! negotiates.
//!
//! [`OperationalOffer`]: super::operational::OperationalOffer

mod login;
mod policy;
mod session;

pub use login::{
    Accepted, Admission, Candidate, LoginFailure, LoginStep, MAX_EXCHANGES, Question, Refusal,
    RequiredChap, TargetLogin,
};
pub use policy::{Decision, ForcedOutcome, LiveSession, LoginPolicy, TargetRecord};
pub use session::{
    Event, ManagementId, PingSettings, ReceivedCommand, ScsiReply, TargetSession,
    TargetSessionError, TargetSettings, TaskId, TaskManagement,
};
