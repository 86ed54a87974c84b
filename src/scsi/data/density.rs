//! The parameter data of REPORT DENSITY SUPPORT (SSC-4 7.8).

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
    use super::*;

    #[test]
    fn densities_are_encoded_as_the_standard_draws_them() {
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
}
