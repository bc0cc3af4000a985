//! What the bytes are spent on: `--explain`. A sample of the bots keeps account of every snapshot, decision by decision
//! ([`downbeat_client::Account`]), and of what they send; headers and QUIC's own are what is left of the packets.

use std::collections::BTreeMap;

use downbeat_client::{Account, Cost, Item};
use downbeat_replica::Schema;
use downbeat_replica::bits::{BitReader, BitWriter};
use downbeat_wire::packet::UpHead;
use serde::{Deserialize, Serialize};

use crate::percentiles::four_digits;

/// Bots that keep account at most.
pub(crate) const ACCOUNTED_MAX: usize = 16;

/// What the bytes are spent on, of the bots that kept account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accounting {
    /// How many kept account.
    pub bots: u64,
    /// How long, all of them together, in seconds.
    pub bot_seconds: f64,
    /// From the server.
    pub down: Way,
    /// To the server.
    pub up: Way,
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Bytes on the wire per client and second: what the rows add up to.
    pub wire_bytes_per_client_s: f64,
    /// Those of them that the datagrams of the protocol have, without QUIC, UDP and IP: counted by themselves.
    pub datagram_bytes_per_client_s: f64,
    /// UDP datagrams per client and second.
    pub packets_per_client_s: f64,
    /// What they are spent on: headers, QUIC, what else there is, then the protocol's datagrams, the dearest first.
    pub rows: Vec<AccountRow>,
}

/// What something costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// What it is part of.
    pub part: Part,
    /// The kind of the entity or event that it is about.
    pub kind: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// Bytes per client and second. The end of the code can be less than nothing.
    pub bytes_per_client_s: f64,
    /// The share that this is of the direction's wire bytes.
    pub share: f64,
    /// How often it was told to a client in a second.
    pub times_per_client_s: Option<f64>,
    /// What it cost each time, in bits.
    pub bits_each: Option<f64>,
}

/// What bytes are part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Headers of IP and UDP.
    #[default]
    IpUdp,
    /// QUIC: its headers, tags and acknowledgements, handshakes, the control stream.
    Quic,
    /// Events that must arrive.
    Reliable,
    /// Heads of datagrams; of those to the server, their numbers.
    Head,
    /// To the server: which snapshots arrived.
    Acks,
    /// To the server: inputs.
    Inputs,
    /// Entities that leave.
    Leave,
    /// Entities that enter: their slots and kinds.
    Enter,
    /// Fields of those that enter.
    Entering,
    /// Whether there is a record of an entity.
    Presence,
    /// Fields of entities that are known.
    Field,
    /// Entities that states name.
    Names,
    /// Which of those that rest have a record.
    Wakes,
    /// Events that may be lost.
    Event,
    /// The ends of codes: what makes whole bytes of them.
    End,
    /// Datagrams that came twice or did not decode.
    Unread,
}

/// What a bot sends and is told outside of snapshots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    datagrams: u64,
    bytes: u64,
    head_bits: u64,
    ack_bits: u64,
    pub(crate) reliable_bytes: u64,
}

impl Sent {
    /// A datagram is sent.
    pub(crate) fn note(&mut self, datagram: &[u8]) {
        let Ok(head) = UpHead::decode(&mut BitReader::new(datagram)) else { return };
        let bits_of = |head: UpHead| {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            head.encode(&mut writer);
            writer.bit_len() as u64
        };
        let without = bits_of(UpHead { acks: None, ..head });
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        self.head_bits += without;
        self.ack_bits += bits_of(head) - without;
    }
}

/// Bytes and datagrams of UDP in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Udp {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
}

/// Adds up bots.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    bots: u64,
    seconds: f64,
    datagram_bytes: u64,
    items: BTreeMap<Item, Cost>,
    sent: Sent,
    down: Udp,
    up: Udp,
}

impl Collector {
    pub(crate) fn add(&mut self, seconds: f64, account: &Account, sent: &Sent, (down, up): (Udp, Udp)) {
        self.bots += 1;
        self.seconds += seconds;
        self.datagram_bytes += account.bytes;
        for (item, cost) in account.items() {
            let sum = self.items.entry(item).or_default();
            (sum.bits, sum.times) = (sum.bits + cost.bits, sum.times + cost.times);
        }
        self.sent.datagrams += sent.datagrams;
        self.sent.bytes += sent.bytes;
        self.sent.head_bits += sent.head_bits;
        self.sent.ack_bits += sent.ack_bits;
        self.sent.reliable_bytes += sent.reliable_bytes;
        for (sum, udp) in [(&mut self.down, down), (&mut self.up, up)] {
            (sum.datagrams, sum.bytes) = (sum.datagrams + udp.datagrams, sum.bytes + udp.bytes);
        }
    }

