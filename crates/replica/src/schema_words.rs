//! A schema and the states of its kinds in words, for those who look into a game. Programs compare [`Schema::hash`].

use std::fmt::Write;

use glam::{Quat, Vec3};

use crate::schema::{Field, Kind, Repr, Role};
use crate::{Audience, LaneReader, Schema, Spec, Value};

impl Schema {
    /// The tables for people, one field a line: its values, what it means, who is told, how it changes.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = format!("game {}, schema {:016x}\n", self.game, self.hash());
        let groups =
            [("entity", &self.entities[..]), ("event", &self.events), ("input", std::slice::from_ref(&self.input))];
        for (group, kinds) in groups {
            for kind in kinds {
                writeln!(words, "{group} {}", kind.name).expect("a string takes all that is written");
                let width = kind.fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0);
                for field in &kind.fields {
                    let mut parts = vec![values(kind, field)];
                    parts.extend(meaning(field.role).map(str::to_owned));
                    parts.extend(manner(group, field).map(str::to_owned));
                    let line = format!("  {:width$}  {}", field.name, parts.join(", "));
                    writeln!(words, "{line}").expect("a string takes all that is written");
                }
            }
        }
        words
    }
}

impl Kind {
    /// The values of a state as a reader was `told` it, the `owner` or another: `position 1.00 0.00 -3.50, health 90`.
    ///
    /// # Panics
    /// When `told` are not the lanes of this kind.
    #[must_use]
    pub fn words(&self, owner: bool, told: &[i32]) -> String {
        let mut lanes = Vec::new();
        self.untold(owner, told, &mut lanes);
        let known = self.fields.iter().filter(|field| owner || field.audience == Audience::All);
        let values = known.map(|field| format!("{} {}", field.name, value(&field.repr, &lanes[field.lanes.clone()])));
        values.collect::<Vec<_>>().join(", ")
    }
}

/// What values a field can have.
fn values(kind: &Kind, field: &Field) -> String {
    let lanes = &kind.lanes[field.lanes.clone()];
    let max = lanes.first().map_or(0, |lane| lane.max);
    match field.repr {
        Repr::Linear { min, step } => {
            let reals = ["real", "2 reals", "3 reals"][lanes.len().clamp(1, 3) - 1];
            let [least, most] = [min, min + f64::from(max) * step].map(short);
            let owner_bits = lanes.first().map_or(0, |lane| lane.owner_bits);
            let others = short(step * f64::from(1_u32 << owner_bits));
            let finer = if owner_bits > 0 { format!(" ({} for its owner)", short(step)) } else { String::new() };
            format!("{reals} {least}..{most} step {others}{finer}")
        }
        Repr::Angle { bits } => format!("angle in {} steps", 1_u32 << bits),
        Repr::Unit { bits } => format!("unit vector of {bits} bits a coordinate"),
        Repr::Quat { bits } => format!("rotation of {bits} bits a component"),
        Repr::Int { min } => format!("whole {min}..{}", i64::from(min) + i64::from(max)),
        Repr::Flag => "yes or no".to_owned(),
        Repr::Enum => format!("one of {}", i64::from(max) + 1),
        Repr::Entity => "an entity or none".to_owned(),
        Repr::Optional => "a value or none".to_owned(),
    }
}

const fn meaning(role: Role) -> Option<&'static str> {
    match role {
        Role::Plain => None,
        Role::Position => Some("the position"),
        Role::Velocity => Some("the velocity"),
        Role::Heading => Some("the heading"),
        Role::Player => Some("the player whose avatar it is"),
    }
}

/// Who is told of a field of an entity and how it changes, and what a substitute makes of one of an input.
fn manner(group: &str, field: &Field) -> Option<&'static str> {
    match (group, field.audience) {
        ("input", _) if field.action => Some("once"),
        ("input", _) => Some("held"),
        ("event", _) => None,
        (_, Audience::Owner) => {
            Some(if field.discrete { "told to its owner" } else { "told to its owner, interpolated" })
        }
        (_, Audience::All) => Some(if field.discrete { "told to all" } else { "told to all, interpolated" }),
    }
}

