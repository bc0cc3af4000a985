//! What was told a client over the stream of reliable events may be lost with its connection. So the end of it is kept: who
//! comes back says how much it has read, and is told the rest.

use std::collections::VecDeque;

use crate::limits::RELIABLE_KEPT_BYTES;

/// The last bytes of a session's reliable events, which begin with a whole event.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Where in the session's events they begin.
    from: u64,
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Takes in whole events.
    pub(crate) fn push(&mut self, events: &[u8]) {
        self.bytes.extend(events);
        while self.bytes.len() > RELIABLE_KEPT_BYTES {
            let length = usize::from(u16::from_le_bytes([self.bytes[0], self.bytes[1]])) + HEAD;
            self.bytes.drain(..length);
            self.from += length as u64;
        }
    }

    /// What one has not read who read the first `read` bytes: where it begins, and the bytes. That is later than `read` if
    /// the beginning was forgotten. Who read more than there was, or does not know how much (`None`), is told nothing of it.
    pub(crate) fn unread(&self, read: Option<u64>) -> (u64, Vec<u8>) {
        let end = self.from + self.bytes.len() as u64;
        let from = read.filter(|read| *read <= end).unwrap_or(end).max(self.from);
        (from, self.bytes.iter().skip((from - self.from) as usize).copied().collect())
    }
}

/// The length of an event, little-endian (`replica/src/reliable.rs`).
const HEAD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u8, length: u16) -> Vec<u8> {
        [&length.to_le_bytes()[..], &vec![n; length.into()]].concat()
    }

    #[test]
    fn who_comes_back_is_told_what_it_has_not_read() {
        let mut tail = Tail::default();
        let all = [event(1, 3), event(2, 0), event(3, 7)].concat();
        tail.push(&all);
        for read in 0..=all.len() {
            assert_eq!(tail.unread(Some(read as u64)), (read as u64, all[read..].to_vec()));
        }
        assert_eq!(tail.unread(None), (all.len() as u64, Vec::new()));
        assert_eq!(tail.unread(Some(99)), (all.len() as u64, Vec::new()), "nobody read that much");
    }

    #[test]
    fn what_is_forgotten_are_whole_events() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(&event(n, 500));
        }
        let (from, bytes) = tail.unread(Some(3));
        assert_eq!((from % 502, bytes.len() % 502), (0, 0));
        assert!(bytes.len() <= RELIABLE_KEPT_BYTES && bytes.len() + 502 > RELIABLE_KEPT_BYTES);
        assert_eq!(from + bytes.len() as u64, 100 * 502);
        assert!(bytes.ends_with(&event(99, 500)));
    }
}
