//! Commands of tape drives (SSC-4): what their CDBs ask for, and the parameter data that answers them.
//!
//! A CDB is decoded from the 16 bytes that transports carry; bytes behind its own end are not looked at. Whether
//! reserved bits are zero is the device server's business.

/// READ(6) or WRITE(6) (SSC-4, operation codes 08h and 0Ah).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// FIXED, byte 1 bit 0: the length counts blocks of the block length, not bytes.
    pub fixed: bool,
    /// SILI, byte 1 bit 1: a block of another length is no exception. READ only.
    pub suppress_incorrect_length: bool,
    /// TRANSFER LENGTH, bytes 2 to 4: blocks when FIXED, else bytes.
    pub length: u32,
}

impl Transfer {
    /// Decodes the CDB.
    pub fn decode(cdb: &[u8; 16]) -> Self {
        let [_, flags, a, b, c, ..] = *cdb;
        Self {
            fixed: flags & 0x01 != 0,
            suppress_incorrect_length: flags & 0x02 != 0,
            length: u32::from_be_bytes([0, a, b, c]),
        }
    }
}

/// WRITE FILEMARKS(6) (SSC-4, operation code 10h): returns the number of filemarks, bytes 2 to 4.
pub fn filemark_count(cdb: &[u8; 16]) -> u32 {
    let [_, _, a, b, c, ..] = *cdb;
    u32::from_be_bytes([0, a, b, c])
}

/// SPACE(6) or SPACE(16) (SSC-4, operation codes 11h and 91h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// CODE, byte 1 bits 3-0.
    pub code: SpaceCode,
    /// COUNT: over how many, towards the beginning when it is negative.
    pub count: i64,
}

/// CODE of SPACE: over what. Other codes are not for this model of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceCode {
    /// Logical blocks, 0h.
    Blocks,
    /// Filemarks, 1h.
    Filemarks,
    /// To the end of data, 3h; COUNT does not matter.
    EndOfData,
}

impl Space {
    /// Decodes SPACE(6): COUNT is the signed number in bytes 2 to 4. None for a code that is not known.
    pub fn decode6(cdb: &[u8; 16]) -> Option<Self> {
        let [_, code, a, b, c, ..] = *cdb;
        // The sign comes down with the shift.
        let count = i32::from_be_bytes([a, b, c, 0]) >> 8;
        Self::new(code, count.into())
    }

    /// Decodes SPACE(16): COUNT is the signed number in bytes 4 to 11. None for a code that is not known.
    pub fn decode16(cdb: &[u8; 16]) -> Option<Self> {
        let [_, code, _, _, a, b, c, d, e, f, g, h, ..] = *cdb;
        Self::new(code, i64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn new(code: u8, count: i64) -> Option<Self> {
        let code = match code & 0x0f {
            0x0 => SpaceCode::Blocks,
            0x1 => SpaceCode::Filemarks,
            0x3 => SpaceCode::EndOfData,
            _ => return None,
        };
        Some(Self { code, count })
    }
}

/// LOCATE(10) or LOCATE(16) (SSC-4, operation codes 2Bh and 92h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locate {
    /// PARTITION, byte 8 or 3, when CP, byte 1 bit 1, asks for a change.
    pub partition: Option<u8>,
    /// Where to.
    pub destination: Destination,
}

/// DEST_TYPE of LOCATE(16), byte 1 bits 4-3, with its number. LOCATE(10) knows objects only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Before the logical object with this identifier, 00b.
    Object(u64),
    /// Behind so many filemarks, 01b.
    File(u64),
    /// The end of data, 11b.
    EndOfData,
}

impl Locate {
    /// Decodes LOCATE(10): the identifier is in bytes 3 to 6.
    pub fn decode10(cdb: &[u8; 16]) -> Self {
        let [_, flags, _, a, b, c, d, _, partition, ..] = *cdb;
        Self {
            partition: (flags & 0x02 != 0).then_some(partition),
            destination: Destination::Object(u32::from_be_bytes([a, b, c, d]).into()),
        }
    }

    /// Decodes LOCATE(16): the identifier is in bytes 4 to 11. None for the destination type 10b.
    pub fn decode16(cdb: &[u8; 16]) -> Option<Self> {
        let [_, flags, _, partition, a, b, c, d, e, f, g, h, ..] = *cdb;
        let identifier = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Some(Self {
            partition: (flags & 0x02 != 0).then_some(partition),
            destination: match flags >> 3 & 0x03 {
                0 => Destination::Object(identifier),
                1 => Destination::File(identifier),
                3 => Destination::EndOfData,
                _ => return None,
            },
        })
    }
}

/// LOAD UNLOAD (SSC-4, operation code 1Bh), byte 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadUnload {
    /// LOAD, bit 0.
    pub load: bool,
    /// EOT, bit 2: unload at the end of the tape.
    pub at_end: bool,
}

