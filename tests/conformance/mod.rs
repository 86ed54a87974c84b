//! What RFC 7143 demands of an initiator that logs in, a test per demand.
//!
//! The first line of a test names the section, and the test of the UNH-IOL suites "Login Phase, initiators, v3.0"
//! (Login) and "CHAP, initiators, v3.1" (CHAP) with the same purpose where there is one. Not covered, as this initiator has one
//! connection per session: Login 2.3. The form of a PDU (Login 8.1) is the codec's.

mod chap;
mod departures;
mod header;
mod keys;
mod target;
