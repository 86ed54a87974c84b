//! The parameter data of READ POSITION (SSC-4 7.7): where a tape stands.

use crate::scsi::DecodeError;
use crate::scsi::command::PositionForm;
use crate::scsi::reader::Reader;

/// Where a tape stands, as far as a form tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// BOP: at the beginning of the partition. IBM i gives a drive up that says so anywhere but at object 0.
    pub beginning: bool,
    /// EOP: between early warning and the end of the partition.
    pub behind_early_warning: bool,
    /// PARTITION NUMBER.
    pub partition: u32,
    /// Blocks and filemarks before the position: LOGICAL OBJECT NUMBER, or FIRST LOGICAL OBJECT LOCATION. `None` where
    /// the drive does not know it (LOLU, LONU) or the form has no room for it.
    pub object: Option<u64>,
    /// LAST LOGICAL OBJECT LOCATION: blocks and filemarks that are on the medium; fewer than `object` while the drive
    /// holds some in its buffer. Short and extended form.
    pub on_medium: Option<u64>,
    /// LOGICAL FILE IDENTIFIER: filemarks before the position. Long form.
    pub file: Option<u64>,
    /// NUMBER OF LOGICAL OBJECTS IN OBJECT BUFFER, unless LOCU says that it is unknown. Short and extended form.
    pub buffered_objects: Option<u32>,
}

/// Byte 0 of every form.
const BOP: u8 = 0x80;
const EOP: u8 = 0x40;
/// Short and extended form: the number of objects in the buffer is unknown.
const LOCU: u8 = 0x20;
/// LOLU of short and extended form, LONU of the long form: the location is unknown.
const UNKNOWN: u8 = 0x04;
/// Long form: the partition and the file are unknown.
const MPU: u8 = 0x08;

impl Position {
    /// Returns the parameter data of a form.
    pub fn encode(&self, form: PositionForm) -> Vec<u8> {
        match form {
            PositionForm::Short | PositionForm::ShortDeviceSpecific => self.short_form(),
            PositionForm::Long => self.long_form(),
            PositionForm::Extended => self.extended_form(),
        }
    }

    /// Decodes the parameter data of a form. The device specific address of the second short form stands in
    /// [`Position::object`].
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the form is not whole.
    pub fn decode(form: PositionForm, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("READ POSITION parameter data", bytes);
        match form {
            PositionForm::Short | PositionForm::ShortDeviceSpecific => {
                let [flags, partition, _, _] = reader.array()?;
                let known = |value: u32| (flags & UNKNOWN == 0).then_some(u64::from(value));
                let object = known(reader.u32()?);
                let on_medium = known(reader.u32()?);
                let buffered = reader.u32()?;
                let _bytes_in_buffer = reader.u32()?;
                Ok(Self {
                    file: None,
                    buffered_objects: (flags & LOCU == 0).then_some(buffered),
                    ..Self::of(flags, partition.into(), object, on_medium)
                })
            }
            PositionForm::Long => {
                let [flags, _, _, _] = reader.array()?;
                let partition = reader.u32()?;
                let object = Some(reader.u64()?).filter(|_| flags & UNKNOWN == 0);
                let file = Some(reader.u64()?).filter(|_| flags & MPU == 0);
                let _obsolete = reader.u64()?;
                Ok(Self {
                    file,
                    ..Self::of(flags, partition, object, None)
                })
            }
            PositionForm::Extended => {
                let [flags, partition, _, _] = reader.array()?;
                let _reserved = reader.u8()?;
                let buffered = reader.u24()?;
                let known = |value: u64| (flags & UNKNOWN == 0).then_some(value);
                let object = known(reader.u64()?);
                let on_medium = known(reader.u64()?);
                let _bytes_in_buffer = reader.u64()?;
                Ok(Self {
                    buffered_objects: (flags & LOCU == 0).then_some(buffered),
                    ..Self::of(flags, partition.into(), object, on_medium)
                })
            }
        }
    }

    fn of(flags: u8, partition: u32, object: Option<u64>, on_medium: Option<u64>) -> Self {
        Self {
            beginning: flags & BOP != 0,
            behind_early_warning: flags & EOP != 0,
            partition,
            object,
            on_medium,
            file: None,
            buffered_objects: None,
        }
    }

