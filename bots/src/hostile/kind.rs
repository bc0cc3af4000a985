//! The ways to be hostile: what each does, and what a server answers.

/// What hostile bots do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Several inputs for one tick.
    Extra,
    /// Two ticks of inputs in each tick.
    Fast,
    /// Inputs for ticks that are too far away.
    Future,
    /// Inputs that are held back and sent at once.
    Bank,
    /// Silence, then everything.
    Lag,
    /// Views of a past that is longer ago than it was shown.
    ViewBack,
    /// Views of the present.
    ViewAhead,
    /// Views of the past, with acknowledgements that are as late.
    LateAcks,
    /// Acknowledgements of what was never sent.
    ForgedAcks,
    /// Datagrams that do not decode.
    Malformed,
    /// Datagrams that are too long.
    Oversized,
    /// Old datagrams again.
    Replay,
    /// More control messages than anybody has to say.
    ControlFlood,
    /// Clients that ask for much and do not read.
    SlowReader,
    /// Handshakes that nobody ends.
    HalfOpen,
    /// Clients that come and go.
    Reconnect,
    /// Tickets that were used before.
    TicketReplay,
}

/// How a kind goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It plays as an honest bot does, and what it sends is changed on its way out.
    Plays,
    /// It plays no match, and attacks beside those who do.
    Beside,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Extra,
        Self::Fast,
        Self::Future,
        Self::Bank,
        Self::Lag,
        Self::ViewBack,
        Self::ViewAhead,
        Self::LateAcks,
        Self::ForgedAcks,
        Self::Malformed,
        Self::Oversized,
        Self::Replay,
        Self::ControlFlood,
        Self::SlowReader,
        Self::HalfOpen,
        Self::Reconnect,
        Self::TicketReplay,
    ];

    /// The kind that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As it is called behind `hostile:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.told().0
    }

    /// What it does, for people.
    #[must_use]
    pub const fn what(self) -> &'static str {
        self.told().1
    }

    /// What the server answers, for people.
    #[must_use]
    pub const fn answer(self) -> &'static str {
        self.told().2
    }

    /// Whether it plays.
    #[must_use]
    pub const fn way(self) -> Way {
        match self {
            Self::SlowReader | Self::HalfOpen | Self::Reconnect | Self::TicketReplay => Way::Beside,
            _ => Way::Plays,
        }
    }

    const fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Extra => ("extra", "sends each input four times, as four", "the first counts"),
            Self::Fast => ("fast", "runs its clock at double speed, up to 30 ticks ahead", "a tick runs on one input"),
            Self::Future => ("future", "sends inputs for 64 to 1,000 ticks ahead as well", "refused and counted"),
            Self::Bank => ("bank", "holds inputs back for 250 ms and sends them at once", "each waits for its tick"),
            Self::Lag => ("lag", "is silent for 1 s of 4, then sends everything", "what is late is dropped"),
            Self::ViewBack => (
                "view-back",
                "aims at a past of 133 ms more, and says it was shown that",
                "brought forward to its line",
            ),
            Self::ViewAhead => ("view-ahead", "says it was shown the present", "taken at its word"),
            Self::LateAcks => (
                "late-acks",
                "as view-back, and acknowledges as late as it says it sees",
                "a worse line's 250 ms at most",
            ),
            Self::ForgedAcks => ("forged-acks", "acknowledges what was never sent", "FORGED_ACK"),
            Self::Malformed => ("malformed", "sends noise beside each datagram", "MALFORMED_DATAGRAM"),
            Self::Oversized => {
                ("oversized", "sends a datagram of more than 1,200 bytes beside each", "MALFORMED_DATAGRAM")
            }
            Self::Replay => ("replay", "sends what it sent 0.3, 2 and 4 s ago again", "ignored, or late"),
            Self::ControlFlood => ("control-flood", "says ten lines in each tick", "FLOODING"),
            Self::SlowReader => {
                ("slow-reader", "asks for schema and model, and reads its socket once in 2 s", "told less, or closed")
            }
            Self::HalfOpen => {
                ("half-open", "begins 200 handshakes a second each and ends none", "proof of address, a queue")
            }
            Self::Reconnect => {
                ("reconnect", "joins and is gone, every second time without a word", "refused beyond its limits")
            }
            Self::TicketReplay => ("ticket-replay", "comes with the tickets of those who play", "UNAUTHORIZED"),
        }
    }
}

/// All kinds, a line each.
#[must_use]
pub fn list() -> String {
    let line = |kind: Kind| format!("  {:14}{} -> {}\n", kind.name(), kind.what(), kind.answer());
    Kind::ALL.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_by_its_name_and_no_other_is() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(list().contains(&format!("  {} ", kind.name())));
        }
        assert_eq!(Kind::named("list"), None);
    }
}
