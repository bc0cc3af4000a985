//! What is told on the standard error while a server runs: lines for people, or JSON for programs. Shards must not wait for
//! whoever reads it, so a thread of its own writes; and nobody can fill a disk, so lines of one kind are limited, and how many
//! were left out is told.
//!
//! The server tells what happens through `tracing`, whoever listens: a program that embeds it may bring a subscriber of its
//! own instead of calling [`start`].
//!
//! | module | holds |
//! |---|---|
//! | `limit` | how many lines of a kind are told |
//! | `people` | what a line for people looks like |
//! | `writer` | the thread that writes |

mod limit;
mod people;
mod writer;

use std::io;
use std::sync::{Arc, OnceLock};

pub use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use self::limit::{Limit, Limited};
use self::people::ForPeople;
pub use self::writer::Log;
use crate::config::{LogFormat, LogOptions};
use crate::control::HookError;

/// What levels are called, the most important first.
pub const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// The log of this process.
static RUNNING: OnceLock<Running> = OnceLock::new();

struct Running {
    handle: reload::Handle<Targets, Registry>,
    own: &'static str,
    limit: Arc<Limit>,
}

/// Begins to write the log of this process to the standard error; what waits is written when the [`Log`] is dropped. Lines of
/// Downbeat and of the crate `own`, the game's, are told, and no library's: those know addresses. `None` where the process has a
/// subscriber already, which hears of everything then.
///
/// # Errors
/// When the system has no thread left for it.
pub fn start(options: LogOptions, own: &'static str) -> io::Result<Option<Log>> {
    let limit = Arc::new(Limit::default());
    let (lines, log) = Log::start(&limit)?;
    let (filter, handle) = reload::Layer::new(targets(options.level, own));
    let layer = fmt::layer().with_writer(lines).with_ansi(false).with_target(false);
    let registry = tracing_subscriber::registry().with(filter).with(Limited(Arc::clone(&limit)));
    let begun = match options.format {
        LogFormat::Text => registry.with(layer.fmt_fields(ForPeople)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init(),
    };
    if begun.is_err() || RUNNING.set(Running { handle, own, limit }).is_err() {
        return Ok(None);
    }
    if options.format == LogFormat::Json {
        panics_as_lines();
    }
    Ok(Some(log))
}

/// Changes which lines are told from here on; false where there is no log.
pub fn set_level(level: Level) -> bool {
    let Some(running) = RUNNING.get() else { return false };
    running.handle.reload(targets(level, running.own)).is_ok()
}

/// The same for a level that somebody names.
///
/// # Errors
/// When there is no such level, or no log.
pub(crate) fn set_level_named(name: &str) -> Result<(), HookError> {
    let found = LEVELS.iter().find(|(word, _)| *word == name);
    let level = found.map(|(_, level)| *level).ok_or_else(|| {
        let words = LEVELS.map(|(word, _)| format!("`{word}`")).join(", ");
        HookError::Asked(format!("there is no level `{name}`; {words} are allowed"))
    })?;
    if set_level(level) { Ok(()) } else { Err(HookError::Failed("this process writes no log of its own".to_owned())) }
}

/// The least important lines that are told; `None` where there is no log.
pub fn level() -> Option<Level> {
    let targets = RUNNING.get()?.handle.clone_current()?;
    LEVELS.iter().rev().map(|(_, level)| *level).find(|level| targets.would_enable(OURS, level))
}

/// Lines that were left out so far, of all kinds.
pub(crate) fn left_out() -> u64 {
    RUNNING.get().map_or(0, |running| running.limit.left_out())
}

/// Our crates; the names of all of them begin so.
const OURS: &str = "downbeat";

fn targets(level: Level, own: &'static str) -> Targets {
    Targets::new().with_default(LevelFilter::OFF).with_target(OURS, level).with_target(own, level)
}

/// A program that reads the log reads of panics, too.
fn panics_as_lines() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let at = panic.location().map(ToString::to_string);
        tracing::error!(
            event = "panic",
            thread = thread.name(),
            at,
            trace = std::env::var_os("RUST_BACKTRACE").map(|_| std::backtrace::Backtrace::capture().to_string()),
            "{}",
            panic.payload_as_str().unwrap_or("panicked")
        );
    }));
}