    fn short_form(&self) -> Vec<u8> {
        let location = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
        let locations = location(self.object).zip(location(self.on_medium));
        let (first, last) = locations.unwrap_or_default();
        let mut data = vec![
            self.flags(locations.is_none()) | self.buffer_flag(),
            u8::try_from(self.partition).unwrap_or(0),
            0,
            0,
        ];
        for field in [first, last, self.buffered_objects.unwrap_or(0), 0] {
            data.extend(field.to_be_bytes());
        }
        data
    }

    fn long_form(&self) -> Vec<u8> {
        let no_file = if self.file.is_none() { MPU } else { 0 };
        let mut data = vec![self.flags(self.object.is_none()) | no_file, 0, 0, 0];
        data.extend(self.partition.to_be_bytes());
        data.extend(self.object.unwrap_or(0).to_be_bytes());
        data.extend(self.file.unwrap_or(0).to_be_bytes());
        data.extend([0; 8]);
        data
    }

    fn extended_form(&self) -> Vec<u8> {
        let locations = self.object.zip(self.on_medium);
        let (first, last) = locations.unwrap_or_default();
        let [_, a, b, c] = self.buffered_objects.unwrap_or(0).to_be_bytes();
        let flags = self.flags(locations.is_none()) | self.buffer_flag();
        let partition = u8::try_from(self.partition).unwrap_or(0);
        // ADDITIONAL LENGTH 1Ch.
        let mut data = vec![flags, partition, 0, 0x1c, 0, a, b, c];
        data.extend(first.to_be_bytes());
        data.extend(last.to_be_bytes());
        data.extend([0; 8]);
        data
    }

    fn flags(&self, unknown: bool) -> u8 {
        let bit = |set: bool, flag: u8| if set { flag } else { 0 };
        bit(self.beginning, BOP) | bit(self.behind_early_warning, EOP) | bit(unknown, UNKNOWN)
    }

    fn buffer_flag(&self) -> u8 {
        if self.buffered_objects.is_none() {
            LOCU
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOMEWHERE: Position = Position {
        beginning: false,
        behind_early_warning: true,
        partition: 0,
        object: Some(0x1_0203),
        on_medium: Some(0x1_0203),
        file: Some(5),
        buffered_objects: Some(0),
    };

    #[test]
    fn positions_are_encoded_in_every_form() {
        let mut short = vec![0x40, 0, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3];
        short.resize(20, 0);
        assert_eq!(SOMEWHERE.encode(PositionForm::Short), short);
        assert_eq!(SOMEWHERE.encode(PositionForm::ShortDeviceSpecific), short);
        let mut long = vec![0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        long.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(SOMEWHERE.encode(PositionForm::Long), long);
        let mut extended = vec![0x40, 0, 0, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
        extended.extend([0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(SOMEWHERE.encode(PositionForm::Extended), extended);
    }

    #[test]
    fn what_a_form_has_room_for_is_read_back() {
        let short = Position {
            file: None,
            ..SOMEWHERE
        };
        let long = Position {
            on_medium: None,
            buffered_objects: None,
            ..SOMEWHERE
        };
        for (form, expected) in [
            (PositionForm::Short, short),
            (PositionForm::Extended, short),
            (PositionForm::Long, long),
        ] {
            let data = SOMEWHERE.encode(form);
            assert_eq!(Position::decode(form, &data), Ok(expected));
            assert!(Position::decode(form, &data[..data.len() - 1]).is_err());
        }
        let buffering = Position {
            on_medium: Some(7),
            buffered_objects: Some(3),
            file: None,
            ..SOMEWHERE
        };
        let data = buffering.encode(PositionForm::Extended);
        assert_eq!(
            Position::decode(PositionForm::Extended, &data),
            Ok(buffering)
        );
    }

    #[test]
    fn a_position_beyond_32_bits_is_unknown_in_the_short_form() {
        let far = Position {
            object: Some(1 << 32),
            ..SOMEWHERE
        };
        let data = far.encode(PositionForm::Short);
        assert_eq!(data[..5], [0x44, 0, 0, 0, 0]);
        let read = Position::decode(PositionForm::Short, &data).unwrap();
        assert_eq!((read.object, read.on_medium), (None, None));
        let long = Position::decode(PositionForm::Long, &far.encode(PositionForm::Long)).unwrap();
        assert_eq!(long.object, Some(1 << 32));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for form in [PositionForm::Short, PositionForm::Long, PositionForm::Extended] {
                let _ = Position::decode(form, &bytes);
            }
        }
    }
}
