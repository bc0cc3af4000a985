//! A server that is gone says nothing, and QUIC needs its time to believe that. So whoever has heard nothing for a while counts as
//! lost, in what is told while a run goes on, in what ends it, and in what is told at its end.

use downbeat_wire::{CloseCode, Micros};

use crate::Bots;
use crate::course::Course;
use crate::herd::Herd;
use crate::stage::Stage;

/// Whoever hears nothing for so long has lost its server.
const SILENT: Micros = Micros::from_millis(2_000);

/// When nobody has heard anything for so long, the run is over. It is longer: sessions go on when a server stood still for a moment.
const ALL_SILENT: Micros = Micros::from_millis(5_000);

/// A loop that was away for so long hears first what came meanwhile.
const STALL: Micros = Micros::from_millis(1_000);

/// Round trips of bots that have heard nothing for so long are those of a while ago.
pub(crate) const FRESH: Micros = Micros::from_millis(1_000);

/// When the loop looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Awake {
    last: Micros,
    since: Micros,
}

impl Awake {
    pub(crate) fn note(&mut self, now: Micros) {
        if now.since(self.last) > STALL {
            self.since = now;
        }
        self.last = now;
    }
}

impl Course {
    /// Whether so long was nothing heard, since `heard`, while the loop was awake.
    fn is_silent(&self, heard: Micros, now: Micros, time: Micros) -> bool {
        now.since(heard.max(self.awake.since)) >= time
    }
}

impl<G: Bots> Herd<'_, G> {
    /// Whether bot `index` is in the game, as far as it knows, and hears nothing any more.
    pub(crate) fn is_silent(&self, index: usize, now: Micros) -> bool {
        let heard = self.bots[index].silent_since(&self.seats[index]);
        heard.is_some_and(|heard| self.course.is_silent(heard, now, SILENT))
    }

    /// How many of those who were let in are lost now, and how many were let in. Hostile ones come and go for other reasons.
    pub(crate) fn lost_of_entered(&self, now: Micros) -> (usize, usize) {
        let is_honest = |&index: &usize| !self.seats[index].is_hostile && self.seats[index].entered;
        let entered: Vec<usize> = (0..self.bots.len()).filter(is_honest).collect();
        let is_lost = |&&index: &&usize| self.bots[index].is_gone(&self.seats[index]) || self.is_silent(index, now);
        (entered.iter().filter(is_lost).count(), entered.len())
    }

    /// Whether some are in the game, and none of them has heard anything for long.
    pub(crate) fn is_all_silent(&self, now: Micros) -> bool {
        let heard = self.seats.iter().zip(&self.bots).filter_map(|(seat, bot)| bot.silent_since(seat));
        heard.max().is_some_and(|heard| self.course.is_silent(heard, now, ALL_SILENT))
    }

    /// The run is over: who hears nothing any more has lost the server, although nobody said so.
    pub(crate) fn note_silence(&mut self, now: Micros) {
        for index in 0..self.bots.len() {
            if self.seats[index].is_hostile || !self.is_silent(index, now) {
                continue;
            }
            let heard = self.bots[index].silent_since(&self.seats[index]).unwrap_or(now);
            self.reasons.add(heard, true, None, "nothing was heard of the server any more".to_owned());
            self.bots[index] = match std::mem::replace(&mut self.bots[index], Stage::Refused) {
                Stage::Playing { conn, player, .. } => {
                    self.lines.close(now, conn, CloseCode::Bye, "");
                    Stage::Lost(player)
                }
                Stage::Light { conn, light } => {
                    self.lines.close(now, conn, CloseCode::Bye, "");
                    self.stop_counting(index, conn, light, now);
                    Stage::LightLost
                }
                Stage::Away { back, .. } | Stage::Joining { back: Some(back), .. } => Stage::Lost(back.into_player()),
                other => other,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stood_still_hears_first_what_came_meanwhile() {
        let mut awake = Awake::default();
        (0..40).for_each(|n| awake.note(Micros(250_000 * n)));
        assert_eq!(awake.since, Micros(0));
        awake.note(Micros(60_000_000));
        awake.note(Micros(60_250_000));
        assert_eq!(awake.since, Micros(60_000_000));
    }
}
