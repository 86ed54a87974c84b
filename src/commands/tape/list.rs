//! `tape list`: what is on a cartridge.

use schemars::JsonSchema;
use serde::Serialize;

use super::meter::Meter;
use super::{rounded, with_cartridge};
use crate::cli::host::CartridgeArguments;
use crate::commands::library::Talk;
use crate::commands::schema::Documents;
use crate::commands::terminal::Terminal;
use crate::error::CommandError;
use crate::iop::tape::job::{self, TapeFile};
use crate::iop::tape::label::{Content, Label};
use crate::render::json::ErrorBody;
use crate::render::text::Page;

/// Adds what is printed here to the schema.
pub(super) fn describe(documents: &mut Documents) {
    documents.document::<ListDocument<'static>>();
}

/// What `tape list` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TapeList")]
struct ListDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// Device name of the library.
    device: &'a str,
    /// Device name of the drive.
    drive: &'a str,
    /// Barcode of the cartridge, or its element address.
    volume: &'a str,
    /// How long the job took in the drive, in seconds.
    seconds: f64,
    /// The tape files, in their order.
    files: &'a [TapeFile],
    /// Why the job failed; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
}

pub(super) fn list(
    cartridge: &CartridgeArguments,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let mut files = Vec::new();
    let mut meter = Meter::new(terminal, None);
    let mut held = with_cartridge(talk, cartridge, "list", async |drive| {
        job::list(drive, &mut files, &mut |bytes| meter.tell(bytes)).await
    })?;
    meter.end();
    let error = held.failure();
    let Some(drive) = &held.drive else {
        // Nothing was listed, and a listing has no count of what was done.
        return error.map_or(Ok(0), Err);
    };
    if let Some(error) = &error {
        terminal.error(error);
    }
    if terminal.json {
        terminal.print_document(&ListDocument {
            schema: 1,
            device: &held.device,
            drive,
            volume: &held.volume,
            seconds: rounded(held.seconds),
            files: &files,
            error: error.as_ref().map(ErrorBody::new),
        })?;
    } else {
        terminal.print(&listing(&held.volume, &files))?;
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

fn listing(volume: &str, files: &[TapeFile]) -> String {
    let mut page = Page::default();
    page.title(&format!("Volume {volume}"));
    page.line("Tape files", files.len());
    for file in files {
        page.heading(&format!("File {}", file.file));
        page.line("Blocks", file.blocks);
        page.line("Bytes", file.bytes);
        if file.blocks > 0 {
            page.line(
                "Block length",
                match file.shortest_block == file.longest_block {
                    true => file.longest_block.to_string(),
                    false => format!("{} to {}", file.shortest_block, file.longest_block),
                },
            );
        }
        if !file.filemark {
            page.line("End", "without a filemark");
        }
        for label in &file.labels {
            let (name, text) = labelled(label);
            page.line(&format!("Label {name}"), text);
        }
    }
    page.into_text()
}

fn labelled(label: &Label) -> (&'static str, String) {
    match &label.content {
        Content::Vol1 { volume, owner } => ("VOL1", format!("volume {volume}, owner '{owner}'")),
        Content::Hdr1(file) | Content::Eof1(file) | Content::Eov1(file) => {
            let name = match &label.content {
                Content::Hdr1(_) => "HDR1",
                Content::Eof1(_) => "EOF1",
                _ => "EOV1",
            };
            let number = |value: Option<u32>| value.map_or("*".to_owned(), |n| n.to_string());
            let text = format!(
                "{}, volume {} of {}, file {}, created {}, expires {}, blocks {}, system {}",
                file.file_identifier,
                number(file.volume_sequence),
                file.file_set,
                number(file.file_sequence),
                file.created.as_deref().unwrap_or("*NONE"),
                file.expires.as_deref().unwrap_or("*NONE"),
                file.block_count.map_or("*".to_owned(), |n| n.to_string()),
                file.system
            );
            (name, text)
        }
        Content::Hdr2(format) | Content::Eof2(format) | Content::Eov2(format) => {
            let name = match &label.content {
                Content::Hdr2(_) => "HDR2",
                Content::Eof2(_) => "EOF2",
                _ => "EOV2",
            };
            let length = |value: Option<u64>| value.map_or("*".to_owned(), |n| n.to_string());
            let text = format!(
                "record format {}{}, block length {}, record length {}",
                format.record_format,
                format.block_attribute,
                length(format.block_length),
                length(format.record_length)
            );
            (name, text)
        }
    }
}
