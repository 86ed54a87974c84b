//! Using a tape: labels, and the jobs that write, read and copy.
//!
//! | module | what it holds |
//! |---|---|
//! | [`label`] | IBM and ANSI standard labels |

pub mod label;
