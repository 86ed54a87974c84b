//! `check`: finds in one run, without changing anything, what would cost the real attach a re-IPL each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`table`] | what is looked at: stable ids and areas |
//! | `observe` | connects, logs in and asks: what reads only |
//! | [`observation`] | what was observed, as plain data |
//! | [`mod@judge`] | from what was observed to findings |
//! | [`finding`] | findings as plain data |

pub mod finding;
pub mod judge;
pub mod observation;
mod observe;
pub mod table;

pub use finding::{CheckedTarget, Finding, Seen};
pub use observe::{CheckError, CheckSettings, check};
pub use table::{CheckId, CheckRow, TABLE};
