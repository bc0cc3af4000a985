//! The bots on the second processor.

use std::sync::atomic::AtomicBool;
use std::thread;

use downbeat_bots::report::LATE_US_MAX;
use downbeat_bots::{Bots, Options, Report, Sight, run_watched};

use super::{Host, Served};
use crate::BenchError;
use crate::workloads::WARM_UP_S;

/// Who plays, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// So many of them read all that they are told.
    pub(crate) full: usize,
    /// So many connect at the same time.
    pub(crate) joining: usize,
    pub(crate) brain: &'static str,
    /// That are measured.
    pub(crate) seconds: u32,
    pub(crate) seed: u64,
}

/// Plays on `host`, and shows `watch` what is told.
///
/// # Errors
/// When there is no second processor, or nobody got in.
pub(crate) fn play<G: Bots>(
    host: &Host,
    load: Load,
    mut watch: impl FnMut(&Sight<'_, G>) + Send,
) -> Result<Report, BenchError> {
    if thread::available_parallelism().map_or(1, Into::into) < 2 {
        return Err(BenchError::Transport(
            "two processors are needed: one for the server, one for the load".to_owned(),
        ));
    }
    let options = Options {
        clients: load.clients,
        light: load.clients.saturating_sub(load.full),
        joining: load.joining,
        seconds: f64::from(load.seconds + WARM_UP_S),
        brain: load.brain.to_owned(),
        seed: load.seed,
        cpu: Some(1),
        ..Options::new(host.address, host.trust.clone())
    };
    // A thread of its own, for it stays on its processor.
    let played = thread::scope(|scope| {
        let load = scope
            .spawn(|| run_watched::<G>(&options, &mut watch, &mut |told| eprintln!("{told}"), &AtomicBool::new(false)));
        load.join().expect("bots do not panic")
    });
    played.map_err(|error| BenchError::Transport(error.to_string()))
}

/// What makes a run say nothing: of the load, of kernels, of clients that were lost, and of a server that went slower.
pub(crate) fn faults(played: &Report, served: &Served) -> Vec<String> {
    let mut faults = Vec::new();
    match played.bots.late_us {
        Some(late) if late.p99 <= LATE_US_MAX => {}
        Some(late) => faults.push(format!("the load was late: {:.1} ms at p99", late.p99 / 1e3)),
        None => faults.push("nothing was measured".to_owned()),
    }
    let light = played.light.unwrap_or_default();
    let out = (played.clients.asked - played.clients.connected) + (light.asked - light.connected);
    let counts = [
        ("clients did not get in", out),
        ("clients were lost", lost(played)),
        ("ticks were left out", served.server.ticks_left_out.unwrap_or(0)),
        ("times the send rate was lowered", served.server.send_rates_lowered.unwrap_or(0)),
        ("datagrams were dropped by a kernel", kernel_drops(played, served)),
        ("datagrams were dropped by the load", played.bots.dropped.unwrap_or(0)),
    ];
    faults.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")));
    faults
}

/// Clients that were lost, light ones included.
pub(crate) fn lost(played: &Report) -> u64 {
    played.clients.lost + played.light.unwrap_or_default().lost
}

/// Datagrams that a kernel dropped on either side.
pub(crate) fn kernel_drops(played: &Report, served: &Served) -> u64 {
    played.bots.kernel_drops.unwrap_or(0) + served.server.kernel_drops.unwrap_or(0)
}
