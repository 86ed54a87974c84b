//! LTO generations: which drive uses which cartridge, and how densities are reported.

use super::barcode::Barcode;
use super::configuration::DriveType;
use crate::scsi::data::density::Density;

/// What a drive can do with a cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    ReadOnly,
    ReadAndWrite,
}

/// Returns what a drive can do with a cartridge: its own generation and the one before are written, up to LTO-7 the one
/// before that is read. A barcode that names no generation is one of the drive's own.
pub(super) fn use_of(volume: &Barcode, drive_type: DriveType) -> Option<Use> {
    let drive = drive_type.generation();
    let medium = volume.generation().unwrap_or(drive);
    match drive.checked_sub(medium)? {
        0 | 1 => Some(Use::ReadAndWrite),
        2 if drive <= 7 => Some(Use::ReadOnly),
        _ => None,
    }
}

/// Returns the PRIMARY DENSITY CODE of a generation (SSC-4 table 76): 44h for LTO-3, 46h for LTO-4, 58h for LTO-5 and
/// from there in steps of two.
pub(super) fn code(generation: u8) -> u8 {
    match generation {
        ..=4 => 0x3e_u8.saturating_add(generation.saturating_mul(2)),
        _ => 0x4e_u8.saturating_add(generation.saturating_mul(2)),
    }
}

/// Returns the MEDIUM TYPE of a data cartridge: 58h for LTO-5, 88h for LTO-8.
pub(super) fn medium_type(generation: u8) -> u8 {
    generation << 4 | 0x08
}

/// Returns the densities that a drive supports, or the one of a medium.
pub(super) fn supported(drive_type: DriveType, medium: Option<u8>) -> Vec<Density> {
    let drive = drive_type.generation();
    let oldest = drive.saturating_sub(if drive <= 7 { 2 } else { 1 });
    let generations = match medium {
        Some(generation) => generation..=generation,
        None => oldest..=drive,
    };
    generations
        .filter_map(|generation| {
            let index = usize::from(generation).checked_sub(3)?;
            let (bits_per_mm, tracks, capacity, name, description) = *DENSITIES.get(index)?;
            Some(Density {
                code: code(generation),
                writable: drive.saturating_sub(generation) < 2,
                default: generation == drive,
                bits_per_mm,
                tracks,
                capacity,
                name,
                description,
            })
        })
        .collect()
}

/// LTO-3 to LTO-9: bits per mm, tracks, megabytes, name, description.
const DENSITIES: &[(u32, u16, u32, &str, &str)] = &[
    (9638, 704, 400_000, "U-316", "Ultrium 3/16T"),
    (13250, 896, 800_000, "U-416", "Ultrium 4/16T"),
    (15142, 1280, 1_500_000, "U-516", "Ultrium 5/16T"),
    (15143, 2176, 2_500_000, "U-616", "Ultrium 6/16T"),
    (19107, 3584, 6_000_000, "U-732", "Ultrium 7/32T"),
    (20669, 6656, 12_000_000, "U-832", "Ultrium 8/32T"),
    (21455, 8960, 18_000_000, "U-932", "Ultrium 9/32T"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_uses_cartridges_of_its_neighbours() {
        let use_of = |volume, drive_type| use_of(&Barcode::parse(volume).unwrap(), drive_type);
        assert_eq!(use_of("VOL001L8", DriveType::Lto8), Some(Use::ReadAndWrite));
        assert_eq!(use_of("VOL001L7", DriveType::Lto8), Some(Use::ReadAndWrite));
        assert_eq!(use_of("VOL001L6", DriveType::Lto8), None);
        assert_eq!(use_of("VOL001L9", DriveType::Lto8), None);
        assert_eq!(use_of("VOL001L5", DriveType::Lto7), Some(Use::ReadOnly));
        assert_eq!(use_of("VOL001L3", DriveType::Lto5), Some(Use::ReadOnly));
        assert_eq!(use_of("SCRATCH", DriveType::Lto9), Some(Use::ReadAndWrite));
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        let codes: Vec<u8> = (3..=9).map(code).collect();
        assert_eq!(codes, [0x44, 0x46, 0x58, 0x5a, 0x5c, 0x5e, 0x60]);
        assert_eq!(medium_type(8), 0x88);
        let densities = supported(DriveType::Lto8, None);
        assert_eq!(densities.len(), 2);
        assert!(densities[1].default && densities[1].writable);
        assert_eq!(supported(DriveType::Lto7, None).len(), 3);
        assert_eq!(supported(DriveType::Lto8, Some(7))[0].code, 0x5c);
    }
}
