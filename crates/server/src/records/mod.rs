//! What outlives a process: who came and went, what operators did, and what games tell of their matches. Each such record is a
//! line of JSON, and goes to a file, to a webhook, or to both. A shard hands it over and goes on; each sink has a thread of its
//! own behind a queue with a bound. A sink that is slow holds up nobody, and loses nothing until its queue is full; what it
//! loses then is counted and told.
//!
//! | module | holds |
//! |---|---|
//! | `record` | what there is to be told, and how it is written |
//! | `sink` | a queue, and the thread behind it |
//! | `file` | lines at the end of a file |
//! | `webhook` | signed requests, repeated until they are taken |

mod file;
mod record;
mod sink;
#[cfg(test)]
mod tests;
mod webhook;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use self::record::{Event, Player};
pub(crate) use self::sink::Sink;
use self::sink::{Queue, SinkCounts};
use crate::config::ResultsOptions;

/// Why a sink cannot be.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// A file that it needs cannot be used.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The secret that signs is too short to be one.
    #[error(
        "{path} holds {bytes} bytes; a secret has at least {} (`openssl rand -hex 32` makes one)",
        crate::limits::SECRET_BYTES_MIN
    )]
    Secret {
        /// Its file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
}

/// Looks whether records could be kept, as far as files tell, and makes none.
pub(crate) fn check(options: &ResultsOptions) -> Result<(), RecordsError> {
    let folder = options.file.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        folder.metadata().map_err(|error| RecordsError::File { path: folder.to_owned(), error })?;
    }
    options.webhook.as_ref().map_or(Ok(()), |webhook| webhook::Webhook::new(webhook).map(drop))
}

/// Takes in records, from any thread. It never waits.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Tells the records of this run from those of others.
    run: u64,
    count: AtomicU64,
    queues: Vec<Queue>,
    /// What games told that was too long or too much.
    refused: AtomicU64,
}

impl Recorder {
    /// The sinks of `options`, which must be run, and the way to them.
    pub(crate) fn new(options: &ResultsOptions) -> Result<(Arc<Self>, Vec<Sink>), RecordsError> {
        let mut sinks = Vec::new();
        if let Some(path) = &options.file {
            sinks.push(Sink::new("file", options, Box::new(file::File::open(path)?)));
        }
        if let Some(webhook) = &options.webhook {
            sinks.push(Sink::new("webhook", options, Box::new(webhook::Webhook::new(webhook)?)));
        }
        let queues = sinks.iter().map(Sink::queue).collect();
        let run = crate::start::random();
        Ok((Arc::new(Self { run, count: AtomicU64::new(0), queues, refused: AtomicU64::new(0) }), sinks))
    }

    /// Whether anybody keeps records.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Hands over what happened now.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if !self.is_awaited() {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = self.count.fetch_add(1, Relaxed);
        let line: Arc<str> = record::line(&format!("{:016x}-{number}", self.run), now, event).into();
        self.queues.iter().for_each(|queue| queue.push(Arc::clone(&line)));
    }

    /// A game told more than is kept.
    pub(crate) fn note_refused(&self, count: u64) {
        self.refused.fetch_add(count, Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// What became of the records, for each sink that could be.
    pub(crate) fn counts(&self) -> [(&'static str, SinkCounts); 2] {
        ["file", "webhook"].map(|name| {
            let queue = self.queues.iter().find(|queue| queue.name() == name);
            (name, queue.map(Queue::counts).unwrap_or_default())
        })
    }
}
