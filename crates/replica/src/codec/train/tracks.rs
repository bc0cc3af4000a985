//! A recording by entity: the states of each, frame after frame.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::limits::RECORDING_LANES_MAX;
use crate::recording::{Reader, RecordingError, Told};
use crate::{Schema, Tick};

/// A recording, ready to be trained on.
#[derive(Clone, Debug)]
pub struct Tracks {
    pub(super) seed: u64,
    /// The tick of each frame.
    pub(super) ticks: Vec<Tick>,
    /// By first frame, then by slot.
    pub(super) all: Vec<Track>,
    /// Indices of the client's own avatars.
    avatars: Vec<usize>,
}

/// An entity from the first frame that it was known in to the last.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) slot: u16,
    pub(super) entered: Tick,
    pub(super) kind: usize,
    pub(super) avatar: bool,
    pub(super) frames: Range<usize>,
    /// Its lanes, frame by frame.
    lanes: Vec<i32>,
}

impl Track {
    /// The lanes in `frame`, which is one of [`Self::frames`].
    pub(super) fn at(&self, frame: usize) -> &[i32] {
        let lanes = self.lanes.len() / self.frames.len();
        &self.lanes[(frame - self.frames.start) * lanes..][..lanes]
    }

    fn is_of(&self, told: &Told) -> bool {
        (self.entered, self.kind, self.avatar) == (told.entered, told.kind, told.avatar)
    }
}

impl Tracks {
    /// Reads a recording.
    ///
    /// # Errors
    /// When it is no recording of `schema`, ends early, holds what recording never writes, or tells more than
    /// [`RECORDING_LANES_MAX`] lanes.
    pub fn read(schema: &Schema, bytes: &[u8]) -> Result<Self, RecordingError> {
        let mut reader = Reader::new(schema, bytes)?;
        let mut tracks = Self { seed: reader.seed(), ticks: Vec::new(), all: Vec::new(), avatars: Vec::new() };
        let mut open = BTreeMap::new();
        let mut lanes = 0;
        while let Some(tick) = reader.next_frame()? {
            for told in reader.known() {
                // An entity counts as a lane more than it has, so that those without any count.
                lanes += told.lanes.len() + 1;
                if lanes > RECORDING_LANES_MAX {
                    return Err(RecordingError::TooLong(RECORDING_LANES_MAX));
                }
                tracks.push(told, &mut open);
            }
            tracks.ticks.push(tick);
        }
        Ok(tracks)
    }

    /// Adds a state of the frame that comes next; `open` has the last track of each slot.
    fn push(&mut self, told: &Told, open: &mut BTreeMap<u16, usize>) {
        let frame = self.ticks.len();
        let track = open.get(&told.slot).map(|&track| &mut self.all[track]);
        if let Some(track) = track.filter(|track| track.frames.end == frame && track.is_of(told)) {
            track.lanes.extend_from_slice(&told.lanes);
            track.frames.end += 1;
            return;
        }
        open.insert(told.slot, self.all.len());
        if told.avatar {
            self.avatars.push(self.all.len());
        }
        let &Told { slot, entered, kind, avatar, ref lanes } = told;
        self.all.push(Track { slot, entered, kind, avatar, frames: frame..frame + 1, lanes: lanes.clone() });
    }

    /// The seed that was recorded.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The client's avatar in `frame`.
    pub(super) fn avatar(&self, frame: usize) -> Option<&Track> {
        self.avatars.iter().map(|&avatar| &self.all[avatar]).find(|avatar| avatar.frames.contains(&frame))
    }
}
