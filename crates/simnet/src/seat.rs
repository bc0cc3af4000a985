//! A client's place in the simulation: its machine, its player, and what it should know.

use downbeat_client::Client;
use downbeat_host::SessionId;
use downbeat_replica::{Game, Input, Micros, PlayerId, Tick};

use crate::checks::{Findings, Invariant, Sampled, Truth, check_client};
use crate::options::{Frames, Machine, Options};
use crate::player::Player;

pub(crate) struct Seat<G: Game> {
    pub(crate) index: usize,
    pub(crate) machine: Machine,
    is_predictable: bool,
    /// The server stalls for so long that inputs are refused.
    may_give_up: bool,
    pub(crate) player: Box<dyn Player<G>>,
    /// Whether it wants to take part: it is connected or connecting.
    pub(crate) is_here: bool,
    /// Its connection is gone, and the new one is not there yet.
    pub(crate) is_broken: bool,
    /// Since it was let in, until it goes.
    pub(crate) client: Option<Client<G>>,
    /// As the room knows it, which hears later that it went.
    pub(crate) session: Option<SessionId>,
    pub(crate) player_id: Option<PlayerId>,
    /// How often it was let in, and when last.
    pub(crate) visits: u32,
    pub(crate) since: Micros,
    /// By its own clock.
    next_frame: Micros,
    pub(crate) truth: Truth,
    pub(crate) sampled: Sampled,
    /// Most entities that it was shown at a time.
    pub(crate) shown_max: usize,
    /// Whether its copy equalled the truth of the newest tick that arrived.
    pub(crate) converged: bool,
}

impl<G: Game> Seat<G> {
    pub(crate) fn new(index: usize, options: &Options, player: Box<dyn Player<G>>) -> Self {
        Self {
            index,
            machine: options.machine(index),
            is_predictable: options.is_predictable,
            may_give_up: options.refuses_inputs(),
            player,
            is_here: false,
            is_broken: false,
            client: None,
            session: None,
            player_id: None,
            visits: 0,
            since: Micros::default(),
            next_frame: Micros::default(),
            truth: Truth::default(),
            sampled: Sampled::default(),
            shown_max: 0,
            converged: false,
        }
    }

    /// The server let it in `now`; `client` is missing when it went meanwhile.
    pub(crate) fn enter(
        &mut self,
        now: Micros,
        session: SessionId,
        player_id: Option<PlayerId>,
        client: Option<Client<G>>,
    ) {
        (self.session, self.player_id, self.client) = (Some(session), player_id, client);
        (self.truth, self.sampled, self.shown_max) = (Truth::default(), Sampled::default(), 0);
        (self.converged, self.is_broken) = (false, false);
        self.visits += 1;
        self.since = now;
    }

    /// It goes on over another connection.
    pub(crate) fn resume(&mut self, now: Micros) {
        (self.converged, self.is_broken, self.since) = (false, false, now);
    }

    /// When it looks or acts next, in true time.
    pub(crate) fn next_frame_at(&self) -> Option<Micros> {
        let client = self.client.as_ref()?;
        let local = match self.machine.frames {
            Frames::WhenDue => client.next_input_at()?,
            Frames::Every { .. } => self.next_frame,
        };
        Some(self.machine.clock.when(local))
    }

    /// Looks, and acts if an input is due. Returns the datagram that it sends then in `out`. While it is `calm`, no input
    /// tick may be left out.
    pub(crate) fn frame(&mut self, now: Micros, calm: bool, findings: &mut Findings, out: &mut Vec<u8>) -> bool {
        let local = self.machine.clock.local(now);
        if let Frames::Every { length, phase } = self.machine.frames {
            // Frames that a stall swallowed are not shown later.
            let past = local.since(phase).0 / length.0 + u64::from(local >= phase);
            self.next_frame = phase + Micros(past * length.0);
        }
        let Some(client) = &mut self.client else { return false };
        let mut acted = false;
        while let Some(tick) = client.poll_input(local) {
            let input = self.player.decide(tick, &client.view(local));
            client.input(local, tick, &input);
            let noted = self.sampled.note(tick, input.lanes(), self.may_give_up);
            note_input(noted, self.index, now, tick, calm, findings);
            acted = true;
        }
        if acted {
            client.transmit(out);
        } else if self.machine.frames != Frames::WhenDue {
            self.player.watch(&client.view(local));
        }
        if let Err((invariant, what)) = check_client(&client.waiting()) {
            findings.broken(now, invariant, || format!("client {}: {what}", self.index));
        }
        acted
    }

    /// Takes in a datagram that arrived `at`.
    pub(crate) fn receive(&mut self, now: Micros, at: Micros, datagram: &[u8], findings: &mut Findings) {
        let Some(client) = &mut self.client else { return };
        let mispredicted = client.counters().mispredicted;
        // An undecodable datagram is as good as lost; the client counts it.
        if !client.receive(self.machine.clock.local(at), datagram).is_ok_and(|received| received.newest) {
            return;
        }
        let newest = client.newest();
        if self.is_predictable && client.counters().mispredicted > mispredicted {
            findings.broken(now, Invariant::Predicts, || format!("client {} mispredicted {newest:?}", self.index));
        }
        let judgement = self.truth.judge(newest, client.known());
        self.converged = judgement.converged;
        for entity in judgement.wrong {
            findings.broken(now, Invariant::TrueStates, || {
                format!("client {} holds {entity:?} at {newest:?}, which never was", self.index)
            });
        }
    }

    /// Writes into `out` what it sends although no input is due, if it is to.
    pub(crate) fn answer(&mut self, out: &mut Vec<u8>) -> bool {
        let client = self.client.as_mut().filter(|client| client.owes_answer());
        client.map(|client| client.transmit(out)).is_some()
    }

    /// Takes in bytes of the reliable stream that arrived `at`.
    pub(crate) fn receive_reliable(&mut self, at: Micros, bytes: &[u8]) {
        let Some(client) = &mut self.client else { return };
        client.receive_reliable(self.machine.clock.local(at), bytes).expect("a room of ours sends nothing wrong");
    }
}

fn note_input(noted: Result<u32, String>, index: usize, now: Micros, tick: Tick, calm: bool, findings: &mut Findings) {
    let wrong = match noted {
        Ok(left_out) if calm && left_out > 0 => format!("{left_out} ticks before {tick:?} were left out"),
        Ok(_) => return,
        Err(wrong) => wrong,
    };
    findings.broken(now, Invariant::InputTicks, || format!("client {index}: {wrong}"));
}
