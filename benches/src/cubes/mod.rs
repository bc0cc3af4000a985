//! `cubes`: what a frame of 901 rigid cubes costs, told against what was known six frames ago.
//!
//! Recordings come from outside: frames of 901 x 8 little-endian `i32` (largest component of the rotation, the three
//! others, position, whether the player touches it). Nothing here is made for cubes but the schema and a trained model;
//! without a recording a small one is made up, which says that the code is right and nothing about its figures.

mod recording;

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use crate::bitpack::put_delta;
use downbeat_replica::bits::BitWriter;
use downbeat_replica::codec::train::{Effort, train};
use downbeat_replica::codec::{History, KindModel, Known, Model, Op, Walk, differ, wakes};
use downbeat_replica::range::{Decoder, Encoder};
use downbeat_replica::{Audience, ConfigError, DecodeError, Field, Kind, Lane, Repr, Role, Schema};
use serde::Serialize;

use self::recording::{Changes, Frames, Training};
use crate::statistics::{median, rounded};
use crate::{BenchError, Report};

const CUBES: usize = 901;
const LANES: usize = 8;
const FRAME: usize = CUBES * LANES;
/// A frame may be told against those at least so much older.
const BEHIND: usize = 6;
/// The first frame that is told.
const FIRST: usize = 12;
/// Who rests so many frames is a sleeper.
const SLEEP: u32 = 17;
/// Horizontal positions are signed in recordings.
const OFFSET: i32 = 131_072;
/// Times are medians of so many runs.
const RUNS: usize = 5;

const MODEL: &[u8] = include_bytes!("../../../assets/models/cubes.bin");

#[derive(Serialize)]
struct Figures {
    file: String,
    verified: bool,
    frames: usize,
    changed_per_frame: f64,
    bytes_per_frame: f64,
    encode_us_per_frame: f64,
    encode_us_per_changed: f64,
    decode_us_per_frame: f64,
    bitpack_bytes_per_frame: f64,
}

/// Scores the trained model on the recording `data`, or on one made up from `seed`.
///
/// # Errors
/// When the file is no recording, or one that the model was trained on, or was not reproduced.
pub fn cubes(seed: u64, quick: bool, data: Option<&Path>) -> Result<Report, BenchError> {
    let schema = schema()?;
    let model = Model::from_bytes(&schema, MODEL).map_err(|error| BenchError::Invalid(error.to_string()))?;
    let name = data.map_or_else(|| "made up".to_owned(), |path| path.display().to_string());
    if let Some(trained) = data.and_then(seed_of).filter(|seed| model.seeds().contains(seed)) {
        return Err(BenchError::Invalid(format!("the model was trained on seed {trained}: {name} says nothing")));
    }
    let frames = match data {
        Some(path) => Frames::load(path)?,
        None => Frames::made_up(seed),
    };
    let figures = score(&schema.entities[0], model.kind(0, false), &frames, name)?;
    Ok(Report::new("cubes", seed, quick, figures)?)
}

/// The model of these recordings, as a file.
///
/// # Errors
/// When one of them is no recording.
pub fn train_cubes(recordings: &[&Path]) -> Result<Vec<u8>, BenchError> {
    let training = Training(recordings.iter().map(|path| Frames::load(path)).collect::<Result<_, _>>()?);
    let seeds = recordings.iter().filter_map(|path| seed_of(path)).collect();
    let effort = Effort { passes: [6, 10], lags: [1, 5] };
    Ok(Model::of(&schema()?, seeds, |_, plan| train(plan, &training, effort)).to_bytes())
}

/// The number in a name such as `seed13.bin`.
fn seed_of(path: &Path) -> Option<u64> {
    let digits: String = path.file_stem()?.to_str()?.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn schema() -> Result<Schema, ConfigError> {
    let mut kind = Kind { name: Cow::Borrowed("cube"), ..Kind::default() };
    let mut add = |name: &'static str, repr, role, discrete, lanes: &[Lane]| {
        let (at, field) = (kind.lanes.len(), kind.fields.len() as u8);
        kind.lanes.extend(lanes.iter().map(|lane| Lane { field, ..*lane }));
        let (lanes, audience) = (at..kind.lanes.len(), Audience::All);
        kind.fields.push(Field { name: name.into(), repr, role, audience, discrete, action: false, lanes });
    };
    let (component, wide) = (Lane::plain(511), Lane::plain(2 * OFFSET));
    add("orientation", Repr::Quat { bits: 9 }, Role::Plain, false, &[Lane::plain(3), component, component, component]);
    let metres = Repr::Linear { min: -256.0, step: 1.0 / 512.0 };
    add("position", metres, Role::Position, false, &[wide, wide, Lane::plain(16_383)]);
    add("interacting", Repr::Flag, Role::Plain, true, &[Lane::plain(1)]);
    Schema::new("cubes".into(), vec![kind], Vec::new(), Kind::default())
}

