//! What every client does whatever game it has, and all that one without a game can do: take in what the server tells, and
//! say what arrived.

use std::sync::Arc;

use downbeat_replica::limits::{EVENTS_PER_DATAGRAM_MAX, RETAINED_SNAPSHOTS};
use downbeat_replica::range::Decoder;
use downbeat_replica::{Coding, DecodeError, ReliableReader, Tick, ToldEvent, take_count, take_event};
use downbeat_wire::packet::{Acks, DownHead};
use downbeat_wire::{Held, Resumed};

use crate::account::{Account, Item, Meter};
use crate::copy::Copy;
use crate::limits::{TICK_RATE_HZ_MAX, UNANSWERED_MAX};
use crate::sender::Sender;
use crate::types::KnownEntity;

/// A spectator of any game, which needs no more of it than the schema and the model that the server told. It has no clock:
/// it knows what the newest datagrams told, as lanes, and neither predicts nor interpolates.
///
/// ```
/// use std::sync::Arc;
///
/// use downbeat_client::Mirror;
/// use downbeat_replica::codec::Model;
/// use downbeat_replica::{Coding, Schema, Tick};
///
/// # fn follow(schema: &[u8], model: &[u8], datagram: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// // What the server told, and the rates and the tick of its welcome.
/// let schema = Schema::from_bytes(schema)?;
/// let model = Model::from_bytes(&schema, model)?;
/// let mut mirror = Mirror::new(Arc::new(Coding::new(schema, model)?), 60, 20, Tick(1));
///
/// // For each datagram that arrives:
/// let tick = mirror.receive(datagram)?;
/// let schema = &mirror.coding().schema;
/// for entity in mirror.known() {
///     println!("{tick:?}: {} is {:?}", schema.entities[entity.kind].name, entity.lanes);
/// }
/// for event in mirror.events() {
///     println!("{:?}: {}", event.tick, schema.events[event.kind].name);
/// }
/// // To the server, so that it can build on what arrived:
/// let mut answer = Vec::new();
/// mirror.transmit(&mut answer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Mirror {
    coding: Arc<Coding>,
    interval: u32,
    pub(crate) copy: Copy,
    pub(crate) sender: Sender,
    seen: Option<Acks>,
    newest: Tick,
    events: Vec<ToldEvent>,
    reliable: ReliableReader,
    /// Bytes that were read of the session's reliable events.
    events_read: u64,
    /// Snapshots since the last datagram to the server.
    unanswered: usize,
    /// What snapshots cost, if anybody wants to know.
    account: Option<Box<Account>>,
}

/// What became of a datagram that decodes.
pub(crate) enum Taken {
    /// It was taken in before; the tick that it tells.
    Again(Tick),
    /// It was taken in.
    New {
        head: DownHead,
        /// Whether it is the newest so far.
        newest: bool,
        /// By how many snapshots it is ahead of the newest before it; `None` for the first.
        ahead: Option<i64>,
    },
}

impl Mirror {
    /// A spectator of a room that ticks and sends at these rates, in ticks and snapshots per second, and was in `tick` when
    /// it wrote the welcome. Rates that no room has are brought into range.
    #[must_use]
    pub fn new(coding: Arc<Coding>, tick_rate_hz: u32, send_rate_hz: u32, tick: Tick) -> Self {
        let (tick_rate_hz, send_rate_hz) = rates(tick_rate_hz, send_rate_hz);
        let interval = tick_rate_hz / send_rate_hz;
        Self {
            coding,
            interval,
            copy: Copy::new(interval),
            sender: Sender::default(),
            seen: None,
            newest: tick.min(Tick::LAST),
            events: Vec::new(),
            reliable: ReliableReader::default(),
            events_read: 0,
            unanswered: 0,
            account: None,
        }
    }

    /// Takes in a datagram. Returns the tick whose state it tells; one that arrives again tells nothing.
    ///
    /// # Errors
    /// When it does not decode; it is then not acknowledged, and the server tells its content again.
    pub fn receive(&mut self, datagram: &[u8]) -> Result<Tick, DecodeError> {
        match self.take(datagram)? {
            Taken::Again(tick) => Ok(tick),
            Taken::New { head, .. } => {
                // What is older than what a datagram can build on is of no use any more.
                let oldest = self.newest.offset(-i64::from(RETAINED_SNAPSHOTS * self.interval));
                self.copy.forget_left(oldest.0.into());
                Ok(head.tick)
            }
        }
    }

