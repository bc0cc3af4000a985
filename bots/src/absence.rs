//! When a bot has no connection nobody owes it snapshots, be it that it broke the connection or lost it.

use downbeat_replica::Tick;
use downbeat_wire::Micros;

/// Stretches without a connection, all together. It only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Away {
    pub(crate) time: Micros,
    /// Ticks from the last snapshot before to the first one after.
    pub(crate) ticks: u32,
    /// How many stretches.
    pub(crate) times: u64,
}

impl Away {
    /// What came since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        let Self { time, ticks, times } = before;
        Self { time: self.time.since(time), ticks: self.ticks - ticks, times: self.times - times }
    }
}

/// Keeps account of one bot's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Absence {
    away: Away,
    /// The newest snapshot before the stretch whose first snapshot has yet to come.
    newest: Option<Tick>,
}

impl Absence {
    /// The connection is gone; `newest` is the tick of the newest snapshot.
    pub(crate) fn begin(&mut self, newest: Tick) {
        self.newest.get_or_insert(newest);
    }

    /// There is another one after so long.
    pub(crate) fn end(&mut self, time: Micros) {
        self.away.time = self.away.time + time;
    }

    /// A snapshot came; `newest` is the tick of the newest.
    pub(crate) fn note_snapshot(&mut self, newest: Tick) {
        if let Some(before) = self.newest.take() {
            self.away.ticks += newest.0.saturating_sub(before.0);
            self.away.times += 1;
        }
    }

    pub(crate) const fn away(&self) -> Away {
        self.away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_lasts_from_the_last_snapshot_to_the_first_one_however_often_the_connection_broke() {
        let mut absence = Absence::default();
        absence.note_snapshot(Tick(100));
        assert_eq!(absence.away(), Away::default());
        absence.begin(Tick(100));
        absence.end(Micros(300));
        // It broke again before anything came.
        absence.begin(Tick(100));
        absence.end(Micros(500));
        let before = absence.away();
        absence.note_snapshot(Tick(160));
        absence.note_snapshot(Tick(162));
        assert_eq!(absence.away(), Away { time: Micros(800), ticks: 60, times: 1 });
        assert_eq!(absence.away().since(before), Away { time: Micros(0), ticks: 60, times: 1 });
    }
}
