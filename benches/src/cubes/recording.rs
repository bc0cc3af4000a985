//! Recordings: frames of cubes, and when each cube changed.

use std::path::Path;

use downbeat_replica::codec::train::{Recording, Sample};
use downbeat_replica::codec::{History, differ};

use super::{BEHIND, CUBES, FIRST, FRAME, LANES, OFFSET, SLEEP, history, schema};
use crate::BenchError;

/// Frames of the longest recording that is taken: ten minutes.
const FRAMES_MAX: usize = 36_000;

/// A recording in lanes.
pub(super) struct Frames(pub(super) Vec<i32>);

impl Frames {
    pub(super) fn load(path: &Path) -> Result<Self, BenchError> {
        let invalid = |what: &str| BenchError::Invalid(format!("{}: {what}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| invalid(&error.to_string()))?;
        if bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z']) {
            return Err(invalid("packed; run xz -dk on it first"));
        }
        let frames = bytes.len() / (FRAME * 4);
        if frames * FRAME * 4 != bytes.len() || !(FIRST + 1..=FRAMES_MAX).contains(&frames) {
            return Err(invalid("not a whole number of frames of 901 cubes, or too few or too many of them"));
        }
        let mut lanes: Vec<i32> = bytes.as_chunks().0.iter().map(|four| i32::from_le_bytes(*four)).collect();
        let kind = &schema()?.entities[0];
        for cube in lanes.as_chunks_mut::<LANES>().0 {
            cube[4] = cube[4].saturating_add(OFFSET);
            cube[5] = cube[5].saturating_add(OFFSET);
            if !kind.lanes.iter().zip(&*cube).all(|(lane, value)| (0..=lane.max).contains(value)) {
                return Err(invalid("a value is out of range"));
            }
        }
        Ok(Self(lanes))
    }

    /// Two seconds in which one cube after the other is thrown up, turning.
    pub(super) fn made_up(seed: u64) -> Self {
        let mut lanes = Vec::with_capacity(120 * FRAME);
        for t in 0..120_i32 {
            for cube in 0..CUBES as i32 {
                let begins = (cube.wrapping_mul(37).wrapping_add((seed % 1_000) as i32)) % 400;
                let flown = (t - begins).clamp(0, 60);
                let height = 200 + flown * (60 - flown) * 4;
                let turned = (256 + flown * (cube % 5 - 2)).clamp(0, 511);
                let at = [OFFSET + cube % 30 * 900 + flown * (cube % 7), OFFSET + cube / 30 * 900, height];
                lanes.extend([3, turned, 256, 256, at[0], at[1], at[2], i32::from(flown > 0 && flown < 60)]);
            }
        }
        Self(lanes)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len() / FRAME
    }

    pub(super) fn frame(&self, frame: usize) -> &[i32] {
        &self.0[frame * FRAME..][..FRAME]
    }

    pub(super) fn at(&self, frame: usize, cube: usize) -> &[i32] {
        &self.frame(frame)[cube * LANES..][..LANES]
    }
}

/// For each cube the last 64 frames, newest in the lowest bit: whether it changed.
pub(super) struct Changes(Vec<u64>);

impl Changes {
    pub(super) fn new() -> Self {
        Self(vec![0; CUBES])
    }

    pub(super) fn push(&mut self, before: &[i32], now: &[i32]) {
        let cubes = before.as_chunks::<LANES>().0.iter().zip(now.as_chunks::<LANES>().0);
        for (bits, (before, now)) in self.0.iter_mut().zip(cubes) {
            *bits = *bits << 1 | u64::from(differ(before, now));
        }
    }

    /// For how many frames `cube` had rested when it was as many frames ago as `skip`.
    pub(super) fn rest(&self, cube: usize, skip: usize) -> u32 {
        (self.0[cube] >> skip).trailing_zeros()
    }
}

/// Recordings to train on.
pub(super) struct Training(pub(super) Vec<Frames>);

impl Training {
    fn walk(&self, visit: &mut dyn FnMut(&Frames, &Changes, usize)) {
        for frames in &self.0 {
            let mut changes = Changes::new();
            for t in 1..frames.count() {
                changes.push(frames.frame(t - 1), frames.frame(t));
                if t >= FIRST {
                    visit(frames, &changes, t);
                }
            }
        }
    }
}

impl Recording for Training {
    fn each(&self, lags: [u32; 2], visit: &mut dyn FnMut(&History<'_>, Sample<'_>)) {
        self.walk(&mut |frames, changes, t| {
            for cube in 0..CUBES {
                let (rest, state) = (changes.rest(cube, BEHIND), frames.at(t, cube));
                let present = differ(state, frames.at(t - BEHIND, cube));
                if present || rest < SLEEP {
                    let sample = if present { Sample::Told(state) } else { Sample::Quiet };
                    visit(&history(lags, &frames.0, t - BEHIND, cube, rest), sample);
                }
            }
        });
    }

    fn wakes(&self) -> Vec<(u32, Vec<u32>)> {
        let mut all = Vec::new();
        self.walk(&mut |frames, changes, t| {
            let (mut gaps, mut gap) = (Vec::new(), 0);
            for cube in (0..CUBES).filter(|&cube| changes.rest(cube, BEHIND) >= SLEEP) {
                if differ(frames.at(t, cube), frames.at(t - BEHIND, cube)) {
                    gaps.push(std::mem::take(&mut gap));
                } else {
                    gap += 1;
                }
            }
            all.push((gaps.len() as u32, gaps));
        });
        all
    }
}