impl LoadUnload {
    /// Decodes the CDB.
    pub fn decode(cdb: &[u8; 16]) -> Self {
        let [_, _, _, _, flags, ..] = *cdb;
        Self {
            load: flags & 0x01 != 0,
            at_end: flags & 0x04 != 0,
        }
    }
}

/// A logical position in partition 0, for READ POSITION (SSC-4, operation code 34h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// LOGICAL OBJECT NUMBER: the blocks and filemarks before it.
    pub object: u64,
    /// LOGICAL FILE IDENTIFIER: the filemarks before it.
    pub file: u64,
    /// EOP: it is behind early warning.
    pub behind_early_warning: bool,
}

impl Position {
    /// Returns the short form, service action 00h, 20 bytes. BOP stands at object 0 and nowhere else: IBM i gives a
    /// drive up that says otherwise.
    pub fn short_form(self) -> Vec<u8> {
        let object = u32::try_from(self.object);
        // LOLU: a position beyond 32 bits is not told.
        let unknown = u8::from(object.is_err()) << 2;
        let mut data = vec![self.flags() | unknown, 0, 0, 0];
        for _first_and_last in 0..2 {
            data.extend(object.unwrap_or(0).to_be_bytes());
        }
        data.resize(20, 0);
        data
    }

    /// Returns the long form, service action 06h, 32 bytes.
    pub fn long_form(self) -> Vec<u8> {
        let mut data = vec![self.flags(), 0, 0, 0, 0, 0, 0, 0];
        data.extend(self.object.to_be_bytes());
        data.extend(self.file.to_be_bytes());
        data.resize(32, 0);
        data
    }

    /// Returns the extended form, service action 08h, 32 bytes.
    pub fn extended_form(self) -> Vec<u8> {
        let mut data = vec![self.flags(), 0, 0, 0x1c, 0, 0, 0, 0];
        for _first_and_last in 0..2 {
            data.extend(self.object.to_be_bytes());
        }
        data.resize(32, 0);
        data
    }

    fn flags(self) -> u8 {
        u8::from(self.object == 0) << 7 | u8::from(self.behind_early_warning) << 6
    }
}

/// Returns the parameter data of READ BLOCK LIMITS (SSC-4, operation code 05h): any length up to `longest` bytes, of
/// which 24 bits fit.
pub fn block_limits(longest: u32) -> Vec<u8> {
    let [_, a, b, c] = longest.to_be_bytes();
    vec![0, a, b, c, 0, 1]
}

/// A recording density (SSC-4 table 76).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Density {
    /// PRIMARY DENSITY CODE.
    pub code: u8,
    /// WRTOK: the drive writes it.
    pub writable: bool,
    /// DEFLT: it is what the drive writes by itself.
    pub default: bool,
    /// BITS PER MM.
    pub bits_per_mm: u32,
    /// TRACKS.
    pub tracks: u16,
    /// CAPACITY in megabytes.
    pub capacity: u32,
    /// DENSITY NAME, at most eight characters.
    pub name: &'static str,
    /// DESCRIPTION, at most twenty characters.
    pub description: &'static str,
}

/// Returns the parameter data of REPORT DENSITY SUPPORT (SSC-4, operation code 44h).
pub fn density_support(densities: &[Density]) -> Vec<u8> {
    let descriptors: Vec<u8> = densities.iter().flat_map(Density::encode).collect();
    let length = u16::try_from(descriptors.len().saturating_add(2)).unwrap_or(u16::MAX);
    let mut data = length.to_be_bytes().to_vec();
    data.extend([0, 0]);
    data.extend(descriptors);
    data
}

