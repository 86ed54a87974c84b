//! What is in the elements of tape libraries, as JSON and in the manner of WRKMLBSTS: drives first, then the other elements.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::Page;
use crate::iop::library::{Element, ElementType, Inventory, Movement};
use crate::iop::store::ActiveConfiguration;

/// A library with what the last re-IPL knows of it.
pub struct LibraryElements<'a> {
    inventory: &'a Inventory,
    target_name: &'a str,
    type_model: &'a str,
}

impl<'a> LibraryElements<'a> {
    /// Joins what a library said of its elements with the active configuration.
    #[must_use]
    pub fn new(inventory: &'a Inventory, active: &'a ActiveConfiguration) -> Self {
        let found = active.targets.iter().find_map(|target| {
            let libraries = &target.report.libraries;
            let library = libraries
                .iter()
                .find(|library| library.device == inventory.library)?;
            Some((
                target.report.target_name.as_str(),
                library.type_model.as_str(),
            ))
        });
        let (target_name, type_model) = found.unwrap_or_default();
        Self {
            inventory,
            target_name,
            type_model,
        }
    }
}

/// The document of `library`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Libraries")]
pub struct LibrariesDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The libraries that were asked for.
    libraries: Vec<LibraryElementsDocument<'a>>,
    /// What a command moved; null for one that moves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Vec<MovementDocument<'a>>>,
}

/// What is in the elements of a library.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LibraryElements")]
struct LibraryElementsDocument<'a> {
    /// Device name, `TAPMLB01`.
    device: &'a str,
    /// The target that shows it.
    target_name: &'a str,
    /// IBM i type and model.
    type_model: &'a str,
    /// Its elements, as READ ELEMENT STATUS has them.
    elements: Vec<ElementDocument<'a>>,
}

/// An element of a library.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Element")]
struct ElementDocument<'a> {
    /// Element address.
    address: u16,
    /// What kind of element it is.
    #[serde(rename = "type")]
    element_type: ElementTypeDocument,
    /// The drive's device name, `TAP01`; null for an element that is no drive, and for a drive without a name.
    device: Option<&'a str>,
    /// Whether a cartridge is in it.
    full: bool,
    /// The cartridge's barcode; null when there is none.
    volume: Option<&'a str>,
    /// Address of the storage element that the cartridge came from; null when the library does not say.
    source_address: Option<u16>,
    /// Whether the medium transport reaches it.
    accessible: bool,
    /// What the library says is wrong: additional sense code and qualifier with their meaning; null for nothing.
    problem: Option<String>,
}

/// The kinds of elements.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ElementType")]
#[serde(rename_all = "snake_case")]
pub enum ElementTypeDocument {
    /// Medium transport element.
    Transport,
    /// Storage element: a slot.
    Storage,
    /// Import/export element.
    ImportExport,
    /// Data transfer element.
    Drive,
}

impl From<ElementType> for ElementTypeDocument {
    fn from(element_type: ElementType) -> Self {
        match element_type {
            ElementType::MediumTransport => Self::Transport,
            ElementType::Storage => Self::Storage,
            ElementType::ImportExport => Self::ImportExport,
            ElementType::DataTransfer => Self::Drive,
        }
    }
}

/// A cartridge's way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Movement")]
pub struct MovementDocument<'a> {
    /// The cartridge's barcode, or where it was when it has none.
    volume: &'a str,
    /// Element address that it was taken from.
    source_address: u16,
    /// Element address that it is in now.
    destination_address: u16,
    /// The drive that it came from or went to.
    drive: Option<&'a str>,
    /// False when it was in place already.
    moved: bool,
}

impl<'a> From<&'a Movement> for MovementDocument<'a> {
    fn from(movement: &'a Movement) -> Self {
        let drive = movement.destination_drive.as_deref();
        Self {
            volume: &movement.volume,
            source_address: movement.source,
            destination_address: movement.destination,
            drive: drive.or(movement.source_drive.as_deref()),
            moved: !movement.is_in_place(),
        }
    }
}

impl<'a> LibrariesDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(reports: &[LibraryElements<'a>], moved: Option<Vec<MovementDocument<'a>>>) -> Self {
        let libraries = reports.iter().map(|report| LibraryElementsDocument {
            device: &report.inventory.library,
            target_name: report.target_name,
            type_model: report.type_model,
            elements: report.inventory.elements.iter().map(element).collect(),
        });
        Self {
            schema: 1,
            libraries: libraries.collect(),
            moved,
        }
    }
}

