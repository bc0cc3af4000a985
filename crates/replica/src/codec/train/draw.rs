//! What a server would have told, and what it would have known, had the match that a client saw been told to others.
//!
//! A recording has states, but not what the receiver of each would have acknowledged by then. So that is drawn: tracks are
//! cut into pieces, and each piece has a receiver with a round trip and, in half of them, a loss of its own. What is drawn
//! depends on the recording alone.

use std::ops::Range;

use super::tracks::{Track, Tracks};
use super::{Recording, Sample};
use crate::codec::guess::guess;
use crate::codec::history::{History, Known};
use crate::limits::MODEL_LAG_MAX;
use crate::{Schema, codec::record::differ};

/// Frames of a piece.
const PIECE: usize = 240;

/// Ages of the newest state that both know, in frames: typical round trips are 50 to 100 ms.
const AGES: [usize; 16] = [2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 9, 12];

/// Of a hundred datagrams so many are lost where any are.
const LOSS_PERCENT: u64 = 5;

/// A part of a track, for one receiver.
#[derive(Clone, Debug)]
struct Piece {
    recording: usize,
    track: usize,
    frames: Range<usize>,
    age: usize,
    is_lossy: bool,
    luck: u64,
}

/// The samples of one kind, for owners or for all others.
#[derive(Clone, Debug)]
pub(super) struct Draw<'a> {
    schema: &'a Schema,
    recordings: &'a [Tracks],
    pieces: Vec<Piece>,
    /// Of so many samples in a row `.0` are drawn.
    share: (u64, u64),
    wakes: Vec<(u32, Vec<u32>)>,
}

impl<'a> Draw<'a> {
    /// Samples of all entities for which `is_meant` says so, by kind and whether it is the receiver's own avatar.
    pub(super) fn new(schema: &'a Schema, recordings: &'a [Tracks], is_meant: impl Fn(usize, bool) -> bool) -> Self {
        let mut pieces = Vec::new();
        for (recording, tracks) in recordings.iter().enumerate() {
            for (index, track) in tracks.all.iter().enumerate().filter(|(_, track)| is_meant(track.kind, track.avatar))
            {
                for start in track.frames.clone().step_by(PIECE) {
                    let luck = mix(&[tracks.seed, track.slot.into(), track.entered.0.into(), start as u64]);
                    pieces.push(Piece {
                        recording,
                        track: index,
                        frames: start..(start + PIECE).min(track.frames.end),
                        age: AGES[(luck % AGES.len() as u64) as usize],
                        is_lossy: luck >> 32 & 1 == 1,
                        luck,
                    });
                }
            }
        }
        Self { schema, recordings, pieces, share: (1, 1), wakes: Vec::new() }
    }

    /// Takes one piece of every `of` out: to train on the rest, and to measure on those.
    pub(super) fn split(mut self, of: usize) -> (Self, Self) {
        let pieces = std::mem::take(&mut self.pieces).into_iter().enumerate();
        let (measured, trained): (Vec<_>, Vec<_>) = pieces.partition(|(index, _)| index % of == 0);
        let with = |pieces: Vec<(usize, Piece)>| Self {
            pieces: pieces.into_iter().map(|(_, piece)| piece).collect(),
            ..self.clone()
        };
        (with(trained), with(measured))
    }

    /// Draws so few that there are about `most` of the `samples` that there are without.
    pub(super) fn thinned(&self, samples: usize, most: usize) -> Self {
        Self { share: (most as u64, samples.max(1) as u64), ..self.clone() }
    }

    /// With what is known of the sleepers of all kinds.
    pub(super) fn with_wakes(self, wakes: Vec<(u32, Vec<u32>)>) -> Self {
        Self { wakes, ..self }
    }

    /// Number of samples.
    pub(super) fn count(&self, lags: [u32; 2]) -> usize {
        let mut samples = 0;
        self.each(lags, &mut |_, _| samples += 1);
        samples
    }

