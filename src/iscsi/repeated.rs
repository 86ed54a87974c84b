//! How often something happens that a target does on purpose, for tests of initiators.

/// Something that happens again and again, or so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated<T> {
    /// What.
    pub what: T,
    /// How many times it will still happen; `None` for ever.
    pub times: Option<u32>,
}

impl<T: Copy> Repeated<T> {
    /// Counts one time down, and returns what happens; nothing when it has happened often enough.
    pub fn take(&mut self) -> Option<T> {
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.what)
    }
}

impl<T> From<T> for Repeated<T> {
    /// Returns what happens for ever.
    fn from(what: T) -> Self {
        Self { what, times: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_happens_so_many_times_or_for_ever() {
        let mut twice = Repeated {
            what: 'x',
            times: Some(2),
        };
        let taken = std::array::from_fn(|_| twice.take());
        assert_eq!(taken, [Some('x'), Some('x'), None, None]);
        let mut always = Repeated::from('y');
        assert!((0..100).all(|_| always.take() == Some('y')));
    }
}