impl Density {
    fn encode(&self) -> Vec<u8> {
        let flags = u8::from(self.writable) << 7 | u8::from(self.default) << 5;
        let [_, a, b, c] = self.bits_per_mm.to_be_bytes();
        // No secondary density code; MEDIA WIDTH in tenths of a millimetre.
        let mut data = vec![self.code, self.code, flags, 0, 0, a, b, c, 0, 127];
        data.extend(self.tracks.to_be_bytes());
        data.extend(self.capacity.to_be_bytes());
        for (text, width) in [("LTO-CVE", 8), (self.name, 8), (self.description, 20)] {
            let padding = std::iter::repeat(b' ');
            data.extend(text.bytes().chain(padding).take(width));
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cdb(bytes: &[u8]) -> [u8; 16] {
        let mut cdb = [0; 16];
        cdb[..bytes.len()].copy_from_slice(bytes);
        cdb
    }

    #[test]
    fn read_and_write_have_their_length_in_blocks_or_bytes() {
        assert_eq!(
            Transfer::decode(&cdb(&[0x08, 0x02, 0x01, 0x02, 0x03, 0])),
            Transfer {
                fixed: false,
                suppress_incorrect_length: true,
                length: 0x01_0203
            }
        );
        assert_eq!(
            Transfer::decode(&cdb(&[0x0a, 0x01, 0xff, 0, 0, 0])),
            Transfer {
                fixed: true,
                suppress_incorrect_length: false,
                length: 0xff_0000
            }
        );
        assert_eq!(filemark_count(&cdb(&[0x10, 0, 0, 1, 2, 0])), 0x0102);
    }

    #[test]
    fn space_counts_both_ways() {
        let space = |code, count| Some(Space { code, count });
        assert_eq!(
            Space::decode6(&cdb(&[0x11, 0x01, 0xff, 0xff, 0xfe, 0])),
            space(SpaceCode::Filemarks, -2)
        );
        assert_eq!(
            Space::decode6(&cdb(&[0x11, 0x00, 0x7f, 0xff, 0xff, 0])),
            space(SpaceCode::Blocks, 0x7f_ffff)
        );
        assert_eq!(
            Space::decode6(&cdb(&[0x11, 0x03])),
            space(SpaceCode::EndOfData, 0)
        );
        for unknown in [2, 4, 5] {
            assert_eq!(Space::decode6(&cdb(&[0x11, unknown])), None);
        }
        let long = cdb(&[
            0x91, 0x00, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]);
        assert_eq!(Space::decode16(&long), space(SpaceCode::Blocks, -1));
    }

    #[test]
    fn locate_finds_its_number_and_its_type() {
        assert_eq!(
            Locate::decode10(&cdb(&[0x2b, 0x02, 0, 1, 2, 3, 4, 0, 9, 0])),
            Locate {
                partition: Some(9),
                destination: Destination::Object(0x0102_0304)
            }
        );
        let long =
            |flags| Locate::decode16(&cdb(&[0x92, flags, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2])).unwrap();
        let number = 0x1_0000_0002;
        assert_eq!(long(0x00).destination, Destination::Object(number));
        assert_eq!(long(0x0a).destination, Destination::File(number));
        assert_eq!(long(0x0a).partition, Some(7));
        assert_eq!(long(0x18).destination, Destination::EndOfData);
        assert_eq!(Locate::decode16(&cdb(&[0x92, 0x10])), None);
    }

    #[test]
    fn load_unload_has_its_bits_in_byte_4() {
        let decoded = LoadUnload::decode(&cdb(&[0x1b, 0, 0, 0, 0x05, 0]));
        assert!(decoded.load && decoded.at_end);
        let decoded = LoadUnload::decode(&cdb(&[0x1b, 1, 0, 0, 0x00, 0]));
        assert!(!decoded.load && !decoded.at_end);
    }

    #[test]
    fn positions_are_encoded_in_three_forms() {
        let position = Position {
            object: 0x1_0203,
            file: 5,
            behind_early_warning: true,
        };
        let mut short = vec![0x40, 0, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3];
        short.resize(20, 0);
        assert_eq!(position.short_form(), short);
        let mut long = vec![0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        long.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(position.long_form(), long);
        let mut extended = vec![0x40, 0, 0, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        extended.extend([0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(position.extended_form(), extended);

        let beginning = Position {
            object: 0,
            file: 0,
            behind_early_warning: false,
        };
        assert_eq!(beginning.short_form()[0], 0x80);
        let far = Position {
            object: 1 << 32,
            ..beginning
        };
        assert_eq!(far.short_form()[..5], [0x04, 0, 0, 0, 0]);
    }

    #[test]
    fn limits_and_densities_are_encoded_as_the_standard_draws_them() {
        assert_eq!(block_limits(0x10_0000), [0, 0x10, 0, 0, 0, 1]);
        let density = Density {
            code: 0x5e,
            writable: true,
            default: true,
            bits_per_mm: 20669,
            tracks: 6656,
            capacity: 12_000_000,
            name: "U-832",
            description: "Ultrium 8/32T",
        };
        let data = density_support(&[density]);
        assert_eq!(data.len(), 4 + 52);
        assert_eq!(data[..4], [0, 54, 0, 0]);
        assert_eq!(data[4..9], [0x5e, 0x5e, 0xa0, 0, 0]);
        assert_eq!(data[9..16], [0, 0x50, 0xbd, 0, 127, 0x1a, 0]);
        assert_eq!(data[16..20], [0, 0xb7, 0x1b, 0]);
        assert_eq!(&data[20..], b"LTO-CVE U-832   Ultrium 8/32T       ");
    }

    proptest! {
        #[test]
        fn any_cdb_is_decoded_without_a_panic(cdb in any::<[u8; 16]>()) {
            let _ = (Transfer::decode(&cdb), filemark_count(&cdb), LoadUnload::decode(&cdb));
            let _ = (Space::decode6(&cdb), Space::decode16(&cdb));
            let _ = (Locate::decode10(&cdb), Locate::decode16(&cdb));
        }
    }
}
