//! What the server says of itself while bots play, from its admin interface: asked by a thread of its own, so that a server
//! that answers slowly holds up no bot.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

use crate::options::BotsError;
use crate::scrape::{Marks, Moment};
use crate::series::Spread;

/// Where a server tells operators how it is, and what lets one ask.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminOptions {
    /// Its address, such as `http://127.0.0.1:4480`.
    pub url: String,
    /// A token of any role.
    pub token: String,
}

impl fmt::Debug for AdminOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are not printed.
        f.debug_struct("AdminOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A server makes a row each second.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// It answers within this, or is asked again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Rows of some minutes come the first time.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A page of metrics is not longer.
const METRICS_BYTES_MAX: u64 = 4 << 20;

/// Follows a server until it is dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    asker: Asker,
    told: Arc<Mutex<Told>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    /// The number of the newest row.
    n: u64,
    /// Work of a tick in it.
    tick_us: Option<Spread>,
    /// Sums since the measurement began.
    sums: Sums,
    /// Moments that have come and of which the metrics were not read yet.
    due: Vec<Moment>,
    marks: Marks,
}

/// What is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) seconds: u64,
    pub(crate) overruns: u64,
    pub(crate) kernel_drops: u64,
}

#[derive(Deserialize)]
struct History {
    seconds: Vec<Row>,
}

/// Of a row, what is used here.
#[derive(Deserialize)]
struct Row {
    n: u64,
    work_p50_us: Option<f64>,
    work_p99_us: Option<f64>,
    overruns: u64,
    kernel_drops: u64,
}

impl Admin {
    /// Asks once, and then again and again.
    ///
    /// # Errors
    /// When the first answer does not come, or is none.
    pub(crate) fn follow(options: &AdminOptions) -> Result<Self, BotsError> {
        let asker = Asker::new(options);
        let first = asker.ask(0).map_err(|why| BotsError::Admin { url: options.url.clone(), why })?;
        let mut told = Told::default();
        told.take(&first);
        let (told, is_over) = (Arc::new(Mutex::new(told)), Arc::new(AtomicBool::new(false)));
        let (left, over, asking) = (Arc::clone(&told), Arc::clone(&is_over), asker.clone());
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::park_timeout(ASK_EVERY);
                read_due(&asking, &left);
                let newest = lock(&left).n;
                // A server that is busy or restarts answers the next time.
                if let Ok(history) = asking.ask(newest) {
                    lock(&left).take(&history);
                }
            }
        })?;
        Ok(Self { asker, told, is_over, thread: Some(thread) })
    }

    /// The work of a tick in the newest second.
    pub(crate) fn tick_us(&self) -> Option<Spread> {
        lock(&self.told).tick_us
    }

    /// The server's metrics are read as soon as can be: nobody waits for it. With the measurement sums begin anew.
    pub(crate) fn mark(&self, moment: Moment) {
        let mut told = lock(&self.told);
        if moment == Moment::Measuring {
            told.sums = Sums::default();
        }
        told.due.push(moment);
        drop(told);
        self.thread.iter().for_each(|thread| thread.thread().unpark());
    }

    /// What was added up since the measurement began.
    pub(crate) fn sums(&self) -> Sums {
        lock(&self.told).sums
    }

    /// Follows the server no longer, and reads its metrics a last time. What was read at each moment.
    pub(crate) fn finish(&mut self) -> Marks {
        self.end();
        lock(&self.told).due.push(Moment::End);
        read_due(&self.asker, &self.told);
        lock(&self.told).marks.clone()
    }

    fn end(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads the metrics for the moments that have come. Where that fails they stay due: a bit later is better than never.
fn read_due(asker: &Asker, told: &Mutex<Told>) {
    if lock(told).due.is_empty() {
        return;
    }
    let Ok(page) = asker.metrics() else { return };
    let mut told = lock(told);
    for moment in std::mem::take(&mut told.due) {
        told.marks.note(moment, &page);
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    // Nothing is left half done in there.
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    fn take(&mut self, history: &History) {
        for row in &history.seconds {
            self.n = row.n;
            self.tick_us = row.work_p50_us.zip(row.work_p99_us).map(|(p50, p99)| Spread { p50, p99 });
            self.sums.seconds += 1;
            self.sums.overruns = self.sums.overruns.saturating_add(row.overruns);
            self.sums.kernel_drops = self.sums.kernel_drops.saturating_add(row.kernel_drops);
        }
    }
}

#[derive(Clone)]
struct Asker {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Asker {
    fn new(options: &AdminOptions) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWERED_WITHIN))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .new_agent();
        let url = options.url.trim_end_matches('/').to_owned();
        Self { agent, url, token: format!("Bearer {}", options.token) }
    }

    /// The rows after number `after`.
    fn ask(&self, after: u64) -> Result<History, String> {
        let body = self.get(&format!("/v1/history?after={after}"), ANSWER_BYTES_MAX)?;
        serde_json::from_slice(&body).map_err(|error| format!("it is no Downbeat server's: {error}"))
    }

    /// What is measured, as Prometheus is told it.
    fn metrics(&self) -> Result<String, String> {
        let body = self.get("/metrics", METRICS_BYTES_MAX)?;
        String::from_utf8(body).map_err(|error| error.to_string())
    }

    fn get(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut answer = request.header("authorization", &self.token).call().map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.as_u16() == 401 {
            return Err("it does not know the token: --admin-token TEXT|@FILE".to_owned());
        }
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        answer.body_mut().with_config().limit(bytes_max).read_to_vec().map_err(|error| error.to_string())
    }
}
