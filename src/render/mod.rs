//! From outcomes and causes to what people and scripts read. The only place with sentences about them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`words`] | the one table from a cause to its code, sentence and next step |
//! | [`sql`] | what `sql` prints |
//! | [`text`] | the active configuration in the manner of a 5250 display |
//! | [`check`] | what `check` prints |
//! | [`configured`] | what `show` and `apply` print |
//! | [`d_mode`] | what `d-mode` prints |
//! | [`discover`] | what `discover` prints |
//! | [`finding`] | a finding, as the documents have it |
//! | [`partition`] | what `partition` and its commands print |
//! | [`library`] | the elements of tape libraries, as text and JSON |
//! | [`html`] | the page of `check --report` |
//! | [`iop`] | what `iop status` and `iop stop` print |
//! | [`json`] | the documents of `--json` |
//! | [`trace`] | PDUs by name: `-vv`, `--trace`, `--pcap` |

pub mod check;
pub mod configured;
pub mod d_mode;
pub mod discover;
pub mod finding;
pub mod html;
pub mod iop;
pub mod json;
pub mod library;
pub mod partition;
pub mod sql;
pub mod text;
pub mod trace;
pub mod words;
