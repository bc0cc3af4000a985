//! Which figures of a report `bots` can know at all, and which only with the server's admin interface.

use downbeat_bots::Gate;

/// Who knows a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The bots themselves.
    Bots,
    /// The server, which says so to whom it lets ask: `--admin`.
    Admin,
    /// A server in the same process alone, which scenarios never have.
    Nobody,
}

/// What a server tells nobody outside, by how the names begin.
const UNTOLD: [&str; 9] = [
    "tick_us.",
    "tick_start_jitter_us.",
    "server.cpu_us_per_client_tick",
    "server.rss_bytes",
    "server.clamped",
    "server.refused",
    "inputs.starved",
    "inputs.late",
    "inputs.rejected",
];

/// What it tells.
const TOLD: [&str; 2] = ["server.", "hostile.server."];

impl Reach {
    pub(crate) fn of(gate: &Gate) -> Self {
        let begins = |starts: &[&str]| starts.iter().any(|start| gate.path.starts_with(start));
        if begins(&UNTOLD) {
            Self::Nobody
        } else if begins(&TOLD) || gate.path.starts_with("budget.") && gate.path.ends_with(".tick_ms") {
            Self::Admin
        } else {
            Self::Bots
        }
    }
}