/// What is known of `cube` when the newest of `frames` that may be used is `known`.
fn history(lags: [u32; 2], frames: &[i32], known: usize, cube: usize, rest: u32) -> History<'_> {
    let state = |lag: u32| {
        let frame = known.saturating_sub(lag as usize);
        Known { age: BEHIND as u32 + lag, lanes: &frames[frame * FRAME + cube * LANES..][..LANES] }
    };
    History::pick(lags, rest, [state(0), state(lags[0]), state(lags[1])]).expect("the newest is known")
}

/// The server's end of a frame.
#[derive(Default)]
struct Sender {
    walk: Walk,
    ops: Vec<Op>,
    /// Cube, whether it slept, and where its ops end.
    records: Vec<(usize, bool, usize)>,
    changed: usize,
}

impl Sender {
    /// Finds what can be shared among clients.
    fn compute(&mut self, model: &KindModel, frames: &Frames, changes: &Changes, t: usize) {
        let known = t - BEHIND;
        self.ops.clear();
        self.records.clear();
        self.changed = 0;
        for cube in 0..CUBES {
            let asleep = changes.rest(cube, BEHIND) >= SLEEP;
            let touched = changes.rest(cube, 0) < BEHIND as u32;
            if asleep && !touched {
                continue;
            }
            let state = frames.at(t, cube);
            let present = touched && differ(state, frames.at(known, cube));
            if asleep && !present {
                continue;
            }
            self.changed += usize::from(present);
            let history = history(model.lags(), &frames.0, known, cube, changes.rest(cube, BEHIND));
            self.walk.begin(model, &history);
            if !asleep {
                let Ok(_) = self.walk.presence(model, &mut self.ops, present);
            }
            if present {
                let mut told: [i32; LANES] = state.try_into().expect("a cube has eight lanes");
                let Ok(()) = self.walk.body(model, &history, &mut self.ops, &mut told);
            }
            self.records.push((cube, asleep, self.ops.len()));
        }
    }

    /// Writes one client's datagram.
    fn write(&self, model: &KindModel, changes: &Changes, out: &mut Vec<u8>) {
        let mut encoder = Encoder::new(out);
        let begins = |i: usize| if i == 0 { 0 } else { self.records[i - 1].2 };
        for (i, &(_, _, end)) in self.records.iter().enumerate().filter(|(_, record)| !record.1) {
            Op::write(&self.ops[begins(i)..end], &mut encoder);
        }
        let woken = self.records.iter().filter(|record| record.1).count();
        wakes::put_count(model, woken as u32, &mut encoder);
        let mut next = 0;
        for (i, &(cube, _, end)) in self.records.iter().enumerate().filter(|(_, record)| record.1) {
            let gap = (next..cube).filter(|&cube| changes.rest(cube, BEHIND) >= SLEEP).count();
            wakes::put_gap(model, gap as u32, &mut encoder);
            Op::write(&self.ops[begins(i)..end], &mut encoder);
            next = cube + 1;
        }
        encoder.finish();
    }
}

/// The client's end: fills `now`, frame `t`, from `bytes` and the frames up to `t - BEHIND`, to which `changes` extends.
fn decode(
    model: &KindModel,
    walk: &mut Walk,
    (done, now): (&[i32], &mut [i32]),
    changes: &Changes,
    bytes: &[u8],
) -> Result<(), DecodeError> {
    let known = done.len() / FRAME - 1;
    now.copy_from_slice(&done[known * FRAME..]);
    let mut input = Decoder::new(bytes);
    for cube in (0..CUBES).filter(|&cube| changes.rest(cube, 0) < SLEEP) {
        let history = history(model.lags(), done, known, cube, changes.rest(cube, 0));
        walk.begin(model, &history);
        if walk.presence(model, &mut input, false)? {
            walk.body(model, &history, &mut input, &mut now[cube * LANES..][..LANES])?;
        }
    }
    let mut sleepers = (0..CUBES).filter(|&cube| changes.rest(cube, 0) >= SLEEP);
    for _ in 0..wakes::take_count(model, CUBES as u32, &mut input)? {
        let gap = wakes::take_gap(model, CUBES as u32, &mut input)?;
        let cube = sleepers.nth(gap as usize).ok_or(DecodeError::TooLarge("gap between sleepers"))?;
        let history = history(model.lags(), done, known, cube, changes.rest(cube, 0));
        walk.begin(model, &history);
        walk.body(model, &history, &mut input, &mut now[cube * LANES..][..LANES])?;
    }
    input.check()
}

