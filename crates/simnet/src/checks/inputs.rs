//! Whatever the game, an action happens at most once if the server runs a tick on exactly what the player sampled for it, or
//! on a substitute without actions.

use std::collections::VecDeque;

use downbeat_replica::{Input, Kind, PlayerInput, Tick};

/// The inputs that one client sampled.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    newest: Tick,
    inputs: VecDeque<(Tick, Vec<i32>)>,
}

impl Sampled {
    /// The client sampled the input of `tick`. Returns how many ticks were left out before it. If it `may_give_up` what it
    /// sampled, it may go back; the server must not have run on any of that.
    ///
    /// # Errors
    /// When it did so before.
    pub(crate) fn note(&mut self, tick: Tick, lanes: Vec<i32>, may_give_up: bool) -> Result<u32, String> {
        let mut newest = std::mem::replace(&mut self.newest, tick);
        if newest >= tick && !may_give_up {
            return Err(format!("{tick:?} was sampled after {newest:?}"));
        }
        if newest >= tick {
            self.inputs.retain(|(sampled, _)| *sampled < tick);
            newest = tick.offset(-1);
        }
        if self.inputs.len() == KEPT {
            self.inputs.pop_front();
        }
        self.inputs.push_back((tick, lanes));
        Ok(if newest == Tick::ZERO { 0 } else { tick.0 - newest.0 - 1 })
    }

    /// The server ran `tick` on `input`.
    ///
    /// # Errors
    /// When that was not sampled for this tick, or is a substitute with an action.
    pub(crate) fn check<I: Input>(&self, tick: Tick, kind: &Kind, input: &PlayerInput<I>) -> Result<(), String> {
        let lanes = input.input.lanes();
        if input.substituted {
            let neutral = I::default().lanes();
            let mut actions = kind.fields.iter().filter(|field| field.action);
            return match actions.find(|field| lanes[field.lanes.clone()] != neutral[field.lanes.clone()]) {
                Some(field) => Err(format!("the substitute for {tick:?} has `{}`", field.name)),
                None => Ok(()),
            };
        }
        match self.inputs.iter().rev().find(|(sampled, _)| *sampled == tick) {
            Some((_, sampled)) if *sampled == lanes => Ok(()),
            Some((_, sampled)) => Err(format!("{tick:?} ran on {lanes:?}; {sampled:?} was sampled")),
            None => Err(format!("{tick:?} ran on {lanes:?}; nothing was sampled for it")),
        }
    }
}

/// Checks that `present` is the tick after `last`, and ran on one input of each of `players` players.
///
/// # Errors
/// When it is not, or did not.
pub(crate) fn check_tick<I>(
    last: Tick,
    present: Tick,
    players: usize,
    inputs: &[PlayerInput<I>],
) -> Result<(), String> {
    if present != last.next() {
        return Err(format!("{present:?} follows {last:?}"));
    }
    let ascend = inputs.is_sorted_by(|a, b| a.player < b.player);
    if !ascend || inputs.len() != players {
        let who: Vec<_> = inputs.iter().map(|input| input.player.0).collect();
        return Err(format!("{present:?} ran on inputs of {who:?}; there are {players} players"));
    }
    Ok(())
}

/// Inputs that are remembered: more than can be under way.
const KEPT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_replica::{PlayerId, ViewTick};

    #[derive(Input, Clone, Default)]
    struct Pad {
        held: bool,
        #[field(action)]
        fire: bool,
    }

    fn input(player: u16, fire: bool, substituted: bool) -> PlayerInput<Pad> {
        let input = Pad { held: true, fire };
        PlayerInput { player: PlayerId(player), input, view: ViewTick::default(), substituted }
    }

    #[test]
    fn an_action_that_was_not_sampled_for_its_tick_is_found() {
        let (mut sampled, kind) = (Sampled::default(), Pad::kind());
        assert_eq!(sampled.note(Tick(7), Pad { held: true, fire: true }.lanes(), false), Ok(0));
        assert_eq!(sampled.note(Tick(8), Pad { held: true, fire: false }.lanes(), false), Ok(0));
        assert_eq!(sampled.check(Tick(7), &kind, &input(0, true, false)), Ok(()));
        assert_eq!(sampled.check(Tick(9), &kind, &input(0, false, true)), Ok(()));
        assert!(sampled.check(Tick(8), &kind, &input(0, true, false)).is_err(), "fired again");
        assert!(sampled.check(Tick(9), &kind, &input(0, true, true)).is_err(), "a substitute fires");
        assert!(sampled.check(Tick(9), &kind, &input(0, false, false)).is_err(), "never sampled");
        assert_eq!(sampled.note(Tick(11), Vec::new(), false), Ok(2), "two were left out");
        assert!(sampled.note(Tick(11), Vec::new(), false).is_err(), "sampled twice");
        assert_eq!(sampled.note(Tick(8), Pad { held: false, fire: false }.lanes(), true), Ok(0), "given up");
        assert!(sampled.check(Tick(8), &kind, &input(0, false, false)).is_err(), "the server has the first");
    }

    #[test]
    fn a_tick_that_is_skipped_or_runs_on_two_inputs_of_a_player_is_found() {
        let [a, b] = [0, 1].map(|player| input(player, false, false));
        let both = [a.clone(), b.clone()];
        assert_eq!(check_tick(Tick(4), Tick(5), 2, &both), Ok(()));
        assert!(check_tick(Tick(4), Tick(6), 2, &both).is_err());
        assert!(check_tick(Tick(4), Tick(4), 2, &both).is_err());
        assert!(check_tick(Tick(4), Tick(5), 2, &[a.clone(), a.clone()]).is_err());
        assert!(check_tick(Tick(4), Tick(5), 2, &[a]).is_err());
    }
}
