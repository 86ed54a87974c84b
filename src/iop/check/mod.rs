//! `check`: finds in one run, without changing anything, what would cost the real attach a re-IPL each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`table`] | what is looked at: stable ids and areas |
//! | [`finding`] | findings as plain data |

pub mod finding;
pub mod table;

pub use finding::{CheckedTarget, Finding, Seen};
pub use table::{CheckId, CheckRow, TABLE};
