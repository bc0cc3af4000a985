//! Bots whose connections are lost, be it that they break them themselves, come back over other ones and go on as who they were.

use downbeat_replica::Tick;
use downbeat_transport::CloseReason;
use downbeat_wire::control::{ControlReader, Welcome};
use downbeat_wire::{CloseCode, Micros, Resumable, Resume};

use crate::Bots;
use crate::herd::Herd;
use crate::join::{code_of, told};
use crate::line::LineConn;
use crate::options::BotsError;
use crate::player::Player;
use crate::stage::Stage;

/// A bot that wants to come back.
pub(crate) struct Back<G: Bots> {
    player: Box<Player<G>>,
    resumable: Resumable,
    lost: Micros,
    /// Whether it broke its connection itself.
    is_planned: bool,
    pause: Micros,
}

/// From one attempt to the next, at first and at most.
const PAUSE_MIN: Micros = Micros::from_millis(250);
const PAUSE_MAX: Micros = Micros::from_millis(4_000);

/// Coming back, over all bots of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Returns {
    /// Connections that were lost and whose sessions may go on, and sessions that did.
    pub(crate) lost: u64,
    pub(crate) resumed: u64,
    /// Of these, sessions of which all was told anew.
    pub(crate) anew: u64,
    /// How often bots that had left as planned came again.
    pub(crate) rejoined: u64,
}

impl Returns {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { lost, resumed, anew, rejoined } = other;
        self.lost += lost;
        self.resumed += resumed;
        self.anew += anew;
        self.rejoined += rejoined;
    }
}

impl<G: Bots> Back<G> {
    /// What the hello says.
    pub(crate) fn resume(&self) -> Resume {
        Resume { token: self.resumable.token, held: Some(self.player.client.held()) }
    }

    /// When something of the server arrived last.
    pub(crate) fn heard(&self) -> Micros {
        self.player.last_snapshot.unwrap_or(self.lost)
    }

    pub(crate) const fn lost(&self) -> Micros {
        self.lost
    }

    pub(crate) const fn is_planned(&self) -> bool {
        self.is_planned
    }

    pub(crate) const fn player(&self) -> &Player<G> {
        &self.player
    }

    pub(crate) fn into_player(self) -> Box<Player<G>> {
        self.player
    }
}

impl<G: Bots> Herd<'_, G> {
    /// Breaks the connections whose time has come.
    pub(crate) fn break_lines(&mut self, now: Micros) {
        for index in 0..self.bots.len() {
            let seat = &self.seats[index];
            let group = &self.scenario.groups[seat.group];
            let Some(every) = group.break_every else { continue };
            let Stage::Playing { conn, player, .. } = &mut self.bots[index] else { continue };
            let conn = *conn;
            // Not all of them at once.
            let first = now + Micros((every * 1e6 * (0.5 + seat.index as f64 / group.clients as f64)) as u64);
            if *player.break_at.get_or_insert(first) <= now {
                player.break_at = Some(now + Micros((every * 1e6) as u64));
                self.lines.abandon(conn);
                self.go_away(index, now, true);
            }
        }
    }

    /// A connection ended for `reason`: whether its bot may come back.
    pub(crate) fn is_lost(&self, index: usize, reason: &CloseReason) -> bool {
        let is_lost = matches!(reason, CloseReason::TimedOut | CloseReason::Reset | CloseReason::Transport(_));
        let can_resume = match &self.bots[index] {
            Stage::Playing { player, .. } => player.resumable.is_some(),
            _ => false,
        };
        is_lost && can_resume && !self.is_attacking(index)
    }

    /// A bot that plays has no connection any more, as it was planned or not, and will make another one.
    pub(crate) fn go_away(&mut self, index: usize, now: Micros, is_planned: bool) {
        match std::mem::replace(&mut self.bots[index], Stage::Refused) {
            Stage::Playing { mut player, .. } if player.resumable.is_some() => {
                let resumable = player.resumable.expect("it was just looked at");
                player.carry();
                self.tally_of(index).returns.lost += 1;
                let back = Box::new(Back { player, resumable, lost: now, is_planned, pause: PAUSE_MIN });
                self.bots[index] = Stage::Away { back, at: now };
            }
            other => self.bots[index] = other,
        }
    }

    /// Has those connect who are away and whose time has come.
    pub(crate) fn dial_away(&mut self, now: Micros) -> Result<(), BotsError> {
        for index in 0..self.bots.len() {
            if !matches!(&self.bots[index], Stage::Away { at, .. } if *at <= now) {
                continue;
            }
            let Stage::Away { back, .. } = std::mem::replace(&mut self.bots[index], Stage::Refused) else { continue };
            let first = Some(back.resumable.token.shard());
            self.dial(now, index, (now, 0), first, Some(back))?;
        }
        Ok(())
    }

    /// An attempt to come back failed: another one is made later, unless that is in vain.
    pub(crate) fn fail_to_return(&mut self, index: usize, mut back: Box<Back<G>>, reason: &CloseReason) {
        let now = self.clock.now();
        let refused = code_of(reason).and_then(CloseCode::from_code);
        let is_final = refused.is_some_and(|code| !matches!(code, CloseCode::Overloaded | CloseCode::Elsewhere));
        let over = back.lost + Micros(u64::from(back.resumable.window_s) * 1_000_000);
        if is_final || now + back.pause >= over {
            // Where nobody says when it ended, it did when it fell silent.
            let at = if is_final { now } else { back.heard() };
            self.reasons.add(at, true, code_of(reason), told(reason));
            self.bots[index] = Stage::Lost(back.into_player());
            return;
        }
        let at = now + back.pause;
        back.pause = Micros(back.pause.0 * 2).min(PAUSE_MAX);
        self.bots[index] = Stage::Away { back, at };
    }

    /// A bot is welcomed again.
    pub(crate) fn come_back(&mut self, index: usize, conn: LineConn, welcome: &Welcome) {
        let Stage::Joining { reader, early, back, .. } = &mut self.bots[index] else { return };
        let (reader, early): (ControlReader, Vec<u8>) = (std::mem::take(reader), std::mem::take(early));
        let Some(Back { mut player, lost, .. }) = back.take().map(|back| *back) else { return };
        let resumed = welcome.resumed.filter(|_| welcome.player == player.id.map(|id| id.0));
        let went_on = resumed.is_some_and(|resumed| player.client.resume(&resumed, Tick(welcome.tick)).is_ok());
        if !went_on {
            let why = "the server resumed another session".to_owned();
            self.lines.close(self.clock.now(), conn, CloseCode::MalformedControl, &why);
            self.reasons.add(self.clock.now(), true, None, why);
            self.bots[index] = Stage::Lost(player);
            return;
        }
        player.resumable = welcome.resume;
        player.absence.end(self.clock.now().since(lost));
        self.seats[index].since = self.clock.now();
        let returns = &mut self.tally_of(index).returns;
        returns.resumed += 1;
        returns.anew += u64::from(resumed.is_some_and(|resumed| resumed.base.is_none()));
        let due = player.due_at();
        self.bots[index] = Stage::Playing { conn, reader, player };
        due.into_iter().for_each(|due| self.agenda.add(due.max(self.clock.now()), index));
        self.take_reliable(conn, &early);
    }
}
