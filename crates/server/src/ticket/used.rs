//! A ticket is good once: whoever reads it on its way must not come in with it. So its `jti` is kept until it has expired.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashSet};

/// What was used and is not expired.
#[derive(Debug, Default)]
pub(super) struct Used {
    ids: HashSet<String>,
    /// By the time at which they expire.
    by_expiry: BinaryHeap<Reverse<(u64, String)>>,
}

/// Why an id is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Again,
    /// Too many are remembered. None is forgotten before its time, or it could be used again.
    Full,
}

impl Used {
    /// Whether `jti` is remembered.
    pub(super) fn contains(&self, jti: &str) -> bool {
        self.ids.contains(jti)
    }

    /// Notes that `jti`, good until `exp`, is used at `now`.
    pub(super) fn take(&mut self, jti: &str, exp: u64, now: u64, most: usize) -> Result<(), Refused> {
        while let Some(oldest) = self.by_expiry.peek_mut().filter(|oldest| oldest.0.0 < now) {
            let Reverse((_, jti)) = PeekMut::pop(oldest);
            self.ids.remove(&jti);
        }
        if self.ids.contains(jti) {
            return Err(Refused::Again);
        }
        if self.ids.len() >= most {
            return Err(Refused::Full);
        }
        self.ids.insert(jti.to_owned());
        self.by_expiry.push(Reverse((exp, jti.to_owned())));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_until_it_has_expired() {
        let mut used = Used::default();
        assert_eq!(used.take("a", 100, 10, 2), Ok(()));
        assert_eq!(used.take("a", 100, 100, 2), Err(Refused::Again));
        assert_eq!(used.take("b", 50, 11, 2), Ok(()));
        assert_eq!(used.take("c", 50, 12, 2), Err(Refused::Full));
        assert_eq!(used.take("c", 70, 51, 2), Ok(()), "b is forgotten");
        assert_eq!(used.take("a", 200, 101, 2), Ok(()), "both are");
    }
}
