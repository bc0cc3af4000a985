//! A queue with a bound, and the thread that empties it into something that may be slow, or gone for a while.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use crate::config::ResultsOptions;
use crate::limits::{RECORDS_AT_ONCE_MAX, RECORDS_FAREWELL, RECORDS_RETRIED_AFTER, RECORDS_RETRIED_AFTER_MAX};
use crate::notice::Notice;
use crate::stop::{Stop, Urgency};

/// Where records go.
pub(super) trait Deliver: Send {
    /// Takes some records, all of them or none. It is asked again with the same ones until it has.
    fn deliver(&mut self, lines: &[Arc<str>]) -> Result<(), String>;

    /// Where records wait that were not delivered before the process ended.
    fn spool(&self) -> Option<&Path> {
        None
    }
}

/// What became of the records of one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SinkCounts {
    pub(crate) waiting: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// Deliveries that failed and are tried again.
    pub(crate) failed: u64,
}

/// The way to a sink.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    name: &'static str,
    sender: SyncSender<Arc<str>>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    taken: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

impl Queue {
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn push(&self, line: Arc<str>) {
        self.tally.taken.fetch_add(1, Relaxed);
        if self.sender.try_send(line).is_err() {
            self.tally.lost.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn counts(&self) -> SinkCounts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        let Tally { taken, delivered, lost, failed } = &*self.tally;
        let (delivered, lost) = (read(delivered), read(lost));
        SinkCounts { waiting: read(taken).saturating_sub(delivered + lost), delivered, lost, failed: read(failed) }
    }
}

/// What empties a queue.
pub(crate) struct Sink {
    queue: Queue,
    receiver: Receiver<Arc<str>>,
    into: Box<dyn Deliver>,
    /// Those that are delivered next.
    pending: VecDeque<Arc<str>>,
    /// How many of them were tried together and are tried again; 0 for none.
    attempted: usize,
    told_lost: u64,
    is_failing: bool,
}

impl Sink {
    pub(super) fn new(name: &'static str, options: &ResultsOptions, into: Box<dyn Deliver>) -> Self {
        let (sender, receiver) = sync_channel(options.waiting_max as usize);
        let queue = Queue { name, sender, tally: Arc::default() };
        Self { queue, receiver, into, pending: VecDeque::new(), attempted: 0, told_lost: 0, is_failing: false }
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.queue.name
    }

    /// Delivers what comes until `is_over`, and what waits then, as far as that takes no longer than [`RECORDS_FAREWELL`] and
    /// `stop` is not urgent. What is left is kept for the next start, if there is a place for it.
    pub(crate) fn run(mut self, is_over: &AtomicBool, stop: &Stop, mut notify: impl FnMut(&Notice)) {
        self.take_up(&mut notify);
        let mut ends = None;
        let mut failures = 0;
        loop {
            if is_over.load(Relaxed) {
                let is_first = ends.is_none();
                let ends = *ends.get_or_insert_with(|| Instant::now() + RECORDS_FAREWELL);
                failures = if is_first { 0 } else { failures };
                let is_empty = !self.fetch(Duration::ZERO);
                if is_empty || Instant::now() >= ends || stop.urgency() == Urgency::Now {
                    break;
                }
            } else {
                self.fetch(LOOK_PAUSE);
            }
            failures = if self.deliver(&mut notify) { 0 } else { failures + 1 };
            self.tell_lost(&mut notify);
            if failures > 0 {
                // Whoever ends is not kept waiting for longer than that takes.
                let until = ends.into_iter().fold(Instant::now() + pause(failures), Instant::min);
                while Instant::now() < until
                    && (ends.is_some() || !is_over.load(Relaxed))
                    && stop.urgency() < Urgency::Now
                {
                    thread::sleep(LOOK_PAUSE.min(until.saturating_duration_since(Instant::now())));
                }
            }
        }
        self.put_away(&mut notify);
    }

