//! Datagrams come and go by the thousand, each for a moment. Copies of many share a block and hold it; a block whose copies
//! are gone is written again, so that steady traffic allocates nothing.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::limits::{ARENA_BLOCKS_MAX, ARENA_BYTES};

/// How many resting blocks are asked whether they are free before there is a new one.
const BLOCKS_ASKED: usize = 4;

/// Blocks for datagrams.
#[derive(Debug)]
pub(crate) struct Arena {
    /// The rest of the block that is written.
    block: BytesMut,
    /// Blocks that are full, the one that was left first in front.
    resting: VecDeque<BytesMut>,
}

impl Default for Arena {
    fn default() -> Self {
        Self { block: BytesMut::with_capacity(ARENA_BYTES), resting: VecDeque::new() }
    }
}

impl Arena {
    /// A copy of `payload` that shares a block with its neighbours.
    pub(crate) fn copy(&mut self, payload: &[u8]) -> BytesMut {
        if self.block.capacity() < payload.len() {
            self.turn_over(payload.len());
        }
        self.block.extend_from_slice(payload);
        self.block.split()
    }

    /// Goes on with a block that no copy holds any more, or else with a new one.
    fn turn_over(&mut self, bytes: usize) {
        let bytes = bytes.max(ARENA_BYTES);
        self.resting.push_back(std::mem::take(&mut self.block));
        for _ in 0..BLOCKS_ASKED.min(self.resting.len()) {
            let Some(mut oldest) = self.resting.pop_front() else { break };
            if oldest.try_reclaim(bytes) {
                self.block = oldest;
                return;
            }
            // Somebody keeps a copy for long: others go first.
            self.resting.push_back(oldest);
        }
        if self.resting.len() > ARENA_BLOCKS_MAX {
            // Its copies free it.
            self.resting.pop_front();
        }
        self.block = BytesMut::with_capacity(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_what_they_hold_and_blocks_come_back_when_they_are_gone() {
        let mut arena = Arena::default();
        let kept = arena.copy(&[9; 700]);
        let mut blocks = std::collections::BTreeSet::new();
        for round in 0..100_u8 {
            let copies: Vec<_> = (0..60).map(|_| arena.copy(&[round; 1_000])).collect();
            assert!(copies.iter().all(|copy| copy[..] == [round; 1_000]));
            blocks.extend(copies.iter().map(|copy| copy.as_ptr() as usize / ARENA_BYTES));
        }
        assert_eq!(kept[..], [9; 700], "nobody wrote over it");
        let needed = 60 * 1_000 / ARENA_BYTES + 1;
        // A block may lie across two of the numbers.
        assert!(arena.resting.len() <= needed + 1, "{} blocks", arena.resting.len());
        assert!(blocks.len() <= 2 * (needed + 2), "{} places", blocks.len());
    }

    #[test]
    fn a_bounded_number_of_blocks_is_kept() {
        let mut arena = Arena::default();
        let each = ARENA_BYTES / 2 + 1;
        let copies: Vec<_> = (0..2 * ARENA_BLOCKS_MAX).map(|_| arena.copy(&vec![1; each])).collect();
        assert!(arena.resting.len() <= ARENA_BLOCKS_MAX);
        assert_eq!(copies.len(), 2 * ARENA_BLOCKS_MAX);
    }
}