fn element(element: &Element) -> ElementDocument<'_> {
    ElementDocument {
        address: element.address,
        element_type: element.element_type.into(),
        device: element.device.as_deref(),
        full: element.full,
        volume: element.volume.as_deref(),
        source_address: element.source,
        accessible: element.accessible,
        problem: problem(element),
    }
}

fn problem(element: &Element) -> Option<String> {
    let code = element.exception?;
    Some(match code.meaning() {
        Some(meaning) => format!("{code} ({meaning})"),
        None => code.to_string(),
    })
}

/// Returns a library as text: its drives, then the other elements, then how many of them are full.
#[must_use]
pub fn page(report: &LibraryElements<'_>) -> String {
    let inventory = report.inventory;
    let mut page = Page::default();
    page.title(&format!("Tape library {}", inventory.library));
    page.line("Target name", report.target_name);
    page.line("Type-model", report.type_model);
    let mut table = vec![["Drive", "Element", "Volume", "From", "Problem"].map(str::to_owned)];
    for element in inventory.of_type(ElementType::DataTransfer) {
        table.push([
            element.device.clone().unwrap_or_else(|| NONE.to_owned()),
            element.address.to_string(),
            volume(element),
            element
                .source
                .filter(|_| element.full)
                .map_or_else(String::new, |address| address.to_string()),
            problem(element).unwrap_or_default(),
        ]);
    }
    let mut text = page.into_text();
    push_table(&mut text, &table);
    let mut table = vec![["Element", "Type", "Volume", "Problem"].map(str::to_owned)];
    for (element_type, words) in [
        (ElementType::ImportExport, "import/export"),
        (ElementType::Storage, "storage"),
        (ElementType::MediumTransport, "transport"),
    ] {
        for element in inventory.of_type(element_type) {
            table.push([
                element.address.to_string(),
                words.to_owned(),
                volume(element),
                problem(element).unwrap_or_default(),
            ]);
        }
    }
    push_table(&mut text, &table);
    let mut counts = Page::default();
    for (label, element_type) in [
        ("Drives", ElementType::DataTransfer),
        ("Import/export elements", ElementType::ImportExport),
        ("Storage elements", ElementType::Storage),
    ] {
        let count = inventory.of_type(element_type).count();
        let full = inventory
            .of_type(element_type)
            .filter(|element| element.full)
            .count();
        counts.line(label, format!("{count}, {full} full"));
    }
    text.push('\n');
    text.push_str(&counts.into_text());
    text
}

const NONE: &str = "*NONE";

fn volume(element: &Element) -> String {
    match (&element.volume, element.full) {
        (Some(volume), _) => volume.clone(),
        (None, true) => "*NOBARCODE".to_owned(),
        (None, false) => NONE.to_owned(),
    }
}

/// Adds a table whose columns are as wide as they have to be, without blanks at the ends of lines.
fn push_table<const COLUMNS: usize>(text: &mut String, rows: &[[String; COLUMNS]]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    text.push('\n');
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(format!("  {}", line.join("  ")).trim_end());
        text.push('\n');
    }
}

/// Returns what a command moved, a line for each cartridge.
#[must_use]
pub fn moved(movements: &[Movement], inventory: Option<&Inventory>) -> String {
    if movements.is_empty() {
        return "No import/export element is full: nothing was imported.\n".to_owned();
    }
    let place = |address: u16, drive: &Option<String>| {
        let element_type = inventory
            .and_then(|inventory| inventory.element(address))
            .map(|element| element.element_type);
        match (drive, element_type) {
            (Some(drive), _) => format!("{drive} (element {address})"),
            (None, Some(ElementType::DataTransfer)) => format!("the drive at element {address}"),
            (None, Some(ElementType::ImportExport)) => format!("import/export element {address}"),
            (None, _) => format!("storage element {address}"),
        }
    };
    movements
        .iter()
        .map(|movement| {
            let source = place(movement.source, &movement.source_drive);
            match movement.is_in_place() {
                true => format!("Volume {} is in {source} already.\n", movement.volume),
                false => format!(
                    "Volume {} moved from {source} to {}.\n",
                    movement.volume,
                    place(movement.destination, &movement.destination_drive)
                ),
            }
        })
        .collect()
}
