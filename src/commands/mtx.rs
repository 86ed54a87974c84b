//! `mtx`: the words and the output of mtx 1.3.12, for the changer scripts of backup programs.
//!
//! Slots count from 1, storage elements first and import/export elements behind them; drives count from 0.

use anyhow::anyhow;

use super::library::{Talk, run_job};
use super::terminal::Terminal;
use crate::cli::{HostOptions, MtxOptions};
use crate::error::{CommandError, ErrorKind};
use crate::iop::library::{Element, ElementType, Inventory, LibraryFailure, Movement, OpenLibrary};
use crate::render::words::Code;

/// A command of mtx with its arguments; what is not there takes mtx's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MtxCommand {
    Status,
    Inventory,
    Load { slot: usize, drive: usize },
    Unload { slot: Option<usize>, drive: usize },
    Transfer { source: usize, destination: usize },
}

/// `mtx`
pub(super) fn run(
    options: &MtxOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let parts = parse(&options.words)?;
    let talk = Talk::new(host, options.motion_timeout, terminal)?;
    run_job(async {
        for Part { library, commands } in &parts {
            let mut job = talk.open_library(library, None, "mtx").await?;
            let outcome = match OpenLibrary::new(&mut job, library).await {
                Ok(mut open) => perform(&mut open, library, commands, terminal).await,
                Err(error) => Err(error.into()),
            };
            job.close().await;
            if outcome.is_err() {
                return Ok(outcome);
            }
        }
        Ok(Ok(()))
    })?
}

/// The commands for one library.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    library: String,
    commands: Vec<MtxCommand>,
}

/// Returns the commands by the library that the `-f` before them names. The first `-f` may also stand behind its commands, where
/// there is no other. A library without commands is not used.
fn parse(words: &[String]) -> Result<Vec<Part>, CommandError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut commands = Vec::new();
    let mut leads = false;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let mut number = || {
            let word = words.peek().copied()?;
            let number = word.parse().ok()?;
            words.next();
            Some(number)
        };
        commands.push(match word {
            "-f" => {
                let library = words.next().ok_or_else(usage)?.to_owned();
                match parts.last_mut() {
                    Some(part) => part.commands = std::mem::take(&mut commands),
                    None => leads = !commands.is_empty(),
                }
                parts.push(Part {
                    library,
                    commands: Vec::new(),
                });
                continue;
            }
            "status" => MtxCommand::Status,
            "inventory" => MtxCommand::Inventory,
            "load" => MtxCommand::Load {
                slot: number()
                    .filter(|slot| *slot > 0)
                    .ok_or_else(|| told("No source specified"))?,
                drive: number().unwrap_or(0),
            },
            "unload" => MtxCommand::Unload {
                slot: number(),
                drive: number().unwrap_or(0),
            },
            "transfer" => MtxCommand::Transfer {
                source: number()
                    .filter(|slot| *slot > 0)
                    .ok_or_else(|| told("No source specified"))?,
                destination: number()
                    .filter(|slot| *slot > 0)
                    .ok_or_else(|| told("No destination specified"))?,
            },
            _ => return Err(usage()),
        });
    }
    if leads && parts.len() > 1 {
        return Err(usage());
    }
    if let Some(part) = parts.last_mut() {
        part.commands = commands;
    }
    parts.retain(|part| !part.commands.is_empty());
    match parts.is_empty() {
        true => Err(usage()),
        false => Ok(parts),
    }
}

fn usage() -> CommandError {
    CommandError {
        kind: ErrorKind::Refused,
        code: Code::Usage,
        error: anyhow!(
            "Usage: mtx -f TAPMLBnn status | inventory | load <storage-element-number> [<drive#>] | unload \
             [<storage-element-number>] [<drive#>] | transfer <storage-element-number> <storage-element-number>"
        ),
        hints: vec!["see iscsiswiconfig mtx --help".to_owned()],
    }
}

/// Returns what mtx would say, with its exit status.
fn told(message: impl Into<String>) -> CommandError {
    CommandError {
        kind: ErrorKind::Refused,
        code: Code::NoSuchElement,
        error: anyhow!("mtx: {}", message.into()),
        hints: Vec::new(),
    }
}

/// The elements as mtx counts them.
struct Numbered {
    inventory: Inventory,
}

impl Numbered {
    /// Returns the slots: storage elements, then import/export elements. Those that are not installed do not count.
    fn slots(&self) -> Vec<&Element> {
        let installed = |element: &&Element| !is(element, 0x83, 0x02);
        self.inventory
            .of_type(ElementType::Storage)
            .filter(installed)
            .chain(self.inventory.of_type(ElementType::ImportExport))
            .collect()
    }

