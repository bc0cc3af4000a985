//! Many seeds, on all processors.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use downbeat_replica::Micros;
use downbeat_replica::hash::Fnv;

use crate::checks::{Findings, Invariant};
use crate::scenario::{Scenario, Verdict};

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// What failed, in one line.
    pub what: String,
}

/// Plays the scenario of `seed` for `seconds`, over QUIC or not; whether it panics, too.
#[must_use]
pub fn play(seed: u64, seconds: u32, is_quic: bool) -> Verdict {
    remember_panics();
    PANIC.set(Some(String::new()));
    let verdict = catch_unwind(AssertUnwindSafe(|| Scenario::draw(seed, seconds, is_quic).play()));
    let said = PANIC.take().unwrap_or_default();
    verdict.unwrap_or_else(|_| {
        let mut findings = Findings::default();
        findings.broken(Micros::default(), Invariant::NoPanic, || said);
        Verdict { findings, trace_hash: 0, played: (0, 0, 0) }
    })
}

/// Plays `count` seeds from `first` on, on all processors. `failed` hears of each that fails. Returns how many did not, and
/// the hash of all their traces.
pub fn swarm(first: u64, count: u64, seconds: u32, is_quic: bool, failed: impl FnMut(&Failure) + Send) -> (u64, u64) {
    let next = AtomicU64::new(0);
    let state = Mutex::new((vec![0; count as usize], 0, failed));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return;
            }
            let seed = first.wrapping_add(n);
            let verdict = play(seed, seconds, is_quic);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (traces, passed, failed) = &mut *state;
            traces[n as usize] = verdict.trace_hash;
            if verdict.findings.is_empty() {
                *passed += 1;
            } else {
                failed(&Failure { seed, what: verdict.findings.to_string() });
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (traces, passed, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut hash = Fnv::default();
    traces.iter().for_each(|trace: &u64| hash.write(&trace.to_le_bytes()));
    (passed, hash.finish())
}

/// The line that plays a seed again.
#[must_use]
pub fn rerun(seed: u64, seconds: u32, is_quic: bool) -> String {
    let layer = if is_quic { " --quic" } else { "" };
    let seconds = if seconds == SECONDS { String::new() } else { format!(" --seconds {seconds}") };
    format!("cargo run --release -p downbeat-simnet --{layer} --seed {seed:#x}{seconds}")
}

/// Virtual seconds of a scenario if nothing is said.
pub const SECONDS: u32 = 20;

thread_local! {
    /// What a panic of this thread said; `None` while panics are nobody's here.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what a panic says instead of printing it, where [`play`] wants it.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = info.to_string().replace('\n', " ");
            let is_ours = PANIC.with_borrow_mut(|panic| panic.as_mut().map(|panic| *panic = said).is_some());
            if !is_ours {
                before(info);
            }
        }));
    });
}