    /// What came of it, with so many bytes of IP and UDP headers; `None` where nobody kept account.
    pub(crate) fn finish(&self, schema: &Schema, headers: u64) -> Option<Accounting> {
        if self.seconds <= 0.0 {
            return None;
        }
        let way = |udp: Udp, datagram_bytes: u64, others: u64| {
            Ledger {
                seconds: self.seconds,
                wire_bytes: (udp.bytes + headers * udp.datagrams) as f64,
                way: Way::default(),
            }
            .begin(udp, headers * udp.datagrams, datagram_bytes, others)
        };
        let mut down = way(self.down, self.datagram_bytes, self.sent.reliable_bytes);
        for (item, cost) in &self.items {
            let (part, kind, field) = names(*item, schema);
            down.add(part, (kind, field), *cost);
        }
        let mut up = way(self.up, self.sent.bytes, 0);
        let Sent { datagrams: times, bytes, head_bits, ack_bits, .. } = self.sent;
        let input_bits = (8 * bytes).saturating_sub(head_bits + ack_bits);
        for (part, bits) in [(Part::Head, head_bits), (Part::Acks, ack_bits), (Part::Inputs, input_bits)] {
            up.add(part, (None, None), Cost { bits: bits as f64, times });
        }
        let bot_seconds = four_digits(self.seconds);
        Some(Accounting { bots: self.bots, bot_seconds, down: down.finish(), up: up.finish() })
    }
}

/// What costs less than this, in bytes per second, is not worth a row.
const BYTES_PER_S_MIN: f64 = 5e-4;

/// A direction under way.
struct Ledger {
    seconds: f64,
    wire_bytes: f64,
    way: Way,
}

impl Ledger {
    fn begin(mut self, udp: Udp, headers: u64, datagram_bytes: u64, others: u64) -> Self {
        self.way.wire_bytes_per_client_s = four_digits(self.wire_bytes / self.seconds);
        self.way.datagram_bytes_per_client_s = four_digits(datagram_bytes as f64 / self.seconds);
        self.way.packets_per_client_s = four_digits(udp.datagrams as f64 / self.seconds);
        let quic = udp.bytes.saturating_sub(datagram_bytes + others);
        for (part, bytes) in [(Part::IpUdp, headers), (Part::Quic, quic), (Part::Reliable, others)] {
            self.add(part, (None, None), Cost { bits: 8.0 * bytes as f64, times: 0 });
        }
        self
    }

    fn add(&mut self, part: Part, (kind, field): (Option<String>, Option<String>), Cost { bits, times }: Cost) {
        let bytes = bits / 8.0;
        if (bytes / self.seconds).abs() < BYTES_PER_S_MIN {
            return;
        }
        self.way.rows.push(AccountRow {
            part,
            kind,
            field,
            bytes_per_client_s: four_digits(bytes / self.seconds),
            share: four_digits(bytes / self.wire_bytes),
            times_per_client_s: (times > 0).then(|| four_digits(times as f64 / self.seconds)),
            bits_each: (times > 0).then(|| four_digits(bits / times as f64)),
        });
    }

    fn finish(mut self) -> Way {
        let rank = |row: &AccountRow| match row.part {
            Part::IpUdp | Part::Quic | Part::Reliable => (0, row.part),
            Part::End | Part::Unread => (2, row.part),
            _ => (1, Part::Head),
        };
        let dearer = |a: &AccountRow, b: &AccountRow| b.bytes_per_client_s.total_cmp(&a.bytes_per_client_s);
        self.way.rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then(dearer(a, b)));
        self.way
    }
}

/// What an item is called.
fn names(item: Item, schema: &Schema) -> (Part, Option<String>, Option<String>) {
    let entity = |kind: usize| schema.entities.get(kind).map(|kind| kind.name.to_string());
    let field = |kind: usize, field: usize| Some(schema.entities.get(kind)?.fields.get(field)?.name.to_string());
    match item {
        Item::Head => (Part::Head, None, None),
        Item::Leave => (Part::Leave, None, None),
        Item::Enter { kind } => (Part::Enter, kind.and_then(entity), None),
        Item::Entering { kind, field: of } => (Part::Entering, entity(kind), field(kind, of)),
        Item::Presence { kind } => (Part::Presence, entity(kind), None),
        Item::Field { kind, field: of } => (Part::Field, entity(kind), field(kind, of)),
        Item::Names { kind } => (Part::Names, entity(kind), None),
        Item::Wakes => (Part::Wakes, None, None),
        Item::Event { kind } => {
            let event = |kind: usize| schema.events.get(kind).map(|kind| kind.name.to_string());
            (Part::Event, kind.and_then(event), None)
        }
        Item::End => (Part::End, None, None),
        Item::Unread => (Part::Unread, None, None),
    }
}

impl Part {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::IpUdp => "IP and UDP headers",
            Self::Quic => "QUIC",
            Self::Reliable => "reliable events",
            Self::Head => "heads",
            Self::Acks => "acknowledgements",
            Self::Inputs => "inputs",
            Self::Leave => "entities that leave",
            Self::Enter => "entities that enter",
            Self::Entering => "fields on entering",
            Self::Presence => "whether it changed",
            Self::Field => "fields",
            Self::Names => "entities named",
            Self::Wakes => "who wakes",
            Self::Event => "events",
            Self::End => "ends of codes",
            Self::Unread => "not read",
        }
    }
}