/// A value of such a field.
fn value(repr: &Repr, lanes: &[i32]) -> String {
    let bits = |bits: u8| Spec { bits, ..Spec::PLAIN };
    let reals = |reals: &[f64]| reals.iter().map(|real| format!("{real:.2}")).collect::<Vec<_>>().join(" ");
    let all = |values: &[f32]| reals(&values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>());
    let lane = lanes.first().copied().unwrap_or(0);
    let mut reader = LaneReader::new(lanes);
    match *repr {
        Repr::Linear { min, step } => {
            reals(&lanes.iter().map(|&lane| min + f64::from(lane) * step).collect::<Vec<_>>())
        }
        Repr::Angle { bits: b } => all(&[f32::take(&bits(b), &mut reader)]),
        Repr::Unit { bits: b } => all(&Vec3::take(&bits(b), &mut reader).to_array()),
        Repr::Quat { bits: b } => all(&Quat::take(&bits(b), &mut reader).to_array()),
        Repr::Int { min } => (i64::from(min) + i64::from(lane)).to_string(),
        Repr::Flag => if lane == 0 { "no" } else { "yes" }.to_owned(),
        Repr::Enum => format!("#{lane}"),
        Repr::Entity | Repr::Optional if lane == 0 => "none".to_owned(),
        Repr::Entity => "an entity".to_owned(),
        // What the steps of an optional value mean is not in the schema.
        Repr::Optional => format!("{:?}", &lanes[1..]),
    }
}

/// A number without the noise of its representation.
fn short(real: f64) -> f64 {
    let rounded = (real * 1e6).round() / 1e6;
    if rounded == 0.0 { real } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LaneWriter, PlayerId, Replicated};

    #[derive(Replicated)]
    struct Runner {
        #[field(position, range = -20.0..=20.0, step = 0.01)]
        position: Vec3,
        #[field(heading, bits = 10)]
        yaw: f32,
        #[field(range = -4.0..=4.0, step = 0.5, owner_bits = 1)]
        lean: f32,
        #[field(player, range = 0..=127)]
        player: PlayerId,
        is_it: bool,
        #[field(owner, range = 10..=120)]
        cooldown: u8,
    }

    fn schema() -> Schema {
        let kind = || Kind::of::<Runner>("Runner");
        Schema::new("tag".into(), vec![kind()], Vec::new(), Kind::default()).expect("good tables")
    }

    #[test]
    fn a_schema_is_told_in_words_a_field_a_line() {
        let words = schema().words();
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[0], format!("game tag, schema {:016x}", schema().hash()));
        assert_eq!(lines[1], "entity Runner");
        assert_eq!(lines[2], "  position  3 reals -20..20 step 0.01, the position, told to all, interpolated");
        assert_eq!(lines[3], "  yaw       angle in 1024 steps, the heading, told to all, interpolated");
        assert_eq!(lines[4], "  lean      real -4..4 step 0.5 (0.25 for its owner), told to all, interpolated");
        assert_eq!(lines[5], "  player    whole 0..127, the player whose avatar it is, told to all");
        assert_eq!(lines[6], "  is_it     yes or no, told to all");
        assert_eq!(lines[7], "  cooldown  whole 10..120, told to its owner");
    }

    #[test]
    fn a_state_is_told_in_words_as_far_as_its_reader_knows_it() {
        let position = Vec3::new(1.0, 0.0, -3.5);
        let runner = Runner { position, yaw: 0.0, lean: 0.5, player: PlayerId(7), is_it: true, cooldown: 12 };
        let (mut lanes, mut told) = (Vec::new(), Vec::new());
        runner.write(&mut LaneWriter::new(&mut lanes));
        let kind = &schema().entities[0];
        kind.told(true, &lanes, &mut told);
        let all = "position 1.00 0.00 -3.50, yaw 0.00, lean 0.50, player 7, is_it yes, cooldown 12";
        assert_eq!(kind.words(true, &told), all);
        kind.told(false, &lanes, &mut told);
        let others = kind.words(false, &told);
        assert!(others.ends_with("player 7, is_it yes"), "{others}");
        assert_eq!(Runner::read(&mut LaneReader::new(&lanes)).cooldown, 12);
    }
}
