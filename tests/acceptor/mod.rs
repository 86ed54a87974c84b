//! The target's side of RFC 7143: what it has to answer, and how it gets on with the initiator's side.
//!
//! Every PDU goes through the codec. The first line of a test names the section of the standard.

/// Blocks of the largest size: how many PDUs they take, and that they are not copied.
mod blocks;
/// Data-Out: immediate, unsolicited and asked for.
mod data_out;
/// Discovery sessions and Text Requests.
mod discovery;
/// The full feature phase: a scripted initiator.
mod full_feature;
/// The initiator's login and session joined with the target's, in bytes that are split at will.
mod joined;
/// The login phase: scripted requests.
mod login;
/// Task management, logout, pings and the end of a session.
mod management;
/// The scripted initiator of a session.
mod peer;