    fn drives(&self) -> Vec<&Element> {
        self.inventory
            .of_type(ElementType::DataTransfer)
            .filter(|element| !is(element, 0x83, 0x04))
            .collect()
    }

    /// Returns for each drive the slot, from 0, that its cartridge belongs to: where it came from when that is empty, else one
    /// of the empty storage elements in their order.
    fn homes(&self) -> Vec<Option<usize>> {
        let slots = self.slots();
        let mut empty = slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.full && slot.element_type == ElementType::Storage)
            .map(|(index, _)| index);
        self.drives()
            .iter()
            .map(|drive| {
                if !drive.full {
                    return None;
                }
                slots
                    .iter()
                    .position(|slot| Some(slot.address) == drive.source && !slot.full)
                    .or_else(|| empty.next())
            })
            .collect()
    }

    fn status(&self, device: &str) -> String {
        let (drives, slots) = (self.drives(), self.slots());
        let import_export = self.inventory.of_type(ElementType::ImportExport).count();
        let mut text = format!(
            "  Storage Changer {device}:{} Drives, {} Slots ( {import_export} Import/Export )\n",
            drives.len(),
            slots.len()
        );
        for (index, (drive, home)) in drives.iter().zip(self.homes()).enumerate() {
            text.push_str(&match (drive.full, home) {
                (false, _) => format!("Data Transfer Element {index}:Empty"),
                (true, Some(home)) => format!(
                    "Data Transfer Element {index}:Full (Storage Element {} Loaded)",
                    home.saturating_add(1)
                ),
                (true, None) => {
                    format!("Data Transfer Element {index}:Full (Unknown Storage Element Loaded)")
                }
            });
            if drive.full
                && let Some(tag) = tag(drive)
            {
                text.push_str(&format!(":VolumeTag = {tag}"));
            }
            text.push('\n');
        }
        for (number, slot) in (1..).zip(&slots) {
            let kind = match slot.element_type {
                ElementType::ImportExport => " IMPORT/EXPORT",
                _ => "",
            };
            let full = if slot.full { "Full " } else { "Empty" };
            text.push_str(&format!("      Storage Element {number}{kind}:{full}"));
            if let Some(tag) = tag(slot) {
                text.push_str(&format!(":VolumeTag={tag}"));
            }
            text.push('\n');
        }
        text
    }
}

fn is(element: &Element, asc: u8, ascq: u8) -> bool {
    element
        .exception
        .is_some_and(|code| (code.asc, code.ascq) == (asc, ascq))
}

/// Returns a volume tag as mtx prints it: blank padded, up to the first character that does not print.
fn tag(element: &Element) -> Option<String> {
    let tag: String = element
        .volume_tag?
        .iter()
        .take_while(|byte| (0x20..=0x7e).contains(*byte))
        .map(|byte| char::from(*byte))
        .collect();
    (!tag.is_empty()).then_some(tag)
}

async fn perform(
    open: &mut OpenLibrary<'_, '_>,
    device: &str,
    commands: &[MtxCommand],
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    for command in commands {
        if *command == MtxCommand::Inventory {
            open.initialize().await?;
            continue;
        }
        if *command == MtxCommand::Status {
            let numbered = Numbered::new(open.inventory().await?);
            terminal.print(&numbered.status(device))?;
            continue;
        }
        let (mut inventory, planned) = loop {
            let numbered = Numbered::new(open.inventory().await?);
            let planned = numbered.plan(*command)?;
            match &planned.movement.source_drive {
                // The locks were released: another job may have moved the cartridge meanwhile.
                Some(drive) if open.reach(drive).await? => {}
                _ => break (numbered.inventory, planned),
            }
        };
        terminal.print(&planned.saying)?;
        let Movement {
            source,
            destination,
            ..
        } = planned.movement;
        let moved = open.carry_out(&mut inventory, &planned.movement).await;
        moved.map_err(|error| match error {
            LibraryFailure::ElementFull { address, .. } => {
                told(format!("Destination Element Address {address} is Already Full"))
            }
            LibraryFailure::ElementEmpty { address, .. } => {
                told(format!("Source Element Address {address} is Empty"))
            }
            LibraryFailure::Device { cause, .. } => CommandError {
                kind: ErrorKind::Device,
                code: Code::DeviceError,
                error: anyhow!(
                    "mtx: MOVE MEDIUM from Element Address {source} to {destination} Failed: {cause}"
                ),
                hints: Vec::new(),
            },
            error => error.into(),
        })?;
        if !planned.saying.is_empty() {
            terminal.print("done\n")?;
        }
    }
    Ok(())
}

