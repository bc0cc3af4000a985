//! The process around rooms: configuration, admission, the loop that keeps the beat, and the report at the end.
//!
//! | module | holds |
//! |---|---|
//! | [`Server`], [`Stop`] | start, run, end |
//! | [`Config`], [`Loader`] | what an operator may set, and from where |
//! | [`ServerReport`], [`Progress`] | figures at the end, and while it runs |
//! | [`control`] | looking into a running server, and changing it |
//! | [`log`] | what is told while it runs |
//! | [`Metrics`] | what a monitoring system asks for |
//! | [`Notice`] | what an operator is told |
#![forbid(unsafe_code)]

mod accounts;
pub mod bans;
pub mod config;
pub mod control;
mod counts;
mod directory;
mod doorman;
mod files;
mod guard;
mod http;
pub mod limits;
pub mod log;
mod meter;
pub mod metrics;
mod notice;
mod orchestrator;
mod os;
mod progress;
mod pulse;
mod records;
mod reload;
mod report;
mod server;
mod shard;
mod start;
mod stop;
mod text;
pub mod ticket;
mod turnstile;

pub use config::{Config, Listen, Loader};
pub use doorman::KeyFileError;
pub use http::TokensError;
pub use metrics::Metrics;
pub use notice::{Notice, Notify};
pub use os::pin_thread;
pub use progress::Progress;
pub use pulse::Pulse;
pub use records::RecordsError;
pub use reload::{Follow, ReadAgain, Reload, ReloadError, Reloaded};
pub use report::{
    Closes, InputFigures, Live, Percentiles, Phases, RoomFigures, ServerFigures, ServerReport, ShardFigures,
    SnapshotFigures, Totals, Traffic,
};
pub use server::{RunError, Server};
pub use start::{StartError, bind, check_files};
pub use stop::Stop;
