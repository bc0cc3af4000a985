//! The models that ship: each fitted to matches of its game that no workload is scored on.
//!
//! A game's developers record matches of theirs with bots (`--record-lanes`) and train on them (`downbeat train`). This
//! does the same in virtual time, for the games of this repository.

use std::path::Path;

use downbeat_arena::Arena;
use downbeat_bots::Brain;
use downbeat_field::{Avatars, Config, Field};
use downbeat_replica::codec::train::{Fit, Tracks, fit};
use downbeat_replica::{Game, Schema};

use crate::games::asteroids::Asteroids;
use crate::games::halo::Halo;
use crate::workloads::{fighter, idler, walker};
use crate::{BenchError, Options, Stage};

/// Seeds of the matches.
const SEEDS: std::ops::Range<u64> = 1_001..1_005;

/// How long each is.
const SECONDS: u32 = 60;

/// Trains the models of the games named (all, if none is) and writes them into `folder`. `told` hears how it goes.
///
/// # Errors
/// When a match cannot be played, or a file cannot be written.
pub fn models(names: &[String], folder: &Path, mut told: impl FnMut(String)) -> Result<(), BenchError> {
    let is_meant = |name: &str| names.is_empty() || names.iter().any(|meant| meant == name);
    let field = |avatars| Config { avatars, ..Config::default() };
    if is_meant("field") {
        let crowded = Config { walkers: 0, ..field(Avatars::Public) };
        let mut matches = record::<Field>((4, 2, 60), &field(Avatars::Private), walker)?;
        matches.extend(record::<Field>((24, 2, 60), &crowded, walker)?);
        train::<Field>("field", &matches, folder, &mut told)?;
    }
    if is_meant("arena") {
        let matches = record::<Arena>((16, 4, 60), &Default::default(), fighter)?;
        train::<Arena>("arena", &matches, folder, &mut told)?;
    }
    if is_meant("halo") {
        train::<Halo>("halo", &record::<Halo>((1, 1, 60), &(), |_| idler())?, folder, &mut told)?;
    }
    if is_meant("asteroids") {
        train::<Asteroids>("asteroids", &record::<Asteroids>((1, 1, 30), &(), |_| idler())?, folder, &mut told)?;
    }
    Ok(())
}

/// Matches with so many clients, of whom so many are recorded, at such a tick rate.
fn record<G: Game>(
    (clients, recorded, tick_rate_hz): (u16, u16, u32),
    config: &G::Config,
    brain: impl Fn(u64) -> Box<dyn Brain<G>>,
) -> Result<Vec<Vec<u8>>, BenchError> {
    let mut recordings = Vec::new();
    for seed in SEEDS {
        let datagram_bytes_max = Options::UNCUT_BYTES;
        let options = Options { tick_rate_hz, recorded, datagram_bytes_max, ..Options::new(seed, clients) };
        let mut stage = Stage::<G>::new(&options, config, &brain)?;
        stage.run(options.ticks(SECONDS));
        recordings.extend(stage.into_recordings());
    }
    Ok(recordings)
}

fn train<G: Game>(
    name: &str,
    recordings: &[Vec<u8>],
    folder: &Path,
    told: &mut impl FnMut(String),
) -> Result<(), BenchError> {
    let schema = Schema::of::<G>()?;
    let read = |bytes: &Vec<u8>| Tracks::read(&schema, bytes).map_err(|error| BenchError::Invalid(error.to_string()));
    let tracks = recordings.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let model = fit(&schema, &tracks, |Fit { kind, owner, samples, lags, bits, is_trained }| {
        let (kind, to) = (&schema.entities[*kind].name, if *owner { "owner" } else { "all" });
        told(format!("{name} {kind} {to}: {samples} samples, {lags:?}, {bits:.2?} bits, kept {is_trained}"));
    });
    let path = folder.join(format!("{name}.bin"));
    std::fs::write(&path, model.to_bytes())
        .map_err(|error| BenchError::Invalid(format!("{} cannot be written: {error}", path.display())))?;
    told(format!("{}: model {:016x}", path.display(), model.hash()));
    Ok(())
}
