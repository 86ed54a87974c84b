//! `demo`.
use super::terminal::Terminal;
use crate::cli::HostOptions;
use crate::error::CommandError;
pub(super) fn run(_: &HostOptions, _: &mut Terminal) -> Result<u8, CommandError> {
    Ok(0)
}
