//! What can go wrong, and the exit code that says so: 1 could not run or not served, 2 wrong flags or variables.

use std::io;

use downbeat_bots::{BotsError, OutputError, ReadError};
use downbeat_replica::recording::RecordingError;
use downbeat_server::config::{ConfigError, Origin};
use downbeat_server::{RunError, StartError};
use downbeat_transport::IdentityError;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of `bots --scenario`.
    #[error(transparent)]
    Scenario(ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("no thread for the log is to be had: {0}")]
    Log(io::Error),
    #[error(transparent)]
    Bots(#[from] BotsError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    NoReport(#[from] ReadError),
    #[error("the certificate cannot be trusted: {0}")]
    Identity(#[from] IdentityError),
    #[error("cannot read {path}: {error}")]
    Read { path: String, error: io::Error },
    #[error("cannot train on {path}: {error}{}", next_step(error))]
    Recording { path: String, error: RecordingError },
    #[error("cannot train on {path}: it holds the same as {other}; record another match, with another --seed")]
    Twice { path: String, other: String },
    /// The game's own tables cannot be.
    #[error(transparent)]
    Game(#[from] downbeat_replica::ConfigError),
    #[error("{path}: {why}")]
    Token { path: String, why: String },
    #[error("signals cannot be handled: {0}")]
    Signals(io::Error),
    #[error("cannot write to the standard output: {0}")]
    Stdout(io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("the server failed: its thread ended early")]
    ServerGone,
}

/// What to do about a file that cannot be trained on, where the error does not say it.
const fn next_step(error: &RecordingError) -> &'static str {
    match error {
        RecordingError::NotARecording => "; `demo` and `bots` write one with --record-lanes FILE",
        RecordingError::Truncated { .. } | RecordingError::Illegal { .. } => "; record it again",
        RecordingError::OtherSchema { .. } | RecordingError::TooLong(_) => "",
    }
}

impl CliError {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Scenario(_) => 2,
            Self::Bots(error) if error.is_misuse() => 2,
            Self::Config(ConfigError { origin: Origin::Named(_), .. }) => 2,
            _ => 1,
        }
    }
}
