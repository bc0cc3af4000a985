//! What light clients received of what was owed to them.

use downbeat_wire::Micros;

use crate::report;
use crate::taken::Taken;

/// What came over the connection of a light client: packets, and those that a conditioner dropped on their way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
}

/// What a light client has counted at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LightMarks {
    pub(crate) at: Micros,
    pub(crate) snapshots: u64,
    pub(crate) traffic: Traffic,
}

/// Growth of that over the measurement, added up over light clients.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LightGrowth {
    client_us: u64,
    received: u64,
    taken: Taken,
}

impl LightGrowth {
    /// Adds a client that was measured from `base` to `latest`.
    pub(crate) fn add(&mut self, base: &LightMarks, latest: &LightMarks) {
        let received = latest.snapshots - base.snapshots;
        let (old, new) = (base.traffic, latest.traffic);
        self.client_us += latest.at.since(base.at).0;
        self.received += received;
        self.taken.add(&Taken::of(received, new.packets - old.packets, new.dropped - old.dropped));
    }

    /// Adds what was added up elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        let Self { client_us, received, taken } = other;
        self.client_us += client_us;
        self.received += received;
        self.taken.add(taken);
    }

    /// Writes what grew into the report, of a match with so many snapshots per second.
    pub(crate) fn fill(&self, light: &mut report::Light, send_rate_hz: u32) {
        let client_seconds = self.client_us as f64 / 1e6;
        let owed = (client_seconds * f64::from(send_rate_hz)).round() as u64;
        let taken = self.taken.of_missing(owed.saturating_sub(self.received));
        light.received = Some(self.received);
        light.expected = Some(owed - taken);
        light.net_dropped = Some(taken);
        light.snapshots_per_client_s = (client_seconds > 0.0).then(|| self.received as f64 / client_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_dropped_is_not_owed_and_what_the_server_did_not_send_is() {
        let told = |snapshots, dropped| {
            let base = LightMarks { at: Micros(5_000_000), snapshots: 70, ..LightMarks::default() };
            let traffic = Traffic { packets: snapshots, dropped };
            let latest = LightMarks { at: Micros(15_000_000), snapshots: 70 + snapshots, traffic };
            let (mut one, mut all) = (LightGrowth::default(), LightGrowth::default());
            one.add(&base, &latest);
            (0..2).for_each(|_| all.merge(&one));
            let mut light = report::Light::default();
            all.fill(&mut light, 60);
            (light.received, light.expected, light.net_dropped, light.snapshots_per_client_s)
        };
        assert_eq!(told(540, 60), (Some(1_080), Some(1_080), Some(120), Some(54.0)));
        assert_eq!(told(300, 60), (Some(600), Some(1_080), Some(120), Some(30.0)));
        assert_eq!(told(540, 0), (Some(1_080), Some(1_200), Some(0), Some(54.0)));
    }
}