fn score(kind: &Kind, model: &KindModel, frames: &Frames, file: String) -> Result<Figures, BenchError> {
    let told = frames.count() - FIRST;
    let (mut packets, mut changed, mut bitpack) = (vec![Vec::new(); frames.count()], 0, 0);
    let (mut encode_us, mut decode_us) = (Vec::new(), Vec::new());
    let mut sender = Sender::default();
    for run in 0..RUNS {
        let (mut changes, mut took) = (Changes::new(), 0.0);
        for (t, packet) in packets.iter_mut().enumerate().skip(1) {
            changes.push(frames.frame(t - 1), frames.frame(t));
            if t >= FIRST {
                packet.clear();
                let start = Instant::now();
                sender.compute(model, frames, &changes, t);
                sender.write(model, &changes, packet);
                took += start.elapsed().as_secs_f64();
                changed += if run == 0 { sender.changed } else { 0 };
                bitpack += if run == 0 { bit_packed(kind, frames, t) } else { 0 };
            }
        }
        encode_us.push(took * 1e6 / told as f64);
        decode_us.push(reproduce(model, frames, &packets)? * 1e6 / told as f64);
    }
    let per_frame = |count: usize| rounded(count as f64 / told as f64, 2);
    let encode_us = median(encode_us);
    Ok(Figures {
        file,
        verified: true,
        frames: told,
        changed_per_frame: per_frame(changed),
        bytes_per_frame: per_frame(packets.iter().map(Vec::len).sum()),
        encode_us_per_frame: rounded(encode_us, 2),
        encode_us_per_changed: rounded(encode_us * told as f64 / changed.max(1) as f64, 3),
        decode_us_per_frame: rounded(median(decode_us), 2),
        bitpack_bytes_per_frame: per_frame(bitpack),
    })
}

/// Decodes all packets from the first frames alone, and compares; seconds that the decoder took.
fn reproduce(model: &KindModel, frames: &Frames, packets: &[Vec<u8>]) -> Result<f64, BenchError> {
    let (mut walk, mut changes, mut took) = (Walk::default(), Changes::new(), 0.0);
    let mut copy = frames.0[..FIRST * FRAME].to_vec();
    copy.resize(frames.0.len(), 0);
    for known in 1..=FIRST - BEHIND - 1 {
        changes.push(&copy[(known - 1) * FRAME..][..FRAME], &copy[known * FRAME..][..FRAME]);
    }
    for t in FIRST..frames.count() {
        let known = t - BEHIND;
        changes.push(&copy[(known - 1) * FRAME..][..FRAME], &copy[known * FRAME..][..FRAME]);
        let (done, now) = copy.split_at_mut(t * FRAME);
        let start = Instant::now();
        let done = (&done[..(known + 1) * FRAME], &mut now[..FRAME]);
        let decoded = decode(model, &mut walk, done, &changes, &packets[t]);
        took += start.elapsed().as_secs_f64();
        if decoded.is_err() || copy[t * FRAME..][..FRAME] != *frames.frame(t) {
            return Err(BenchError::Gate(format!("frame {t} was not reproduced")));
        }
    }
    Ok(took)
}

/// Bytes of frame `t` without any codec: gaps between those that changed, and bit-packed deltas.
fn bit_packed(kind: &Kind, frames: &Frames, t: usize) -> usize {
    let mut bytes = Vec::new();
    let mut out = BitWriter::new(&mut bytes);
    let mut next = 0;
    for cube in 0..CUBES {
        let (state, base) = (frames.at(t, cube), frames.at(t - BEHIND, cube));
        if differ(state, base) {
            out.golomb((cube - next) as u32, 0);
            put_delta(kind, base, state, &mut out);
            next = cube + 1;
        }
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_one_of_cubes_and_was_not_trained_on_what_is_scored() {
        let schema = schema().expect("a small kind");
        let model = Model::from_bytes(&schema, MODEL).expect("a model of cubes");
        assert_eq!(model.seeds(), [11, 12]);
        let refused = cubes(1, true, Some(Path::new("/data/cubes/seed12.bin")));
        assert!(matches!(refused, Err(BenchError::Invalid(text)) if text.contains("trained on seed 12")));
    }

    #[test]
    fn every_frame_of_a_made_up_recording_is_reproduced() {
        let schema = schema().expect("a small kind");
        let models = [Model::untrained(&schema), Model::from_bytes(&schema, MODEL).expect("a model of cubes")];
        for model in models {
            let frames = Frames::made_up(1);
            let figures = score(&schema.entities[0], model.kind(0, false), &frames, String::new()).expect("exact");
            assert!(figures.bytes_per_frame < figures.bitpack_bytes_per_frame);
            assert!(figures.changed_per_frame > 10.0);
        }
    }

    #[test]
    fn other_files_are_refused_by_what_is_wrong_with_them() {
        let path = std::env::temp_dir().join(format!("downbeat-cubes-{}.bin", std::process::id()));
        let wrong = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("the temporary directory takes files");
            Frames::load(&path).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(wrong(&[0; FRAME]).contains("whole number of frames"));
        assert!(wrong(&[0xfd, b'7', b'z', b'X', b'Z', 0]).contains("xz -dk"));
        assert!(wrong(&vec![0x7f; FRAME * 4 * 13]).contains("out of range"));
        assert_eq!(wrong(&vec![0; FRAME * 4 * 13]), "");
        std::fs::remove_file(&path).expect("it was written");
    }
}