    /// As [`Self::receive`], but entities that left stay until they are forgotten, since they may still be shown.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Result<Taken, DecodeError> {
        let Some(mut account) = self.account.take() else { return self.read(datagram, &mut ()) };
        account.begin(datagram.len());
        let taken = self.read(datagram, &mut *account);
        account.end(datagram.len(), matches!(taken, Ok(Taken::New { .. })));
        self.account = Some(account);
        taken
    }

    fn read(&mut self, datagram: &[u8], meter: &mut impl Meter) -> Result<Taken, DecodeError> {
        self.events.clear();
        let mut input = Decoder::new(datagram);
        let head = DownHead::decode(self.newest, &mut input)?;
        let number = (head.tick.0 / self.interval) as u16;
        if self.seen.is_some_and(|seen| seen.contains(number)) {
            return Ok(Taken::Again(head.tick));
        }
        self.copy.receive(&self.coding, &head, &mut input, meter)?;
        let events = self.read_events(head.tick, &mut input, meter)?;
        input.finish()?;
        self.copy.confirm(head.tick);
        self.events = events;

        let newest = head.tick > self.newest || self.seen.is_none();
        let ahead = self.seen.map(|seen| i64::from(number.wrapping_sub(seen.newest) as i16));
        self.newest = self.newest.max(head.tick);
        Acks::note(&mut self.seen, number);
        self.unanswered += 1;
        Ok(Taken::New { head, newest, ahead })
    }

    fn read_events(
        &self,
        tick: Tick,
        input: &mut Decoder<'_>,
        meter: &mut impl Meter,
    ) -> Result<Vec<ToldEvent>, DecodeError> {
        let count = take_count(EVENTS_PER_DATAGRAM_MAX, "number of events", input)?;
        meter.note(Item::Event { kind: None }, input);
        let mut events = Vec::new();
        for _ in 0..count {
            let (kind, age, lanes) = take_event(&self.coding.schema, input)?;
            meter.note(Item::Event { kind: Some(kind) }, input);
            events.push(ToldEvent { tick: tick.offset(-i64::from(age)), kind, lanes });
        }
        Ok(events)
    }

    /// Takes in the next bytes of the stream of reliable events. Returns those that are whole now, in their order.
    ///
    /// # Errors
    /// What no server sends. The stream cannot go on then, and neither can the session: close it.
    pub fn receive_reliable(&mut self, bytes: &[u8]) -> Result<Vec<ToldEvent>, DecodeError> {
        self.reliable.push(bytes);
        self.events_read += bytes.len() as u64;
        std::iter::from_fn(|| self.reliable.next_event(&self.coding.schema).transpose()).collect()
    }

    /// Writes the next datagram to the server into `out`: what arrived, and no inputs.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        self.transmit_from(&[], out);
    }

    /// The same with the inputs that the sender has; `neutral` is what the first is told against.
    pub(crate) fn transmit_from(&mut self, neutral: &[i32], out: &mut Vec<u8>) {
        self.unanswered = 0;
        self.sender.write(&self.coding.schema.input, neutral, self.seen, out);
    }

    /// Whether so many snapshots came since the last datagram to the server that it should hear of them, whether or not there
    /// are inputs: of what it does not hear of in half a second it tells all anew.
    #[must_use]
    pub const fn owes_answer(&self) -> bool {
        self.unanswered >= UNANSWERED_MAX
    }

    /// What is here of the session, for a hello that resumes it.
    #[must_use]
    pub fn held(&self) -> Held {
        Held { tick: self.copy.decoded().map_or(0, |tick| tick.0), events_read: self.events_read }
    }

    /// Goes on with the session over another connection, as the welcome says that was written in `tick`.
    ///
    /// # Errors
    /// When the server names what is not here. The session cannot go on then: close it.
    pub fn resume(&mut self, resumed: &Resumed, tick: Tick) -> Result<(), DecodeError> {
        match &resumed.base {
            Some(base) => self.copy.rebase(base)?,
            None => self.copy = Copy::new(self.interval),
        }
        self.newest = Tick(resumed.base.map_or(tick.0, |base| base.at)).min(Tick::LAST);
        (self.seen, self.unanswered) = (None, 0);
        if resumed.events_from != self.events_read {
            (self.reliable, self.events_read) = (ReliableReader::default(), resumed.events_from);
        }
        Ok(())
    }

    /// Keeps account from now on of what snapshots cost, or no longer. That costs a few per cent of the time of reading them.
    pub fn set_account(&mut self, keeps: bool) {
        self.account = keeps.then(Box::default);
    }

    /// What snapshots cost since [`Self::set_account`]; `None` where nobody asked.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// What is known of each slot, ascending.
    pub fn known(&self) -> impl Iterator<Item = KnownEntity> {
        self.copy.present().map(|(slot, entity)| KnownEntity {
            slot,
            kind: entity.kind,
            avatar: entity.avatar,
            entered: entity.entered,
            lanes: entity.newest().1.to_vec(),
        })
    }

    /// The events that the last datagram brought; none if it did not decode or had arrived before.
    #[must_use]
    pub fn events(&self) -> &[ToldEvent] {
        &self.events
    }

    /// The newest tick that was told; that of the welcome before the first.
    #[must_use]
    pub const fn newest(&self) -> Tick {
        self.newest
    }

    /// The schema and the model.
    #[must_use]
    pub const fn coding(&self) -> &Arc<Coding> {
        &self.coding
    }

    /// Ticks from one snapshot to the next.
    pub(crate) const fn interval(&self) -> u32 {
        self.interval
    }
}

/// A tick rate and a send rate that a room can have: the server's word is not trusted.
pub(crate) fn rates(tick_rate_hz: u32, send_rate_hz: u32) -> (u32, u32) {
    let tick_rate_hz = tick_rate_hz.clamp(1, TICK_RATE_HZ_MAX);
    (tick_rate_hz, send_rate_hz.clamp(1, tick_rate_hz))
}
