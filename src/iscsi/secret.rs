//! Secrets in memory.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// A secret: wiped when it is dropped, masked in `Debug`, without `Display`. [`Secret::reveal`] is the only way to its value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Returns the value, for a computation or for the file that keeps it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<Zeroizing<T>> for Secret<T> {
    fn from(value: Zeroizing<T>) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_masks_the_value_whatever_its_type() {
        assert_eq!(
            format!("{:?}", Secret::from("SECRET".to_owned())),
            "********"
        );
        assert_eq!(
            format!("{:?}", Some(Secret::from([7; 32]))),
            "Some(********)"
        );
        assert_eq!(
            format!("{:#?}", Secret::from(b"SECRET".to_vec())),
            "********"
        );
    }

    #[test]
    fn serialization_is_that_of_the_value() {
        let secret = Secret::from("SECRET".to_owned());
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"SECRET\"");
        assert_eq!(
            serde_json::from_str::<Secret<String>>("\"SECRET\"").unwrap(),
            secret
        );
    }
}
