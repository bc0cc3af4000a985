//! `train`: from recordings of a game to the model that its codec predicts with.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use downbeat_bots::{check_output, write_output};
use downbeat_replica::codec::train::{Fit, Tracks, fit};
use downbeat_replica::limits::MODEL_SEEDS_MAX;
use downbeat_replica::{Game, Schema};

use crate::cli::TrainArgs;
use crate::error::CliError;
use crate::output::say;

pub(crate) fn train<G: Game>(args: &TrainArgs) -> Result<u8, CliError> {
    if args.from.len() > MODEL_SEEDS_MAX {
        return Err(CliError::Usage(format!("{} recordings: at most {MODEL_SEEDS_MAX} are allowed", args.from.len())));
    }
    let schema = Schema::of::<G>()?;
    check_output(&args.out)?;
    let mut known = BTreeMap::new();
    let recordings = args.from.iter().map(|path| read(&schema, path, &mut known)).collect::<Result<Vec<_>, _>>()?;
    say(&format!("{}: bits of an update, measured on stretches that are not trained on", G::NAME))?;
    say(&row(["kind", "told to", "samples", "lags", "untrained", "trained"]))?;
    let mut said = Ok(());
    let model = fit(&schema, &recordings, |fit| {
        if said.is_ok() {
            said = say(&line(&schema, fit));
        }
    });
    said?;
    let bytes = model.to_bytes();
    write_output(&args.out, &bytes)?;
    say(&format!("{} bytes in {}, model {:016x}", bytes.len(), args.out.display(), model.hash()))?;
    Ok(0)
}

/// Reads a recording; `known` has the hashes of those before it. The same twice would be trained on and measured by at once.
fn read(schema: &Schema, path: &Path, known: &mut BTreeMap<u64, String>) -> Result<Tracks, CliError> {
    let named = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| CliError::Read { path: named(), error })?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    if let Some(other) = known.insert(hasher.finish(), named()) {
        return Err(CliError::Twice { path: named(), other });
    }
    Tracks::read(schema, &bytes).map_err(|error| CliError::Recording { path: named(), error })
}

fn line(schema: &Schema, fit: &Fit) -> String {
    let kind = &schema.entities[fit.kind].name;
    let [before, after] = fit.bits.map(|bits| if bits > 0.0 { format!("{bits:.2}") } else { "-".to_owned() });
    let after = match fit.is_trained {
        true => &after,
        false if fit.samples == 0 => "left untrained: too few samples, record longer or several matches",
        false => "left untrained: it was no better",
    };
    let (samples, [a, b]) = (fit.samples.to_string(), fit.lags);
    row([kind, if fit.owner { "owner" } else { "all" }, &samples, &format!("{a},{b}"), &before, after])
}

fn row([kind, told, samples, lags, before, after]: [&str; 6]) -> String {
    format!("{kind:<16} {told:<7} {samples:>8} {lags:>6} {before:>10} {after:>8}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_arena::Arena;
    use downbeat_field::Field;
    use downbeat_replica::Tick;
    use downbeat_replica::codec::{KindModel, Model};
    use downbeat_replica::recording::{Told, Writer};

    /// Walkers of `field` that walk straight on, as a recording.
    fn recording(schema: &Schema) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(schema, 3, 60, &mut bytes);
        for t in 0..480_i32 {
            let walker = |slot: u16| {
                let x = 51_200 + i32::from(slot) * 400 + t * (i32::from(slot) % 7 - 3);
                let lanes = vec![x, 0, 51_200 - t * 3, i32::from(slot) * 9, 100];
                Told { slot, entered: Tick(1), kind: 0, avatar: false, lanes }
            };
            writer.frame(Tick(t as u32 + 1), (0..40).map(walker), &mut bytes);
        }
        bytes
    }

    #[test]
    fn recordings_become_a_model_of_their_game_and_of_no_other() {
        let folder = std::env::temp_dir().join(format!("downbeat-train-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let (from, out) = (folder.join("field.rec"), folder.join("field.bin"));
        let schema = Schema::of::<Field>().expect("a schema");
        std::fs::write(&from, recording(&schema)).expect("it is ours");
        let args = TrainArgs { from: vec![from.clone()], out: out.clone(), game: None };
        assert_eq!(train::<Field>(&args).expect("it can be trained on"), 0);
        let model =
            Model::from_bytes(&schema, &std::fs::read(&out).expect("it was written")).expect("a model of field");
        assert_eq!(model.seeds(), [3]);
        let untrained = Model::of(&schema, vec![3], |_, plan| KindModel::untrained(plan));
        assert_ne!(model.hash(), untrained.hash(), "forty walkers are enough to learn from");

        let refused = train::<Arena>(&args).expect_err("it is of another game").to_string();
        assert!(refused.contains("field.rec") && refused.contains("record it again"), "{refused}");
        let copy = folder.join("copy.rec");
        std::fs::copy(&from, &copy).expect("it is ours");
        let twice = TrainArgs { from: vec![from.clone(), copy], out: out.clone(), game: None };
        let refused = train::<Field>(&twice).expect_err("it is the same match").to_string();
        assert!(refused.contains("copy.rec: it holds the same as") && refused.contains("--seed"), "{refused}");
        let junk = folder.join("junk.rec");
        std::fs::write(&junk, b"junk").expect("it is ours");
        let junk = TrainArgs { from: vec![junk], out, game: None };
        let refused = train::<Field>(&junk).expect_err("it is junk").to_string();
        assert!(
            refused.ends_with("not a recording; `demo` and `bots` write one with --record-lanes FILE"),
            "{refused}"
        );
        let missing = TrainArgs { from: vec![folder.join("none.rec")], ..args };
        assert!(train::<Field>(&missing).expect_err("nothing is there").to_string().contains("none.rec"));
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
}