    /// Takes what waits in the queue, up to what is delivered at once; waits for the first up to `patience`. False when there
    /// is none.
    fn fetch(&mut self, patience: Duration) -> bool {
        if self.pending.is_empty() {
            match self.receiver.recv_timeout(patience) {
                Ok(line) => self.pending.push_back(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(patience),
            }
        }
        while self.pending.len() < RECORDS_AT_ONCE_MAX {
            let Ok(line) = self.receiver.try_recv() else { break };
            self.pending.push_back(line);
        }
        !self.pending.is_empty()
    }

    /// Delivers those that are next; false when that failed.
    fn deliver(&mut self, notify: &mut impl FnMut(&Notice)) -> bool {
        if self.attempted == 0 {
            self.attempted = self.pending.len().min(RECORDS_AT_ONCE_MAX);
        }
        let count = self.attempted;
        if count == 0 {
            return true;
        }
        let name = self.queue.name;
        let outcome = self.into.deliver(&self.pending.make_contiguous()[..count]);
        match &outcome {
            Ok(()) => {
                self.pending.drain(..count);
                self.attempted = 0;
                self.queue.tally.delivered.fetch_add(count as u64, Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    notify(&Notice::RecordsDelivered { sink: name });
                }
            }
            Err(error) => {
                self.queue.tally.failed.fetch_add(1, Relaxed);
                // Told once: how long it lasts, the metrics say.
                if !std::mem::replace(&mut self.is_failing, true) {
                    notify(&Notice::RecordsDelayed { sink: name, error: error.clone() });
                }
            }
        }
        outcome.is_ok()
    }

    fn tell_lost(&mut self, notify: &mut impl FnMut(&Notice)) {
        let lost = self.queue.tally.lost.load(Relaxed);
        if lost > self.told_lost {
            notify(&Notice::RecordsLost { sink: self.queue.name, count: lost - self.told_lost });
            self.told_lost = lost;
        }
    }

    /// Takes up what the last run left.
    fn take_up(&mut self, notify: &mut impl FnMut(&Notice)) {
        let Some(spool) = self.into.spool() else { return };
        let text = match fs::read_to_string(spool) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let error = format!("{}: {error}", spool.display());
                return notify(&Notice::RecordsDelayed { sink: self.queue.name, error });
            }
        };
        self.pending.extend(text.lines().map(Arc::from));
        self.queue.tally.taken.fetch_add(self.pending.len() as u64, Relaxed);
    }

    /// Keeps what was not delivered for the next run; what cannot be kept is lost.
    fn put_away(&mut self, notify: &mut impl FnMut(&Notice)) {
        self.pending.extend(self.receiver.try_iter());
        let spool = self.into.spool().map(Path::to_path_buf);
        let kept = spool.is_some_and(|spool| rewrite(&spool, &self.pending).is_ok());
        if !kept {
            self.queue.tally.lost.fetch_add(self.pending.len() as u64, Relaxed);
        }
        self.tell_lost(notify);
    }
}

/// Writes a file anew, or removes it when there is nothing to be kept.
fn rewrite(path: &Path, lines: &VecDeque<Arc<str>>) -> io::Result<()> {
    if lines.is_empty() {
        return fs::remove_file(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
    }
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut file = io::BufWriter::new(fs::File::create(&new)?);
    lines.iter().try_for_each(|line| writeln!(file, "{line}"))?;
    file.into_inner()?.sync_all()?;
    fs::rename(&new, path)
}

/// How long to wait after so many failures in a row: twice as long each time, and less by chance, so that not all servers
/// come back at once.
fn pause(failures: u32) -> Duration {
    let longest = RECORDS_RETRIED_AFTER.saturating_mul(1 << (failures - 1).min(16)).min(RECORDS_RETRIED_AFTER_MAX);
    longest.mul_f64(0.5 + 0.5 * (crate::start::random() >> 11) as f64 / (1u64 << 53) as f64)
}

/// How often a thread looks whether it is over.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
