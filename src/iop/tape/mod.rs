//! Using a tape: labels, and the jobs that write, read and copy.
//!
//! | module | what it holds |
//! |---|---|
//! | [`drive`] | a tape drive as a job uses it: where the tape stands, and how it is brought back there |
//! | [`mod@write`] | writes blocks and filemarks, each once, in order, whatever happens on the way |
//! | [`read`] | reads blocks and filemarks in order |
//! | [`label`] | IBM and ANSI standard labels |
//! | [`mod@mount`] | gets a cartridge into a drive, and back to where it was |
//! | [`job`] | writes and reads tape files, lists, labels |
//! | [`mod@copy`] | copies a tape block for block |
//! | [`tap_file`] | a .tap file as one side of a copy |
//! | [`mod@count`] | counts the blocks and filemarks of a tape |
//! | [`exercise`] | tries a tape out with a [`pattern`], and how fast it is |
//! | `depth` | how many commands are outstanding at a drive |
//! | [`latency`] | how long commands took |

pub mod copy;
pub mod count;
mod depth;
pub mod drive;
pub mod exercise;
pub mod job;
pub mod label;
pub mod latency;
pub mod mount;
pub mod pattern;
pub mod read;
pub mod tap_file;
pub mod write;

#[cfg(test)]
mod tests;
