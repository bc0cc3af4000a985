//! Brains for games that nothing is known of but the table of their inputs.

use downbeat_client::View;
use downbeat_replica::{Game, Input, Kind, LaneReader, Replicated, Tick, neutral};

use crate::Brain;
use crate::dice::Dice;

/// Does nothing.
#[derive(Debug)]
pub(crate) struct Idle;

impl<G: Game> Brain<G> for Idle {
    fn decide(&mut self, _: &View<'_, G>, _: Tick) -> G::Input {
        G::Input::default()
    }
}

/// Holds an input drawn at random for up to a second, then another. One-shot actions last one tick.
#[derive(Debug)]
pub(crate) struct Wander {
    dice: Dice,
    kind: Kind,
    neutral: Vec<i32>,
    held: Vec<i32>,
    until: Tick,
    tick_rate_hz: u32,
}

impl Wander {
    pub(crate) fn new<I: Input>(seed: u64, tick_rate_hz: u32) -> Self {
        let neutral = neutral::<I>();
        Self { dice: Dice::new(seed), kind: I::kind(), held: neutral.clone(), neutral, until: Tick::ZERO, tick_rate_hz }
    }

    /// The lanes of `tick`.
    pub(crate) fn play(&mut self, tick: Tick) -> &[i32] {
        if tick >= self.until {
            self.draw();
            let rest = self.dice.below(self.tick_rate_hz * 3 / 4 + 1);
            self.until = tick.offset(i64::from(self.tick_rate_hz / 4 + rest).max(1));
        } else {
            for field in self.kind.fields.iter().filter(|field| field.action) {
                self.held[field.lanes.clone()].copy_from_slice(&self.neutral[field.lanes.clone()]);
            }
        }
        &self.held
    }

    /// Draws lanes that differ from those held.
    fn draw(&mut self) {
        let before = self.held.clone();
        for (lane, held) in self.kind.lanes.iter().zip(&mut self.held) {
            if !lane.entity {
                *held = self.dice.below(lane.max as u32 + 1) as i32;
            }
        }
        if self.held == before {
            // Few values are possible, or chance had it so: the first lane that can moves on by one.
            let movable = self.kind.lanes.iter().zip(&mut self.held).find(|(lane, _)| lane.max > 0 && !lane.entity);
            if let Some((lane, held)) = movable {
                *held = if *held < lane.max { *held + 1 } else { 0 };
            }
        }
    }
}

impl<G: Game> Brain<G> for Wander {
    fn decide(&mut self, _: &View<'_, G>, tick: Tick) -> G::Input {
        G::Input::read(&mut LaneReader::new(self.play(tick)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_field::Input as FieldInput;

    const HZ: u32 = 60;

    fn lanes(seed: u64) -> Vec<Vec<i32>> {
        let mut brain = Wander::new::<FieldInput>(seed, HZ);
        (1..=1_200).map(|tick| brain.play(Tick(tick)).to_vec()).collect()
    }

    #[test]
    fn drawn_inputs_stay_within_the_ranges_of_their_lanes() {
        let kind = FieldInput::kind();
        for played in lanes(7) {
            assert!(played.iter().zip(&kind.lanes).all(|(value, lane)| (0..=lane.max).contains(value)), "{played:?}");
            let read = FieldInput::read(&mut LaneReader::new(&played));
            assert_eq!(read.lanes(), played, "the server reads what was meant");
        }
    }

    #[test]
    fn drawn_inputs_change_at_least_once_a_second_and_actions_last_a_tick() {
        let played = lanes(8);
        for second in played.windows(HZ as usize + 1) {
            assert!(second.windows(2).any(|pair| pair[0] != pair[1]));
        }
        let jump = FieldInput::kind().fields.iter().find(|f| f.action).expect("field has a jump").lanes.start;
        assert!(played.iter().any(|lanes| lanes[jump] == 1), "jumps are drawn");
        assert!(played.windows(2).all(|pair| pair[0][jump] == 0 || pair[1][jump] == 0));
    }

    #[test]
    fn equal_seeds_draw_equal_inputs() {
        assert_eq!(lanes(9), lanes(9));
        assert_ne!(lanes(9), lanes(10));
    }
}