/// Source and destination, and what mtx says before it moves.
type MtxTransfer<'a> = (&'a Element, &'a Element, String);

/// A move, and what mtx says before it.
struct Planned {
    movement: Movement,
    saying: String,
}

impl Numbered {
    const fn new(inventory: Inventory) -> Self {
        Self { inventory }
    }

    fn plan(&self, command: MtxCommand) -> Result<Planned, CommandError> {
        let (source, destination, saying) = match command {
            MtxCommand::Load { slot, drive } => self.load(slot, drive)?,
            MtxCommand::Unload { slot, drive } => self.unload(slot, drive)?,
            MtxCommand::Transfer {
                source,
                destination,
            } => self.transfer(source, destination)?,
            MtxCommand::Status | MtxCommand::Inventory => return Err(usage()),
        };
        Ok(Planned {
            movement: Movement::between(source, destination),
            saying,
        })
    }

    fn load(&self, slot: usize, drive: usize) -> Result<MtxTransfer<'_>, CommandError> {
        let (slots, drives) = (self.slots(), self.drives());
        let source = slots.get(slot.saturating_sub(1)).ok_or_else(|| {
            told(format!(
                "Invalid <storage-element-number> argument '{slot}' to 'load' command"
            ))
        })?;
        let destination = drives.get(drive).ok_or_else(|| {
            told(format!(
                "illegal <drive-number> argument '{drive}' to 'load' command"
            ))
        })?;
        if destination.full {
            let home = self.homes().get(drive).copied().flatten();
            let home = home.map_or(0, |home| home.saturating_add(1));
            return Err(told(format!(
                "Drive {drive} Full (Storage Element {home} loaded)"
            )));
        }
        let saying = format!("Loading media from Storage Element {slot} into drive {drive}...");
        Ok((source, destination, saying))
    }

    fn unload(&self, slot: Option<usize>, drive: usize) -> Result<MtxTransfer<'_>, CommandError> {
        let (slots, drives) = (self.slots(), self.drives());
        let home = || {
            let home = self.homes().get(drive).copied().flatten();
            home.map(|home| home.saturating_add(1))
        };
        let source = drives.get(drive).ok_or_else(|| {
            told(format!(
                "illegal <drive-number> argument '{drive}' to 'unload' command"
            ))
        })?;
        let element = |slot: usize| {
            let index = slot.checked_sub(1);
            let element = index.and_then(|index| slots.get(index));
            element.ok_or_else(|| {
                told(format!(
                    "illegal <storage-element-number> argument '{slot}' to 'unload' command"
                ))
            })
        };
        // mtx looks at the slot that it is given before it looks into the drive.
        slot.map(element).transpose()?;
        if !source.full {
            return Err(told(format!("Data Transfer Element {drive} is Empty")));
        }
        let slot = slot
            .or_else(home)
            .ok_or_else(|| told(format!("No Source for tape in drive {drive}!")))?;
        let destination = element(slot)?;
        if destination.full {
            return Err(told(format!("Storage Element {slot} is Already Full")));
        }
        let saying = format!("Unloading drive {drive} into Storage Element {slot}...");
        Ok((source, destination, saying))
    }

    fn transfer(&self, source: usize, destination: usize) -> Result<MtxTransfer<'_>, CommandError> {
        let slots = self.slots();
        let slot = |number: usize| slots.get(number.saturating_sub(1));
        let source = slot(source).ok_or_else(|| told("Invalid source"))?;
        let destination = slot(destination).ok_or_else(|| told("Invalid destination"))?;
        Ok((source, destination, String::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<Vec<(String, Vec<MtxCommand>)>> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parts = parse(&words).ok()?.into_iter();
        Some(parts.map(|part| (part.library, part.commands)).collect())
    }

    #[test]
    fn a_command_is_for_the_library_that_is_named_before_it() {
        use MtxCommand::{Inventory, Status};
        let unload = MtxCommand::Unload {
            slot: None,
            drive: 0,
        };
        let part = |library: &str, commands: &[MtxCommand]| (library.to_owned(), commands.to_vec());
        assert_eq!(
            parsed("-f A status inventory -f B unload"),
            Some(vec![part("A", &[Status, Inventory]), part("B", &[unload])])
        );
        // A library that is named and not used takes no session.
        assert_eq!(parsed("-f A -f B status"), Some(vec![part("B", &[Status])]));
        assert_eq!(parsed("-f A status -f B"), Some(vec![part("A", &[Status])]));
        assert_eq!(parsed("status -f A"), Some(vec![part("A", &[Status])]));
        for line in [
            "status",
            "-f A",
            "-f A -f B",
            "unload -f A -f B",
            "unload -f A status -f B",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }
}
