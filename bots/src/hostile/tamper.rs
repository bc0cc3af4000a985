//! The layer between an honest client core and its connection: what the core wants to send goes in, what leaves comes out.
//! Until the attack begins, that is the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use downbeat_replica::Tick;
use downbeat_wire::Micros;

use super::codec::{Codec, Upstream};

/// Whether the attack is on: one for all hostile bots of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }
}

/// A way to cheat by what is sent, or when.
pub(crate) trait Trick {
    /// An honest client would send `honest` at `now`, having been told `newest`: says into `out` what leaves instead. Called
    /// about once a tick.
    fn play(&mut self, now: Micros, newest: Tick, honest: Upstream, out: &mut Outbox<'_>);
}

/// What leaves.
pub(crate) struct Outbox<'a> {
    codec: &'a Codec,
    sequence: &'a mut u16,
    departing: &'a mut Departing,
}

/// Bytes that leave a bot.
#[derive(Debug, Default)]
pub(crate) struct Departing {
    /// Payloads of datagrams, in their order.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Bytes for the control stream.
    pub(crate) control: Vec<u8>,
}

impl Outbox<'_> {
    /// A datagram with the next number.
    pub(crate) fn say(&mut self, said: &Upstream) {
        let bytes = self.codec.write(*self.sequence, said);
        *self.sequence = self.sequence.wrapping_add(1);
        self.raw(bytes);
    }

    /// These bytes as a datagram.
    pub(crate) fn raw(&mut self, bytes: Vec<u8>) {
        self.departing.datagrams.push(bytes);
    }

    /// The bytes of the last datagram; none if there is none yet.
    pub(crate) fn last(&self) -> &[u8] {
        self.departing.datagrams.last().map_or(&[], Vec::as_slice)
    }

    /// These bytes on the control stream.
    pub(crate) fn control(&mut self, bytes: &[u8]) {
        self.departing.control.extend_from_slice(bytes);
    }
}

/// One bot's layer.
pub(crate) struct Tamper {
    switch: Switch,
    trick: Box<dyn Trick>,
    codec: Codec,
    /// Of the next datagram.
    sequence: u16,
    departing: Departing,
}

impl Tamper {
    pub(crate) fn new(switch: Switch, trick: Box<dyn Trick>, codec: Codec) -> Self {
        Self { switch, trick, codec, sequence: 0, departing: Departing::default() }
    }

    /// What leaves instead of `datagram` at `now`, `newest` being the newest tick that the bot was told.
    pub(crate) fn pass(&mut self, now: Micros, newest: Tick, datagram: &[u8]) -> &Departing {
        self.departing.datagrams.clear();
        self.departing.control.clear();
        if !self.switch.is_on() {
            self.sequence = Codec::sequence(datagram).wrapping_add(1);
            self.departing.datagrams.push(datagram.to_vec());
            return &self.departing;
        }
        let honest = self.codec.read(newest, datagram);
        let Self { trick, codec, sequence, departing, .. } = self;
        trick.play(now, newest, honest, &mut Outbox { codec, sequence, departing });
        &self.departing
    }
}
