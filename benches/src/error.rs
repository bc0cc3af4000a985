//! Why a workload has no figures, and the exit code that says so.

use downbeat_replica::ConfigError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The world could not be set up.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transport could not be set up.
    #[error("the transport cannot be measured: {0}")]
    Transport(String),
    /// Instructions cannot be counted.
    #[error("instructions cannot be counted: {0}")]
    Instructions(String),
    /// Other libraries' programs cannot be run.
    #[error("the peers cannot be measured: {0}")]
    Peers(String),
    /// The figures cannot be written.
    #[error("the figures cannot be written: {0}")]
    Report(#[from] serde_json::Error),
    /// A page of the documentation cannot be written.
    #[error("the page cannot be written: {0}")]
    Page(String),
    /// What was measured is not correct: a client did not know what it was told, or a limit cut what must be whole.
    #[error("gate failed: {0}")]
    Gate(String),
    /// The run says nothing about the product.
    #[error("the run is invalid: {0}")]
    Invalid(String),
}

impl BenchError {
    /// The process's exit code: 1 could not run, 3 a gate failed, 4 the run is invalid.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Transport(_)
            | Self::Instructions(_)
            | Self::Peers(_)
            | Self::Report(_)
            | Self::Page(_) => 1,
            Self::Gate(_) => 3,
            Self::Invalid(_) => 4,
        }
    }
}
