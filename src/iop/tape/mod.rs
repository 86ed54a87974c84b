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

pub mod drive;
pub mod job;
pub mod label;
pub mod mount;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;
