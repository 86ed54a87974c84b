//! Parameter data: what commands return and take, encoded and decoded side by side.
//!
//! | module | of which command |
//! |---|---|
//! | [`inquiry`], [`vpd`] | INQUIRY |
//! | [`luns`] | REPORT LUNS |
//! | [`mode`] | MODE SENSE and MODE SELECT |
//! | [`log`] | LOG SENSE |
//! | [`attribute`] | READ ATTRIBUTE and WRITE ATTRIBUTE |
//! | [`reservation`] | PERSISTENT RESERVE IN and OUT |
//! | [`element_status`] | READ ELEMENT STATUS |
//! | [`block_limits`], [`density`] | READ BLOCK LIMITS, REPORT DENSITY SUPPORT |
//! | [`position`] | READ POSITION |

pub mod attribute;
pub mod block_limits;
pub mod density;
pub mod element_status;
pub mod inquiry;
pub mod log;
pub mod luns;
pub mod mode;
pub mod position;
pub mod reservation;
pub mod vpd;