    /// Each frame in which an entity sleeps: recording, frame, slot, and whether it wakes.
    pub(super) fn sleepers(&self, lags: [u32; 2], sleepers: &mut Vec<(usize, usize, u16, bool)>) {
        for piece in &self.pieces {
            let (tracks, track) = self.track(piece);
            for frame in piece.frames.clone() {
                let Some(history) = history(tracks, track, piece, frame, lags).filter(History::sleeps) else {
                    continue;
                };
                let wakes = differ(track.at(frame), history.newest().lanes);
                sleepers.push((piece.recording, frame, track.slot, wakes));
            }
        }
    }

    fn track(&self, piece: &Piece) -> (&'a Tracks, &'a Track) {
        let tracks = &self.recordings[piece.recording];
        (tracks, &tracks.all[piece.track])
    }

    /// Where an entity is guessed to be that enters in `frame`.
    fn guess(&self, tracks: &Tracks, track: &Track, piece: &Piece, frame: usize, out: &mut Vec<i32>) {
        let newest = newest(piece, frame, 0);
        let avatar = newest.and_then(|newest| Some((newest, tracks.avatar(newest)?)));
        let from = avatar.map(|(newest, avatar)| (&self.schema.entities[avatar.kind], true, avatar.at(newest)));
        guess(&self.schema.entities[track.kind], track.avatar, from, out);
    }
}

impl Recording for Draw<'_> {
    fn each(&self, lags: [u32; 2], visit: &mut dyn FnMut(&History<'_>, Sample<'_>)) {
        let mut guessed = Vec::new();
        for piece in &self.pieces {
            let (tracks, track) = self.track(piece);
            // Whoever was known before the recording began is not seen to enter.
            let enters = track.frames.start > 0 || track.entered == tracks.ticks[0];
            for frame in piece.frames.clone() {
                if self.share.0 < self.share.1 && mix(&[piece.luck, frame as u64, 1]) % self.share.1 >= self.share.0 {
                    continue;
                }
                let state = track.at(frame);
                let Some(history) = history(tracks, track, piece, frame, lags) else {
                    if enters {
                        self.guess(tracks, track, piece, frame, &mut guessed);
                        visit(&History::guess(&guessed), Sample::Given(state));
                    }
                    continue;
                };
                match (differ(state, history.newest().lanes), history.sleeps()) {
                    (false, true) => {}
                    (false, false) => visit(&history, Sample::Quiet),
                    (true, true) => visit(&history, Sample::Given(state)),
                    (true, false) => visit(&history, Sample::Told(state)),
                }
            }
        }
    }

    fn wakes(&self) -> Vec<(u32, Vec<u32>)> {
        self.wakes.clone()
    }
}

/// What the receiver of `piece` is known to know of `track` when `frame` is told to it. `None` if nothing.
fn history<'a>(tracks: &Tracks, track: &'a Track, piece: &Piece, frame: usize, lags: [u32; 2]) -> Option<History<'a>> {
    let newest = newest(piece, frame, track.frames.start)?;
    let oldest = newest.saturating_sub(MODEL_LAG_MAX as usize).max(track.frames.start);
    let arrived = (oldest..=newest).rev().filter(|&known| !is_lost(piece, known));
    let now = tracks.ticks[frame].0;
    History::known(lags, arrived.map(|known| Known { age: now - tracks.ticks[known].0, lanes: track.at(known) }))
}

/// The newest frame from `first` on that arrived and is known to have.
fn newest(piece: &Piece, frame: usize, first: usize) -> Option<usize> {
    (first..=frame.checked_sub(piece.age)?).rev().find(|&known| !is_lost(piece, known))
}

fn is_lost(piece: &Piece, frame: usize) -> bool {
    piece.is_lossy && mix(&[piece.luck, frame as u64, 0]) % 100 < LOSS_PERCENT
}

/// A number that looks random: splitmix64 (Steele et al., "Fast splittable pseudorandom number generators", 2014) over
/// each part in turn.
fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |sum: u64, part| {
        let z = (sum ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    })
}
